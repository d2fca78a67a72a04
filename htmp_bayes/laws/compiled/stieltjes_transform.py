"""The Stieltjes transform of the HTMP law, by the law's integrals at complex eigenvalues.

With s, c, M, L as in `htmp_bayes.laws.compiled`, z in the upper half plane and v in the lower one, the transform is
m(z) = -(1/z) E[1 + M] under v^s exp(-z v - c L) d log v (for a point mass, the ratio of Tricomi functions of Allez,
Bouchaud, Majumdar & Vivo, arXiv 1209.6171). Integrated once by parts, so that small s does no harm:

    m(z) = <[dM/dt + (1 + M)(c M - z v)] / (z v)> / (z (1 - c mu)),    mu = <M / (z v)>,

< > the mean under v^(s+1) exp(-z v - c L) d log v. Since 1 + M keeps its relative accuracy at large v, nothing
cancels as z approaches 0.
"""

import numpy as np

from htmp_bayes.laws.compiled.complex_functions import expm1_minus_identity
from htmp_bayes.laws.compiled.gauss_panels import GAUSS_NODES, GAUSS_RUNNING, GAUSS_WEIGHTS
from htmp_bayes.laws.compiled.jit import jit
from htmp_bayes.laws.compiled.moments import MAX_VERTICES
from htmp_bayes.laws.compiled.population_sums import population_sums
from htmp_bayes.laws.compiled.silverstein import followed_root
from htmp_bayes.laws.compiled.steepest_descent import DROP, first_step, trace_descent


@jit
def _add_leg(sums, vertices, count, side, t0, z, s, c, rule):
    """Add the integrals of 1, M/(zv) and of the bracket over (zv), relative to the exponent at ``t0``."""
    zv0 = z * np.exp(t0)
    level = 0j
    size = GAUSS_NODES.size
    m = np.empty(size, np.complex128)
    slope = np.empty(size, np.complex128)
    one_plus = np.empty(size, np.complex128)
    for i in range(count):
        half = 0.5 * (vertices[i + 1] - vertices[i])
        for k in range(size):
            m[k], slope[k], _, one_plus[k] = population_sums(
                vertices[i] + half * (1.0 + GAUSS_NODES[k]), rule
            )
        total = 0j
        for k in range(size):
            run = 0j
            for j in range(size):
                run += GAUSS_RUNNING[k, j] * m[j]
            total += GAUSS_WEIGHTS[k] * m[k]
            dt = vertices[i] + half * (1.0 + GAUSS_NODES[k]) - t0
            exponent = (s + 1.0) * dt - zv0 * (expm1_minus_identity(dt) + dt) - c * (level - half * run)
            weight = np.exp(exponent) * half * (side * GAUSS_WEIGHTS[k])
            zv = zv0 * np.exp(dt)
            sums[0] += weight
            sums[1] += weight * m[k] / zv
            sums[2] += weight * (slope[k] + one_plus[k] * (c * m[k] - zv)) / zv
        level -= half * total


@jit
def stieltjes_at(z, s, c, smoothing, rule):
    """Stieltjes transform at temperature 1 and one ``z`` of the closed upper half plane, z not 0."""
    t0 = followed_root(z, s + 1.0, c + 1.0, rule)
    direction, length = first_step(t0, z, s + 1.0, c + 1.0, smoothing, rule)
    sums = np.zeros(3, np.complex128)
    vertices = np.empty(MAX_VERTICES, np.complex128)
    for side in (1.0, -1.0):
        # Towards v = 0 the integrand of m falls as much as v^-2 more slowly than the one that the path follows.
        drop = DROP + (2.0 * max(t0.real, 0.0) if side < 0.0 else 0.0)
        count = trace_descent(
            t0, side * direction, length, side, drop, z, s + 1.0, c + 1.0, smoothing, rule, vertices
        )
        _add_leg(sums, vertices, count, side, t0, z, s, c, rule)
    return sums[2] / (z * (sums[0] - c * sums[1]))


@jit
def stieltjes_rows(z, s, c, smoothing, rule):
    """Stieltjes transform at all ``z``."""
    out = np.empty(z.size, np.complex128)
    for i in range(z.size):
        out[i] = stieltjes_at(z[i], s, c, smoothing, rule)
    return out
