"""One point of the HTMP density and distribution function, on its own path of steepest descent.

With s = kappa/(2 gamma), c = kappa/2, y = eigenvalue/temperature and M, L as in `htmp_bayes.laws.contour`, the
integrals of the law (Hodgkinson, Wang & Mahoney, arXiv 2506.03470; Zhang, arXiv 2508.21349) integrated once by parts
so that they stay well-conditioned for s -> 0 are, with < > the mean under exp((s+1) log v - y v - c L(v)) d log v,

    mu    = <M(v) / (y v)>
    <g>   = s / (1 - c mu)
    y f   = |Im <g>| / (pi c) = (s / pi) |Im mu| / |1 - c mu|^2
    1 - F = |arg Phi| / (pi c),   Phi = (y / s) <1> (1 - c mu)

In every exponent the sum (s+1) log v - c L(v) is written as (p+1) log v - c (L(v) - log v - i pi) with p = s - c: both
are small for large v, where the other two are large and cancel. That leaves out a constant phase of -pi c: phases count
from F = 0.

Two routes, both exact: through the complex saddle point (the bulk), and, where f is so small that Im mu would be a
difference of near-equal numbers (the tails), along the real axis with the imaginary parts from the population's own
tail, then down from the point where the real axis stops being a path of descent.
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
    far_potential,
    first_step,
    nearer_exponent,
    path_slope,
    point_mass_saddle,
    population_sums,
    reach,
    saddle,
    trace_descent,
)
from htmp_bayes.laws.population_rule import expm1_minus_identity, lifted_population_tail, population_tail

# Columns of a result row: log f, d/d log y, d/ds, d/dc, d/d(rho), cdf, sf, Re <g>.
COLUMNS = 8
MOMENTS = 12
# The last moment: of exp(c L) - 1, from which F is had where kappa is small.
DRIFT = 11
# Where c is smaller, F comes from its difference to the law without repulsion.
SMALL_C = 0.05
# Below this |Im mu| / |mu| the bulk route loses more than 5 digits to cancellation and the tail route takes over.
TAIL_RATIO = 2e-5
# Below this 1 - F so it does too: the rule of a heavy-tailed population has an absolute error of 1e-16.
TAIL_OF_DENSITY = 1e-6
# Where probabilities are asked for, below this F or 1 - F: the smaller of them keeps its relative accuracy.
TAIL_PROBABILITY = 1e-5
# With a saddle point further from the real axis, as of a small F for gamma near 1 and a small 1 - F for kappa near 0,
# there is no real one and no way along the axis.
_NEARLY_REAL = 0.02
MAX_VERTICES = 600
MAX_PANELS = 4000
# An eigenvalue above is beyond the doubles.
LARGEST_LOG = 709.0
# Where imaginary parts, relative to the integrals, are below this (and its logarithm), they are lifted.
LIFT_BELOW = -400.0
LIFTED = 1e-170

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")


@_jit
def _add(moments, weight, q, dt, dl, dl_rho, q_rho, dyv):
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


@_jit
def expm1(z):
    """Return exp(z) - 1 of a complex number without cancellation."""
    half = math.sin(0.5 * z.imag)
    growth = math.expm1(z.real)
    size = math.exp(z.real)
    return complex(growth - 2.0 * size * half * half, size * math.sin(z.imag))


@_jit
def _phase_at_small_c(moments, base, s, c, log_y, lower_reference):
    """Phase of Phi to a relative accuracy: its difference to c = 0, where Phi is Gamma(s) y^-s, is of order c."""
    drift = moments[DRIFT] + c * moments[1]
    turn = complex(0.0, -math.pi * c if lower_reference else 0.0)
    ratio = drift * np.exp(base + turn - math.lgamma(s + 1.0) + (s + 1.0) * log_y)
    return -math.atan2(ratio.imag, 1.0 - ratio.real)


@_jit
def _within_turns(phase, c, lower_reference):
    """Take out whole turns: the phase runs from -pi c to 0, or from 0 to pi c."""
    low = -0.5 if lower_reference else -math.pi * c - 0.5
    while phase < low:
        phase += 2.0 * math.pi
    while phase > low + math.pi * c + 1.0:
        phase -= 2.0 * math.pi
    return phase


@_jit
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


@_jit
def _panel_potential(one_plus_m, m_rho, half, k):
    integral = 0j
    integral_rho = 0j
    for j in range(m_rho.size):
        integral += GAUSS_RUNNING[k, j] * one_plus_m[j]
        integral_rho += GAUSS_RUNNING[k, j] * m_rho[j]
    return half * integral, half * integral_rho


@_jit
def _panel_total(one_plus_m, m_rho, half):
    integral = 0j
    integral_rho = 0j
    for j in range(m_rho.size):
        integral += GAUSS_WEIGHTS[j] * one_plus_m[j]
        integral_rho += GAUSS_WEIGHTS[j] * m_rho[j]
    return half * integral, half * integral_rho


@_jit
def _add_path(moments, vertices, count, side, reference, start_l, q0, lift, y, s, c, rule):
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
            run, run_rho = _panel_potential(one_plus_m, m_rho, half, k)
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
            _add(moments, weight, m[k] / yv - q0, dt, dl, l_a_rho - run_rho - l0_rho, m_rho[k] / yv, dyv)
        run, run_rho = _panel_total(one_plus_m, m_rho, half)
        l_a -= run
        l_a_rho -= run_rho


@_jit
def _saddle_start(y, s1, c1, rho):
    t = point_mass_saddle(y, s1, c1)
    if rho > 0.0 and t.imag > -0.2:
        t = complex(t.real, -0.2)
    return t


@_jit
def bulk_saddle(y, s, c, rho, rule):
    """Return log v at the saddle point, and the direction and length of the first steps of descent from it."""
    t0 = _saddle_start(y, s + 1.0, c + 1.0, rho)
    if rho > 0.0:
        t0, _ = saddle(t0, y, s + 1.0, c + 1.0, rule)
    direction, length = first_step(t0, y, s + 1.0, c + 1.0, rho, rule)
    return t0, direction, length


@_jit
def bulk_moments(log_y, s, c, rho, rule, moments):
    """Fill the moments on the route through the complex saddle point; return log v and `far_potential` there."""
    y = math.exp(log_y)
    t0, direction, length = bulk_saddle(y, s, c, rho, rule)
    l0, l0_rho = far_potential(t0, rule)
    vertices = np.empty(MAX_VERTICES, np.complex128)
    for side in (1.0, -1.0):
        count = trace_descent(
            t0, side * direction, length, side, DROP, y, s + 1.0, c + 1.0, rho, rule, vertices
        )
        _add_path(moments, vertices, count, side, (t0, l0, l0_rho), (l0, l0_rho), 0j, 0.0, y, s, c, rule)
    return t0, l0, l0_rho


@_jit
def _bulk(log_y, s, c, population, rule, constants, row):
    """Take the route through the complex saddle; return |Im mu|/|mu|, log v and arg of L at the saddle."""
    moments = np.zeros(MOMENTS, np.complex128)
    t0, l0, _ = bulk_moments(log_y, s, c, constants[0], rule, moments)
    base, lower_reference = nearer_exponent(t0, math.exp(log_y), s, c, rule)
    write_row(moments, 0j, base, s, c, log_y, lower_reference, 0.0, row)
    mu = moments[1] / moments[0]
    return abs(mu.imag) / abs(mu), t0, (l0 + t0).imag + math.pi


@_jit
def _real_slope(tau, y, s1, c1, rule):
    slope, curvature = path_slope(complex(tau, 0.0), y, s1, c1, rule)
    return slope.real, curvature.real


@_jit
def _real_saddle(tau, y, s1, c1, rule):
    for _ in range(80):
        slope, curvature = _real_slope(tau, y, s1, c1, rule)
        if curvature >= 0.0:
            curvature = -curvature - 0.1
        step = slope / curvature
        step = min(max(step, -0.5), 0.5)
        tau -= step
        if abs(step) < 1e-11:
            break
    return tau


@_jit
def _add_real_panel(
    moments, a, b, side, reference, start_l, q0, lift, y, s, c, upper, population, rule, constants
):
    """Add one panel of the lower side of the real axis.

    Returns the largest imaginary contribution, and the potential and its derivative by rho at ``b`` without their
    imaginary parts.
    """
    tau0, l0, l0_rho = reference
    half = 0.5 * (b - a)
    v0 = math.exp(tau0)
    largest = 0.0
    sign = 1.0 if upper else -1.0
    part = np.empty(MOMENTS, np.complex128)
    lifted = np.empty(MOMENTS, np.complex128)
    m = np.empty(GAUSS_NODES.size, np.complex128)
    m_rho = np.empty(GAUSS_NODES.size, np.complex128)
    one_plus_m = np.empty(GAUSS_NODES.size, np.complex128)
    for k in range(GAUSS_NODES.size):
        t = complex(a + half * (1.0 + GAUSS_NODES[k]), 0.0)
        m[k], _, m_rho[k], one_plus_m[k] = population_sums(t, rule)
    for k in range(GAUSS_NODES.size):
        from_reference = (a - tau0) + half * (1.0 + GAUSS_NODES[k])
        tau = tau0 + from_reference
        run, run_rho = _panel_potential(one_plus_m, m_rho, half, k)
        share, density, share_rho, density_rho, deep = lifted_population_tail(
            tau, upper, population, constants
        )
        if lift == 0.0:
            down = math.exp(-deep)
            share, density, share_rho, density_rho = (
                share * down, density * down, share_rho * down, density_rho * down
            )  # fmt: skip
        dl = complex(start_l[0] - run.real - l0, sign * math.pi * share)
        dl_rho = complex(start_l[1] - run_rho.real - l0_rho, sign * math.pi * share_rho)
        dyv = y * v0 * math.expm1(from_reference)
        yv = y * v0 * math.exp(from_reference)
        level = (s - c + 1.0) * from_reference - dyv - c * dl.real
        turn = complex(math.cos(c * dl.imag), -math.sin(c * dl.imag)) * half * (side * GAUSS_WEIGHTS[k])
        q = complex(m[k].real / yv - q0, -math.pi * density / yv)
        q_rho = complex(m_rho[k].real / yv, -math.pi * density_rho / yv)
        dt = complex(from_reference, 0.0)
        if lift == 0.0:
            weight = math.exp(level) * turn
            _add(moments, weight, q, dt, dl, dl_rho, q_rho, complex(dyv, 0.0))
        else:
            weight = math.exp(min(level + lift - deep, 600.0)) * turn
            part[:] = 0j
            _add(part, math.exp(level) * turn, q, dt, dl, dl_rho, q_rho, complex(dyv, 0.0))
            lifted[:] = 0j
            _add(lifted, weight, q, dt, dl, dl_rho, q_rho, complex(dyv, 0.0))
            for j in range(MOMENTS):
                moments[j] += complex(part[j].real, lifted[j].imag)
        largest = max(largest, abs((weight * q).imag))
    total, total_rho = _panel_total(one_plus_m, m_rho, half)
    return largest, (start_l[0] - total.real, start_l[1] - total_rho.real)


@_jit
def _descends(tau, side, y, s, c, upper, population, rule, constants):
    """Whether the real axis is still a path of descent at tau, with a phase small enough not to oscillate."""
    share = population_tail(tau, upper, population, constants)[0]
    return _real_slope(tau, y, s + 1.0, c + 1.0, rule)[0] * side < 0.0 and math.pi * c * share < 0.6


@_jit
def _last_descending(a, b, side, y, s, c, upper, population, rule, constants):
    """Find the end of descent between a (descends) and b (does not) by bisection."""
    for _ in range(30):
        middle = 0.5 * (a + b)
        if _descends(middle, side, y, s, c, upper, population, rule, constants):
            a = middle
        else:
            b = middle
    return a


@_jit
def _real_step(a, side, first, y, s, c, rho, rule):
    slope, curvature = _real_slope(a, y, s + 1.0, c + 1.0, rule)
    size = math.sqrt(abs(curvature)) + 1e-300
    length = (
        3.5 / size if first else min(8.0 / (abs(slope) + 1e-300), 2.0 * abs(slope) / size**2 + 2.0 / size)
    )
    length = min(length, reach(complex(a, 0.0), rho, rule))
    for _ in range(60):
        # Near an edge of the spectrum the curvature passes through 0 and says nothing about the panel.
        if abs(_real_slope(a + side * length, y, s + 1.0, c + 1.0, rule)[0]) * length < 24.0:
            break
        length *= 0.7
    return length


@_jit
def _log_share(tau, upper, population, constants):
    share, _, _, _, deep = lifted_population_tail(tau, upper, population, constants)
    return math.log(share) - deep if share > 0.0 else -np.inf


@_jit
def _share_slope(tau, upper, population, constants):
    """Slope of the log of the population's tail."""
    share, density, _, _, _ = lifted_population_tail(tau, upper, population, constants)
    return (density if upper else -density) / (share + 1e-300)


