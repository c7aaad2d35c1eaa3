"""Finite differences, for the tests of hand-derived gradients."""

import numpy as np


def numeric(function, arrays, direction, step=1e-6):
    """The gradients of sum(direction * function(*arrays)) by each of the arrays (float64), by central differences."""
    found = []
    for at, array in enumerate(arrays):
        gradient = np.empty_like(array)
        for place in np.ndindex(array.shape):
            ends = []
            for sign in (1, -1):
                moved = array.copy()
                moved[place] += sign * step
                ends.append((direction * function(*arrays[:at], moved, *arrays[at + 1 :])).sum())
            gradient[place] = (ends[0] - ends[1]) / (2 * step)
        found.append(gradient)
    return found


def error(found, expected):
    """The largest difference relative to the largest number expected."""
    assert found.shape == expected.shape
    return np.abs(found - expected).max() / np.abs(expected).max()
