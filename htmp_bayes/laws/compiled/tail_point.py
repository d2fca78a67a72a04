"""One eigenvalue in the tails: along the real axis, then down from where that stops being a path of descent.

There f is so small that Im mu would be a difference of near-equal numbers; the imaginary parts are had from the
population's own tail instead.
"""

import math

import numpy as np

from htmp_bayes.laws.compiled.gauss_panels import GAUSS_NODES, GAUSS_WEIGHTS
from htmp_bayes.laws.compiled.jit import jit
from htmp_bayes.laws.compiled.moments import (
    DRIFT,
    MAX_VERTICES,
    MOMENTS,
    SMALL_C,
    add_node,
    add_path,
    panel_potential,
    panel_total,
    write_row,
)
from htmp_bayes.laws.compiled.population_sums import far_potential, path_slope, population_sums
from htmp_bayes.laws.compiled.population_tail import lifted_population_tail
from htmp_bayes.laws.compiled.real_axis import (
    descends,
    last_descending,
    log_share,
    not_past_the_peak,
    quiet_stretch,
    real_saddle,
    real_step,
    resolving_share,
)
from htmp_bayes.laws.compiled.steepest_descent import DROP, MAX_STEP, reach, trace_descent

MAX_PANELS = 4000
# Where imaginary parts, relative to the integrals, are below this (and its logarithm), they are lifted.
LIFT_BELOW = -400.0
LIFTED = 1e-170


@jit
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
        run, run_rho = panel_potential(one_plus_m, m_rho, half, k)
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
            add_node(moments, weight, q, dt, dl, dl_rho, q_rho, complex(dyv, 0.0))
        else:
            weight = math.exp(min(level + lift - deep, 600.0)) * turn
            part[:] = 0j
            add_node(part, math.exp(level) * turn, q, dt, dl, dl_rho, q_rho, complex(dyv, 0.0))
            lifted[:] = 0j
            add_node(lifted, weight, q, dt, dl, dl_rho, q_rho, complex(dyv, 0.0))
            for j in range(MOMENTS):
                moments[j] += complex(part[j].real, lifted[j].imag)
        largest = max(largest, abs((weight * q).imag))
    total, total_rho = panel_total(one_plus_m, m_rho, half)
    return largest, (start_l[0] - total.real, start_l[1] - total_rho.real)


@jit
def add_real_leg(moments, side, inward, reference, q0, lift, y, s, c, upper, population, rule, constants):
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
        length = real_step(a, side, count == 0, y, s, c, rho, rule)
        if silent:
            quiet = quiet_stretch(
                a, side, -690.0, lift, reference, here_l[0], y, s, c, upper, population, constants
            )
            silent = quiet > 3.0 * rho
            if silent:
                length = min(reach(complex(a, 0.0), rho, rule), quiet)
                length = not_past_the_peak(a, side, length, y, s, c, upper, population, rule, constants)
        if inward and rho > 0.0 and not silent:
            length = resolving_share(
                a, side, length, lift, reference, here_l[0], y, s, c, upper, population, rule, constants
            )
        b = a + side * length
        turn = inward and not descends(b, side, y, s, c, upper, population, rule, constants)
        if turn:
            b = last_descending(a, b, side, y, s, c, upper, population, rule, constants)
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
            imaginary = level + log_share(a, upper, population, constants)
            best = max(best, imaginary)
            if fallen and level + excess < best - 60.0:
                return a, False, best  # the level only falls on this leg, and imaginary parts are below it
            silent = fallen and imaginary + lift < -690.0
    return a, False, best


@jit
def level_on_axis(tau, reference, y, s, c, rule):
    """Real part of the exponent at ``tau`` on the real axis, less that at the real saddle."""
    tau0, l0, _ = reference
    here, _ = far_potential(complex(tau, 0.0), rule)
    return (s - c + 1.0) * (tau - tau0) - y * math.exp(tau0) * math.expm1(tau - tau0) - c * (here.real - l0)


@jit
def turning_step(a, side, y, s, c, rho, rule):
    """Return direction and length of the first step down from the real axis."""
    t = complex(a, 0.0)
    slope, curvature = path_slope(t, y, s + 1.0, c + 1.0, rule)
    direction = complex(side, -1.0) / math.sqrt(2.0)
    length = min(9.0 / (abs(slope) + 1e-300), 3.0 / math.sqrt(abs(curvature)), reach(t, rho, rule), MAX_STEP)
    return direction, length


