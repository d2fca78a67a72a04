"""The sum of log Gamma over an arithmetic progression, with gradient, at a cost that does not grow with it.

``S(q, d; n) = sum_{j=1}^{n} log Gamma(q + j d)`` is all that the normalising constant of the finite ensemble
needs. The first terms are added one by one; from there on the summand is smooth on the scale of its own
distance to the pole, so that the Euler-Maclaurin formula (DLMF 2.10.1) with three derivatives is exact to
rounding, and its integral is smooth in the logarithm of the argument, so that Gauss-Legendre panels of fixed
length are, too.
"""

import math

import numpy as np

from htmp_bayes.laws.compiled.jit import jit
from htmp_bayes.laws.compiled.polygamma import digamma

# With 16 terms taken out, the first Euler-Maclaurin term left out (k = 4) is below B_8 / 8 / 16^8 = 1e-12 of
# the 16th term of psi: below 2e-13 of the sum even in the steepest case, q = 0.
_HEAD = 16
_DIRECT = 64
# On a panel of length 4 in log x the nearest singularities, i pi away, let 16 nodes converge like 3.4^-32.
_PANEL = 4.0
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_SHIFT = 16.0
_BERNOULLI = np.array([1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510])
_EULER_MACLAURIN = np.array([1 / 12, -1 / 720, 1 / 30240])  # B_2k / (2k)!


@jit
def polygamma_to_order_5(x: float, out: np.ndarray) -> None:
    """Write psi(x), psi'(x), ..., psi^(5)(x) into `out`, for x > 0.

    Recurrence DLMF 5.15.5 up to x >= 16, then the derivatives of the asymptotic series DLMF 5.15.8.
    """
    out[0] = digamma(x)
    out[1:] = 0.0
    while x < _SHIFT:
        term = 1.0 / x
        for n in range(1, 6):
            term *= -n / x
            out[n] -= term
        x += 1.0
    for n in range(1, 6):
        out[n] += _polygamma_series(n, x)


@jit
def _polygamma_series(n: int, x: float) -> float:
    factorial = 1.0
    for i in range(2, n):
        factorial *= i  # (n - 1)!
    total = factorial * (1.0 + 0.5 * n / x)
    ratio = 0.5 * factorial * n * (n + 1) / (x * x)  # (2k + n - 1)! / (2k)! / x^2k at k = 1
    if n == 1:
        ratio = 1.0 / (x * x)
    for k in range(1, 9):
        total += _BERNOULLI[k - 1] * ratio
        ratio *= (2 * k + n) * (2 * k + n + 1) / ((2 * k + 1.0) * (2 * k + 2.0) * x * x)
    sign = 1.0 if n % 2 == 1 else -1.0
    return sign * total / x**n


@jit
def _direct(q: float, d: float, n: int) -> tuple[float, float, float]:
    value = by_q = by_d = 0.0
    for j in range(1, n + 1):
        x = q + j * d
        psi = digamma(x)
        value += math.lgamma(x)
        by_q += psi
        by_d += j * psi
    return value, by_q, by_d


@jit
def _integrals(q: float, d: float, n: int) -> tuple[float, float, float]:
    """Integrals from x = q + 16 d to q + n d of log Gamma(x), psi(x) and (x - q) psi(x)."""
    low = q + _HEAD * d
    length = math.log1p((n - _HEAD) * d / low)
    panels = int(length / _PANEL) + 1
    half = 0.5 * length / panels
    value = first = second = 0.0
    for p in range(panels):
        for node, weight in zip(_NODES, _WEIGHTS):  # noqa: B905  (Numba's zip has no strict)
            u = half * (2 * p + 1 + node)
            x = low * math.exp(u)
            w = half * weight * x
            psi = digamma(x)
            value += w * math.lgamma(x)
            first += w * psi
            second += (
                w * (_HEAD * d + low * math.expm1(u)) * psi
            )  # x - q, without cancellation where q >> n d
    return value, first, second


@jit
def _end_terms(q: float, d: float, j: float, psi: np.ndarray) -> tuple[float, float, float]:
    """Half the term at index j and the Euler-Maclaurin derivatives there, of log Gamma, psi and j psi."""
    x = q + j * d
    polygamma_to_order_5(x, psi)
    offset = j * d
    value, by_q, by_d = 0.5 * math.lgamma(x), 0.5 * psi[0], 0.5 * j * psi[0]
    power = 1.0  # d^(2k - 2)
    for k in range(1, 4):
        order = 2 * k - 1
        c = _EULER_MACLAURIN[k - 1] * power
        value += c * d * psi[order - 1]
        by_q += c * d * psi[order]
        by_d += c * (order * psi[order - 1] + offset * psi[order])
        power *= d * d
    return value, by_q, by_d


@jit
def log_gamma_sum(q: float, d: float, n: int) -> tuple[float, float, float]:
    """Return ``sum_{j=1}^{n} log Gamma(q + j d)`` and its derivatives by `q` and `d`.

    Parameters
    ----------
    q : float
        Offset, ``q >= 0``.
    d : float
        Increment, ``d > 0``.
    n : int
        Number of terms; summed one by one up to 64, by the Euler-Maclaurin formula beyond.

    Returns
    -------
    value, by_q, by_d : float

    Examples
    --------
    >>> value, by_q, by_d = log_gamma_sum(0.5, 2.0, 10**6)
    >>> round(value / 1e13, 7), round(by_q / 1e7, 7)
    (1.3008672, 1.3508666)
    """
    if n <= _DIRECT:
        return _direct(q, d, n)
    value, by_q, by_d = _direct(q, d, _HEAD)
    smooth = _integrals(q, d, n)
    psi = np.empty(6)
    left = _end_terms(q, d, float(_HEAD), psi)
    right = _end_terms(q, d, float(n), psi)
    value += smooth[0] / d + right[0] - left[0]
    by_q += smooth[1] / d + right[1] - left[1]
    by_d += smooth[2] / (d * d) + right[2] - left[2]
    return value, by_q, by_d
