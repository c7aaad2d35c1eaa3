"""Figures of how exposure falls on the items of a catalogue, for many weightings of the items at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def gini(exposure: Floats, times: Floats) -> Floats:
    """Gini index G = sum_i t_i e_i (2 F_i - t_i - N) / ((N - 1) sum_i t_i e_i), F the running sum of t over ascending e, N = F_n.

    exposure : float64 (n, B) or (n, 1). times : how often each item counts, float64 (n, B) or (n, 1). With times 1 it is the index
    of `minirec.metrics.beyond.gini`. O(n log n B). 0 = every item alike, 1 = one item has all.
    """
    order = np.argsort(exposure, axis=0, kind="stable")
    value = np.take_along_axis(exposure, order, 0)
    if times.shape[1] == 1 and (times == 1.0).all():
        count = np.ones((len(exposure), 1))
    else:
        count = times[order[:, 0]] if order.shape[1] == 1 else np.take_along_axis(np.broadcast_to(times, exposure.shape), order, 0)
    running = np.cumsum(count, 0)
    total = running[-1]
    mass = count * value
    whole = mass.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = (mass * (2.0 * running - count - total)).sum(0) / ((total - 1.0) * whole)
    return found


def entropy(exposure: Floats, times: Floats) -> Floats:
    """-sum_i t_i p_i ln p_i / ln N with p_i = e_i / sum_j t_j e_j, N = sum t: 1 = every item alike, 0 = one item has all."""
    with np.errstate(invalid="ignore", divide="ignore"):
        share = exposure / (times * exposure).sum(0)
        terms = np.where(share > 0, share * np.log(np.where(share > 0, share, 1.0)), 0.0)
        found: Floats = -(times * terms).sum(0) / np.log((times * np.ones_like(exposure)).sum(0))
    return found


def jain(exposure: Floats, times: Floats) -> Floats:
    """Jain's index (sum_i t_i e_i)^2 / (N sum_i t_i e_i^2): 1 = every item alike, 1 / N = one item has all. Jain et al. 1984."""
    count = (times * np.ones_like(exposure)).sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = (times * exposure).sum(0) ** 2 / (count * (times * exposure**2).sum(0))
    return found


def coverage(exposure: Floats, times: Floats) -> Floats:
    """sum_i t_i [e_i > 0] / sum_i t_i: the share of the catalogue that is shown to anybody."""
    shown = exposure > 0
    found: Floats = (times * shown).sum(0) / (times * np.ones_like(exposure)).sum(0)
    return found


CONCENTRATION: dict[str, Callable[[Floats, Floats], Floats]] = {"gini": gini, "entropy": entropy, "jain": jain, "coverage": coverage}
