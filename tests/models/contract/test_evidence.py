"""Lists end where nothing leads from a history to an item: against brute force for all models that score by paths, and fallbacks."""

import importlib.util

import numpy as np
import pytest

import minirec as mr
from minirec.data.dataset import Dataset
from minirec.engine.ranking.scorers import LinearScorer
from minirec.engine.sparse import CSR

DATA = mr.synthetic(n_users=60, n_items=90, n_events=160, seed=4).compact()
EVERY = 10**6
BACKENDS = ("numpy", "numba") if importlib.util.find_spec("numba") else ("numpy",)


def two_steps(x):
    """Items that a user with an item of the history has."""
    return (x @ x.T @ x) > 0


def connected(x):
    reached = x > 0
    for _ in range(len(x)):
        reached = (reached @ x.T @ x) > 0
    return reached


def by_weights(model, x):
    weights = model.weights_.to_dense() if isinstance(model.weights_, CSR) else model.weights_
    return (x @ (weights != 0)) > 0


def by_neighbors(model, x):
    near = model._scorer(model._profiles_of(np.arange(len(x), dtype=np.int32))).neighbours(0, len(x)).to_dense()
    return ((near != 0) @ x) > 0


MODELS = {
    "userknn": (mr.UserKNN(neighbors=5), by_neighbors),
    "userknn-weights": (mr.UserKNN(neighbors=5, use_weights=True), by_neighbors),
    "itemknn": (mr.ItemKNN(neighbors=5), by_weights),
    "rp3beta": (mr.RP3beta(neighbors=5), by_weights),
    "slim": (mr.SLIM(), by_weights),
    "ease": (mr.EASE(regularization=1.0), by_weights),
    "turbocf": (mr.TurboCF(), by_weights),
    "gfcf": (mr.GFCF(alpha=0.0), lambda model, x: two_steps(x)),
    "pagerank": (mr.PersonalizedPageRank(), lambda model, x: connected(x)),
    "hittingtime": (mr.HittingTime(steps=60), lambda model, x: connected(x)),
}


@pytest.mark.parametrize("name", MODELS)
def test_exactly_the_items_with_evidence_are_listed(name):
    model, brute = MODELS[name]
    x = DATA.matrix.to_dense() > 0
    for backend in BACKENDS:
        with mr.options(backend=backend):
            fitted = model.clone().fit(DATA)
            found = fitted.recommend(k=EVERY)
        expected = brute(fitted, x.astype(float)) & ~x
        for row, (_, items, scores) in enumerate(found):
            assert set(items) == set(DATA.items.ids(np.flatnonzero(expected[row])))
            assert (np.diff(scores) <= 0).all()
    assert expected.sum() < (~x).sum()  # there is something to leave out


def test_scores_that_cancel_and_negative_ones_are_evidence():
    weights = np.zeros((4, 4), np.float32)
    weights[0, 2], weights[1, 2], weights[0, 3] = 1.0, -1.0, -0.5
    history = CSR.from_pairs(np.array([0, 0]), np.array([0, 1]), None, (1, 4))
    sparse = CSR.from_pairs(*np.nonzero(weights), weights[np.nonzero(weights)], (4, 4))
    for form in (weights, sparse):
        scorer = LinearScorer(history, form, "numpy")
        scores = scorer.block(0, 1)
        assert scores[0].tolist() == [0, 0, 0, -0.5]
        scorer.drop_unknown(0, 1, scores)
        assert scores[0].tolist() == [-np.inf, -np.inf, 0, -0.5]


def test_no_place_without_evidence_on_sparse_data():
    data = mr.synthetic(n_users=2000, n_items=3000, n_events=12000, seed=0)
    found = mr.UserKNN(neighbors=20).fit(data).recommend(k=10)
    assert (found.scores > 0).all()
    assert 0 < len(found.rows) < 10 * len(found)


def test_a_fallback_fills_the_places_behind():
    model, popular = mr.UserKNN(neighbors=5).fit(DATA), mr.Popularity().fit(DATA)
    own, both = model.recommend(k=20), model.recommend(k=20, fallback=popular)
    seen = [set(DATA.items.ids(DATA.matrix.row(row)[0])) for row in range(DATA.n_users)]
    ranking = popular.recommend(history=[[]], k=EVERY)[0].items
    for row, (mine, whole) in enumerate(zip(own, both, strict=True)):
        assert whole.items[: len(mine.items)] == mine.items
        left = [item for item in ranking if item not in seen[row] and item not in mine.items]
        assert whole.items == (mine.items + left)[:20]
    histories = [DATA.items.ids(DATA.matrix.row(row)[0]) for row in range(8)]
    new = model.recommend(history=histories, k=20, fallback=popular)
    assert all(len(items) == 20 and not set(items) & set(given) for given, (_, items, _) in zip(histories, new, strict=True))


def test_a_fallback_of_another_catalogue_goes_by_ids():
    model = mr.ItemKNN().fit(Dataset.from_arrays([1, 1, 2, 2, 3], ["a", "b", "a", "c", "d"]))
    other = mr.ItemKNN().fit(Dataset.from_arrays([7, 7, 3, 3, 9], ["d", "x", "d", "y", "a"]))
    found = model.recommend([1, 3], k=5, fallback=other)
    assert [items for _, items, _ in found] == [["c"], ["x"]]  # user 3 has d and y there
