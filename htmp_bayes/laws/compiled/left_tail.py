"""The law far to the left, in closed form from a single point.

For y -> 0 the part of Phi that moves with y comes from v far beyond the population, where L(v) = log(v) + i pi and
the integral is a Gamma function (DLMF 5.2.1). With p = s - c and Psi = exp(i pi c) Phi, whose phase is pi c F,

    Psi(y) = Psi(y0) + g,    g = Gamma(p + 1) y0^-p (exp(p E) - 1) / p,    E = log(y0 / y)
    d Psi / d log y = -Gamma(p + 1) y^-p,    y f = -Im(Psi' / Psi) / (pi c) with Psi' = d Psi / d log y

up to relative corrections of order c y0 E[1/h]. For gamma = 1, p is 0 and F falls like 1 / log(1/y) only: much of the
mass may lie here, below the smallest double even. Where p is small, the derivatives of the two parts by p cancel; there

    Psi = Gamma(p + 1) y^-p (1 - exp(-p D)) / p,    D = D0 + E,
    y f = sin(p Im D) / p / (pi c) / |2 sinh(p D / 2) / p|^2

which is the same with D0 from Psi(y0), and even in p but for D0.
"""

import math

import numpy as np

from htmp_bayes.laws.compiled.bulk_point import log_transform
from htmp_bayes.laws.compiled.complex_functions import expm1
from htmp_bayes.laws.compiled.exact_point import exact_point
from htmp_bayes.laws.compiled.jit import jit
from htmp_bayes.laws.compiled.polygamma import digamma
from htmp_bayes.laws.compiled.population_rule import mean_inverse

# Corrections are below exp(-45) there.
FAR = 45.0
# Below this p log(1/y0), D is used.
_SMALL_POWER = 3.0
# Above this p log(1/y), the power law alone is left.
_ALONE = 300.0
# Phases below this are had from the density, which keeps the relative accuracy of small ones.
_SMALL_PHASE = 0.1


@jit
def left_end(c, rule):
    """Return the log y below which the closed forms are exact to rounding."""
    return -FAR - math.log1p(c) - math.log(max(mean_inverse(rule), 1.0))


@jit
def _growth(p, distance):
    """Return log((exp(p D) - 1) / p), its derivative by p, and p / (1 - exp(-p D))."""
    x = p * distance
    if x < 0.1:
        log_ratio = 0.5 * x + x**2 / 24.0 - x**4 / 2880.0 + x**6 / 181440.0
        slope = 0.5 + x / 12.0 - x**3 / 720.0 + x**5 / 30240.0
        return math.log(distance) + log_ratio, distance * slope, (1.0 + x * slope) / distance
    falling = -math.expm1(-x)
    return x + math.log(falling / p), distance * (1.0 / falling - 1.0 / x), p / falling


@jit
def _start(low, s, c, transform, row):
    """Return log Psi at the left end, with its phase, and its derivatives by p, c and rho, from the row there."""
    value, by_p, by_c, by_rho = transform
    phase = math.pi * c * row[5]
    if phase > _SMALL_PHASE:
        return complex(value.real, phase), by_p, by_c, by_rho
    p = s - c
    log_rate = math.lgamma(p + 1.0) - p * low
    log_rate_p = digamma(p + 1.0) - low
    phase = math.asin(math.exp(row[0] + low + math.log(math.pi * c) + value.real - log_rate))
    size = math.tan(phase)
    return (
        complex(value.real, phase),
        complex(by_p.real, size * (row[2] + by_p.real - log_rate_p)),
        complex(by_c.real, size * (row[2] + row[3] + 1.0 / c + by_c.real)),
        complex(by_rho.real, size * (row[4] + by_rho.real)),
    )


@jit
def _go_on_by_power(distance, p, row):
    """Continue a row by the power law alone, where nothing but the moving part of Psi is left."""
    row[0] += (1.0 - p) * distance
    row[1] = p - 1.0
    row[2] -= distance
    row[3] += distance
    row[5] *= math.exp(-p * distance)
    row[6] = 1.0 - row[5]


@jit
def _sum_row(log_y, distance, s, c, start, row):
    """Fill a row from log Psi and its derivatives by p, c and rho at the left end."""
    log_psi, by_p, by_c, by_rho = start
    p = s - c
    log_g, log_g_p, rate = _growth(p, distance)
    constant = math.lgamma(p + 1.0) - p * (log_y + distance)
    constant_p = digamma(p + 1.0) - (log_y + distance)
    ratio = np.exp(log_psi - (constant + log_g))
    # Of the two parts of Psi, the weight of the moving one; the phase keeps its relative accuracy.
    moving = 1.0 / (1.0 + ratio)
    size = constant + log_g + 0.5 * math.log1p(2.0 * ratio.real + abs(ratio) ** 2)
    phase = math.atan2(ratio.imag, 1.0 + ratio.real)
    steepness = rate * math.exp(constant + log_g - size)
    row[0] = math.log(steepness * math.sin(phase) / (math.pi * c)) - log_y
    row[1] = 2.0 * steepness * math.cos(phase) - p - 1.0
    log_steepest_p = constant_p + distance
    cotangent = 1.0 / math.tan(phase)
    changes = (by_p, by_c, by_rho)
    for k in range(3):
        is_p = 1.0 if k == 0 else 0.0
        moved = is_p * (constant_p + log_g_p)
        change = moved + ratio * moving * (changes[k] - moved)
        row[2 + k] = is_p * log_steepest_p - change.real + cotangent * change.imag
    row[3] -= 1.0 / c + row[2]
    row[5] = phase / (math.pi * c)
    row[6] = 1.0 - row[5]