@_jit
def _imaginary_slope(tau, y, s, c, upper, population, rule, constants):
    """Slope of the log of the imaginary part: of the exponent and of the population's tail."""
    return _real_slope(tau, y, s + 1.0, c + 1.0, rule)[0] + _share_slope(tau, upper, population, constants)


@_jit
def _log_imaginary(a, reference, here_l, y, s, c, upper, population, constants):
    """Log of the imaginary part at ``a``, where the potential is ``here_l``, against the real saddle."""
    tau0, l0, _ = reference
    level = (s - c + 1.0) * (a - tau0) - y * math.exp(tau0) * math.expm1(a - tau0) - c * (here_l - l0)
    return level + _log_share(a, upper, population, constants)


@_jit
def _quiet_stretch(a, side, nothing, lift, reference, here_l, y, s, c, upper, population, constants):
    """How far from a imaginary parts stay below exp(nothing).

    The population's tail is log-concave, so below its tangent at a, and the exponent falls.
    """
    here = _log_imaginary(a, reference, here_l, y, s, c, upper, population, constants) + lift
    if here >= nothing:
        return 0.0
    slope = side * _share_slope(a, upper, population, constants)
    return (nothing - here) / slope if slope > 0.0 else np.inf


@_jit
def _not_past_the_peak(a, side, length, y, s, c, upper, population, rule, constants):
    """Shorten a panel in whose inside imaginary parts are largest, so that their size is seen at its end."""
    slope_here = side * _imaginary_slope(a, y, s, c, upper, population, rule, constants)
    if slope_here <= 0.0:
        return length
    for _ in range(60):
        slope = side * _imaginary_slope(a + side * length, y, s, c, upper, population, rule, constants)
        if slope >= 0.0 or max(-slope, slope_here) * length < 24.0:
            break
        length *= 0.7
    return length


