"""The HTMP law as compiled functions of arrays: log-density with its gradient, and distribution function.

Everything here is callable from other compiled code. Arguments are not checked: see `htmp_bayes.laws.htmp` for the
checked face of the law.
"""

import numpy as np

from htmp_bayes.laws.compiled.exact_point import exact_point
from htmp_bayes.laws.compiled.jit import jit
from htmp_bayes.laws.compiled.left_tail import FAR, left_end, left_rows
from htmp_bayes.laws.compiled.moments import COLUMNS
from htmp_bayes.laws.compiled.population_rule import INVERSE_GAMMA, LOG_NORMAL, population_rule
from htmp_bayes.laws.compiled.population_tail import population_constants
from htmp_bayes.laws.compiled.shared_path import shared_rows

__all__ = [
    "FIRST_LEFT_END",
    "INVERSE_GAMMA",
    "LOG_NORMAL",
    "density_and_distribution",
    "exact_rows",
    "fast_rows",
    "left_switch",
    "log_density",
    "log_density_and_slope",
]

FIRST_LEFT_END = -FAR
"""No `left_switch` is above it."""

# Narrower populations are the same: the skewness of their logarithms changes the law by less than 1e-9, while the
# inverse-gamma's shape, about 1/rho^2, leaves the range in which its rule can be made. Below `_NONE` the correlation
# itself changes it by less than 1e-7, and its slope is rounding noise.
_NARROW = 1e-4
_NONE = 1e-6


@jit
def _without_rounding_noise(rho, population):
    return (rho if rho > _NONE else 0.0), (population if rho > _NARROW else LOG_NORMAL)


@jit
def left_switch(kappa, rho, population):
    """Return the log y below which the closed form of `htmp_bayes.laws.compiled.left_tail` takes over."""
    rho, population = _without_rounding_noise(rho, population)
    return left_end(0.5 * kappa, population_rule(rho, population))


@jit
def _rows(log_y, kappa, gamma, rho, population, shared, gradient, probabilities):
    s = 0.5 * kappa / gamma
    c = 0.5 * kappa
    rho, population = _without_rounding_noise(rho, population)
    rule = population_rule(rho, population)
    constants = population_constants(rho, population)
    rows = np.empty((log_y.size, COLUMNS))
    done = np.zeros(log_y.size, np.bool_)
    left_rows(log_y, left_end(c, rule), s, c, population, rule, constants, rows, done)
    if shared:
        shared_rows(log_y, s, c, rho, rule, gradient, probabilities, rows, done)
    for i in range(log_y.size):
        if not done[i]:
            exact_point(log_y[i], s, c, population, rule, constants, rows[i])
    return rows


@jit
def exact_rows(log_y, kappa, gamma, rho, population):
    """Evaluate each point on its own path: the slow way that `fast_rows` is tested against.

    Returns an array of shape ``(K, 8)``: log f, its derivatives by log y, s = kappa/(2 gamma), c = kappa/2 and rho,
    F and 1 - F, then the real part of <g>, of which f is the imaginary one: Im <g> = pi c y f.
    """
    return _rows(log_y, kappa, gamma, rho, population, False, True, True)


@jit
def fast_rows(log_y, kappa, gamma, rho, population):
    """Evaluate the points together, as far as shared paths serve them; the result of `exact_rows`."""
    return _rows(log_y, kappa, gamma, rho, population, True, True, True)


@jit
def density_and_distribution(log_y, kappa, gamma, rho, population):
    """Return the rows of `fast_rows` without their derivatives by s, c and rho: some two thirds of the work."""
    return _rows(log_y, kappa, gamma, rho, population, True, False, True)


@jit
def log_density_and_slope(log_y, kappa, gamma, rho, population):
    """Return log f and its derivative by log y, shape ``(K, 2)``: half the work of `log_density`."""
    return _rows(log_y, kappa, gamma, rho, population, True, False, False)[:, :2].copy()


@jit
def log_density(log_y, kappa, gamma, rho, population):
    """Log-density at temperature 1 and its gradient.

    Returns an array of shape ``(K, 5)``: log f, and its derivatives by log y, kappa, gamma and rho.
    """
    rows = _rows(log_y, kappa, gamma, rho, population, True, True, False)
    out = np.empty((log_y.size, 5))
    out[:, 0] = rows[:, 0]
    out[:, 1] = rows[:, 1]
    out[:, 2] = 0.5 * rows[:, 2] / gamma + 0.5 * rows[:, 3]
    out[:, 3] = -0.5 * kappa / gamma**2 * rows[:, 2]
    out[:, 4] = rows[:, 4]
    return out
