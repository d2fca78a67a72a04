"""No spread at all: a population law that is one value."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from htmp_bayes.laws.populations.population import Population, Shape


@dataclass(frozen=True)
class PointMass(Population):
    """h = 1: no correlation. ``rho`` must be 0.

    Examples
    --------
    >>> PointMass().quantile([0.1, 0.9], 0.0)
    array([1., 1.])
    """

    name: ClassVar[str] = "point"

    def _checked(self, rho: ArrayLike) -> np.ndarray:
        rho = np.asarray(rho, dtype=float)
        if not np.all(rho == 0):
            raise ValueError("the population 'point' has no spread; use correlation=0 or another population.")
        return rho

    def _sample(self, size: Shape, rho: float, rng: np.random.Generator) -> np.ndarray:
        return np.ones(size)

    def _log_moment(self, order: int, rho: np.ndarray) -> np.ndarray:
        return np.zeros(np.shape(rho))

    def _cdf(self, h: np.ndarray, rho: np.ndarray) -> np.ndarray:
        return (h >= 1).astype(float)

    def _sf(self, h: np.ndarray, rho: np.ndarray) -> np.ndarray:
        return (h < 1).astype(float)

    def _quantile(self, q: np.ndarray, rho: np.ndarray) -> np.ndarray:
        return np.ones(np.shape(q))

    def _isf(self, q: np.ndarray, rho: np.ndarray) -> np.ndarray:
        return np.ones(np.shape(q))
