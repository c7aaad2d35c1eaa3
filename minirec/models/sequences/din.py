"""Deep interest network: the history is read anew for each candidate, by attention that the candidate decides."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...data.ids import Ids, Rows
from ...engine.backend import one_blas_thread
from ...engine.nn import target_attention as attention
from ...engine.nn.autodiff import Tensor, no_grad
from ...engine.nn.criteria import binary_cross_entropy
from ...engine.nn.functional import concatenate, embedding, linear, target_attention
from ...engine.nn.modules import Dropout, Embedding, Linear, Module, PReLU
from ...engine.ranking.scorers import Scorer, Scores
from ...engine.sequences import Sequences
from ...engine.sparse import Floats, Index
from ...options import thread_count
from ..contract.parameters import changed, whole
from ..contract.request import Profiles
from ..forms.vectors import cosines
from .history import Batch, HistoryModel, HistoryNetwork

_SCALE = 0.1  # deviation of the item vectors before training: the unit sees products of two
_TILE = 1024  # items that go through the network at once
_PROFILES = 256  # profiles that a tile is computed for at once, for scores of pairs


class DIN(HistoryModel["TargetNetwork"]):
    """Target attention: score(S, i) = f(sum_{j in S} a(e_j, e_i) e_j, e_i) + b_i, e being the vectors of the items.

    a(e_j, e_i) = w . prelu(W (e_j, e_i, e_j * e_i) + c) + c', the activation unit; f is prelu layers and a linear one. Zhou et al. 2018,
    "Deep interest network for click-through rate prediction", section 4.3: without a softmax over the history, which the authors' code
    has. As the unit's first layer is linear, the difference e_j - e_i, which their code gives it too, would add nothing; b is that of
    their code. Differences: events are items alone, without features; PReLU, not Dice, which leans on statistics of the batch; dropout in
    place of the L2 penalty of section 5.1; all negatives of a sample count, against the item that came next: binary cross-entropy, the mean
    of -ln sigma(x_t) and -ln(1 - sigma(x_n)) for `negatives` uniform items n other than t.
    The history is a sum: which events are its last max_length is all that their order decides. Training and when it stops: see
    `HistoryModel`.

    Fit O(events max_length (1 + negatives) d unit) an iteration: an event is folded into the unit's weights once for all candidates
    (engine/nn/target_attention.py). Scoring all items takes O(items |S| d unit + items hidden (d + hidden)) for one history; of many, each
    item that occurs in them is paired with each item once, a_ji being the same in all: O(items^2 d unit) at most.
    Explanations are leave-one-out; `attention_weights` gives a.
    """

    name = "din"

    factors: int = changed(default=32, search=[16, 32, 64], doc="d.")
    unit: int = whole(default=36, high=65_536, doc="Width of the hidden layer of the activation unit.")
    hidden: int = whole(default=64, high=1_000_000, search=[64, 128], doc="Width of the first layer of f; each next one has half of it.")
    layers: int = whole(default=2, high=1000, doc="Layers of f.")
    negatives: int = changed(default=4, search=(1, 10, "int"), doc="Negatives of each event, in each iteration.")
    dropout: float = changed(search=(0.0, 0.5, "linear"), doc="Share of the numbers between the layers of f that training drops.")
    learning_rate: float = changed(default=3e-3, search=(1e-3, 1e-2, "log"))

    def _widths(self) -> list[int]:
        return [2 * self.factors, *(max(self.hidden >> halvings, 1) for halvings in range(self.layers))]

    def estimate_memory(self, dataset: Dataset) -> int:
        """Item vectors and weights with gradients, Adam's means and the best ones; a batch; of the unit, what each thread has at once."""
        widths = self._widths()
        weights = self.unit * (3 * self.factors + 4) + sum((inputs + 2) * outputs for inputs, outputs in pairwise(widths))
        samples = min(self.batch_size * self.max_length, len(dataset)) * (1 + self.negatives)
        numbers = 7 * (dataset.n_items * (self.factors + 1) + weights) + samples * (8 * self.factors + 3 * self.unit + 6 * sum(widths))
        places = thread_count() * 16 * (1 + self.negatives) * self.max_length * self.unit
        return int(4 * (numbers + 4 * places)) + 40 * len(dataset) + thread_count() * 2**20

    def _network(self, n_items: int, rng: np.random.Generator) -> TargetNetwork:
        return TargetNetwork(n_items, self.factors, self.unit, self._widths(), self.dropout, rng)

    def _batch_loss(self, network: TargetNetwork, batch: Batch) -> Tensor:
        candidates = np.column_stack((batch.targets, batch.negatives))
        targets, weights = np.zeros((1, candidates.shape[1])), np.ones(candidates.shape)
        targets[0, 0] = 1
        weights[:, 1:] = batch.negatives != batch.targets[:, None]
        return binary_cross_entropy(network(batch.items, batch.indptr, candidates), targets, weights)

    def _judge(self, network: TargetNetwork, sequences: Sequences) -> TargetScorer:
        return TargetScorer(network, sequences)

    # ---- requests -------------------------------------------------------------------------------------------------------

    def _scorer(self, profiles: Profiles) -> TargetScorer:
        history = profiles.ordered or Sequences.of_rows(profiles.history)
        return TargetScorer(self._trained(), history.latest(self.max_length))

    def _similarity(self, rows: Rows) -> Scorer:
        """Cosines of the items' vectors."""
        return cosines(self, "_kept_units", self._trained().items.weight.data, rows)

    def attention_weights(self, history: Ids, items: Ids) -> Scores:
        """a(e_j, e_i): what each of some items takes of each event of a history, its last max_length: float32 (items, events).

        They add up to no particular number, and may be negative.
        """
        self._fitted()
        events, rows = self._last_events(history), self._all_known(self.items_, items, "item")
        with one_blas_thread():
            return np.stack([self._trained().weights(int(event), rows) for event in events], axis=1)


