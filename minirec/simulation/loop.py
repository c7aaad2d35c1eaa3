"""The loop: recommend, let users take what they take, learn again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Dataset
from ..engine.sparse import CSR
from ..errors import ParameterError
from ..longtail.rerank import Reranker
from ..longtail.rerank.candidates import Candidates, Facts
from ..models.contract.checks import number, whole
from ..models.contract.recommender import Recommender
from ..models.contract.registry import model_class
from .measures import FIGURES, figures
from .world import ADOPTIONS, World, adopt, beta_world, world_of

SETTINGS = {"rounds": (1, 100_000), "k": (1, 1000), "retrain": (1, 100_000), "arrivals": (0, 100_000), "seeds": (1, 10_000)}


class Curve(NamedTuple):
    """A figure of a model over the rounds: the mean over the seeds with its 95 % interval, (rounds,) each."""

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True)
class Simulation:
    """What a simulation found: `values[model][figure]` is (seeds, rounds); `settings` and `assumptions` say what it rests on."""

    values: Mapping[str, Mapping[str, NDArray[np.float64]]]
    settings: Mapping[str, Any]
    assumptions: tuple[str, ...]

    def curve(self, model: str, figure: str) -> Curve:
        """The mean of a figure over the seeds, with the interval of Student's t; of one seed the interval is NaN."""
        values = self.values[model][figure]
        there = np.isfinite(values)
        count = there.sum(axis=0)
        mean = np.divide(np.where(there, values, 0).sum(axis=0), count, out=np.full(values.shape[1], np.nan), where=count > 0)
        if len(values) < 2 or (count < 2).any():
            return Curve(mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan))
        from scipy.stats import t

        spread = np.sqrt(np.where(there, (values - mean) ** 2, 0).sum(axis=0) / (count - 1))
        half = t.ppf(0.975, count - 1) * spread / np.sqrt(count)
        return Curve(mean, mean - half, mean + half)

    def to_dict(self) -> dict[str, Any]:
        """All figures by model, for JSON."""
        found = {name: {figure: values.tolist() for figure, values in of.items()} for name, of in self.values.items()}
        return {"figures": found, "settings": dict(self.settings), "assumptions": list(self.assumptions), "meaning": dict(FIGURES)}

    def __str__(self) -> str:
        lines = [f"{'model':<24}" + "".join(f"{figure:>22}" for figure in FIGURES)]
        for name in self.values:
            curves = [self.curve(name, figure).mean for figure in FIGURES]
            lines.append(f"{name:<24}" + "".join(f"{curve[0]:>11.4f} ->{curve[-1]:>8.4f}" for curve in curves))
        return "\n".join(lines)


def simulate(
    source: Dataset | World | None = None,
    models: Mapping[str, Recommender | Reranker] | Iterable[str] = ("popularity", "itemknn"),
    *,
    rounds: int = 20,
    k: int = 10,
    retrain: int = 1,
    adoption: str = "utility",
    rate: float = 1.0,
    arrivals: int = 0,
    seeds: int = 1,
    seed: int = 0,
    items: Any = None,
    progress: Callable[[int, int], object] | None = None,
) -> Simulation:
    """Rounds of recommending, adopting and learning again, for each model in a world of its own that begins alike.

    source : events of a real log (`world_of` says what users like), a `World`, or None for `beta_world`, drawn anew for each seed.
    models : registry names, or {name: an unfitted model, or a re-ranker over one}. The item "oracle" of the result always recommends by the
        true utility. rounds : how many. k : length of the lists. retrain : rounds between two fits.
    adoption : "utility", "cascade" or "popularity"; see `world.adopt`. rate : probability that a user takes anything in a round; 0 leaves
        everything as it is. arrivals : items without events that enter each round; each comes with one event of a random user.
    seeds : how many worlds (of `beta_world`) or courses (of the others). items : a table of items for re-rankers.
    progress : called as progress(done, total) after each round.

    The same seed gives the same figures. Time: seeds x models x rounds / retrain fits.

    >>> import minirec as mr
    >>> found = mr.simulate(models=("random",), rounds=3, seeds=2)
    >>> found.values["random"]["coverage"].shape
    (2, 3)

    Raises ParameterError for settings that cannot be used.
    """
    given = {"rounds": rounds, "k": k, "retrain": retrain, "arrivals": arrivals, "seeds": seeds}
    for name, (low, high) in SETTINGS.items():
        whole(name, given[name], low, high)
    number("rate", rate, 0, 1)
    if adoption not in ADOPTIONS:
        raise ParameterError(f"adoption must be one of {', '.join(ADOPTIONS)}, got {adoption!r}")
    names = [models] if isinstance(models, str) else models
    named = models if isinstance(models, Mapping) else {name: model_class(name)() for name in names}
    if not named:
        raise ParameterError("simulate needs at least one model")
    shared = source if isinstance(source, World) else None if source is None else world_of(source, seed=seed)
    values: dict[str, dict[str, list[list[float]]]] = {name: {figure: [] for figure in FIGURES} for name in (*named, "oracle")}
    done, total = 0, seeds * (len(named) + 1) * rounds
    for course in range(seeds):
        world = beta_world(seed=seed + course) if shared is None else shared
        for name, model in (*named.items(), ("oracle", None)):
            run = _Course(world, model, k, retrain, adoption, rate, arrivals, np.random.default_rng((seed, course)), items)
            rows = []
            for at in range(rounds):
                rows.append(run.round(at))
                done += 1
                if progress is not None:
                    progress(done, total)
            for figure in FIGURES:
                values[name][figure].append([row[figure] for row in rows])
    settings = given | {"adoption": adoption, "rate": rate, "seed": seed}
    found = {name: {figure: np.array(rows) for figure, rows in of.items()} for name, of in values.items()}
    sentence = f"A round shows each user {k} items that the user does not have; adoption is {adoption!r} (minirec.simulation.world.adopt)."
    return Simulation(found, settings, (world.assumption, sentence))


