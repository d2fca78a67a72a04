"""Quadrature over the population law H, and the exact tails of H, for the compiled kernel.

The kernel needs ``M(v) = E[v h / (1 - v h)]`` and ``L(v) = E[log(1 - v h)]`` for ``v`` in the lower half plane
*and on its boundary*, the positive axis, where both are singular for each single ``h``. Log-normal and inverse-gamma
laws have analytic densities, so the line of integration over ``log h`` is moved by ``-i * shift`` (Cauchy): the
integrand is then smooth for every ``v`` of the closed lower half plane and the trapezoid rule converges
exponentially (Trefethen & Weideman, SIAM Review 56, 2014, theorem 5.1), with rate ``2 pi shift / spacing``.
"""

import math

import numba
import numpy as np

from htmp_bayes.laws.special import digamma, digamma_minus_log, inverse_trigamma, tetragamma, trigamma

LOG_NORMAL = 0
INVERSE_GAMMA = 1

_PANEL_X, _PANEL_W = np.polynomial.legendre.leggauss(16)
# Rule columns: log h, h, 1/h, weight, weight * d(log h)/d(rho), d(weight)/d(rho).
LOG_H, H, H_INVERSE, WEIGHT, WEIGHT_SLOPE, WEIGHT_CHANGE = range(6)
# The population's tails below exp(-46) are returned with a factor that keeps them there: still small enough for
# products of two of them to vanish beside 1.
DEEP = 46.0

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")


@_jit
def expm1_minus_identity(x: complex) -> complex:
    """Return exp(x) - 1 - x, by its Taylor series where the difference would cancel."""
    if abs(x) > 0.5:
        return np.exp(x) - 1.0 - x
    term = 0.5 * x * x
    total = term
    order = 2
    while abs(term) > 1e-17 * abs(total):
        order += 1
        term *= x / order
        total += term
    return total


@_jit
def _pack(log_h, weight, slope, change):
    rule = np.empty((6, log_h.size), np.complex128)
    rule[0] = log_h
    rule[1] = np.exp(log_h)
    rule[2] = np.exp(-log_h)
    rule[3] = weight
    rule[4] = weight * slope
    rule[5] = change
    return rule


@_jit
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


@_jit
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


@_jit
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


@_jit
def population_rule(rho: float, population: int) -> np.ndarray:
    """Return the quadrature rule of H, shape ``(6, count)``; a single point for ``rho = 0``."""
    if rho == 0.0:
        zero = np.zeros(1, np.complex128)
        return _pack(zero, zero + 1.0, zero, zero)
    if population == LOG_NORMAL:
        return _log_normal_rule(rho)
    return _inverse_gamma_rule(rho)


@_jit
def population_constants(rho: float, population: int) -> np.ndarray:
    """Return (rho, nu, d nu / d rho, psi(nu), log Gamma(nu), psi'(nu)); zeros after rho where nu has no meaning."""
    constants = np.zeros(6)
    constants[0] = rho
    if rho > 0.0 and population == INVERSE_GAMMA:
        nu = inverse_trigamma(rho * rho)
        constants[1] = nu
        constants[2] = 2.0 * rho / tetragamma(nu)
        constants[3] = digamma(nu)
        constants[4] = math.lgamma(nu)
        constants[5] = trigamma(nu)
    return constants


@_jit
def _scaled_erfc(x):
    """Return exp(x^2) erfc(x) for x > 3.5, by its continued fraction (DLMF 7.9.1)."""
    fraction = x
    for k in range(60, 0, -1):
        fraction = x + 0.5 * k / fraction
    return 1.0 / (math.sqrt(math.pi) * fraction)


@_jit
def _log_normal_tail(tau, upper, rho):
    x = -tau / rho
    side = 1.0 if upper else -1.0
    lift = max(0.5 * x * x - DEEP, 0.0) if side * x > 5.0 else 0.0
    phi = math.exp(lift - 0.5 * x * x) / math.sqrt(2.0 * math.pi)
    if lift > 0.0:
        probability = 0.5 * math.exp(-DEEP) * _scaled_erfc(side * x / math.sqrt(2.0))
    else:
        probability = 0.5 * math.erfc(side * x / math.sqrt(2.0))
    return probability, phi / rho, side * phi * x / rho, phi / rho * (x * x - 1.0) / rho, lift


