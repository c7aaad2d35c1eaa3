"""Graph filters against their formulas in dense algebra, with every eigenvector at hand."""

import numpy as np
import pytest

from minirec import BSPM, GFCF, ChebyCF, Dataset, TurboCF, options
from minirec.errors import MemoryBudgetError, NotSupportedError, ParameterError
from minirec.testing.sets import shop
from minirec.testing.tools import all_scores

K = 5
EXPONENTS = [{}, {"user_exponent": 0.3, "item_exponent": 0.7, "tail_exponent": 0.2}]


class Dense:
    """X, R, G, V and the degrees of the items."""

    def __init__(self, data, user_exponent=0.5, item_exponent=0.5, tail_exponent=0.0, factors=K):
        self.x = (data.matrix.to_dense() > 0).astype(float)
        self.d, self.b, self.t = self.x.sum(axis=0), item_exponent, tail_exponent
        r = self.x.sum(axis=1)[:, None] ** -user_exponent * self.x * self.d**-item_exponent
        r /= np.linalg.norm(r, 2)
        self.g = r.T @ r
        self.values, self.vectors = np.linalg.eigh(self.g)
        self.v = self.vectors[:, -factors:]

    def tail(self, weights):
        """The scores by item weights."""
        return self.x @ weights * self.d**-self.t

    def low_pass(self, power):
        return self.d[:, None] ** -power * (self.v @ self.v.T) * self.d**power

    def function(self, transfer):
        return self.vectors @ (transfer(self.values)[:, None] * self.vectors.T)


def agrees(model, expected):
    found = all_scores(model)
    assert np.abs(found - expected).max() <= 2e-5 * np.abs(expected).max()
    return model


@pytest.mark.parametrize("exponents", EXPONENTS)
@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_gfcf(exponents, alpha):
    data = shop()
    dense = Dense(data, **exponents)
    model = agrees(GFCF(factors=K, alpha=alpha, **exponents).fit(data), dense.tail(dense.g + alpha * dense.low_pass(dense.b)))
    assert model.outward_.shape == (K if alpha else 0, 24)


def plateau(z, flatness):
    return 0.5 - 0.5 * np.sign(z) * np.abs(z) ** flatness


@pytest.mark.parametrize("exponents", EXPONENTS)
@pytest.mark.parametrize(("order", "flatness"), [(1, 1.0), (3, 1.5), (8, 10.0)])
def test_chebycf(exponents, order, flatness):
    data = shop()
    dense = Dense(data, **exponents)
    j = np.arange(order + 1)
    nodes, values = np.cos((2 * j + 1) * np.pi / (2 * order + 2)), plateau(np.round(np.cos(j * np.pi / order), 12), flatness)
    interpolation = np.polyfit(nodes, values, order)  # the polynomial through all points
    weights = dense.function(lambda g: np.polyval(interpolation, 1 - 2 * g)) + 0.2 * dense.v @ dense.v.T
    expected = dense.tail(dense.d[:, None] ** -0.4 * weights * dense.d**0.4)
    agrees(ChebyCF(order=order, flatness=flatness, factors=K, **exponents).fit(data), expected)


@pytest.mark.parametrize("exponents", EXPONENTS)
@pytest.mark.parametrize("merge", ["early", "late"])
@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize(("solver", "steps", "time"), [("euler", 1, 1.2), ("rk4", 1, 2.5), ("rk4", 3, 2.2), ("euler", 2, 0.0)])
def test_bspm(exponents, merge, average, solver, steps, time):
    data = shop()
    dense = Dense(data, **exponents)
    ideal = 0.2 * dense.low_pass(dense.b)
    signal = dense.g + ideal if merge == "early" else dense.g
    signals = [dense.g]  # the blurred signal counts without the ideal part, as in the source
    for _ in range(steps):
        signal = step(signal, dense.g, time / steps, solver)
        signals.append(signal)
    weights = np.mean(signals, axis=0) if average else signals[-1]
    expected = dense.tail(weights if merge == "early" else weights + ideal)
    model = BSPM(factors=K, sharpening_time=time, sharpening_steps=steps, solver=solver, merge=merge, average=average, **exponents)
    agrees(model.fit(data), expected)


def step(y, g, tau, solver):
    """One step of dy/dt = -y G."""
    k1 = -y @ g
    if solver == "euler":
        return y + tau * k1
    k2 = -(y + tau / 2 * k1) @ g
    k3 = -(y + tau / 2 * k2) @ g
    k4 = -(y + tau * k3) @ g
    return y + tau / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


