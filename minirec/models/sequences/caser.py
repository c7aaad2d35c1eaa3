"""Caser: convolutions over the last few items, seen as an image of items by coordinates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...engine.nn.autodiff import Tensor
from ...engine.nn.functional import concatenate, horizontal_convolution, relu, vertical_convolution
from ...engine.nn.modules import Dropout, Embedding, Linear
from ...engine.sequences import shifted
from ...engine.sparse import Index
from ..contract.parameters import changed, whole
from .one_vector import SequenceModel, SequenceNetwork


class Caser(SequenceModel):
    """Convolutional sequence embedding: the vectors of the last `window` items are a matrix E (window, d), zero where there is no item;

    o = [max_i relu(<F, E[i : i + height]> + b) for each of `filters` horizontal filters F of each height 1 to window;
    sum_l w_l E_l for each of `vertical` filters w], and h = relu(W dropout(o) + b), score(S, i) = h . v_i.
    Tang & Wang 2018, "Personalized top-N sequential recommendation via convolutional sequence embedding", equations 4 to 9. The vector of
    the user, which would bind the model to known users, is left out, and v is the table of the inputs. What is foreseen is the next item
    (T = 1), by the losses of `SequenceModel`.

    Fit O(events (window^2 filters d + items d)) an iteration with the full softmax.
    """

    name = "caser"

    factors: int = changed(search=[32, 64, 128], doc="d.")
    window: int = whole(default=5, high=1000, search=[3, 5, 9], doc="Last items that the convolutions see.")
    filters: int = whole(default=16, high=65_536, search=[8, 16, 32], doc="Horizontal filters of each height.")
    vertical: int = whole(default=4, high=65_536, doc="Vertical filters.")
    dropout: float = changed(default=0.3, doc="Share of the numbers of o that training drops.")

    def estimate_memory(self, dataset: Dataset) -> int:
        wide = self.window * self.filters + self.vertical * self.factors
        weights = self.filters * self.window * (self.window + 1) // 2 * self.factors + wide * self.factors
        return self._memory(dataset, 4 * self.window * self.factors + 6 * wide, weights)

    def _network(self, n_items: int, rng: np.random.Generator) -> SequenceNetwork:
        return _Images(self, n_items, rng)


class _Images(SequenceNetwork):
    def __init__(self, model: Caser, n_items: int, rng: np.random.Generator) -> None:
        d, self.window = model.factors, model.window
        self.items = Embedding(n_items, d, rng)

        def drawn(*shape: int) -> Tensor:
            return Tensor(rng.standard_normal(shape, np.float32) / np.float32(np.sqrt(np.prod(shape[1:]))), requires_grad=True)

        self.horizontal = [drawn(model.filters, height, d) for height in range(1, self.window + 1)]
        self.biases = [Tensor(np.zeros(model.filters, np.float32), requires_grad=True) for _ in self.horizontal]
        self.vertical = drawn(model.vertical, self.window)
        self.dropout = Dropout(model.dropout)
        self.out = Linear(model.filters * self.window + model.vertical * d, d, rng)

    def __call__(self, items: Index, indptr: NDArray[np.int64]) -> Tensor:
        places = np.stack([shifted(indptr, back) for back in range(self.window - 1, -1, -1)], axis=1)
        images = self.items(items[places]) * (places >= 0)[:, :, None]
        parts = [horizontal_convolution(images, weight, bias) for weight, bias in zip(self.horizontal, self.biases, strict=True)]
        parts.append(vertical_convolution(images, self.vertical).reshape(len(items), -1))
        return relu(self.out(self.dropout(concatenate(parts, axis=1))))
