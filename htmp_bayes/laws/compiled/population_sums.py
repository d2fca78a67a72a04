"""Sums over the population: M, L and the exponent of the law's integrals, at any v.

Notation of `htmp_bayes.laws.compiled`: ``t = log v``, ``M(v) = E[v h / (1 - v h)]``, and the path exponent
``(s + 1) t - y v - (c + 1) L(v)``, whose slope in ``t`` is ``(s + 1) - y v + (c + 1) M(v)``.
"""

import math

import numpy as np

from htmp_bayes.laws.compiled.complex_functions import log_of_one_less
from htmp_bayes.laws.compiled.jit import jit, jit_sum
from htmp_bayes.laws.compiled.population_rule import H_INVERSE, LOG_H, WEIGHT, WEIGHT_CHANGE, WEIGHT_SLOPE, H


@jit_sum
def population_sums(t: complex, rule: np.ndarray):
    """Return M, dM/dt, dM/d(rho) and 1 + M at v = exp(t); each keeps its relative accuracy for small and large v."""
    inverse = t.real > 0.0
    v = np.exp(-t) if inverse else np.exp(t)
    vr, vi = v.real, v.imag
    h = rule[H_INVERSE] if inverse else rule[H]
    w = rule[WEIGHT]
    g = rule[WEIGHT_SLOPE]
    e = rule[WEIGHT_CHANGE]
    sign = -1.0 if inverse else 1.0
    m_r = m_i = t_r = t_i = r_r = r_i = 0.0
    for j in range(h.size):
        ar = vr * h[j].real - vi * h[j].imag
        ai = vr * h[j].imag + vi * h[j].real
        # a = v h or b = 1/(v h), whichever is the smaller; 1/(1 - a) or 1/(b - 1).
        dr = 1.0 - ar
        scale = 1.0 / (dr * dr + ai * ai)
        pr = dr * scale
        pi = ai * scale
        ur = ar * pr - ai * pi
        ui = ar * pi + ai * pr
        # With u = a/(1-a) or b/(1-b), M is the mean of u, or of -(1 + u); dM/dt is the mean of u + u^2 in both.
        sr = ur * pr - ui * pi
        si = ur * pi + ui * pr
        wr, wi = w[j].real, w[j].imag
        m_r += wr * ur - wi * ui
        m_i += wr * ui + wi * ur
        t_r += wr * sr - wi * si
        t_i += wr * si + wi * sr
        r_r += sign * (e[j].real * ur - e[j].imag * ui) + g[j].real * sr - g[j].imag * si
        r_i += sign * (e[j].real * ui + e[j].imag * ur) + g[j].real * si + g[j].imag * sr
    near = complex(m_r, m_i)
    if inverse:
        return -1.0 - near, complex(t_r, t_i), complex(r_r, r_i), -near
    return near, complex(t_r, t_i), complex(r_r, r_i), 1.0 + near


@jit
def path_slope(t: complex, y: float, s1: float, c1: float, rule: np.ndarray):
    """Return the slope s1 - y v + c1 M of the path exponent at ``t``, and the slope's own slope."""
    _, m_slope, _, one_plus_m = population_sums(t, rule)
    yv = y * np.exp(t)
    return (s1 - c1) - yv + c1 * one_plus_m, -yv + c1 * m_slope


@jit
def potentials(t: complex, rule: np.ndarray):
    """Return L, L - t - i pi, and the derivative of both by rho.

    L is E[log(1 - v h)] continued from the lower half plane, which vanishes for v to 0; the second is
    E[log(1 - 1/(v h))], as E[log h] = 0, and vanishes for v to infinity.
    """
    near = 0j
    far = 0j
    change = 0j
    for j in range(rule.shape[1]):
        exponent = t + rule[LOG_H, j]
        if exponent.real > 0.0:
            b = np.exp(-exponent)
            log = log_of_one_less(b)
            far += rule[WEIGHT, j] * log
            near += rule[WEIGHT, j] * (log + exponent + 1j * math.pi)
            ratio = b / (b - 1.0)
        else:
            a = np.exp(exponent)
            log = log_of_one_less(a)
            near += rule[WEIGHT, j] * log
            log -= exponent + 1j * math.pi
            far += rule[WEIGHT, j] * log
            ratio = 1.0 / (1.0 - a)
        change += rule[WEIGHT_CHANGE, j] * log - rule[WEIGHT_SLOPE, j] * ratio
    return near, far, change


@jit
def far_potential(t: complex, rule: np.ndarray):
    """Return L - t - i pi and its derivative by rho: see `potentials`."""
    _, far, change = potentials(t, rule)
    return far, change


@jit
def far_exponent(t, y, s, c, rule):
    """Return (s+1) log v - y v - c L + i pi c, whose terms do not cancel for large v."""
    _, far, _ = potentials(t, rule)
    return (s - c + 1.0) * t - y * np.exp(t) - c * far


@jit
def nearer_exponent(t, y, s, c, rule):
    """Return `far_exponent` and True for large v; for small v the exponent with its phase -pi c, and False."""
    if t.real > 0.0:
        return far_exponent(t, y, s, c, rule), True
    near, _, _ = potentials(t, rule)
    return (s + 1.0) * t - y * np.exp(t) - c * near, False
