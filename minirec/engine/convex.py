"""Newton's method for small smooth convex problems: the vector of a new user, the items fixed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[np.float64]
Problem: TypeAlias = Callable[[Vector], tuple[float, Vector, Vector]]
STEPS = 30
TOLERANCE = 1e-9  # of what a step still gains, relative to the loss


def newton(problem: Problem, d: int) -> Vector:
    """The minimiser of a strictly convex function of d numbers, from 0: damped Newton (Boyd & Vandenberghe 2004, algorithm 9.5).

    problem(x) gives the value, the gradient (d,) and the Hessian (d, d). Full steps are halved until they gain.
    """
    x = np.zeros(d)
    value, gradient, hessian = problem(x)
    for _ in range(STEPS):
        step = np.linalg.solve(hessian, gradient)
        gain = float(gradient @ step)
        if gain <= TOLERANCE * abs(value):
            break
        size = 1.0
        found = problem(x - step)
        while found[0] > value - 0.1 * size * gain and size > 1e-6:
            size /= 2
            found = problem(x - size * step)
        x = x - size * step
        value, gradient, hessian = found
    return x
