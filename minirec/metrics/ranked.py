"""Accuracy of lists, for anybody's lists: each function takes lists and test items in any form and gives the mean over users."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeVar, overload

import numpy as np

from ..data.ids import Id
from ..engine.sparse import CSR
from ..errors import DataError, ParameterError
from . import accuracy
from .accuracy import Counts, Hits, Table, Values, find_hits
from .inputs import Given, read_lists, read_truth

_HOW = """
    lists : {user: [item, ...]}, {user: [(item, score), ...]}, {user: {item: score}}, a table (pandas, polars, Arrow) with columns user,
        item, and rank or score, an array (users, k) of items with -1 after the end of a list, or anything with `to_dict()`, such as
        `Recommendations`. See `metrics.inputs.read_lists`.
    truth : the test items: {user: [item, ...]}, {user: {item: gain}}, a table, a sparse matrix, a Dataset, or one row of items a user.
    k : how many places of each list count.
    per_user : give {user: value} in place of the mean.

    The mean is over the users with test items; one of them without a list counts as having an empty one. An item that is nobody's test
    item takes its place in a list and is a miss. Ties are as the lists have them. DataError where no user has test items.
"""


class PerUser(Protocol):
    """A metric of lists against test items."""

    __name__: str

    @overload
    def __call__(self, lists: Given, truth: Given, k: int = 10, *, per_user: Literal[False] = False) -> float: ...
    @overload
    def __call__(self, lists: Given, truth: Given, k: int = 10, *, per_user: Literal[True]) -> dict[Id, float]: ...


class Judged:
    """Lists beside test items, cut at k: users by id, `table` int32 (U, k), `truth` CSR (U, n)."""

    def __init__(self, lists: Given, truth: Given, k: int) -> None:
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
            raise ParameterError(f"k must be a whole number of at least 1, got {k!r}")
        self.users, self.items, self.truth = read_truth(truth)
        if not self.truth.nnz:
            raise DataError("truth holds no test item")
        given = read_lists(lists)
        if not (self.users.rows(list(given.users)) >= 0).any():
            raise DataError(
                f"no user of truth, such as {self.users[0]!r}, has a list"
                + (f"; the lists are of users such as {given.users[0]!r}: are the ids of the same type?" if len(given.users) else "")
            )
        found, self.values = given.over(self.users, self.items)
        self.lists = found
        self.table: Table = found.table(int(k))
        self.k = int(k)

    @property
    def relevant(self) -> Counts:
        """|T| of each user."""
        return self.truth.counts()

    def hits(self) -> Hits:
        """Where the lists hit."""
        return Hits.of(find_hits(self.table, self.truth))

    def gains(self, exponential: bool) -> tuple[Values, Values]:
        """The gain at each place, float64 (U, k), and the k best gains of each user in descending order."""
        gain = self.truth.data.astype(np.float64)
        gain = np.exp2(gain) - 1.0 if exponential else gain
        hit = find_hits(self.table, self.truth)
        user, place = np.nonzero(hit)
        n = self.truth.shape[1]
        key = self.truth.row_ids() * n + self.truth.indices
        at = np.zeros(self.table.shape)
        at[user, place] = gain[key.searchsorted(user * n + self.table[user, place])]
        return at, _best(CSR(self.truth.indptr, self.truth.indices, gain, self.truth.shape), self.k)

    def answer(self, values: Values, per_user: bool) -> float | dict[Id, float]:
        """The mean over the users, or each user's value."""
        if per_user:
            return dict(zip(self.users, values.tolist(), strict=True))
        return float(values.mean())


def _best(gains: CSR, k: int) -> Values:
    order = np.lexsort((-gains.data, gains.row_ids()))
    rank = np.arange(gains.nnz) - np.repeat(gains.indptr[:-1], gains.counts())
    best = np.zeros((gains.shape[0], k))
    best[gains.row_ids()[rank < k], rank[rank < k]] = gains.data[order][rank < k]
    return best


F = TypeVar("F", bound=Callable[..., Any])


def _documented(kernel: Callable[..., Values], *more: str) -> Callable[[F], F]:
    """Gives a public function the documentation of its formula; its own text, an example, comes last."""

    def document(function: F) -> F:
        further = "".join(f"    {line}\n" for line in more)
        how, closing = _HOW.split("\n\n")
        example = function.__doc__ or ""
        function.__doc__ = f"{(kernel.__doc__ or '').rstrip()}\n{how}\n{further}\n{closing.rstrip()}\n\n    {example}\n"
        return function

    return document


def _metric(name: str, kernel: Callable[[Hits, Counts, int], Values], example: str) -> PerUser:
    """The public function of a formula of `accuracy`; its documentation is the formula's."""

    def call(lists: Given, truth: Given, k: int = 10, *, per_user: bool = False) -> float | dict[Id, float]:
        judged = Judged(lists, truth, k)
        return judged.answer(kernel(judged.hits(), judged.relevant, judged.k), per_user)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f">>> import minirec as mr\n    >>> {example}"
    return _documented(kernel)(call)  # type: ignore[return-value]  # the two overloads of the protocol, by one function


_GAIN = 'gain : "linear", the weight itself, or "exponential", 2^weight - 1.'
_LISTS, _TRUTH = '{"ann": ["tea", "milk", "rye"], "bob": ["rye"]}', '{"ann": ["milk", "jam"], "bob": ["rye"]}'


