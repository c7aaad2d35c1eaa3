"""The main job: read -> clean -> split -> fit -> choose -> evaluate -> recommend -> report, into one folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.account import Account
from ..data.cleaning import clean
from ..data.dataset import Dataset
from ..data.reading.readers import read_with_account
from ..data.sources.built_in import datasets, load
from ..data.splits import split as split_events
from ..errors import MemoryBudgetError, ModelFitError, ParameterError
from ..evaluation import ItemShift, Result, evaluate, item_shift
from ..models.contract.recommender import Recommender
from ..options import memory_budget, options, options_in_force
from ..report import REFERENCES, ContentRun, Outcome
from .content import CONTENT_MODELS, ENCODERS, chosen_pair, encode, new_items, reads_content, text_columns
from .files import versions, write
from .steps import Clock, Silent, Watch, choose, fit_all, make, settle, variants_of, weighed

DEFAULT_MODELS = ("popularity", "random", "itemknn", "rp3beta", "ease", "slim", "als", "bpr")
SPLITS = ("time", "random", "leave-last")
WEIGHTS = ("binary", "count", "log", "raw")
MOST_MEMORY = 3 * 10**9  # bytes that a model may take by default, so that the whole run stays under 4 GB
METRICS = (
    "ndcg", "recall", "precision", "map", "mrr", "hitrate", "coverage", "aplt", "arp", "gini", "upd", "epc", "popreo", "poprsp",
    "rmse", "mae",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """What a run made.

    out : the folder. files : what was written there. best : registry name of the chosen model. model : that model, fitted on all
    events. result : all models on test; they were fitted on train alone. validation : the candidates on the validation events.
    shift : whether the validation and test events are about the same items (see `item_shift`).
    left_out : {model: reason}. account : of reading and cleaning. record : the content of run.json, the arguments among it.
    """

    out: Path
    files: tuple[Path, ...]
    best: str
    model: Recommender
    result: Result
    validation: Result
    shift: ItemShift
    left_out: dict[str, str]
    account: Account
    record: dict[str, Any]

    def __str__(self) -> str:
        lines = [str(self.result), "", *(f"Not in this run: {name}, which {why}." for name, why in self.left_out.items())]
        lines.append(f"Chosen on validation: {self.best}. Written to {self.out}: {', '.join(path.name for path in self.files)}")
        return "\n".join(lines)


def run(
    source: Any = None,
    *,
    out: str | Path = "minirec-out",
    models: Iterable[str] | None = None,
    params: Mapping[str, Mapping[str, Any]] | None = None,
    k: int | Iterable[int] = (10, 20),
    split: str | None = None,
    test: float = 0.2,
    seed: int = 0,
    weights: str = "binary",
    min_weight: float | None = None,
    max_user_events: int | None = None,
    min_user_items: int = 1,
    min_item_users: int = 1,
    text: Iterable[str] | None = None,
    encoder: str = "auto",
    memory: int | str | None = None,
    watch: Watch | None = None,
    **reader: Any,
) -> Run:
    """From an event log to recommendations, a saved model and a report, in one folder.

    1. Read `source`: None or the name of a built-in data set (see `load`), a path or a table (see `read`, which takes `reader`).
    2. Clean: `min_weight`, `max_user_events`, `min_user_items`, `min_item_users` as in `clean`; repeated events stay.
    3. Split off a share `test` as the test events, and of the rest the same share, by the same rule, as the validation events.
       So validation is ordered in time where test is. Whether the two are about the same items is tested (`item_shift`), and told.
    4. Fit every model on what remains, and choose one on the validation events: of the models whose NDCG (at the smallest k) is
       not significantly below the best one's (95 % bootstrap interval of the paired difference), the one with the highest recall
       (at the largest k) among items of the tail. Popularity and Random are references: never chosen while there is another.
       A model in `GRID` takes part with each of its settings, and goes on with the one of the highest NDCG (or with the chosen).
    5. Fit every model again on train and validation events together, and measure it on the test events.
    6. Fit the chosen one on all events; it is what is saved and what recommends.

    out : the folder to write to: report.html (extra: report), metrics.json, recommendations.parquet (extra: io; else .csv),
        model.npz and run.json; extractor.npz where the model reads vectors that `TfidfLSA` has made, for those of later items. Each
        file appears whole or not at all.
    models : registry names. params : {model: {parameter: value}}; others keep their defaults. `seed` goes to every model that has
        one. Nothing is tuned but for `GRID`.
    k : lengths of the lists that are measured; the largest is also how many items each user gets.
    split : "time" (the default where there are times), "random" (the default where there are none) or "leave-last".
    weights : what a pair of user and item counts for ranking models: "binary" 1, "count" its number of events, "log" the sum of
        log2(1 + weight), "raw" the sum of weights. Models that predict ratings get the weights as they are.
    text : item features (title, category, ...) whose texts are made into vectors, which the models of content read: `CONTENT_MODELS`
        join the run where none is named. The report then says what the content adds on head, middle, tail and new items. Default:
        the texts of Complete Journey; () for none. See `docs/features.md`.
    encoder : "language-model", "static", "tfidf" (see `minirec.features`), or "auto", the first of these that is installed. Vectors of
        a pretrained one are kept in the cache folder (`MINIREC_CACHE`).
    memory : budget for a single model; default: the budget in force (`MINIREC_MEMORY`), but at most 3 GB. A model that is
        estimated to need more is left out, which the report says, as is one whose fit fails.
    watch : hears how it goes.

    The same arguments give the same metrics.json and the same bytes of model.npz.
    """
    if models is not None:
        models = [models] if isinstance(models, str) else list(models)
    if text is not None:
        text = [text] if isinstance(text, str) else list(text)
    arguments = _plain(
        {"source": source, "models": models, "params": params,
         "k": [k] if isinstance(k, int) else list(k), "split": split, "test": test, "seed": seed, "weights": weights,
         "min_weight": min_weight, "max_user_events": max_user_events, "min_user_items": min_user_items,
         "min_item_users": min_item_users, "text": text, "encoder": encoder, "memory": memory, **reader}
    )  # fmt: skip
    names, ks = _checked(arguments)
    unfitted = [make(name, (params or {}).get(name, {}), seed) for name in names]
    folder = _folder(out)
    clock = Clock(watch or Silent())
    left_out: dict[str, str] = {}
    with options(memory=memory or min(memory_budget(), MOST_MEMORY)):
        with clock.step("read"):
            data, account = read_source(source, reader)
        with clock.step("clean"):
            limits = {"min_weight": min_weight, "max_user_events": max_user_events}
            least = {"min_user_items": min_user_items, "min_item_users": min_item_users}
            data, cleaning = clean(data, duplicates="keep", **limits, **least)  # type: ignore[arg-type]
            account = account.extend(cleaning)
        clock.watch.say(f"{data!r}\n{account}")
        learned = None
        columns = text_columns(data, text, built_in=_is_built_in(source))
        if text is None and models is not None and not any(map(reads_content, unfitted)):
            columns = ()  # nobody would read the vectors
        if columns and not any(map(reads_content, unfitted)):
            unfitted += [make(name, (params or {}).get(name, {}), seed) for name in CONTENT_MODELS]
        _check_params(params or {}, [model.name for model in unfitted])
        if columns:
            with clock.step("encode"):
                data, encoded, learned = encode(data, columns, encoder)
            clock.watch.say(str(encoded))
        variants = variants_of([model for model in unfitted if model.name not in REFERENCES] or unfitted, params or {})
        with clock.step("split"):
            how = split or ("time" if data.timestamp is not None else "random")
            train, held_out = _two(data, how, test, seed)
            inner, validation_events = _two(train, how, test, seed)
            shift = item_shift(validation_events, held_out, seed=seed)
        if shift.differs:
            clock.watch.say(f"Note: {shift}.")

        fitted = fit_all(variants, inner, weights, left_out, clock, "for the choice")
        if not fitted:
            raise MemoryBudgetError("no model could be fitted: " + "; ".join(f"{name} {why}" for name, why in left_out.items()))
        with clock.step("choose"):
            validation = evaluate(fitted, inner, validation_events, k=ks, metrics=METRICS, seed=seed)
            chosen, verdicts = choose(validation)
        best, settled = variants[chosen].name, settle(unfitted, variants, validation, chosen)
        del fitted  # before the next ones are made: two sets of models would double the memory

        fitted = fit_all(settled, train, weights, left_out, clock, "on train")
        if best not in fitted:
            raise ModelFitError(f"{best} was chosen on validation, but could not be fitted on train: it {left_out[best]}")
        with clock.step("evaluate"):
            result = evaluate(fitted, train, held_out, k=ks, metrics=METRICS, seed=seed)
        found = None
        if columns:
            news, failed = new_items(data, {name: settled[name] for name in fitted}, ks, test, seed, weights, clock)
            found = ContentRun(columns, encoded, clock.seconds["encode"], *chosen_pair(validation, variants, fitted), news, failed)

        final = settled[best].clone()
        with clock.step(f"fit {best} on all events") as progress:
            final.fit(weighed(data, final, weights), progress=progress)
        with clock.step("recommend"):
            recommended = final.recommend(k=ks[-1])
        with clock.step("write"):
            record = {
                "arguments": arguments,
                "data": {"name": data.name, "events": len(data), "fingerprint": data.fingerprint},
                "shift": {**shift._asdict(), "differs": shift.differs},
                "versions": versions(final),
                "seconds": clock.seconds,
            }
            outcome = Outcome(
                data=data,
                account=account,
                how=how,
                parts={"Train": train, "Test": held_out, "Train, for the choice": inner, "Validation": validation_events},
                models=fitted,
                best=best,
                verdicts=verdicts,
                validation=validation,
                result=result,
                shift=shift,
                left_out=left_out,
                arguments=arguments | _in_force(),
                versions=record["versions"],
                seconds=clock.seconds,
                repeat=f"minirec run --repeat {folder / 'run.json'}",
                content=found,
            )
            files = write(folder, final, recommended, record, outcome, clock.watch, learned if reads_content(final) else None)
    return Run(folder, files, best, final, result, validation, shift, left_out, account, record)


def _plain(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments as JSON holds them; what was not given is left out, and a table in memory is only named."""
    given = {name: value for name, value in arguments.items() if value is not None and value != ()}
    source = given.get("source")
    if source is not None and not isinstance(source, str):
        given["source"] = str(source) if isinstance(source, Path) else {"in memory": type(source).__name__}
    plain: dict[str, Any] = json.loads(json.dumps(given, default=str))
    return plain


