"""One declaration of a hyper-parameter or a fitted array: in the class, with its check, its search range and its meaning.

    class Example(Recommender):
        factors: int = whole(default=64, search=[32, 64, 128], doc="Length of the vectors.")
        item_factors_: F32 = fitted("items", "factors")

From these lines come the keyword-only constructor with a true signature, `get_params`, `set_params`, `repr`, the checks that `fit` and the
reader of model files make, the ranges of `tune`, the section "Parameters" of the class's docstring, and what a model file holds. A subclass
inherits the declarations; `changed` gives one of them another default.
"""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self, dataclass_transform, get_args

import numpy as np

from ...engine.sequences import Sequences
from ...errors import ParameterError, UnknownParameterError
from .checks import choice as check_choice
from .checks import number as check_number
from .checks import whole as check_whole

MOST = 10**9  # upper end of whole numbers for which nothing smaller is declared
LARGEST = 1e9  # of other numbers

_NOT_GIVEN: Any = object()


@dataclass(frozen=True)
class Parameter:
    """What is declared about a hyper-parameter. `check(name, value)` raises ParameterError; None: one of the annotation's `Literal`s."""

    default: Any
    check: Callable[[str, Any], None] | None
    search: Any = None
    doc: str = ""
    limits: str = ""  # the check in words
    low: float | None = None  # the lowest and the highest value of a number
    high: float | None = None


@dataclass(frozen=True)
class Fitted:
    """What is declared about a fitted attribute: its dimensions, each "users", "items", a parameter, or a letter; see `fitted`."""

    dims: tuple[str | int, ...]
    dtype: str
    saved: bool
    per_user: bool
    ordered: bool
    optional: bool
    sparse: bool


@dataclass(frozen=True)
class _Changed:
    given: Mapping[str, Any]


# ---- what a class body says ---------------------------------------------------------------------------------------------------


def whole(*, default: int | None, low: int = 1, high: int = MOST, search: Any = None, doc: str = "") -> Any:
    """A whole number in [low, high]; None is allowed where it is the default."""

    def check(name: str, value: Any) -> None:
        if not (value is None and default is None):
            check_whole(name, value, low, high)

    limits = f"whole number, {low:,} to {high:,}" + (", or None" if default is None else "")
    return Parameter(default, check, search, doc, limits, low, high)


def number(
    *,
    default: float | None,
    low: float = -LARGEST,
    high: float = LARGEST,
    above: float = -math.inf,
    below: float = math.inf,
    search: Any = None,
    doc: str = "",
) -> Any:
    """A finite number in [low, high], above `above` and below `below`; None is allowed where it is the default."""

    def check(name: str, value: Any) -> None:
        if not (value is None and default is None):
            check_number(name, value, low, high, above=above, below=below)

    limits = f"above {above:g}" if above > low or above == low else f"at least {low:g}"
    limits += f", below {below:g}" if below <= high else f", at most {high:g}"
    lowest, highest = max(low, math.nextafter(above, math.inf)), min(high, math.nextafter(below, -math.inf))
    return Parameter(default, check, search, doc, f"number, {limits}" + (", or None" if default is None else ""), lowest, highest)


def choice(*, default: Any, search: Any = None, doc: str = "") -> Any:
    """One of the values that the annotation lists: `Literal["a", "b"]`."""
    return Parameter(default, None, search, doc)


def flag(*, default: bool, search: Any = None, doc: str = "") -> Any:
    """True or False."""

    def check(name: str, value: Any) -> None:
        if not isinstance(value, bool):
            raise ParameterError(f"{name} must be True or False, got {value!r}")

    return Parameter(default, check, search, doc, "True or False")


def seeded(*, default: int | None = 0, doc: str = "Seed of everything random; None draws a fresh one for each fit.") -> Any:
    """The seed: a whole number from 0, or None for a fresh one. The seed in force is `seed_` once the model is fitted."""

    def check(name: str, value: Any) -> None:
        if value is not None:
            check_whole(name, value, 0, 2**63 - 1)

    return Parameter(default, check, None, doc, "whole number from 0, or None")


def checked(*, default: Any, check: Callable[[str, Any], None], search: Any = None, doc: str = "", limits: str = "") -> Any:
    """Anything else: `check(name, value)` raises ParameterError for a value that cannot be used."""
    return Parameter(default, check, search, doc, limits)


