"""What `evaluate` returns: every number by name, the values of each user, intervals and tests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from html import escape
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from ..cards import card
from ..data.frames import frame_of
from ..data.ids import Id
from ..errors import ParameterError
from ..metrics.accuracy import Values
from .measure import Measured
from .paired import Paired, paired
from .statistics import bootstrap_interval, holm
from .tables import comparison_table, result_tables

TESTS = ("t", "randomisation")
SHOWN = ("recall", "ndcg", "tail.ndcg", "aplt", "coverage", "rmse", "sampled_ndcg")  # of a short table


class Seconds(NamedTuple):
    """Wall-clock seconds that a model's lists (or scores) and their metrics took."""

    scoring: float
    metrics: float


@dataclass(frozen=True)
class Difference:
    """Model `a` less model `b` in one metric, over the n users for whom both have a value.

    low, high : bootstrap interval of the mean difference. p : of the test; p_holm : corrected for all differences of the same
    comparison. effect : Cohen's d_z, the mean difference in standard deviations of the differences.
    """

    a: str
    b: str
    metric: str
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    effect: float
    n: int


@dataclass(frozen=True, repr=False)
class Comparison:
    """Paired differences between models, one for each pair of models and each metric compared."""

    differences: tuple[Difference, ...]
    test: str
    level: float

    def __iter__(self) -> Iterator[Difference]:
        return iter(self.differences)

    def __len__(self) -> int:
        return len(self.differences)

    def __getitem__(self, position: int) -> Difference:
        return self.differences[position]

    def to_dict(self) -> list[dict[str, Any]]:
        """One dictionary a difference, ready for JSON."""
        return [asdict(difference) for difference in self.differences]

    def to_frame(self, library: str = "pandas") -> Any:
        """One row a difference, as a "pandas" or "polars" data frame or an "arrow" table."""
        rows = self.to_dict()
        return frame_of({name: [row[name] for row in rows] for name in rows[0]}, library)

    def __str__(self) -> str:
        return comparison_table(self)

    def __repr__(self) -> str:
        return f"Comparison({len(self)} differences, {self.test} test, level {self.level:g})"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        rows = self.to_dict()
        names = ("a", "b", "metric", "difference", "low", "high", "p_holm", "n")
        return card(f"Comparison ({self.test} test)", table={name: [row[name] for row in rows] for name in names})


