"""Many points of the HTMP density at once, on one path shared by all of them.

The saddle points of all y lie on one curve: the curve in the lower half plane on which

    Y(v) = ((s + 1) + (c + 1) M(v)) / v

is real (the Silverstein equation). Along it the exponent changes by (Y - y) dv, so that the integrand of every y has
its one maximum where Y = y, and the table of M and L along it serves all y. Where the path does not suit a y (it
then cancels, which the sums themselves show) or f is in its tails, the caller evaluates that point on its own path.
"""

import math

import numba
import numpy as np

from htmp_bayes.laws.contour import (
    DROP,
    GAUSS_NODES,
    GAUSS_RUNNING,
    GAUSS_WEIGHTS,
    MAX_STEP,
    population_sums,
    potential,
    reach,
    trace_descent,
)
from htmp_bayes.laws.exact_point import (
    MAX_VERTICES,
    MOMENTS,
    TAIL_PROBABILITY,
    TAIL_RATIO,
    bulk_saddle,
    write_row,
)

MAX_PANELS = 160
# A path of descent goes on beyond its own needs towards infinity, where exp(-y v) of smaller y falls later.
FAR_DROP = 400.0
# Terms this far below the largest one are left out of a sum.
NEGLIGIBLE = 38.0
# A sum smaller than this fraction of the sum of its absolute values has lost digits.
CANCELLATION = 0.02
# A Gauss panel resolves a change of the exponent of this size, and larger ones where the integrand is small.
RESOLVED = 9.0

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")


@_jit
def _curve_angle(tau, theta, s1, c1, rule):
    """One or a few Newton steps for the angle at which Y is real; the path need not be exact."""
    theta = max(theta, 1e-3)
    for _ in range(5):
        t = complex(tau, -theta)
        _m, m_slope, _, one_plus_m = population_sums(t, rule)
        over_v = np.exp(-t)
        value = ((s1 - c1) + c1 * one_plus_m) * over_v
        slope = -1j * (c1 * m_slope * over_v - value)
        sine = math.sin(theta)
        # Divided by sin(theta), the imaginary part is monotone in theta and does not vanish at 0.
        g = value.imag / sine
        g_slope = (slope.imag - g * math.cos(theta)) / sine
        step = g / g_slope if g_slope != 0.0 else 0.0
        step = min(max(step, -0.5), 0.5)
        theta = min(max(theta - step, 0.3 * theta), 2.6)
        theta = max(theta, 1e-3)
        if abs(step) < 0.02 * theta:
            break
    return theta


@_jit
def _path_range(y_low, y_high, s1):
    """Interval of log|v| outside of which no integrand of y in [y_low, y_high] matters."""
    left = math.log(s1 / y_high) - (math.sqrt(2.0 * NEGLIGIBLE / s1) + (NEGLIGIBLE + 2.0) / s1)
    right = math.log((s1 + math.sqrt(2.0 * NEGLIGIBLE * s1) + NEGLIGIBLE + 5.0) / y_low)
    return left, right


@_jit
def _panel_length(t, y_low, s1, c1, rho, rule):
    """Length of a panel at ``t``: 3.2 widths of the integrand that peaks there, or of the lowest y beyond all peaks."""
    m, m_slope, _, _ = population_sums(t, rule)
    curvature = max(abs(-(s1 + c1 * m) + c1 * m_slope), y_low * math.exp(t.real))
    return min(3.2 / math.sqrt(curvature + 1e-300), reach(t, rho, rule))


@_jit
def _past_last_saddle(t, y_low, s1, c1, rule):
    _, _, _, one_plus_m = population_sums(t, rule)
    return (((s1 - c1) + c1 * one_plus_m) * np.exp(-t)).real < y_low


@_jit
def _trace_curve(left, right, y_low, s1, c1, rho, rule, vertices):
    """Fill ``vertices`` along the curve; returns the number of panels, 0 if there are too many."""
    tau = left
    theta = _curve_angle(tau, 0.5, s1, c1, rule)
    vertices[0] = complex(tau, -theta)
    length = MAX_STEP
    bent = False
    for count in range(MAX_PANELS):
        t = vertices[count]
        # Near an edge of the spectrum the curvature passes through 0 and says nothing about the next panel.
        length = min(1.5 * length, _panel_length(t, y_low, s1, c1, rho, rule))
        ahead = complex(tau + length, -_curve_angle(tau + length, theta, s1, c1, rule))
        length = min(length, 1.5 * _panel_length(ahead, y_low, s1, c1, rho, rule))
        tau = min(tau + length, right)
        bent = bent or _past_last_saddle(t, y_low, s1, c1, rule)
        # Behind the last saddle point the path bends to where exp(-y v) decays (for gamma = 1 the curve does not).
        following = _curve_angle(tau, theta, s1, c1, rule)
        theta = min(following, max(theta - 0.9 * length, 0.0)) if bent else following
        vertices[count + 1] = complex(tau, -theta)
        if tau >= right:
            return count + 1
    return 0