class _Course:
    """One model in one world."""

    def __init__(
        self, world: World, model: Recommender | Reranker | None, k: int, retrain: int, adoption: str, rate: float, arrivals: int,
        rng: np.random.Generator, items: Any,
    ) -> None:  # fmt: skip
        self.world, self.k, self.retrain, self.adoption, self.rate = world, k, retrain, adoption, rate
        self.reranker = model if isinstance(model, Reranker) else None
        self.model = model.model if isinstance(model, Reranker) else model
        self.rng, self.items, self.arrivals = rng, items, arrivals
        self.user, self.item = world.events.user, world.events.item
        counts = np.bincount(self.item, minlength=len(world.items))
        order = np.argsort(-counts, kind="stable")
        self.tail = np.ones(len(counts), bool)
        self.tail[order[: int(np.ceil(0.2 * len(order)))]] = False
        self.absent = order[counts[order] == 0][::-1].copy() if not arrivals else self._held_back(order, counts)
        self.arrived = np.zeros(0, np.int64)
        self.fitted: Recommender | None = None

    def _held_back(self, order: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Items that come later: those without events first, then the least popular tenth, whose events are taken out."""
        late = order[::-1][: max(int((counts == 0).sum()), len(order) // 10)]
        keep = ~np.isin(self.item, late)
        self.user, self.item = self.user[keep], self.item[keep]
        return late.copy()

    def round(self, at: int) -> dict[str, float]:
        """Recommend, adopt, count."""
        if self.arrivals:
            new, self.absent = self.absent[: self.arrivals], self.absent[self.arrivals :]
            self.arrived = np.concatenate((self.arrived, new))
            first = self.rng.integers(0, len(self.world.users), len(new))
            self.user = np.concatenate((self.user, first.astype(np.int32)))
            self.item = np.concatenate((self.item, new.astype(np.int32)))
        data = Dataset(self.world.users, self.world.items, self.user, self.item, name=self.world.events.name)
        lists = self._lists(data, at)
        before, popularity = data.matrix, np.bincount(self.item, minlength=len(self.world.items)).astype(np.float64)
        taken = adopt(self.adoption, lists, self.world, popularity, self.rate, self.rng)
        self.user = np.concatenate((self.user, taken[0].astype(np.int32)))
        self.item = np.concatenate((self.item, taken[1].astype(np.int32)))
        seen = Dataset(self.world.users, self.world.items, self.user, self.item).matrix
        return figures(self.world, lists, seen, self.tail, self.arrived, taken, before)

    def _lists(self, data: Dataset, at: int) -> NDArray[np.int64]:
        """Item rows (users, k), -1 where there is none."""
        if self.model is None:
            return self._best(data.matrix)
        if at % self.retrain == 0 or self.fitted is None:
            self.fitted = self.model.clone().fit(data)
        lists = np.full((len(self.world.users), self.k), -1, np.int64)
        known = data.compact().users
        wider = self.k if self.reranker is None else max(self.k, self.reranker.candidates)
        found = self.fitted.recommend(list(known), k=wider)
        if self.reranker is not None:
            candidates = Candidates.of(found)
            found = self.reranker.clone(k=self.k)._reranked(candidates, Facts(candidates.items, data, self.items))
        rows = self.world.items.rows(found._items.ids(np.arange(len(found._items))))
        users = self.world.users.rows(found.users)
        for position, user in enumerate(users.tolist()):
            some = rows[found.rows[found.indptr[position] : found.indptr[position + 1]]]
            lists[user, : len(some)] = some
        return lists

    def _best(self, seen: CSR) -> NDArray[np.int64]:
        free = self.world.utility.copy()
        free[seen.row_ids(), seen.indices] = -1
        free[:, self.absent] = -1
        order = np.argsort(-free, axis=1, kind="stable")[:, : self.k]
        return np.where(np.take_along_axis(free, order, axis=1) >= 0, order, -1)
