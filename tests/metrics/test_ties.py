"""Expectations over the order of ties, against every order."""

import naive
import naive_metrics
import naive_ties
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_metrics_oracles import sets_as_csr

from minirec.metrics.accuracy import relevant_in
from minirec.metrics.ties import Expected, Ties, share_of_ties

TWINS = {
    "precision": naive.precision,
    "recall": naive.recall,
    "recall_capped": naive.recall_capped,
    "f1": naive.f1,
    "ndcg": naive.ndcg,
    "map": naive.average_precision,
    "map_trec": naive_metrics.map_trec,
    "mrr": naive.reciprocal_rank,
    "hitrate": naive.hitrate,
}


@settings(max_examples=120, deadline=None)
@given(
    scores=st.lists(st.integers(0, 2), min_size=1, max_size=6),
    relevant=st.sets(st.integers(0, 7), min_size=1),
    places=st.integers(1, 7),
    k=st.integers(1, 7),
    group=st.sets(st.integers(0, 7)),
)
def test_expectations_equal_the_mean_over_all_orders(scores, relevant, places, k, group):
    k = min(k, places)
    scores = sorted(scores, reverse=True)
    items = list(range(len(scores)))  # all candidates; the list holds the first `places` of them
    shown = scores[:places]
    beyond = [item for item in items[places:] if scores[item] == shown[-1]]
    table = np.array([[*shown, *[np.nan] * (places - len(shown))]], float)
    for wanted, mask in ((relevant, None), (relevant & group, np.isin(np.arange(8), list(group)))):
        ties = Ties(table, np.array([len(beyond)]), sets_as_csr([set(beyond) & relevant], 8))
        hit = np.array([[at < len(shown) and at in wanted for at in range(places)]])
        found = Expected.of(hit, ties, mask)
        counts = relevant_in(sets_as_csr([relevant], 8), mask)
        for name, twin in TWINS.items():
            if wanted:
                expected = naive_ties.expectation(twin, items, scores, wanted, k)
                assert found.value(name, counts, k)[0] == pytest.approx(expected), name
    tied = [scores.count(score) > 1 for score in shown]
    share = share_of_ties(ties.tied(), ~np.isnan(ties.scores), k)[0]
    assert share == pytest.approx(sum(tied[:k]) / len(tied[:k]))


def test_without_ties_an_expectation_is_the_value():
    scores = np.array([[3.0, 2.0, 1.0], [0.5, np.nan, np.nan]])
    ties = Ties(scores, np.zeros(2, np.int64), sets_as_csr([set(), set()], 4))
    hit = np.array([[False, True, True], [True, False, False]])
    found = Expected.of(hit, ties)
    np.testing.assert_array_equal(found.linear.at, hit)
    np.testing.assert_array_equal(found.found.upto, [[0, 1, 1], [1, 1, 1]])
    assert not ties.tied().any()
