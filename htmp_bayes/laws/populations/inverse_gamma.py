"""The inverse-gamma population law, which has a power law as its upper tail."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from htmp_bayes.laws.populations.population import Population, Shape


def inverse_gamma_shape(rho: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Shape of the inverse-gamma law whose logarithm has standard deviation `rho`.

    Solves ``trigamma(nu) = rho**2`` (the variance of the log of a gamma variable, DLMF 5.15.1 with 5.9.16)
    by Newton's method on ``1 / trigamma``, which is nearly linear in nu and converges monotonically from
    ``1/2 + 1/rho**2``.

    Parameters
    ----------
    rho : array_like
        Standard deviation of log h, in [1e-100, 1e100].

    Returns
    -------
    nu, dnu_drho : ndarray
        The shape and its derivative ``2 rho / polygamma(2, nu)``, both of the shape of `rho`.

    Raises
    ------
    ValueError
        If a value of `rho` is outside [1e-100, 1e100] or not a number.

    Examples
    --------
    >>> nu, slope = inverse_gamma_shape(0.7)
    >>> print(round(float(nu), 6), round(float(slope), 6))
    2.501516 -5.935598
    """
    rho = np.asarray(rho, dtype=float)
    if not np.all((rho >= 1e-100) & (rho <= 1e100)):
        raise ValueError("inverse_gamma_shape needs rho in [1e-100, 1e100]; for rho = 0 use the point mass.")
    target = rho * rho
    # trigamma(nu) ~ 1/nu^2 at 0 and 1/nu + 1/(2 nu^2) at infinity
    nu = np.where(target > 1e6, 1 / rho, 0.5 + 1 / target)
    for _ in range(30):
        trigamma, tetragamma = special.polygamma(1, nu), special.polygamma(2, nu)
        step = trigamma * (1 - trigamma / target) / tetragamma
        nu = nu + step
        if np.all(np.abs(step) <= 1e-14 * nu):
            break
    return nu, 2 * rho / special.polygamma(2, nu)


@dataclass(frozen=True)
class InverseGamma(Population):
    """h = exp(digamma(nu)) / G, G ~ Gamma(nu, 1), trigamma(nu) = rho**2: a power law above, alpha = nu + 1.

    Examples
    --------
    >>> print(round(float(InverseGamma().tail_index(0.7)), 6))
    3.501516
    """

    name: ClassVar[str] = "inverse-gamma"

    def _sample(self, size: Shape, rho: float, rng: np.random.Generator) -> np.ndarray:
        nu, _ = inverse_gamma_shape(rho)
        return np.exp(special.digamma(nu) - np.log(rng.standard_gamma(float(nu), size)))

    def _log_moment(self, order: int, rho: np.ndarray) -> np.ndarray:
        nu, _ = inverse_gamma_shape(rho)
        # E[G^-k] = 1 / ((nu - 1) ... (nu - k)), infinite when nu <= k, and E[G^k] = nu ... (nu + k - 1) (DLMF 5.5.1)
        if order < 0:
            above = [np.log(nu + i) for i in range(-order)]
            return order * special.digamma(nu) + sum(above)
        below = [np.log(np.where(nu > order, nu - i, 1.0)) for i in range(1, order + 1)]
        return np.where(nu > order, order * special.digamma(nu) - sum(below), np.inf)

    def _cdf(self, h: np.ndarray, rho: np.ndarray) -> np.ndarray:
        nu, _ = inverse_gamma_shape(rho)
        return special.gammaincc(nu, _rate(nu) / h)

    def _sf(self, h: np.ndarray, rho: np.ndarray) -> np.ndarray:
        nu, _ = inverse_gamma_shape(rho)
        return special.gammainc(nu, _rate(nu) / h)

    def _quantile(self, q: np.ndarray, rho: np.ndarray) -> np.ndarray:
        nu, _ = inverse_gamma_shape(rho)
        with np.errstate(divide="ignore"):
            return _rate(nu) / special.gammainccinv(nu, q)

    def _isf(self, q: np.ndarray, rho: np.ndarray) -> np.ndarray:
        nu, _ = inverse_gamma_shape(rho)
        with np.errstate(divide="ignore"):
            return _rate(nu) / special.gammaincinv(nu, q)

    def _tail_index(self, rho: np.ndarray) -> np.ndarray:
        return inverse_gamma_shape(rho)[0] + 1


def _rate(nu: np.ndarray) -> np.ndarray:
    return np.exp(special.digamma(nu))
