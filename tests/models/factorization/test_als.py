"""ALS against its loss written out pair by pair, the optimality of its half steps, and each solver against the others."""

from itertools import pairwise

import naive_als
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirec.data.dataset import Dataset
from minirec.errors import DataError, ModelFitError, NotSupportedError, ParameterError
from minirec.models import ALS, load_model
from minirec.options import options
from minirec.testing.sets import blocks, shop

SETTINGS = [
    {},
    {"alpha0": 0.6, "nu": 0.5, "regularization": 0.05},
    {"alpha": 0.7, "alpha0": 1.0, "nu": 0.0, "regularization": 0.5},
    {"alpha": 0.0, "alpha0": 2.0, "regularization": 0.02},
]


def random_data(seed=0, users=12, items=9):
    """Pairs, some of them repeated, with weights; every user and every item has one."""
    rng = np.random.default_rng(seed)
    x = rng.integers(1, 4, (users, items)) * (rng.random((users, items)) < 0.3)
    x[np.arange(users), np.arange(users) % items] = 2
    rows, columns = np.nonzero(x)
    again = np.repeat(np.arange(len(rows)), rng.integers(1, 3, len(rows)))
    data = Dataset.from_arrays(rows[again], columns[again], weights=rng.uniform(0.5, 2, len(again)))
    return data, data.matrix.to_dense().astype(np.float64)


def loss_of(model, weights, users=None, items=None):
    users = model.user_factors_.astype(float) if users is None else users
    items = model.item_factors_.astype(float) if items is None else items
    return naive_als.loss(weights, users, items, model.regularization, model.alpha0, model.nu, model.alpha)


@pytest.mark.parametrize("parameters", SETTINGS)
@pytest.mark.parametrize("solver", ["cg", "cholesky", "block"])
def test_the_loss_in_history_is_the_loss_and_never_rises(parameters, solver):
    data, weights = random_data()
    found = []
    model = ALS(factors=4, iterations=6, solver=solver, block_size=3, cg_steps=2, init_std=1.0, **parameters)
    model.fit(data, callback=lambda model, record: found.append((record["loss"], loss_of(model, weights))) and False)
    assert np.allclose(*zip(*found, strict=True), rtol=1e-5)
    losses = [loss for loss, _ in found]
    assert all(after <= before * (1 + 1e-6) for before, after in pairwise(losses))
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("parameters", SETTINGS)
@pytest.mark.parametrize("solver", ["cg", "cholesky", "block"])
def test_user_vectors_solve_their_systems(parameters, solver):
    """Also after a fit by a solver that is not exact: the last user half step is."""
    data, weights = random_data(1)
    model = ALS(factors=5, iterations=3, solver=solver, block_size=2, **parameters).fit(data)
    expected = naive_als.half_step(weights, model.item_factors_.astype(float), model.regularization, model.alpha0, model.nu, model.alpha)
    assert np.allclose(model.user_factors_, expected, atol=2e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(SETTINGS))
def test_no_direction_leads_down_from_an_exact_half_step(seed, parameters):
    data, weights = random_data(seed % 7)
    model = ALS(factors=3, iterations=2, **parameters).fit(data)
    users, best = model.user_factors_.astype(float), loss_of(model, weights)
    direction = np.random.default_rng(seed).standard_normal(users.shape)
    for radius in (1e-1, 1e-2):
        for sign in (1, -1):
            moved = users + sign * radius * direction / np.linalg.norm(direction)
            assert loss_of(model, weights, users=moved) >= best - 1e-7 * abs(best)


@pytest.mark.parametrize("parameters", SETTINGS)
def test_solvers_meet(parameters):
    """Many steps of conjugate gradients, and one block of all coordinates, are exact; smaller blocks come to the same optimum."""
    data, _ = random_data(2)

    def scores(iterations, **solver):
        model = ALS(factors=4, iterations=iterations, init_std=1.0, **parameters, **solver).fit(data)
        return model.user_factors_ @ model.item_factors_.T, model.log_[-1]["loss"]

    exact, loss = scores(3, solver="cholesky")
    for solver in ({"solver": "cg", "cg_steps": 12}, {"solver": "block", "block_size": 4}, {"solver": "block", "block_size": 100}):
        found, its_loss = scores(3, **solver)
        assert np.abs(found - exact).max() < 1e-4 * np.ptp(exact)
        assert np.isclose(its_loss, loss, rtol=1e-5)
    _, at_rest = scores(400, solver="cholesky")
    for solver in ({"solver": "cg", "cg_steps": 1}, {"solver": "block", "block_size": 2}):
        assert np.isclose(scores(400, **solver)[1], at_rest, rtol=1e-3)


