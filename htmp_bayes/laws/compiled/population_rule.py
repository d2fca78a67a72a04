"""Quadrature over the population law H, for the compiled kernel.

The kernel needs ``M(v) = E[v h / (1 - v h)]`` and ``L(v) = E[log(1 - v h)]`` for ``v`` in the lower half plane
*and on its boundary*, the positive axis, where both are singular for each single ``h``. Log-normal and inverse-gamma
laws have analytic densities, so the line of integration over ``log h`` is moved by ``-i * shift`` (Cauchy): the
integrand is then smooth for every ``v`` of the closed lower half plane and the trapezoid rule converges
exponentially (Trefethen & Weideman, SIAM Review 56, 2014, theorem 5.1), with rate ``2 pi shift / spacing``.
"""

import math

import numpy as np

from htmp_bayes.laws.compiled.complex_functions import expm1_minus_identity
from htmp_bayes.laws.compiled.jit import jit
from htmp_bayes.laws.compiled.polygamma import digamma_minus_log, inverse_trigamma, tetragamma, trigamma

LOG_NORMAL = 0
INVERSE_GAMMA = 1
# Rule columns: log h, h, 1/h, weight, weight * d(log h)/d(rho), d(weight)/d(rho).
LOG_H, H, H_INVERSE, WEIGHT, WEIGHT_SLOPE, WEIGHT_CHANGE = range(6)


@jit
def _pack(log_h, weight, slope, change):
    rule = np.empty((6, log_h.size), np.complex128)
    rule[0] = log_h
    rule[1] = np.exp(log_h)
    rule[2] = np.exp(-log_h)
    rule[3] = weight
    rule[4] = weight * slope
    rule[5] = change
    return rule


@jit
def _log_normal_rule(rho):
    # In z = log(h)/rho. A shift of 1.5 costs a factor exp(1.5**2 / 2) = 3 in cancellation; for rho > 1 the shift of
    # log h stays at 1.5, well inside the distance 2 pi to the next singularity of log(1 - v h).
    shift = 1.5 if rho <= 1.0 else 1.5 / rho
    spacing = shift / 4.8
    half = int(8.6 / spacing) + 1
    z = (np.arange(2 * half + 1) - half) * spacing - 1j * shift
    weight = np.exp(-0.5 * z * z)
    weight /= weight.sum()
    return _pack(rho * z, weight, z, np.zeros(z.size, np.complex128))


@jit
def _inverse_gamma_bounds(nu, shift):
    """Interval of x = log(g / nu) outside of which the Gamma density is below exp(-37) of its peak."""
    step = 0.1 / math.sqrt(nu)
    low = -step
    while nu * (math.exp(low) - 1.0 - low) < 37.0:
        low *= 1.05
    high = step
    while nu * (math.exp(high) * math.cos(shift) - 1.0 - high) < 37.0:
        high *= 1.05
    return low, high


@jit
def _inverse_gamma_rule(rho):
    # h = exp(psi(nu)) / g with g ~ Gamma(nu), in x = log(g / nu) + i shift: the density is exp(-nu (e^x - 1 - x)).
    # Its growth towards Im x = pi/2 bounds the shift for small nu, its width 1/sqrt(nu) for large nu.
    nu = inverse_trigamma(rho * rho)
    nu_slope = 2.0 * rho / tetragamma(nu)
    shift = min(1.0 / math.sqrt(nu), 0.6)
    spacing = shift / 4.8
    low, high = _inverse_gamma_bounds(nu, shift)
    count = int((high - low) / spacing) + 2
    x = low + spacing * np.arange(count) + 1j * shift
    weight = np.empty(count, np.complex128)
    for j in range(count):
        weight[j] = np.exp(-nu * expm1_minus_identity(x[j]))
    weight /= weight.sum()
    offset = digamma_minus_log(nu)
    slope = np.full(count, trigamma(nu) * nu_slope + 0j)
    return _pack(offset - x, weight, slope, weight * (x - offset) * nu_slope)


@jit
def population_rule(rho: float, population: int) -> np.ndarray:
    """Return the quadrature rule of H, shape ``(6, count)``; a single point for ``rho = 0``."""
    if rho == 0.0:
        zero = np.zeros(1, np.complex128)
        return _pack(zero, zero + 1.0, zero, zero)
    if population == LOG_NORMAL:
        return _log_normal_rule(rho)
    return _inverse_gamma_rule(rho)


@jit
def mean_inverse(rule):
    """Return E[1/h] of the population."""
    total = 0.0
    for j in range(rule.shape[1]):
        total += (rule[WEIGHT, j] * rule[H_INVERSE, j]).real
    return total
