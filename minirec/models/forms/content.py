"""What models that know the content of items share: vectors in, new items without training, what is near by content."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...data.features import Features
from ...data.ids import Id, IdIndex, Ids, Rows
from ...engine.ranking.scorers import Scores
from ...engine.ranking.topk import Filters, rank
from ...engine.sequences import offsets
from ...errors import DataError, NotSupportedError, ParameterError
from ..contract.checks import whole
from ..contract.parameters import checked, fitted
from ..contract.recommender import Recommender
from ..contract.request import id_column
from .vectors import cosines

Choice = str | tuple[str, ...] | None


class Grown(NamedTuple):
    """An id index with new ids: rows follow the order of all ids, so that rows of the model move."""

    ids: IdIndex
    kept: Rows  # the new row of each id of before, ascending
    added: Rows  # the rows of the new ids, ascending
    content: Scores  # of the new ids, in the order of `added`, float32 (new, width)

    def place(self, old: NDArray[Any], new: Any) -> NDArray[Any]:
        """An array with a row for each id, from the rows of before and those of the new ids."""
        out = np.empty((len(self.ids), *old.shape[1:]), old.dtype)
        out[self.kept], out[self.added] = old, new
        return out


class ContentModel(Recommender):
    """A model that knows what items are by vectors of their content: the columns of `train.item_features` that hold vectors.

    A parameter names the columns, one or more; where None takes all columns, texts and single numbers are not used. Vectors of several
    columns are put side by side. A row of zeros means that there is no content. What is done to the vectors (unit length, mean taken
    off), each model says.

    A model reads the content in `_fit` by `_read_content`, and serves new items by `_append`.
    """

    _chosen: ClassVar[str] = "features"  # the parameter that names the columns

    item_content_: Scores = fitted("items", "content")  # as given
    item_counts_: NDArray[np.float64] = fitted("items", dtype="float64")  # users of each item in training; 0: it was added since

    # ---- what a model defines -------------------------------------------------------------------------------------------

    @abstractmethod
    def _append(self, grown: Grown) -> dict[str, Any]:
        """The state of the model {name: value} once it has new items, without `item_content_` and `item_counts_`.

        Scores of the items of before must stay what they are.
        """

    # ---- content in -----------------------------------------------------------------------------------------------------

    @property
    def _reads_content(self) -> bool:
        """Whether these parameters ask for content; for models that can do without."""
        return True

    def _read_content(self, train: Dataset) -> Scores:
        """The content of the items of training, float32 (items, width); it is kept, as is what the columns are called."""
        names = vector_columns(train.item_features, getattr(self, self._chosen), self._chosen, "item_features")
        if not names:
            raise DataError(
                f"{type(self).__name__} needs the content of the items, and {train.name!r} has no column of vectors in item_features: add "
                "one, an array with a row for each item, by data.with_columns(item_features=...), or take a model that needs none"
            )
        self.item_content_ = stack(train.item_features, names, train.items, "item")
        self.item_counts_ = train.item_counts.astype(np.float64)
        self._note_columns("item", train.item_features, names)
        return self.item_content_

    def _note_columns(self, side: str, columns: Features, names: list[str]) -> None:
        noted = {f"{side}_columns": [[name, columns[name].shape[1]] for name in names]}
        self.provenance_["content"] = self.provenance_.get("content", {}) | noted

    def _content_width(self, dataset: Dataset) -> int:
        """The width of the content, for estimates of memory; 0 where there is none."""
        return sum(dataset.item_features[name].shape[1] for name in _named(dataset.item_features, getattr(self, self._chosen)))

    # ---- new items and users --------------------------------------------------------------------------------------------

    def add_items(self, items: Ids | Id, features: Mapping[str, Any] | NDArray[Any]) -> Self:
        """Take in new items by their content alone; from now on they are recommended, and may be in a history. Nothing is trained.

        features : {column: vectors with a row for each of `items`}, with the columns that the model was fitted on (others are
            left aside), or one array where that is one column. A row of zeros means that there is no content.
        An item that the model knows is refused. Not to be called while other threads use the model.
        """
        self._fitted()
        if not self._reads_content:
            raise NotSupportedError(
                f"this {type(self).__name__} was fitted without {self._chosen}, and knows nothing of an item without events: fit again"
            )
        grown = self._grow("item", self.items_, items, features)
        state = self._append(grown) | {
            "item_content_": grown.place(self.item_content_, grown.content),
            "item_counts_": grown.place(self.item_counts_, 0),
        }
        seen = self.seen_._replace(indices=grown.kept[self.seen_.indices], shape=(self.seen_.shape[0], len(grown.ids)))
        for name, value in state.items():
            setattr(self, name, value)
        self.items_, self.seen_ = grown.ids, seen
        return self

    def add_users(self, users: Ids | Id, features: Mapping[str, Any] | NDArray[Any]) -> Self:
        """Take in new users by their features alone, as `add_items` does with items; for models that use the features of users."""
        self._fitted()
        raise NotSupportedError(f"{type(self).__name__} does not use features of users: recommend to new users by history=...")

    def _columns(self, side: str) -> list[tuple[str, int]]:
        """Names and widths of the columns that the model was fitted on."""
        noted = self.provenance_.get("content", {}).get(f"{side}_columns", [])
        return [(str(name), int(width)) for name, width in noted]

    def _grow(self, side: str, index: IdIndex, ids: Any, features: Any) -> Grown:
        ids = id_column([ids] if isinstance(ids, (str, int, np.integer)) else ids, f"{side}s")
        new = IdIndex.from_ids(ids, f"{side} id")
        if len(new) < len(ids):
            raise ParameterError(f"add_{side}s: {len(ids) - len(new)} of the {len(ids)} ids are there twice")
        known = [each for each in new if each in index]
        if known:
            raise ParameterError(f"add_{side}s takes new {side}s, and {known[0]!r} is known already ({len(known)} such): leave it out")
        names = [name for name, _ in self._columns(side)]
        if not isinstance(features, Mapping):
            if len(names) > 1:
                raise ParameterError(f"add_{side}s needs the columns {', '.join(map(repr, names))}: features={{name: vectors}}")
            features = {names[0]: features}
        columns = {}
        for name, width in self._columns(side):
            if name not in features:
                raise DataError(
                    f"add_{side}s: the column {name!r}, which the model was fitted on, is missing; given are {', '.join(features)}"
                )
            columns[name] = np.asarray(features[name])
            if columns[name].shape != (len(ids), width) or columns[name].dtype.kind not in "biuf":
                raise DataError(
                    f"add_{side}s: column {name!r} must be numbers of shape ({len(ids)}, {width}), a row for each {side}; "
                    f"it has shape {columns[name].shape} and type {columns[name].dtype}"
                )
        order = np.argsort(new.rows(ids))
        content = stack({name: column[order] for name, column in columns.items()}, names, new, side)
        both = IdIndex.from_ids([*index, *new])
        return Grown(both, both.rows(list(index)), both.rows(list(new)), content)

    # ---- what is near ---------------------------------------------------------------------------------------------------

    def nearest_by_content(self, item: Id, k: int = 10) -> list[tuple[Id, float]]:
        """The k items of training whose content is nearest to that of an item, itself left out, as (item, cosine)."""
        self._fitted()
        whole("k", k)
        row = self.items_.row(item, "item")
        if not self.item_content_[row].any():
            raise DataError(f"item {item!r} has no content: its vector is zero")
        known = (self.item_counts_ > 0) & self.item_content_.any(axis=1)
        known[row] = False
        scorer = cosines(self, "_kept_content_units", self.item_content_, np.array([row], np.int32))
        near = rank(scorer, k, backend=self.backend_, filters=Filters(only=np.flatnonzero(known).astype(np.int32)))
        return list(zip(self.items_.ids(near.items), near.scores.tolist(), strict=True))

    def _check_shapes(self) -> None:
        super()._check_shapes()
        self._check_width("item", self.item_content_)

    def _check_width(self, side: str, content: Scores) -> None:
        """ValueError where the content is not as wide as its columns."""
        width = sum(width for _, width in self._columns(side))
        if content.shape[1] != width:
            raise ValueError(f"the content of the {side}s has shape {content.shape} for columns of {width} numbers")


def check_columns(parameter: str, chosen: Any, *, none: bool = False) -> None:
    """None, the name of a column, or a tuple of names; an empty one where `none` is allowed."""
    names = (chosen,) if isinstance(chosen, str) else () if chosen is None else chosen
    good = isinstance(names, tuple) and all(isinstance(name, str) for name in names) and len(set(names)) == len(names)
    if not good or (names == () and chosen is not None and not none):
        raise ParameterError(f"{parameter} must be None, the name of a column of vectors or a tuple of names, got {chosen!r}")


class FeatureModel(ContentModel):
    """A content model that needs content, and takes the columns from `features`."""

    features: Choice = checked(
        default=None,
        check=check_columns,
        doc="Columns of vectors of `item_features`, one name or a tuple of names; None: all columns of vectors.",
    )


class TwoSidedModel(FeatureModel):
    """A content model that knows what users are as well."""

    user_features: Choice = checked(
        default=None,
        check=partial(check_columns, none=True),
        doc="Columns of vectors of `user_features`; None: all that there are, which may be none; (): none.",
    )

    user_content_: Scores = fitted("users", "user_content", per_user=True)  # of width 0 where there are no features

    @abstractmethod
    def _append_users(self, grown: Grown) -> dict[str, Any]:
        """The state of the model {name: value} once it has new users, without `user_content_`."""

    def _read_user_content(self, train: Dataset) -> Scores:
        """The content of the users of training, float32 (users, width); it is kept, as is what the columns are called."""
        names = vector_columns(train.user_features, self.user_features, "user_features", "user_features")
        self.user_content_ = stack(train.user_features, names, train.users, "user")
        self._note_columns("user", train.user_features, names)
        return self.user_content_

    def add_users(self, users: Ids | Id, features: Mapping[str, Any] | NDArray[Any]) -> Self:
        """Take in new users by their features alone, as `add_items` does with items."""
        self._fitted()
        if not self._columns("user"):
            raise NotSupportedError(f"{type(self).__name__} was fitted without features of users: recommend to new users by history=...")
        self._need_users("add_users", True)
        grown = self._grow("user", self.users_, users, features)
        state = self._append_users(grown) | {"user_content_": grown.place(self.user_content_, grown.content)}
        counts = grown.place(self.seen_.counts(), 0)
        for name, value in state.items():
            setattr(self, name, value)
        self.users_ = grown.ids
        self.seen_ = self.seen_._replace(indptr=offsets(counts), shape=(len(grown.ids), len(self.items_)))
        return self

    def _check_shapes(self) -> None:
        super()._check_shapes()
        self._check_width("user", self.user_content_)


def vector_columns(columns: Features, chosen: Choice, parameter: str, where: str) -> list[str]:
    """The names of the chosen columns of vectors; None chooses all that there are."""
    if chosen is not None:
        for name in (chosen,) if isinstance(chosen, str) else chosen:
            there = ", ".join(f"{name!r} {values.shape[1:]}" for name, values in columns.items()) or "none"
            if name not in columns:
                raise ParameterError(f"{parameter}={chosen!r}: there is no column {name!r} in {where}; there are: {there}")
            if not _is_vector(columns[name]):
                raise ParameterError(f"{parameter}={chosen!r}: column {name!r} of {where} holds no vectors of numbers; there are: {there}")
    return _named(columns, chosen)


def stack(columns: Features, names: list[str], index: IdIndex, side: str) -> Scores:
    """Columns of vectors side by side, float32 (rows, sum of the widths), in the order of the names."""
    parts = []
    for name in names:
        column = np.asarray(columns[name])
        if len(column) != len(index):
            raise DataError(f"column {name!r} has {len(column)} rows for {len(index)} {side}s")
        with np.errstate(over="ignore"):
            single = column.astype(np.float32)
        bad = np.flatnonzero(~np.isfinite(single).all(axis=1))
        if len(bad):
            raise DataError(
                f"column {name!r} is not finite for {side} {index[int(bad[0])]!r} ({len(bad)} such): "
                "set vectors of things without content to zero, and rescale numbers beyond float32"
            )
        parts.append(single)
    return np.ascontiguousarray(np.concatenate(parts, axis=1)) if parts else np.zeros((len(index), 0), np.float32)


def unit_rows(content: NDArray[Any], mean: NDArray[Any] | None = None) -> NDArray[np.float64]:
    """Rows of unit length, after `mean` is taken off; rows of zeros, which are no content, stay. float64."""
    rows = content.astype(np.float64)
    there = content.any(axis=1)
    if mean is not None:
        rows[there] -= mean
    norms = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    unit: NDArray[np.float64] = rows / np.where(norms > 0, norms, 1)[:, None]
    return unit


def mean_and_deviation(content: Scores) -> tuple[Scores, float]:
    """Of the rows that are content: their mean, float32 (width,), and the deviation of their numbers from it, over all coordinates."""
    there = content[content.any(axis=1)].astype(np.float64)
    if not len(there):
        return np.zeros(content.shape[1], np.float32), 1.0
    mean = there.mean(axis=0)
    return mean.astype(np.float32), float(np.sqrt(np.mean((there - mean) ** 2))) or 1.0


def standardized(content: Scores, mean: Scores, deviation: float) -> Scores:
    """Content without its mean, in units of its deviation; rows of zeros, which are no content, stay: they count as the mean."""
    rows = (content - mean) / np.float32(deviation)
    rows[~content.any(axis=1)] = 0
    return rows


def _is_vector(column: NDArray[Any]) -> bool:
    return column.ndim == 2 and column.shape[1] > 0 and column.dtype.kind in "biuf"


def _named(columns: Features, chosen: Choice) -> list[str]:
    names = columns if chosen is None else (chosen,) if isinstance(chosen, str) else chosen
    return [name for name in names if name in columns and _is_vector(columns[name])]