def test_events_of_a_pair_count_once_without_alpha_and_add_up_with_it():
    users, items = [1, 1, 2, 2, 3], ["a", "b", "b", "c", "a"]
    plain = Dataset.from_arrays(users, items)
    twice = Dataset.from_arrays(users + users[:2], items + items[:2], weights=[-1.0, 5, 0.5, 0, 9, 1, 1])
    assert np.array_equal(ALS(factors=2).fit(plain).user_vectors(), ALS(factors=2).fit(twice).user_vectors())

    model = ALS(factors=2, alpha=2.0)
    split = Dataset.from_arrays([*users, 1], [*items, "a"], weights=[1.0, 1, 1, 1, 1, 2])
    whole = Dataset.from_arrays(users, items, weights=[3.0, 1, 1, 1, 1])
    assert np.array_equal(model.fit(split).user_vectors(), model.clone().fit(whole).user_vectors())
    assert not np.array_equal(model.user_vectors(), model.clone().fit(plain).user_vectors())
    # the weights of a history count in the same way
    assert np.array_equal(model._vectors(model._new([["a", "b"]], [[3.0, 1.0]], "raise", [], None)[1])[0], model.user_vectors([1])[0])
    with pytest.raises(DataError, match="at least 0"):
        model.fit(Dataset.from_arrays(users, items, weights=[-1.0, 1, 1, 1, 1]))


@pytest.mark.parametrize("solver", ["cholesky", "cg", "block"])
def test_one_confidence_for_all_is_the_loss_of_rendle(solver):
    """The class says how: alpha0 / a and lambda / (a t), scores divided by t; the initial values shrink with the vectors."""
    pairs, _ = random_data(3)
    data = Dataset.from_arrays(*np.nonzero(pairs.matrix.to_dense()))
    alpha0, alpha, regularization = 0.5, 2.0, 0.8
    a = 1 + alpha - alpha0
    t = (1 + alpha) / a
    hu = ALS(factors=3, alpha=alpha, alpha0=alpha0, nu=0.0, regularization=regularization, iterations=4, solver=solver, block_size=2)
    rendle = hu.clone(alpha=None, alpha0=alpha0 / a, regularization=regularization / (a * t), init_std=0.1 / np.sqrt(t))
    found, expected = (model.fit(data).user_factors_ @ model.item_factors_.T for model in (hu, rendle))
    assert np.allclose(found, t * expected, atol=1e-4)


@pytest.mark.parametrize("parameters", SETTINGS)
def test_folding_in_the_training_events_gives_the_trained_vector(parameters):
    data = shop()
    model = ALS(factors=6, iterations=4, **parameters).fit(data)
    batch = model._fold_in(model.seen_)
    assert np.array_equal(batch, model.user_factors_)
    for r in (0, 5, len(model.users_) - 1):
        alone = model._fold_in(model.seen_.rows(np.array([r])))
        assert np.array_equal(alone[0], batch[r])


@pytest.mark.parametrize("parameters", SETTINGS)
def test_explanations_add_up_to_the_score(parameters):
    model = ALS(factors=6, iterations=3, **parameters).fit(shop())
    items = list(model.items_)
    explained = [model.explain(user, items[at]) for at, user in enumerate(list(model.users_)[:8])]
    explained += [model.explain(history=[items[:3]], item=items[at]) for at in range(2, 6)]
    for explanation in explained:
        values = [part.value for part in explanation.parts]
        assert abs(sum(values) - explanation.score) <= 1e-5 * sum(map(abs, values))
    assert {part.name for part in explained[-1].parts} == set(items[:3])


@pytest.mark.parametrize("parameters", SETTINGS)
def test_update_is_folding_in(parameters):
    data = shop()
    first_of_item = np.isin(np.arange(len(data)), np.unique(data.item, return_index=True)[1])
    newcomer = data.user == data.user[np.flatnonzero(~first_of_item)[-1]]
    early = first_of_item | (np.arange(len(data)) % 5 > 0) & ~newcomer
    early &= ~newcomer | first_of_item & (data.user % 2 == 0)
    late = ~early & (newcomer | (data.user % 3 > 0))
    model = ALS(factors=5, iterations=3, **parameters).fit(data.select(early))
    before = dict(zip(model.users_, model.user_vectors(), strict=True))
    item_vectors = model.item_vectors().copy()
    assert model.update(data.select(late)) is model
    merged = data.select(early | late)
    assert list(model.users_) == list(merged.compact().users)
    assert np.allclose(model.seen_.to_dense(), merged.compact().matrix.to_dense())
    assert np.array_equal(model.item_vectors(), item_vectors)
    touched = set(data.select(late).compact().users)
    assert np.array_equal(model.user_vectors(), model._fold_in(model.seen_))  # so those that were not touched are right still
    for user, vector in before.items():
        assert user in touched or np.array_equal(model.user_vectors([user])[0], vector)