@_jit
def _resolving_share(a, side, length, lift, reference, here_l, y, s, c, upper, population, rule, constants):
    """Shorten a panel so that it resolves a population's deep tail, which changes faster than the exponent."""
    nothing = -140.0 if lift > 0.0 else -690.0
    quiet = _quiet_stretch(a, side, nothing, lift, reference, here_l, y, s, c, upper, population, constants)
    rho = constants[0]
    if quiet > 3.0 * rho:
        return _not_past_the_peak(a, side, min(length, quiet), y, s, c, upper, population, rule, constants)
    length = min(length, 3.0 * rho)
    slope_here = _imaginary_slope(a, y, s, c, upper, population, rule, constants)
    for _ in range(40):
        slope = _imaginary_slope(a + side * length, y, s, c, upper, population, rule, constants)
        if max(abs(slope), abs(slope_here)) * length < 24.0:
            break
        length = max(0.7 * length, quiet)
    return length


@_jit
def _add_real_leg(moments, side, inward, reference, q0, lift, y, s, c, upper, population, rule, constants):
    """Add panels from the real saddle outwards or inwards.

    Returns (end, whether the path must turn there, the largest log of an imaginary part that was met).
    """
    rho = constants[0]
    tau0, l0, l0_rho = reference
    a = tau0
    here_l = (l0, l0_rho)
    silent = False
    best = -np.inf
    for count in range(MAX_PANELS):
        length = _real_step(a, side, count == 0, y, s, c, rho, rule)
        if silent:
            quiet = _quiet_stretch(
                a, side, -690.0, lift, reference, here_l[0], y, s, c, upper, population, constants
            )
            silent = quiet > 3.0 * rho
            if silent:
                length = min(reach(complex(a, 0.0), rho, rule), quiet)
                length = _not_past_the_peak(a, side, length, y, s, c, upper, population, rule, constants)
        if inward and rho > 0.0 and not silent:
            length = _resolving_share(
                a, side, length, lift, reference, here_l[0], y, s, c, upper, population, rule, constants
            )
        b = a + side * length
        turn = inward and not _descends(b, side, y, s, c, upper, population, rule, constants)
        if turn:
            b = _last_descending(a, b, side, y, s, c, upper, population, rule, constants)
        largest = 0.0
        if silent:
            here, here_rho = far_potential(complex(b, 0.0), rule)
            here_l = (here.real, here_rho.real)
        else:
            largest, here_l = _add_real_panel(
                moments, a, b, side, reference, here_l, q0, lift, y, s, c, upper, population, rule, constants
            )
        a = b
        # For large v the integrand of <M/(y v)> falls more slowly towards v = 0 than that of <1>.
        excess = 0.0 if upper else max(tau0 - a, 0.0)
        level = (s - c + 1.0) * (a - tau0) - y * math.exp(tau0) * math.expm1(a - tau0) - c * (here_l[0] - l0)
        fallen = silent or level + excess < -DROP
        # Inwards the imaginary parts grow before they fall, so an empty sum is no reason to stop; but where the
        # population has no mass left there is nothing to add before the turn.
        settled = not inward or 0.0 < abs(moments[1].imag) * 1e-17 >= largest
        if turn or (settled and fallen and not silent):
            return a, turn, best
        if inward:
            imaginary = level + _log_share(a, upper, population, constants)
            best = max(best, imaginary)
            if fallen and level + excess < best - 60.0:
                return a, False, best  # the level only falls on this leg, and imaginary parts are below it
            silent = fallen and imaginary + lift < -690.0
    return a, False, best


