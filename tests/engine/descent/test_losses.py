"""Losses against their definitions, and their pulls against finite differences in float64."""

import math

import naive_sgd as naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirec.engine.descent import losses

LOSSES = {
    "pairwise_logistic": (lambda x, _: losses.pairwise_logistic(x), lambda x, _: naive.bpr([x, 0.0], None)),
    "weighted_hinge": (losses.weighted_hinge, lambda x, w: naive.warp([x, 0.0], w)),
    "logistic": (losses.logistic, lambda x, c: naive.logistic([x], c)),
    "squared": (losses.squared, lambda x, r: naive.rating([x], r)),
}


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=40, deadline=None)
@given(x=st.floats(-20, 20), extra=st.floats(0.1, 5))
def test_value_and_pull(name, x, extra):
    function, definition = LOSSES[name]
    score, h = np.array([x]), 1e-6
    value, pull = function(score, np.array([extra]))
    assert math.isclose(value[0], definition(x, extra), rel_tol=1e-6, abs_tol=1e-9)
    if name == "weighted_hinge" and abs(x - 1) < 1e-3:
        return  # the hinge has no derivative at the margin
    slope = (function(score + h, extra)[0] - function(score - h, extra)[0]) / (2 * h)
    assert abs(pull[0] + slope[0]) <= 1e-6 * (1 + abs(x) + extra)


def test_extreme_scores_stay_finite():
    x = np.array([-1e4, -800.0, 0.0, 800.0, 1e4])
    for function, extra in ((losses.pairwise_logistic, ()), (losses.logistic, (2.0,))):
        for part in function(x, *extra):
            assert np.isfinite(part).all()
    assert np.array_equal(losses.sigmoid(x), [0, 0, 0.5, 1, 1])
    assert losses.sigmoid(x.astype(np.float32)).dtype == np.float32


def test_the_logistic_loss_is_least_at_the_log_of_the_confidence():
    c = np.array([0.5, 1.0, 7.0])
    assert np.abs(losses.logistic(np.log(c), c)[1]).max() < 1e-12


def test_the_hinge_ends_at_the_margin():
    assert losses.weighted_hinge(np.array([0.5, 1.0, 2.0]), np.array([3.0, 3.0, 3.0]))[1].tolist() == [3, 0, 0]


def test_rank_weights_are_harmonic_numbers():
    found = losses.rank_weights(50)
    assert found.dtype == np.float32
    assert found.tolist() == pytest.approx([sum(1 / s for s in range(1, k + 1)) for k in range(51)], rel=1e-6)
