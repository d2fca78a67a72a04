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
    far_exponent,
    population_sums,
    potentials,
    reach,
    trace_descent,
)
from htmp_bayes.laws.exact_point import (
    DRIFT,
    MAX_VERTICES,
    MOMENTS,
    SMALL_C,
    TAIL_RATIO,
    bulk_saddle,
    expm1,
    in_tail,
    write_row,
)
from htmp_bayes.laws.population_rule import mean_inverse

MAX_PANELS = 160
# Largest change of the exponent, over a panel of the curve, of the integrand whose saddle point is at its start: more
# than that, and the panel cuts off a corner of the curve, as where it leaves the real axis at an edge of the spectrum.
LARGEST_CHANGE = 20.0
# A path of descent goes on beyond its own needs towards infinity, where exp(-y v) of smaller y falls later.
FAR_DROP = 400.0
# Terms this far below the largest one are left out of a sum.
NEGLIGIBLE = 38.0
# A sum smaller than this fraction of the sum of its absolute values has lost digits.
CANCELLATION = 0.02
# With Im mu a smaller fraction of the sum of absolute values, rounding costs more than 1e-11 (or 1e-9 with correlation)
# of f; with large c, whose phases carry a rounding error of c * 1e-16, a larger fraction is asked for.
_SMALLEST_SHARE = 1e-4
_SMALLEST_CORRELATED_SHARE = 1e-6
# Phases are as large as s: their rounding costs 1e-9 of a gradient, at most.
_SMALLEST_BY_PHASE = 1e-7
# A Gauss panel of 20 nodes resolves a change of the exponent of this size to 1e-19 (remainder term, DLMF 3.5.19),
# and larger ones where the integrand is small.
RESOLVED = 18.0
# Above this log y, v leaves the range of a double before the integrands have died out.
_LARGEST_SHARED = 600.0
# What a path did for a point: nothing, its row, or proof that the point lies in a tail and needs a path of its own.
NOT_SERVED, SERVED, IN_TAIL = range(3)

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")
# Only order and contraction of sums and products are freed here, so that loops use vector instructions.
_jit_sum = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
# The reduction of an angle depends on the order of its subtractions; these are inlined into the loops all the same.
_jit_ordered = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})


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
def _y_at(t, s1, c1, rule):
    _, _, _, one_plus_m = population_sums(t, rule)
    return ((s1 - c1) + c1 * one_plus_m) * np.exp(-t)


@_jit
def _resolved_for_its_own(t, following, s1, c1, rule):
    """Whether one panel resolves the integrand whose saddle point is at t, its start."""
    y = _y_at(t, s1, c1, rule).real
    size = abs(following - t)
    for share in (0.5, 1.0):
        there = t + share * (following - t)
        if abs((_y_at(there, s1, c1, rule) - y) * np.exp(there)) * size > LARGEST_CHANGE:
            return False
    return True


@_jit
def _trace_curve(left, right, y_low, s1, c1, rho, rule, vertices):
    """Fill ``vertices`` along the curve; returns the number of panels, 0 if there are too many."""
    tau = left
    theta = _curve_angle(tau, 0.5, s1, c1, rule)
    vertices[0] = complex(tau, -theta)
    length = MAX_STEP
    # Beyond, the population no longer matters: integrands have a real saddle point there, or none.
    far = math.log(c1 * mean_inverse(rule)) + 1.0
    bent = False
    for count in range(MAX_PANELS):
        t = vertices[count]
        # Near an edge of the spectrum the curvature passes through 0 and says nothing about the next panel.
        length = min(1.5 * length, _panel_length(t, y_low, s1, c1, rho, rule))
        ahead = complex(tau + length, -_curve_angle(tau + length, theta, s1, c1, rule))
        length = min(length, 1.5 * _panel_length(ahead, y_low, s1, c1, rho, rule))
        bent = bent or tau > far or _y_at(t, s1, c1, rule).real < y_low
        for _ in range(8):
            # Behind the last saddle point the path bends to where exp(-y v) decays (for gamma = 1 the curve does not).
            on_curve = _curve_angle(tau + length, theta, s1, c1, rule)
            angle = min(on_curve, max(theta - 0.9 * length, 0.0)) if bent else on_curve
            following = complex(min(tau + length, right), -angle)
            if bent or _resolved_for_its_own(t, following, s1, c1, rule):
                break
            length *= 0.7
        tau, theta = following.real, angle
        vertices[count + 1] = following
        if tau >= right:
            return count + 1
    return 0


@_jit
def _fill_table(vertices, panels, s, c, rule, columns, nodes):
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


@_jit
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


@_jit_ordered
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


@_jit_ordered
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


@_jit_sum
def _fill_levels(y, exponent, v, levels):
    """Fill the levels log|integrand| of <1>; return the largest."""
    best = -1e308
    for n in range(levels.size):
        level = exponent[n] - y * v[n]
        levels[n] = level
        best = max(best, level)
    return best


@_jit_sum
def _largest_sum(a, b):
    best = -1e308
    for n in range(a.size):
        best = max(best, a[n] + b[n])
    return best


@_jit
def _range_that_matters(log_q, levels, best, best_q):
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


