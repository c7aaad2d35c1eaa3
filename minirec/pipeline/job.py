"""The main job, one method a step: read, clean, split, search, choose, measure, fit on all events, recommend, write."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from ..data.account import Account
from ..data.cleaning import clean
from ..data.dataset import Dataset
from ..engine.backend import resolve
from ..errors import MemoryBudgetError, ModelFitError, ParameterError
from ..evaluation import Result, evaluate, item_shift
from ..features import TfidfLSA
from ..models.contract.recommender import Recommender
from ..models.contract.warmup import warmup
from ..options import memory_budget, options_in_force
from .arguments import Arguments
from .candidates import ALWAYS, CONTENT_MODELS, IN_PLACE, REFERENCES, Shape, cannot_run, make, reads_content, seconds_expected
from .choice import Choice, choose, gap
from .content import chosen_pair, encode, new_items, peak_bytes, text_columns
from .examples import example_users, examples_of, explained_lists, plain_lists
from .files import FolderInUse, versions, write
from .parts import Parts, check_target, make_parts
from .records import ContentRun, Encoded, Example, Listed, Outcome, Run
from .search import Search, Searched
from .source import is_built_in, read_source, remarks
from .watch import Clock, Watch
from .weights import Weigher, without_weights

METRICS = (
    "ndcg", "recall", "precision", "map", "mrr", "hitrate", "coverage", "aplt", "arp", "gini", "upd", "epc", "popreo", "poprsp",
    "rmse", "mae",
)  # fmt: skip
WIDTH = 256  # of vectors of texts, about
NAMES = {"accuracy": "accurate", "balanced": "balanced", "tail": "tail"}  # preference -> pick


class Job:
    """One run. `go` takes all steps; each of the others is one."""

    def __init__(self, arguments: Arguments, watch: Watch) -> None:
        self.arguments = arguments
        self.clock = Clock(watch)
        self.started = perf_counter()
        self.weigher = Weigher(arguments.weights)
        self.left_out: dict[str, str] = {}
        self.warnings: list[str] = []
        self.fits: dict[str, float] = {}

    def go(self) -> Run:
        """All steps."""
        with FolderInUse(self.arguments.out):
            data, account = self.clean(*self.read())
            data, columns, encoded, learned = self.encode(data)
            parts = self.split(data)
            found = self.search(parts)
            choice = self.choose(found)
            labels, picks = self.names_on_test(found, choice)
            result, examples, why = self.measure(parts, found, labels, picks[NAMES[self.arguments.prefer]])
            settings = {name: found.settings[labels[name]] for name in result.models}
            best = picks[NAMES[self.arguments.prefer]]
            content = self.content(data, columns, encoded, found, settings, {name: labels[name] for name in settings})
            self.warn(result, choice, best)
            self.weigher.drop(parts.train)
            gc.collect()  # what was fitted on train is gone before the last fit
            final = self.final(data, settings[best])
            with self.clock.step("recommend"):
                lists = final.recommend(k=self.arguments.k[-1], exclude_seen=not self.arguments.include_seen)
            with self.clock.step("write"):
                shift = self.shift
                record = self.record(data, final, found, labels)
                outcome = Outcome(
                    data=data, account=account, parts=parts, settings=settings, labels=labels, choice=choice, picks=picks, best=best,
                    validation=found.validation, result=result, shift=shift,
                    against=gap(result, best, "popularity", self.accuracy) if "popularity" in result.models else None,
                    left_out=self.left_out, warnings=self.warnings, examples=examples, why_no_parts=why,
                    arguments=self.arguments.plain() | _in_force(), versions=record["versions"], seconds=self.clock.seconds,
                    fits=self.fits, peak=peak_bytes(), folder=str(self.arguments.out), date=record["date"], content=content,
                )  # fmt: skip
                files = write(final, lists, record, outcome, self.clock.watch, learned if reads_content(final) else None)
        return Run(
            self.arguments.out, files, best, picks, final, result, found.validation, shift, self.left_out, account, record, self.warnings
        )

    @property
    def accuracy(self) -> str:
        """The metric that decides."""
        return f"ndcg@{self.arguments.k[-1]}"

    # ---- the data -------------------------------------------------------------------------------------------------------

    def read(self) -> tuple[Dataset, Account]:
        """The events of the source."""
        with self.clock.step("read"):
            return read_source(self.arguments.source, self.arguments.reader)

    def clean(self, data: Dataset, account: Account) -> tuple[Dataset, Account]:
        """Drop what was asked to be dropped; say what there is, and what looks odd."""
        with self.clock.step("clean"):
            data, removed = clean(data, duplicates="keep", **self.arguments.cleaning())
        account = account.extend(removed)
        account.notes.extend(remarks(data))
        self.clock.watch.say(f"{data!r}\n{account}")
        check_target(data, self.arguments.target)
        return data, account

    def encode(self, data: Dataset) -> tuple[Dataset, tuple[str, ...], Encoded | None, TfidfLSA | None]:
        """Vectors of the texts of items, where a model would read them."""
        given = self.arguments
        columns = text_columns(data, given.text, built_in=is_built_in(given.source))
        self.models = [make(name, given.start(name), given.seed) for name in given.names]
        content = any(map(reads_content, self.models))
        if given.text is None and given.named and not content:
            columns = ()  # nobody would read the vectors
        if columns and not content:
            joining = dict.fromkeys([*CONTENT_MODELS, *(name for name in given.params if name not in given.names)])
            self.models += [make(name, given.start(name), given.seed) for name in joining]
        if columns and given.text is None and not content and given.seconds and self.too_long(data):
            self.models, columns = [model for model in self.models if not reads_content(model)], ()
        taking_part = [model.name for model in self.models]
        for name in given.params:
            if name not in taking_part and name not in IN_PLACE.values():
                raise ParameterError(f"params are given for {name!r}, which is not among the models: {', '.join(taking_part)}")
        if not columns:
            return data, (), None, None
        with self.clock.step("encode"):
            data, encoded, learned = encode(data, columns, given.encoder)
        self.clock.watch.say(str(encoded))
        return data, columns, encoded, learned

    def too_long(self, data: Dataset) -> bool:
        """Whether all models of content would take more than half of the budget; then nobody encodes the texts for them."""
        seconds = {name: seconds_expected(name, Shape.of(data), WIDTH) for name in CONTENT_MODELS}
        if min(seconds.values()) <= self.arguments.seconds / 2:
            return False
        for name, expected in seconds.items():
            self.left_out[name] = f"would take about {expected:,.0f} s of {self.arguments.seconds:,.0f} (text=..., --text A,B, insists)"
        return True

    def split(self, data: Dataset) -> Parts:
        """Train and test, and validation sets within train; whether they are alike is told."""
        given = self.arguments
        with self.clock.step("split"):
            parts = make_parts(data, given.split, given.test, given.seed, target=given.target, include_seen=given.include_seen)
            self.shift = item_shift(parts.folds[0].validation, parts.test, seed=given.seed)
        self.warnings += parts.notes
        for note in parts.notes:
            self.clock.watch.say(f"Note: {note}")
        if self.shift.differs:
            self.clock.watch.say(f"Note: {self.shift}.")
        if given.weights != "binary" and (plain := without_weights(self.models)):
            self.warnings.append(f"weights={given.weights!r} (--weights): {', '.join(plain)} do not use weights; the others do.")
            self.clock.watch.say(f"Note: {self.warnings[-1]}")
        return parts

    # ---- search and choice ----------------------------------------------------------------------------------------------

    def search(self, parts: Parts) -> Searched:
        """Candidates on the validation events."""
        given = self.arguments
        self.compile(parts)
        search = Search(
            parts.folds,
            given.k,
            given.seed,
            self.weigher,
            self.clock,
            not given.include_seen,
            given.seconds,
            given.price,
            given.text is not None,
            self.left_out,
            started=self.started,
        )
        self._search = search
        if given.trials is not None:
            found = search.repeat({label: make(name, params, given.seed) for label, name, params in given.trials["tried"]})
        else:
            models = self._in_place(list(self.models), parts)
            found = search.run(models, given.params, named=given.named)
        for fold in parts.folds:
            self.weigher.drop(fold.inner)
        return found

    def compile(self, parts: Parts) -> None:
        """Compile the kernels of the models that have a chance, or read them from the cache, before the clock of the search runs."""
        given = self.arguments
        if resolve() == "numpy" or not given.seconds or given.trials is not None:
            return
        events = self.weigher(parts.folds[0].inner, self.models[0])
        shape = Shape.of(events)
        able = [model.name for model in self.models if cannot_run(model, events, shape, given.seconds / 2, named=given.named) is None]
        with self.clock.step("compile", "compile kernels, the first time; later they come from the cache"):
            warmup(able)
        self.started += self.clock.seconds["compile"]  # once for a machine: not what the budget is for

    def _in_place(self, models: list[Recommender], parts: Parts) -> list[Recommender]:
        """The models, and after one that does not fit into the memory the one that is tried in its place."""
        if self.arguments.named:
            return models
        events, found = self.weigher(parts.folds[0].inner, models[0]), []
        for model in models:
            found.append(model)
            if model.name in IN_PLACE and model.estimate_memory(events) > memory_budget():
                found.append(make(IN_PLACE[model.name], {}, self.arguments.seed))
        return found

    def choose(self, found: Searched) -> Choice:
        """Three picks from the validation events; one of them is the default."""
        with self.clock.step("choose"):
            self._choice = choose(
                found.validation, REFERENCES, prefer=self.arguments.prefer, price=self.arguments.price, popular="popularity"
            )
        return self._choice

    def names_on_test(self, found: Searched, choice: Choice) -> tuple[dict[str, str], dict[str, str]]:
        """{name on test: label}, in the order in which they are measured, and the picks by name.

        A family goes by its registry name: with the default pick if that is of it, else with its most accurate setting. Other picks
        of the family get a name of their own, such as "dan (tail)".
        """
        numbers = found.validation.to_dict()
        accuracy = {label: numbers[label][self.accuracy] for label in numbers}
        families: dict[str, str] = {}
        for label in sorted(numbers, key=lambda label: -accuracy[label]):
            families.setdefault(found.settings[label].name, label)
        families[found.settings[choice.default].name] = choice.default
        extra: dict[str, str] = {}
        picks: dict[str, str] = {}
        for kind, label in choice.picks.items():
            family = found.settings[label].name
            known = next((name for name, other in {**families, **extra}.items() if other == label), None)
            picks[kind] = known or f"{family} ({kind})"
            if known is None:
                extra[picks[kind]] = label
        first = [name for name in (*ALWAYS, *picks.values()) if name in families or name in extra]
        order = dict.fromkeys([*first, *families, *extra])
        return {name: {**families, **extra}[name] for name in order}, picks

    # ---- test -----------------------------------------------------------------------------------------------------------

    def measure(self, parts: Parts, found: Searched, labels: Mapping[str, str], best: str) -> tuple[Result, list[Example], str]:
        """Fit on train and measure on test, one model after the other, so that one alone is in memory."""
        results: list[Result] = []
        before: list[list[Any]] = []
        after: list[list[Listed]] = []
        users: list[Any] = []
        why = ""
        for number, (name, label) in enumerate(labels.items(), 1):
            if not self._in_time(name, label, found, labels):
                continue
            model = found.settings[label].clone()
            try:
                with self.clock.step(f"fit {name} on train", f"model {number} of {len(labels)}: fit {name} on train") as progress:
                    model.fit(self.weigher(parts.train, model), progress=progress)
            except (ModelFitError, MemoryBudgetError) as error:
                self.left_out[name] = f"failed: {error}"
                if name == best:
                    raise ModelFitError(f"{name} was chosen on validation, but could not be fitted on train: {error}") from None
                continue
            self.fits[name] = self.clock.seconds[f"fit {name} on train"]
            with self.clock.step("evaluate", f"measure {name}"):
                results.append(
                    evaluate(
                        {name: model}, parts.train, parts.test, k=self.arguments.k, metrics=METRICS,
                        exclude_seen=not self.arguments.include_seen, seed=self.arguments.seed,
                    )
                )  # fmt: skip
            users = users or example_users(parts.train, results[0].users)
            if name == "popularity":
                before = plain_lists(model, users, not self.arguments.include_seen)
            if name == best:
                after, why = explained_lists(model, users, not self.arguments.include_seen)
            del model
        measured = {name: found for result in results for name, found in result.measured.items()}
        seconds = {name: found for result in results for name, found in result.seconds.items()}
        whole = replace(results[0], measured=measured, seconds=seconds)
        return whole, examples_of(parts.train, parts.test, users, before, after), why

    def _in_time(self, name: str, label: str, found: Searched, labels: Mapping[str, str]) -> bool:
        """Whether a model is measured on test: those of every run and the picks always, others while there is time."""
        trials = self.arguments.trials
        if trials is not None:
            return name in trials["tested"]
        waited = name in ALWAYS or name in self._picked(labels) or self.arguments.named
        if waited or self._search.left() > 1.3 * found.seconds[label]:
            return True
        self.left_out[name] = "was tried on validation, but there was no time to measure it on test (budget=..., --budget, raises it)"
        return False

    def _picked(self, labels: Mapping[str, str]) -> set[str]:
        chosen = set(self._choice.picks.values())
        return {name for name, label in labels.items() if label in chosen}

    def content(
        self,
        data: Dataset,
        columns: tuple[str, ...],
        encoded: Encoded | None,
        found: Searched,
        settings: Mapping[str, Recommender],
        labels: Mapping[str, str],
    ) -> ContentRun | None:
        """What the content of the items adds, where they have some."""
        if encoded is None:
            return None
        given = self.arguments
        news, failed = new_items(data, settings, given.k, given.test, given.seed, self.weigher, self.clock)
        pair = chosen_pair(found.validation, found.settings, labels)
        return ContentRun(columns, encoded, self.clock.seconds["encode"], *pair, news, failed)

    def warn(self, result: Result, choice: Choice, best: str) -> None:
        """Bestsellers that are better than what was chosen are the first thing to say."""
        if "popularity" not in result.models:
            return
        if best == "popularity":
            if len(result.models) > 1 and self.arguments.names != ["popularity"]:
                self.warnings.insert(0, (
                    "No model beats the bestsellers on the validation events, so the bestsellers are the pick: recommend those, or give "
                    "the models more to learn from (longer histories, other event kinds, item texts by --text) and run again."
                ))  # fmt: skip
            return
        against = gap(result, best, "popularity", self.accuracy)
        if against.below:
            self.warnings.insert(0, (
                f"Do not ship {best}: on the test events it is significantly below the bestsellers ({self.accuracy} "
                f"{against.difference:+.4f}, 95 % interval {against.low:+.4f} to {against.high:+.4f}). Recommend the bestsellers, or "
                "try another split (--split leave-last), more events, or item texts (--text)."
            ))  # fmt: skip

    # ---- the end --------------------------------------------------------------------------------------------------------

    def final(self, data: Dataset, setting: Recommender) -> Recommender:
        """The default pick on all events."""
        model = setting.clone()
        with self.clock.step(f"fit {model.name} on all events") as progress:
            model.fit(self.weigher(data, model), progress=progress)
        return model

    def record(self, data: Dataset, final: Recommender, found: Searched, labels: Mapping[str, str]) -> dict[str, Any]:
        """The content of run.json."""
        arguments = self.arguments.plain()
        if self.arguments.seconds or self.arguments.trials is not None:  # the clock had a say: a repetition takes what it decided
            tried = [[label, model.name, model.get_params()] for label, model in found.settings.items()]
            arguments["trials"] = {"tried": tried, "tested": list(self.fits)}
        return {
            "arguments": arguments,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "data": {"name": data.name, "events": len(data), "fingerprint": data.fingerprint},
            "shift": {**self.shift._asdict(), "differs": self.shift.differs},
            "versions": versions(final),
            "seconds": self.clock.seconds,
            "peak_bytes": peak_bytes(),
        }


def _in_force() -> dict[str, Any]:
    settings = options_in_force()
    return {"threads": settings["threads"], "memory budget": f"{settings['memory'] / 1e9:.1f} GB"}
