"""What a population law is: values h > 0 with E[log h] = 0 and sd(log h) = correlation.

The normalisation by the logarithm gives ``correlation`` (rho below) one meaning for every family and keeps
it finite for the heaviest tails. All functions broadcast over their arguments; at ``rho = 0`` every
population is the point mass at 1.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

type Shape = int | tuple[int, ...]


class Population(ABC):
    """A law of h > 0 with E[log h] = 0 and sd(log h) = rho; the public methods broadcast and take rho = 0."""

    name: ClassVar[str]

    def sample(self, size: Shape, rho: float, rng: np.random.Generator) -> np.ndarray:
        """Independent draws of h.

        Parameters
        ----------
        size : int or tuple of int
            Shape of the result.
        rho : float
            Standard deviation of log h, ``rho >= 0``.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of shape `size`
        """
        rho = float(self._checked(rho))
        return np.ones(size) if rho == 0 else self._sample(size, rho, rng)

    def log_moment(self, order: int, rho: ArrayLike) -> np.ndarray:
        """Logarithm of ``E[h**order]``, `order` an integer; ``inf`` where the moment is infinite."""
        if order != int(order) or order == 0:
            raise ValueError(f"order must be an integer other than 0, not {order!r}.")
        rho = self._checked(rho)
        return np.where(rho == 0, 0.0, self._log_moment(int(order), _nonzero(rho)))

    def moments(self, rho: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """First and second moment ``(mu1, mu2)`` of h, on which mean and variance of the spectrum depend."""
        with np.errstate(over="ignore"):
            return np.exp(self.log_moment(1, rho)), np.exp(self.log_moment(2, rho))

    def cdf(self, h: ArrayLike, rho: ArrayLike) -> np.ndarray:
        """P(population value <= h)."""
        h, rho = np.asarray(h, dtype=float), self._checked(rho)
        inside = np.where(h > 0, h, 1.0)
        value = np.where(rho == 0, (h >= 1).astype(float), self._cdf(inside, _nonzero(rho)))
        return np.where(h > 0, value, 0.0)

    def sf(self, h: ArrayLike, rho: ArrayLike) -> np.ndarray:
        """P(population value > h), without cancellation in the upper tail."""
        h, rho = np.asarray(h, dtype=float), self._checked(rho)
        inside = np.where(h > 0, h, 1.0)
        value = np.where(rho == 0, (h < 1).astype(float), self._sf(inside, _nonzero(rho)))
        return np.where(h > 0, value, 1.0)

    def quantile(self, q: ArrayLike, rho: ArrayLike) -> np.ndarray:
        """Inverse of `cdf`."""
        q, rho = _checked_probability(q), self._checked(rho)
        return np.where(rho == 0, np.ones(np.shape(q)), self._quantile(q, _nonzero(rho)))

    def isf(self, q: ArrayLike, rho: ArrayLike) -> np.ndarray:
        """Inverse of `sf`, without cancellation in the upper tail."""
        q, rho = _checked_probability(q), self._checked(rho)
        return np.where(rho == 0, np.ones(np.shape(q)), self._isf(q, _nonzero(rho)))

    def tail_index(self, rho: ArrayLike) -> np.ndarray:
        """Exponent alpha of the density's upper tail ``h**-alpha``; ``inf`` if lighter than any power."""
        return np.where(self._checked(rho) == 0, np.inf, self._tail_index(_nonzero(self._checked(rho))))

    def _checked(self, rho: ArrayLike) -> np.ndarray:
        rho = np.asarray(rho, dtype=float)
        if not np.all((rho == 0) | ((rho >= 1e-100) & (rho <= 10))):
            raise ValueError("correlation (standard deviation of log h) must be 0 or lie in [1e-100, 10].")
        return rho

    @abstractmethod
    def _sample(self, size: Shape, rho: float, rng: np.random.Generator) -> np.ndarray: ...

    @abstractmethod
    def _log_moment(self, order: int, rho: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _cdf(self, h: np.ndarray, rho: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _sf(self, h: np.ndarray, rho: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _quantile(self, q: np.ndarray, rho: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _isf(self, q: np.ndarray, rho: np.ndarray) -> np.ndarray: ...

    def _tail_index(self, rho: np.ndarray) -> np.ndarray:
        return np.full(np.shape(rho), np.inf)


def _nonzero(rho: np.ndarray) -> np.ndarray:
    """Stand-in for rho = 0, whose result is discarded."""
    return np.where(rho == 0, 1.0, rho)


def _checked_probability(q: ArrayLike) -> np.ndarray:
    q = np.asarray(q, dtype=float)
    if not np.all((q >= 0) & (q <= 1)):
        raise ValueError("probabilities must lie in [0, 1].")
    return q
