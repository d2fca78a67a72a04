"""The integrals of one eigenvalue, gathered node by node, and the row that is made of them.

With < > as in `htmp_bayes.laws.compiled`, the moments are the means of 1, M/(y v) and of what their derivatives need,
relative to a reference point, so that nothing large cancels.
"""

import math

import numpy as np

from htmp_bayes.laws.compiled.complex_functions import expm1, expm1_minus_identity
from htmp_bayes.laws.compiled.gauss_panels import GAUSS_NODES, GAUSS_RUNNING, GAUSS_WEIGHTS
from htmp_bayes.laws.compiled.jit import jit
from htmp_bayes.laws.compiled.population_sums import population_sums

# Columns of a result row: log f, d/d log y, d/ds, d/dc, d/d(rho), cdf, sf, Re <g>.
COLUMNS = 8
MOMENTS = 12
# The last moment: of exp(c L) - 1, from which F is had where kappa is small.
DRIFT = 11
# Where c is smaller, F comes from its difference to the law without repulsion.
SMALL_C = 0.05
MAX_VERTICES = 600


@jit
def add_node(moments, weight, q, dt, dl, dl_rho, q_rho, dyv):
    """Add one node: q is M/(y v) less its reference, the d.. are differences from the reference point."""
    moments[0] += weight
    weighted = weight * q
    moments[1] += weighted
    moments[2] += weight * dt
    moments[3] += weighted * dt
    moments[4] += weight * dl
    moments[5] += weighted * dl
    moments[6] += weight * dl_rho
    moments[7] += weighted * dl_rho
    moments[8] += weight * q_rho
    moments[9] += weight * dyv
    moments[10] += weighted * dyv


@jit
def _phase_at_small_c(moments, base, s, c, log_y, lower_reference):
    """Phase of Phi to a relative accuracy: its difference to c = 0, where Phi is Gamma(s) y^-s, is of order c."""
    drift = moments[DRIFT] + c * moments[1]
    turn = complex(0.0, -math.pi * c if lower_reference else 0.0)
    ratio = drift * np.exp(base + turn - math.lgamma(s + 1.0) + (s + 1.0) * log_y)
    return -math.atan2(ratio.imag, 1.0 - ratio.real)


@jit
def _within_turns(phase, c, lower_reference):
    """Take out whole turns: the phase runs from -pi c to 0, or from 0 to pi c."""
    low = -0.5 if lower_reference else -math.pi * c - 0.5
    while phase < low:
        phase += 2.0 * math.pi
    while phase > low + math.pi * c + 1.0:
        phase -= 2.0 * math.pi
    return phase


@jit
def write_row(moments, q0, base, s, c, log_y, lower_reference, lift, row):
    """Turn moments into log f, its gradient, F, 1 - F and the real part of <g>.

    ``base`` is the exponent at the reference point, of which the tails need no more than that it is real. With
    ``lower_reference`` phases count from F = 0, otherwise from F = 1, so that the smaller of the two keeps its
    relative accuracy. Imaginary parts carry a factor exp(lift).
    """
    mass = moments[0]
    dq = moments[1] / mass
    mu = dq + q0
    by_p = moments[3] / mass - dq * moments[2] / mass
    by_c = -(moments[5] / mass - dq * moments[4] / mass)
    by_rho = moments[8] / mass - c * (moments[7] / mass - dq * moments[6] / mass)
    by_log_y = -mu - (moments[10] / mass - dq * moments[9] / mass)
    one = 1.0 - c * mu
    im = mu.imag
    row[0] = math.log(s / math.pi) + math.log(abs(im)) - 2.0 * math.log(abs(one)) - log_y - lift
    row[1] = by_log_y.imag / im + 2.0 * (c * by_log_y / one).real - 1.0
    row[2] = by_p.imag / im + 2.0 * (c * by_p / one).real + 1.0 / s
    row[3] = by_c.imag / im + 2.0 * ((c * by_c + mu) / one).real + 1.0 / s - row[2]
    row[4] = by_rho.imag / im + 2.0 * (c * by_rho / one).real
    if moments[DRIFT] != 0j:
        phase = _phase_at_small_c(moments, base, s, c, log_y, lower_reference)
        lower_reference = False
    else:
        phase = base.imag + math.atan2(mass.imag, mass.real) + math.atan2(one.imag, one.real)
    share = _within_turns(phase, c, lower_reference) / (math.pi * c) * math.exp(-lift)
    row[5] = share if lower_reference else 1.0 + share
    row[6] = 1.0 - share if lower_reference else -share
    row[7] = s * (one.real / abs(one)) / abs(one)


