"""EDLAE, RDLAE and DAN against their formulas and optimality conditions; users and items that come and go, against refitting."""

import naive_linear
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from minirec.data.dataset import Dataset
from minirec.errors import (
    DataError,
    MemoryBudgetError,
    ModelFileError,
    ModelFitError,
    NotSupportedError,
    ParameterError,
    UnknownIdError,
)
from minirec.models import DAN, EASE, EDLAE, RDLAE, load_model
from minirec.models.linear import closed_form as autoencoder
from minirec.options import options
from minirec.testing.sets import shop

FAMILY = [
    EASE(regularization=4.0),
    EDLAE(regularization=4.0, dropout=0.6),
    RDLAE(regularization=4.0, dropout=0.4, relaxation=0.5),
    DAN(regularization=2.0, dropout=0.5, alpha=0.4, beta=0.3),
]
each = pytest.mark.parametrize("model", FAMILY, ids=lambda model: model.name)


def dataset(x):
    return Dataset.from_arrays(*np.nonzero(x))


def counts(seed):
    return (naive_linear.random_counts(np.random.default_rng(seed), users=9, items=8) > 0).astype(float)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.5, 100.0), st.sampled_from([0.0, 0.3, 0.8]), st.sampled_from([0.0, 0.3, 0.9, 1.0]))
def test_formulas(seed, regularization, dropout, share):
    x = counts(seed)
    for cls, more in ((EDLAE, {}), (RDLAE, {"relaxation": share}), (DAN, {"alpha": share, "beta": share / 2})):
        weights = cls(regularization=regularization, dropout=dropout, **more).fit(dataset(x)).weights_
        assert weights.dtype == np.float32
        assert np.allclose(weights, naive_linear.autoencoder(x, regularization, dropout, **more), atol=1e-5)


def test_each_is_a_special_case_of_the_next():
    data = shop()
    ease = EASE(regularization=7.0).fit(data).weights_
    assert np.array_equal(EDLAE(regularization=7.0, dropout=0.0).fit(data).weights_, ease)
    edlae = EDLAE(regularization=7.0, dropout=0.4).fit(data).weights_
    assert np.array_equal(RDLAE(regularization=7.0, dropout=0.4, relaxation=0.0).fit(data).weights_, edlae)
    assert np.array_equal(DAN(regularization=7.0, dropout=0.4, alpha=0.0, beta=0.0).fit(data).weights_, edlae)


def test_dropout_is_what_the_penalty_of_edlae_stands_for():
    """The mean loss on the dropped items, their targets emphasised, over many draws of the dropout has its least at these weights."""
    rng, x, p = np.random.default_rng(3), counts(5), 0.4
    gram, cross = np.zeros((8, 8, 8)), np.zeros((8, 8))
    for j in range(8):  # the target j is dropped, every other item with probability p; inputs are scaled by 1 / (1 - p)
        for _ in range(4000):
            z = x * (rng.random(x.shape) >= p) / (1 - p)
            z[:, j] = 0
            gram[j] += z.T @ z
            cross[j] += z.T @ x[:, j]
    best = np.zeros((8, 8))
    for j in range(8):
        others = np.arange(8) != j
        best[others, j] = np.linalg.solve((gram[j] / 4000 + np.eye(8))[np.ix_(others, others)], (cross[j] / 4000)[others])
    assert np.abs(EDLAE(regularization=1.0, dropout=p).fit(dataset(x)).weights_ - best).max() < 0.01


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 0.9))
def test_optimality_of_the_relaxed_diagonal(seed, xi):
    """Karush-Kuhn-Tucker: the multiplier of each bound is not negative, and zero where the diagonal stays below it."""
    x, p = counts(seed), 0.3
    model = RDLAE(regularization=3.0, dropout=p, relaxation=xi).fit(dataset(x))
    penalty = 3.0 + p / (1 - p) * x.sum(axis=0)
    b = model.weights_.astype(np.float64)
    diagonal = 1 - model.inverse_diagonal_ * np.maximum(penalty, (1 - xi) / model.inverse_diagonal_)
    np.fill_diagonal(b, diagonal)
    gradient = x.T @ (x @ b - x) + penalty[:, None] * b
    multiplier = -gradient.diagonal()
    assert np.abs(gradient - np.diag(gradient.diagonal())).max() < 1e-3
    assert (diagonal <= xi + 1e-6).all()
    assert (multiplier > -1e-3).all()
    assert np.abs(multiplier[diagonal < xi - 1e-4]).max(initial=0) < 1e-3


# ---- users and items that come and go -------------------------------------------------------------------------------------


def same(found, expected):
    """Equal to a refit as the promise says, on the items that the refit has; others have no weight."""
    rows = found.items_.rows(list(expected.items_))
    largest = np.abs(expected.weights_).max()
    assert np.abs(found.weights_[np.ix_(rows, rows)] - expected.weights_).max() <= 1e-4 * largest
    assert np.allclose(found.inverse_diagonal_[rows], expected.inverse_diagonal_, rtol=1e-4)
    gone = np.setdiff1d(np.arange(len(found.items_)), rows)
    assert not found.weights_[gone].any()
    assert not found.weights_[:, gone].any()
    assert found.users_ == expected.users_
    assert np.array_equal(found.seen_.indices, rows[expected.seen_.indices])
    assert np.array_equal(found.seen_.indptr, expected.seen_.indptr)
    assert np.array_equal(found.seen_.data, expected.seen_.data)


