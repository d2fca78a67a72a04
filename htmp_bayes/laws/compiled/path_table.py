"""The table along a path of what does not depend on y, which serves all y."""

import math

import numpy as np

from htmp_bayes.laws.compiled.complex_functions import expm1
from htmp_bayes.laws.compiled.gauss_panels import GAUSS_NODES, GAUSS_RUNNING, GAUSS_WEIGHTS
from htmp_bayes.laws.compiled.jit import jit
from htmp_bayes.laws.compiled.moments import MOMENTS, SMALL_C
from htmp_bayes.laws.compiled.population_sums import population_sums, potentials


@jit
def fill_table(vertices, panels, s, c, rule, columns, nodes):
    """Tabulate, at all nodes of the path, what does not depend on y.

    ``columns`` gets the moments' factors, first their real parts and then their imaginary ones; ``nodes`` eleven
    numbers: real and imaginary part of the exponent (without its phase -pi c), of v and of the slope
    (s+1) + (c+1) M, then log|M/v|, the panel's length, |weight|, |weight M/v|, and the imaginary part of the exponent
    with its phase, which is the accurate one for small v.
    """
    near_a, l_a, l_a_rho = potentials(vertices[0], rule)
    size = GAUSS_NODES.size
    m = np.empty(size, np.complex128)
    m_rho = np.empty(size, np.complex128)
    one_plus_m = np.empty(size, np.complex128)
    for i in range(panels):
        half = 0.5 * (vertices[i + 1] - vertices[i])
        total = 0j
        total_near = 0j
        total_rho = 0j
        for k in range(size):
            t = vertices[i] + half * (1.0 + GAUSS_NODES[k])
            m[k], _, m_rho[k], one_plus_m[k] = population_sums(t, rule)
            slope = (s - c) + (c + 1.0) * one_plus_m[k]
            nodes[4, i * size + k] = slope.real
            nodes[5, i * size + k] = slope.imag
            total += GAUSS_WEIGHTS[k] * one_plus_m[k]
            total_near += GAUSS_WEIGHTS[k] * m[k]
            total_rho += GAUSS_WEIGHTS[k] * m_rho[k]
        for k in range(size):
            run = 0j
            run_near = 0j
            run_rho = 0j
            for j in range(size):
                run += GAUSS_RUNNING[k, j] * one_plus_m[j]
                run_near += GAUSS_RUNNING[k, j] * m[j]
                run_rho += GAUSS_RUNNING[k, j] * m_rho[j]
            t = vertices[i] + half * (1.0 + GAUSS_NODES[k])
            v = np.exp(t)
            l_here = l_a - half * run
            near = near_a - half * run_near
            n = i * size + k
            exponent = (s - c + 1.0) * t - c * l_here
            size_q = abs(m[k] / v)
            nodes[0, n] = exponent.real
            nodes[1, n] = exponent.imag
            nodes[2, n] = v.real
            nodes[3, n] = v.imag
            nodes[6, n] = math.log(size_q + 1e-300)
            nodes[7, n] = 2.0 * abs(half)
            nodes[8, n] = abs(half) * GAUSS_WEIGHTS[k]
            nodes[9, n] = nodes[8, n] * size_q
            nodes[10, n] = (s + 1.0) * t.imag - c * near.imag
            l_here_rho = l_a_rho - half * run_rho
            _fill_columns(
                columns, n, half * GAUSS_WEIGHTS[k], m[k] / v, t, near, l_here, l_here_rho, m_rho[k] / v, v, c
            )
        l_a -= half * total
        near_a -= half * total_near
        l_a_rho -= half * total_rho


@jit
def _fill_columns(columns, n, weight, q, t, near, far, l_rho, q_rho, v, c):
    weighted = weight * q
    values = (
        weight,
        weighted,
        weight * t,
        weighted * t,
        weight * far,
        weighted * far,
        weight * l_rho,
        weighted * l_rho,
        weight * q_rho,
        weight * v,
        weighted * v,
        weight * expm1(c * near) if c < SMALL_C else 0j,
    )
    for k in range(MOMENTS):
        columns[k, n] = values[k].real
        columns[MOMENTS + k, n] = values[k].imag
