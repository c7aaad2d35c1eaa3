"""NextItNet: dilated causal convolutions over the history."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...engine.nn.autodiff import Tensor
from ...engine.nn.functional import relu
from ...engine.nn.modules import CausalConvolution, Dropout, Embedding, LayerNorm, Module
from ...engine.sparse import Index
from ..contract.parameters import changed, whole
from .one_vector import SequenceModel, SequenceNetwork


class NextItNet(SequenceModel):
    """Residual blocks of two causal convolutions over the item vectors of a history, the second with twice the dilation of the first;
    what comes out at the last place is h, and score(S, i) = h . v_i.

    A block of dilation l: x + relu(norm(conv_2l(relu(norm(conv_l(x)))))); blocks have the dilations 1, 4, 1, 4, ....
    Yuan et al. 2019, "A simple convolutional generative network for next item recommendation", section 3, its residual block (b). The
    output table is the table of the inputs here, and dropout is on the item vectors.

    Fit O(events d (layers width d + items)) an iteration with the full softmax.
    """

    name = "nextitnet"

    factors: int = changed(doc="d.")
    layers: int = whole(default=2, high=1000, search=[1, 2, 3, 4], doc="Residual blocks.")
    width: int = whole(default=3, high=1000, doc="Events that a convolution sees.")
    dropout: float = changed(doc="Share of the inputs that training drops.")

    def estimate_memory(self, dataset: Dataset) -> int:
        return self._memory(dataset, (12 + 2 * self.width) * self.factors * self.layers, 2 * self.layers * self.width * self.factors**2)

    def _network(self, n_items: int, rng: np.random.Generator) -> SequenceNetwork:
        return _Convolutions(self, n_items, rng)


class _Convolutions(SequenceNetwork):
    def __init__(self, model: NextItNet, n_items: int, rng: np.random.Generator) -> None:
        self.items = Embedding(n_items, model.factors, rng)
        self.dropout = Dropout(model.dropout)
        self.blocks = [_Block(model.factors, model.width, 4 ** (number % 2), rng) for number in range(model.layers)]

    def __call__(self, items: Index, indptr: NDArray[np.int64]) -> Tensor:
        x = self.dropout(self.items(items))
        for block in self.blocks:
            x = block(x, indptr)
        return x


class _Block(Module):
    def __init__(self, d: int, width: int, dilation: int, rng: np.random.Generator) -> None:
        self.convolutions = [CausalConvolution(d, d, width, dilation * step, rng) for step in (1, 2)]
        self.norms = [LayerNorm(d), LayerNorm(d)]

    def __call__(self, x: Tensor, indptr: NDArray[np.int64]) -> Tensor:
        y = x
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            y = relu(norm(convolution(y, indptr)))
        return x + y