@pytest.mark.parametrize("exponents", EXPONENTS)
@pytest.mark.parametrize("kind", ["linear", "quadratic", "cubic"])
def test_turbocf(exponents, kind):
    data = shop()
    a, b, t = (exponents.get(name, default) for name, default in (("user_exponent", 0.5), ("item_exponent", 0.5), ("tail_exponent", 0.0)))
    x = (data.matrix.to_dense() > 0).astype(float)
    d = x.sum(axis=0)
    r = x.sum(axis=1)[:, None] ** -a * x * d**-b
    p = (r.T @ r) ** 0.7
    weights = {"linear": p, "quadratic": 2 * p - p @ p, "cubic": p + 0.01 * (-p @ p @ p + 10 * p @ p - 29 * p)}[kind]
    agrees(TurboCF(power=0.7, filter=kind, **exponents).fit(data), x @ weights * d**-t)


def test_no_sharpening_is_gfcf():
    data = shop()
    expected = all_scores(GFCF(factors=K, alpha=0.3).fit(data))
    assert all_scores(BSPM(factors=K, alpha=0.3, sharpening_time=0.0).fit(data)) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_the_tail_exponent_takes_popularity_out():
    data = shop(n_users=200)
    counts = data.item_counts

    def popularity(tail_exponent):
        model = GFCF(factors=K, tail_exponent=tail_exponent).fit(data)
        return counts[model.recommend(k=5).rows].mean()

    means = [popularity(t) for t in (0.0, 0.3, 0.8)]
    assert means == sorted(means, reverse=True)
    assert means[0] > means[-1]


def test_weights_of_events_do_not_count():
    data = shop()
    assert all_scores(GFCF(factors=K).fit(data)).tobytes() == all_scores(GFCF(factors=K).fit(data.with_columns(weight=None))).tobytes()


def test_a_second_fit_forgets_the_graph():
    first, second = shop(), shop(seed=1)
    model = ChebyCF(factors=K).fit(first)
    model.recommend()
    model.beta = 0.1
    fresh = ChebyCF(factors=K, beta=0.1)
    assert all_scores(model.fit(first)).tobytes() == all_scores(fresh.fit(first)).tobytes()
    assert all_scores(model.fit(second)).tobytes() == all_scores(fresh.fit(second)).tobytes()


def test_files_without_users(tmp_path):
    with pytest.raises(NotSupportedError, match="items_only"):
        GFCF(factors=K).fit(shop()).save(tmp_path / "model.npz", items_only=True)
    TurboCF().fit(shop()).save(tmp_path / "turbo.npz", items_only=True)
    assert len(TurboCF.load(tmp_path / "turbo.npz").recommend(history=[[500, 503]])[0].items) == 10


def test_more_factors_than_the_rank():
    """Two users who share nothing: the graph has two frequencies, both of value 1."""
    data = Dataset.from_arrays([1, 1, 2, 2, 2], list("abcde"))
    model = GFCF(factors=50, alpha=1.0).fit(data)
    assert model.inward_.shape == (5, 2)
    for history, others in ((["a"], ["b"]), (["c", "d"], ["e"])):
        items, scores = model.recommend(history=[history])[0][1:]
        assert items[: len(others)] == others
        assert scores[0] > 0.1
        assert scores[len(others) :] == pytest.approx(np.zeros(len(scores) - len(others)), abs=1e-6)


@pytest.mark.parametrize(
    ("cls", "wrong"),
    [
        (GFCF, {"factors": 0}),
        (GFCF, {"alpha": -0.1}),
        (GFCF, {"tail_exponent": -1.0}),
        (ChebyCF, {"order": 0}),
        (ChebyCF, {"flatness": 0.0}),
        (BSPM, {"solver": "heun"}),
        (BSPM, {"merge": "never"}),
        (BSPM, {"sharpening_time": -1.0}),
        (TurboCF, {"power": 0.0}),
        (TurboCF, {"filter": "ideal"}),
    ],
)
def test_bad_parameters(cls, wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        cls(**wrong).fit(shop())


@pytest.mark.parametrize("cls", [GFCF, ChebyCF, BSPM, TurboCF])
def test_the_budget_names_what_is_needed(cls):
    with options(memory=1000), pytest.raises(MemoryBudgetError, match=f"{cls.__name__} on 36 users and 24 items"):
        cls().fit(shop())
