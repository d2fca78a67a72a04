"""Steps along the real axis, where it is a path of descent, and the size of imaginary parts there.

The imaginary parts come from the population's own tail: they grow before they fall, and what is left out because it is
small has to be small against their peak, not against the real parts.
"""

import math

import numpy as np

from htmp_bayes.laws.compiled.jit import jit
from htmp_bayes.laws.compiled.population_sums import path_slope
from htmp_bayes.laws.compiled.population_tail import lifted_population_tail, population_tail
from htmp_bayes.laws.compiled.steepest_descent import reach


@jit
def _real_slope(tau, y, s1, c1, rule):
    slope, curvature = path_slope(complex(tau, 0.0), y, s1, c1, rule)
    return slope.real, curvature.real


@jit
def real_saddle(tau, y, s1, c1, rule):
    """Newton's method for the saddle point on the real axis near ``tau``."""
    for _ in range(80):
        slope, curvature = _real_slope(tau, y, s1, c1, rule)
        if curvature >= 0.0:
            curvature = -curvature - 0.1
        step = slope / curvature
        step = min(max(step, -0.5), 0.5)
        tau -= step
        if abs(step) < 1e-11:
            break
    return tau


@jit
def descends(tau, side, y, s, c, upper, population, rule, constants):
    """Whether the real axis is still a path of descent at tau, with a phase small enough not to oscillate."""
    share = population_tail(tau, upper, population, constants)[0]
    return _real_slope(tau, y, s + 1.0, c + 1.0, rule)[0] * side < 0.0 and math.pi * c * share < 0.6


@jit
def last_descending(a, b, side, y, s, c, upper, population, rule, constants):
    """Find the end of descent between a (descends) and b (does not) by bisection."""
    for _ in range(30):
        middle = 0.5 * (a + b)
        if descends(middle, side, y, s, c, upper, population, rule, constants):
            a = middle
        else:
            b = middle
    return a


@jit
def real_step(a, side, first, y, s, c, rho, rule):
    """Return the length of the next panel from ``a``, short enough for one Gauss rule."""
    slope, curvature = _real_slope(a, y, s + 1.0, c + 1.0, rule)
    size = math.sqrt(abs(curvature)) + 1e-300
    length = (
        3.5 / size if first else min(8.0 / (abs(slope) + 1e-300), 2.0 * abs(slope) / size**2 + 2.0 / size)
    )
    length = min(length, reach(complex(a, 0.0), rho, rule))
    for _ in range(60):
        # Near an edge of the spectrum the curvature passes through 0 and says nothing about the panel.
        if abs(_real_slope(a + side * length, y, s + 1.0, c + 1.0, rule)[0]) * length < 24.0:
            break
        length *= 0.7
    return length


@jit
def log_share(tau, upper, population, constants):
    """Log of the population's tail beyond ``tau``."""
    share, _, _, _, deep = lifted_population_tail(tau, upper, population, constants)
    return math.log(share) - deep if share > 0.0 else -np.inf


@jit
def _share_slope(tau, upper, population, constants):
    """Slope of the log of the population's tail."""
    share, density, _, _, _ = lifted_population_tail(tau, upper, population, constants)
    return (density if upper else -density) / (share + 1e-300)


@jit
def _imaginary_slope(tau, y, s, c, upper, population, rule, constants):
    """Slope of the log of the imaginary part: of the exponent and of the population's tail."""
    return _real_slope(tau, y, s + 1.0, c + 1.0, rule)[0] + _share_slope(tau, upper, population, constants)


@jit
def _log_imaginary(a, reference, here_l, y, s, c, upper, population, constants):
    """Log of the imaginary part at ``a``, where the potential is ``here_l``, against the real saddle."""
    tau0, l0, _ = reference
    level = (s - c + 1.0) * (a - tau0) - y * math.exp(tau0) * math.expm1(a - tau0) - c * (here_l - l0)
    return level + log_share(a, upper, population, constants)


@jit
def quiet_stretch(a, side, nothing, lift, reference, here_l, y, s, c, upper, population, constants):
    """How far from a imaginary parts stay below exp(nothing).

    The population's tail is log-concave, so below its tangent at a, and the exponent falls.
    """
    here = _log_imaginary(a, reference, here_l, y, s, c, upper, population, constants) + lift
    if here >= nothing:
        return 0.0
    slope = side * _share_slope(a, upper, population, constants)
    return (nothing - here) / slope if slope > 0.0 else np.inf


@jit
def not_past_the_peak(a, side, length, y, s, c, upper, population, rule, constants):
    """Shorten a panel in whose inside imaginary parts are largest, so that their size is seen at its end."""
    slope_here = side * _imaginary_slope(a, y, s, c, upper, population, rule, constants)
    if slope_here <= 0.0:
        return length
    for _ in range(60):
        slope = side * _imaginary_slope(a + side * length, y, s, c, upper, population, rule, constants)
        if slope >= 0.0 or max(-slope, slope_here) * length < 24.0:
            break
        length *= 0.7
    return length


@jit
def resolving_share(a, side, length, lift, reference, here_l, y, s, c, upper, population, rule, constants):
    """Shorten a panel so that it resolves a population's deep tail, which changes faster than the exponent."""
    nothing = -140.0 if lift > 0.0 else -690.0
    quiet = quiet_stretch(a, side, nothing, lift, reference, here_l, y, s, c, upper, population, constants)
    rho = constants[0]
    if quiet > 3.0 * rho:
        return not_past_the_peak(a, side, min(length, quiet), y, s, c, upper, population, rule, constants)
    length = min(length, 3.0 * rho)
    slope_here = _imaginary_slope(a, y, s, c, upper, population, rule, constants)
    for _ in range(40):
        slope = _imaginary_slope(a + side * length, y, s, c, upper, population, rule, constants)
        if max(abs(slope), abs(slope_here)) * length < 24.0:
            break
        length = max(0.7 * length, quiet)
    return length
