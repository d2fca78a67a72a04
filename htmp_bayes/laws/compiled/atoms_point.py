"""One point of the HTMP density for a population of finitely many atoms.

The integrals are those of `htmp_bayes.laws.compiled`. An atom puts a branch point at v = 1/h on the positive axis, so
that no population density smooths the axis; where the spectrum has a band, the way through the complex saddle point
is the same. In a gap (below, between or above the bands) the saddle point is on the real axis between two branch
points, the phase there is constant, -pi c P(h > 1/v), and the imaginary parts come without cancellation from where
the path leaves the axis on either side.
"""

import math

import numpy as np

from htmp_bayes.laws.compiled.jit import jit
from htmp_bayes.laws.compiled.left_tail import continue_left, left_end
from htmp_bayes.laws.compiled.moments import (
    COLUMNS,
    DRIFT,
    MAX_VERTICES,
    MOMENTS,
    add_path,
    transform_of,
    write_row,
)
from htmp_bayes.laws.compiled.population_rule import H_INVERSE, LOG_H, WEIGHT, WEIGHT_CHANGE, WEIGHT_SLOPE, H
from htmp_bayes.laws.compiled.population_sums import far_potential, nearer_exponent, population_sums
from htmp_bayes.laws.compiled.silverstein import followed_root
from htmp_bayes.laws.compiled.steepest_descent import DROP, first_step, trace_descent
from htmp_bayes.laws.compiled.tail_point import add_real_leg, level_on_axis, turning_step

# A saddle point closer to the axis than this is a real one.
_REAL = 1e-7
# Where log f is below this, imaginary parts are near the smallest double and are lifted.
_LIFT_BELOW = -500.0
_NO_TAIL = np.zeros(6)


