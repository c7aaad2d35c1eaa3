"""Checks of the constructor and of the hyper-parameters."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from ..errors import NotFittedError, NotSupportedError, ParameterError
from ..models.contract.recommender import Recommender
from .sets import shop, without_items
from .subject import Subject
from .tools import all_scores, check, expect, histories, new_scores, refuses


@check
def constructor_stores_its_arguments(subject: Subject) -> None:
    """Keyword-only arguments, immutable defaults, each stored unchanged under its own name, none checked before `fit`."""
    given: dict[str, Any] = {}
    for name, parameter in inspect.signature(subject.cls).parameters.items():
        expect(parameter.kind is parameter.KEYWORD_ONLY, f"{name} must be keyword-only")
        expect(
            parameter.default is None or isinstance(parameter.default, (bool, int, float, str, tuple)),
            f"{name} needs an immutable default, it has {parameter.default!r}",
        )
        expect(getattr(subject.cls(), name) is parameter.default, f"the default of {name} is not stored unchanged")
        given[name] = object()
    model = subject.cls(**given)
    for name, value in given.items():
        expect(getattr(model, name) is value, f"{name} is not stored unchanged")
    expect(model.get_params() == given, "get_params must return the arguments of the constructor")
    expect(vars(model).keys() == given.keys(), f"the constructor sets more than its arguments: {sorted(vars(model))}")


@check
def clone_keeps_the_parameters(subject: Subject) -> None:
    """A clone is unfitted, has equal parameters but for the changes, and prints as a call that makes it again."""
    model = subject.make().fit(subject.data(shop()))
    clone = model.clone()
    expect(type(clone) is type(model) and clone.get_params() == model.get_params(), "a clone must have the same class and parameters")
    expect("users_" not in vars(clone), "a clone must not be fitted")
    expect(eval(repr(model), {subject.cls.__name__: subject.cls}).get_params() == model.get_params(), "repr must give the parameters")
    for name in model.get_params():
        value = subject.other_value(name).value
        expect(
            model.clone(**{name: value}).get_params() == model.get_params() | {name: value}, f"clone({name}=...) must change only {name}"
        )
    refuses(ParameterError, lambda: model.clone(no_such_parameter=1), "clone with an unknown parameter", "no_such_parameter")


@check
def bad_parameters_are_refused_by_fit(subject: Subject) -> None:
    """Values of a wrong kind raise ParameterError, with the name of the parameter, in `fit`."""
    data = subject.data(shop())
    for name, value in subject.make().get_params().items():
        wrong: list[Any] = ["no such value", float("nan"), float("inf"), [1]]
        if isinstance(value, int) and not isinstance(value, bool):
            wrong += [1.5, True, -1]
        for bad in wrong:
            model = subject.make(**{name: bad})
            refuses(ParameterError, lambda model=model: model.fit(data), f"{name}={bad!r}", name)  # type: ignore[misc]
            refuses(NotFittedError, lambda model=model: model.recommend(), f"recommend after a refused {name}")  # type: ignore[misc]


@check
def every_parameter_changes_the_result(subject: Subject) -> None:
    """No parameter is dead: another value of it gives other scores of known or of new users, unless it is exempt with a reason."""
    data = subject.data(shop())
    known, new, held = without_items(data)

    def result(**changes: Any) -> bytes:
        if subject.reads_content:  # it may be that a parameter is about new items alone
            model: Recommender = subject.fitted(known, **changes).add_items(new, held)
        else:
            model = subject.make(**changes).fit(data)
        return all_scores(model).tobytes() + new_scores(model, histories(model)).tobytes()

    names = subject.make().get_params().keys()
    for table in (subject.others, subject.exempt):
        expect(table.keys() <= names, f"the subject names parameters that the model has not: {sorted(table.keys() - names)}")
    for name in names - subject.exempt.keys():
        value, given = subject.other_value(name)
        same = result(**given) == result(**{**given, name: value})
        expect(not same, f"{name}={value!r} gives the same result as {name}={subject.make(**given).get_params()[name]!r}")


@check
def nothing_works_before_fit(subject: Subject) -> None:
    """Every method that needs a fitted model says so."""
    model: Recommender = subject.make()
    for what, call in {
        "recommend": lambda: model.recommend([1]),
        "recommend(history=...)": lambda: model.recommend(history=[[1]]),
        "score": lambda: model.score([1], [1]),
        "similar_items": lambda: model.similar_items(1),
        "explain": lambda: model.explain(1, 1),
        "save": lambda: model.save("never written.npz"),
    }.items():
        refuses(NotFittedError, call, f"{what} before fit", "fit")
    for what, call in {
        "user_vectors": lambda: model.user_vectors(),
        "item_vectors": lambda: model.item_vectors(),
        "update": lambda: model.update(shop()),
        "forget": lambda: model.forget(100),
    }.items():
        refuses((NotFittedError, NotSupportedError), call, f"{what} before fit")


@check
def data_of_another_type_is_refused(subject: Subject) -> None:
    """`fit` takes a Dataset, and one with events."""
    refuses(ParameterError, lambda: subject.make().fit(np.ones((3, 3))), "fit on an array", "Dataset")
    empty = shop().select(np.zeros(0, np.int64))
    refuses(ValueError, lambda: subject.make().fit(empty), "fit without events", "no events")
