"""Models of one's own: registered, saved, loaded, and refused where a file would lose something."""

import naive_models
import numpy as np
import pytest

import minirec as mr
from minirec.errors import NotSupportedError, ParameterError
from minirec.models import MODELS, Popularity
from minirec.models.contract.parameters import fitted, whole
from minirec.testing.sets import shop


class Latest(Popularity):
    """The items by their last row; with a parameter and an array of its own."""

    name = "latest"

    offset: int = whole(default=0, low=0, doc="Added to each score.")
    rows_: np.ndarray = fitted("items")

    def _fit(self, train, monitor):
        super()._fit(train, monitor)
        self.rows_ = np.arange(train.n_items, dtype=np.float32)
        self.scores_ = self.rows_ + np.float32(self.offset)


@pytest.fixture
def clean(monkeypatch):
    """The registry, put back after the test."""
    monkeypatch.setattr(MODELS, "_found", dict(MODELS._found))


@pytest.mark.usefixtures("clean")
def test_a_registered_model_saves_loads_and_is_looked_up(tmp_path):
    assert mr.register(Latest) is Latest
    assert mr.register(Latest) is Latest  # as when a cell of a notebook is run again
    assert mr.model_class("latest") is Latest
    model = Latest(offset=np.int64(3)).fit(shop())
    model.save(tmp_path / "model.npz")
    found = mr.load_model(tmp_path / "model.npz")
    assert type(found) is Latest
    assert found.get_params() == {"half_life": None, "offset": 3}
    assert np.array_equal(found.rows_, model.rows_)
    assert found.recommend(k=3).to_dict() == model.recommend(k=3).to_dict()


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (dict, "derives from minirec.Recommender"),
        (Latest(), "derives from minirec.Recommender"),
        (type("Nameless", (Popularity,), {}), "needs a name of its own"),
        (type("Thief", (Popularity,), {"name": "als"}), "'als' is taken by minirec.models.factorization.als:ALS"),
    ],
)
def test_what_cannot_be_registered(cls, message):
    with pytest.raises(ParameterError, match=message):
        mr.register(cls)


def test_a_file_that_would_lose_something_is_refused(tmp_path):
    class Undeclared(Popularity):
        name = "undeclared"

        def _fit(self, train, monitor):
            super()._fit(train, monitor)
            self.extra_ = np.ones(3)

    class Nothing(naive_models.Together):
        name = "nothing"
        weights_ = fitted(saved=False)

        def _fit(self, train, monitor):
            super()._fit(train, monitor)
            self._hidden = 1

    with pytest.raises(NotSupportedError, match=r"extra_ after fit and does not declare it.*extra_: \.\.\. = fitted"):
        Undeclared().fit(shop()).save(tmp_path / "model.npz")
    with pytest.raises(NotSupportedError, match="declares nothing as fitted"):
        Nothing().fit(shop()).save(tmp_path / "model.npz")
    assert not list(tmp_path.iterdir())
