"""The law at infinite repulsion: Marchenko-Pastur with a population, from the Silverstein equation.

At kappa -> infinity the integrals of `htmp_bayes.laws.compiled` sit at their saddle point. With x = y/c and t = log v
it solves (Silverstein & Bai, J. Multivariate Anal. 54, 1995, equation 1.4, in the companion transform -v)

    1/gamma - x v + M(v) = 0,    M(v) = E[v h / (1 - v h)],

which has at most one root in the open lower half plane (Silverstein & Choi, J. Multivariate Anal. 54, 1995), and

    f(x) = |Im v| / pi,    1 - F(x) = |Im(t/gamma - x v - L(v))| / pi.

Where a continuous population has little mass left, Im v is tiny, and is taken from the population's density p of
log h on the real axis instead: Im t = -pi p / |Re G'(t)|, with G the left side above, to first order.
"""

import math

import numpy as np

from htmp_bayes.laws.compiled.jit import jit
from htmp_bayes.laws.compiled.population_sums import path_slope, population_sums, potentials
from htmp_bayes.laws.compiled.population_tail import population_tail
from htmp_bayes.laws.compiled.steepest_descent import point_mass_saddle, saddle

# Below this angle under the real axis first order is right to 1e-10, and the half plane's rule loses digits.
_SMALL_ANGLE = 1e-5
# A root of a discrete population closer to the axis than this is a real one, in a gap of the spectrum.
_REAL = 1e-12
# Imaginary parts, relative to |z|, through which the root is followed to the real axis.
_DESCENT = 4.0 * 0.6 ** np.arange(70)


@jit
def root_at(z: complex, start: complex, s1: float, c1: float, rule: np.ndarray) -> complex:
    """Newton's method for the log v with s1 - z v + c1 M(v) = 0, z in the upper, v in the lower half plane."""
    t = start
    for _ in range(60):
        slope, curvature = path_slope(t, z, s1, c1, rule)
        step = slope / curvature
        size = abs(step)
        if size > 0.5:
            step *= 0.5 / size
        t -= step
        if t.imag > 0.0:
            t = complex(t.real, -0.5 * t.imag)
        if t.imag < -math.pi:
            t = complex(t.real, -2.0 * math.pi - t.imag)
        if size < 1e-14:
            break
    return t


@jit
def followed_root(z: complex, s1: float, c1: float, rule: np.ndarray) -> complex:
    """Follow the same root down to ``z`` from far above it, where Newton's method cannot go astray."""
    size = abs(z)
    t = np.log(s1 / (z + complex(0.0, _DESCENT[0] * size)))
    for height in _DESCENT:
        t = root_at(z + complex(0.0, height * size), t, s1, c1, rule)
    return root_at(z, t, s1, c1, rule)


@jit
def _real_root(tau, x, inverse_gamma, rule):
    for _ in range(60):
        slope, curvature = path_slope(complex(tau, 0.0), x, inverse_gamma, 1.0, rule)
        step = slope.real / curvature.real
        tau -= min(max(step, -0.5), 0.5)
        if abs(step) < 1e-14:
            break
    return tau, abs(curvature.real)


@jit
def _tail(tau, x, inverse_gamma, upper, population, rule, constants, row):
    tau, steepness = _real_root(tau, x, inverse_gamma, rule)
    probability, density, _, _ = population_tail(tau, upper, population, constants)
    row[0] = math.log(density / steepness) + tau
    row[1] = 1.0 - probability if upper else probability
    row[2] = probability if upper else 1.0 - probability


@jit
def _bulk(t, x, inverse_gamma, rule, row):
    v = np.exp(t)
    level, _, _ = potentials(t, rule)
    row[0] = math.log(abs(v.imag) / math.pi) if abs(v.imag) > 0.0 else -np.inf
    row[2] = min(max(-(t * inverse_gamma - x * v - level).imag / math.pi, 0.0), 1.0)
    row[1] = 1.0 - row[2]


@jit
def continuous_rows(x, gamma, population, rule, constants):
    """Fill (log f, F, 1 - F), shape ``(K, 3)``, for a population with a density."""
    rows = np.empty((x.size, 3))
    for i in range(x.size):
        start = point_mass_saddle(x[i], 1.0 / gamma, 1.0)
        if start.imag > -0.2:
            start = complex(start.real, -0.2)
        t, converged = saddle(start, x[i], 1.0 / gamma, 1.0, rule)
        if converged:
            t = root_at(complex(x[i], 0.0), t, 1.0 / gamma, 1.0, rule)
        else:
            t = followed_root(complex(x[i], 0.0), 1.0 / gamma, 1.0, rule)
        if t.imag < -_SMALL_ANGLE:
            _bulk(t, x[i], 1.0 / gamma, rule, rows[i])
        else:
            upper = potentials(t, rule)[0].imag < 0.5 * math.pi
            _tail(t.real, x[i], 1.0 / gamma, upper, population, rule, constants, rows[i])
    return rows


@jit
def discrete_rows(x, gamma, rule):
    """Fill (log f, F, 1 - F), shape ``(K, 3)``, for a population of atoms; log f is -inf between its bands."""
    rows = np.empty((x.size, 3))
    for i in range(x.size):
        t = followed_root(complex(x[i], 0.0), 1.0 / gamma, 1.0, rule)
        if t.imag > -_REAL:
            t = complex(t.real, 0.0)
        _bulk(t, x[i], 1.0 / gamma, rule, rows[i])
    return rows


@jit
def limit_stieltjes(z, gamma, rule):
    """Stieltjes transform of the law of x at ``z`` in the closed upper half plane: -(1 + M(v))/z."""
    out = np.empty(z.size, np.complex128)
    for i in range(z.size):
        t = followed_root(z[i], 1.0 / gamma, 1.0, rule)
        _, _, _, one_plus_m = population_sums(t, rule)
        out[i] = -one_plus_m / z[i]
    return out
