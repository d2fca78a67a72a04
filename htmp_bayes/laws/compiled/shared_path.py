"""Many points of the HTMP density at once, on one path shared by all of them.

The table of M and L along a path (`path_table`) serves all y: first the curve of all saddle points (`saddle_curve`),
then paths of descent. Where a path does not suit a y (it then cancels, which the sums themselves show) or f is in its
tails, the caller evaluates that point on its own path.
"""

import math

import numpy as np

from htmp_bayes.laws.compiled.bulk_point import bulk_saddle
from htmp_bayes.laws.compiled.exact_point import TAIL_RATIO, in_tail
from htmp_bayes.laws.compiled.gauss_panels import GAUSS_NODES
from htmp_bayes.laws.compiled.jit import jit
from htmp_bayes.laws.compiled.moments import DRIFT, MAX_VERTICES, MOMENTS, SMALL_C, write_row
from htmp_bayes.laws.compiled.path_table import fill_table
from htmp_bayes.laws.compiled.population_sums import far_exponent
from htmp_bayes.laws.compiled.saddle_curve import path_range, trace_curve
from htmp_bayes.laws.compiled.steepest_descent import DROP, trace_descent
from htmp_bayes.laws.compiled.vector_loops import (
    dot,
    fill_all_factors,
    fill_levels,
    largest_excess,
    largest_sum,
    moment,
    range_that_matters,
)

# A path of descent goes on beyond its own needs towards infinity, where exp(-y v) of smaller y falls later.
FAR_DROP = 400.0
# A sum smaller than this fraction of the sum of its absolute values has lost digits.
CANCELLATION = 0.02
# With Im mu a smaller fraction of the sum of absolute values, rounding costs more than 1e-11 (or 1e-9 with correlation)
# of f; with large c, whose phases carry a rounding error of c * 1e-16, a larger fraction is asked for.
_SMALLEST_SHARE = 1e-4
_SMALLEST_CORRELATED_SHARE = 1e-6
# Phases are as large as s: their rounding costs 1e-9 of a gradient, at most.
_SMALLEST_BY_PHASE = 1e-7
# Above this log y, v leaves the range of a double before the integrands have died out.
_LARGEST_SHARED = 600.0
# What a path did for a point: nothing, its row, or proof that the point lies in a tail and needs a path of its own.
NOT_SERVED, SERVED, IN_TAIL = range(3)


@jit
def _ends_low(n, nodes, levels, best, best_q):
    """Whether both integrands have died out at node n, an end of the path."""
    return best - levels[n] > 32.0 and best_q - levels[n] - nodes[6, n] > 32.0


@jit
def _turns(phase, mass, y, s, c, rho, rule):
    """Whole turns that bring the phase of the sum within a half turn of that at the saddle point of y.

    Where terms cancel, the phase at the largest of them does not say which turn is meant.
    """
    t0, _, _ = bulk_saddle(y, s, c, rho, rule)
    base = far_exponent(t0, y, s, c, rule).imag
    return 2.0 * math.pi * np.rint((base - phase - math.atan2(mass.imag, mass.real)) / (2.0 * math.pi))


