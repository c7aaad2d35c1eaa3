"""A weighted dot product of interests and attributes, read as a probability: by the sigmoid of one item, by the softmax among all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...data.dataset import Dataset
from ...engine.descent.batches import shuffled
from ...engine.descent.losses import sigmoid
from ...engine.nn.autodiff import Tensor
from ...engine.nn.criteria import multinomial
from ...engine.nn.functional import embedding
from ...engine.nn.modules import Embedding, Module
from ...engine.nn.optimizers import Adam
from ...engine.sparse import CSR, Index
from ..contract.parameters import changed, flag, number, whole
from ..contract.stopping import StoppingModel
from ..forms.fold_in import FoldInFactorModel

_SCALE = 0.1  # deviation of the vectors before training
_USERS = 64  # users whose scores set the bias
_HALVINGS = 40  # of the interval in which the bias is


def logit(interests: ArrayLike, attributes: ArrayLike, weights: ArrayLike = 1.0, bias: float = 0.0, behaviour: float = 0.0) -> Any:
    """sum_f W_f p_f q_f + b + V . x over the last axis: interests p, attributes q, weights W, bias b; `behaviour` is V . x.

    With p = (1, 0, 1), q = (1, 1, 1), W = 1 and b = 1: p . q is 2, the logit 3, and its sigmoid .9526; it would be .8808 with p . q = 1.

    >>> x = logit([1, 0, 1], [1, 1, 1], weights=1, bias=1)
    >>> float(x), round(float(sigmoid(x)), 4)
    (3.0, 0.9526)
    >>> round(float(sigmoid(np.array(2.0))), 4)
    0.8808
    """
    p, q, w = (np.asarray(part, np.float64) for part in (interests, attributes, weights))
    return (w * p * q).sum(axis=-1) + bias + behaviour


class SoftmaxNetwork(Module):
    """Logits of users for all items, without b, which is the same for all of them."""

    def __init__(self, users: int, items: int, factors: int, behaviour: NDArray[np.float32], rng: np.random.Generator) -> None:
        self.users, self.items = Embedding(users, factors, rng, _SCALE), Embedding(items, factors, rng, _SCALE)
        self.weights = Tensor(np.ones(factors, np.float32), requires_grad=True)  # W
        self.by_behaviour = Tensor(np.zeros((behaviour.shape[1], 1), np.float32), requires_grad=True)  # V
        self._behaviour = behaviour

    def __call__(self, users: Index) -> tuple[Tensor, Tensor]:
        """(n, items), and the vectors of the users, distinct, (n, d)."""
        p = embedding(self.users.weight, users)
        return (p * self.weights) @ self.items.weight.T + self.along().reshape(1, -1), p

    def along(self) -> Tensor:
        """V . x_i, (items, 1)."""
        return Tensor(self._behaviour.astype(self.weights.dtype)) @ self.by_behaviour


class SoftmaxMF(StoppingModel, FoldInFactorModel):
    """The logit is sum_f W_f p_uf q_if + b + V . x_ui: interests p_u of a user, attributes q_i of an item, behaviour x_ui; see `logit`.

    Among all items the probability of i is softmax_i; that of one item by itself is sigma(logit). Trained by the full softmax, the mean
    over the events of a batch of -ln softmax_i (`softmax_cross_entropy`, for all events of a user at once), and
    regularization / 2 (sum over the users of the batch of |p_u|^2 / |I_u| + |Q|^2 / |I|) against growth.

    x_ui is the item's popularity, ln n_i minus its mean, if `behaviour` is set; else it is 0. What u did with i is available
    for training pairs only, so it would leak the label. V is therefore one number, the weight of popularity beside the vectors.
    The softmax says nothing of b; it is set so that the sigmoids of a user's items add up, on average, to the length of a history.
    The vectors are (W * p_u, b, 1) and (q_i, 1, V x_i). Weights of events are not used.

    A new user's vector is o + B^T mean_{i in I_u} q_i; o and B are fitted to the known users by ridge regression.
    Fit O(users x items x d) an iteration; memory O((users + items) d + batch_size items + events).
    """

    name = "softmaxmf"
    score_kind = "logit"
    _biases = 2

    factors: int = whole(default=64, high=4096, search=[16, 32, 64, 128], doc="d, the length of the vectors.")
    behaviour: bool = flag(default=True, doc="Whether x_ui is the item's popularity, see above.")
    learning_rate: float = number(default=0.01, above=0, high=100, search=(1e-3, 3e-2, "log"), doc="Of Adam.")
    regularization: float = number(default=1.0, low=0, high=1e6, search=(1e-3, 10.0, "log"), doc="See above.")
    batch_size: int = whole(default=256, doc="Users of a step.")
    iterations: int = changed(default=50)

    def estimate_memory(self, dataset: Dataset) -> int:
        """The vectors, Adam's means and gradients; the logits of a batch, and what is made of them; the events."""
        batch = min(self.batch_size, dataset.n_users)
        return 28 * self.factors * (dataset.n_users + dataset.n_items) + 24 * batch * dataset.n_items + 100 * len(dataset)

    def _network(self, events: CSR, rng: np.random.Generator) -> SoftmaxNetwork:
        popularity = np.log(np.maximum(np.bincount(events.indices, minlength=events.shape[1]), 1))
        behaviour = (popularity - popularity.mean() if self.behaviour else np.zeros_like(popularity)).astype(np.float32)[:, None]
        return SoftmaxNetwork(*events.shape, self.factors, behaviour, rng)

    def _batch_loss(self, network: SoftmaxNetwork, users: Index, events: CSR) -> Tensor:
        """The loss of all events of some users, distinct."""
        logits, p = network(users)
        counts = events.rows(users)
        loss = multinomial(logits, counts) * (len(users) / counts.nnz)
        if self.regularization:
            shares = (1 / counts.counts()).astype(p.dtype)[:, None]
            q = network.items.weight
            loss = loss + ((p * p * shares).sum() * (1 / len(users)) + (q * q).sum() * (1 / len(q))) * (self.regularization / 2)
        return loss

    def _train(self, events: CSR, iterations: int) -> Iterator[dict[str, float]]:
        rng = np.random.default_rng(self.seed_)
        network = self._network(events, rng)
        adam, known = Adam(network.parameters(), self.learning_rate), np.flatnonzero(events.counts()).astype(np.int32)
        for _ in range(iterations):
            total = 0.0
            for chosen in shuffled(len(known), self.batch_size, rng):
                loss = self._batch_loss(network, known[chosen], events)
                total += loss.item() * len(chosen)
                loss.backward()
                adam.step()
            self._store(network, events)
            yield {"loss": total / len(known)}

    def _store(self, network: SoftmaxNetwork, events: CSR) -> None:
        p, q = network.users.weight.data * network.weights.data, network.items.weight.data
        along = network.along().data
        some = np.linspace(0, len(p) - 1, min(len(p), _USERS)).astype(np.int64)
        bias = balanced_bias(p[some] @ q.T + along[:, 0], events.nnz / len(p))
        self.user_factors_ = np.concatenate((p, np.full((len(p), 1), bias, np.float32), np.ones((len(p), 1), np.float32)), axis=1)
        self.item_factors_ = np.concatenate((q, np.ones_like(along), along), axis=1)
        self._set_sources(self.user_factors_, q, events)


def balanced_bias(logits: NDArray[np.float32], expected: float) -> float:
    """b with sum_i sigma(logit_ui + b) = expected on average over the users, by bisection; at most half of the items are expected."""
    share = min(expected / logits.shape[1], 0.5)
    centre = float(np.log(share / (1 - share)))
    low, high = centre - float(logits.max()), centre - float(logits.min())
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if sigmoid(logits + np.float32(middle)).mean(dtype=np.float64) < share else (low, middle)
    return (low + high) / 2
