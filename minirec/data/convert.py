"""Events in whatever form they are at hand, as a Dataset: wherever a function takes events, it takes all of these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np

from ..errors import DataError, ParameterError
from .dataset import Dataset
from .reading.memory import as_table
from .reading.readers import read
from .reading.tables import column_names


class Matrix(Protocol):
    """A SciPy sparse matrix or array."""

    def tocoo(self) -> Any:
        """The same by coordinates."""


Events: TypeAlias = Dataset | Mapping[str, Any] | Iterable[Any] | Matrix  # tables of pandas, polars and Arrow count as iterables
_FORMS = (
    "a Dataset, a table (pandas, polars, Arrow, or a dictionary of columns), a SciPy sparse matrix of users x items, "
    "or a list of (user, item), (user, item, weight) or (user, item, weight, time)"
)


def as_dataset(events: Events, what: str = "events") -> Dataset:
    """The events as a Dataset; one that is a Dataset already is returned as it is.

    A table is read by `minirec.read`, which guesses the columns by their names. The rows and columns of a sparse matrix are the ids of
    users and items, its stored values the weights; stored zeros are no events. Tuples are in the order of time where they have no
    fourth entry. An array of NumPy alone is refused: it could be triples or a dense matrix. `what` names the argument in the error:
    ParameterError for anything else.

    >>> from minirec.data.convert import as_dataset
    >>> as_dataset([("ann", "tea"), ("bob", "tea"), ("bob", "milk")])
    Dataset('events': 3 events, 2 users, 2 items)
    """
    if isinstance(events, Dataset):
        return events
    if isinstance(events, (str, Path)):
        raise ParameterError(f"{what} is a path, {str(events)!r}: read it first, minirec.read({str(events)!r})")
    if hasattr(events, "tocoo") and len(getattr(events, "shape", ())) == 2:
        return Dataset.from_scipy(events).compact()
    if isinstance(events, np.ndarray) and events.dtype.names is None:
        raise ParameterError(
            f"{what} is an array of shape {events.shape}, which could be triples or a matrix: pass Dataset.from_arrays(users, items, "
            "weights) for columns, or scipy.sparse.csr_array(array) for a matrix of users x items"
        )
    if isinstance(events, Iterable) and not isinstance(events, bytes) and column_names(events) is None and not hasattr(events, "columns"):
        rows = list(events)
        return read(rows) if rows and all(isinstance(row, Mapping) for row in rows) else _of_rows(rows, what)
    try:
        table = as_table(events)
    except DataError:
        raise ParameterError(f"{what} takes {_FORMS}; got {type(events).__name__}") from None
    return read(table)


def _of_rows(rows: list[Any], what: str) -> Dataset:
    """(user, item[, weight[, time]]), one an event."""
    if not rows:
        raise DataError(f"{what}: the list of events is empty")
    widths = [len(row) if isinstance(row, (tuple, list, np.ndarray)) else 0 for row in rows]
    width = widths[0] if widths[0] in (2, 3, 4) else max(widths)
    wrong = next((at for at, found in enumerate(widths) if found != width or width not in (2, 3, 4)), None)
    if wrong is not None:
        raise ParameterError(f"{what} takes {_FORMS}; entry {wrong} is {rows[wrong]!r}")
    columns = [[row[at].item() if isinstance(row[at], np.generic) else row[at] for row in rows] for at in range(width)]
    return Dataset.from_arrays(*columns)
