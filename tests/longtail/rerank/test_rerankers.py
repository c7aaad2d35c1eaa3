"""Re-rankers against slow versions of their definitions, their guarantees, and what all of them promise."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minirec as mr
from minirec.errors import DataError, NotFittedError, ParameterError
from minirec.longtail.rerank.candidates import Candidates
from minirec.longtail.rerank.contract import Reranker
from minirec.longtail.rerank.fair_star import adjusted_table, fail_probability, minimum_table
from minirec.longtail.rerank.positions import birkhoff, fair_matrix

KINDS = ("a", "b", "c", "d")


def market(seed=0, users=30, items=40, longest=25):
    """Lists of candidates, a table of items with a kind, a brand, a price and vectors, and events of the users."""
    rng = np.random.default_rng(seed)
    names = [f"i{at:02d}" for at in range(items)]
    lists = {}
    for user in range(users):
        some = rng.choice(items, int(rng.integers(12, longest)), replace=False)
        lists[user] = [(names[item], float(score)) for item, score in zip(some, -np.sort(-rng.gamma(2, 1, len(some))), strict=True)]
    table = {
        "kind": {name: "|".join(sorted(rng.choice(KINDS, rng.integers(1, 3), replace=False))) for name in names},
        "brand": {name: f"b{int(rng.integers(0, 5))}" for name in names},
        "price": {name: float(rng.integers(1, 50)) for name in names},
        "vectors": {name: rng.standard_normal(6) for name in names},
    }
    events = mr.Dataset.from_arrays(rng.integers(0, users, 600), [names[item] for item in rng.zipf(1.5, 600) % items])
    return lists, table, events


STRONG = {
    "mmr": {"by": "kind", "weight": 0.7},
    "dpp": {"by": "kind", "weight": 0.7},
    "xquad": {"by": "kind", "weight": 0.9},
    "calibration": {"by": "kind", "weight": 0.9},
    "popularity-compensation": {"weight": 5.0},
    "propensity": {"weight": 1.0},
    "fastar": {"by": "brand", "protected": "b0", "share": 0.6},
    "fair-exposure": {"by": "brand"},
    "fairrec": {"by": "brand"},
    "pmmf": {"by": "brand", "weight": 1.0, "rate": 0.1},
    "cpfair": {"by": "brand", "weight": 1.0},
    "amortized": {"by": "brand", "weight": 1.0},
    "fairco": {"by": "brand", "weight": 1.0},
    "rules": {"caps": {"brand": 1}},
    "equal-exposure": {"by": "brand", "weight": 1.0},
    "exposure": {"by": "brand", "floor": 0.15},
}
IDLE = {
    "fastar": {"alpha": 0.0},
    "fair-exposure": {"rule": "none"},
    "fairrec": {"share": 0.0},
    "rules": {"caps": None},
    "exposure": {"floor": 0.0},
}


def test_every_method_is_tested():
    assert set(STRONG) == set(mr.rerank.METHODS)


@pytest.mark.parametrize("name", STRONG)
def test_without_strength_the_lists_stay_and_with_it_they_move(name):
    lists, table, events = market()
    cls, given = mr.rerank.METHODS[name], STRONG[name]
    idle = cls(k=5, **given | IDLE.get(name, {"weight": 0.0})).apply(lists, events=events, items=table)
    assert idle.to_dict() == {user: [(i, pytest.approx(s, rel=1e-6)) for i, s in entries[:5]] for user, entries in lists.items()}
    assert idle.cost == pytest.approx(0, abs=1e-12)
    moved = cls(k=5, **given).apply(lists, events=events, items=table)
    assert moved.to_dict() != idle.to_dict()
    for user, found in moved.to_dict().items():
        listed = [item for item, _ in found]
        assert len(listed) == len(set(listed)) <= 5
        assert set(listed) <= {item for item, _ in lists[user]}
    again = cls(k=5, **given).apply(lists, events=events, items=table)
    assert again.to_dict() == moved.to_dict()


@pytest.mark.parametrize("name", STRONG)
def test_a_list_that_is_too_short_stays_whole(name):
    lists, table, events = market(users=5)
    lists[99] = lists[0][:2]
    lists[98] = []
    found = mr.rerank.METHODS[name](k=4, **STRONG[name]).apply(lists, events=events, items=table).to_dict()
    if name != "rules":
        assert {item for item, _ in found[99]} == {item for item, _ in lists[99]}
    assert found[98] == []


def slow(lists, k, value):
    """Greedy: at each place the candidate of the highest value(entries, listed, candidate), earlier ones first."""
    out = {}
    for user, entries in lists.items():
        listed, left = [], list(range(len(entries)))
        while left and len(listed) < k:
            values = [value(user, entries, listed, at) for at in left]
            at = left[int(np.argmax(np.round(values, 10)))]
            listed.append(at)
            left.remove(at)
        out[user] = [entries[at][0] for at in listed]
    return out


def relevance(entries, at):
    scores = [score for _, score in entries]
    return (scores[at] - min(scores)) / (max(scores) - min(scores))


def items_of(found):
    return {user: [item for item, _ in entries] for user, entries in found.to_dict().items()}


def test_mmr_step_by_step():
    lists, table, _ = market(3)
    unit = {name: vector / np.linalg.norm(vector) for name, vector in table["vectors"].items()}

    def value(user, entries, listed, at):
        near = max((unit[entries[at][0]] @ unit[entries[j][0]] for j in listed), default=0.0)
        return 0.6 * relevance(entries, at) - 0.4 * near

    assert items_of(mr.rerank.MMR(k=6, weight=0.4, by="vectors").apply(lists, items=table)) == slow(lists, 6, value)


@pytest.mark.parametrize("window", [None, 3])
def test_dpp_is_the_greedy_determinant(window):
    lists, table, _ = market(4)
    unit = {name: (vector / np.linalg.norm(vector)).astype(np.float32) for name, vector in table["vectors"].items()}

    def value(user, entries, listed, at):
        last = listed if window is None else listed[max(0, len(listed) - window + 1) :]

        def log_det(some):
            vectors = np.array([unit[entries[j][0]] for j in some], np.float64).reshape(len(some), 6)
            return np.linalg.slogdet(vectors @ vectors.T + 1e-3 * np.eye(len(some)))[1] if some else 0.0

        return 0.5 * relevance(entries, at) + 0.5 * (log_det([*last, at]) - log_det(last))

    assert items_of(mr.rerank.DPP(k=5, weight=0.5, by="vectors", window=window).apply(lists, items=table)) == slow(lists, 5, value)


def profile(events, table, user):
    mine = [item for u, item in zip(events.users.ids(events.user), events.items.ids(events.item), strict=True) if u == user]
    share = dict.fromkeys(KINDS, 0.0)
    for item in set(mine):
        for kind in table["kind"][item].split("|"):
            share[kind] += 1 / len(table["kind"][item].split("|")) / len(set(mine))
    return share


def test_calibration_step_by_step():
    lists, table, events = market(5)
    wanted = {user: profile(events, table, user) for user in lists}

    def value(user, entries, listed, at):
        some = [*listed, at]
        q = dict.fromkeys(KINDS, 0.0)
        for j in some:
            kinds = table["kind"][entries[j][0]].split("|")
            for kind in kinds:
                q[kind] += 1 / len(kinds) / len(some)
        p = wanted[user]
        kl = sum(p[kind] * math.log(p[kind] / (0.99 * q[kind] + 0.01 * p[kind])) for kind in KINDS if p[kind] > 0)
        return 0.3 * relevance(entries, at) - 0.7 * kl

    assert items_of(mr.rerank.Calibration(k=6, weight=0.7, by="kind").apply(lists, events=events, items=table)) == slow(lists, 6, value)


@pytest.mark.parametrize("smooth", [True, False])
def test_xquad_step_by_step(smooth):
    lists, table, events = market(6)
    wanted = {user: profile(events, table, user) for user in lists}

    def value(user, entries, listed, at):
        kinds, total = table["kind"][entries[at][0]].split("|"), 0.0
        for kind in kinds:
            shares = [
                (1 / len(table["kind"][entries[j][0]].split("|"))) if kind in table["kind"][entries[j][0]].split("|") else 0.0
                for j in listed
            ]
            left = 1 - sum(shares) / max(len(listed), 1) if smooth else math.prod(1 - share for share in shares)
            total += wanted[user][kind] / len(kinds) * left
        return 0.4 * relevance(entries, at) + 0.6 * total

    found = mr.rerank.XQuAD(k=6, weight=0.6, by="kind", smooth=smooth).apply(lists, events=events, items=table)
    assert items_of(found) == slow(lists, 6, value)


def test_tables_of_fa_star_ir():
    table = minimum_table(20, 0.25, 0.1)
    assert table == [0] * 8 + [1] * 6 + [2] * 5 + [3]
    assert fail_probability(table, 0.25) == pytest.approx(0.146887188699111, abs=1e-14)
    adjusted = adjusted_table(20, 0.25, 0.1)
    assert list(adjusted) == [0] * 8 + [1] * 7 + [2] * 5
    assert fail_probability(adjusted, 0.25) == pytest.approx(0.10515247, abs=1e-8)
    assert fail_probability(adjusted_table(20, 0.25, 0.1, "at most"), 0.25) <= 0.1


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.floats(0.05, 0.95), st.floats(0.01, 0.4))
def test_the_fail_probability_by_all_draws(k, p, alpha):
    table = minimum_table(k, p, alpha)
    failing = sum(
        math.prod(p if one else 1 - p for one in draw)
        for draw in itertools.product((0, 1), repeat=k)
        if any(sum(draw[: n + 1]) < table[n] for n in range(k))
    )
    assert fail_probability(table, p) == pytest.approx(failing, abs=1e-12)


def test_prefixes_of_fa_star_ir_hold():
    lists, table, _ = market(7)
    method = mr.rerank.FAStar(k=10, by="brand", protected="b1", share=0.5, alpha=0.1)
    for user, found in method.apply(lists, items=table).to_dict().items():
        inside = np.cumsum([table["brand"][item] == "b1" for item, _ in found])
        there = sum(table["brand"][item] == "b1" for item, _ in lists[user])
        assert all(have >= min(least, there) for have, least in zip(inside, method.table(), strict=False))


def test_fair_mixtures_give_groups_the_same_exposure():
    rng = np.random.default_rng(0)
    for n in (4, 5, 8):
        relevance_, groups = 0.8 + 0.2 * rng.random(n), np.arange(n) % 2
        v = 1 / np.log2(np.arange(2, n + 2))
        matrix = fair_matrix(relevance_, groups, "parity")
        assert np.allclose(matrix.sum(axis=0), 1)
        assert np.allclose(matrix.sum(axis=1), 1)
        assert (matrix[groups == 0] @ v).mean() == pytest.approx((matrix[groups == 1] @ v).mean(), abs=1e-8)
        treated = fair_matrix(relevance_, groups, "treatment")
        merit = [relevance_[groups == group].mean() for group in (0, 1)]
        got = [(treated[groups == group] @ v).mean() / merit[group] for group in (0, 1)]
        assert got[0] == pytest.approx(got[1], abs=1e-7)
        mixture = birkhoff(matrix)
        made = np.zeros((n, n))
        for order, share in zip(mixture.orders, mixture.shares, strict=True):
            made[order, np.arange(n)] += share
        assert np.abs(made - matrix).max() < 1e-6


def test_fairrec_gives_each_item_its_copies_where_candidates_allow():
    rng = np.random.default_rng(1)
    lists = {user: [(item, float(score)) for item, score in enumerate(-np.sort(-rng.random(12)))] for user in range(24)}
    table = {"brand": {item: str(item % 3) for item in range(12)}}
    found = mr.rerank.FairRec(k=4, share=0.5, by="brand").apply(lists, items=table)
    counts = np.bincount([item for entries in items_of(found).values() for item in entries], minlength=12)
    assert found.report["copies"] == 4
    assert counts.min() >= 4


def test_rules_hold():
    lists, table, _ = market(8)
    rules = mr.rerank.Rules(
        k=8, ranges={"price": (5, 40)}, values={"brand": ["b0", "b1", "b2"]}, boosts={"brand": {"b2": 3.0}}, caps={"brand": 3}
    )
    for found in items_of(rules.apply(lists, items=table)).values():
        assert all(5 <= table["price"][item] <= 40 for item in found)
        brands = [table["brand"][item] for item in found]
        assert set(brands) <= {"b0", "b1", "b2"}
        assert all(brands.count(brand) <= 3 for brand in brands)
    pinned = lists[0][7][0]
    assert items_of(mr.rerank.Rules(k=5, pins={pinned: 2}).apply(lists, items=table))[0][1] == pinned
    with pytest.raises(ParameterError, match="ranges"):
        mr.rerank.Rules(ranges={"price": 3}).apply(lists, items=table)


def test_lists_of_every_kind_are_read_alike():
    lists, table, _ = market(9)
    method = mr.rerank.MMR(k=5, by="kind")
    found = method.apply(lists, items=table).to_dict()
    rows = [(user, item, score) for user, entries in lists.items() for item, score in entries]
    columns = dict(zip(("user", "item", "score"), map(list, zip(*rows, strict=True)), strict=True))
    assert method.apply(columns, items=table).to_dict() == found
    polars = pytest.importorskip("polars")
    assert method.apply(polars.DataFrame(columns), items=polars.DataFrame(_frame(table))).to_dict() == found
    ranked = {"user": columns["user"], "item": columns["item"], "rank": [at for entries in lists.values() for at in range(len(entries))]}
    assert items_of(mr.rerank.MMR(k=5, weight=0.0).apply(ranked)) == {user: [i for i, _ in e[:5]] for user, e in lists.items()}


def _frame(table):
    return {"item": list(table["kind"]), "kind": list(table["kind"].values())}


def test_bad_lists_and_missing_facts_are_errors():
    with pytest.raises(DataError, match="more than once"):
        Candidates.of({1: [("a", 1.0), ("a", 0.5)]})
    with pytest.raises(DataError, match="nan"):
        Candidates.of({1: [("a", float("nan"))]})
    with pytest.raises(DataError, match="columns user and item"):
        Candidates.of(_Columns(["who", "item"]))
    lists, table, _ = market()
    with pytest.raises(ParameterError, match="needs events"):
        mr.rerank.Calibration(by="kind").apply(lists, items=table)
    with pytest.raises(ParameterError, match="no column 'color'"):
        mr.rerank.MMR(by="color").apply(lists, items=table)
    with pytest.raises(ParameterError, match="weight"):
        mr.rerank.MMR(weight=2.0).apply(lists, items=table)


class _Columns:
    def __init__(self, names):
        self.columns = names


def test_over_a_model():
    data = mr.synthetic(n_users=60, n_items=50, n_events=900, seed=0)
    table = {"kind": {item: KINDS[at % 4] for at, item in enumerate(data.items)}}
    model = mr.ItemKNN(neighbors=20)
    method = mr.rerank.MMR(model=model, k=5, weight=0.6, by="kind", candidates=20)
    with pytest.raises(NotFittedError):
        method.recommend([data.users[0]])
    found = method.fit(data, items=table).recommend(list(data.users)[:10])
    plain = model.recommend(list(data.users)[:10], k=20)
    assert found.to_dict() == mr.rerank.MMR(k=5, weight=0.6, by="kind").apply(plain, items=table).to_dict()
    user = next(user for user, entries in found.to_dict().items() if entries != plain.to_dict()[user][:5])
    moved = method.explain(user)
    assert moved
    assert all(one.item != one.instead_of for one in moved)


def test_methods_are_parametrized():
    for name, cls in mr.rerank.METHODS.items():
        assert issubclass(cls, Reranker)
        assert cls.name == name
        assert "Parameters\n----------" in cls.__doc__
        assert cls(k=3).clone(k=4).get_params()["k"] == 4
