r"""The prior of the open population and of the repulsion.

It is proper, and moves along when all eigenvalues are multiplied by a factor:

- the log of the median, m: normal about the mean of the log-eigenvalues, with their standard deviation (0.5 at least);
- the level L = b at the median: normal about log 1/4 with standard deviation 1.5, so that a correlation (the standard
  deviation of log h, 1.8 e^L where b is constant) is between
  0.02 and 8 with a probability of 95 %, and a point mass is a limit;
- d over the knots: a random walk whose steps over a distance of x are tau \sqrt{\Delta x} times Student's t with five
  degrees of freedom, times a normal density of standard deviation 1.5 for each: t lets b jump in a few places, at
  spikes and between bulks, where it is smooth in others, and the bound keeps away what no spectrum could tell from
  less;
- tau, the roughness: log-normal about 0.4 with standard deviation 0.4 of its logarithm, before the bound;
- kappa: as for other populations (:mod:`htmp_bayes.models.layer.prior`), cut off at 4, below which first order in
1/kappa is
  no law.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from htmp_bayes.models.free.curve import KNOTS, Curve
from htmp_bayes.models.layer.data import LayerData
from htmp_bayes.models.layer.prior import kappa_prior

type Array = NDArray[np.float64]

LEVEL, LEVEL_SD = float(np.log(0.25)), 1.5
BOUND_SD = 1.5
LOG_ROUGHNESS, LOG_ROUGHNESS_SD = float(np.log(0.4)), 0.4
DEGREES_OF_FREEDOM = 5.0
OPEN_KAPPA_LOWEST = 4.0
_LARGEST_INDEX = 20.0
_LEAST_SD = 0.5
# Walks that are drawn at a time.
_PROPOSED = 4000


def location(data: LayerData) -> tuple[float, float]:
    """Mean and standard deviation of the prior of m."""
    return data.log_mean, max(data.log_sd, _LEAST_SD)


def log_index_range(size: int) -> tuple[float, float]:
    """Where the prior of log kappa/N ends."""
    lowest = min(OPEN_KAPPA_LOWEST / size, 0.5)
    return float(np.log(lowest)), float(np.log(_LARGEST_INDEX))


def innovations(curve: Curve) -> Array:
    """Matrix that makes the steps of d, in units of the roughness, of the parameters, ``(KNOTS - 1, PARAMETERS)``."""
    steps = np.diff(np.eye(KNOTS), axis=0) / np.sqrt(np.diff(curve.knots))[:, None]
    return np.column_stack([np.zeros((KNOTS - 1, 2)), steps])


def log_prior_of_curve(data: LayerData, curve: Curve, theta: Array, log_roughness: Any) -> Any:
    """Log-density, but for a constant, of m, L, d and log tau; parameters of shape ``(..., PARAMETERS)``."""
    centre, sd = location(data)
    log_roughness = np.asarray(log_roughness)
    jumps = theta @ innovations(curve).T / np.exp(log_roughness)[..., None]
    value = -0.5 * (DEGREES_OF_FREEDOM + 1) * np.log1p(jumps**2 / DEGREES_OF_FREEDOM).sum(axis=-1)
    value = value - (KNOTS - 1) * log_roughness - 0.5 * np.sum((theta[..., 2:] / BOUND_SD) ** 2, axis=-1)
    for place, mean, spread in (
        (theta[..., 0], centre, sd),
        (theta[..., 1], LEVEL, LEVEL_SD),
        (log_roughness, LOG_ROUGHNESS, LOG_ROUGHNESS_SD),
    ):
        value = value - 0.5 * ((place - mean) / spread) ** 2
    return value


def prior_draws(
    data: LayerData, curve: Curve, size: int, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Draw parameters of the curve, shape ``(size, PARAMETERS)``, log tau and log kappa/N, ``(size,)`` each.

    Walks of d are accepted with the probability that the bound leaves them.
    """
    log_roughness, d = np.empty(0), np.empty((0, KNOTS))
    while len(d) < size:
        more = _bounded_walks(curve, rng)
        log_roughness = np.append(log_roughness, more[0])
        d = np.concatenate([d, more[1]])
    centre, sd = location(data)
    m = centre + sd * rng.standard_normal(size)
    level = LEVEL + LEVEL_SD * rng.standard_normal(size)
    return np.column_stack([m, level, d[:size]]), log_roughness[:size], _log_index(data.size, size, rng)


def _bounded_walks(curve: Curve, rng: np.random.Generator) -> tuple[Array, Array]:
    log_roughness = LOG_ROUGHNESS + LOG_ROUGHNESS_SD * rng.standard_normal(_PROPOSED)
    steps = rng.standard_t(DEGREES_OF_FREEDOM, (_PROPOSED, KNOTS - 1)) * np.sqrt(np.diff(curve.knots))
    start = BOUND_SD * rng.standard_normal((_PROPOSED, 1))
    d = np.cumsum(np.column_stack([start, np.exp(log_roughness)[:, None] * steps]), axis=1)
    accepted = np.log(rng.random(_PROPOSED)) < -0.5 * np.sum((d[:, 1:] / BOUND_SD) ** 2, axis=1)
    return log_roughness[accepted], d[accepted]


def _log_index(n_eigenvalues: int, size: int, rng: np.random.Generator) -> Array:
    from scipy.stats import truncnorm

    low, high = log_index_range(n_eigenvalues)
    law = kappa_prior(n_eigenvalues)
    mean, sd = law["mu"] - np.log(n_eigenvalues), law["sigma"]
    drawn = truncnorm.rvs((low - mean) / sd, (high - mean) / sd, mean, sd, size=size, random_state=rng)
    return np.asarray(drawn)


def log_prior_of_index(data: LayerData, log_index: Any) -> Any:
    """Log-density of log kappa/N, but for a constant, within its range."""
    law = kappa_prior(data.size)
    return -0.5 * ((log_index + np.log(data.size) - law["mu"]) / law["sigma"]) ** 2
