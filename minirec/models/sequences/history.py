"""What models of ordered histories share: trained on what comes next in each, served from any, and brought up to date without training."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from functools import partial
from typing import Generic, Literal, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...data.ids import Ids, Rows
from ...engine.nn.autodiff import Tensor
from ...engine.nn.modules import Embedding, Module, filled, numbers
from ...engine.nn.optimizers import Adam, Schedule, constant, cosine
from ...engine.nn.training import Progress, fit
from ...engine.ranking.scorers import Scorer, Scores
from ...engine.ranking.topk import Filters
from ...engine.sequences import Sequences, next_items, offsets
from ...engine.sparse import CSR, Index
from ..contract.events import merged_known
from ..contract.explanation import Part, left_out_parts
from ..contract.monitor import Monitor
from ..contract.parameters import MOST, choice, fitted, number, seeded, whole
from ..contract.recommender import Recommender
from ..contract.request import Profiles
from ..contract.state import kept
from ..contract.stopping import mean_ndcg

_LENGTH = 10  # of the lists that decide when to stop
_JUDGED = 5000  # users that do, at most


class Batch(NamedTuple):
    """Packed sequences: items (tokens,) one sequence after the other, offsets indptr (sequences + 1,), and the item after each."""

    items: Index
    indptr: NDArray[np.int64]
    targets: Index
    negatives: Index


class HistoryNetwork(Module):
    """items : the table of item vectors."""

    items: Embedding


N = TypeVar("N", bound=HistoryNetwork)


class HistoryModel(Recommender, Generic[N]):
    """A network that scores items for a history S, in the order of its events.

    The order is that of the times, and of the rows of the data where times are equal or there are none; of a history that is given, its
    own. Only the last `max_length` events count. A new event changes the next call, without training.

    Each place of a sequence but the last is a sample, the item after it what is to be foreseen. An iteration takes the last max_length
    places of every user once, in random order, `batch_size` users at a time, packed without padding, and moves by Adam.

    With `validation_share` above 0 the last event of that share of the users is held out. Training stops once their NDCG@10, among all
    items that they do not have, has not risen for `patience` iterations, and the weights of the best iteration are kept. With 1, and a
    data set without the last event of each user, this is the leave-one-out protocol of the papers.
    """

    score_kind = "logit"
    _ordered = True
    _resumes = True

    factors: int = whole(default=64, high=65_536, search=[64, 128], doc="Length of the item vectors.")
    max_length: int = whole(default=50, high=1_000_000, doc="Events at the end of a history that count.")
    negatives: int = whole(default=256, high=MOST, doc="Items that stand for all others in the loss of a sample.")
    dropout: float = number(default=0.2, low=0, below=1, search=(0.1, 0.5, "linear"), doc="Share of the numbers that training drops.")
    learning_rate: float = number(default=1e-3, above=0, high=1000, search=(3e-4, 3e-3, "log"), doc="Step size of Adam.")
    schedule: Literal["constant", "cosine"] = choice(
        default="constant",
        doc="""Of the learning rate: "constant", or "cosine", from learning_rate down to 0 by half a cosine over all `iterations`
            (Loshchilov & Hutter 2017, equation 5, one period), whether training stops before their end or not.""",
    )
    random_window: float = number(
        default=0.0,
        low=0,
        high=1,
        doc="""Probability that an iteration takes a window of a history of more than max_length + 1 events that ends at a random event.
            With 0 older events are never learned from, as in the papers of SASRec and others.""",
    )
    batch_size: int = whole(default=128, high=MOST, doc="Users of a step.")
    iterations: int = whole(default=100, high=1_000_000, doc="Passes over the users, at most.")
    validation_share: float = number(
        default=0.1, low=0, high=1, doc="Share of the users whose last event is held out to decide when to stop; 0 takes all iterations."
    )
    patience: int = whole(default=5, high=1_000_000, doc="Iterations without a better NDCG@10 of the held-out events before it stops.")
    seed: int | None = seeded()

    weights_: Scores = fitted("numbers")  # all parameters of the network, one after the other
    sequences_: Sequences = fitted("users", "items", per_user=True, ordered=True)  # the last max_length items of each user, in order

    @abstractmethod
    def _network(self, n_items: int, rng: np.random.Generator) -> N:
        """A network before training."""

    def _begin(self, network: N, train: Dataset) -> None:
        """What else is done to it, where a model begins from more than chance."""

    @abstractmethod
    def _batch_loss(self, network: N, batch: Batch) -> Tensor:
        """The loss of a batch: one number."""

    @abstractmethod
    def _judge(self, network: N, sequences: Sequences) -> Scorer:
        """What scores all items for sequences of at most max_length while the network is trained."""

    def _drawn(self, samples: int) -> int | tuple[int, int]:
        """The shape of the negatives of a batch: of each sample its own, (samples, negatives)."""
        return samples, self.negatives

    # ---- fitting --------------------------------------------------------------------------------------------------------

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        everything = in_order(train)
        self.sequences_ = everything.latest(self.max_length)
        rng = np.random.default_rng(self.seed_)
        learned, judged = self._hold_out(everything, rng)
        network = self._network(train.n_items, rng)
        self._begin(network, train)

        def validate() -> float:
            return self._ndcg(network, learned.rows(judged), everything.rows(judged))

        def report(progress: Progress) -> bool:
            self._keep(network)
            scores = {"held_out_ndcg@10": progress.scores[-1]} if progress.scores else {}
            return monitor.step(progress.epoch, self.iterations, loss=progress.losses[-1], **scores)

        fit(
            network,
            Adam(network.parameters(), self._rate(learned)),
            lambda epoch, rng: self._batches(learned, rng),
            lambda batch: self._batch_loss(network, batch),
            epochs=self.iterations if (learned.counts() >= 2).any() else 0,  # nothing follows anything
            seed=self.seed_,
            validate=validate if len(judged) else None,
            patience=self.patience,
            checkpoint=monitor.checkpoint,
            purpose=self._purpose(train),
            callback=report,
        )
        self._keep(network)

    def _hold_out(self, everything: Sequences, rng: np.random.Generator) -> tuple[Sequences, NDArray[np.int64]]:
        """The sequences to learn from, and the users whose last event is not among them."""
        able = np.flatnonzero(everything.counts() >= 3)
        held = np.sort(rng.permutation(able)[: round(self.validation_share * len(able))])
        keep = np.ones(len(everything.items), bool)
        keep[everything.indptr[held + 1] - 1] = False
        counts = everything.counts()
        counts[held] -= 1
        learned = Sequences(offsets(counts), everything.items[keep], everything.n_items)
        judged = held if len(held) <= _JUDGED else np.sort(rng.choice(held, _JUDGED, replace=False))
        return learned, judged

    def _purpose(self, train: Dataset) -> str:
        falls = "" if self.schedule == "constant" else f", its rate falling over {self.iterations} iterations"
        return super()._purpose(train) + falls

    def _rate(self, learned: Sequences) -> Schedule:
        if self.schedule == "constant":
            return constant(self.learning_rate)
        steps = -(-int(np.count_nonzero(learned.counts() >= 2)) // self.batch_size)
        return cosine(self.learning_rate, self.iterations * steps)

    def _batches(self, learned: Sequences, rng: np.random.Generator) -> Iterator[Batch]:
        able = rng.permutation(np.flatnonzero(learned.counts() >= 2))
        for start in range(0, len(able), self.batch_size):
            some = able[start : start + self.batch_size]
            skip = self._skipped(learned, some, rng) if self.random_window else 0
            indptr, items, targets = next_items(learned.indptr, learned.items, some, self.max_length, skip)
            yield Batch(items, indptr, targets, rng.integers(0, learned.n_items, self._drawn(len(targets)), dtype=np.int32))

    def _skipped(self, learned: Sequences, users: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """How many of the last events of each of these users are not learned from this time."""
        spare = np.maximum(learned.indptr[users + 1] - learned.indptr[users] - (self.max_length + 1), 0)
        return np.where(rng.random(len(users)) < self.random_window, rng.integers(0, spare + 1), 0)

    def _ndcg(self, network: N, known: Sequences, with_last: Sequences) -> float:
        """Mean NDCG@10 of the last items, among the items that the users do not have."""
        target = with_last.items[with_last.indptr[1:] - 1]
        ids = with_last.owners()
        seen = np.ones(len(with_last.items), bool)
        seen[with_last.indptr[1:] - 1] = False
        banned = CSR.from_pairs(ids[seen], with_last.items[seen], None, with_last.shape)
        truth = CSR(np.arange(len(target) + 1), target, np.ones(len(target), np.float32), with_last.shape)
        scorer = self._judge(network, known.latest(self.max_length))
        return mean_ndcg(scorer, truth, _LENGTH, self.backend_, Filters(banned=(banned,)))

    # ---- events that come in --------------------------------------------------------------------------------------------

    def update(self, events: Dataset) -> Self:
        """Put new events of known or new users behind those that they have; the network stays as it is, and sees them from now on.

        NotSupportedError for items that it has no vectors of: fit again on all events then.
        """
        change = merged_known(self, events)
        events = events.compact()
        new = in_order(events)
        owners = np.concatenate((change.user_rows[self.sequences_.owners()], change.touched[new.owners()]))
        items = np.concatenate((self.sequences_.items, self.items_.rows(list(events.items))[new.items]))
        order = np.argsort(owners, kind="stable")
        sequences = Sequences.of_owners(owners[order], items[order], (len(change.users), len(self.items_)))
        self.users_, self.seen_, self.sequences_ = change.users, change.seen, sequences.latest(self.max_length)
        return self

    # ---- the network of a fitted model ----------------------------------------------------------------------------------

    def _keep(self, network: N) -> None:
        self.weights_ = numbers(network)

    def _trained(self) -> N:
        """The network; kept as long as the weights are the same."""
        return kept(self, "_kept_network", self.weights_, lambda: filled(partial(self._network, len(self.items_)), self.weights_))

    # ---- requests -------------------------------------------------------------------------------------------------------

    def _profiles_of(self, rows: Rows) -> Profiles:
        known = super()._profiles_of(rows)
        return Profiles(known.rows, known.history, self.sequences_.rows(rows)) if self.sequences_.shape[0] else known

    def _last_events(self, history: Ids) -> Index:
        """The item rows of one history of ids, its last max_length events."""
        ordered = self._new([history], None, "raise", [], None)[1].ordered
        assert ordered is not None
        return ordered.latest(self.max_length).items

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        """ "left out": what the score falls by without an item of the history; "the rest": what these do not add up to."""
        distinct, kept = self._left_out(profiles)
        scores = self._scorer(kept).pairs(np.arange(len(kept)), np.full(len(kept), item, np.int32)).astype(np.float64)
        return left_out_parts(self.items_, distinct, float(scores[0]), scores[1:], item)

    def _left_out(self, profiles: Profiles) -> tuple[Index, Profiles]:
        """The items of the last events of one profile; these events, and them without each of the items in turn."""
        assert profiles.ordered is not None
        items = profiles.ordered.latest(self.max_length).items
        distinct = np.unique(items)
        kept = [items, *(items[items != one] for one in distinct)]
        indptr = offsets(np.array([len(part) for part in kept]))
        ordered = Sequences(indptr, np.concatenate(kept), len(self.items_))
        history = CSR.from_pairs(ordered.owners(), ordered.items, None, ordered.shape)
        return distinct, Profiles(None, history, ordered)


def in_order(data: Dataset) -> Sequences:
    """The items of each user in the order of the events, as often as there are events."""
    place = np.arange(len(data))
    order = np.lexsort((place, place if data.time is None else data.time, data.user))
    return Sequences.of_owners(data.user, data.item[order], (data.n_users, data.n_items))
