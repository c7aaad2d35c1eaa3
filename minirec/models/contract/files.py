"""Model files (`files.py`): one .npz of plain arrays, with a JSON header; no pickle, only classes of the registry.

Header: format ("minirec model"), format_version, class (registry name), params, provenance, history, items_only, and the plain
numbers of the state. Arrays: the id indexes, the seen events, and the state of the model; a CSR takes four of them. A model that
is part of another's state stands in its header under `models`, and its arrays have the name of that part in front of theirs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...data.ids import IdIndex
from ...engine.backend import resolve
from ...engine.sequences import Sequences
from ...engine.sparse import CSR
from ...errors import NotSupportedError
from ...files import damage_told, expanded, read_archive, write_archive
from .parameters import check_shapes, plain_tree
from .registry import MODELS

if TYPE_CHECKING:
    from .recommender import Recommender

KIND, VERSION = "model", 1


def save(model: Recommender, path: str | Path, *, items_only: bool) -> None:
    """Write a fitted model; the file appears whole or not at all. The same model gives the same bytes."""
    arrays: dict[str, Any] = {}
    header = _pack(model, "", arrays, items_only)
    write_archive(path, KIND, VERSION, header, arrays)


def _pack(model: Recommender, prefix: str, arrays: dict[str, Any], items_only: bool) -> dict[str, Any]:
    """Put the arrays of a model under names that begin with `prefix`; returns what the header says of it."""
    from .recommender import Recommender

    model._fitted()
    if items_only and model._needs_users:
        raise NotSupportedError(f"{type(model).__name__} scores by the events of its users: it cannot be saved with items_only=True")
    _check_declared(model)
    n_items = len(model.items_)
    no_users = IdIndex.from_ids([])
    no_events = CSR.empty(0, n_items)
    _put_ids(arrays, f"{prefix}users", no_users if items_only else model.users_)
    _put_ids(arrays, f"{prefix}items", model.items_)
    _put(arrays, f"{prefix}seen", no_events if items_only else model.seen_)
    numbers, models = {}, {}
    for name in model._state:
        value = getattr(model, name)
        if value is None:  # optional, and not there
            continue
        if isinstance(value, (int, float)):
            numbers[name] = value
        elif isinstance(value, Recommender):
            models[name] = _pack(value, f"{prefix}state.{name}.", arrays, items_only)
        else:
            if items_only and name in model._per_user:
                value = value.rows(np.zeros(0, np.int64)) if isinstance(value, (CSR, Sequences)) else value[:0]
            _put(arrays, f"{prefix}state.{name}", value)
    header = {
        "class": model.name,
        "params": plain_tree(model.get_params()),
        "numbers": numbers,
        "items_only": items_only,
        "history": model.log_,
        "provenance": model.provenance_,
    }
    return header | ({"models": models} if models else {})


def _check_declared(model: Recommender) -> None:
    """NotSupportedError where `fit` has learned something that the file would not hold."""
    known = {*model._parameter_names(), *model.fitted_arrays}
    lost = [name for name in vars(model) if name not in known and not name.startswith("_") and (name.endswith("_") or not model._state)]
    if lost:
        cls = type(model).__name__
        raise NotSupportedError(
            f"{cls} has {', '.join(lost)} after fit and does not declare {'them' if len(lost) > 1 else 'it'}, so a file would not hold it: "
            f"write {lost[0]}: ... = fitted(...) in the class (minirec.models.contract.parameters)"
        )
    if not model._state and any(name.startswith("_") and not name.startswith("_kept") for name in vars(model)):
        raise NotSupportedError(
            f"{type(model).__name__} declares nothing as fitted, so a file would hold nothing of what it has learned: "
            "declare its arrays with fitted(...) in the class (minirec.models.contract.parameters)"
        )


def load_model(path: str | Path) -> Recommender:
    """Read a model file of any registered class.

    Nothing in the file is executed. A file that is damaged, foreign or of an unknown version raises ModelFileError.
    """

    path = expanded(path)
    with damage_told(path, KIND):
        header, arrays = read_archive(path, KIND, VERSION, MODELS)
        return _restore(MODELS[header["class"]], header, arrays)


def _restore(cls: type[Recommender], header: dict[str, Any], arrays: dict[str, Any], prefix: str = "") -> Recommender:

    # a list of JSON was a tuple: hyper-parameters are immutable
    model = cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in header["params"].items()})
    model._check()
    model.users_, model.items_ = _take_ids(arrays, f"{prefix}users"), _take_ids(arrays, f"{prefix}items")
    model.seen_ = _take_csr(arrays, f"{prefix}seen")
    for name in cls._state:
        if name in header["numbers"]:
            value: Any = header["numbers"][name]
            if not isinstance(value, (int, float)):
                raise ValueError(f"{name} is not a number")
        elif name in header.get("models", {}):
            part = header["models"][name]
            value = _restore(MODELS[part["class"]], part, arrays, f"{prefix}state.{name}.")
        elif f"{prefix}state.{name}.indptr" in arrays:
            ordered = name in cls.fitted_arrays and cls.fitted_arrays[name].ordered
            value = (_take_sequences if ordered else _take_csr)(arrays, f"{prefix}state.{name}")
            if name in cls._per_user and value.shape[0] != len(model.users_):
                raise ValueError(f"{name} has {value.shape[0]} rows for {len(model.users_)} users")
        elif f"{prefix}state.{name}" not in arrays and name in cls.fitted_arrays and cls.fitted_arrays[name].optional:
            value = None
        else:
            value = arrays[f"{prefix}state.{name}"]
            if value.dtype not in (np.float32, np.float64):
                raise ValueError(f"{name} is of type {value.dtype}")
            if name in cls._per_user and len(value) != len(model.users_):
                raise ValueError(f"{name} has {len(value)} rows for {len(model.users_)} users")
        setattr(model, name, value)
    if model.seen_.shape != (len(model.users_), len(model.items_)):
        raise ValueError("seen events and ids differ in size")
    model.log_, model.provenance_, model.backend_ = list(header["history"]), dict(header["provenance"]), resolve()
    model._check_finite()
    check_shapes(model, {"users": len(model.users_), "items": len(model.items_)})
    model._check_shapes()
    return model


def _put_ids(arrays: dict[str, Any], name: str, index: IdIndex) -> None:
    arrays |= {f"{name}.ints": index.ints, f"{name}.text": index.text, f"{name}.offsets": index.offsets}


def _take_ids(arrays: dict[str, Any], name: str) -> IdIndex:
    ints, text, offsets = (arrays[f"{name}.{part}"] for part in ("ints", "text", "offsets"))
    if (ints.dtype, text.dtype, offsets.dtype) != (np.int64, np.uint8, np.int64) or any(a.ndim != 1 for a in (ints, text, offsets)):
        raise ValueError(f"the {name} are not an id index")
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != len(text) or (np.diff(offsets) < 0).any() or (ints[1:] <= ints[:-1]).any():
        raise ValueError(f"the ids of the {name} are out of order")
    text.tobytes().decode()  # raises where it is no UTF-8
    if (text[offsets[:-1][np.diff(offsets) > 0]] & 0xC0 == 0x80).any():
        raise ValueError(f"an id of the {name} begins inside a character")
    return IdIndex(ints, text, offsets)


def _put(arrays: dict[str, Any], name: str, value: Any) -> None:
    if isinstance(value, Sequences):  # in the arrays of a CSR
        value = CSR(value.indptr, value.items, np.ones(len(value.items), np.float32), value.shape)
    if isinstance(value, CSR):
        arrays |= {f"{name}.{part}": getattr(value, part) for part in ("indptr", "indices", "data")}
        arrays[f"{name}.shape"] = np.array(value.shape, np.int64)
    else:
        arrays[name] = np.asarray(value)


def _take_csr(arrays: dict[str, Any], name: str) -> CSR:
    """A sparse matrix of the file."""
    found = _take_rows(arrays, name)
    indptr, indices = found.indptr, found.indices
    if len(indices) > 1:
        steps = np.diff(indices)
        steps[indptr[1:-1][(indptr[1:-1] > 0) & (indptr[1:-1] < len(indices))] - 1] = 1  # from one row to the next
        if (steps <= 0).any():
            raise ValueError(f"the indices of a row of {name} do not ascend")
    return found


def _take_sequences(arrays: dict[str, Any], name: str) -> Sequences:
    """Sequences of the file: as a sparse matrix, but that the indices of a row neither ascend nor are unique."""
    return Sequences.of_rows(_take_rows(arrays, name))


def _take_rows(arrays: dict[str, Any], name: str) -> CSR:
    indptr, indices, data, shape = (arrays[f"{name}.{part}"] for part in ("indptr", "indices", "data", "shape"))
    if (
        shape.shape != (2,)
        or indices.ndim != 1
        or data.ndim != 1
        or indptr.dtype != np.int64
        or indices.dtype != np.int32
        or data.dtype != np.float32
    ):
        raise ValueError(f"{name} is not a sparse matrix")
    rows, columns = int(shape[0]), int(shape[1])
    good = indptr.shape == (rows + 1,) and indptr[0] == 0 and indptr[-1] == len(indices) == len(data) and (np.diff(indptr) >= 0).all()
    if not good or (len(indices) and not 0 <= indices.min() <= indices.max() < columns) or not 0 <= columns < 2**31:
        raise ValueError(f"{name} is not a valid sparse matrix")
    if not np.isfinite(data).all():
        raise ValueError(f"{name} holds numbers that are not finite")
    return CSR(indptr, indices, data, (rows, columns))