@_jit
def _level(tau, reference, y, s, c, rule):
    """Real part of the exponent at ``tau`` on the real axis, less that at the real saddle."""
    tau0, l0, _ = reference
    here, _ = far_potential(complex(tau, 0.0), rule)
    return (s - c + 1.0) * (tau - tau0) - y * math.exp(tau0) * math.expm1(tau - tau0) - c * (here.real - l0)


@_jit
def _turning_step(a, side, y, s, c, rho, rule):
    t = complex(a, 0.0)
    slope, curvature = path_slope(t, y, s + 1.0, c + 1.0, rule)
    direction = complex(side, -1.0) / math.sqrt(2.0)
    length = min(9.0 / (abs(slope) + 1e-300), 3.0 / math.sqrt(abs(curvature)), reach(t, rho, rule), MAX_STEP)
    return direction, length


@_jit
def _tail_moments(log_y, reference, q0, lift, upper, s, c, population, rule, constants, moments):
    """Integrate along the real axis and down from its turn; return the log of the largest imaginary part."""
    y = math.exp(log_y)
    tau0, l0, l0_rho = reference
    outward = -1.0 if upper else 1.0
    moments[:] = 0j
    _add_real_leg(moments, outward, False, reference, q0, lift, y, s, c, upper, population, rule, constants)
    end, turn, best = _add_real_leg(
        moments, -outward, True, reference, q0, lift, y, s, c, upper, population, rule, constants
    )
    if not turn:
        return best
    vertices = np.empty(MAX_VERTICES, np.complex128)
    direction, length = _turning_step(end, -outward, y, s, c, constants[0], rule)
    count = trace_descent(
        complex(end, 0.0), direction, length, -outward, DROP, y, s + 1.0, c + 1.0, constants[0], rule, vertices
    )  # fmt: skip
    phase = -math.pi if upper else 0.0
    complex_reference = (complex(tau0, 0.0), complex(l0, phase), complex(l0_rho, 0.0))
    start_l = far_potential(complex(end, 0.0), rule)
    on_axis = moments[0].imag
    _add_path(
        moments, vertices, count, -outward, complex_reference, start_l, complex(q0, 0.0), lift, y, s, c, rule
    )
    if upper and c < SMALL_C:
        # Without repulsion the integral from a real point to infinity is real: all of Im is in the difference to it.
        moments[0] = complex(moments[0].real, on_axis - moments[DRIFT].imag)
    # Phases count from the reference point here, so that the small ones come without the difference to c = 0.
    moments[DRIFT] = 0j
    return max(best, _level(end, reference, y, s, c, rule))


