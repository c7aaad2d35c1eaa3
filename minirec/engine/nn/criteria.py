"""Losses of batches as tensors: one number each, the mean over the samples, with a hand-derived backward.

They are functions of logits: for each of n samples one of the positive (n,), and of the negatives (n, m). Those whose gradients cost
as much memory as the logits compute them in the forward pass and keep nothing else. Losses are summed in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ParameterError, ShapeError
from ..backend import kernel, resolve, run_blocks
from ..descent import losses
from ..sparse import CSR, Floats
from .autodiff import Gradient, Tensor, recording
from .functional import embedding, softmax_array, softmax_in_place, softplus_array

_LOGITS = 2**24  # of `softmax_cross_entropy` at once: 64 MB; with few samples at once, the gradient of the table is rewritten too often
_FEWEST, _MOST, _ITEMS = 32, 256, 2048  # samples, and items, that a thread takes at once of them


def binary_cross_entropy(logits: Tensor, targets: Any, weights: Any = 1.0) -> Tensor:
    """-t ln sigma(x) - (1 - t) ln(1 - sigma(x)) = softplus(x) - t x, times the weight, over all entries.

    logits of any shape, targets in [0, 1] and weights broadcast to it.
    """
    x, t, w = logits.data, np.asarray(targets, logits.dtype), np.asarray(weights, logits.dtype)
    _broadcasts("binary_cross_entropy", x, t, w)
    return _mean("binary_cross_entropy", w * (softplus_array(x) - t * x), x.size, (logits,), w * (losses.sigmoid(x) - t))


def bpr(positive: Tensor, negative: Tensor) -> Tensor:
    """-ln sigma(x_p - x_n), Rendle et al. 2009, section 4.1, over all negatives: (n,), or (n, m) for m of each sample."""
    own = _of_each("bpr", positive, negative)
    loss, pull = losses.pairwise_logistic(own - negative.data)
    return _mean("bpr", loss, loss.size, (positive, negative), _summed(-pull, positive), pull)


def warp(positive: Tensor, negative: Tensor, items: int) -> Tensor:
    """L(rank) max(0, 1 - x_p + x_n), Weston et al. 2011, equations 2 to 6: n is the first negative of a sample with x_n > x_p - 1.

    Where it is number N, the rank is estimated as floor((items - 1) / N), and L(k) = sum_{s=1..k} 1/s. A sample whose negatives all keep
    the margin counts 0. positive (n,), negative (n, m) in the order of the draws; those of -inf are none, and not counted.
    """
    own, x = _of_each("warp", positive, negative), negative.data
    rows, short = np.arange(len(x)), own - x < 1
    first, found = short.argmax(axis=1), short.any(axis=1)
    tried = np.maximum((x > -np.inf).cumsum(axis=1)[rows, first], 1)
    weight = np.where(found, losses.rank_weights(items, x.dtype)[(items - 1) // tried], x.dtype.type(0))
    loss, pull = losses.weighted_hinge(np.where(found, own[:, 0] - x[rows, first], 1), weight)
    push = np.zeros_like(x)
    push[rows, first] = pull
    return _mean("warp", loss, len(loss), (positive, negative), -pull, push)


def gbce(positive: Tensor, negative: Tensor, items: int, calibration: float = 0.75) -> Tensor:
    """gBCE, Petrov & Macdonald 2023, "gSASRec: reducing overconfidence ... trained with negative sampling":

    (-beta ln sigma(x_p) - sum_n ln(1 - sigma(x_n))) / (m + 1), beta = a (t (1 - 1/a) + 1/a), a = m / (items - 1) or 1: the rate.
    The authors transform the positive logit so that its sigmoid is sigma(x_p)^beta: the same number.

    positive (n,), negative (n, m), drawn uniformly. calibration t : 0 is plain binary cross-entropy, 1 undoes the sampling in full.
    """
    own, m = _of_each("gbce", positive, negative), negative.shape[-1]
    if not 0 <= calibration <= 1 or m < 1:
        raise ParameterError(f"gbce: calibration {calibration} is not in [0, 1], or there are {m} negatives")
    rate = min(m / max(items - 1, 1), 1.0)
    beta = own.dtype.type(rate * (calibration * (1 - 1 / rate) + 1 / rate))
    loss = beta * softplus_array(-own[:, 0]) + softplus_array(negative.data).sum(axis=1)
    pulls = -beta * losses.sigmoid(-own[:, 0]), losses.sigmoid(negative.data)
    return _mean("gbce", loss, loss.size * (m + 1), (positive, negative), *pulls)


def cosine_contrastive(positive: Tensor, negative: Tensor, margin: float, weight: float) -> Tensor:
    """SimpleX, Mao et al. 2021, equation 1: (1 - x_p) + weight / m sum_n max(0, x_n - margin), x being cosines.

    positive (n,), negative (n, m).
    """
    own, m = _of_each("cosine_contrastive", positive, negative), negative.shape[-1]
    over = negative.data - own.dtype.type(margin)
    share = own.dtype.type(weight / m)
    loss = 1 - own[:, 0] + share * np.maximum(over, 0).sum(axis=1)
    return _mean("cosine_contrastive", loss, loss.size, (positive, negative), np.full_like(own[:, 0], -1), share * (over > 0))


def sampled_softmax(hidden: Tensor, table: Tensor, targets: NDArray[Any], negatives: NDArray[Any], log_q: Floats | None = None) -> Tensor:
    """-ln (e^s_p / (e^s_p + sum_n e^s_n)) with s_i = h . v_i - log_q_i, Bengio & Senécal 2008; Yi et al. 2019.

    hidden (n, d), table (items, d), targets (n,), negatives (m,) shared by all samples: one that is the target of a sample does not
    count there. log_q (items,) : log of how often each item is expected among the negatives; None: no correction. Memory O(n m).
    """
    for name, tensor in (("hidden", hidden), ("table", table)):
        if tensor.ndim != 2 or tensor.shape[1] != table.shape[1] or len(targets) != len(hidden):
            raise ShapeError(f"sampled_softmax: {name} {tensor.shape} with targets {targets.shape} and table {table.shape} do not fit")
    positive = (hidden * embedding(table, targets)).sum(axis=1)
    negative = hidden @ embedding(table, negatives).T
    scores = np.concatenate((positive.data[:, None], negative.data), axis=1)
    if log_q is not None:
        scores[:, 0] -= log_q[targets]
        scores[:, 1:] -= log_q[negatives]
    scores[:, 1:][targets[:, None] == negatives] = -np.inf
    own = scores[:, 0].copy()
    loss = softmax_in_place(scores) - own
    return _mean("sampled_softmax", loss, loss.size, (positive, negative), scores[:, 0] - 1, scores[:, 1:])


def multinomial(logits: Tensor, counts: CSR) -> Tensor:
    """-sum_i x_i ln softmax_i, Liang et al. 2018, "Variational autoencoders for collaborative filtering", equation 2.

    logits (n, items); counts : how often each sample has each item, a CSR of that shape. Samples without any count as 0.
    """
    if logits.shape != counts.shape:
        raise ShapeError(f"multinomial: logits of shape {logits.shape} for counts of shape {counts.shape}")
    rows, at = counts.row_ids(), counts.indices
    logs, shares = softmax_array(logits.data)
    loss = counts.sums(counts.data * (logs[rows, 0] - logits.data[rows, at]))
    shares *= counts.sums(counts.data).astype(logits.dtype)[:, None]
    shares[rows, at] -= counts.data.astype(logits.dtype)
    return _mean("multinomial", loss, len(logits), (logits,), shares)


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, e^s) | N(0, 1)) = 1/2 sum_k (e^s_k + mean_k^2 - 1 - s_k), s the log variance; Kingma & Welling 2014, appendix B.

    mean, log_variance (n, d).
    """
    if mean.shape != log_variance.shape or mean.ndim != 2:
        raise ShapeError(f"gaussian_kl: mean {mean.shape} and log variance {log_variance.shape} do not fit")
    m, s = mean.data, log_variance.data
    variance = np.exp(s)
    loss = 0.5 * (variance + m * m - 1 - s).sum(axis=1)
    return _mean("gaussian_kl", loss, len(m), (mean, log_variance), m.copy(), 0.5 * (variance - 1))


