"""FMLP: filters along the history in place of attention, one for each coordinate and as long as the history."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...engine.nn.autodiff import Tensor
from ...engine.nn.functional import gelu
from ...engine.nn.modules import CausalFilter, Dropout, Embedding, FeedForward, LayerNorm, Module
from ...engine.sparse import Index
from ..contract.parameters import changed, number, whole
from .one_vector import SequenceModel, SequenceNetwork


class FMLP(SequenceModel):
    """Filter-enhanced MLP: x = dropout(norm(v)), then `layers` times y = norm(x + dropout(filter(x))), x = norm(y + dropout(forward(y)));

    what comes out at the last place is h, score(S, i) = h . v_i; filter(x)_t = sum_m w_m * x_(t - m), coordinate by coordinate, with
    max_length learned w_m; forward is a layer of GELU and a linear one. After Zhou, Yu, Zhao & Wen 2022, "Filter-enhanced MLP is all you
    need for sequential recommendation". Theirs multiplies the Fourier transform of the padded history by learned complex numbers: the same
    convolution, but a circular one, in which each place sees what comes after it. So they train on the last place alone of every beginning
    of a history. Here a place sees itself and what is before it, which at the last place of the first layer is the same number; all places
    are trained at once, and a history is as long as it is. There are no vectors of the places: the filters know them.

    Fit O(events d (layers (hidden d + log max_length) + items)) an iteration with the full softmax.
    """

    name = "fmlp"

    factors: int = changed(search=[64, 128, 256], doc="d.")
    layers: int = whole(default=2, high=1000, search=[1, 2, 3], doc="Blocks of a filter and a feed-forward network.")
    hidden: float = number(default=4.0, above=0, high=1000, doc="Width of the feed-forward layers, as a multiple of d.")

    def estimate_memory(self, dataset: Dataset) -> int:
        weights = int(self.layers * self.factors * (2 * self.hidden * self.factors + self.max_length))
        return self._memory(dataset, (24 + 4 * self.hidden) * self.factors * self.layers, weights)

    def _network(self, n_items: int, rng: np.random.Generator) -> SequenceNetwork:
        return _Filters(self, n_items, rng)


class _Filters(SequenceNetwork):
    def __init__(self, model: FMLP, n_items: int, rng: np.random.Generator) -> None:
        self.items = Embedding(n_items, model.factors, rng)
        self.norm, self.dropout = LayerNorm(model.factors), Dropout(model.dropout)
        self.blocks = [_Block(model, rng) for _ in range(model.layers)]

    def __call__(self, items: Index, indptr: NDArray[np.int64]) -> Tensor:
        x = self.dropout(self.norm(self.items(items)))
        for block in self.blocks:
            x = block(x, indptr)
        return x


class _Block(Module):
    def __init__(self, model: FMLP, rng: np.random.Generator) -> None:
        d = model.factors
        self.filter = CausalFilter(d, model.max_length, rng)
        self.forward = FeedForward((d, max(round(model.hidden * d), 1), d), rng, gelu)
        self.norms = [LayerNorm(d), LayerNorm(d)]
        self.dropouts = [Dropout(model.dropout), Dropout(model.dropout)]

    def __call__(self, x: Tensor, indptr: NDArray[np.int64]) -> Tensor:
        y = self.norms[0](x + self.dropouts[0](self.filter(x, indptr)))
        return self.norms[1](y + self.dropouts[1](self.forward(y)))
