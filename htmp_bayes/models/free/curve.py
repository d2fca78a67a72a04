"""The quantile function of log h: knots of its slope, and the list of population values that it stands for."""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr, ndtri

type Array = NDArray[np.float64]

KNOTS = 21
"""Knots of b: one at either end, and the others at even steps of x from the second direction to the last but one."""

PARAMETERS = KNOTS + 2
"""Of the curve: m, L and the d of each knot."""

GAMMA_LOWEST = 0.0005
"""Smallest aspect ratio for which there are lists and cells that are fine enough."""

# So few directions are listed one by one; of more, this many at either end, and between them groups.
_LISTED, _SINGLE = 70, 6
# Longest step of x between groups; less for small aspect ratios, whose spectra show more.
_STEP, _SHARE_OF_BLUR, _SHORTEST_STEP = 0.12, 0.4, 0.02


@dataclass(frozen=True, eq=False)
class Curve:
    """What makes log population values of the parameters m, L and d.

    Attributes
    ----------
    size : int
        Number N of directions.
    shares : ndarray
        Masses of the Q values that stand for the N, shape ``(Q,)``; those at both ends are single directions.
    levels : ndarray
        Their places u, shape ``(Q,)``.
    knots : ndarray
        Places x of the knots, shape ``(KNOTS,)``.
    interpolation : ndarray
        From the d of the knots to the d of the values, shape ``(Q, KNOTS)``.
    integral : ndarray
        Integrates over s from the median to each value, shape ``(Q, Q)``.
    """

    size: int
    shares: Array
    levels: Array
    knots: Array
    interpolation: Array
    integral: Array

    def log_values(self, theta: Array) -> Array:
        """Log population values, ascending, at parameters of shape ``(..., PARAMETERS)``: m, L and d."""
        slopes = np.exp(theta[..., 1:2] + theta[..., 2:] @ self.interpolation.T)
        return np.asarray(theta[..., :1] + slopes @ self.integral.T)

    def derivatives(self, theta: Array) -> Array:
        """Differentiate the log values by the parameters, shape ``(Q, PARAMETERS)``."""
        slopes = np.exp(theta[1] + self.interpolation @ theta[2:])
        by_d = self.integral @ (slopes[:, None] * self.interpolation)
        return np.column_stack([np.ones(len(slopes)), self.integral @ slopes, by_d])

    def quantiles(self, log_values: Array, levels: Array) -> Array:
        """Log population values at other places u, from those of shape ``(..., Q)``: linear in between."""
        x, at = ndtri(self.levels), ndtri(np.asarray(levels, dtype=np.float64))
        place = np.clip(np.searchsorted(x, at) - 1, 0, len(x) - 2)
        share = np.clip((at - x[place]) / (x[place + 1] - x[place]), 0.0, 1.0)
        return np.asarray((1 - share) * log_values[..., place] + share * log_values[..., place + 1])

    def directions(self, log_values: Array) -> Array:
        """Log population values of all N directions, ascending, shape ``(..., N)``."""
        return self.quantiles(log_values, (np.arange(self.size) + 0.5) / self.size)


@functools.lru_cache(maxsize=64)
def curve(size: int, gamma: float) -> Curve:
    """Curve for N directions of a matrix with this aspect ratio.

    Examples
    --------
    >>> population = curve(384, 0.25)
    >>> theta = np.zeros(PARAMETERS)
    >>> theta[1] = np.log(0.4)
    >>> values = population.log_values(theta)
    >>> len(values), round(float(population.shares @ values), 6)
    (47, 0.0)
    """
    counts = _groups(size, min(_STEP, max(_SHARE_OF_BLUR * np.sqrt(gamma), _SHORTEST_STEP)))
    levels = (np.cumsum(counts) - counts / 2) / size
    x, s = ndtri(levels), log_ndtr(ndtri(levels)) - log_ndtr(-ndtri(levels))
    outer, inner = -ndtri(0.5 / size), -ndtri(1.5 / size)
    knots = np.concatenate([[-outer], np.linspace(-inner, inner, KNOTS - 2), [outer]])
    interpolation = np.array([np.interp(x, knots, unit) for unit in np.eye(KNOTS)]).T
    return Curve(size, counts / size, levels, knots, interpolation, _integral(x, s))


def _groups(size: int, step: float) -> NDArray[np.int64]:
    """Directions of each value: one at both ends, and between as many as lie in a step of x."""
    if size <= _LISTED:
        return np.ones(size, np.int64)
    ends = list(range(_SINGLE + 1))
    while True:
        end = max(ends[-1] + 1, round(size * float(ndtr(ndtri(ends[-1] / size) + step))))
        if end >= size / 2:
            break
        ends.append(end)
    lower = np.array(ends)
    return np.diff(np.concatenate([lower, size - lower[::-1]]))


def _integral(x: Array, s: Array) -> Array:
    """Matrix of the trapezoid rule over s from the median, x = 0, to each value."""
    steps = np.diff(s)
    running = np.zeros((len(s), len(s)))
    for q in range(1, len(s)):
        running[q] = running[q - 1]
        running[q, q - 1 : q + 1] += steps[q - 1] / 2
    median = np.array([np.interp(0.0, x, column) for column in running.T])
    return np.asarray(running - median)
