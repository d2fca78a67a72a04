"""One eigenvalue in the bulk: the route through the complex saddle point."""

import math

import numpy as np

from htmp_bayes.laws.compiled.jit import jit
from htmp_bayes.laws.compiled.moments import MAX_VERTICES, MOMENTS, add_path, transform_of, write_row
from htmp_bayes.laws.compiled.population_sums import far_potential, nearer_exponent
from htmp_bayes.laws.compiled.steepest_descent import (
    DROP,
    first_step,
    point_mass_saddle,
    saddle,
    trace_descent,
)


@jit
def _saddle_start(y, s1, c1, rho):
    t = point_mass_saddle(y, s1, c1)
    if rho > 0.0 and t.imag > -0.2:
        t = complex(t.real, -0.2)
    return t


@jit
def bulk_saddle(y, s, c, rho, rule):
    """Return log v at the saddle point, and the direction and length of the first steps of descent from it."""
    t0 = _saddle_start(y, s + 1.0, c + 1.0, rho)
    if rho > 0.0:
        t0, _ = saddle(t0, y, s + 1.0, c + 1.0, rule)
    direction, length = first_step(t0, y, s + 1.0, c + 1.0, rho, rule)
    return t0, direction, length


@jit
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
        add_path(moments, vertices, count, side, (t0, l0, l0_rho), (l0, l0_rho), 0j, 0.0, y, s, c, rule)
    return t0, l0, l0_rho


@jit
def bulk_row(log_y, s, c, population, rule, constants, row):
    """Take the route through the complex saddle; return |Im mu|/|mu|, log v and arg of L at the saddle."""
    moments = np.zeros(MOMENTS, np.complex128)
    t0, l0, _ = bulk_moments(log_y, s, c, constants[0], rule, moments)
    base, lower_reference = nearer_exponent(t0, math.exp(log_y), s, c, rule)
    write_row(moments, 0j, base, s, c, log_y, lower_reference, 0.0, row)
    mu = moments[1] / moments[0]
    return abs(mu.imag) / abs(mu), t0, (l0 + t0).imag + math.pi


@jit
def log_transform(log_y, s, c, rho, rule):
    """Return log(exp(i pi c) Phi), its imaginary part up to whole turns, and its derivatives by p, c and rho."""
    moments = np.zeros(MOMENTS, np.complex128)
    reference = bulk_moments(log_y, s, c, rho, rule, moments)
    return transform_of(moments, reference, 0j, log_y, s, c)
