"""The exact joint density of all eigenvalues of the finite ensemble without correlation (beta-Laguerre).

With N eigenvalues, delta = kappa / (2N), q = (kappa/2)(1/gamma - 1), s = kappa / (2 gamma) and temperature T
(Dumitriu & Edelman, J. Math. Phys. 43 (2002), eq. for the beta-Laguerre ensemble; Selberg's integral for Z):

    log f = (q + delta - 1) sum log x_i - sum x_i / T + 2 delta sum_{i<j} log|x_i - x_j| - log Z
    log Z = sum_{j=1}^{N} [ lnGamma(q + j delta) + lnGamma(1 + j delta) - lnGamma(1 + delta) ] + N s log T

It is an exponential family: after one pass over the pairs, value and gradient cost the same for every N.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from htmp_bayes.laws.compiled.jit import jit
from htmp_bayes.laws.compiled.polygamma import digamma
from htmp_bayes.laws.ensemble.log_gamma_sum import log_gamma_sum

__all__ = ["JointStatistics", "joint_logpdf", "joint_value_and_gradient"]

# Wider than those of the laws for many eigenvalues, whose integrals need room in a double.
_ENSEMBLE_KAPPA = (1e-6, 1e6)
_ENSEMBLE_GAMMA = (1e-4, 1.0)


@jit
def joint_value_and_gradient(
    size: int,
    sum_log: float,
    total: float,
    sum_log_gaps: float,
    kappa: float,
    gamma: float,
    temperature: float,
) -> tuple[float, float, float, float]:
    """Return log density and derivatives by kappa, gamma and temperature, from the sufficient statistics.

    A compiled function without checks, to be called from other compiled code; `JointStatistics` checks.

    Parameters
    ----------
    size : int
        Number of eigenvalues N.
    sum_log, total, sum_log_gaps : float
        ``sum log x_i``, ``sum x_i`` and ``sum_{i<j} log|x_i - x_j|``.
    kappa, gamma, temperature : float
        Parameters, ``kappa > 0``, ``0 < gamma <= 1``, ``temperature > 0``.

    Returns
    -------
    value, by_kappa, by_gamma, by_temperature : float
    """
    n = float(size)
    delta, s = 0.5 * kappa / n, 0.5 * kappa / gamma
    excess = 1.0 / gamma - 1.0
    q, log_t = 0.5 * kappa * excess, math.log(temperature)
    first, first_q, first_d = log_gamma_sum(q, delta, size)
    second, _, second_d = log_gamma_sum(1.0, delta, size)
    log_z = first + second - n * math.lgamma(1.0 + delta) + n * s * log_t
    value = (q + delta - 1.0) * sum_log - total / temperature + 2.0 * delta * sum_log_gaps - log_z
    by_q = sum_log - first_q - n * log_t
    by_delta = sum_log + 2.0 * sum_log_gaps - first_d - second_d + n * digamma(1.0 + delta) - n * n * log_t
    by_kappa = 0.5 * excess * by_q + 0.5 * by_delta / n
    by_gamma = -0.5 * kappa / (gamma * gamma) * by_q
    by_temperature = (total / temperature - n * s) / temperature
    return value, by_kappa, by_gamma, by_temperature


@jit
def _sum_log_gaps(x: np.ndarray, exponent: int) -> float:
    """Sum log|x_i - x_j| over the pairs of an ascending array below 2^exponent, many gaps to a logarithm."""
    scale = 2.0**-exponent  # a power of two: no gap is rounded by it
    log_scale = math.log(scale)
    total = 0.0
    for i in range(1, x.size):
        row, product = 0.0, 1.0
        for j in range(i):
            gap = (x[i] - x[j]) * scale
            if gap < 1e-160:
                row += math.log(x[i] - x[j]) + log_scale
            else:
                product *= gap
                if product < 1e-140:  # the next factor leaves it above 1e-300
                    row += math.log(product)
                    product = 1.0
        total += row + math.log(product)
    return total - 0.5 * x.size * (x.size - 1) * log_scale


@dataclass(frozen=True)
class JointStatistics:
    """Sufficient statistics of one finite spectrum, and its exact log density for any parameters.

    Made by `of` or `of_inverse`; from then on the eigenvalues are not needed again.

    Parameters
    ----------
    size : int
        Number of eigenvalues N.
    sum_log, total, sum_log_gaps : float
        ``sum log x_i``, ``sum x_i`` and ``sum_{i<j} log|x_i - x_j|``.
    log_jacobian : float
        Added to the log density: 0, or ``-2 sum log mu_i`` where x = 1/mu and mu was observed.

    Examples
    --------
    >>> statistics = JointStatistics.of([0.5, 1.0, 2.5])
    >>> value, gradient = statistics.logpdf_and_gradient(kappa=3.0, gamma=0.5)
    >>> round(value, 6), sorted(gradient)
    (-4.875469, ['gamma', 'kappa', 'temperature'])
    """

    size: int
    sum_log: float
    total: float
    sum_log_gaps: float
    log_jacobian: float = 0.0

    @classmethod
    def of(cls, eigenvalues: ArrayLike) -> Self:
        """Take the statistics of positive eigenvalues, shape ``(N,)``, any order; one pass over the pairs.

        Raises
        ------
        ValueError
            If there are no eigenvalues, or one is not a positive finite number.
        """
        x = np.sort(_positive(eigenvalues))
        gaps = _sum_log_gaps(x, math.frexp(x[-1])[1])
        return cls(x.size, float(np.log(x).sum()), float(x.sum()), float(gaps))

    @classmethod
    def of_inverse(cls, eigenvalues: ArrayLike) -> Self:
        """Take the statistics of eigenvalues, shape ``(N,)``, whose reciprocals follow the ensemble.

        Raises
        ------
        ValueError
            As `of`.
        """
        mu = _positive(eigenvalues)
        direct = cls.of(mu)
        # |1/mu_i - 1/mu_j| = |mu_i - mu_j| / (mu_i mu_j): each log mu_i is met in N - 1 pairs
        gaps = direct.sum_log_gaps - (direct.size - 1) * direct.sum_log
        return cls(direct.size, -direct.sum_log, float((1 / mu).sum()), gaps, -2 * direct.sum_log)

    def logpdf(self, kappa: float, gamma: float, temperature: float = 1.0) -> float:
        """Exact joint log density of the N eigenvalues, each labelling counted (not ordered).

        Raises
        ------
        ValueError
            If a parameter is outside its range, see `joint_logpdf`.
        """
        return self.logpdf_and_gradient(kappa, gamma, temperature)[0]

    def logpdf_and_gradient(
        self, kappa: float, gamma: float, temperature: float = 1.0
    ) -> tuple[float, dict[str, float]]:
        """Log density and its derivatives by ``"kappa"``, ``"gamma"`` and ``"temperature"``.

        Raises
        ------
        ValueError
            If a parameter is outside its range, see `joint_logpdf`.
        """
        check_ensemble_parameters(kappa, gamma, temperature)
        value, *slopes = joint_value_and_gradient(
            self.size,
            self.sum_log,
            self.total,
            self.sum_log_gaps,
            float(kappa),
            float(gamma),
            float(temperature),
        )
        gradient = dict(zip(("kappa", "gamma", "temperature"), slopes, strict=True))
        return value + self.log_jacobian, gradient


def joint_logpdf(
    eigenvalues: ArrayLike, kappa: float, gamma: float, temperature: float = 1.0, *, inverse: bool = False
) -> float:
    """Exact joint log density of the eigenvalues of the finite ensemble without correlation.

    Parameters
    ----------
    eigenvalues : array_like, shape (N,)
        All eigenvalues, in any order.
    kappa : float
        Eigenvalue repulsion, in [1e-6, 1e6]; the Dyson index is ``kappa / N``.
    gamma : float
        Aspect ratio, in [1e-4, 1].
    temperature : float
        Scale of the eigenvalues, positive.
    inverse : bool
        Whether the reciprocals of `eigenvalues` follow the ensemble (feature matrices).

    Returns
    -------
    float
        The density of the eigenvalues as an unordered sample; ``-inf`` where two of them coincide or one is
        not positive. For many parameters keep `JointStatistics`, which pays the O(N^2) pass once.

    Raises
    ------
    ValueError
        If a parameter is outside its range, or an eigenvalue is not a finite number, or there is none.

    Notes
    -----
    Dumitriu & Edelman, J. Math. Phys. 43 (2002) 5830, with the exponents of Hodgkinson, Wang & Mahoney,
    arXiv 2506.03470; the constant is Selberg's integral (Forrester, *Log-Gases and Random Matrices*, 4.7).

    Examples
    --------
    >>> round(joint_logpdf([0.5, 1.0, 2.5], kappa=3.0, gamma=0.5), 6)
    -4.875469
    """
    check_ensemble_parameters(kappa, gamma, temperature)
    x = _finite(eigenvalues)
    if np.any(x <= 0):
        return -math.inf
    statistics = JointStatistics.of_inverse(x) if inverse else JointStatistics.of(x)
    return statistics.logpdf(kappa, gamma, temperature)


def _finite(eigenvalues: ArrayLike) -> np.ndarray:
    x = np.asarray(eigenvalues, dtype=float)
    if x.ndim != 1 or x.size == 0 or not np.all(np.isfinite(x)):
        raise ValueError(
            "eigenvalues must be a one-dimensional array of finite numbers, with one entry at least."
        )
    return x


def _positive(eigenvalues: ArrayLike) -> np.ndarray:
    x = _finite(eigenvalues)
    if not np.all(x > 0):
        raise ValueError(
            "the joint density needs positive eigenvalues; remove zeros (rank deficiency) first."
        )
    return x


def check_ensemble_parameters(kappa: float, gamma: float, temperature: float) -> None:
    """Raise ValueError, with the range in it, if a parameter of the finite ensemble is outside its range."""
    if not _ENSEMBLE_KAPPA[0] <= kappa <= _ENSEMBLE_KAPPA[1]:
        raise ValueError(
            f"kappa must lie in [{_ENSEMBLE_KAPPA[0]:g}, {_ENSEMBLE_KAPPA[1]:g}], not {kappa!r}."
        )
    if not _ENSEMBLE_GAMMA[0] <= gamma <= _ENSEMBLE_GAMMA[1]:
        raise ValueError(
            f"gamma must lie in [{_ENSEMBLE_GAMMA[0]:g}, {_ENSEMBLE_GAMMA[1]:g}], not {gamma!r}."
        )
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature must be a positive finite number, not {temperature!r}.")
