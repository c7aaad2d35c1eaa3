"""What the commands read: events, ids, parameters, JSON."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, ParameterError
from .console import watch

if TYPE_CHECKING:
    from ..data.dataset import Dataset
    from ..data.ids import Id, IdIndex
    from ..metrics.inputs import ListsOf
    from ..models.contract.recommender import Recommender

READER = ("user", "item", "time", "weight", "kind", "format", "delimiter", "encoding", "header", "query", "item_text", "items", "items_id",
          "items_text", "kind_weights", "name", "explode", "missing", "negatives", "time_format", "time_unit")  # fmt: skip
CLEANING = ("min_weight", "max_user_events", "min_user_items", "min_item_users")


def reader(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings of the reader that were given."""
    given = {name: getattr(arguments, name) for name in READER if getattr(arguments, name, None) is not None}
    if "delimiter" in given:
        given["delimiter"] = given["delimiter"].replace("\\t", "\t")  # what a shell makes of \t is no tab
    return given


def cleaning(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings of the cleaning that were given."""
    return {name: getattr(arguments, name) for name in CLEANING if getattr(arguments, name) is not None}


def events(source: str | None, arguments: argparse.Namespace) -> Dataset:
    """Events of a file or of a built-in data set, cleaned as asked; the account goes to stderr."""
    from ..data.cleaning import clean
    from ..pipeline.source import read_source

    data, account = read_source(source, reader(arguments))
    settings = cleaning(arguments)
    if settings:
        data, removed = clean(data, duplicates="keep", **settings)
        account = account.extend(removed)
    watch(arguments).say(f"{data!r}\n{account}")
    return data


def lists(path: str, arguments: argparse.Namespace) -> ListsOf:
    """The lists in a file; the account goes to stderr."""
    from ..audit.lists import read_lists
    from ..metrics.inputs import ListsOf

    read = read_lists(path)
    watch(arguments).say(f"{path}: {len(read):,} lists, {len(read.items):,} items\n{read.account}")
    return ListsOf(read.users, read.items, read.indptr, read.item, read.score)


def named_model(arguments: argparse.Namespace) -> Recommender:
    """The model of --model with the parameters of --param, not fitted."""
    from ..models.contract.registry import model_class

    model = model_class(arguments.model)()
    params = {} if arguments.seed is None or "seed" not in model.get_params() else {"seed": arguments.seed}
    return model.clone(**params, **dict(param(text) for text in arguments.param))


def writable(path: str) -> None:
    """ParameterError where a file cannot be written there; told before the work."""
    folder = Path(path).parent
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if Path(path).is_dir() or not existing.is_dir() or not os.access(existing, os.W_OK):
        raise OSError(0, "cannot write there", path)


def param(text: str) -> tuple[str, Any]:
    """name=value, the value as JSON where it is JSON (128, 0.5, true, null, [1, 2]), else as text."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ParameterError(f"--param takes name=value, got {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, {"True": True, "False": False, "None": None}.get(value, value)


def ids(texts: Sequence[str], index: IdIndex) -> list[Id]:
    """Ids from text: as the index has them where it knows them in either spelling of a whole number, else the text itself."""
    rows = index.rows(list(texts)).tolist()
    return [index[row] if row >= 0 else text for text, row in zip(texts, rows, strict=True)]


def lines(path: str, index: IdIndex | None = None) -> list[str]:
    """The ids of a file, one a line, of any compression and encoding; blank lines do not count. With an index: DataError where it knows
    none of them, as such a list would do nothing."""
    from ..data.reading.opening import id_lines

    found = id_lines(path)
    if index is not None and index.rows(found).max(initial=-1) < 0:
        example = f", which has ids such as {index[0]!r}" if len(index) else ""
        raise DataError(f"{path}: the model knows none of its {len(found):,} ids, such as {found[0]!r}{example}")
    return found


def json_file(path: str) -> dict[str, Any]:
    """The JSON object in a file."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    if not isinstance(content, dict):
        raise DataError(f"{path} does not hold a JSON object")
    return content