@jit
def _sum_row(log_y, s, c, rho, rule, columns, nodes, levels, factors, moments, gradient, probabilities, row):
    """Sum the table for one y into its row, if it can be trusted; return what the path did for the point."""
    y = math.exp(log_y)
    best = fill_levels(y, nodes[0], nodes[2], levels)
    best_q = largest_sum(levels, nodes[6])
    if not (
        _ends_low(0, nodes, levels, best, best_q) and _ends_low(levels.size - 1, nodes, levels, best, best_q)
    ):
        return NOT_SERVED
    i, j = range_that_matters(nodes[6], levels, best, best_q)
    if i == j or largest_excess(y, nodes[:, i:j], levels[i:j], best, best_q) > 0.0:
        return NOT_SERVED
    where = np.argmax(levels)
    phase = nodes[1, where] - y * nodes[3, where]
    real, imag, size = factors[0][: j - i], factors[1][: j - i], factors[2][: j - i]
    fill_all_factors(c, levels[i:j], best, nodes[1][i:j], y, nodes[3][i:j], phase, real, imag, size)
    kept = 1.0
    for k in range(2):
        moments[k] = moment(columns[k][i:j], columns[MOMENTS + k][i:j], real, imag)
        kept = min(kept, abs(moments[k]) / dot(size, nodes[8 + k][i:j]))
    if kept < CANCELLATION:
        return NOT_SERVED
    mu = moments[1] / moments[0]
    ratio = abs(mu.imag) / abs(mu)
    if ratio < TAIL_RATIO:
        return IN_TAIL
    smallest = (_SMALLEST_SHARE if rho == 0.0 else _SMALLEST_CORRELATED_SHARE) * max(1.0, 0.02 * c)
    if ratio * kept < max(smallest, _SMALLEST_BY_PHASE * s):
        return NOT_SERVED
    turned = kept < 0.5 or abs(math.atan2(moments[0].imag, moments[0].real)) > 1.0
    turns = _turns(phase, moments[0], y, s, c, rho, rule) if turned else 0.0
    # Phases count from the nearer end: from F = 0 for large v.
    from_left = math.hypot(nodes[2, where], nodes[3, where]) > 1.0
    phase = turns + (phase if from_left else nodes[10, where] - y * nodes[3, where])
    moments[DRIFT] = 0j
    for k in range(2 if gradient else 9, MOMENTS if c < SMALL_C else DRIFT):
        moments[k] = moment(columns[k][i:j], columns[MOMENTS + k][i:j], real, imag)
    for k in (1, 3, 5, 7, 8):
        moments[k] /= y
    moments[9] *= y
    write_row(moments, 0j, complex(best, phase), s, c, log_y, from_left, 0.0, row)
    return IN_TAIL if in_tail(ratio, row, probabilities) else SERVED


@jit
def _rows_on_path(vertices, panels, log_y, s, c, rho, rule, gradient, probabilities, rows, state):
    """Evaluate on one path all points that no path has served yet."""
    count = panels * GAUSS_NODES.size
    columns = np.empty((2 * MOMENTS, count))
    nodes = np.empty((11, count))
    levels = np.empty(count)
    factors = np.empty((3, count))
    moments = np.empty(MOMENTS, np.complex128)
    fill_table(vertices, panels, s, c, rule, columns, nodes)
    for i in range(log_y.size):
        if state[i] == NOT_SERVED:
            state[i] = _sum_row(
                log_y[i],
                s,
                c,
                rho,
                rule,
                columns,
                nodes,
                levels,
                factors,
                moments,
                gradient,
                probabilities,
                rows[i],
            )


@jit
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


@jit
def shared_rows(log_y, s, c, rho, rule, gradient, probabilities, rows, done):
    """Fill ``rows`` for the points that shared paths serve, less those already in ``done``, and say which.

    Without ``gradient`` the derivatives by s, c and rho are left out; their columns then hold nothing of use. Without
    ``probabilities`` F and 1 - F have an absolute accuracy only where they are small.
    First the curve of all saddle points; then, as long as one serves more than its own point, the path of steepest
    descent of a point in the middle of the longest run of points not done yet.
    """
    state = np.where(done, SERVED, np.where(log_y < _LARGEST_SHARED, NOT_SERVED, IN_TAIL))
    wanted = log_y[state == NOT_SERVED]
    if wanted.size == 0:
        return
    y_low = math.exp(wanted.min())
    left, right = path_range(y_low, math.exp(wanted.max()), s + 1.0)
    vertices = np.empty(2 * MAX_VERTICES + 1, np.complex128)
    panels = trace_curve(left, right, y_low, s + 1.0, c + 1.0, rho, rule, vertices)
    if panels > 0:
        _rows_on_path(vertices, panels, log_y, s, c, rho, rule, gradient, probabilities, rows, state)
    tried = state != NOT_SERVED
    while not tried.all():
        i = _middle_of_longest_run(tried)
        panels = _descent_path(math.exp(log_y[i]), s, c, rho, rule, vertices)
        _rows_on_path(vertices, panels, log_y, s, c, rho, rule, gradient, probabilities, rows, state)
        tried[i] = True
        tried |= state != NOT_SERVED
    done[:] = state == SERVED


@jit
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
