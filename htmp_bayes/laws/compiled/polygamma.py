"""Polygamma functions for Numba kernels (SciPy's are out of reach of compiled code).

Recurrence DLMF 5.5.2 and 5.15.5 upwards, then the asymptotic series DLMF 5.11.2 and 5.15.8: with the argument
raised to 14 the first term left out is below 1e-17 relative.
"""

import math

from htmp_bayes.laws.compiled.jit import jit

_SHIFT = 14.0


@jit
def digamma_minus_log(x: float) -> float:
    """Return psi(x) - log(x) for x > 0, without cancellation at large ``x`` (DLMF 5.11.2)."""
    recurrence = 0.0
    z = x
    while z < _SHIFT:
        recurrence -= 1.0 / z
        z += 1.0
    if z > x:
        recurrence += math.log(z / x)
    i = 1.0 / (z * z)
    tail = i * (1 / 12 - i * (1 / 120 - i * (1 / 252 - i * (1 / 240 - i * (1 / 132 - i * 691 / 32760)))))
    return recurrence - 0.5 / z - tail


@jit
def digamma(x: float) -> float:
    """Return psi(x) for x > 0 (DLMF 5.11.2)."""
    return digamma_minus_log(x) + math.log(x)


@jit
def trigamma(x: float) -> float:
    """Return psi'(x) for x > 0 (DLMF 5.15.8)."""
    recurrence = 0.0
    while x < _SHIFT:
        recurrence += 1.0 / (x * x)
        x += 1.0
    i = 1.0 / (x * x)
    series = i / x * (1 / 6 - i * (1 / 30 - i * (1 / 42 - i * (1 / 30 - i * (5 / 66 - i * 691 / 2730)))))
    return recurrence + 1.0 / x + 0.5 * i + series


@jit
def tetragamma(x: float) -> float:
    """Return psi''(x) for x > 0 (derivative of DLMF 5.15.8)."""
    recurrence = 0.0
    while x < _SHIFT:
        recurrence -= 2.0 / (x * x * x)
        x += 1.0
    i = 1.0 / (x * x)
    series = 0.5 - i * (1 / 6 - i * (1 / 6 - i * (3 / 10 - i * (5 / 6 - i * 691 / 210))))
    return recurrence - i * (1.0 + 1.0 / x + i * series)


@jit
def inverse_trigamma(value: float) -> float:
    """Return the x > 0 with psi'(x) = value > 0, by Newton's method from the leading asymptotics."""
    x = 1.0 / value + 0.5 if value < 10.0 else 1.0 / math.sqrt(value)
    for _ in range(60):
        step = (trigamma(x) - value) / tetragamma(x)
        x = x - step if step < x else 0.5 * x
        if abs(step) <= 1e-15 * x:
            break
    return x