def changed(*, default: Any = _NOT_GIVEN, search: Any = _NOT_GIVEN, doc: str = _NOT_GIVEN) -> Any:
    """An inherited parameter with another default, range or meaning; what is not given stays."""
    given = {"default": default, "search": search, "doc": doc}
    return _Changed({name: value for name, value in given.items() if value is not _NOT_GIVEN})


def shared(owner: type[Parametrized], name: str, *, default: Any = _NOT_GIVEN, search: Any = _NOT_GIVEN, doc: str = _NOT_GIVEN) -> Any:
    """A parameter that another class declares, for a model that hands it on to one of that class; what is given is changed."""
    given = {"default": default, "search": search, "doc": doc}
    return replace(owner.declared[name], **{key: value for key, value in given.items() if value is not _NOT_GIVEN})


def fitted(
    *dims: str | int,
    dtype: Literal["float32", "float64"] = "float32",
    saved: bool = True,
    per_user: bool = False,
    ordered: bool = False,
    optional: bool = False,
    sparse: bool = False,
    init: Literal[False] = False,
) -> Any:
    """An attribute that `fit` sets: an array, a CSR, a number or a model.

    dims : the shape: "users" and "items" are the numbers of the model's, the name of a parameter is its value, a whole number is
        itself, and any other name is a number that is the same wherever it stands; "factors+1" is one more. None for a number or a
        model.
    dtype : of the array, or of the values of the CSR.
    saved : whether a model file holds it. per_user : it has a row a user, and is left out of files with items alone.
    ordered : it is `Sequences`, items in the order of events, and not a CSR.
    optional : it may be None, and a model file need not hold it.
    sparse : it must be a CSR; else it may be either.
    """
    return Fitted(dims, dtype, saved, per_user, ordered, optional, sparse)


# ---- what comes of it ---------------------------------------------------------------------------------------------------------


@dataclass_transform(kw_only_default=True, field_specifiers=(whole, number, choice, flag, seeded, checked, changed, shared, fitted))
class Parametrized:
    """A class whose body declares hyper-parameters and fitted arrays; scikit-learn's `clone` and searches understand it.

    Subclasses that write a constructor of their own keep it; its arguments are then their parameters.
    """

    declared: ClassVar[dict[str, Parameter]] = {}  # by name, base classes first; the seed last
    fitted_arrays: ClassVar[dict[str, Fitted]] = {}
    _state: ClassVar[tuple[str, ...]] = ()  # the fitted attributes that a model file holds, the ids and the seen items apart
    _per_user: ClassVar[tuple[str, ...]] = ()  # those of them that have a row a user: left out of an items-only file
    search_space: ClassVar[dict[str, Any]] = {}  # for tune: (low, high, "log" | "linear" | "int") or a list of choices

    _own: ClassVar[dict[str, Any]] = {}  # what the body of this class alone declares

    def __init_subclass__(cls, **given: Any) -> None:
        super().__init_subclass__(**given)
        cls._own = {name: value for name, value in vars(cls).items() if isinstance(value, (Parameter, Fitted, _Changed))}
        for name in cls._own:
            delattr(cls, name)
        parameters, arrays = _inherited(cls)
        for name, parameter in parameters.items():
            setattr(cls, name, parameter.default)
        cls.declared, cls.fitted_arrays = parameters, arrays
        cls._state = tuple(name for name, array in arrays.items() if array.saved)
        cls._per_user = tuple(name for name, array in arrays.items() if array.saved and array.per_user)
        by_hand = cls.__init__ is not object.__init__ and not getattr(cls.__init__, "generated", False)
        if parameters and not (by_hand and ("__init__" in vars(cls) or not cls._own)):  # else a constructor of its own, or of its base
            if "search_space" not in vars(cls):
                cls.search_space = {name: parameter.search for name, parameter in parameters.items() if parameter.search is not None}
            cls.__init__ = _constructor(cls)  # type: ignore[method-assign]
            cls.__doc__ = _documented(cls)

    @classmethod
    def _parameter_names(cls) -> tuple[str, ...]:
        if getattr(cls.__init__, "generated", False):
            return tuple(cls.declared)
        if cls.__init__ is object.__init__:
            return ()
        return tuple(name for name in inspect.signature(cls.__init__).parameters if name != "self")

    def get_params(self, deep: bool = False) -> dict[str, Any]:
        """The hyper-parameters; `deep` adds those of models that are parameters, as "name__parameter"."""
        found = {name: getattr(self, name) for name in self._parameter_names()}
        if deep:
            for name, value in list(found.items()):
                if isinstance(value, Parametrized):
                    found |= {f"{name}__{inner}": setting for inner, setting in value.get_params(deep=True).items()}
        return found

    def set_params(self, **params: Any) -> Self:
        """Set hyper-parameters of this model, and "name__parameter" of a model that is one; they count from the next `fit` on."""
        names = self._parameter_names()
        for name, value in params.items():
            outer, _, inner = name.partition("__")
            if outer not in names:
                raise UnknownParameterError(_unknown(type(self), [name], names))
            if inner:
                getattr(self, outer).set_params(**{inner: value})
            else:
                setattr(self, name, plain(value))
        return self

    def clone(self, **changes: Any) -> Self:
        """An unfitted model with the same hyper-parameters, but for the changes.

        Raises ParameterError for a parameter that the class does not have.
        """
        names = self._parameter_names()
        unknown = sorted(set(changes) - set(names))
        if unknown:
            raise UnknownParameterError(_unknown(type(self), unknown, names))
        return type(self)(**(self.get_params() | changes))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.get_params().items())})"

    def _check(self) -> None:
        """Raise ParameterError for a hyper-parameter that cannot be used. Subclasses add what concerns several together."""
        for name, parameter in self.declared.items():
            value = plain(getattr(self, name))
            setattr(self, name, value)
            if parameter.check is not None:
                parameter.check(name, value)
            else:
                check_choice(name, value, choices(type(self), name))


