"""Linear item-to-item models with a closed form: EASE, with dropout (EDLAE), a relaxed diagonal (RDLAE), and normalized (DAN)."""

from __future__ import annotations

import numpy as np

from ..contract.parameters import changed, number
from .closed_form import LinearAutoencoder, Vector


class EASE(LinearAutoencoder):
    """Embarrassingly shallow autoencoder: ridge regression of each item on all others.

    min_B |X - X B|_F^2 + lambda |B|_F^2 with diag(B) = 0, X binary (users, items):  B_ij = -P_ij / P_jj for i != j, where
    P = (XᵀX + lambda I)^-1;  score(u, j) = x_u B_j.

    Steck 2019, "Embarrassingly shallow autoencoders for sparse data", eq. 8.

    How the inverse is taken and checked, time and memory, and the exact `update` and `forget`: see LinearAutoencoder.
    """

    name = "ease"

    regularization: float = number(
        default=500.0, above=0, search=(10.0, 5000.0, "log"), doc="lambda, in numbers of users: about 100 to 2,000."
    )

    def _penalty(self, popularity: Vector) -> Vector:
        return np.full(len(popularity), float(self.regularization))


class EDLAE(EASE):
    """Emphasized denoising linear autoencoder: EASE with the penalty that dropout of the input amounts to.

    min_B |X - X B|_F^2 + |Lambda^(1/2) B|_F^2 with diag(B) = 0, Lambda = lambda I + p / (1 - p) diag(n), n_i the popularity:
    B_ij = -P_ij / P_jj for i != j, where P = (XᵀX + Lambda)^-1.

    Steck 2020, "Autoencoders that don't overfit towards the identity", at full rank and with all emphasis on predicting the items
    that are dropped: B minimizes the mean loss over all draws of a dropout with probability p, plus a ridge of lambda.
    """

    name = "edlae"

    regularization: float = changed(default=200.0, search=(10.0, 2000.0, "log"))
    dropout: float = number(
        default=0.3, low=0, below=1, search=(0.0, 0.9, "linear"), doc="p, the probability that an input is dropped; 0 is EASE."
    )

    def _penalty(self, popularity: Vector) -> Vector:
        return self.regularization + self.dropout / (1 - self.dropout) * popularity


class RDLAE(EDLAE):
    """Relaxed denoising linear autoencoder: EDLAE where the diagonal need not be zero, but at most xi.

    B = I - P diag(m), P as in EDLAE, m_j = max(Lambda_j, (1 - xi) / P_jj): the second where diag(B) <= xi binds. xi = 0 is EDLAE,
    xi = 1 the autoencoder without a constraint.

    Moon et al. 2023, "It's enough: relaxing diagonal constraints in linear autoencoders for recommendation", and its
    repository (jaewan7599/RDLAE_SIGIR2023). As there the diagonal itself, which would only score the items of the history, is left out.
    """

    name = "rdlae"

    relaxation: float = number(
        default=0.3, low=0, high=1, search=(0.0, 0.9, "linear"), doc="xi, the largest value that the diagonal may have."
    )

    def _multiplier(self, diagonal: Vector, penalty: Vector) -> Vector:
        return np.maximum(penalty, (1 - self.relaxation) / diagonal)


class DAN(EDLAE):
    """Data-adaptive normalization of EDLAE: it has parameters for the tail, and for users with long histories.

    W_ij = -(P_ij / P_jj) (n_i / n_j)^alpha for i != j, where P = (Xᵀ D^-beta X + Lambda)^-1, D the lengths of the histories on a
    diagonal, n_i the popularity, and Lambda as in EDLAE.

    Park et al. 2025, "Why is normalization necessary for linear recommenders?"; their settings for Gowalla are alpha .2, beta .3,
    dropout .6, regularization 20. Of the autoencoders that they normalize this is the one whose diagonal is zero.
    """

    name = "dan"

    regularization: float = changed(
        default=20.0,
        search=(1.0, 500.0, "log"),
        doc="lambda, in numbers of users. With beta above 0 the Gram matrix is smaller, so less regularization is right.",
    )
    alpha: float = number(
        default=0.3,
        low=0,
        high=10,
        search=(0.0, 0.5, "linear"),
        doc="Exponent of popularity: the larger, the less popular the items recommended.",
    )
    beta: float = number(
        default=0.1,
        low=0,
        high=10,
        search=(0.0, 0.5, "linear"),
        doc="Exponent of the length of a history: the larger, the less an event of an active user counts in the fit.",
    )

    def _user_weights(self, lengths: Vector) -> Vector:
        weights: Vector = lengths ** -float(self.beta)
        return weights

    def _item_scale(self, popularity: Vector) -> Vector:
        scale: Vector = np.maximum(popularity, 1) ** float(self.alpha)
        return scale
