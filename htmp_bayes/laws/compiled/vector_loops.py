"""Loops over the nodes of a path that use vector instructions throughout: levels, factors, sums."""

import math

import numpy as np

from htmp_bayes.laws.compiled.jit import jit, jit_ordered, jit_sum
from htmp_bayes.laws.compiled.saddle_curve import NEGLIGIBLE

# A Gauss panel of 20 nodes resolves a change of the exponent of this size to 1e-19 (remainder term, DLMF 3.5.19),
# and larger ones where the integrand is small.
RESOLVED = 18.0


@jit_ordered
def _exp_below_zero(x):
    """Return exp(x) for x in [-60, 0] as a polynomial to the 256th power: vector instructions throughout."""
    z = x / 256.0
    p = 1.0 / 39916800.0
    p = p * z + 1.0 / 3628800.0
    p = p * z + 1.0 / 362880.0
    p = p * z + 1.0 / 40320.0
    p = p * z + 1.0 / 5040.0
    p = p * z + 1.0 / 720.0
    p = p * z + 1.0 / 120.0
    p = p * z + 1.0 / 24.0
    p = p * z + 1.0 / 6.0
    p = p * z + 0.5
    p = p * z + 1.0
    p = p * z + 1.0
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    return p * p


@jit_ordered
def _sine_and_cosine(x):
    """Return sin(x), cos(x) for |x| < 1e5: Taylor polynomials after reduction to |x| < pi/4 (Cody & Waite)."""
    turns = np.rint(x * (2.0 / math.pi))
    r = ((x - turns * 1.5707963109016418) - turns * 1.5893254712295857e-08) - turns * 6.123233995736766e-17
    z = r * r
    s = -1.0 / 1307674368000.0
    s = s * z + 1.0 / 6227020800.0
    s = s * z - 1.0 / 39916800.0
    s = s * z + 1.0 / 362880.0
    s = s * z - 1.0 / 5040.0
    s = s * z + 1.0 / 120.0
    s = s * z - 1.0 / 6.0
    s = r + r * z * s
    c = 1.0 / 20922789888000.0
    c = c * z - 1.0 / 87178291200.0
    c = c * z + 1.0 / 479001600.0
    c = c * z - 1.0 / 3628800.0
    c = c * z + 1.0 / 40320.0
    c = c * z - 1.0 / 720.0
    c = c * z + 1.0 / 24.0
    c = 1.0 - 0.5 * z + z * z * c
    quarter = turns - 4.0 * np.floor(0.25 * turns)
    odd = quarter - 2.0 * np.floor(0.5 * quarter)
    sign_s = 1.0 - 2.0 * np.floor(0.5 * quarter)
    upper = np.floor(0.5 * (quarter + 1.0))
    sign_c = 1.0 - 2.0 * (upper - 2.0 * np.floor(0.5 * upper))
    return sign_s * (s + odd * (c - s)), sign_c * (c + odd * (s - c))


@jit_sum
def fill_levels(y, exponent, v, levels):
    """Fill the levels log|integrand| of <1>; return the largest."""
    best = -1e308
    for n in range(levels.size):
        level = exponent[n] - y * v[n]
        levels[n] = level
        best = max(best, level)
    return best


@jit_sum
def largest_sum(a, b):
    """Return the largest of a + b."""
    best = -1e308
    for n in range(a.size):
        best = max(best, a[n] + b[n])
    return best


@jit
def range_that_matters(log_q, levels, best, best_q):
    """First node and last node + 1 at which one of the two integrands is not negligible."""
    level = best - NEGLIGIBLE
    level_q = best_q - NEGLIGIBLE
    first = 0
    last = levels.size
    while first < last and levels[first] < level and levels[first] + log_q[first] < level_q:
        first += 1
    while last > first and levels[last - 1] < level and levels[last - 1] + log_q[last - 1] < level_q:
        last -= 1
    return first, last


@jit_sum
def largest_excess(y, nodes, levels, best, best_q):
    """Largest square of the change of the exponent over a panel, less what a Gauss panel resolves there."""
    v_r, v_i, slope_r, slope_i, log_q, length = nodes[2], nodes[3], nodes[4], nodes[5], nodes[6], nodes[7]
    largest = -1e308
    for n in range(levels.size):
        below = min(best - levels[n], best_q - levels[n] - log_q[n])
        a = slope_r[n] - y * v_r[n]
        b = slope_i[n] - y * v_i[n]
        resolved = (RESOLVED + 2.0 * below) / length[n]
        excess = a * a + b * b - resolved * resolved
        largest = max(largest, excess if below <= NEGLIGIBLE else -1e308)
    return largest


@jit_sum
def _fill_factors(levels, best, angles, y, v_i, phase, real, imag, size):
    """Fill exp(exponent - its largest value): real part, imaginary part and absolute value."""
    for n in range(levels.size):
        r = _exp_below_zero(max(levels[n] - best, -60.0))
        sine, cosine = _sine_and_cosine(angles[n] - y * v_i[n] - phase)
        real[n] = r * cosine
        imag[n] = r * sine
        size[n] = r


@jit
def _fill_factors_of_any_size(levels, best, angles, y, v_i, phase, real, imag, size):
    """Fill the same where sizes fall below exp(-60): for small y, <M/v> comes from where <1> has died out."""
    for n in range(levels.size):
        angle = angles[n] - y * v_i[n] - phase
        size[n] = math.exp(levels[n] - best)
        real[n] = size[n] * math.cos(angle)
        imag[n] = size[n] * math.sin(angle)


@jit
def fill_all_factors(c, levels, best, angles, y, v_i, phase, real, imag, size):
    """Fill them by vector instructions where those are accurate enough."""
    # F is a phase over pi c: with a small c the last digits of the library's own functions matter.
    if c > 0.5 and levels.min() > best - 60.0:
        _fill_factors(levels, best, angles, y, v_i, phase, real, imag, size)
    else:
        _fill_factors_of_any_size(levels, best, angles, y, v_i, phase, real, imag, size)


@jit_sum
def moment(column_r, column_i, factor_r, factor_i):
    """Return the sum of the products of two complex columns."""
    real = 0.0
    imag = 0.0
    for n in range(factor_r.size):
        real += factor_r[n] * column_r[n] - factor_i[n] * column_i[n]
        imag += factor_r[n] * column_i[n] + factor_i[n] * column_r[n]
    return complex(real, imag)


@jit_sum
def dot(a, b):
    """Return the sum of a b."""
    total = 0.0
    for n in range(a.size):
        total += a[n] * b[n]
    return total