def _example(name: str, value: str) -> str:
    return f"round(mr.metrics.{name}({_LISTS}, {_TRUTH}, k=2), 4)\n    {value}"


precision = _metric("precision", accuracy.precision, _example("precision", "0.5"))
recall = _metric("recall", accuracy.recall, _example("recall", "0.75"))
recall_capped = _metric("recall_capped", accuracy.recall_capped, _example("recall_capped", "0.75"))
f1 = _metric("f1", accuracy.f1, _example("f1", "0.5833"))
ndcg = _metric("ndcg", accuracy.ndcg, _example("ndcg", "0.6934"))
dcg = _metric("dcg", accuracy.dcg, _example("dcg", "0.8155"))
map = _metric("map", accuracy.average_precision, _example("map", "0.625"))
map_trec = _metric("map_trec", accuracy.average_precision_trec, _example("map_trec", "0.625"))
mrr = _metric("mrr", accuracy.reciprocal_rank, _example("mrr", "0.75"))
hitrate = _metric("hitrate", accuracy.hitrate, _example("hitrate", "1.0"))


@_documented(accuracy.fbeta, "beta : above 0.")
def fbeta(lists: Given, truth: Given, k: int = 10, *, beta: float = 2.0, per_user: bool = False) -> float | dict[Id, float]:
    """>>> import minirec as mr
    >>> lists, truth = {"ann": ["tea", "milk", "rye"], "bob": ["rye"]}, {"ann": ["milk", "jam"], "bob": ["rye"]}
    >>> round(mr.metrics.fbeta(lists, truth, k=2, beta=2), 4)
    0.6667
    """
    if not beta > 0:
        raise ParameterError(f"beta must be above 0, got {beta!r}")
    judged = Judged(lists, truth, k)
    return judged.answer(accuracy.fbeta(judged.hits(), judged.relevant, judged.k, beta), per_user)


@_documented(accuracy.mcc, "n_items : the size of the catalogue.")
def mcc(lists: Given, truth: Given, k: int = 10, *, n_items: int, per_user: bool = False) -> float | dict[Id, float]:
    """>>> import minirec as mr
    >>> lists, truth = {"ann": ["tea", "milk", "rye"], "bob": ["rye"]}, {"ann": ["milk", "jam"], "bob": ["rye"]}
    >>> round(mr.metrics.mcc(lists, truth, k=2, n_items=9), 4)
    0.5093
    """
    judged = Judged(lists, truth, k)
    if n_items < max(len(judged.items), judged.k):
        raise ParameterError(f"n_items is the size of the catalogue, at least {max(len(judged.items), judged.k)} here; got {n_items!r}")
    return judged.answer(accuracy.mcc(judged.hits(), judged.relevant, judged.k, n_items), per_user)


@_documented(accuracy.rbp, "persistence : p, above 0 and below 1.")
def rbp(lists: Given, truth: Given, k: int = 10, *, persistence: float = 0.8, per_user: bool = False) -> float | dict[Id, float]:
    """>>> import minirec as mr
    >>> lists, truth = {"ann": ["tea", "milk", "rye"], "bob": ["rye"]}, {"ann": ["milk", "jam"], "bob": ["rye"]}
    >>> round(mr.metrics.rbp(lists, truth, k=2, persistence=0.5), 4)
    0.375
    """
    if not 0 < persistence < 1:
        raise ParameterError(f"persistence is a chance above 0 and below 1, got {persistence!r}")
    judged = Judged(lists, truth, k)
    return judged.answer(accuracy.rbp(judged.hits(), judged.relevant, judged.k, persistence), per_user)


@_documented(accuracy.graded_dcg, _GAIN)
def dcg_graded(lists: Given, truth: Given, k: int = 10, *, gain: str = "linear", per_user: bool = False) -> float | dict[Id, float]:
    """>>> import minirec as mr
    >>> lists, truth = {"ann": ["tea", "milk", "rye"], "bob": ["rye"]}, {"ann": {"milk": 3, "jam": 1}, "bob": {"rye": 2}}
    >>> round(mr.metrics.dcg_graded(lists, truth, k=2), 4)
    1.9464
    """
    judged = Judged(lists, truth, k)
    return judged.answer(accuracy.graded_dcg(judged.gains(_exponential(gain))[0], judged.k), per_user)


@_documented(accuracy.graded_ndcg, _GAIN)
def ndcg_graded(lists: Given, truth: Given, k: int = 10, *, gain: str = "linear", per_user: bool = False) -> float | dict[Id, float]:
    """>>> import minirec as mr
    >>> lists, truth = {"ann": ["tea", "milk", "rye"], "bob": ["rye"]}, {"ann": {"milk": 3, "jam": 1}, "bob": {"rye": 2}}
    >>> round(mr.metrics.ndcg_graded(lists, truth, k=2), 4)
    0.7606
    """
    judged = Judged(lists, truth, k)
    return judged.answer(accuracy.graded_ndcg(*judged.gains(_exponential(gain)), judged.k), per_user)


def _exponential(gain: str) -> bool:
    if gain not in ("linear", "exponential"):
        raise ParameterError(f"gain must be linear or exponential, got {gain!r}")
    return gain == "exponential"