def plain(value: Any) -> Any:
    """A NumPy number as Python's; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def plain_tree(value: Any) -> Any:
    """The same within lists, tuples and dictionaries."""
    if isinstance(value, dict):
        return {name: plain_tree(part) for name, part in value.items()}
    return type(value)(plain_tree(part) for part in value) if type(value) in (list, tuple) else plain(value)


def choices(cls: type, name: str) -> tuple[Any, ...]:
    """The values that the annotation of a parameter lists."""
    for owner in cls.__mro__:
        if name in vars(owner).get("__annotations__", {}):
            annotation = owner.__annotations__[name]
            found = eval(annotation, vars(sys.modules[owner.__module__])) if isinstance(annotation, str) else annotation
            return get_args(found)
    raise TypeError(f"{cls.__name__}.{name} is a choice without a Literal annotation")


def _inherited(cls: type[Parametrized]) -> tuple[dict[str, Parameter], dict[str, Fitted]]:
    """What a class and its bases declare, bases first; the seed last."""
    parameters: dict[str, Parameter] = {}
    arrays: dict[str, Fitted] = {}
    for base in reversed(cls.__mro__):
        for name, value in vars(base).get("_own", {}).items():
            if isinstance(value, Fitted):
                arrays[name] = value
            else:
                parameters[name] = replace(parameters[name], **value.given) if isinstance(value, _Changed) else value
    if "seed" in parameters:
        parameters["seed"] = parameters.pop("seed")
    return parameters, arrays


def _constructor(cls: type[Parametrized]) -> Callable[..., None]:
    declared = cls.declared

    def __init__(self: Any, **given: Any) -> None:  # noqa: N807 (it becomes the constructor of the class)
        for name, parameter in declared.items():
            setattr(self, name, plain(given.pop(name)) if name in given else parameter.default)
        if given:
            raise UnknownParameterError(_unknown(cls, list(given), tuple(declared)))

    kind = inspect.Parameter.KEYWORD_ONLY
    notes = {name: note for owner in reversed(cls.__mro__) for name, note in vars(owner).get("__annotations__", {}).items()}
    signature = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)] + [
        inspect.Parameter(name, kind, default=parameter.default, annotation=notes.get(name, Any)) for name, parameter in declared.items()
    ]
    __init__.__signature__ = inspect.Signature(signature, return_annotation=None)  # type: ignore[attr-defined]
    __init__.generated = True  # type: ignore[attr-defined]
    __init__.__qualname__, __init__.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
    return __init__


# what users of other libraries type first -> ours
HABITS = {
    "n_factors": "factors", "num_factors": "factors", "embedding_dim": "factors", "n_components": "factors", "no_components": "factors",
    "random_state": "seed", "random_seed": "seed", "n_epochs": "iterations", "epochs": "iterations", "num_epochs": "iterations",
    "n_iter": "iterations", "max_iter": "iterations", "lr": "learning_rate", "lr_all": "learning_rate", "reg": "regularization",
    "reg_all": "regularization", "lambda_": "regularization", "l2": "regularization", "K": "neighbors", "k": "neighbors",
    "n_neighbors": "neighbors", "top_k": "neighbors", "reg_weight": "regularization", "n_layers": "layers", "n_heads": "heads",
    "session_max_len": "max_length", "maxlen": "max_length",
}  # fmt: skip


def _unknown(cls: type, unknown: list[str], names: tuple[str, ...]) -> str:
    from difflib import get_close_matches

    hints = []
    for name in unknown:
        meant = [HABITS[name]] if HABITS.get(name) in names else get_close_matches(name, names, 1)
        hints += [f"{name!r} is {meant[0]!r} here" if name in HABITS else f"did you mean {meant[0]!r}?"] if meant else []
    told = f" ({'; '.join(hints)})" if hints else ""
    return f"{cls.__name__} has no parameter {', '.join(unknown)}{told}; it has {', '.join(names) or 'none'}"


def _documented(cls: type[Parametrized]) -> str:
    """The docstring of a class with its section "Parameters": one line of what a value may be, then what it means."""
    text = inspect.cleandoc(vars(cls).get("__doc__") or "").partition("\n\nParameters\n----------\n")[0]
    if not text:
        return text
    lines = [text, "", "Parameters", "----------"]
    for name, parameter in cls.declared.items():
        limits = parameter.limits or f"one of {', '.join(map(repr, choices(cls, name)))}" if parameter.check is None else parameter.limits
        lines.append(f"{name} : {limits}{'; ' if limits else ''}default {parameter.default!r}")
        lines += [f"    {line}" for line in inspect.cleandoc(parameter.doc).splitlines()]
    return "\n".join(lines)


def check_shapes(model: Parametrized, sizes: Mapping[str, int]) -> None:
    """ValueError where a fitted attribute has another shape or type than declared; `sizes` are those of "users" and "items"."""
    known: dict[str, int] = dict(sizes)
    for name, array in type(model).fitted_arrays.items():
        if not array.saved or not array.dims:
            continue
        value = getattr(model, name)
        if value is None and array.optional:
            continue
        if array.sparse and not hasattr(value, "indptr"):
            raise ValueError(f"{name} is not a sparse matrix")
        if array.ordered != isinstance(value, Sequences):
            raise ValueError(f"{name} is of the wrong kind: {type(value).__name__}")
        data = value if not hasattr(value, "indptr") else getattr(value, "data", None)
        found = tuple(getattr(value, "shape", ()))
        wanted = tuple(_size(model, dim, known) for dim in array.dims)
        fits = len(found) == len(wanted) and all(size is None or size == length for size, length in zip(wanted, found, strict=True))
        dtype = array.dtype if data is None else str(data.dtype)
        if not fits or dtype != array.dtype:
            shown = ", ".join(str(dim if size is None else size) for dim, size in zip(array.dims, wanted, strict=True))
            raise ValueError(f"{name} has shape {found} and type {dtype}, and should have shape ({shown}) and type {array.dtype}")
        for dim, length in zip(array.dims, found, strict=True):
            if isinstance(dim, str) and "+" not in dim:
                known.setdefault(dim, length)


def width(model: Parametrized, sizes: Mapping[str, int]) -> int:
    """How many numbers the fitted arrays hold, from their declared dimensions alone; `sizes` are those of "users" and "items"."""
    shapes = [array.dims for array in type(model).fitted_arrays.values() if array.saved and array.dims]
    return sum(math.prod(_size(model, dim, sizes) or 0 for dim in dims) for dims in shapes)


def _size(model: Parametrized, dim: str | int, known: Mapping[str, int]) -> int | None:
    if isinstance(dim, int):
        return dim
    name, _, more = dim.partition("+")
    size = known.get(name, getattr(model, name) if name in model.declared else None)
    return None if size is None else size + int(more or 0)
