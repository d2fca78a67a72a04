"""Elementary functions of a complex number without cancellation."""

import math

import numpy as np

from htmp_bayes.laws.compiled.jit import jit


@jit
def expm1_minus_identity(x: complex) -> complex:
    """Return exp(x) - 1 - x, by its Taylor series where the difference would cancel."""
    if abs(x) > 0.5:
        return np.exp(x) - 1.0 - x
    term = 0.5 * x * x
    total = term
    order = 2
    while abs(term) > 1e-17 * abs(total):
        order += 1
        term *= x / order
        total += term
    return total


@jit
def log_of_one_less(a):
    """Return log(1 - a) of a complex number; for a small one without the rounding of 1 - a."""
    if abs(a) > 0.5:
        return np.log(1.0 - a)
    return complex(0.5 * math.log1p(abs(a) ** 2 - 2.0 * a.real), math.atan2(-a.imag, 1.0 - a.real))


@jit
def expm1(z):
    """Return exp(z) - 1 of a complex number without cancellation."""
    half = math.sin(0.5 * z.imag)
    growth = math.expm1(z.real)
    size = math.exp(z.real)
    return complex(growth - 2.0 * size * half * half, size * math.sin(z.imag))