@_jit
def tail_reference(log_y, tau, s, c, rule):
    """Return (log v, *far_potential) and M/(y v) at the real saddle point near ``tau``, without imaginary parts."""
    y = math.exp(log_y)
    tau0 = _real_saddle(tau, y, s + 1.0, c + 1.0, rule)
    l0, l0_rho = far_potential(complex(tau0, 0.0), rule)
    m, _, _, _ = population_sums(complex(tau0, 0.0), rule)
    return (tau0, l0.real, l0_rho.real), m.real / (y * math.exp(tau0))


@_jit
def tail_moments(log_y, tau, upper, s, c, population, rule, constants, moments):
    """Fill the moments on the route along the real axis; return the reference point, M/(y v) there and the lift."""
    reference, q0 = tail_reference(log_y, tau, s, c, rule)
    best = _tail_moments(log_y, reference, q0, 0.0, upper, s, c, population, rule, constants, moments)
    lift = 0.0
    if best < LIFT_BELOW and abs(moments[1].imag) < LIFTED * abs(moments[0]):
        # With too little lift the peak of imaginary parts is passed over; with too much they are not small.
        for _ in range(4):
            lift = -best - 70.0
            best = _tail_moments(
                log_y, reference, q0, lift, upper, s, c, population, rule, constants, moments
            )
            if abs(best + lift + 70.0) < 0.1:
                break
    return reference, q0, lift