def softmax_multinomial(hidden: Tensor, table: Tensor, bias: Tensor, counts: CSR) -> Tensor:
    """`multinomial` of the logits V h + b; they are never all in memory at once.

    hidden (n, d), table V (items, d), bias (items,), counts (n, items). Blocks, threads, time and memory: as `softmax_cross_entropy`.
    """
    h, v, b, n = hidden.data, table.data, bias.data, len(hidden)
    if h.ndim != 2 or v.ndim != 2 or h.shape[1] != v.shape[1] or b.shape != (len(v),) or counts.shape != (n, len(v)):
        raise ShapeError(f"softmax_multinomial: hidden {h.shape}, table {v.shape}, bias {b.shape} and counts {counts.shape} do not fit")
    weights = (counts.data.astype(np.float64) / max(n, 1)).astype(h.dtype)
    totals, record = counts.sums(weights).astype(h.dtype)[:, None], recording(hidden, table, bias)
    by_hidden, by_table, by_bias = (np.empty_like(h), np.zeros_like(v), np.zeros_like(b)) if record else (h, v, b)
    rows = _rows(n)
    size = min(max(_LOGITS // max(len(v), 1) // rows, 1) * rows, n)
    logits, logs, loss = np.empty((size, len(v)), h.dtype), np.empty(n, h.dtype), np.empty(n)
    softmax_rows = kernel("softmax_rows", resolve())

    for first in range(0, n, max(size, 1)):
        last = min(first + size, n)

        def by_samples(start: int, stop: int, first: int = first) -> None:
            at, block, mine = slice(first + start, first + stop), logits[start:stop], counts.span(first + start, first + stop)
            held = slice(int(counts.indptr[at.start]), int(counts.indptr[at.stop]))
            np.matmul(h[at], v.T, out=block)
            block += b
            owners = mine.row_ids()
            own = block[owners, mine.indices]
            softmax_rows(0, len(block), block, logs[at])
            loss[at] = mine.sums(weights[held] * (logs[at][owners] - own))
            if record:
                block *= totals[at]
                block[owners, mine.indices] -= weights[held]
                np.matmul(block, v, out=by_hidden[at])

        def by_items(start: int, stop: int, first: int = first, last: int = last) -> None:
            block = logits[: last - first, start:stop]
            by_table[start:stop] += block.T @ h[first:last]
            by_bias[start:stop] += block.sum(axis=0)

        run_blocks(by_samples, last - first, rows)
        if record:
            run_blocks(by_items, len(v), _ITEMS)
    return _scaled("softmax_multinomial", loss.sum(), (hidden, table, bias), by_hidden, by_table, by_bias)


def softmax_cross_entropy(hidden: Tensor, table: Tensor, targets: NDArray[Any], weights: Floats | None = None) -> Tensor:
    """-ln softmax(V h)_t over all items, times the weight of the sample; the logits are never all in memory at once.

    hidden (n, d), table V (items, d), targets (n,) rows of it, weights (n,). Gradients are computed in the forward pass, by blocks of
    samples: (softmax - onehot) V by parts of the samples, and its transpose times h by parts of the items, so that each number belongs to
    one thread. O(n items d); memory that of the gradients and of 2^24 logits.
    """
    h, v, n = hidden.data, table.data, len(hidden)
    if h.ndim != 2 or v.ndim != 2 or h.shape[1] != v.shape[1] or targets.shape != (n,):
        raise ShapeError(f"softmax_cross_entropy: hidden {h.shape}, table {v.shape} and targets {targets.shape} do not fit")
    if n and not (targets.min() >= 0 and targets.max() < len(v)):
        raise ShapeError(f"softmax_cross_entropy: targets from {targets.min()} to {targets.max()} for a table of shape {v.shape}")
    share = (np.ones(n) if weights is None else np.asarray(weights, np.float64)) / max(n, 1)
    record = recording(hidden, table)
    by_hidden, by_table = (np.empty_like(h), np.zeros_like(v)) if record else (h, v)
    rows = _rows(n)
    size = min(max(_LOGITS // max(len(v), 1) // rows, 1) * rows, n)
    logits, logs, loss = np.empty((size, len(v)), h.dtype), np.empty(n, h.dtype), np.empty(n)
    part = share.astype(h.dtype)[:, None]
    scaled, softmax_rows = h * part, kernel("softmax_rows", resolve())

    for first in range(0, n, max(size, 1)):
        last = min(first + size, n)

        def by_samples(start: int, stop: int, first: int = first) -> None:
            at, block = slice(first + start, first + stop), logits[start:stop]
            np.matmul(h[at], v.T, out=block)
            mine = np.arange(stop - start), targets[at]
            own = block[mine]
            softmax_rows(0, len(block), block, logs[at])
            loss[at] = share[at] * (logs[at] - own)
            if record:
                block[mine] -= 1
                np.matmul(block, v, out=by_hidden[at])

        def by_items(start: int, stop: int, first: int = first, last: int = last) -> None:
            by_table[start:stop] += logits[: last - first, start:stop].T @ scaled[first:last]

        run_blocks(by_samples, last - first, rows)
        if record:
            run_blocks(by_items, len(v), _ITEMS)
    if record:
        by_hidden *= part
    return _scaled("softmax_cross_entropy", loss.sum(), (hidden, table), by_hidden, by_table)


def _rows(n: int) -> int:
    """Samples that a thread takes at once: many, as BLAS copies the table for each product, but of few some for each thread."""
    return min(max(n // 4, _FEWEST), _MOST)


def _mean(name: str, loss: Floats, n: int, parents: tuple[Tensor, ...], *gradients: Floats) -> Tensor:
    """The sum of the losses, and of their gradients, divided by n."""
    if recording(*parents):
        for gradient in gradients:
            gradient /= max(n, 1)
    return _scaled(name, loss.sum(dtype=np.float64) / max(n, 1), parents, *gradients)


def _scaled(name: str, loss: Any, parents: tuple[Tensor, ...], *gradients: Floats) -> Tensor:
    """A number whose gradients are there already."""

    def backward(g: Floats) -> tuple[Gradient, ...]:
        return gradients if g == 1 else tuple(gradient * g for gradient in gradients)

    return Tensor.from_op(name, np.asarray(loss, parents[0].dtype), parents, backward)


def _of_each(name: str, positive: Tensor, negative: Tensor) -> Floats:
    """The positives in the shape that broadcasts to the negatives: (n, 1) for (n, m)."""
    if positive.ndim != 1 or negative.shape[:1] != positive.shape or negative.ndim > 2 or (negative.ndim == 1 and name != "bpr"):
        raise ShapeError(f"{name}: positives {positive.shape} and negatives {negative.shape} do not fit")
    own: Floats = positive.data.reshape(-1, *(1,) * (negative.ndim - 1))
    return own


def _summed(pulls: Floats, positive: Tensor) -> Floats:
    total: Floats = pulls.reshape(len(positive), -1).sum(axis=1)
    return total


def _broadcasts(name: str, logits: Floats, *others: Floats) -> None:
    shape = logits.shape[::-1]
    if any(other.ndim > logits.ndim or any(n not in (1, m) for n, m in zip(other.shape[::-1], shape, strict=False)) for other in others):
        raise ShapeError(f"{name}: shapes {', '.join(str(other.shape) for other in others)} for logits of shape {logits.shape}")
