"""The mean number of eigenvalues below a point: compiled functions of a law on a row of cells.

Let N(x) be the number of eigenvalues up to x, f the law's density, F its distribution function, gamma = N/n and

    m(x) = -(1 - gamma)/x + gamma s(x),    s(x) = lim int f(t)/(t - x - i0) dt        (companion transform)

For matrices whose population values are a fixed list

    E N(x)  = N F(x) + arg(m^2/m') / (2 pi)

whose second term is the central limit theorem of Bai & Silverstein (Ann. Probab. 32, 2004, theorem 1.1, real case) for
the indicator of (0, x]: sums of f(lambda) are integrals of -f' against N(x). The law at a finite kappa holds twice the
correction already, hence its sign.

At kappa = infinity everything follows from the root of the Silverstein equation; to first order in 1/kappa

    N F(x) = N F_inf(x) - (N/kappa) arg(m^2/m') / pi.
"""

import math

import numpy as np

from htmp_bayes.laws.compiled.jit import jit
from htmp_bayes.laws.compiled.population_sums import path_slope, potentials
from htmp_bayes.laws.compiled.silverstein import followed_root, root_at
from htmp_bayes.laws.compiled.steepest_descent import point_mass_saddle

# Roots nearer to the real axis than this angle mean no density worth mentioning.
_SMALLEST_ANGLE = 1e-9
# Longest step of log x over which Newton's method may start from the root before.
_LONGEST_STEP = 0.5


@jit
def finite_transform(log_density, mean, log_y, kappa):
    """Companion transform, up to a positive factor, from log f and Re <g> of the kernel's rows at ``log_y``."""
    m = np.empty(log_y.size, np.complex128)
    c = 0.5 * kappa
    for i in range(log_y.size):
        m[i] = complex(-mean[i] * math.exp(-log_y[i]), math.pi * c * math.exp(log_density[i]))
    return m


@jit
def arguments_by_differences(m, u):
    """Argument of m^2/m' from the transform at ascending ``u = log x``."""
    size = u.size
    out = np.empty(size)
    for i in range(size):
        low, high = max(i - 1, 0), min(i + 1, size - 1)
        if low == i or high == i:
            slope = (m[high] - m[low]) / (u[high] - u[low])
        else:
            before, after = u[i] - u[low], u[high] - u[i]
            slope = ((m[high] - m[i]) / after * before + (m[i] - m[low]) / before * after) / (before + after)
        out[i] = np.angle(m[i] * m[i] / slope) if slope != 0j else 0.0
    return out


@jit
def _limit_roots(log_x, gamma, rule):
    """Root t = log v of the Silverstein equation at each point; ``log_x`` ascending, x = y/c.

    A point starts from the root of its neighbour above, unless that is far away or nearly real.
    """
    size = log_x.size
    roots = np.empty(size, np.complex128)
    single = rule.shape[1] == 1
    for i in range(size - 1, -1, -1):
        x = math.exp(log_x[i])
        if single:
            roots[i] = point_mass_saddle(x, 1.0 / gamma, 1.0)
        elif i == size - 1 or roots[i + 1].imag > -1e-3 or log_x[i + 1] - log_x[i] > _LONGEST_STEP:
            roots[i] = followed_root(complex(x, 0.0), 1.0 / gamma, 1.0, rule)
        else:
            roots[i] = root_at(complex(x, 0.0), roots[i + 1], 1.0 / gamma, 1.0, rule)
    for i in range(size):
        if roots[i].imag > -_SMALLEST_ANGLE:
            roots[i] = complex(roots[i].real, 0.0)
    return roots


@jit
def limit_columns(log_x, gamma, rule):
    """F, 1 - F, companion transform (up to a factor) and arg(m^2/m') at kappa = infinity; x = y/c, ascending."""
    size = log_x.size
    cdf = np.empty(size)
    sf = np.empty(size)
    m = np.empty(size, np.complex128)
    argument = np.empty(size)
    roots = _limit_roots(log_x, gamma, rule)
    for i in range(size):
        t, x = roots[i], math.exp(log_x[i])
        v = np.exp(t)
        level, _, _ = potentials(t, rule)
        sf[i] = min(max(-(t / gamma - x * v - level).imag / math.pi, 0.0), 1.0)
        cdf[i] = 1.0 - sf[i]
        m[i] = -v
        _, curvature = path_slope(t, x, 1.0 / gamma, 1.0, rule)
        argument[i] = np.angle(-curvature)
    return cdf, sf, m, argument


@jit
def limit_slopes(log_x, gamma, rule):
    """Differentiate 1 - F at kappa = infinity by gamma, log x and the population's rho, shape ``(3, K)``.

    At the root the phase of which 1 - F is made is stationary in v: only what stands in it explicitly counts.
    """
    slopes = np.empty((3, log_x.size))
    roots = _limit_roots(log_x, gamma, rule)
    for i in range(log_x.size):
        t = roots[i]
        _, _, change = potentials(t, rule)
        slopes[0, i] = t.imag / (math.pi * gamma**2)
        slopes[1, i] = (math.exp(log_x[i]) * np.exp(t)).imag / math.pi
        slopes[2, i] = change.imag / math.pi
    return slopes