@jit
def _moments_along_axis(log_y, reference, q0, lift, upper, s, c, population, rule, constants, moments):
    """Integrate along the real axis and down from its turn; return the log of the largest imaginary part."""
    y = math.exp(log_y)
    tau0, l0, l0_rho = reference
    outward = -1.0 if upper else 1.0
    moments[:] = 0j
    add_real_leg(moments, outward, False, reference, q0, lift, y, s, c, upper, population, rule, constants)
    end, turn, best = add_real_leg(
        moments, -outward, True, reference, q0, lift, y, s, c, upper, population, rule, constants
    )
    if not turn:
        return best
    vertices = np.empty(MAX_VERTICES, np.complex128)
    direction, length = turning_step(end, -outward, y, s, c, constants[0], rule)
    count = trace_descent(
        complex(end, 0.0), direction, length, -outward, DROP, y, s + 1.0, c + 1.0, constants[0], rule, vertices
    )  # fmt: skip
    phase = -math.pi if upper else 0.0
    complex_reference = (complex(tau0, 0.0), complex(l0, phase), complex(l0_rho, 0.0))
    start_l = far_potential(complex(end, 0.0), rule)
    on_axis = moments[0].imag
    add_path(
        moments, vertices, count, -outward, complex_reference, start_l, complex(q0, 0.0), lift, y, s, c, rule
    )
    if upper and c < SMALL_C:
        # Without repulsion the integral from a real point to infinity is real: all of Im is in the difference to it.
        moments[0] = complex(moments[0].real, on_axis - moments[DRIFT].imag)
    # Phases count from the reference point here, so that the small ones come without the difference to c = 0.
    moments[DRIFT] = 0j
    return max(best, level_on_axis(end, reference, y, s, c, rule))


@jit
def tail_reference(log_y, tau, s, c, rule):
    """Return (log v, *far_potential) and M/(y v) at the real saddle point near ``tau``, without imaginary parts."""
    y = math.exp(log_y)
    tau0 = real_saddle(tau, y, s + 1.0, c + 1.0, rule)
    l0, l0_rho = far_potential(complex(tau0, 0.0), rule)
    m, _, _, _ = population_sums(complex(tau0, 0.0), rule)
    return (tau0, l0.real, l0_rho.real), m.real / (y * math.exp(tau0))


@jit
def tail_moments(log_y, tau, upper, s, c, population, rule, constants, moments):
    """Fill the moments on the route along the real axis; return the reference point, M/(y v) there and the lift."""
    reference, q0 = tail_reference(log_y, tau, s, c, rule)
    best = _moments_along_axis(log_y, reference, q0, 0.0, upper, s, c, population, rule, constants, moments)
    lift = 0.0
    if best < LIFT_BELOW and abs(moments[1].imag) < LIFTED * abs(moments[0]):
        # With too little lift the peak of imaginary parts is passed over; with too much they are not small.
        for _ in range(4):
            lift = -best - 70.0
            best = _moments_along_axis(
                log_y, reference, q0, lift, upper, s, c, population, rule, constants, moments
            )
            if abs(best + lift + 70.0) < 0.1:
                break
    return reference, q0, lift


@jit
def tail_row(log_y, tau, upper, s, c, population, rule, constants, row):
    """Take the route along the real axis, with imaginary parts without cancellation."""
    moments = np.zeros(MOMENTS, np.complex128)
    _, q0, lift = tail_moments(log_y, tau, upper, s, c, population, rule, constants, moments)
    write_row(moments, complex(q0, 0.0), 0j, s, c, log_y, not upper, lift, row)
    if not row[0] > -1e300:
        # No imaginary part was found at all, some 10,000 standard deviations out.
        fill_nothing(upper, row[7], row)


@jit
def fill_nothing(above, mean, row):
    """Fill a row for where the density vanishes in a double, above or below all of the law; ``mean`` is <g>."""
    row[0] = -np.inf
    row[1:5] = 0.0
    row[5] = 1.0 if above else 0.0
    row[6] = 1.0 - row[5]
    row[7] = mean
