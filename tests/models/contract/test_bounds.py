"""Hostile values of every parameter of every model: refused by name, in the constructor's class and in files alike."""

import json
import time
import tracemalloc

import numpy as np
import pytest
from hostile import ends, outcome, variants

from minirec.errors import ModelFileError, ParameterError
from minirec.models import MODELS, load_model
from minirec.testing import SUBJECTS
from minirec.testing.sets import shop

WRONG = ["many", b"3", [3], {}, (), float("nan"), float("inf"), -float("inf"), 1e300, 10**40, -(10**40), 3 + 4j, np.float64("nan")]
NUMBERS = [(name, parameter) for name in MODELS for parameter, declared in MODELS[name].declared.items() if declared.low is not None]


def test_every_number_has_two_ends():
    assert len(NUMBERS) > 250
    for name, parameter in NUMBERS:
        declared = MODELS[name].declared[parameter]
        assert np.isfinite([declared.low, declared.high]).all(), f"{name}.{parameter}"
        assert declared.low <= declared.high


@pytest.mark.parametrize("name", MODELS)
def test_hostile_values_are_refused_by_name(name):
    cls = MODELS[name]
    for parameter, declared in cls.declared.items():
        if declared.low is None:
            continue
        beyond = [declared.low - 1, declared.high + 1] if isinstance(declared.high, int) else [np.nextafter(declared.high, np.inf)]
        for value in [*WRONG, True, *beyond, *([None] if declared.default is not None else [])]:
            with pytest.raises(ParameterError, match=f"^{parameter} must be"):
                cls(**{parameter: value})._check()


@pytest.mark.parametrize("name", MODELS)
def test_both_ends_are_allowed_and_numpy_numbers_become_plain(name):
    subject = SUBJECTS[name]
    for parameter, declared in subject.cls.declared.items():
        if declared.low is None:
            continue
        kinds = (np.int64, int) if isinstance(declared.high, int) else (np.float64, float)
        for value in (declared.low, declared.high):
            model = subject.make(**{parameter: kinds[0](value)})
            assert type(getattr(model, parameter)) in (int, float)
            assert type(model.set_params(**{parameter: kinds[0](value)}).get_params()[parameter]) in (int, float)
            json.dumps(model.get_params()[parameter])


@pytest.mark.parametrize("name", ["als", "slim", "gmf", "popularity"])
def test_numpy_numbers_save_and_load(name, tmp_path):
    subject = SUBJECTS[name]
    kinds = {int: np.int32, float: np.float64}
    small = {key: kinds.get(type(value), lambda same: same)(value) for key, value in subject.small.items()}
    model = subject.cls(**small).fit(subject.data(shop()))
    model.save(tmp_path / "model.npz")
    assert load_model(tmp_path / "model.npz").get_params() == subject.make().get_params()


def rewrite(path, out, changes):
    """The model file with other hyper-parameters in its header."""
    with np.load(path) as archive:
        arrays = dict(archive)
    header = json.loads(arrays.pop("header").tobytes())
    header["params"] |= changes
    np.savez(out, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)


@pytest.mark.parametrize("name", ["sasrec", "gru4rec", "nextitnet", "din", "neumf", "multvae"])
def test_a_header_that_asks_for_a_larger_network_is_refused_before_it_is_built(name, tmp_path):
    subject = SUBJECTS[name]
    subject.make().fit(subject.data(shop())).save(tmp_path / "model.npz")
    for parameter in {"factors", "hidden", "layers"} & subject.cls.declared.keys():
        high = subject.cls.declared[parameter].high
        for value in (2**31, high, min(high, 3000)):
            rewrite(tmp_path / "model.npz", tmp_path / "changed.npz", {parameter: value})
            tracemalloc.start()
            start = time.perf_counter()
            with pytest.raises((ModelFileError, ParameterError)):
                load_model(tmp_path / "changed.npz")
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 200e6, f"{parameter}={value} took {peak / 1e6:.0f} MB"
            assert time.perf_counter() - start < 20


SOME = ("popularity", "itemknn", "userknn", "als", "ease", "slim", "rp3beta", "hittingtime", "pagerank", "bpr", "biasedmf", "gfcf")


@pytest.mark.slow_without_jit
@pytest.mark.parametrize(
    "case", ["weights 1e30", "weights mixed", "weights negative", "one event", "one item", "times far", "ids at the ends"]
)
@pytest.mark.parametrize("name", SOME)
def test_hostile_numbers_give_finite_lists_or_an_error_of_minirec(name, case):
    for model in variants(name).values():
        assert not (found := outcome(model, case)).startswith("!"), found


@pytest.mark.slow_without_jit
@pytest.mark.parametrize("name", ["popularity", "rp3beta", "slim", "warp", "pagerank"])
def test_the_ends_of_parameters_give_finite_lists_or_an_error_of_minirec(name):
    for _, parameter, value, found in ends(name):
        assert not found.startswith("!"), f"{parameter}={value}: {found}"