def test_update_refuses_what_it_cannot_do(tmp_path):
    data = shop()
    model = ALS(factors=3, iterations=1).fit(data)
    vectors = model.user_vectors().copy()
    with pytest.raises(NotSupportedError, match=r"'new thing'.*fit again"):
        model.update(Dataset.from_arrays([data.users[0]] * 2, [data.items[0], "new thing"]))
    with pytest.raises(ParameterError, match="Dataset"):
        model.update([(1, 2)])
    assert np.array_equal(model.user_vectors(), vectors)
    model.save(tmp_path / "items.npz", items_only=True)
    with pytest.raises(NotSupportedError, match="items_only"):
        load_model(tmp_path / "items.npz").update(data)


@pytest.mark.parametrize("solver", ["cholesky", "cg", "block"])
def test_one_thread_and_two_give_the_same_bytes(solver):
    data = shop(n_users=300, n_items=80)
    found = []
    for threads in (1, 2):
        with options(threads=threads):
            model = ALS(factors=7, iterations=3, solver=solver, block_size=3).fit(data)
            found.append((model.user_factors_.tobytes(), model.item_factors_.tobytes(), model.log_))
    assert found[0] == found[1]


@pytest.mark.parametrize("solver", ["cholesky", "cg", "block"])
def test_backends_come_to_the_same_scores(solver):
    pytest.importorskip("numba")
    data, scores = shop(n_users=90, n_items=40), []
    for backend in ("numpy", "numba"):
        with options(backend=backend):
            model = ALS(factors=8, iterations=8, solver=solver, block_size=4, alpha0=0.3).fit(data)
        scores.append(model.user_factors_.astype(float) @ model.item_factors_.T)
    assert np.abs(scores[0] - scores[1]).max() < 1e-4 * np.ptp(scores[0])


@pytest.mark.parametrize("solver", ["cholesky", "cg", "block"])
def test_finds_the_items_of_a_users_group(solver):
    held = blocks()
    model = ALS(factors=3, solver=solver, block_size=2).fit(held.train)
    expected = set(zip(held.users, held.items, strict=True))
    found = {(user, item) for user, items, _ in model.recommend(k=2) for item in items}
    assert found == expected


def test_vectors_in_use_are_not_written_to():
    """A callback may keep the item vectors of an iteration, and rank by them: what is derived from them must not grow stale."""
    kept = []
    data = shop()
    model = ALS(factors=4, iterations=4).fit(
        data, callback=lambda model, _: kept.append((model.item_vectors(), model.item_vectors().copy()))
    )
    assert all(np.array_equal(*pair) for pair in kept)
    assert not np.array_equal(kept[0][0], model.item_vectors())


def test_a_stopped_fit_ends_with_exact_user_vectors():
    model = ALS(factors=4).fit(shop(), callback=lambda model, record: record["iteration"] == 2)
    assert [record["iteration"] for record in model.log_] == [1, 2]
    assert np.array_equal(model._fold_in(model.seen_), model.user_factors_)


def test_a_damaged_gram_matrix_is_refused(tmp_path):
    from minirec.errors import ModelFileError

    model = ALS(factors=4, iterations=1).fit(shop())
    for wrong in (np.zeros((4, 5), np.float32), np.zeros((3, 3), np.float32), np.zeros((4, 4))):
        model.item_gram_ = wrong
        model.save(tmp_path / "model.npz")
        with pytest.raises(ModelFileError, match="item_gram_"):
            load_model(tmp_path / "model.npz")


def test_numbers_that_single_precision_cannot_hold():
    data = Dataset.from_arrays([1, 1, 2, 2], ["a", "b", "a", "c"], weights=[1e33, 1e33, 1e33, 1e33])
    with pytest.raises(ModelFitError, match="iteration 1"), np.errstate(all="ignore"):
        ALS(factors=3, alpha=1e6, solver="cholesky").fit(data)


@pytest.mark.parametrize(
    "wrong",
    [
        {"factors": 0}, {"iterations": 0}, {"cg_steps": 0}, {"block_size": 0}, {"seed": -1}, {"regularization": 0.0}, {"init_std": 0},
        {"alpha0": -0.1}, {"nu": -1}, {"alpha": -1}, {"alpha": "high"}, {"solver": "lu"},
    ],
)  # fmt: skip
def test_parameters_are_checked(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        ALS(**wrong).fit(shop())


def test_users_without_unobserved_weight():
    """alpha0 = 0: only the pairs with events count, and an empty history is nothing to go by."""
    model = ALS(factors=3, alpha0=0.0, regularization=0.1, iterations=3, solver="cholesky").fit(shop())
    assert np.isfinite(model.user_vectors()).all()
    assert not model._fold_in(model.seen_.rows(np.zeros(0, np.int64))).size


def test_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(NotSupportedError, match="ALS cannot go on from a checkpoint"):
        ALS().fit(shop(), checkpoint=tmp_path / "run.npz")
    assert not list(tmp_path.iterdir())
