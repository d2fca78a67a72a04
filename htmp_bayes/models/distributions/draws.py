"""Draws from the HTMP law by its quantile function, tabulated once for all draws with the same parameters."""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicHermiteSpline
from scipy.special import logit

from htmp_bayes.laws.compiled.htmp_density import fast_rows
from htmp_bayes.laws.parameters import CORRELATION_RANGE, GAMMA_RANGE, KAPPA_RANGE, SCALE_RANGE, in_range

type Array = NDArray[np.float64]

_RANGES = {
    "kappa": KAPPA_RANGE,
    "gamma": GAMMA_RANGE,
    "correlation": CORRELATION_RANGE,
    "temperature": SCALE_RANGE,
}

# Probabilities from 2e-9 to 1 - 2e-9, as long as eigenvalues stay within the range of doubles.
_LOGIT_RANGE = 20.0
_LOG_RANGE = 650.0
_SCAN = 40
_SIZE = 161


def draw_htmp(
    rng: np.random.Generator,
    kappa: Any,
    gamma: Any,
    temperature: Any,
    correlation: Any,
    population: Any,
    size: Any = None,
) -> Array:
    """Independent draws from the HTMP law, for parameters of any shapes that broadcast.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    kappa, gamma, temperature, correlation : array_like of float
        Parameters of the law.
    population : array_like of int
        Code of the population.
    size : tuple of int, optional
        Shape of the draws; by default that of the parameters.

    Returns
    -------
    ndarray
        Draws. Quantiles beyond 2e-9 on either side, and values below ``exp(-650)`` times the mean, are set
        to these ends.

    Raises
    ------
    ValueError
        If a parameter is outside its range; the message states the range.

    Examples
    --------
    >>> draws = draw_htmp(np.random.default_rng(1), 4.0, 0.5, 0.25, 0.0, 1, size=(20000,))
    >>> print(f"{draws.mean():.1f}")
    1.0
    """
    _check(temperature=temperature)
    law = np.broadcast_arrays(kappa, gamma, correlation, population)
    shape = np.broadcast_shapes(law[0].shape, np.shape(temperature)) if size is None else tuple(size)
    probability = np.maximum(rng.random(shape), np.finfo(float).tiny)
    rows = np.stack([np.broadcast_to(p, shape).ravel() for p in law], axis=1)
    distinct, which = np.unique(rows, axis=0, return_inverse=True)
    draws = np.empty(probability.size)
    for number, row in enumerate(distinct):
        chosen = which.ravel() == number
        draws[chosen] = quantiles(probability.ravel()[chosen], *row)
    return draws.reshape(shape) * np.broadcast_to(temperature, shape)


def _check(**parameters: Any) -> None:
    for name, value in parameters.items():
        in_range(name, value, *_RANGES[name])


def quantiles(probability: Any, kappa: float, gamma: float, correlation: float, population: float) -> Array:
    """Quantiles at temperature 1, from a table that is kept; good to about 1e-6 in probability."""
    spline = _log_quantile(kappa, gamma, correlation, int(population))
    return np.exp(spline(np.clip(logit(probability), spline.x[0], spline.x[-1])))


@functools.lru_cache(maxsize=256)
def _log_quantile(kappa: float, gamma: float, correlation: float, population: int) -> CubicHermiteSpline:
    """Log y as a function of the logit of F: nearly linear in both tails, so that a cubic follows it."""
    _check(kappa=kappa, gamma=gamma, correlation=correlation)
    law = (kappa, gamma, correlation, population)
    log_y, logits, _ = _logits(np.concatenate([_outwards(-1.0, law)[::-1], _outwards(1.0, law)]), law)
    wanted = np.linspace(max(-_LOGIT_RANGE, logits[0]), min(_LOGIT_RANGE, logits[-1]), _SIZE)
    log_y, logits, slopes = _logits(np.interp(wanted, logits, log_y), law)
    return CubicHermiteSpline(logits, log_y, 1 / slopes)


def _outwards(side: float, law: tuple[float, float, float, int]) -> Array:
    """Log y at growing distances from the centre, until F is as near to 0 or 1 as a draw can be."""
    centre = np.log(law[0] / (2 * law[1]))
    points = []
    for distance in np.geomspace(1e-2, _LOG_RANGE, _SCAN):
        points.append(centre + side * distance)
        row = fast_rows(np.array(points[-1:]), *law)[0]
        if min(row[5], row[6]) < np.exp(-_LOGIT_RANGE):
            break
    return np.array(points)


def _logits(log_y: Array, law: tuple[float, float, float, int]) -> tuple[Array, Array, Array]:
    """Log y, the logit of F and its slope, where F is neither 0 nor 1 and still rises."""
    rows = fast_rows(log_y, *law)
    with np.errstate(divide="ignore", invalid="ignore"):
        logits = np.log(rows[:, 5]) - np.log(rows[:, 6])
        slopes = np.exp(rows[:, 0] + log_y) * (1 / rows[:, 5] + 1 / rows[:, 6])
    usable = np.isfinite(logits) & np.isfinite(slopes) & (slopes > 0) & (abs(logits) < 2 * _LOGIT_RANGE)
    log_y, logits, slopes = log_y[usable], logits[usable], slopes[usable]
    rising = np.concatenate([[True], np.diff(np.maximum.accumulate(logits)) > 0])
    return log_y[rising], logits[rising], slopes[rising]
