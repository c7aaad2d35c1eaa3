"""Losses of single samples with their derivatives: what stochastic training descends.

Each function takes scores (any float array) and returns (loss, pull), both of the shape of the scores, where the pull is minus the
derivative of the loss by the score: the direction in which descent moves it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..sparse import Floats


def sigmoid(x: Floats) -> Floats:
    """sigma(x) = 1 / (1 + e^-x), without overflow, in the precision of x."""
    small = np.exp(-np.abs(x))
    value: Floats = np.where(x >= 0, 1, small) / (1 + small)
    return value


def pairwise_logistic(difference: Floats) -> tuple[Floats, Floats]:
    """BPR, Rendle et al. 2009, section 4.1: -ln sigma(x), with x = score of the positive less that of the negative; pull sigma(-x) on x."""
    return np.logaddexp(0, -difference), sigmoid(-difference)


def weighted_hinge(difference: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """WARP, Weston et al. 2011, section 4: weight max(0, 1 - x), x as in `pairwise_logistic`; pull: the weight where x < 1, else 0."""
    short = 1 - difference
    return weight * np.maximum(short, 0), np.where(short > 0, weight, 0)


def rank_weights(n: int, dtype: DTypeLike = np.float32) -> Floats:
    """L(k) = sum_{s=1..k} 1/s for k = 0..n, Weston et al. 2011, equation 2 with alpha_s = 1/s: what a rank of k costs. (n + 1,)."""
    steps: NDArray[np.float64] = 1 / np.arange(1, n + 1)
    return np.concatenate(([0.0], np.cumsum(steps))).astype(dtype)


def logistic(score: Floats, confidence: Floats) -> tuple[Floats, Floats]:
    """Johnson 2014, equation 4, its sign turned: (1 + c) ln(1 + e^x) - c x, with confidence c = alpha r, 0 for an unobserved pair.

    Pull c - (1 + c) sigma(x); the loss is least at x = ln c.
    """
    return (1 + confidence) * np.logaddexp(0, score) - confidence * score, confidence - (1 + confidence) * sigmoid(score)


def squared(score: Floats, rating: Floats) -> tuple[Floats, Floats]:
    """(r - x)^2 / 2; pull: the error r - x."""
    error: Any = rating - score
    return error**2 / 2, error
