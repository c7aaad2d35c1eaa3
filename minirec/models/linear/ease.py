"""Linear item-to-item models with a closed form: EASE, with dropout (EDLAE), a relaxed diagonal (RDLAE), and normalised (DAN)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..contract.checks import number
from .closed_form import LinearAutoencoder, Vector


class EASE(LinearAutoencoder):
    """Embarrassingly shallow autoencoder: ridge regression of each item on all others.

    min_B |X - X B|_F^2 + lambda |B|_F^2 with diag(B) = 0, X binary (users, items):  B_ij = -P_ij / P_jj for i != j, where
    P = (XᵀX + lambda I)^-1;  score(u, j) = x_u B_j.

    Steck 2019, "Embarrassingly shallow autoencoders for sparse data", eq. 8.

    Parameters
    ----------
    regularization : lambda, above 0, in numbers of users: about 100 to 2,000.

    How the inverse is taken and checked, time and memory, and the exact `update` and `forget`: see LinearAutoencoder.
    """

    name = "ease"
    search_space: ClassVar[dict[str, Any]] = {"regularization": (10.0, 5000.0, "log")}

    def __init__(self, *, regularization: float = 500.0) -> None:
        self.regularization = regularization

    def _check(self) -> None:
        number("regularization", self.regularization, above=0)

    def _penalty(self, popularity: Vector) -> Vector:
        return np.full(len(popularity), float(self.regularization))


class EDLAE(EASE):
    """Emphasised denoising linear autoencoder: EASE with the penalty that dropout of the input amounts to.

    min_B |X - X B|_F^2 + |Lambda^(1/2) B|_F^2 with diag(B) = 0, Lambda = lambda I + p / (1 - p) diag(n), n_i the popularity:
    B_ij = -P_ij / P_jj for i != j, where P = (XᵀX + Lambda)^-1.

    Steck 2020, "Autoencoders that don't overfit towards the identity", at full rank and with all emphasis on predicting the items
    that are dropped: B is the least of the mean loss over all draws of a dropout with probability p, and a ridge of lambda.

    Parameters
    ----------
    regularization : lambda, above 0. dropout : p, at least 0 and below 1; 0 is EASE.
    """

    name = "edlae"
    search_space: ClassVar[dict[str, Any]] = {"regularization": (10.0, 2000.0, "log"), "dropout": (0.0, 0.9, "linear")}

    def __init__(self, *, regularization: float = 200.0, dropout: float = 0.3) -> None:
        super().__init__(regularization=regularization)
        self.dropout = dropout

    def _check(self) -> None:
        super()._check()
        number("dropout", self.dropout, low=0, below=1)

    def _penalty(self, popularity: Vector) -> Vector:
        return self.regularization + self.dropout / (1 - self.dropout) * popularity


class RDLAE(EDLAE):
    """Relaxed denoising linear autoencoder: EDLAE where the diagonal need not be zero, but at most xi.

    B = I - P diag(m), P as in EDLAE, m_j = max(Lambda_j, (1 - xi) / P_jj): the second where diag(B) <= xi binds. xi = 0 is EDLAE,
    xi = 1 the autoencoder without a constraint.

    Moon et al. 2023, "It's enough: relaxing diagonal constraints in linear autoencoders for recommendation", and its
    repository (jaewan7599/RDLAE_SIGIR2023). As there the diagonal itself, which would only score the items of the history, is left out.

    Parameters
    ----------
    regularization, dropout : as in EDLAE. relaxation : xi, from 0 to 1.
    """

    name = "rdlae"
    search_space: ClassVar[dict[str, Any]] = {**EDLAE.search_space, "relaxation": (0.0, 0.9, "linear")}

    def __init__(self, *, regularization: float = 200.0, dropout: float = 0.3, relaxation: float = 0.3) -> None:
        super().__init__(regularization=regularization, dropout=dropout)
        self.relaxation = relaxation

    def _check(self) -> None:
        super()._check()
        number("relaxation", self.relaxation, low=0, high=1)

    def _multiplier(self, diagonal: Vector, penalty: Vector) -> Vector:
        return np.maximum(penalty, (1 - self.relaxation) / diagonal)


class DAN(EDLAE):
    """Data-adaptive normalisation of EDLAE: the knobs of the tail, and of users with long histories.

    W_ij = -(P_ij / P_jj) (n_i / n_j)^alpha for i != j, where P = (Xᵀ D^-beta X + Lambda)^-1, D the lengths of the histories on a
    diagonal, n_i the popularity, and Lambda as in EDLAE.

    Park et al. 2025, "Why is normalization necessary for linear recommenders?"; their settings for Gowalla are alpha .2, beta .3,
    dropout .6, regularization 20. Of the autoencoders that they normalise this is the one whose diagonal is zero.

    Parameters
    ----------
    regularization, dropout : as in EDLAE. A beta above 0 makes the Gram matrix smaller, so that less regularization is right.
    alpha : exponent of popularity, at least 0: the larger, the less popular the items recommended.
    beta : exponent of the length of the history, at least 0: the larger, the less an event of an active user counts in the fit.
    """

    name = "dan"
    search_space: ClassVar[dict[str, Any]] = {
        "regularization": (1.0, 500.0, "log"),
        "dropout": (0.0, 0.9, "linear"),
        "alpha": (0.0, 0.5, "linear"),
        "beta": (0.0, 0.5, "linear"),
    }

    def __init__(self, *, regularization: float = 20.0, dropout: float = 0.3, alpha: float = 0.3, beta: float = 0.1) -> None:
        super().__init__(regularization=regularization, dropout=dropout)
        self.alpha = alpha
        self.beta = beta

    def _check(self) -> None:
        super()._check()
        number("alpha", self.alpha, low=0)
        number("beta", self.beta, low=0)

    def _user_weights(self, lengths: Vector) -> Vector:
        weights: Vector = lengths ** -float(self.beta)
        return weights

    def _item_scale(self, popularity: Vector) -> Vector:
        scale: Vector = np.maximum(popularity, 1) ** float(self.alpha)
        return scale
