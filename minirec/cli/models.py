"""Commands on single models: fit, evaluate, tune, models."""

from __future__ import annotations

import argparse
import inspect
import json
from pathlib import Path
from typing import Any

from ..errors import ParameterError
from .commands import Commands
from .console import note, out, watch
from .inputs import events, lists, named_model, writable
from .settings import cleaning_settings, model_settings, numbers, reader_settings


def add_models(commands: Commands) -> None:
    """The commands and their arguments."""
    fit = commands.add(
        "fit",
        "fit one model on all events and save it",
        _fit,
        examples="""
minirec fit sales.csv --model ease --out ease.npz
minirec fit sales.csv --model als --param factors=128 --param regularization=0.01
""",
    )
    fit.add_argument("source", help="events: a file, or the name of a built-in data set")
    model_settings(fit)
    fit.add_argument("--out", default="model.npz", metavar="FILE", help="the model file (default: %(default)s)")
    reader_settings(fit)
    cleaning_settings(fit)

    evaluate = commands.add(
        "evaluate",
        "measure saved models, and lists of any system, on test events",
        _evaluate,
        examples="""
minirec evaluate ease.npz als.npz --train train.csv --test test.csv -k 10,20
minirec evaluate ease.npz --lists theirs.csv --train train.csv --test test.csv
""",
    )
    evaluate.add_argument("model_files", nargs="*", metavar="MODEL.npz")
    evaluate.add_argument(
        "--lists",
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="lists of another system: user, item, and rank or score, in any format that events come in",
    )
    evaluate.add_argument("--train", required=True, metavar="FILE", help="the events that the models were fitted on")
    evaluate.add_argument("--test", required=True, metavar="FILE", help="the events to judge them by")
    evaluate.add_argument("-k", "--k", type=numbers, default=[10, 20], metavar="N,N", help="lengths of the lists (default: 10,20)")
    evaluate.add_argument("--include-seen", action="store_true", help="lists may hold what a user has already, and it counts")
    evaluate.add_argument("--out", metavar="FILE", help="write the numbers as JSON, too")
    reader_settings(evaluate)
    cleaning_settings(evaluate)

    tune = commands.add(
        "tune",
        "search hyper-parameters of a model on a validation part of the events",
        _tune,
        examples="""
minirec tune sales.csv --model rp3beta --budget 2m --metric tail.ndcg@20 --out best.npz
""",
    )
    tune.add_argument("source", help="events: a file, or the name of a built-in data set")
    model_settings(tune)
    tune.add_argument("--budget", default="5m", metavar="TIME", help="90s, 5m, 1h, or a number of trials (default: %(default)s)")
    tune.add_argument("--metric", default="ndcg@20", help="what to search for, such as tail.recall@20 (default: %(default)s)")
    tune.add_argument("--validation", type=float, default=0.1, metavar="SHARE", help="share held out (default: %(default)s)")
    tune.add_argument("--sampler", choices=("random", "optuna"), default="random", help="default: %(default)s; optuna: extra tune")
    tune.add_argument("--out", metavar="FILE", help="save the best model, fitted on all events")
    reader_settings(tune)
    cleaning_settings(tune)

    models = commands.add(
        "models",
        "the models there are; with a name: its parameters",
        _models,
        examples="""
minirec models
minirec models rp3beta
""",
    )
    models.add_argument("name", nargs="?", metavar="NAME")


def _models(arguments: argparse.Namespace) -> None:
    from ..models.contract.registry import MODELS, model_class

    if arguments.name is None:
        for name, cls in MODELS.items():
            out(f"{name:<22} {_first_line(cls)}")
        return
    cls = model_class(arguments.name)
    model = cls()
    out(f"{cls.__name__} (--model {cls.name})\n\n{inspect.getdoc(cls) or ''}\n\nparameters (--param NAME=VALUE):")
    space = model.search_space
    for name, value in model.get_params().items():
        searched = f"   searched: {space[name]}" if name in space else ""
        out(f"  {name:<22} {value!r:<12}{searched}")


def _first_line(cls: type) -> str:
    return (inspect.getdoc(cls) or "").partition("\n")[0]


def _fit(arguments: argparse.Namespace) -> None:
    model = named_model(arguments)  # a typo is told before the events are read
    writable(arguments.out)
    data = events(arguments.source, arguments)
    with watch(arguments).step(f"fit {model.name}") as progress:
        model.fit(data, progress=progress)
    model.save(arguments.out)
    note(arguments, f"{model!r} on {data!r}: written to {arguments.out}")


def _evaluate(arguments: argparse.Namespace) -> None:
    from ..evaluation import evaluate
    from ..files import atomic_path
    from ..models.contract.files import load_model

    models: dict[str, Any] = {Path(path).stem: load_model(path) for path in arguments.model_files}
    models |= {Path(path).stem: lists(path, arguments) for path in arguments.lists}
    if len(models) < len(arguments.model_files) + len(arguments.lists):
        raise ParameterError("the files of models and lists need different names, as the results go by them")
    if not models:
        raise ParameterError("name at least one model file, or --lists with a file of lists")
    train, test = events(arguments.train, arguments), events(arguments.test, arguments)
    seed = 0 if arguments.seed is None else arguments.seed
    result = evaluate(models, train, test, k=arguments.k, exclude_seen=not arguments.include_seen, seed=seed)
    out(str(result))
    if arguments.out is not None:
        from ..pipeline.files import finite

        with atomic_path(arguments.out) as draft:
            draft.write_text(json.dumps(finite(result.to_dict()), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _tune(arguments: argparse.Namespace) -> None:
    from ..evaluation.tuning import check_search, tune

    model, console = named_model(arguments), watch(arguments)
    budget = int(arguments.budget) if arguments.budget.isdecimal() else arguments.budget
    check_search(arguments.metric, budget)
    if arguments.out is not None:
        writable(arguments.out)
    data = events(arguments.source, arguments)
    found = tune(
        model,
        data,
        metric=arguments.metric,
        budget=budget,
        validation=arguments.validation,
        sampler=arguments.sampler,
        seed=0 if arguments.seed is None else arguments.seed,
        callback=lambda trial: console.say(_trial(trial, arguments.metric)),
    )
    out(str(found))
    if arguments.out is not None:
        found.model.save(arguments.out)
        note(arguments, f"{found.model!r} on all events: written to {arguments.out}")


def _trial(trial: Any, metric: str) -> str:
    value = trial.error if trial.value is None else f"{metric} {trial.value:.4f}"
    return f"{trial.seconds:7.1f} s  {value}  {', '.join(f'{name}={value}' for name, value in trial.params.items())}"
