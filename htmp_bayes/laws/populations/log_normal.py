"""The log-normal population law."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import special

from htmp_bayes.laws.populations.population import Population, Shape


@dataclass(frozen=True)
class LogNormal(Population):
    """h = exp(rho z), z standard normal.

    Examples
    --------
    >>> print(LogNormal().quantile(0.5, 0.7), LogNormal().tail_index(0.7))
    1.0 inf
    """

    name: ClassVar[str] = "log-normal"

    def _sample(self, size: Shape, rho: float, rng: np.random.Generator) -> np.ndarray:
        return np.exp(rho * rng.standard_normal(size))

    def _log_moment(self, order: int, rho: np.ndarray) -> np.ndarray:
        return (order * rho) ** 2 / 2

    def _cdf(self, h: np.ndarray, rho: np.ndarray) -> np.ndarray:
        return special.ndtr(np.log(h) / rho)

    def _sf(self, h: np.ndarray, rho: np.ndarray) -> np.ndarray:
        return special.ndtr(-np.log(h) / rho)

    def _quantile(self, q: np.ndarray, rho: np.ndarray) -> np.ndarray:
        return np.exp(rho * special.ndtri(q))

    def _isf(self, q: np.ndarray, rho: np.ndarray) -> np.ndarray:
        return np.exp(-rho * special.ndtri(q))
