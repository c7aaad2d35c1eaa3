"""Slow oracles of stochastic training: the losses written out, and one batch entry by entry."""

import math

import numpy as np


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def bpr(scores, _):
    """-ln sigma(x_i - x_j) of one sample with the scores of its two items."""
    return -math.log(sigmoid(scores[0] - scores[1]))


def warp(scores, weight):
    return weight * max(0.0, 1 - (scores[0] - scores[1]))


def logistic(scores, confidence):
    """Minus the logarithm of Johnson's likelihood: the positive c + 1 times, c of them taken and one not; each negative not taken."""
    total = -confidence * math.log(sigmoid(scores[0])) - math.log(1 - sigmoid(scores[0]))
    return total - sum(math.log(1 - sigmoid(x)) for x in scores[1:])


def rating(scores, value):
    return (value - scores[0]) ** 2 / 2


def batch_loss(loss, users, columns, extra, parameters, regularization):
    """Loss of a batch: that of the samples, and lambda/2 of the squares of everything a sample touches, once for each sample.

    parameters : p (users, d), user biases, q (items, d), item biases.
    """
    p, user_bias, q, bias = parameters
    total = 0.0
    for u, items, value in zip(users, columns, extra, strict=True):
        total += loss([float(p[u] @ q[i] + user_bias[u] + bias[i]) for i in items], value)
        squares = p[u] @ p[u] + user_bias[u] ** 2 + sum(q[i] @ q[i] + bias[i] ** 2 for i in items)
        total += regularization / 2 * float(squares)
    return total


def numerical_gradients(function, arrays, step=1e-6):
    """Central differences of function(arrays) by every number of every array."""
    gradients = []
    for at, array in enumerate(arrays):
        gradient = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            values = []
            for sign in (1, -1):
                moved = [a.copy() for a in arrays]
                moved[at][index] += sign * step
                values.append(function(moved))
            gradient[index] = (values[0] - values[1]) / (2 * step)
        gradients.append(gradient)
    return gradients


def batch_gradients(users, columns, pulls, parameters, regularization):
    """Minus the gradients of a batch by p, user biases, q and item biases, entry by entry; those without pull count nothing."""
    p, user_bias, q, bias = parameters
    gradients = [np.zeros_like(array) for array in parameters]
    for u, items, weights in zip(users, columns, pulls, strict=True):
        for i, weight in zip(items, weights, strict=True):
            if weight == 0:
                continue
            share = regularization / len(items)
            gradients[0][u] += weight * q[i] - share * p[u]
            gradients[1][u] += weight - share * user_bias[u]
            gradients[2][i] += weight * p[u] - regularization * q[i]
            gradients[3][i] += weight - regularization * bias[i]
    return gradients


def adagrad(parameter, squares, gradient, rate):
    """One AdaGrad step with a sum of squares a row, in place; rows without a gradient stay."""
    for row in range(len(parameter)):
        g = np.atleast_1d(gradient[row])
        squares[row] += (g**2).mean()
        if squares[row] > 0:
            parameter[row] += rate * gradient[row] / math.sqrt(squares[row])