@dataclass(frozen=True, repr=False)
class Result:
    """Numbers of one or more models on one test set.

    users : external ids of the evaluated users. measured : the numbers of each model; the arrays have one entry a user.
    groups : size of each item group by definition (`Groups.describe`), empty where groups play no part. counts : how many
    users, items and pairs took part, and how many were left out for which reason (`tables.LEFT_OUT` has the reasons in words).
    settings : protocol, k, seed and what else decides the numbers. notes : what else a reader should know.
    """

    users: list[Id]
    measured: dict[str, Measured]
    groups: dict[str, dict[str, dict[str, Any]]]
    counts: dict[str, int]
    settings: dict[str, Any]
    seconds: dict[str, Seconds]
    notes: tuple[str, ...] = ()

    @property
    def models(self) -> list[str]:
        """Names of the models."""
        return list(self.measured)

    def to_dict(self) -> dict[str, dict[str, float]]:
        """{model: {"recall@20": ..., "tail.ndcg@20": ...}}: means over the users with a value, NaN where there is none."""
        return {
            model: {name: _mean(values) for name, values in found.per_user.items()} | found.overall
            for model, found in self.measured.items()
        }

    def to_frame(self, library: str = "pandas") -> Any:
        """Rows of model, metric, value, users (how many the mean is over), as a "pandas" / "polars" frame or an "arrow" table."""
        columns: dict[str, list[Any]] = {"model": [], "metric": [], "value": [], "users": []}
        for model, values in self.to_dict().items():
            for metric, value in values.items():
                users = self.measured[model].per_user.get(metric)
                row = (model, metric, value, len(self.users) if users is None else int(np.isfinite(users).sum()))
                for column, entry in zip(columns.values(), row, strict=True):
                    column.append(entry)
        return frame_of(columns, library)

    def per_user(self, model: str, metric: str) -> tuple[list[Id], Values]:
        """The users that have a value in this metric, and their values, float64; the mean of these is what `to_dict` gives."""
        values = self._values(model, metric)
        has_value = np.isfinite(values)
        return [user for user, has in zip(self.users, has_value.tolist(), strict=True) if has], values[has_value]

    def _values(self, model: str, metric: str) -> Values:
        if model not in self.measured:
            raise ParameterError(f"no model {model!r} in this result; there are {', '.join(self.measured)}")
        found = self.measured[model]
        if metric in found.overall:
            raise ParameterError(f"{metric} is one number for the whole output of a model; users have no values of their own in it")
        if metric not in found.per_user:
            raise ParameterError(f"no metric {metric!r} in this result; {model} has {', '.join([*found.per_user, *found.overall])}")
        return found.per_user[metric]

    def intervals(
        self, metrics: str | Iterable[str], *, level: float = 0.95, resamples: int = 1000
    ) -> dict[str, dict[str, tuple[float, float]]]:
        """Bootstrap percentile intervals of the means over users: {model: {metric: (low, high)}}; see `bootstrap_interval`.

        Asking for many metrics at once is cheaper than one by one. A metric that a model does not have is left out for it.
        """
        names = (metrics,) if isinstance(metrics, str) else tuple(metrics)
        if not 0 < level < 1:
            raise ParameterError(f"level is a share above 0 and below 1, got {level!r}")
        for name in names:
            if not any(name in found.per_user for found in self.measured.values()):
                self._values(self.models[0], name)  # raises, and says why
        by_users: dict[bytes, list[tuple[str, str]]] = {}  # columns over the same users share their resamples
        for model, found in self.measured.items():
            for name in names:
                if name in found.per_user:
                    by_users.setdefault(np.isfinite(found.per_user[name]).tobytes(), []).append((model, name))
        result: dict[str, dict[str, tuple[float, float]]] = {model: {} for model in self.models}
        for columns in by_users.values():
            values = np.column_stack([self.measured[model].per_user[name] for model, name in columns])
            values = values[np.isfinite(values[:, 0])]
            if not len(values):
                low = high = np.full(len(columns), np.nan)
            else:
                low, high = bootstrap_interval(values, level=level, resamples=resamples, seed=self.settings["seed"])
            for (model, name), ends in zip(columns, zip(low.tolist(), high.tolist(), strict=True), strict=True):
                result[model][name] = ends
        return result

    def compare(
        self,
        a: str | None = None,
        b: str | None = None,
        metric: str | Iterable[str] | None = None,
        *,
        test: str = "t",
        level: float = 0.95,
    ) -> Comparison:
        """Is model `a` better than model `b` (None: than each of the others)? Paired over users. Without `a`: every pair of models.

        metric : one or several; default: recall, ndcg and tail.ndcg at the largest k, as far as they were measured.
        test : "t" (paired t) or "randomisation" (sign flips, 10,000 rounds). All p values of the call are Holm-corrected together.

        All differences of a metric over the same users share their resamples and flips, since the mean of differences is the
        difference of means: O(resamples users models), and not once more for each pair of models.
        """
        if test not in TESTS:
            raise ParameterError(f"test must be one of {', '.join(TESTS)}, got {test!r}")
        if metric is None:
            k = max(self.settings["k"])
            names = [f"{name}@{k}" for name in ("recall", "ndcg", "tail.ndcg", "sampled_ndcg")]
            metric = [name for name in names if name in self.measured[self.models[0]].per_user]
        metrics = (metric,) if isinstance(metric, str) else tuple(metric)
        if a is None:
            pairs = list(combinations(self.models, 2)) if b is None else []
        else:
            pairs = [(a, other) for other in (self.models if b is None else [b]) if b is not None or other != a]
        if not pairs or not metrics or any(first == second for first, second in pairs):
            raise ParameterError(f"comparing {a!r} needs another model of this result and at least one metric")
        found = {(pair, name): row for name in metrics for pair, row in self._differences(pairs, name, test, level).items()}
        rows = [(*pair, name, *found[pair, name]) for pair in pairs for name in metrics]
        corrected = holm(np.array([row.p for row in found.values()]))
        by_key = dict(zip(found, corrected.tolist(), strict=True))
        differences = tuple(
            Difference(first, second, name, mean, low, high, p, by_key[(first, second), name], effect, n)
            for first, second, name, mean, low, high, p, effect, n in rows
        )
        return Comparison(differences, test, level)

    def _differences(self, pairs: list[tuple[str, str]], name: str, test: str, level: float) -> dict[tuple[str, str], Paired]:
        """One metric for many pairs of models, those over the same users at once."""
        values = {model: self._values(model, name) for model in dict.fromkeys(model for pair in pairs for model in pair)}
        together: dict[bytes, list[tuple[str, str]]] = {}
        for pair in pairs:
            both = np.isfinite(values[pair[0]]) & np.isfinite(values[pair[1]])
            if both.sum() < 2:
                raise ParameterError(
                    f"{name}: {int(both.sum())} users have a value for both {pair[0]} and {pair[1]}; a test needs at least two"
                )
            together.setdefault(both.tobytes(), []).append(pair)
        found: dict[tuple[str, str], Paired] = {}
        for mask, some in together.items():
            users = np.frombuffer(mask, bool)
            models = list(dict.fromkeys(model for pair in some for model in pair))
            columns = np.column_stack([values[model][users] for model in models])
            first, second = (np.array([models.index(pair[side]) for pair in some]) for side in (0, 1))
            found |= dict(zip(some, paired(columns, first, second, test=test, level=level, seed=self.settings["seed"]), strict=True))
        return found

    def __str__(self) -> str:
        return result_tables(self)

    def __repr__(self) -> str:
        names = ", ".join([*self.models[:6], *(["..."] if len(self.models) > 6 else [])])
        return f"Result({len(self.models)} models on {len(self.users):,} users: {names})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the main metrics at the largest k."""
        return card(f"Result: {len(self.models)} models, {len(self.users):,} users", table=self._shown(), notes=self.notes)

    def _shown(self) -> dict[str, list[Any]]:
        numbers, k = self.to_dict(), max(self.settings["k"])
        keys = [key for name in SHOWN for key in (f"{name}@{k}", name) if any(key in values for values in numbers.values())]
        return {"model": list(numbers)} | {key: [values.get(key) for values in numbers.values()] for key in keys}

    def to_html(self) -> str:
        """The main metrics at the largest k as an HTML table, a model a row, with 95 % intervals."""
        head, rows = self._cells()
        cells = "".join(
            f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>' for row in rows
        )
        heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{cells}</tbody></table>"

    def to_markdown(self) -> str:
        """The same as a table of Markdown."""
        head, rows = self._cells()
        lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
        return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)

    def to_latex(self) -> str:
        """The same as a LaTeX tabular (package booktabs)."""
        head, rows = self._cells()

        def line(cells: list[str]) -> str:
            texts = (re.sub(r"([&%$#_{}])", r"\\\1", cell).replace("+/-", r"$\pm$") for cell in cells)
            return " & ".join(texts) + r" \\"

        body = "\n".join(line(row) for row in rows)
        columns = "l" + "r" * (len(head) - 1)
        return "\n".join([rf"\begin{{tabular}}{{{columns}}}", r"\toprule", line(head), r"\midrule", body, r"\bottomrule", r"\end{tabular}"])

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        """The main metrics as texts, with half the width of their intervals."""
        shown = self._shown()
        ends = self.intervals([key for key in shown if any(key in found.per_user for found in self.measured.values())])
        rows = []
        for at, model in enumerate(shown["model"]):
            row = [model]
            for key in list(shown)[1:]:
                value, (low, high) = shown[key][at], ends[model].get(key, (np.nan, np.nan))
                half = f" +/- {(high - low) / 2:.4f}" if np.isfinite(high - low) else ""
                row.append("-" if value is None or not np.isfinite(value) else f"{value:.4f}{half}")
            rows.append(row)
        return list(shown), rows


def _mean(values: Values) -> float:
    """Mean over the users who have a value; NaN where no user has one."""
    has_value = np.isfinite(values)
    return float(values[has_value].mean()) if has_value.any() else float("nan")