@_jit
def _fill_table(vertices, panels, s, c, rule, columns, nodes):
    """Tabulate, at all nodes of the path, what does not depend on y.

    ``columns`` gets the moments' factors, ``nodes`` ten real numbers a node: real and imaginary part of the
    exponent, of v and of the slope (s+1) + (c+1) M, then log|M/v|, the panel's length, |weight| and |weight M/v|.
    """
    l_a, l_a_rho = potential(vertices[0], rule)
    size = GAUSS_NODES.size
    m = np.empty(size, np.complex128)
    m_rho = np.empty(size, np.complex128)
    for i in range(panels):
        half = 0.5 * (vertices[i + 1] - vertices[i])
        total = 0j
        total_rho = 0j
        for k in range(size):
            t = vertices[i] + half * (1.0 + GAUSS_NODES[k])
            m[k], _, m_rho[k], one_plus_m = population_sums(t, rule)
            slope = (s - c) + (c + 1.0) * one_plus_m
            nodes[i * size + k, 4] = slope.real
            nodes[i * size + k, 5] = slope.imag
            total += GAUSS_WEIGHTS[k] * m[k]
            total_rho += GAUSS_WEIGHTS[k] * m_rho[k]
        for k in range(size):
            run = 0j
            run_rho = 0j
            for j in range(size):
                run += GAUSS_RUNNING[k, j] * m[j]
                run_rho += GAUSS_RUNNING[k, j] * m_rho[j]
            t = vertices[i] + half * (1.0 + GAUSS_NODES[k])
            v = np.exp(t)
            l_here = l_a - half * run
            n = i * size + k
            exponent = (s + 1.0) * t - c * l_here
            size_q = abs(m[k] / v)
            nodes[n, 0] = exponent.real
            nodes[n, 1] = exponent.imag
            nodes[n, 2] = v.real
            nodes[n, 3] = v.imag
            nodes[n, 6] = math.log(size_q + 1e-300)
            nodes[n, 7] = 2.0 * abs(half)
            nodes[n, 8] = abs(half) * GAUSS_WEIGHTS[k]
            nodes[n, 9] = nodes[n, 8] * size_q
            l_here_rho = l_a_rho - half * run_rho
            _fill_columns(
                columns[n], half * GAUSS_WEIGHTS[k], m[k] / v, t, l_here, l_here_rho, m_rho[k] / v, v
            )
        l_a -= half * total
        l_a_rho -= half * total_rho


@_jit
def _fill_columns(column, weight, q, t, potential_l, l_rho, q_rho, v):
    column[0] = weight
    column[1] = weight * q
    column[2] = weight * t
    column[3] = weight * q * t
    column[4] = weight * potential_l
    column[5] = weight * q * potential_l
    column[6] = weight * l_rho
    column[7] = weight * q * l_rho
    column[8] = weight * q_rho
    column[9] = weight * v
    column[10] = weight * q * v


@_jit
def _peak(y, nodes, levels):
    """Fill the levels log|integrand| and return the largest of <1> and of <M/v>, and the node of the first."""
    best = -1e308
    best_q = -1e308
    where = 0
    for n in range(nodes.shape[0]):
        levels[n] = nodes[n, 0] - y * nodes[n, 2]
        if levels[n] > best:
            best = levels[n]
            where = n
        best_q = max(best_q, levels[n] + nodes[n, 6])
    return best, best_q, where


@_jit
def _ends_low(n, nodes, levels, best, best_q):
    """Whether both integrands have died out at node n, an end of the path."""
    return best - levels[n] > 32.0 and best_q - levels[n] - nodes[n, 6] > 32.0


