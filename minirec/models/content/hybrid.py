"""Hybrid: a factor model for ranking whose vectors are sums over what is known about users and items, and an own part of each."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...engine.backend import one_blas_thread
from ...engine.nn.autodiff import Tensor
from ...engine.nn.criteria import bpr, warp
from ...engine.nn.functional import embedding, linear, where
from ...engine.nn.modules import Embedding, normal
from ...engine.ranking.scorers import Scores
from ...engine.sparse import CSR, Index
from ..contract.explanation import Part
from ..contract.monitor import Monitor
from ..contract.parameters import changed, choice, fitted, flag
from ..contract.request import Profiles
from ..factorization.fm import MachineNetwork, SideNetwork
from ..forms.content import Grown, TwoSidedModel, mean_and_deviation, standardized
from ..forms.fold_in import FoldInFactorModel
from ..forms.pair_training import SampledModel

_SCALE = 0.01  # deviation of the vectors before training


class ContentSide(SideNetwork):
    """s = e + A^T f and b = c + a . f: what is learned about a row alone, and what its content f tells.

    content : what the rows are given, float32 (n, width). own : False: there is no e and no c.
    """

    def __init__(self, content: Scores, factors: int, rng: np.random.Generator, own: bool = True) -> None:
        n, width = content.shape
        self.own = Embedding(n, factors, rng, _SCALE) if own else None
        self.own_weight = Tensor(np.zeros((n, 1), np.float32), requires_grad=True) if own else None
        self.map = normal((width, factors), _SCALE, rng)
        self.weights = Tensor(np.zeros((width, 1), np.float32), requires_grad=True)
        self._content = content

    def __call__(self, rows: Index) -> tuple[Tensor, Tensor, list[Tensor]]:
        chosen = Tensor(self._content[rows].astype(self.map.dtype))
        s, b, maps = linear(chosen, self.map), linear(chosen, self.weights), [self.map, self.weights]
        if self.own is None or self.own_weight is None:
            return s, b, maps
        own, own_weight = self.own(rows), embedding(self.own_weight, rows)
        return own + s, own_weight + b, [own, own_weight, *maps]

    def told(self) -> Scores:
        """(A, a), and below it the means of (e, c): (width + 1, d + 1)."""
        own = np.zeros((1, self.map.shape[1] + 1), np.float32)
        if self.own is not None and self.own_weight is not None:
            own = np.concatenate((self.own.weight.data, self.own_weight.data), axis=1).mean(axis=0, keepdims=True)
        return np.concatenate((np.concatenate((self.map.data, self.weights.data), axis=1), own))


class Hybrid(TwoSidedModel, SampledModel[MachineNetwork], FoldInFactorModel):
    """score(u, i) = (e_u + B^T g_u) . (e_i + A^T f_i) + c_i + a . f_i, with f_i and g_u the content of the item and of the user.

    The model of Kula 2015, "Metadata embeddings for user and item cold-start recommendations" (LightFM), section 3: a vector is the sum
    of those of its features, each times its value, and the own one is that of a feature which nobody else has. Unlike in
    `FactorizationMachine`, features of one side do not meet in pairs.

    `loss`, the mean over the events of a batch, of an item i of the user and `negatives` items j that the user has not, x = score:

    "warp"  L(rank) max(0, 1 - x_ui + x_uj), j the first with x_uj > x_ui - 1. Where it is number N, rank is floor((items - 1) / N);
            L(k) = sum_{s=1..k} 1/s. Weston, Bengio & Usunier 2011, "WSABIE", section 3; as in `WARP`.
    "bpr"   -ln sigma(x_ui - x_uj) over all j, Rendle et al. 2009.

    Differences: the content has its mean taken off and is divided by its deviation times the root of its width, so that its vectors have
    length 1 on average; content that is missing is taken as the mean. Adam. Weights of events are not used.

    Own parts that are not known are taken as the mean: of a new item and, by `add_users`, of a new user. By a history alone, a new user's
    vector is o + B'^T mean_{i in I_u} q_i; o and B' are fitted to the known users by ridge regression.
    Fit O((events (1 + negatives) d + batches x distinct rows x width x d) an iteration; memory O((users + items) (d + width) + events).
    """

    name = "hybrid"

    factors: int = changed(default=64, search=[32, 64, 128], doc="d.")
    loss: Literal["warp", "bpr"] = choice(default="warp", search=["warp", "bpr"], doc="See above.")
    own: bool = flag(default=True, doc="False: items have no e_i and c_i, so that those with the same content are alike.")
    learning_rate: float = changed(default=3e-3, search=(1e-3, 1e-2, "log"))
    regularization: float = changed(
        default=0.03, search=(1e-3, 1.0, "log"), doc="Of the e and c that a batch touches, and of A, a and B in each batch."
    )
    negatives: int = changed(
        default=10, search=(5, 30, "int"), doc='Negatives of each event, in each iteration; of "warp" the most that are tried.'
    )
    batch_size: int = changed(default=1024)
    iterations: int = changed(default=50)

    item_map_: Scores = fitted("rows of item_map_", "d + 1")  # (width + 1, d + 1), see `ContentSide.told`
    user_map_: Scores = fitted("rows of user_map_", "d + 1")
    source_map_: Scores = fitted("factors", "d")  # what the source of an item is of its vector, see `FoldInModel`
    item_mean_: Scores = fitted("content")  # of the content
    user_mean_: Scores = fitted("user_content")
    item_deviation_: float = fitted()
    user_deviation_: float = fitted()
    _biases = 2

    def estimate_memory(self, dataset: Dataset) -> int:
        """Tables and batches; of each side the content as given and standardized, and that of a batch."""
        of_users = sum(column.shape[1] for column in dataset.user_features.values() if column.ndim == 2)
        sides = ((dataset.n_items, self._content_width(dataset)), (dataset.n_users, of_users))
        content = sum((12 * n + 24 * int(self.factors)) * width for n, width in sides)
        return self._training_memory(dataset, 2 * self.factors, self.factors) + content

    # ---- fitting --------------------------------------------------------------------------------------------------------

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        self.item_mean_, self.item_deviation_ = mean_and_deviation(self._read_content(train))
        self.user_mean_, self.user_deviation_ = mean_and_deviation(self._read_user_content(train))
        super()._fit(train, monitor)

    def _given(self, side: str, content: Scores) -> Scores:
        """f or g: content as the model takes it."""
        mean, deviation = vars(self)[f"{side}_mean_"], vars(self)[f"{side}_deviation_"]
        return standardized(content, mean, deviation * max(content.shape[1], 1) ** 0.5)

    def _network(self, events: CSR, rng: np.random.Generator) -> MachineNetwork:
        users = ContentSide(self._given("user", self.user_content_), self.factors, rng)
        items = ContentSide(self._given("item", self.item_content_), self.factors, rng, self.own)
        return MachineNetwork(users, items, pairwise=True)

    def _loss(self, logits: Tensor, missing: NDArray[np.bool_]) -> Tensor:
        positive, negative = logits[:, 0], where(~missing, logits[:, 1:], -np.inf)
        return bpr(positive, negative) if self.loss == "bpr" else warp(positive, negative, len(self.items_))

    def _store(self, network: MachineNetwork, events: CSR) -> None:
        assert isinstance(network.users, ContentSide)
        assert isinstance(network.items, ContentSide)
        self.user_map_, self.item_map_ = network.users.told(), network.items.told()
        self.user_factors_, self.item_factors_ = network.vectors(events.shape)
        self.source_map_ = self._set_sources(self.user_factors_, self.item_factors_[:, : self.factors], events).astype(np.float32)

    # ---- new items and users --------------------------------------------------------------------------------------------

    def _told(self, side: str, content: Scores) -> tuple[Scores, Scores]:
        """What content alone tells, and the own part that is taken where it is not known: vectors and biases (n, d + 1), and (d + 1,)."""
        table = vars(self)[f"{side}_map_"]
        with one_blas_thread():
            return self._given(side, content) @ table[:-1], table[-1]

    def _append(self, grown: Grown) -> dict[str, Any]:
        told, own = self._told("item", grown.content)
        vectors = told + own
        ones = np.ones((len(vectors), 1), np.float32)
        return {
            "item_factors_": grown.place(self.item_factors_, np.concatenate((vectors[:, :-1], ones, vectors[:, -1:]), axis=1)),
            "item_sources_": grown.place(self.item_sources_, vectors[:, :-1] @ self.source_map_),
        }

    def _append_users(self, grown: Grown) -> dict[str, Any]:
        told, own = self._told("user", grown.content)
        vectors = np.concatenate((told + own, np.ones((len(told), 1), np.float32)), axis=1)
        return {"user_factors_": grown.place(self.user_factors_, vectors)}

    # ---- explanations ---------------------------------------------------------------------------------------------------

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        """As other models with vectors of new users, once for A^T f_i and a . f_i, "content" behind the source, and once for the own
        part of the item, "identity".
        """
        told = self._told("item", self.item_content_[item : item + 1])[0][0].astype(np.float64)
        content = np.concatenate((told[:-1], [0.0], told[-1:]))
        sides = (("content", content), ("identity", self.item_factors_[item].astype(np.float64) - content))
        return [part._replace(source=f"{part.source}, {side}") for side, q in sides for part in self._parts(profiles, item, q)]

    def _check_shapes(self) -> None:
        super()._check_shapes()
        for side, content in (("item", self.item_content_), ("user", self.user_content_)):
            table, shape = vars(self)[f"{side}_map_"], (content.shape[1] + 1, self.factors + 1)
            if table.shape != shape:
                raise ValueError(f"{side}_map_ has shape {table.shape}, where {shape} is expected")
