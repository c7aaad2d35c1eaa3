"""Finite differences, for the tests of hand-derived gradients."""

import numpy as np
from naive_sgd import numerical_gradients


def numeric(function, arrays, direction, step=1e-6):
    """The gradients of sum(direction * function(*arrays)) by each of the arrays (float64), by central differences."""
    return numerical_gradients(lambda moved: (direction * function(*moved)).sum(), arrays, step)


def error(found, expected):
    """The largest difference relative to the largest number expected."""
    assert found.shape == expected.shape
    return np.abs(found - expected).max() / np.abs(expected).max()