def _checked(arguments: dict[str, Any]) -> tuple[list[str], tuple[int, ...]]:
    """Names of the models and lengths of the lists; ParameterError for what can be told before the work."""
    names = list(dict.fromkeys(arguments.get("models", DEFAULT_MODELS)))
    if not names:
        raise ParameterError("run needs at least one model")
    _check_params(arguments.get("params", {}), names, CONTENT_MODELS)
    for option, known in (("split", SPLITS), ("weights", WEIGHTS), ("encoder", ENCODERS)):
        if arguments.get(option) not in (None, *known):
            raise ParameterError(f"{option} must be one of {', '.join(known)}, got {arguments[option]!r}")
    lengths = arguments["k"]
    if not lengths or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in lengths):
        raise ParameterError(f"k takes whole numbers of at least 1, got {lengths}")
    return names, tuple(sorted(set(lengths)))


def _check_params(params: Iterable[str], names: list[str], others: tuple[str, ...] = ()) -> None:
    """`params` are for models that take part, or for `others`, of which the data will tell."""
    for name in params:
        if name not in names and name not in others:
            raise ParameterError(f"params are given for {name!r}, which is not among the models: {', '.join(names)}")


def _folder(out: str | Path) -> Path:
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ParameterError(f"cannot write to the folder {folder}: {error.strerror or error}") from None
    if not os.access(folder, os.W_OK):
        raise ParameterError(f"cannot write to the folder {folder}: permission denied")
    return folder


def _is_built_in(source: Any) -> bool:
    """Whether a built-in data set is meant: a file of the same name comes first."""
    return source is None or (isinstance(source, str) and source in datasets() and not Path(source).exists())


def read_source(source: Any, reader: Mapping[str, Any]) -> tuple[Dataset, Account]:
    """Events of a built-in data set (None: the default one), a file or a table, with the account of reading them."""
    if _is_built_in(source):
        if any(value is not None and value != () for value in reader.values()):
            raise ParameterError(f"a built-in data set takes no settings of the reader, got {', '.join(reader)}")
        data = load(source)
        return data, Account(len(data), len(data))
    if isinstance(source, Dataset):
        return source, Account(len(source), len(source))
    return read_with_account(source, **reader)


def _two(data: Dataset, how: str, test: float, seed: int) -> tuple[Dataset, Dataset]:
    train, held_out = split_events(data, how, test=test, seed=seed)
    return train, held_out


def _in_force() -> dict[str, Any]:
    settings = options_in_force()
    return {"threads": settings["threads"], "memory budget": f"{settings['memory'] / 1e9:.1f} GB"}
