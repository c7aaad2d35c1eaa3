"""The conformance suite over the whole registry, and over models that break the contract: it must find them."""

import importlib.util
from typing import ClassVar

import naive_models
import pytest

from minirec.data.dataset import Dataset
from minirec.errors import ParameterError
from minirec.models import MODELS, Popularity
from minirec.testing import CHECKS, SUBJECTS, Other, Subject, check_model, subject_of

# enough, where kernels run as plain Python, to go through every check; the other models' kernels have twins' tests there
WITHOUT_JIT = ("popularity", "itemknn", "ease", "als")


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(
    "name", [name if name in WITHOUT_JIT else pytest.param(name, marks=pytest.mark.slow_without_jit) for name in MODELS]
)
def test_registry(name, check):
    CHECKS[check](subject_of(MODELS[name]))


def test_every_registered_model_has_a_subject_of_its_own():
    assert SUBJECTS.keys() == MODELS.keys()
    for name, subject in SUBJECTS.items():
        assert subject.cls is MODELS[name]
        assert all(reason.strip() for reason in subject.exempt.values())


@pytest.fixture
def registered(monkeypatch):
    """The stand-ins as registered models: only those can be loaded."""
    for cls in (naive_models.Together, naive_models.Turned, *naive_models.BROKEN):
        monkeypatch.setitem(MODELS, cls.name, cls)
    monkeypatch.setitem(MODELS, "together", naive_models.Together)
    monkeypatch.setitem(MODELS, "turned", naive_models.Turned)


SPARSE = Subject(naive_models.Together, small={"sparse": True}, exempt={"sparse": "another form of the same weights"})
DENSE = Subject(naive_models.Together, exempt={"sparse": "another form of the same weights"})
TURNED = Subject(naive_models.Turned, recall=0.8)


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("subject", [DENSE, SPARSE, TURNED], ids=["dense", "sparse", "factors"])
def test_a_model_outside_the_library(subject):
    check_model(subject)


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(("cls", "check"), naive_models.BROKEN.items(), ids=lambda value: getattr(value, "__name__", value))
def test_a_broken_model_is_found(cls, check):
    if check == "backends_agree" and importlib.util.find_spec("numba") is None:
        pytest.skip("needs both backends")
    with pytest.raises(AssertionError, match=check):
        check_model(Subject(cls, exempt={"sparse": "no matter here"} if issubclass(cls, naive_models.Together) else {}), only=[check])


def test_a_wrong_error_is_a_finding():
    from minirec.testing.tools import refuses

    with pytest.raises(AssertionError, match=r"what: expected KeyError or TypeError, got ValueError: invalid"):
        refuses((KeyError, TypeError), lambda: int("no"), "what")
    with pytest.raises(AssertionError, match="the message should mention 'yes'"):
        refuses(ValueError, lambda: int("no"), "what", "yes")
    with pytest.raises(AssertionError, match="got no error"):
        refuses(ValueError, lambda: int("1"), "what")


@pytest.mark.usefixtures("registered")
def test_a_model_that_updates():
    class Updating(naive_models.Together):
        name = "updating"

        def fit(self, train, *arguments, **named):
            self.events = train
            return super().fit(train, *arguments, **named)

        def update(self, events):
            self._fitted()
            columns = [[*ids(self.events), *ids(events)] for ids in (_users, _items)]
            return self.fit(Dataset.from_arrays(*columns))

    check_model(Subject(Updating), only=["updates", "nothing_works_before_fit"])


def _users(data):
    return data.users.ids(data.user)


def _items(data):
    return data.items.ids(data.item)


def test_all_failures_are_listed():
    with pytest.raises(AssertionError) as found:
        check_model(Subject(naive_models.UncheckedParameter), only=["bad_parameters_are_refused_by_fit", "one_user", "saved_and_loaded"])
    assert "fails 2 of 3 checks" in str(found.value)
    assert "saved_and_loaded: ModelFileError" in str(found.value)


def test_an_instance_is_checked_with_its_parameters():
    subject = subject_of(naive_models.Turned(factors=2))
    assert subject.make().factors == 2
    assert subject.make(seed=5).get_params() == {"factors": 2, "iterations": 2, "seed": 5}
    check_model(naive_models.Turned(factors=2), only=["long_lists"])
    assert subject_of(Popularity) is SUBJECTS["popularity"]
    assert subject_of(naive_models.Together) == Subject(naive_models.Together)


def test_an_unknown_check_is_refused():
    with pytest.raises(ParameterError, match="there are"):
        check_model(Popularity, only=["no such check"])


def test_other_values():
    class Many(naive_models.Together):
        search_space: ClassVar = {"mode": ["fast", "exact"]}

        def __init__(self, *, mode="fast", flag=True, steps=4, seed=0, rate=0.5, zero=0.0, nothing=None):
            self.mode, self.flag, self.steps, self.seed, self.rate, self.zero, self.nothing = mode, flag, steps, seed, rate, zero, nothing

    subject = Subject(Many, others={"steps": 5})
    found = {name: subject.other_value(name).value for name in ("mode", "flag", "steps", "seed", "rate", "zero")}
    assert found == {"mode": "exact", "flag": False, "steps": 5, "seed": 1, "rate": 1.5, "zero": 0.5}
    assert Subject(Many, others={"nothing": Other(3, {"flag": False})}).other_value("nothing") == (3, {"flag": False})
    with pytest.raises(AssertionError, match=r"Many.nothing = None: name another value"):
        subject.other_value("nothing")