@jit
def panel_potential(one_plus_m, m_rho, half, k):
    """Return the integrals of 1 + M and of dM/d(rho) from the start of a panel to its node k."""
    integral = 0j
    integral_rho = 0j
    for j in range(m_rho.size):
        integral += GAUSS_RUNNING[k, j] * one_plus_m[j]
        integral_rho += GAUSS_RUNNING[k, j] * m_rho[j]
    return half * integral, half * integral_rho


@jit
def panel_total(one_plus_m, m_rho, half):
    """Return the integrals of 1 + M and of dM/d(rho) over a panel."""
    integral = 0j
    integral_rho = 0j
    for j in range(m_rho.size):
        integral += GAUSS_WEIGHTS[j] * one_plus_m[j]
        integral_rho += GAUSS_WEIGHTS[j] * m_rho[j]
    return half * integral, half * integral_rho


@jit
def add_path(moments, vertices, count, side, reference, start_l, q0, lift, y, s, c, rule):
    """Add the integrals along a polyline.

    ``reference`` is log v, the `far_potential` and its derivative by rho at the reference point, ``start_l`` the latter
    two at the first vertex. The potential along the path is the running integral of -(1 + M), its derivative by
    log v: no logarithms of the population.
    """
    t0, l0, l0_rho = reference
    l_a, l_a_rho = start_l
    v0 = np.exp(t0)
    m = np.empty(GAUSS_NODES.size, np.complex128)
    m_rho = np.empty(GAUSS_NODES.size, np.complex128)
    one_plus_m = np.empty(GAUSS_NODES.size, np.complex128)
    for i in range(count):
        half = 0.5 * (vertices[i + 1] - vertices[i])
        for k in range(GAUSS_NODES.size):
            t = vertices[i] + half * (1.0 + GAUSS_NODES[k])
            m[k], _, m_rho[k], one_plus_m[k] = population_sums(t, rule)
        for k in range(GAUSS_NODES.size):
            run, run_rho = panel_potential(one_plus_m, m_rho, half, k)
            # Not t - t0, whose rounding matters where s is large.
            dt = (vertices[i] - t0) + half * (1.0 + GAUSS_NODES[k])
            t = t0 + dt
            dl = l_a - run - l0
            dyv = y * v0 * (expm1_minus_identity(dt) + dt)
            weight = np.exp((s - c + 1.0) * dt - dyv - c * dl + lift) * half * (side * GAUSS_WEIGHTS[k])
            if weight == 0j:
                continue  # v itself may have left the range of a double
            yv = y * v0 * np.exp(dt)
            if c < SMALL_C:
                moments[DRIFT] += weight * expm1(c * (l_a - run + t + 1j * math.pi))
            add_node(moments, weight, m[k] / yv - q0, dt, dl, l_a_rho - run_rho - l0_rho, m_rho[k] / yv, dyv)
        run, run_rho = panel_total(one_plus_m, m_rho, half)
        l_a -= run
        l_a_rho -= run_rho


@jit
def transform_of(moments, reference, q0, log_y, s, c):
    """Return what `log_transform` does, from the moments about (log v, *far_potential)."""
    t0, l0, l0_rho = reference
    mass = moments[0]
    dq = moments[1] / mass
    mu = dq + q0
    one = 1.0 - c * mu
    by_p = moments[3] / mass - dq * moments[2] / mass
    by_c = -(moments[5] / mass - dq * moments[4] / mass)
    by_rho = moments[8] / mass - c * (moments[7] / mass - dq * moments[6] / mass)
    base = (s - c + 1.0) * t0 - np.exp(log_y + t0) - c * l0
    return (
        log_y - math.log(s) + base + np.log(mass) + np.log(one),
        t0 + moments[2] / mass - 1.0 / s - c * by_p / one,
        -l0 - moments[4] / mass - 1.0 / s - (mu + c * by_c) / one,
        -c * (l0_rho + moments[6] / mass) - c * by_rho / one,
    )
