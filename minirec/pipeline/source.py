"""Where the events come from, and what about them deserves a remark."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..data.account import Account
from ..data.dataset import Dataset
from ..data.reading.readers import read_with_account
from ..data.sources.built_in import datasets, load
from ..errors import ParameterError


def is_built_in(source: Any) -> bool:
    """Whether a built-in data set is meant: a file of the same name comes first."""
    return source is None or (isinstance(source, str) and source in datasets() and not Path(source).exists())


def read_source(source: Any, reader: Mapping[str, Any]) -> tuple[Dataset, Account]:
    """Events of a built-in data set (None: the default one), a file or a table, with the account of reading them."""
    if is_built_in(source):
        if any(value is not None and value != () for value in reader.values()):
            raise ParameterError(f"a built-in data set takes no settings of the reader, got {', '.join(reader)}")
        data = load(source)
        return data, Account(len(data), len(data))
    if isinstance(source, Dataset):
        return source, Account(len(source), len(source))
    return read_with_account(source, **reader)


def remarks(data: Dataset) -> list[str]:
    """What looks odd: columns that say nothing, items of the catalogue without an event."""
    found = []
    for name, column in (("weight", data.weight), ("time", data.timestamp)):
        if column is not None and len(column) > 1 and (column == column[0]).all():
            found.append(f"The {name} of every event is {column[0]:g}: that column says nothing.")
    if data.kind is not None:
        counts = np.bincount(data.kind, minlength=len(data.kinds))
        found.append("Events by kind: " + ", ".join(f"{kind} {count:,}" for kind, count in zip(data.kinds, counts.tolist(), strict=True)))
    silent = int((data.item_counts == 0).sum())
    if silent:
        found.append(f"{silent:,} items of the catalog have no event: models that learn from events cannot recommend them.")
    return found
