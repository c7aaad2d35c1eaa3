"""Graph filters: a history is a signal over the items, and a filter of the graph smooths it; nothing is trained.

R = D_U^-a X D_I^-b, X binary (users, items) with the degrees on the diagonals of D_U and D_I, scaled to a largest singular value of 1
(which it has for a = b = 1/2, the normalized adjacency matrix); G = RᵀR (items, items), with eigenvalues in [0, 1]: large ones are the
low frequencies. V (items, k) has the eigenvectors of the k largest. What all models here have:

user_exponent, item_exponent : a and b. A larger a takes weight from users with long histories.
tail_exponent : t; each score is divided by d_j^t, so that less of it is popularity (the knob of r-AdjNorm, Zhao et al. 2022,
    "Investigating accuracy-novelty performance for graph-based collaborative filtering").
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.polynomial import chebyshev
from numpy.polynomial import polynomial as powers
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...data.ids import Rows
from ...engine.graph.filters import FilterScorer, PolynomialFilter
from ...engine.graph.propagate import normalized
from ...engine.linalg.svd import basis_size, truncated_svd
from ...engine.ranking.scorers import Scorer, Scores
from ...engine.sparse import CSR
from ..contract.explanation import Part, history_parts
from ..contract.monitor import Monitor
from ..contract.parameters import changed, choice, fitted, flag, number, whole
from ..contract.recommender import Recommender
from ..contract.request import Profiles
from ..contract.state import kept


class GraphFilter(Recommender):
    """score = x_u p(G) D_I^-t and, with alpha above 0, a low-pass of the k lowest frequencies beside it."""

    _needs_users: ClassVar[bool] = True
    _chebyshev: ClassVar[bool] = False  # whether `_coefficients` are those of Chebyshev polynomials of I - 2 G

    factors: int = whole(default=256, high=10**6, search=(16, 512, "int"), doc="k, the frequencies that the ideal low-pass lets through.")
    alpha: float = number(
        default=0.3,
        low=0,
        high=1e6,
        search=(0.0, 1.0, "linear"),
        doc="Weight of the ideal low-pass; with 0 nothing is decomposed, as the authors of GF-CF do for Amazon-Book.",
    )
    user_exponent: float = number(
        default=0.5,
        low=0,
        high=10,
        search=(0.2, 0.6, "linear"),
        doc="a: a larger one takes weight from users with long histories. The papers have 1/2.",
    )
    item_exponent: float = number(
        default=0.5, low=0, high=10, search=(0.3, 0.6, "linear"), doc="b, the exponent of the items' degrees. The papers have 1/2."
    )
    tail_exponent: float = number(
        default=0.0,
        low=0,
        high=10,
        search=(0.0, 0.4, "linear"),
        doc="t: each score is divided by the item's degree to this power, so that less of it is popularity. The papers have 0.",
    )

    scale_: float = fitted()  # largest singular value of D_U^-a X D_I^-b
    inward_: Scores = fitted("items", "k")  # the low-pass is x inward outward; k = 0 for none
    outward_: Scores = fitted("k", "items")

    @abstractmethod
    def _coefficients(self) -> NDArray[np.float64]:
        """c_0, c_1, ... of p."""

    @abstractmethod
    def _powers(self) -> tuple[float, float]:
        """(p, q): the history is multiplied by D_I^p before the polynomial, and its result by D_I^q."""

    @abstractmethod
    def _low_pass_power(self) -> float:
        """b: the low-pass is alpha D_I^-b V Vᵀ D_I^b."""

    def estimate_memory(self, dataset: Dataset) -> int:
        n, k = dataset.n_items, self.factors if self.alpha else 1
        shape = dataset.n_users, n
        size = basis_size(shape, k)
        return 4 * n * (size + 3 * min(k, *shape)) + 32 * size * size + 64 * len(dataset) + 512 * (dataset.n_users + n)

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        found = truncated_svd(self._adjacency(train.binary, 1.0), self.factors if self.alpha else 1, backend=self.backend_)
        vectors = found.vectors if self.alpha else found.vectors[:, :0]
        self.scale_ = float(found.values[0])
        power = train.item_counts.astype(np.float64) ** self._low_pass_power()
        self.inward_ = (vectors / power[:, None]).astype(np.float32)
        outward = self._sharpened((self.alpha * power[:, None] * vectors).astype(np.float32), self._adjacency(train.binary, self.scale_))
        self.outward_ = np.multiply(outward.T, train.item_counts.astype(np.float64) ** -self.tail_exponent, order="C").astype(np.float32)

    def _sharpened(self, outward: Scores, adjacency: CSR) -> Scores:
        """What becomes of alpha D_I^b V when the low-pass is filtered again."""
        return outward

    def _adjacency(self, x: CSR, scale: float) -> CSR:
        """R."""
        r = normalized(x, self.user_exponent, self.item_exponent, np.float64)
        return r.with_data((r.data / scale).astype(np.float32))

    def _graph(self) -> tuple[PolynomialFilter, NDArray[np.float64]]:
        """The polynomial filter and the degrees of the items; kept as long as the events are the same."""

        def make() -> tuple[PolynomialFilter, NDArray[np.float64]]:
            r = self._adjacency(self.seen_, self.scale_)
            polynomial = PolynomialFilter((r.transpose(), r), self._coefficients().tolist(), self.backend_, chebyshev=self._chebyshev)
            return polynomial, np.maximum(np.bincount(self.seen_.indices, minlength=len(self.items_)), 1).astype(np.float64)

        return kept(self, "_kept_graph", self.seen_, make)

    def _scorer(self, profiles: Profiles) -> FilterScorer:
        polynomial, degrees = self._graph()
        before, after = self._powers()
        history = profiles.history.binary()
        inward_scale, outward_scale = (degrees**before).astype(np.float32), (degrees ** (after - self.tail_exponent)).astype(np.float32)
        return FilterScorer(history, polynomial, inward_scale, outward_scale, self.inward_, self.outward_, self.backend_)

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        scorer = self._scorer(profiles)
        return history_parts(self.items_, scorer.history.indices, scorer.parts(item))

    def _similarity(self, rows: Rows) -> Scorer:
        return self._scores_alone(rows)


class GFCF(GraphFilter):
    """Graph filter of a linear and an ideal low-pass part.

    score(u) = x_u (G + alpha D_I^-b V Vᵀ D_I^b) D_I^-t

    Shen et al. 2021, "How powerful is graph convolution for recommendation?" (GF-CF); alpha = .3 and k = 256 are those of their code.

    A new user needs nothing but a history: fold-in is exact. Fit: a truncated SVD (engine/linalg/svd.py), memory some 24 k bytes an item;
    the scores of a user for all items cost O(events + items x k).
    """

    name = "gfcf"

    def _coefficients(self) -> NDArray[np.float64]:
        return np.array([0.0, 1.0])

    def _powers(self) -> tuple[float, float]:
        return 0.0, 0.0

    def _low_pass_power(self) -> float:
        return self.item_exponent


class ChebyCF(GraphFilter):
    """Chebyshev filter with a flat transfer function, and an ideal low-pass part, between degree normalizations.

    score(u) = x_u D_I^-beta (p(G) + alpha V Vᵀ) D_I^beta D_I^-t,   p(G) = sum_k c_k T_k(I - 2 G), k = 0 ... K

    c is the Chebyshev interpolation of a plateau, h(z) = (1 - sign(z) |z|^phi) / 2 for z in [-1, 1] (z = 1 - 2 g for an eigenvalue g).

    Kim et al. 2025, "Graph spectral filtering with Chebyshev interpolation for recommendation". As their code does, which their
    figures come from: the values at the K + 1 nodes cos((2 j + 1) pi / (2 K + 2)) of the interpolation are those of h at the K + 1
    extrema cos(j pi / K), a little outward. It rounds them to three decimals, which we do not.

    A new user needs nothing but a history. Fit as GFCF; the scores of a user cost O(K events + items x k).
    """

    name = "chebycf"

    order: int = whole(default=8, high=1000, search=[4, 8, 12], doc="K, the degree of the polynomial.")
    flatness: float = number(
        default=1.5, above=0, high=1000, search=(1.0, 20.0, "log"), doc="phi: the larger, the flatter the plateau between its ends."
    )
    factors: int = changed(default=512, search=(16, 1024, "int"))
    alpha: float = changed(default=0.2, search=(0.0, 0.5, "linear"))
    beta: float = number(
        default=0.4, low=0, high=10, search=(0.0, 0.6, "linear"), doc="Power of the item degrees before and after the filter."
    )
    _chebyshev = True

    def _coefficients(self) -> NDArray[np.float64]:
        count = np.arange(self.order + 1)
        extrema, nodes = np.cos(count * np.pi / self.order), np.cos((2 * count + 1) * np.pi / (2 * self.order + 2))
        extrema[np.abs(extrema) < 1e-12] = 0
        plateau = (1 - np.sign(extrema) * np.abs(extrema) ** self.flatness) / 2
        coefficients: NDArray[np.float64] = plateau @ chebyshev.chebvander(nodes, self.order) * 2 / (self.order + 1)
        coefficients[0] /= 2
        return coefficients

    def _powers(self) -> tuple[float, float]:
        return -self.beta, self.beta

    def _low_pass_power(self) -> float:
        return self.beta


class BSPM(GraphFilter):
    """Blurring and sharpening processes.

    The history is blurred, by G and by the ideal low-pass, then sharpened along dy/dt = -y G for a time T:

        score(u) = x_u (G + alpha D_I^-b V Vᵀ D_I^b) s(G) D_I^-t   (merge="early")
        score(u) = x_u (G s(G) + alpha D_I^-b V Vᵀ D_I^b) D_I^-t   (merge="late")

    with s(G) = (sum_{j <= m} (-tau G)^j / j!)^steps, tau = T / steps, m = 1 for Euler's method, 4 for Runge-Kutta.

    Choi et al. 2023, "Blurring-sharpening process models for collaborative filtering"; one Euler step of length 1 for each blurring,
    as in all their settings.

    A new user needs nothing but a history. Fit as GFCF, and O(events x k); the scores of a user cost O(m steps events + items x k).
    """

    name = "bspm"

    factors: int = changed(default=448)
    alpha: float = changed(default=0.2)
    sharpening_time: float = number(default=2.5, low=0, high=1000, search=(0.0, 3.0, "linear"), doc="T.")
    sharpening_steps: int = whole(default=1, high=100, search=[1, 2], doc="Steps that T is taken in.")
    solver: Literal["rk4", "euler"] = choice(default="rk4", search=["rk4", "euler"], doc="Runge-Kutta of order 4, or Euler's method.")
    merge: Literal["early", "late"] = choice(
        default="early",
        search=["early", "late"],
        doc='"early" adds the two blurred signals before the sharpening, "late" after it.',
    )
    average: bool = flag(
        default=False,
        search=[False, True],
        doc="Recommend by the mean of the signals at all times, the blurred one among them, and not by the last.",
    )

    def _sharpening(self) -> list[NDArray[Any]]:
        """s at each time from 0 on, as coefficients of powers of G."""
        tau = self.sharpening_time / self.sharpening_steps
        step = np.cumprod([1.0, *(-tau / j for j in range(1, 5 if self.solver == "rk4" else 2))])
        return [powers.polypow(step, count) for count in range(self.sharpening_steps + 1)]

    def _coefficients(self) -> NDArray[np.float64]:
        return np.asarray(powers.polymulx(self._mean(self._sharpening()) if self.average else self._sharpening()[-1]), np.float64)

    @staticmethod
    def _mean(polynomials: list[NDArray[Any]]) -> NDArray[Any]:
        total: NDArray[Any] = np.zeros(1)
        for one in polynomials:
            total = powers.polyadd(total, one)
        return total / len(polynomials)

    def _powers(self) -> tuple[float, float]:
        return 0.0, 0.0

    def _low_pass_power(self) -> float:
        return self.item_exponent

    def _sharpened(self, outward: Scores, adjacency: CSR) -> Scores:
        if self.merge == "late":
            return outward
        _, *later = self._sharpening()  # the blurred signal is there without the low-pass: its share of a mean is 0
        coefficients = self._mean([np.zeros(1), *later]) if self.average else later[-1]
        return PolynomialFilter((adjacency.transpose(), adjacency), coefficients.tolist(), self.backend_).of_columns(outward)
