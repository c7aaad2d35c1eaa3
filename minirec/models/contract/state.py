"""What keeps a model whole while other threads use it: a request reads one state, and a change is built aside and takes its place at once.

The state of a model is its dictionary of attributes. A public method runs on a view, another object of the class over the same dictionary.
`fit`, `update`, `forget`, `add_items` and `add_users` run on a copy of the dictionary, which then takes the place of the model's in one
assignment. So a request sees the state before a change or the one after it, and a change that fails leaves the model as it was. Changes
of one model wait for each other. A method that changes a fitted array makes a new one: the arrays of the copy are those of the model.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from threading import Lock, RLock
from types import FunctionType
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

CHANGES = ("fit", "update", "forget", "add_items", "add_users")

T = TypeVar("T")
_guard = Lock()
_locks: WeakKeyDictionary[Whole, Any] = WeakKeyDictionary()  # beside the models, which can be copied and pickled


class Whole:
    """A class whose public methods see one state of the object from beginning to end."""

    def __init_subclass__(cls, **given: Any) -> None:
        super().__init_subclass__(**given)
        for name, method in list(vars(cls).items()):
            if isinstance(method, FunctionType) and not name.startswith("_"):
                setattr(cls, name, _changing(method) if name in CHANGES else _reading(method))


def _reading(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def read(self: Whole, *given: Any, **named: Any) -> Any:
        view = object.__new__(type(self))
        view.__dict__ = self.__dict__
        result = method(view, *given, **named)
        return self if result is view else result

    return read


def _changing(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def change(self: Whole, *given: Any, **named: Any) -> Any:
        with _guard:
            lock = _locks.setdefault(self, RLock())
        with lock:
            aside = object.__new__(type(self))
            aside.__dict__ = dict(self.__dict__)
            result = method(aside, *given, **named)
            self.__dict__ = aside.__dict__
        return self if result is aside else result

    return change


def kept(model: object, name: str, source: object, make: Callable[[], T]) -> T:
    """What `make` derives from `source`, made once and kept under a name as long as the source is the same object."""
    found: tuple[object, T] | None = vars(model).get(name)
    if found is None or found[0] is not source:
        found = (source, make())
        setattr(model, name, found)
    return found[1]
