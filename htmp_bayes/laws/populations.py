"""Population laws H of the correlated ensemble, normalised to E[log h] = 0 and sd(log h) = correlation.

The normalisation by the logarithm gives ``correlation`` (rho below) one meaning for every family and keeps
it finite for the heaviest tails. All functions broadcast over their arguments; at ``rho = 0`` every
population is the point mass at 1.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

__all__ = [
    "Atoms",
    "InverseGamma",
    "LogNormal",
    "PointMass",
    "Population",
    "get_population",
    "inverse_gamma_shape",
    "population_quantiles",
]


type Shape = int | tuple[int, ...]


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


@dataclass(frozen=True)
class Atoms(Population):
    """A discrete population given by the user: h = exp(rho z), z one of finitely many standardised positions.

    The log-positions are shifted and scaled to mean 0 and standard deviation 1 under the weights, so that
    `rho` means the same as for the other populations: only the *shape* of the given positions matters. To
    use positions as they are, take ``rho`` equal to their own standard deviation, which `spread` holds.

    Parameters
    ----------
    log_positions : sequence of float
        Logarithms of the population values, at least two different ones.
    weights : sequence of float, optional
        Positive weights, normalised to sum 1; equal by default.

    Raises
    ------
    ValueError
        If positions or weights are not finite, weights not positive, or all positions coincide.

    Examples
    --------
    >>> two = Atoms([0.0, 1.0])
    >>> two.positions, two.spread
    ((-1.0, 1.0), 0.5)
    >>> two.quantile([0.2, 0.8], 0.5).round(4)
    array([0.6065, 1.6487])
    """

    name: ClassVar[str] = "atoms"
    log_positions: tuple[float, ...]
    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        z = np.asarray(self.log_positions, dtype=float)
        w = np.ones(z.shape) if self.weights is None else np.asarray(self.weights, dtype=float)
        if z.ndim != 1 or z.shape != w.shape or not np.all(np.isfinite(z + w) & (w > 0)):
            raise ValueError(
                "atoms need a finite log-position and a positive weight each, in lists of one length."
            )
        w = w / w.sum()
        centred = z - w @ z
        spread = float(np.sqrt(w @ centred**2))
        if not spread > 1e-12 * max(1.0, float(np.max(np.abs(z), initial=0.0))):
            raise ValueError("atoms need two different positions at least; for a single one use 'point'.")
        order = np.argsort(z, kind="stable")
        object.__setattr__(self, "log_positions", tuple(z[order].tolist()))
        object.__setattr__(self, "weights", tuple(w[order].tolist()))
        object.__setattr__(self, "_scaled", (tuple((centred[order] / spread).tolist()), spread))

    @property
    def positions(self) -> tuple[float, ...]:
        """Standardised log-positions, ascending: mean 0 and standard deviation 1 under the weights."""
        return self._scaled[0]  # type: ignore[attr-defined]

    @property
    def spread(self) -> float:
        """Standard deviation of the log-positions as they were given."""
        return self._scaled[1]  # type: ignore[attr-defined]

    def values(self, rho: ArrayLike) -> np.ndarray:
        """Return the population values ``exp(rho z)``, shape ``rho.shape + (number of atoms,)``."""
        return np.exp(np.asarray(rho, dtype=float)[..., None] * np.asarray(self.positions))

    def _sample(self, size: Shape, rho: float, rng: np.random.Generator) -> np.ndarray:
        return self.values(rho)[rng.choice(len(self.positions), size=size, p=self.weights)]

    def _log_moment(self, order: int, rho: np.ndarray) -> np.ndarray:
        return special.logsumexp(order * rho[..., None] * np.asarray(self.positions), b=self.weights, axis=-1)

    def _cdf(self, h: np.ndarray, rho: np.ndarray) -> np.ndarray:
        return np.minimum((self.values(rho) <= np.asarray(h)[..., None]) @ np.asarray(self.weights), 1.0)

    def _sf(self, h: np.ndarray, rho: np.ndarray) -> np.ndarray:
        return np.minimum((self.values(rho) > np.asarray(h)[..., None]) @ np.asarray(self.weights), 1.0)

    def _quantile(self, q: np.ndarray, rho: np.ndarray) -> np.ndarray:
        steps = np.cumsum(np.asarray(self.weights))[:-1]
        return np.exp(rho * np.asarray(self.positions)[np.searchsorted(steps, q, side="left")])

    def _isf(self, q: np.ndarray, rho: np.ndarray) -> np.ndarray:
        steps = np.cumsum(np.asarray(self.weights)[::-1])[:-1]
        return np.exp(rho * np.asarray(self.positions)[::-1][np.searchsorted(steps, q, side="right")])


_BY_NAME: dict[str, type[Population]] = {p.name: p for p in (PointMass, LogNormal, InverseGamma)}


def get_population(population: str | Population) -> Population:
    """Return the population law of a name, or the object itself.

    Parameters
    ----------
    population : {"point", "log-normal", "inverse-gamma"} or Population
        A name, or an object such as ``Atoms([0.0, 1.0, 2.5])``.

    Raises
    ------
    ValueError
        If the name is not known.

    Examples
    --------
    >>> get_population("inverse-gamma")
    InverseGamma()
    """
    if isinstance(population, Population):
        return population
    if isinstance(population, str) and population in _BY_NAME:
        return _BY_NAME[population]()
    allowed = ", ".join(repr(name) for name in _BY_NAME)
    raise ValueError(f"population {population!r} is not known; use {allowed} or an Atoms(...) object.")


def population_quantiles(population: str | Population, correlation: float, size: int) -> np.ndarray:
    """Quantiles of a population law at the probabilities (i - 1/2)/N: a fixed list that stands for it.

    Parameters
    ----------
    population : {"inverse-gamma", "log-normal", "point"} or Population
        The law.
    correlation : float
        Standard deviation of log h; at 0 all values are 1.
    size : int
        Number N of values.

    Returns
    -------
    ndarray, shape (size,)
        Ascending.

    Examples
    --------
    >>> print(population_quantiles("log-normal", 0.5, 4).round(4))
    [0.5626 0.8527 1.1727 1.7774]
    """
    law = get_population(population)
    probability = (np.arange(size) + 0.5) / size
    upper = probability > 0.5
    values = np.empty(size)
    values[~upper] = law.quantile(probability[~upper], correlation)
    values[upper] = law.isf(1 - probability[upper], correlation)
    return values


def _rate(nu: np.ndarray) -> np.ndarray:
    return np.exp(special.digamma(nu))


def _nonzero(rho: np.ndarray) -> np.ndarray:
    """Stand-in for rho = 0, whose result is discarded."""
    return np.where(rho == 0, 1.0, rho)


def _checked_probability(q: ArrayLike) -> np.ndarray:
    q = np.asarray(q, dtype=float)
    if not np.all((q >= 0) & (q <= 1)):
        raise ValueError("probabilities must lie in [0, 1].")
    return q