@jit
def _start_of_distance(low, p, start):
    """Return D0 and its derivatives by p, c and rho, from log Psi and its derivatives."""
    log_psi, by_p, by_c, by_rho = start
    q = np.exp(log_psi - math.lgamma(p + 1.0) + p * low)
    z = p * q
    if abs(z) < 0.05:
        log_ratio = slope = power = 1.0 + 0j
        slope *= 0.5
        for k in range(2, 14):
            power *= z
            log_ratio += power / k
            slope += power * (k / (k + 1.0))
    else:
        log_ratio = -np.log(1.0 - z) / z
        slope = (1.0 / (1.0 - z) - log_ratio) / z
    rate = q / (1.0 - z)
    return (
        q * log_ratio,
        q * q * slope + rate * (by_p - digamma(p + 1.0) + low),
        rate * by_c,
        rate * by_rho,
    )


@jit
def _slopes_of_sines(x, w):
    """Return the derivatives of log(sinh(x)/x) and of log(sin(w)/w)."""
    slope_x = 1.0 / np.tanh(x) - 1.0 / x if abs(x) > 0.1 else x / 3.0 - x**3 / 45.0 + 2.0 * x**5 / 945.0
    slope_w = 1.0 / math.tan(w) - 1.0 / w if w > 0.1 else -w / 3.0 - w**3 / 45.0 - 2.0 * w**5 / 945.0
    return slope_x, slope_w


@jit
def _distance_row(log_y, further, p, c, start, row):
    """Fill a row from D0 and its derivatives by p, c and rho."""
    d = start[0] + further
    x = 0.5 * p * d
    w = p * d.imag
    slope_x, slope_w = _slopes_of_sines(x, w)
    rising = -expm1(-p * d) if p > 0.0 else d
    size = abs(2.0 * np.sinh(x) / p) if abs(x) > 0.01 else abs(d * (1.0 + x * x / 6.0 + x**4 / 120.0))
    sine = math.sin(w) / p if w > 0.01 else d.imag * (1.0 - w * w / 6.0 + w**4 / 120.0)
    row[0] = math.log(sine / (math.pi * c)) - 2.0 * math.log(size) - log_y
    row[1] = 2.0 * (1.0 / d + 0.5 * p * slope_x).real - 1.0
    for k in range(3):
        change = start[1 + k]
        x_change = 0.5 * p * change
        w_change = p * change.imag
        if k == 0:
            x_change += 0.5 * d
            w_change += d.imag
        row[2 + k] = change.imag / d.imag + slope_w * w_change - 2.0 * (change / d + slope_x * x_change).real
    row[3] -= 1.0 / c + row[2]
    row[5] = math.atan2(rising.imag, rising.real) / (math.pi * c)
    row[6] = 1.0 - row[5]


@jit
def left_rows(log_y, low, s, c, population, rule, constants, rows, done):
    """Fill the rows of all points below ``low``, the `left_end`, and say which in ``done``."""
    if log_y.size > 0 and log_y.min() < low:
        at_end = np.empty(rows.shape[1])
        exact_point(low, s, c, population, rule, constants, at_end)
        continue_left(log_y, low, s, c, log_transform(low, s, c, constants[0], rule), at_end, rows, done)


@jit
def continue_left(log_y, low, s, c, transform, at_end, rows, done):
    """Fill the rows of all points below ``low`` from the row and the `log_transform` there; say which in ``done``."""
    p = s - c
    by_power = p * -low > FAR
    by_distance = p * -low < _SMALL_POWER
    start = transform if by_power else _start(low, s, c, transform, at_end)
    if by_distance:
        start = _start_of_distance(low, p, start)
    # Where Psi(y0) is no longer seen beside the moving part the power law goes on, and F may fall below any double.
    far = low if by_power else -_ALONE / max(p, 1e-300)
    for i in range(log_y.size):
        if log_y[i] >= low:
            continue
        near = max(log_y[i], far)
        if by_power:
            rows[i] = at_end
        elif by_distance:
            _distance_row(near, low - near, p, c, start, rows[i])
        else:
            _sum_row(near, low - near, s, c, start, rows[i])
        if log_y[i] < far:
            _go_on_by_power(far - log_y[i], p, rows[i])
        # d log(y f) / d log y = 2 Re <g> - p, as Psi' is a real power of y
        rows[i, 7] = 0.5 * (rows[i, 1] + 1.0 + p)
        done[i] = True
