"""The conformance suite: the same checks for every model, with or without pytest.

>>> import minirec as mr
>>> from minirec.testing import check_model
>>> check_model(mr.Popularity, only=["unknown_users", "long_lists"])

With pytest, all checks on a model of your own, each as a test:

    @pytest.mark.parametrize("name", CHECKS)
    def test_my_model(name):
        CHECKS[name](Subject(MyModel, small={"factors": 8}))
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import ParameterError
from ..models.contract.recommender import Recommender
from . import content, files, fitting, parameters, requests  # noqa: F401  (each adds its checks)
from .subject import SUBJECTS, Other, Subject, subject_of
from .tools import CHECKS, Check


def check_model(model: Recommender | type[Recommender] | Subject, only: Iterable[str] | None = None) -> None:
    """Run all checks, or those named in `only`, and raise one AssertionError that lists every failure.

    model : a class, an instance (its parameters are those that are tested), or a `Subject`, which says what may be expected.
    """
    names = list(CHECKS) if only is None else list(only)
    unknown = sorted(set(names) - set(CHECKS))
    if unknown:
        raise ParameterError(f"unknown checks {', '.join(unknown)}; there are {', '.join(CHECKS)}")
    subject = subject_of(model)
    failures: list[str] = []
    for name in names:
        try:
            CHECKS[name](subject)
        except Exception as error:  # whatever a model under test raises is a finding, and must not hide the others
            failures.append(f"{name}: {error if isinstance(error, AssertionError) else repr(error)}")
    if failures:
        raise AssertionError(f"{subject.cls.__name__} fails {len(failures)} of {len(names)} checks:\n" + "\n".join(failures))


__all__ = ["CHECKS", "SUBJECTS", "Check", "Other", "Subject", "check_model", "subject_of"]
