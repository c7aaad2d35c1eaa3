"""AlphaRec: LightGCN whose embeddings are a small network of the content of items, and of what users have of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...engine.backend import one_blas_thread
from ...engine.descent.contrast import unit
from ...engine.graph.propagate import propagate
from ...engine.nn.autodiff import Tensor, no_grad
from ...engine.nn.functional import leaky_relu
from ...engine.nn.modules import FeedForward, filled, numbers
from ...engine.ranking.scorers import Scores
from ...engine.sparse import CSR, Floats, Index
from ..contract.explanation import Part
from ..contract.monitor import Monitor
from ..contract.parameters import changed, fitted, whole
from ..contract.request import Profiles
from ..contract.state import kept
from ..forms.content import FeatureModel, Grown, mean_and_deviation, standardized
from ..graphs.convolved import ConvolutionModel


class AlphaRec(FeatureModel, ConvolutionModel):
    """Language vectors to recommendations: the embeddings that `LightGCN` convolves are g(f_i) of an item, f_i its content, and
    g(mean of f_i over I_u) of a user, g(f) = W_2 leaky(W_1 f + b_1) + b_2 with leaky(x) = max(x, x / 100). Only g is learned, by the
    sampled softmax of cosines, "softmax" of `LightGCN`. score(u, i) = z_u . z_i / |z_i|^damping.

    Sheng, Zhang, Zhang, Chen, Wang & Chua 2025, "Language representations can be what recommenders need: findings and potentials",
    section 4, with its loss InfoNCE, negatives 256, temperature .15 and two layers.
    Differences: the content has its mean over the items taken off and is divided by its standard deviation, over all coordinates, so
    that its scale is no matter; content that is missing is taken as that mean; negatives are shared by the batch.

    A new user's vector is what the network and the convolution make of the history, the item vectors fixed: so is a known user's. A new
    item's is what they make of one without events, g(f_i) / (K + 1) before its length is divided by.
    Fit O(events / batch_size x (K events d + (users + items) hidden (width + d))) an iteration; memory O((users + items) (width + hidden)).
    """

    name = "alpharec"

    hidden: int = whole(default=512, high=65_536, search=[256, 512, 1024], doc="Width of g between its layers.")
    learning_rate: float = changed(default=1e-3, search=(3e-4, 3e-3, "log"))
    batch_size: int = changed(doc="Samples of a step; each goes through g with all users and items, and through the graph and back.")
    negatives: int = changed(default=256)
    temperature: float = changed(default=0.15)
    damping: float = changed(default=1.0, search=None, doc="The knob of the tail; 1 serves the cosine, as the authors do.")

    weights_: Scores = fitted("numbers")  # all parameters of g, one after the other
    centre_: Scores = fitted("content")  # the mean of the content
    spread_: float = fitted()  # its deviation

    def estimate_memory(self, dataset: Dataset) -> int:
        """That of the convolution; the content of users and items, and what is between the layers of g, with its gradients."""
        rows, width = dataset.n_users + dataset.n_items, self._content_width(dataset)
        return super().estimate_memory(dataset) + 4 * rows * (2 * width + 4 * self.hidden) + 16 * width * self.hidden

    # ---- fitting --------------------------------------------------------------------------------------------------------

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        content = self._read_content(train)
        self.centre_, self.spread_ = mean_and_deviation(content)
        super()._fit(train, monitor)

    def _tables(self, events: CSR, rng: np.random.Generator) -> tuple[Mapping[str, Tensor], Callable[[], tuple[Tensor, Tensor]]]:
        inputs = self._inputs(self.item_content_)
        shares = np.repeat(1 / np.maximum(events.counts(), 1), events.counts()).astype(np.float32)
        users, items = Tensor(propagate(events.with_data(shares), inputs, backend=self.backend_)), Tensor(inputs)
        network = self._network(rng)
        parameters = network.parameters()

        def embed() -> tuple[Tensor, Tensor]:
            self.weights_ = numbers(network)
            return network(users), network(items)

        return parameters, embed

    def _network(self, rng: np.random.Generator) -> FeedForward:
        return FeedForward((self.item_content_.shape[1], self.hidden, self.factors), rng, leaky_relu)

    def _inputs(self, content: Scores) -> Scores:
        """What goes into g."""
        return standardized(content, self.centre_, self.spread_)

    # ---- serving --------------------------------------------------------------------------------------------------------

    def _embed(self, inputs: Floats) -> Scores:
        """g of rows (n, width), by the weights of the fitted model."""
        network = kept(self, "_kept_network", self.weights_, lambda: filled(self._network, self.weights_))
        with no_grad(), one_blas_thread():
            return network(Tensor(inputs)).data

    def _of_content(self, history: Index) -> NDArray[np.float64]:
        """What the embedding of a user with this history adds to the vector."""
        if not len(history):
            return np.zeros(self.factors)
        mean = self._inputs(self.item_content_[history]).mean(axis=0, dtype=np.float64, keepdims=True)
        vector: NDArray[np.float64] = self._embed(mean.astype(np.float32))[0].astype(np.float64) / (self.layers + 1)
        return vector

    def _new_vector(self, history: Index) -> NDArray[np.float64]:
        return super()._new_vector(history) + self._of_content(history)

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        """As `LightGCN`: what the items of the history add through the graph; and "content": what their mean content adds through g."""
        share = self._of_content(profiles.history.row(0)[0]) @ self.item_factors_[item].astype(np.float64)
        return [Part("content", self.items_[item], float(share)), *super()._explain(profiles, item)]

    def _append(self, grown: Grown) -> dict[str, Any]:
        embedded = self._embed(self._inputs(grown.content)) / np.float32(self.layers + 1)
        return {
            "item_factors_": grown.place(self.item_factors_, embedded / unit(embedded)[1] ** np.float32(self.damping)),
            "item_sources_": grown.place(self.item_sources_, embedded),
        }

    def _check_shapes(self) -> None:
        super()._check_shapes()
        self._embed(np.zeros((1, self.item_content_.shape[1]), np.float32))  # whether the weights are those of such a network
