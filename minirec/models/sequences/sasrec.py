"""SASRec: self-attention over the history, each place looking back at those before it."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...data.ids import Ids
from ...engine.backend import one_blas_thread
from ...engine.nn.autodiff import Tensor, no_grad
from ...engine.nn.functional import embedding
from ...engine.nn.modules import Dropout, Embedding, LayerNorm, TransformerBlock, normal
from ...engine.ranking.scorers import Scores
from ...engine.sequences import positions
from ...engine.sparse import Floats, Index
from ...errors import ParameterError
from ...options import options
from ..contract.explanation import Part, left_out_parts
from ..contract.monitor import Monitor
from ..contract.parameters import changed, checked, choice, fitted, number, whole
from ..contract.request import Profiles
from ..forms.content import Choice, ContentModel, Grown, check_columns
from ..forms.fold_in import affine_map
from .one_vector import SequenceModel, SequenceNetwork


class SASRec(ContentModel, SequenceModel):
    """Self-attentive sequential recommendation: the vectors of the items of a history, times sqrt(d), plus vectors of their places, go
    through `layers` transformer blocks; what comes out at the last place is h, and score(S, i) = h . v_i.

    Kang & McAuley 2018, "Self-attentive sequential recommendation", section III. The paper's loss is "bce" with one negative; full and
    sampled softmax are far better: Klenitskiy & Vasilev 2023, "Turning dross into gold loss: is BERT4Rec really better than SASRec?".
    The factor sqrt(d) is that of both authors' codes, and of Vaswani et al. 2017, section 3.4; without it training takes longer.

    block : "post", a block of the authors' code: y = q + attention(q, x, x), q = norm(x); z = norm(y); z + feedforward(z). As in
        Klenitskiy & Vasilev's code the weights of what is added begin small, normal with deviation .02, so that a block changes little.
        "pre", the usual one: y = x + attention(norm x); y + feedforward(norm y).
        "ligr", of Zhai et al. 2024 and eSASRec (Tikhonovich et al. 2025): "pre" with each of both terms gated by the sigmoid of a
        linear map of x (of y), and SwiGLU in place of ReLU.
    positions : "learned", counted from the end of the history; "forward", learned too, counted from the first of its last max_length
        events, as in Klenitskiy & Vasilev's code: what follows an event is then learned at the place where it will be asked for;
        "sinusoidal" (Vaswani et al. 2017, section 3.5), from the end; or "none".

    With `item_features` the item vectors begin as the content of the items, such as the vectors that a language model makes of titles:
    v_i = content_scale (f_i - mean) E S^(-1/2), E S E^T being the covariance of the content f over the items and the directions in
    falling order of variance, so that each coordinate has mean 0 and deviation content_scale. The first share `frozen` of the
    coordinates, those that say most about the content, stay as they are; the others are trained from there. That is AlphaFuse, Hu et
    al. 2025, "AlphaFuse: learn ID embeddings for sequential recommendation in null space of language embeddings", section 4; frozen=0
    is plain initialization. Coordinates that the content has no direction for begin at random, as all do without content.
    Differences: the authors' loss is of cosines, so that the scale of the vectors is no matter there.
    `add_items`: a new item gets the frozen coordinates from its content, and in the others what a ridge regression of the trained
    vectors on the content says; without content, their mean.

    Fit O(events d (layers (d + max_length) + items)) an iteration with the full softmax; memory O(items d), and the layers of a batch.
    """

    name = "sasrec"

    factors: int = changed(search=[64, 128, 256], doc="d.")
    layers: int = whole(default=2, high=1000, search=[1, 2, 3], doc="Transformer blocks.")
    heads: int = whole(default=1, high=65_536, doc="Heads of the attention; their number divides `factors`.")
    hidden: float = number(default=1.0, above=0, high=1000, doc="Width of the feed-forward layers, as a multiple of d.")
    block: Literal["post", "pre", "ligr"] = choice(default="pre", search=["post", "pre", "ligr"], doc="What a block is, see above.")
    positions: Literal["learned", "forward", "sinusoidal", "none"] = choice(default="learned", doc="Vectors of the places, see above.")
    dropout: float = changed(
        doc="""Of the inputs, of the attention weights, within the feed-forward layers and, for "post" of their output, for the other blocks
            of that of the attention."""
    )
    item_features: Choice = checked(
        default=None, check=check_columns, doc="Columns of `train.item_features` with vectors of the content; None: no content."
    )
    frozen: float = number(default=0.5, low=0, high=1, doc="Share of the coordinates that are the content's alone.")
    content_scale: float = number(default=0.1, above=0, high=1e6, doc="Deviation of the coordinates that come from the content.")

    fixed_: int = fitted()  # coordinates that are frozen
    content_map_: Scores = fitted("content", "factors")  # the vector of a new item is its content times this
    content_offsets_: Scores = fitted(2, "factors")  # plus the first; the second is the vector of an item without content
    _chosen = "item_features"

    @property
    def _reads_content(self) -> bool:
        return self.item_features is not None

    def _check(self) -> None:
        super()._check()
        if self.factors % self.heads:
            raise ParameterError(f"heads={self.heads} does not divide factors={self.factors}")

    def estimate_memory(self, dataset: Dataset) -> int:
        width = (16 + 4 * self.hidden) * self.factors * self.layers
        network = self._memory(dataset, width, int(self.layers * (6 + 3 * self.hidden) * self.factors**2))
        content = self._content_width(dataset) if self._reads_content else 0
        return network + 24 * dataset.n_items * content + 32 * content * content

    def _network(self, n_items: int, rng: np.random.Generator) -> SequenceNetwork:
        return _Transformer(self, n_items, rng)

    def attention_weights(self, history: Ids) -> Scores:
        """How much each place of a history, its last max_length events, takes of those up to it: float32 (layers, heads, events, events).

        Row t of a head adds up to 1 over the events 0..t; what is recommended goes by the last row.
        """
        self._fitted()
        events, network = self._last_events(history), self._trained()
        assert isinstance(network, _Transformer)
        with options(backend=self.backend_), one_blas_thread(), no_grad():
            return network.weights(events)

    # ---- content --------------------------------------------------------------------------------------------------------

    def _begin(self, network: SequenceNetwork, train: Dataset) -> None:
        n, d = network.items.weight.shape
        self.fixed_ = 0
        self.item_content_, self.item_counts_ = np.zeros((n, 0), np.float32), train.item_counts.astype(np.float64)
        if self._reads_content:
            content = self._read_content(train)
            there, mean, basis = whitening(content, d)
            self.fixed_ = min(round(self.frozen * d), basis.shape[1])
            start = network.items.weight.data.copy()
            start[:, : self.fixed_] = 0
            start[there, : basis.shape[1]] = self.content_scale * ((content[there] - mean) @ basis)
            network.items = Embedding.of(start, self.fixed_)
        self._map_content(network.items.weight.data)

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        super()._fit(train, monitor)
        self._map_content(self._table())

    def _purpose(self, train: Dataset) -> str:
        whole = super()._purpose(train)  # without the features of the items: the fingerprint is of events
        return f"{whole} with {sha256(self.item_content_.tobytes()).hexdigest()}" if self._reads_content else whole

    def _map_content(self, vectors: Scores) -> None:
        """Set what makes the vectors of new items, from those of the items of training (items, d)."""
        there, mean, basis = whitening(self.item_content_, self.factors)
        weights, offset = np.zeros((basis.shape[1], self.factors)), vectors.mean(axis=0, dtype=np.float64)
        without = offset.astype(np.float32)
        if basis.shape[1]:
            weights, offset = affine_map((self.item_content_[there] - mean) @ basis, vectors[there])
            weights[:, : self.fixed_], offset[: self.fixed_] = self.content_scale * np.eye(len(weights), self.fixed_), 0
        self.content_map_ = (basis @ weights).astype(np.float32)
        self.content_offsets_ = np.stack((offset - mean @ (basis @ weights), without)).astype(np.float32)

    def _append(self, grown: Grown) -> dict[str, Any]:
        there = grown.content.any(axis=1, keepdims=True)
        new = np.where(there, grown.content @ self.content_map_ + self.content_offsets_[0], self.content_offsets_[1])
        weights = [
            grown.place(tensor.data, new) if name == "items.weight" else tensor.data
            for name, tensor in self._trained().parameters().items()
        ]
        sequences = self.sequences_._replace(items=grown.kept[self.sequences_.items], n_items=len(grown.ids))
        return {"weights_": np.concatenate([part.reshape(-1) for part in weights]), "sequences_": sequences}

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        """As `SequenceModel`, once for the coordinates of an item's vector that its content made, and once for those that were trained:
        "left out, content", "the rest, content", and "left out" and "the rest" with "identity". The content made all of a new item's.
        """
        if not self._reads_content:
            return super()._explain(profiles, item)
        distinct, kept = self._left_out(profiles)
        vectors, q = self._vectors(kept).astype(np.float64), self._table()[item].astype(np.float64)
        cut = self.fixed_ if self.item_counts_[item] else self.factors
        parts = []
        for side, at in (("content", slice(cut)), ("identity", slice(cut, None))):
            if len(q[at]):
                scores = vectors[:, at] @ q[at]
                found = left_out_parts(self.items_, distinct, float(scores[0]), scores[1:], item)
                parts += [part._replace(source=f"{part.source}, {side}") for part in found]
        return parts


class _Transformer(SequenceNetwork):
    def __init__(self, model: SASRec, n_items: int, rng: np.random.Generator) -> None:
        d, length = model.factors, model.max_length
        self.items = Embedding(n_items, d, rng)
        self.places: Tensor | None = None
        self.from_end = model.positions != "forward"
        if model.positions in ("learned", "forward"):
            self.places = normal((length, d), 0.02, rng)
        elif model.positions == "sinusoidal":
            self.places = Tensor(sinusoids(length, d))
        self.dropout = Dropout(model.dropout)
        width = max(round(model.hidden * d), 1)
        self.blocks = [TransformerBlock(d, model.heads, width, model.dropout, model.block, rng) for _ in range(model.layers)]
        self.norm = LayerNorm(d)

    def __call__(self, items: Index, indptr: NDArray[np.int64]) -> Tensor:
        x = self._inputs(items, indptr)
        for block in self.blocks:
            x = block(x, indptr)
        return self.norm(x)

    def weights(self, items: Index) -> Floats:
        """The attention weights of one sequence, (layers, heads, n, n)."""
        indptr, found = np.array([0, len(items)]), []
        x = self._inputs(items, indptr)
        for block in self.blocks:
            found.append(block.weights(x))
            x = block(x, indptr)
        return np.stack(found)

    def _inputs(self, items: Index, indptr: NDArray[np.int64]) -> Tensor:
        x = self.items(items)
        x = x * x.dtype.type(np.sqrt(x.shape[1]))
        if self.places is not None:
            x = x + embedding(self.places, positions(indptr, from_end=self.from_end))
        return self.dropout(x)


def sinusoids(length: int, d: int) -> NDArray[np.float32]:
    """sin(p / 10000^(2 i / d)) and the cosine, for place p in row p, at columns 2 i, 2 i + 1; as long as item vectors at first."""
    angles = np.arange(length)[:, None] / 10000 ** (np.arange(0, d, 2) / d)
    out = np.empty((length, d))
    out[:, ::2], out[:, 1::2] = np.sin(angles), np.cos(angles)[:, : d // 2]
    scaled: NDArray[np.float32] = (0.02 * np.sqrt(d) * out).astype(np.float32)
    return scaled


def whitening(content: Scores, d: int) -> tuple[NDArray[np.bool_], Scores, Scores]:
    """Which rows (n, width) are content, their mean (width,), and E S^(-1/2) (width, at most d): see `features.Whitening`.

    Without a direction where fewer than two rows are content, or all of these are equal.
    """
    from ...features.whitening import Whitening  # inside, as serving needs no features

    there: NDArray[np.bool_] = np.asarray(content.any(axis=1))
    rows = content[there]
    if not (rows != rows[:1]).any():
        return there, np.zeros(content.shape[1], np.float32), np.zeros((content.shape[1], 0), np.float32)
    found = Whitening.of(rows, min(d, content.shape[1]), ridge=0.0)
    return there, found.mean, found.turn
