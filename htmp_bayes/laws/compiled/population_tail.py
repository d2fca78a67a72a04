"""The part of the population H above or below a point, with its density and its slopes, for the tails of the law.

Where the density of the eigenvalues is so small that it would be a difference of near-equal numbers, its imaginary part
comes from what is here.
"""

import math

import numpy as np

from htmp_bayes.laws.compiled.jit import jit
from htmp_bayes.laws.compiled.polygamma import digamma, inverse_trigamma, tetragamma, trigamma
from htmp_bayes.laws.compiled.population_rule import INVERSE_GAMMA, LOG_NORMAL

_PANEL_X, _PANEL_W = np.polynomial.legendre.leggauss(16)
# The population's tails below exp(-46) are returned with a factor that keeps them there: still small enough for
# products of two of them to vanish beside 1.
DEEP = 46.0


@jit
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


@jit
def _scaled_erfc(x):
    """Return exp(x^2) erfc(x) for x > 3.5, by its continued fraction (DLMF 7.9.1)."""
    fraction = x
    for k in range(60, 0, -1):
        fraction = x + 0.5 * k / fraction
    return 1.0 / (math.sqrt(math.pi) * fraction)


@jit
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


@jit
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


@jit
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


@jit
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


@jit
def population_tail(tau: float, upper: bool, population: int, constants: np.ndarray):
    """Return P, p, dP/d(rho), dp/d(rho) of `lifted_population_tail`, brought down again."""
    share, density, share_rho, density_rho, lift = lifted_population_tail(tau, upper, population, constants)
    down = math.exp(-lift)
    return share * down, density * down, share_rho * down, density_rho * down