@_jit_sum
def _largest_excess(y, nodes, levels, best, best_q):
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


@_jit_sum
def _fill_factors(levels, best, angles, y, v_i, phase, real, imag, size):
    """Fill exp(exponent - its largest value): real part, imaginary part and absolute value."""
    for n in range(levels.size):
        r = _exp_below_zero(max(levels[n] - best, -60.0))
        sine, cosine = _sine_and_cosine(angles[n] - y * v_i[n] - phase)
        real[n] = r * cosine
        imag[n] = r * sine
        size[n] = r


@_jit
def _fill_factors_of_any_size(levels, best, angles, y, v_i, phase, real, imag, size):
    """Fill the same where sizes fall below exp(-60): for small y, <M/v> comes from where <1> has died out."""
    for n in range(levels.size):
        angle = angles[n] - y * v_i[n] - phase
        size[n] = math.exp(levels[n] - best)
        real[n] = size[n] * math.cos(angle)
        imag[n] = size[n] * math.sin(angle)


@_jit
def _fill_all_factors(c, levels, best, angles, y, v_i, phase, real, imag, size):
    # F is a phase over pi c: with a small c the last digits of the library's own functions matter.
    if c > 0.5 and levels.min() > best - 60.0:
        _fill_factors(levels, best, angles, y, v_i, phase, real, imag, size)
    else:
        _fill_factors_of_any_size(levels, best, angles, y, v_i, phase, real, imag, size)


@_jit_sum
def _moment(column_r, column_i, factor_r, factor_i):
    real = 0.0
    imag = 0.0
    for n in range(factor_r.size):
        real += factor_r[n] * column_r[n] - factor_i[n] * column_i[n]
        imag += factor_r[n] * column_i[n] + factor_i[n] * column_r[n]
    return complex(real, imag)


@_jit_sum
def _dot(a, b):
    total = 0.0
    for n in range(a.size):
        total += a[n] * b[n]
    return total


@_jit
def _ends_low(n, nodes, levels, best, best_q):
    """Whether both integrands have died out at node n, an end of the path."""
    return best - levels[n] > 32.0 and best_q - levels[n] - nodes[6, n] > 32.0


@_jit
def _turns(phase, mass, y, s, c, rho, rule):
    """Whole turns that bring the phase of the sum within a half turn of that at the saddle point of y.

    Where terms cancel, the phase at the largest of them does not say which turn is meant.
    """
    t0, _, _ = bulk_saddle(y, s, c, rho, rule)
    base = far_exponent(t0, y, s, c, rule).imag
    return 2.0 * math.pi * np.rint((base - phase - math.atan2(mass.imag, mass.real)) / (2.0 * math.pi))


@_jit
def _sum_row(log_y, s, c, rho, rule, columns, nodes, levels, factors, moments, gradient, probabilities, row):
    """Sum the table for one y into its row, if it can be trusted; return what the path did for the point."""
    y = math.exp(log_y)
    best = _fill_levels(y, nodes[0], nodes[2], levels)
    best_q = _largest_sum(levels, nodes[6])
    if not (
        _ends_low(0, nodes, levels, best, best_q) and _ends_low(levels.size - 1, nodes, levels, best, best_q)
    ):
        return NOT_SERVED
    i, j = _range_that_matters(nodes[6], levels, best, best_q)
    if i == j or _largest_excess(y, nodes[:, i:j], levels[i:j], best, best_q) > 0.0:
        return NOT_SERVED
    where = np.argmax(levels)
    phase = nodes[1, where] - y * nodes[3, where]
    real, imag, size = factors[0][: j - i], factors[1][: j - i], factors[2][: j - i]
    _fill_all_factors(c, levels[i:j], best, nodes[1][i:j], y, nodes[3][i:j], phase, real, imag, size)
    kept = 1.0
    for k in range(2):
        moments[k] = _moment(columns[k][i:j], columns[MOMENTS + k][i:j], real, imag)
        kept = min(kept, abs(moments[k]) / _dot(size, nodes[8 + k][i:j]))
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
        moments[k] = _moment(columns[k][i:j], columns[MOMENTS + k][i:j], real, imag)
    for k in (1, 3, 5, 7, 8):
        moments[k] /= y
    moments[9] *= y
    write_row(moments, 0j, complex(best, phase), s, c, log_y, from_left, 0.0, row)
    return IN_TAIL if in_tail(ratio, row, probabilities) else SERVED


@_jit
def _rows_on_path(vertices, panels, log_y, s, c, rho, rule, gradient, probabilities, rows, state):
    """Evaluate on one path all points that no path has served yet."""
    count = panels * GAUSS_NODES.size
    columns = np.empty((2 * MOMENTS, count))
    nodes = np.empty((11, count))
    levels = np.empty(count)
    factors = np.empty((3, count))
    moments = np.empty(MOMENTS, np.complex128)
    _fill_table(vertices, panels, s, c, rule, columns, nodes)
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
    left, right = _path_range(y_low, math.exp(wanted.max()), s + 1.0)
    vertices = np.empty(2 * MAX_VERTICES + 1, np.complex128)
    panels = _trace_curve(left, right, y_low, s + 1.0, c + 1.0, rho, rule, vertices)
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
