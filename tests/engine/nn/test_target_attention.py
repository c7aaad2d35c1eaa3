"""Attention by candidates: loops as the oracle, finite differences, threads, and what does not fit."""

from itertools import pairwise

import numpy as np
import pytest
from gradients import check_float32, check_gradients
from naive_gradients import error

from minirec.engine.nn import functional, target_attention
from minirec.engine.nn.target_attention import Unit, target_attention_backward
from minirec.engine.sequences import offsets
from minirec.errors import ParameterError
from minirec.options import options


def draw(lengths, c=2, d=3, w=4, dtype=np.float64):
    rng, indptr = np.random.default_rng(0), offsets(np.array(lengths))
    n = indptr[-1]
    return indptr, [rng.standard_normal(shape).astype(dtype) for shape in ((n, d), (n, c, d), (n, w), (n, c, w), (d, w), w, w, 1)]


def oracle(indptr, values, targets, own, asked, product, slope, weight, bias):
    out = np.zeros_like(targets)
    for first, last in pairwise(indptr):
        for t in range(first, last):
            for k in range(targets.shape[1]):
                for s in range(first, t + 1):
                    x = own[s] + asked[t, k] + (values[s] * targets[t, k]) @ product
                    out[t, k] += (np.where(x > 0, x, slope * x) @ weight + bias) * values[s]
    return out


@pytest.fixture(params=[16, 2])
def places(request, monkeypatch):
    """As many places at a time, and small blocks of sequences."""
    monkeypatch.setattr(target_attention, "_PLACES", request.param)
    monkeypatch.setattr(target_attention, "_PAIRS", 60)


@pytest.mark.usefixtures("places")
def test_result_and_gradients():
    indptr, arrays = draw([5, 0, 1, 3])
    out, _ = target_attention.target_attention(*arrays[:2], indptr, *arrays[2:4], Unit(*arrays[4:]))
    assert error(out, oracle(indptr, *arrays)) < 1e-13

    def function(values, targets, *others):
        return functional.target_attention(values, targets, indptr, *others)

    check_gradients(function, *arrays)
    check_float32(function, *arrays)


def test_nothing_to_attend_to():
    indptr, arrays = draw([0, 0])
    out, saved = target_attention.target_attention(*arrays[:2], indptr, *arrays[2:4], Unit(*arrays[4:]))
    found = target_attention_backward(out, saved)
    assert [gradient.shape for gradient in found] == [array.shape for array in arrays]
    assert not any(gradient.any() for gradient in found)


def test_threads_do_not_matter():
    indptr, arrays = draw(np.random.default_rng(1).integers(0, 40, 60), c=3, d=8, w=5, dtype=np.float32)
    found = []
    for threads in (1, 2):
        with options(threads=threads):
            out, saved = target_attention.target_attention(*arrays[:2], indptr, *arrays[2:4], Unit(*arrays[4:]))
            found.append([array.tobytes() for array in (out, *target_attention_backward(out, saved))])
    assert found[0] == found[1]


def test_what_does_not_fit_is_named():
    indptr, (values, targets, own, asked, *unit) = draw([2, 3])
    for given, words in [
        ((values, targets[:, :, :2], indptr, own, asked, Unit(*unit)), r"target attention: .*\(5, 2, 2\).* do not fit values \(5, 3\)"),
        ((values, targets, indptr, own, asked, Unit(*unit[:3], unit[1])), r"target attention: .*\(4,\)\] do not fit"),
        ((values, targets, indptr[:-1], own, asked, Unit(*unit)), "target attention: indptr must ascend"),
    ]:
        with pytest.raises(ParameterError, match=words):
            target_attention.target_attention(*given)
    _, saved = target_attention.target_attention(values, targets, indptr, own, asked, Unit(*unit))
    with pytest.raises(ParameterError, match=r"the gradient must be \(5, 2, 3\) as the result is, got \(5, 3\)"):
        target_attention_backward(values, saved)