def atoms_rule(rho: float, positions: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the rule of `population_rule` for h = exp(rho * position), shape ``(6, atoms)``."""
    rule = np.empty((6, len(positions)), np.complex128)
    rule[LOG_H] = rho * positions
    rule[H] = np.exp(rule[LOG_H])
    rule[H_INVERSE] = np.exp(-rule[LOG_H])
    rule[WEIGHT] = weights
    rule[WEIGHT_SLOPE] = weights * positions
    rule[WEIGHT_CHANGE] = 0.0
    return rule


@jit
def _band_moments(log_y, t0, s, c, rule, moments):
    """Fill the moments on the way through a complex saddle point; return (log v, *far_potential) there."""
    y = math.exp(log_y)
    l0, l0_rho = far_potential(t0, rule)
    direction, length = first_step(t0, y, s + 1.0, c + 1.0, 0.0, rule)
    vertices = np.empty(MAX_VERTICES, np.complex128)
    for side in (1.0, -1.0):
        start = side * direction
        count = trace_descent(t0, start, length, side, DROP, y, s + 1.0, c + 1.0, 0.0, rule, vertices)
        add_path(moments, vertices, count, side, (t0, l0, l0_rho), (l0, l0_rho), 0j, 0.0, y, s, c, rule)
    return t0, l0, l0_rho


@jit
def _band(log_y, t0, s, c, rule, row):
    y = math.exp(log_y)
    moments = np.zeros(MOMENTS, np.complex128)
    _band_moments(log_y, t0, s, c, rule, moments)
    base, lower_reference = nearer_exponent(t0, y, s, c, rule)
    write_row(moments, 0j, base, s, c, log_y, lower_reference, 0.0, row)


@jit
def _surroundings(tau, rule):
    """Whether there are branch points to the left and to the right of ``tau``, and P(h > exp(-tau))."""
    left = False
    right = False
    share = 0.0
    for j in range(rule.shape[1]):
        if rule[LOG_H, j].real + tau > 0.0:
            left = True
            share += rule[WEIGHT, j].real
        else:
            right = True
    return left, right, share


@jit
def _gap_moments(log_y, reference, share, q0, lift, left, right, s, c, rule, moments):
    """Integrate along the axis and down from its turns; return the higher level of the turns."""
    y = math.exp(log_y)
    tau0, l0, l0_rho = reference
    vertices = np.empty(MAX_VERTICES, np.complex128)
    complex_reference = (complex(tau0, 0.0), complex(l0, math.pi * (share - 1.0)), complex(l0_rho, 0.0))
    highest = -1e308
    for side in (1.0, -1.0):
        bounded = right if side > 0.0 else left
        end, turn, _ = add_real_leg(
            moments, side, bounded, reference, q0, lift, y, s, c, right, 0, rule, _NO_TAIL
        )
        if turn:
            direction, length = turning_step(end, side, y, s, c, 0.0, rule)
            count = trace_descent(
                complex(end, 0.0), direction, length, side, DROP, y, s + 1.0, c + 1.0, 0.0, rule, vertices
            )
            start_l = far_potential(complex(end, 0.0), rule)
            add_path(
                moments, vertices, count, side, complex_reference, start_l, complex(q0, 0.0), lift, y, s, c,
                rule,
            )  # fmt: skip
            moments[DRIFT] = 0j
            highest = max(highest, level_on_axis(end, reference, y, s, c, rule))
    return highest


@jit
def _gap_row(log_y, reference, share, q0, lift, left, right, s, c, rule, row):
    """Write the row of a point in a gap; return the higher level of the turns."""
    moments = np.zeros(MOMENTS, np.complex128)
    highest = _gap_moments(log_y, reference, share, q0, lift, left, right, s, c, rule, moments)
    below_all = not right
    write_row(moments, complex(q0, 0.0), 0j, s, c, log_y, below_all, lift, row)
    if right and left:
        # The phase so far is the one beyond that of the gap, -pi c times the mass above it.
        row[6] += share
        row[5] = 1.0 - row[6]
    return highest


@jit
def _gap_reference(log_y, tau, rule):
    """Return (log v, *far_potential) and M/(y v) at a real saddle point, without imaginary parts."""
    l0, l0_rho = far_potential(complex(tau, 0.0), rule)
    m, _, _, _ = population_sums(complex(tau, 0.0), rule)
    return (tau, l0.real, l0_rho.real), m.real / math.exp(log_y + tau)


@jit
def _gap(log_y, tau, s, c, rule, row):
    left, right, share = _surroundings(tau, rule)
    reference, q0 = _gap_reference(log_y, tau, rule)
    highest = _gap_row(log_y, reference, share, q0, 0.0, left, right, s, c, rule, row)
    if not row[0] > _LIFT_BELOW:
        lift = max(-highest - 70.0, 0.0)
        _gap_row(log_y, reference, share, q0, lift, left, right, s, c, rule, row)


@jit
def atoms_point(log_y, s, c, rule, row):
    """Fill ``row`` (length 8): log f, its derivatives by log y, s, c and rho, F, 1 - F, Re <g>."""
    t0 = followed_root(complex(math.exp(log_y), 0.0), s + 1.0, c + 1.0, rule)
    if t0.imag < -_REAL:
        _band(log_y, t0, s, c, rule, row)
    else:
        _gap(log_y, t0.real, s, c, rule, row)


@jit
def _log_transform(log_y, s, c, rule):
    """Return the `bulk_point.log_transform` of a point below all bands, or in the lowest one."""
    moments = np.zeros(MOMENTS, np.complex128)
    t0 = followed_root(complex(math.exp(log_y), 0.0), s + 1.0, c + 1.0, rule)
    if t0.imag < -_REAL:
        return transform_of(moments, _band_moments(log_y, t0, s, c, rule, moments), 0j, log_y, s, c)
    (tau, l0, l0_rho), q0 = _gap_reference(log_y, t0.real, rule)
    _gap_moments(log_y, (tau, l0, l0_rho), 1.0, q0, 0.0, True, False, s, c, rule, moments)
    reference = (complex(tau, 0.0), complex(l0, 0.0), complex(l0_rho, 0.0))
    return transform_of(moments, reference, complex(q0, 0.0), log_y, s, c)


@jit
def atoms_rows(log_y, kappa, gamma, rule):
    """Evaluate all points, each on its own path; the columns of `htmp_bayes.laws.compiled.htmp_density.exact_rows`."""
    s, c = 0.5 * kappa / gamma, 0.5 * kappa
    rows = np.empty((log_y.size, COLUMNS))
    done = np.zeros(log_y.size, np.bool_)
    low = left_end(c, rule)
    if log_y.size > 0 and log_y.min() < low:
        at_end = np.empty(COLUMNS)
        atoms_point(low, s, c, rule, at_end)
        continue_left(log_y, low, s, c, _log_transform(low, s, c, rule), at_end, rows, done)
    for i in range(log_y.size):
        if not done[i]:
            atoms_point(log_y[i], s, c, rule, rows[i])
    return rows