@_jit
def _tail(log_y, tau, upper, s, c, population, rule, constants, row):
    """Take the route along the real axis, with imaginary parts without cancellation."""
    moments = np.zeros(MOMENTS, np.complex128)
    _, q0, lift = tail_moments(log_y, tau, upper, s, c, population, rule, constants, moments)
    write_row(moments, complex(q0, 0.0), 0j, s, c, log_y, not upper, lift, row)
    if not row[0] > -1e300:
        # No imaginary part was found at all, some 10,000 standard deviations out.
        _fill_nothing(upper, row[7], row)


@_jit
def _fill_nothing(above, mean, row):
    """Fill a row for where the density vanishes in a double, above or below all of the law; ``mean`` is <g>."""
    row[0] = -np.inf
    row[1:5] = 0.0
    row[5] = 1.0 if above else 0.0
    row[6] = 1.0 - row[5]
    row[7] = mean


@_jit
def log_transform(log_y, s, c, rho, rule):
    """Return log(exp(i pi c) Phi), its imaginary part up to whole turns, and its derivatives by p, c and rho."""
    moments = np.zeros(MOMENTS, np.complex128)
    reference = bulk_moments(log_y, s, c, rho, rule, moments)
    return transform_of(moments, reference, 0j, log_y, s, c)


@_jit
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


@_jit
def in_tail(ratio, row, probabilities):
    """Whether a row from a complex saddle point, with this |Im mu|/|mu|, is less accurate than one in the tails."""
    small = min(row[5], row[6]) < TAIL_PROBABILITY if probabilities else row[6] < TAIL_OF_DENSITY
    return small or ratio < TAIL_RATIO


@_jit
def exact_point(log_y, s, c, population, rule, constants, row):
    """Fill ``row`` (length 8): log f, its derivatives by log y, s, c and rho, F, 1 - F, Re <g>."""
    if not log_y < LARGEST_LOG:
        _fill_nothing(True, s, row)
        return
    ratio, t0, phase = _bulk(log_y, s, c, population, rule, constants, row)
    if ratio < TAIL_RATIO or (-t0.imag < _NEARLY_REAL and in_tail(ratio, row, True)):
        _tail(log_y, t0.real, phase < 0.5 * math.pi, s, c, population, rule, constants, row)