@_jit
def _gamma_tail_moments(u0, left, nu, psi, log_scale):
    """Integrals of the density of log g, and of (log g - psi) times it, from u0 outwards.

    The density is exp(nu u - exp(u) - log_scale).
    """
    side = -1.0 if left else 1.0
    total = 0.0
    centred = 0.0
    u = u0
    top = nu * u - math.exp(u)
    for _ in range(400):
        e = math.exp(u)
        length = min(6.0 / (abs(nu - e) + 1e-3 * nu), 3.0 / math.sqrt(e + 1e-3 * nu))
        if not left:
            length = min(length, 1.0)  # exp(u) grows on the way
        for k in range(_PANEL_X.size):
            x = u + side * 0.5 * length * (1.0 + _PANEL_X[k])
            mass = math.exp(nu * x - math.exp(x) - log_scale) * 0.5 * length * _PANEL_W[k]
            total += mass
            centred += mass * (x - psi)
        u += side * length
        level = nu * u - math.exp(u)
        top = max(top, level)
        if level < top - 40.0:
            break
    return total, centred


@_jit
def _inverse_gamma_tail(tau, upper, constants):
    nu, nu_slope, psi = constants[1], constants[2], constants[3]
    # h > exp(-tau) is g < exp(u0), and u0 = psi(nu) + tau moves with nu.
    u0 = psi + tau
    outside = (u0 < math.log(nu)) if upper else (u0 > math.log(nu))
    log_density = nu * u0 - math.exp(u0) - constants[4]
    lift = max(-DEEP - log_density, 0.0)
    if lift > 0.0 and not outside:
        return 1.0, 0.0, 0.0, 0.0, 0.0
    density = math.exp(log_density + lift)
    if outside:
        probability, centred = _gamma_tail_moments(u0, upper, nu, psi, constants[4] - lift)
    else:
        # The smaller side; log g - psi has the mean 0.
        other, other_centred = _gamma_tail_moments(u0, not upper, nu, psi, constants[4])
        probability, centred = 1.0 - other, -other_centred
    boundary = density * constants[5]
    change = (centred + boundary) if upper else (centred - boundary)
    density_change = density * ((u0 - psi) + (nu - math.exp(u0)) * constants[5])
    return probability, density, change * nu_slope, density_change * nu_slope, lift


@_jit
def lifted_population_tail(tau: float, upper: bool, population: int, constants: np.ndarray):
    """Return P, p, dP/d(rho), dp/d(rho), all to full relative accuracy and times exp(lift), and the lift.

    P is ``P(h > exp(-tau))`` if ``upper`` else ``P(h < exp(-tau))``; p is the density of ``log h`` at ``-tau``.
    Deep in the tails, far below the smallest double, they are lifted to about exp(-46); elsewhere the lift is 0.
    """
    rho = constants[0]
    if rho == 0.0:
        return 0.0, 0.0, 0.0, 0.0, 0.0
    if population == LOG_NORMAL:
        return _log_normal_tail(tau, upper, rho)
    return _inverse_gamma_tail(tau, upper, constants)


@_jit
def population_tail(tau: float, upper: bool, population: int, constants: np.ndarray):
    """Return P, p, dP/d(rho), dp/d(rho) of `lifted_population_tail`, brought down again."""
    share, density, share_rho, density_rho, lift = lifted_population_tail(tau, upper, population, constants)
    down = math.exp(-lift)
    return share * down, density * down, share_rho * down, density_rho * down


@_jit
def mean_inverse(rule):
    """Return E[1/h] of the population."""
    total = 0.0
    for j in range(rule.shape[1]):
        total += (rule[WEIGHT, j] * rule[H_INVERSE, j]).real
    return total
