"""The rule that chooses needs nothing but the figures of candidates: three picks, verdicts, bestsellers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import minirec as mr
from minirec.errors import ParameterError
from minirec.evaluation.measure import Measured
from minirec.pipeline import Verdict, choose
from minirec.pipeline.choice import tail_amount


def result(values: dict[str, tuple[float, float, float]], users: int = 100) -> mr.Result:
    """Candidates {name: (NDCG, its spread that is the model's own, tail NDCG)} on some users; coverage is 0.5."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=users)
    measured = {}
    for name, (ndcg, spread, tail) in values.items():
        own = rng.normal(size=users) * spread
        per_user = {"ndcg@20": ndcg + 0.01 * noise + own - own.mean(), "tail.ndcg@20": np.full(users, tail)}
        measured[name] = Measured(per_user, {"coverage@20": 0.5})
    return mr.Result(list(range(users)), measured, {}, {}, {"k": [10, 20], "seed": 0}, {})


def test_of_models_that_are_as_good_the_one_with_the_most_tail() -> None:
    found = choose(result({"a": (0.30, 0.1, 0.1), "b": (0.298, 0.1, 0.3), "c": (0.1, 0.1, 0.9)}))
    assert found.picks == {"accurate": "a", "balanced": "b", "tail": "b"}
    assert found.default == "b"
    assert found.verdicts == {"a": Verdict.BEST, "b": Verdict.AS_GOOD, "c": Verdict.BELOW}


def test_a_significant_loss_is_for_the_tail_pick_alone_and_within_the_price() -> None:
    figures = result({"a": (0.30, 0.001, 0.1), "b": (0.295, 0.001, 0.3), "c": (0.28, 0.001, 0.9)})
    assert choose(figures).picks == {"accurate": "a", "balanced": "a", "tail": "b"}
    assert choose(figures).verdicts["b"] is Verdict.WITHIN_PRICE
    assert choose(figures, price=0.1).picks["tail"] == "c"
    assert choose(figures, price=0.0).picks["tail"] == "a"


@pytest.mark.parametrize(("prefer", "default"), [("accuracy", "a"), ("balanced", "a"), ("tail", "b")])
def test_the_preference_names_the_default(prefer: str, default: str) -> None:
    assert choose(result({"a": (0.30, 0.001, 0.1), "b": (0.295, 0.001, 0.3)}), prefer=prefer).default == default


def test_nobody_with_a_tail_item_leaves_accuracy_to_decide() -> None:
    assert choose(result({"a": (0.2, 0.1, math.nan), "b": (0.201, 0.1, math.nan)})).default == "b"


def test_a_reference_is_picked_only_where_bestsellers_beat_everything() -> None:
    near = result({"popularity": (0.31, 0.1, 0.0), "a": (0.30, 0.1, 0.1)})
    assert choose(near, ("popularity",), popular="popularity").default == "a"
    assert choose(near, ("popularity",), popular="popularity").verdicts["popularity"] is Verdict.REFERENCE
    above = result({"popularity": (0.31, 0.001, 0.0), "a": (0.30, 0.001, 0.1)})
    found = choose(above, ("popularity",), popular="popularity")
    assert set(found.picks.values()) == {"popularity"}
    assert found.verdicts == {"popularity": Verdict.BEST, "a": Verdict.BELOW}
    assert choose(result({"popularity": (0.3, 0.1, 0.0)}), ("popularity",)).default == "popularity"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.floats(0.01, 1), st.floats(0, 0.2), st.floats(0, 1)), min_size=1, max_size=6), st.floats(0, 0.5))
def test_the_picks_are_ordered(rows: list[tuple[float, float, float]], price: float) -> None:
    figures = result({str(at): row for at, row in enumerate(rows)}, users=30)
    found, numbers = choose(figures, price=price), figures.to_dict()

    def of(kind: str) -> tuple[float, float]:
        row = numbers[found.picks[kind]]
        return row["ndcg@20"], tail_amount(row, 20)

    (accurate, first), (balanced, second), (tail, third) = of("accurate"), of("balanced"), of("tail")
    assert accurate == max(row["ndcg@20"] for row in numbers.values())
    assert first <= second <= third
    assert tail >= accurate * (1 - price)
    assert balanced >= accurate * (1 - price / 2)
    assert not found.gaps[found.balanced].below


def test_what_cannot_be_meant() -> None:
    figures = result({"a": (0.3, 0.1, 0.1)})
    with pytest.raises(ParameterError, match="prefer must be one of accuracy, balanced, tail"):
        choose(figures, prefer="speed")
    for price in (-0.1, 1.0, True):
        with pytest.raises(ParameterError, match="price is a share"):
            choose(figures, price=price)
    assert choose(result({"a": (0.3, 0.1, 0.1), "b": (0.2, 0.1, 0.1)}, users=1)).default == "a"


def test_every_verdict_has_a_sentence() -> None:
    assert len({verdict.sentence for verdict in Verdict}) == len(Verdict)
