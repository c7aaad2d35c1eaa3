"""The command `minirec`. Everything heavy is imported by the command that needs it, so that --help answers at once."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ..errors import DataError, MinirecError, ModelFileError, NotSupportedError, ParameterError, UnknownIdError
from .parser import build_parser

if TYPE_CHECKING:
    from ..data.dataset import Dataset
    from ..data.ids import Id, IdIndex
    from ..models.contract.monitor import Progress
    from ..models.contract.recommender import Recommender

BAD_INPUT = (ParameterError, DataError, UnknownIdError, ModelFileError, NotSupportedError)
OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
READER = ("user", "item", "time", "weight", "kind", "format", "delimiter", "encoding", "header", "query", "item_text", "items", "items_id",
          "items_text", "kind_weights", "name")  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit code: 0, 2 for usage and bad input, 1 for other failures, 130 for Ctrl-C."""
    try:
        arguments = build_parser().parse_args(argv)
    except SystemExit as stop:  # --help, --version, or a usage error that argparse has explained
        return int(stop.code or 0)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            return _with_settings(arguments)
    except KeyboardInterrupt:
        _err("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output, such as head, has had enough
        sys.stderr.close()
        return OK
    except Exception as error:
        if arguments.debug:
            raise
        _err(f"error: {_explain(error)}")
        return USAGE if isinstance(error, BAD_INPUT) else FAILED


def _with_settings(arguments: argparse.Namespace) -> int:
    from ..options import options

    with options(threads=arguments.threads, backend=arguments.backend, memory=arguments.memory):
        _COMMANDS[arguments.command](arguments)
    return OK


def _explain(error: Exception) -> str:
    if isinstance(error, MinirecError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"{type(error).__name__}: {error} (--debug shows where)"


def _err(text: str) -> None:
    sys.stderr.write(f"minirec: {text}\n")


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: TextIO | None = None, line: str | None = None
) -> None:
    _err(f"warning: {message}")


def _out(text: str) -> None:
    sys.stdout.write(f"{text}\n")


# ---- the commands -----------------------------------------------------------------------------------------------------------------


def _run(arguments: argparse.Namespace) -> None:
    from ..pipeline import run

    if arguments.repeat is not None:
        settings = _repeated(arguments)
    else:
        settings = {
            "source": arguments.source,
            "models": arguments.models,
            "params": _params_by_model(arguments.param, arguments.models),
            "k": arguments.k,
            "split": arguments.split,
            "test": arguments.test,
            "seed": arguments.seed,
            "weights": arguments.weights,
            "text": arguments.text,
            "encoder": arguments.encoder,
            "memory": arguments.memory,
            **_cleaning(arguments),
            **_reader(arguments),
        }
    done = run(
        out=arguments.out, watch=Console(quiet=arguments.quiet), **{name: value for name, value in settings.items() if value is not None}
    )
    if arguments.repeat is not None and done.record["data"] != _json_file(arguments.repeat).get("data"):
        _err(f"warning: the events are not those of {arguments.repeat}: their fingerprints differ")
    _note(arguments, str(done))


def _repeated(arguments: argparse.Namespace) -> dict[str, Any]:
    record = _json_file(arguments.repeat)
    settings = record.get("arguments")
    if not isinstance(settings, dict):
        raise DataError(f"{arguments.repeat} is not the run.json of a run: it has no arguments")
    if isinstance(settings.get("source"), dict):
        raise DataError(f"{arguments.repeat}: that run read a table in memory, which is not there any more; name a file")
    if arguments.source is not None:
        raise ParameterError("--repeat takes the source from run.json; do not name another")
    return settings


def _fit(arguments: argparse.Namespace) -> None:
    data = _events(arguments.source, arguments)
    model = _model(arguments)
    with Console(quiet=arguments.quiet).step(f"fit {model.name}") as progress:
        model.fit(data, progress=progress)
    model.save(arguments.out)
    _note(arguments, f"{model!r} on {data!r}: written to {arguments.out}")


def _recommend(arguments: argparse.Namespace) -> None:
    from ..models.contract.files import load_model

    model = load_model(arguments.model_file)
    if arguments.users is not None and arguments.history is not None:
        raise ParameterError("give --users (known ones) or --history (a new one), not both")
    settings: dict[str, Any] = {"k": arguments.k, "exclude_seen": not arguments.include_seen, "unknown": arguments.unknown}
    for name in ("candidates", "deny"):
        if getattr(arguments, name) is not None:
            settings[name] = _ids(_lines(getattr(arguments, name)), model.items_)
    if arguments.history is not None:
        found = model.recommend(history=[_ids(arguments.history, model.items_)], **settings)
    else:
        users = None if arguments.users is None else _ids(_lines(arguments.users), model.users_)
        found = model.recommend(users, **settings)
    if found.ignored:
        _err(f"{len(found.ignored):,} unknown ids ignored, such as {found.ignored[0]!r}")
    if arguments.out is None:
        import csv

        columns = found.columns()
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    else:
        (found.to_parquet if Path(arguments.out).suffix == ".parquet" else found.to_csv)(arguments.out)
        _note(arguments, f"{len(found):,} lists of up to {arguments.k} items: written to {arguments.out}")


def _evaluate(arguments: argparse.Namespace) -> None:
    from ..evaluation import evaluate
    from ..files import atomic_path
    from ..models.contract.files import load_model

    models = {Path(path).stem: load_model(path) for path in arguments.model_files}
    if len(models) < len(arguments.model_files):
        raise ParameterError("the model files need different names, as the results go by them")
    train, test = _events(arguments.train, arguments), _events(arguments.test, arguments)
    seed = 0 if arguments.seed is None else arguments.seed
    result = evaluate(models, train, test, k=arguments.k, exclude_seen=not arguments.include_seen, seed=seed)
    _out(str(result))
    if arguments.out is not None:
        from ..pipeline.files import finite

        with atomic_path(arguments.out) as draft:
            draft.write_text(json.dumps(finite(result.to_dict()), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _tune(arguments: argparse.Namespace) -> None:
    from ..evaluation import tune

    data = _events(arguments.source, arguments)
    console = Console(quiet=arguments.quiet)
    budget = int(arguments.budget) if arguments.budget.isdecimal() else arguments.budget
    found = tune(
        _model(arguments),
        data,
        metric=arguments.metric,
        budget=budget,
        validation=arguments.validation,
        sampler=arguments.sampler,
        seed=0 if arguments.seed is None else arguments.seed,
        callback=lambda trial: console.say(_trial(trial, arguments.metric)),
    )
    _out(str(found))
    if arguments.out is not None:
        found.model.save(arguments.out)
        _note(arguments, f"{found.model!r} on all events: written to {arguments.out}")


def _trial(trial: Any, metric: str) -> str:
    value = trial.error if trial.value is None else f"{metric} {trial.value:.4f}"
    return f"{trial.seconds:7.1f} s  {value}  {', '.join(f'{name}={value}' for name, value in trial.params.items())}"


def _data_list(arguments: argparse.Namespace) -> None:
    from ..data import datasets

    for name, text in datasets().items():
        _out(f"{name:<18} {text}")


def _data_describe(arguments: argparse.Namespace) -> None:
    from ..data.summary import describe_text

    _out(describe_text(_events(arguments.source, arguments)))


def _data_download(arguments: argparse.Namespace) -> None:
    from ..data import download

    _out(str(download(arguments.name, on_licence=_err)))


_COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "run": _run,
    "fit": _fit,
    "recommend": _recommend,
    "evaluate": _evaluate,
    "tune": _tune,
    "list": _data_list,
    "describe": _data_describe,
    "download": _data_download,
}


# ---- what the commands share ------------------------------------------------------------------------------------------------------


class Console:
    """Says on stderr how the work goes: a bar where stderr is a terminal and tqdm is installed, else a line a step."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bars = not quiet and sys.stderr.isatty() and _has_tqdm()

    def say(self, text: str) -> None:
        """A remark."""
        if not self._quiet:
            sys.stderr.write(f"{text}\n")

    @contextmanager
    def step(self, label: str) -> Iterator[Progress | None]:
        """Around a step that may have parts."""
        if self._quiet:
            yield None
        elif self._bars:
            with _bar(label) as progress:
                yield progress
        else:
            self.say(label)
            yield None


def _has_tqdm() -> bool:
    from importlib.util import find_spec

    return find_spec("tqdm") is not None


@contextmanager
def _bar(label: str) -> Iterator[Progress]:
    from tqdm import tqdm

    with tqdm(desc=label, bar_format="{desc:<40} {bar:24} {n_fmt}/{total_fmt} {elapsed}", total=1, leave=True) as bar:
        told = False

        def progress(done: int, total: int, record: dict[str, float]) -> None:
            nonlocal told
            told = True
            bar.total = total
            bar.update(done - bar.n)

        yield progress
        if not told:
            bar.update(1)


def _note(arguments: argparse.Namespace, text: str) -> None:
    if not arguments.quiet:
        _out(text)


def _reader(arguments: argparse.Namespace) -> dict[str, Any]:
    given = {name: getattr(arguments, name) for name in READER if getattr(arguments, name) is not None}
    if "delimiter" in given:
        given["delimiter"] = given["delimiter"].replace("\\t", "\t")  # what a shell makes of \t is no tab
    return given


def _cleaning(arguments: argparse.Namespace) -> dict[str, Any]:
    names = ("min_weight", "max_user_events", "min_user_items", "min_item_users")
    return {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}


def _events(source: str | None, arguments: argparse.Namespace) -> Dataset:
    """Events of a file or of a built-in data set, cleaned as asked; the account goes to stderr."""
    from ..data.cleaning import clean
    from ..pipeline import read_source

    data, account = read_source(source, _reader(arguments))
    settings = _cleaning(arguments)
    if settings:
        data, cleaning = clean(data, duplicates="keep", **settings)
        account = account.extend(cleaning)
    Console(quiet=arguments.quiet).say(f"{data!r}\n{account}")
    return data


def _model(arguments: argparse.Namespace) -> Recommender:
    from ..models.contract.registry import model_class

    model = model_class(arguments.model)()
    params = {} if arguments.seed is None or "seed" not in model.get_params() else {"seed": arguments.seed}
    return model.clone(**params, **dict(_param(text) for text in arguments.param))


def _param(text: str) -> tuple[str, Any]:
    """name=value, the value as JSON where it is JSON (128, 0.5, true, null, [1, 2]), else as text."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ParameterError(f"--param takes name=value, got {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, {"True": True, "False": False, "None": None}.get(value, value)


def _params_by_model(texts: Sequence[str], models: Sequence[str] | None) -> dict[str, dict[str, Any]] | None:
    """model.name=value for each; without the model where the run has only one."""
    params: dict[str, dict[str, Any]] = {}
    for text in texts:
        name, value = _param(text)
        model, dot, parameter = name.partition(".")
        if not dot:
            if models is None or len(models) != 1:
                raise ParameterError(f"with several models --param takes model.name=value, such as als.factors=128; got {text!r}")
            model, parameter = models[0], name
        params.setdefault(model, {})[parameter] = value
    return params or None


def _ids(texts: Sequence[str], index: IdIndex) -> list[Id]:
    """Ids from text: a whole number where the index knows it as one, else the text itself."""
    return [int(text) if text.lstrip("-").isdecimal() and str(int(text)) == text and int(text) in index else text for text in texts]


def _lines(path: str) -> list[str]:
    """The lines of a file of ids, one a line; blank lines do not count."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the ids in {path}: {getattr(error, 'strerror', None) or error}") from None
    ids = [line.strip() for line in lines if line.strip()]
    if not ids:
        raise DataError(f"{path} holds no ids")
    return ids


def _json_file(path: str) -> dict[str, Any]:
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    if not isinstance(content, dict):
        raise DataError(f"{path} does not hold a JSON object")
    return content


if __name__ == "__main__":
    sys.exit(main())