class TargetNetwork(HistoryNetwork):
    """Logits of candidates at each place of packed sequences."""

    def __init__(self, n_items: int, d: int, unit: int, widths: Sequence[int], dropout: float, rng: np.random.Generator) -> None:
        self.items = Embedding(n_items, d, rng, _SCALE)
        self.biases = Tensor(np.zeros(n_items, np.float32), requires_grad=True)
        self.unit = ActivationUnit(d, unit, rng)
        self.layers = [Linear(inputs, outputs, rng) for inputs, outputs in pairwise(widths)]
        self.activations = [PReLU(width) for width in widths[1:]]
        self.dropout = Dropout(dropout)
        self.top = Linear(widths[-1], 1, rng, bias=False)

    def __call__(self, items: Index, indptr: NDArray[np.int64], candidates: Index) -> Tensor:
        """candidates (tokens, c): logits (tokens, c) by the item at each place and those before it."""
        targets = self.items(candidates)
        return self.of_interest(self.unit(self.items(items), targets, indptr), targets, candidates)

    def of_interest(self, interest: Tensor, targets: Tensor, candidates: Index) -> Tensor:
        """f(interest, target) + b; interest and targets (..., d), candidates (...)."""
        x = concatenate((interest, targets), axis=-1)
        for layer, activation in zip(self.layers, self.activations, strict=True):
            x = self.dropout(activation(layer(x)))
        return self.top(x).reshape(*candidates.shape) + embedding(self.biases, candidates)

    def weights(self, event: int, candidates: Index) -> Floats:
        """a of one event with some items, (items,)."""
        return self.unit.weights(self.items.weight.data[event : event + 1], self.items.weight.data[candidates])


class ActivationUnit(Module):
    """a(e_j, e_i) of `DIN`, and the sum of what it weighs."""

    def __init__(self, d: int, width: int, rng: np.random.Generator) -> None:
        whole_first = Linear(3 * d, width, rng)  # drawn in one piece, since the bound of the weights goes by its shape
        parts = [Tensor(part.copy(), requires_grad=True) for part in np.split(whole_first.weight.data, 3)]
        self.of_events, self.of_targets, self.of_products = parts
        self.first_bias = Tensor(np.zeros(width, np.float32), requires_grad=True)
        self.activation, self.top = PReLU(width), Linear(width, 1, rng, bias=False)
        self.top_bias = Tensor(np.zeros(1, np.float32), requires_grad=True)

    def __call__(self, events: Tensor, targets: Tensor, indptr: NDArray[np.int64]) -> Tensor:
        """events (tokens, d), targets (tokens, c, d); (tokens, c, d)."""
        own, asked = linear(events, self.of_events, self.first_bias), linear(targets, self.of_targets)
        weight = self.top.weight.reshape(-1)
        return target_attention(events, targets, indptr, own, asked, self.of_products, self.activation.slope, weight, self.top_bias)

    def weights(self, event: Floats, targets: Floats) -> Floats:
        """a of one event (1, d) with targets (k, d): (k,)."""
        unit = attention.Unit(self.of_products.data, self.activation.slope.data, self.top.weight.data[:, 0], self.top_bias.data)
        own = event @ self.of_events.data + self.first_bias.data
        x = attention.unit_inputs(targets, attention.fold(event, unit), own, targets @ self.of_targets.data)
        return attention.unit_weights(x, unit)[:, 0]


class TargetScorer:
    """Logits of all items for sequences, by tiles of items that depend on the catalogue alone: a profile has the same bits in any batch.

    In a tile each item that occurs in the sequences is weighed once, for all profiles that have it.
    """

    def __init__(self, network: TargetNetwork, sequences: Sequences) -> None:
        self.network, self.sequences = network, sequences

    @property
    def shape(self) -> tuple[int, int]:
        return self.sequences.shape

    def block(self, start: int, stop: int) -> Scores:
        profiles = np.arange(start, stop)
        return np.concatenate([self._tile(profiles, first) for first in range(0, self.shape[1], _TILE)], axis=1)

    def pairs(self, profiles: NDArray[np.int64], items: Index) -> Scores:
        out = np.empty(len(profiles), np.float32)
        for first in np.unique(items // _TILE * _TILE).tolist():
            ours = np.flatnonzero(items // _TILE * _TILE == first)
            distinct, at = np.unique(profiles[ours], return_inverse=True)
            for start in range(0, len(distinct), _PROFILES):
                here = (at >= start) & (at < start + _PROFILES)
                scores = self._tile(distinct[start : start + _PROFILES], first)
                out[ours[here]] = scores[at[here] - start, items[ours[here]] - first]
        return out

    def _tile(self, profiles: NDArray[np.int64], first: int) -> Scores:
        """Of some profiles, for the items from `first` on, at most _TILE."""
        candidates = np.arange(first, min(first + _TILE, self.shape[1]), dtype=np.int32)
        sequences, network = self.sequences.rows(profiles), self.network
        events, at = np.unique(sequences.items, return_inverse=True)
        out = np.empty((len(profiles), len(candidates)), np.float32)
        with one_blas_thread(), no_grad():
            weights = np.array([network.weights(event, candidates) for event in events.tolist()], np.float32).reshape(-1, len(candidates))
            targets = network.items(candidates)
            for row, (start, stop) in enumerate(pairwise(sequences.indptr.tolist())):
                values = network.items.weight.data[sequences.items[start:stop]]
                out[row] = network.of_interest(Tensor(weights[at[start:stop]].T @ values), targets, candidates).data
        return out