@_jit
def _sum_row(log_y, s, c, columns, nodes, levels, moments, row):
    """Sum the table for one y; returns whether the row can be trusted."""
    y = math.exp(log_y)
    best, best_q, where = _peak(y, nodes, levels)
    last = nodes.shape[0] - 1
    if not (_ends_low(0, nodes, levels, best, best_q) and _ends_low(last, nodes, levels, best, best_q)):
        return False
    phase = nodes[where, 1] - y * nodes[where, 3]
    moments[:] = 0j
    absolute = 0.0
    absolute_q = 0.0
    for n in range(nodes.shape[0]):
        below = min(best - levels[n], best_q - levels[n] - nodes[n, 6])
        if below > NEGLIGIBLE:
            continue
        slope_r = nodes[n, 4] - y * nodes[n, 2]
        slope_i = nodes[n, 5] - y * nodes[n, 3]
        resolved = (RESOLVED + 2.0 * below) / nodes[n, 7]
        if slope_r * slope_r + slope_i * slope_i > resolved * resolved:
            return False
        size = math.exp(levels[n] - best)
        angle = nodes[n, 1] - y * nodes[n, 3] - phase
        factor = complex(size * math.cos(angle), size * math.sin(angle))
        for k in range(MOMENTS):
            moments[k] += factor * columns[n, k]
        absolute += size * nodes[n, 8]
        absolute_q += size * nodes[n, 9]
    if abs(moments[0]) < CANCELLATION * absolute or abs(moments[1]) < CANCELLATION * absolute_q:
        return False
    for k in (1, 3, 5, 7, 8):
        moments[k] /= y
    moments[9] *= y
    mu = moments[1] / moments[0]
    if abs(mu.imag) < TAIL_RATIO * abs(mu):
        return False
    write_row(moments, 0j, phase, s, c, log_y, False, 0.0, row)
    return row[6] >= TAIL_PROBABILITY


@_jit
def _rows_on_path(vertices, panels, log_y, s, c, rule, rows, done):
    """Evaluate on one path all points that are not done and that the path serves; returns how many."""
    count = panels * GAUSS_NODES.size
    columns = np.empty((count, MOMENTS), np.complex128)
    nodes = np.empty((count, 10))
    levels = np.empty(count)
    moments = np.empty(MOMENTS, np.complex128)
    _fill_table(vertices, panels, s, c, rule, columns, nodes)
    served = 0
    for i in range(log_y.size):
        if not done[i]:
            done[i] = _sum_row(log_y[i], s, c, columns, nodes, levels, moments, rows[i])
            served += 1 if done[i] else 0
    return served


@_jit
def _descent_path(y, s, c, rho, rule, vertices):
    """Fill the path of steepest descent of one y, from v = 0 to infinity; return its number of panels."""
    t0, direction, length = bulk_saddle(y, s, c, rho, rule)
    leg = np.empty(MAX_VERTICES, np.complex128)
    left = trace_descent(t0, -direction, length, -1.0, DROP, y, s + 1.0, c + 1.0, rho, rule, leg)
    for k in range(left + 1):
        vertices[k] = leg[left - k]
    right = trace_descent(t0, direction, length, 1.0, FAR_DROP, y, s + 1.0, c + 1.0, rho, rule, leg)
    for k in range(right):
        vertices[left + 1 + k] = leg[1 + k]
    return left + right


@_jit
def shared_rows(log_y, s, c, rho, rule, rows, done):
    """Fill ``rows`` for the points that shared paths serve, and say which in ``done``.

    First the curve of all saddle points; then, as long as one serves more than its own point, the path of steepest
    descent of a point in the middle of the longest run of points not done yet.
    """
    done[:] = False
    y_low = math.exp(log_y.min())
    left, right = _path_range(y_low, math.exp(log_y.max()), s + 1.0)
    vertices = np.empty(2 * MAX_VERTICES + 1, np.complex128)
    panels = _trace_curve(left, right, y_low, s + 1.0, c + 1.0, rho, rule, vertices)
    if panels > 0:
        _rows_on_path(vertices, panels, log_y, s, c, rule, rows, done)
    tried = done.copy()
    while not tried.all():
        i = _middle_of_longest_run(tried)
        panels = _descent_path(math.exp(log_y[i]), s, c, rho, rule, vertices)
        _rows_on_path(vertices, panels, log_y, s, c, rule, rows, done)
        tried[i] = True
        tried |= done


@_jit
def _middle_of_longest_run(tried):
    best_start = 0
    best_length = 0
    start = 0
    for i in range(tried.size + 1):
        if i == tried.size or tried[i]:
            if i - start > best_length:
                best_start = start
                best_length = i - start
            start = i + 1
    return best_start + best_length // 2
