"""Accuracy of predicted ratings, pooled over all rated events (not averaged within users first)."""

from __future__ import annotations

from .accuracy import Values


def rmse(predicted: Values, actual: Values) -> float:
    """Root mean squared error, sqrt(mean (predicted - actual)^2), in units of the rating."""
    return float(((predicted - actual) ** 2).mean() ** 0.5)


def mae(predicted: Values, actual: Values) -> float:
    """Mean absolute error, mean |predicted - actual|, in units of the rating."""
    return float(abs(predicted - actual).mean())


def accuracy(predicted: Values, actual: Values, threshold: float) -> float:
    """Share of events for which the prediction and the rating stand on the same side of the threshold (at it counts as above)."""
    return float(((predicted >= threshold) == (actual >= threshold)).mean())