@each
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.data())
def test_update_and_forget_are_refits(model, seed, data):
    """Any events at once or one after the other: new users, new items, known users with new and with old items; any users taken out."""
    rng = np.random.default_rng(seed)
    events = Dataset.from_arrays(rng.integers(0, 12, 60), rng.integers(0, 15, 60), weights=rng.integers(1, 4, 60))
    start = data.draw(st.integers(10, 50))
    fitted = model.clone().fit(events.select(np.arange(start)))
    middle = data.draw(st.integers(start, 60))
    fitted.update(events.select(np.arange(start, middle))).update(events.select(np.arange(middle, 60)))
    same(fitted, model.clone().fit(events))
    users = data.draw(st.lists(st.sampled_from(list(fitted.users_)), min_size=1, max_size=4))
    fitted.forget(users)
    keep = ~np.isin(events.user, events.users.rows(users))
    refit = model.clone().fit(events.select(np.flatnonzero(keep)))
    assume(refit.weights_ is not None)  # else it takes its dual form: see test_dual.py
    same(fitted, refit)


@each
def test_a_user_who_leaves_and_comes_back(model):
    data = shop()
    fitted = model.clone().fit(data)
    before = fitted.weights_.copy()
    for user in data.users:
        fitted.forget(user)
        assert user not in fitted.users_
        fitted.update(data.select(np.flatnonzero(data.user == data.users.row(user))))
    assert np.abs(fitted.weights_ - before).max() <= 1e-4 * np.abs(before).max()
    assert list(fitted.recommend(k=3).items) == list(model.clone().fit(data).recommend(k=3).items)


@each
def test_many_terms_are_taken_in_pieces(monkeypatch, model):
    data = shop(n_users=60)
    monkeypatch.setattr(autoencoder, "_TERMS", 8)
    fitted = model.clone().fit(data).forget(list(data.users)[:40])
    same(fitted, model.clone().fit(data.select(np.flatnonzero(data.user >= 40))))


@each
def test_an_item_that_nobody_else_has(model, tmp_path):
    data = Dataset.from_arrays([1, 1, 2, 2, 3, 3, 3], list("abbcacz"))
    fitted = model.clone().fit(data).forget(3)
    z = fitted.items_.row("z")
    assert not fitted.weights_[z].any()
    assert not fitted.weights_[:, z].any()
    fitted.save(tmp_path / "model.npz")
    loaded = load_model(tmp_path / "model.npz").update(Dataset.from_arrays([3, 3, 3], list("acz")))
    same(loaded, model.clone().fit(data))


@each
def test_the_same_bytes_for_any_number_of_threads(model):
    data = shop(n_users=90, n_items=50)
    found = []
    for threads in (1, 2, 3):
        with options(threads=threads):
            fitted = model.clone().fit(data).forget([100, 130]).update(data.select(np.flatnonzero(data.user == 0)))
            found.append(fitted.weights_.tobytes() + fitted.inverse_diagonal_.tobytes())
    assert len(set(found)) == 1


def test_events_that_change_nothing():
    data = shop()
    fitted = EASE(regularization=5.0).fit(data)
    before = fitted.weights_.copy()
    fitted.update(data)
    assert np.array_equal(fitted.weights_, before)
    assert fitted.seen_.data.sum() == 2 * data.weight.sum()
    fitted.update(data.select(np.zeros(0, np.int64)))
    assert np.array_equal(fitted.weights_, before)


def test_what_cannot_be_changed_says_so(tmp_path):
    data = shop()
    fitted = EASE(regularization=5.0).fit(data)
    with pytest.raises(ParameterError, match="Dataset"):
        fitted.update([1, 2])
    with pytest.raises(UnknownIdError, match="77"):
        fitted.forget([100, 77])
    with pytest.raises(DataError, match="at least one user must remain"):
        fitted.forget(list(data.users))
    assert len(fitted.users_) == data.n_users
    with options(memory=1000), pytest.raises(MemoryBudgetError, match="second matrix of the weights of 25 items"):
        fitted.update(Dataset.from_arrays([100], [7]))
    assert 7 not in fitted.items_
    fitted.save(tmp_path / "items.npz", items_only=True)
    served = load_model(tmp_path / "items.npz")
    with pytest.raises(NotSupportedError, match="update"):
        served.update(data)
    with pytest.raises(NotSupportedError, match="forget"):
        served.forget(100)


def test_a_model_that_lost_its_digits_stays_as_it_was():
    """Two items that always come together: float64 was needed, and the float32 weights do not give the inverse back."""
    data = Dataset.from_arrays(np.append(np.repeat(np.arange(400), 2), [0, 1]), np.append(np.tile([0, 1], 400), [2, 2]))
    fitted = EASE(regularization=1e-5).fit(data)
    before = fitted.recommend().to_dict()
    with pytest.raises(ModelFitError, match="fit again"):
        fitted.forget(7)
    assert fitted.recommend().to_dict() == before  # a change that fails leaves the model as it was


def test_damaged_state_is_refused(tmp_path):
    fitted = EASE(regularization=5.0).fit(shop())
    fitted.inverse_diagonal_ = fitted.inverse_diagonal_[:-1]
    fitted.save(tmp_path / "damaged.npz")
    with pytest.raises(ModelFileError, match="inverse_diagonal_"):
        load_model(tmp_path / "damaged.npz")


@pytest.mark.parametrize(
    "model", [EDLAE(dropout=1.0), EDLAE(dropout=-0.1), RDLAE(relaxation=1.5), DAN(alpha=-1.0), DAN(beta=-1.0), DAN(regularization=0.0)]
)
def test_bad_parameters_of_the_family(model):
    with pytest.raises(ParameterError):
        model.fit(shop())
