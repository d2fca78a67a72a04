"""Paths of steepest descent in the plane of log v: where they start, and how far one panel may reach.

The path exponent and its slope are those of `htmp_bayes.laws.compiled.population_sums`.
"""

import math

import numpy as np

from htmp_bayes.laws.compiled.jit import jit
from htmp_bayes.laws.compiled.population_rule import LOG_H
from htmp_bayes.laws.compiled.population_sums import path_slope, population_sums

# Longest step of a path in log v; exp(-y v) changes on scale 1.
MAX_STEP = 1.1
# A path stops where its integrand has fallen by exp(-42), below rounding of the sum.
DROP = 42.0
EXTRA_STEP = 0.3
# Paths near the real axis lean away from it by this angle: descent continues, and the singularities are passed below.
_LEAN = complex(math.cos(0.35), math.sin(0.35))


@jit
def point_mass_saddle(y: float, s1: float, c1: float) -> complex:
    """Return log v at the saddle point for h = 1: y v^2 - (y + s1 - c1) v + s1 = 0, the root that stays stable."""
    if y > 1e100:
        return complex(math.log(s1 / y), 0.0)  # b * b would overflow
    b = y + s1 - c1
    discriminant = b * b - 4.0 * y * s1
    if discriminant < 0.0:
        return np.log(complex(b, -math.sqrt(-discriminant)) / (2.0 * y))
    root = math.sqrt(discriminant)
    # Above the upper edge the smaller root (below v = 1), below the lower edge the larger one.
    if b > 0.0 and y <= s1:
        return complex(math.log((b + root) / (2.0 * y)), 0.0)
    return complex(math.log(2.0 * s1 / (b + root)), 0.0)


@jit
def saddle(start: complex, y: float, s1: float, c1: float, rule: np.ndarray):
    """Newton's method for the saddle point in the closed lower half plane; returns (t, converged)."""
    t = start
    for iteration in range(60):
        slope, curvature = path_slope(t, y, s1, c1, rule)
        step = slope / curvature
        if abs(step) > 0.5:
            step *= 0.5 / abs(step)
        t -= step
        if t.imag > 0.0:
            t = complex(t.real, -0.5 * t.imag if iteration < 40 else 0.0)
        if t.imag < -math.pi:
            t = complex(t.real, -3.0)
        if abs(step) < 1e-9:
            return t, True
    return t, False


@jit
def reach(t: complex, rho: float, rule: np.ndarray) -> float:
    """Longest panel at ``t`` that stays well away from the singularities.

    They are at t = 0 smoothed on the scale rho, or for rho = 0 at v h = 1 for each h of the rule.
    """
    if rho > 0.0:
        return min(max(0.6 * abs(t), 0.8 * min(rho, 1.0)), MAX_STEP)
    nearest = MAX_STEP / 0.6
    for j in range(rule.shape[1]):
        nearest = min(nearest, abs(t + rule[LOG_H, j]))
    return 0.6 * nearest


@jit
def first_step(t0: complex, y: complex, s1: float, c1: float, rho: float, rule: np.ndarray):
    """Direction of descent from the saddle point ``t0`` and the length of the first panels on either side.

    3.5 widths of the integrand, less where the saddle point is about to merge with another (at the edges of the
    spectrum for large kappa): its curvature there says nothing about the next panel, the slope at its end does.
    """
    _, curvature = path_slope(t0, y, s1, c1, rule)
    direction = np.exp(0.5j * (math.pi - np.angle(curvature)))
    if direction.real < 0.0:
        direction = -direction
    length = min(3.5 / math.sqrt(abs(curvature) + 1e-300), reach(t0, rho, rule))
    for _ in range(60):
        ahead, _ = path_slope(t0 + length * direction, y, s1, c1, rule)
        behind, _ = path_slope(t0 - length * direction, y, s1, c1, rule)
        if max(abs(ahead), abs(behind)) * length < 16.0:
            break
        length *= 0.7
    return direction, length


@jit
def _downhill(slope, t, side):
    """Direction of descent at ``t``, leaning away from the real axis."""
    size = abs(slope)
    if size < 1e-12:
        # A plateau (for y -> 0 and gamma near 1): the way out is horizontal.
        return complex(side, 0.0)
    return _lean(-slope.conjugate() / size, t, side)


@jit
def _lean(direction, t, side):
    if t.imag <= -0.5:
        return direction
    return direction * (_LEAN.conjugate() if side > 0.0 else _LEAN)


@jit
def _log_q(t, rule):
    """Logarithm of abs(M/v)."""
    return math.log(abs(population_sums(t, rule)[0]) + 1e-300) - t.real


@jit
def trace_descent(start, direction, length, side, drop, y, s1, c1, rho, rule, vertices):
    """Fill ``vertices`` with a polyline of descent from ``start``; return its number of segments.

    ``side`` is +1 for the way to v = infinity and -1 for the way to v = 0. Each step follows the gradient at its
    midpoint and is short enough for one Gauss panel. The path need not be exact: Cauchy's theorem makes the
    integral independent of it. It ends where the integrands have fallen by exp(-drop). The exponent says so of both
    but for v to 0 and a heavy-tailed population, for which M/v grows there.
    """
    t = start
    vertices[0] = t
    fallen = 0.0
    log_q = _log_q(t, rule)
    direction = _lean(direction, t, side)
    for count in range(vertices.size - 1):
        if count > 0:
            slope, curvature_here = path_slope(t, y, s1, c1, rule)
            size = abs(slope)
            direction = _downhill(slope, t, side)
            curvature = abs(curvature_here) + 1e-300
            length = min(8.0 / (size + 1e-300), 2.0 * size / curvature + 2.0 / math.sqrt(curvature))
            if fallen > DROP and side > 0.0:
                length = EXTRA_STEP
            length = min(length, reach(t, rho, rule))
        # Beyond its own needs the path serves smaller y, whose integrands change more slowly here.
        steepest = 12.0 * max(1.0, fallen / DROP)
        for _ in range(40):
            middle = t + 0.5 * length * direction
            middle = complex(middle.real, min(middle.imag, 0.0))
            slope, _ = path_slope(middle, y, s1, c1, rule)
            ahead = t + length * direction
            slope_ahead, _ = path_slope(complex(ahead.real, min(ahead.imag, 0.0)), y, s1, c1, rule)
            if max(abs(slope), 0.5 * abs(slope_ahead)) * length < steepest:
                break
            # The curvature here was no guide to the slope there, as where two saddle points are about to merge.
            length *= 0.7
        if count > 0:
            direction = _downhill(slope, middle, side)
        following = t + length * direction
        following = complex(following.real, min(following.imag, 0.0))
        fallen -= (slope * (following - t)).real
        vertices[count + 1] = following
        t = following
        if fallen > drop and (side > 0.0 or fallen - max(_log_q(t, rule) - log_q, 0.0) > drop):
            return count + 1
    return vertices.size - 1
