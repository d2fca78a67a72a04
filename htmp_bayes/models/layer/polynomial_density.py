"""Log-density of a posterior's stand-in with its gradient, compiled once for this installation, for nutpie to walk on.

It needs neither PyMC, whose import takes seconds, nor nutpie's compiler, which starts anew in every process.
"""

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

type Array = NDArray[np.float64]


@numba.njit(cache=True, nogil=True)
def log_density_with_gradient(
    x: Array, coefficients: Array, orders: NDArray[np.int64]
) -> tuple[float, Array]:
    """Log-density of x = log((1 + z)/(1 - z)), z in (-1, 1)^D, and its gradient.

    Parameters
    ----------
    x : ndarray
        Shape ``(D,)``.
    coefficients : ndarray
        Of Chebyshev polynomials, shape ``(J + 1, n)``: J residuals r, and the rest l of a log-density l - |r|^2 / 2
        of z, which is one by a uniform density.
    orders : ndarray of int
        Orders of the polynomials, shape ``(n, D)``.

    Returns
    -------
    log_density : float
    gradient : ndarray
        Shape ``(D,)``.
    """
    rows, number = coefficients.shape
    size = x.size
    highest = orders.max()
    z, of_z, slopes = np.empty(size), np.empty((size, highest + 1)), np.empty((size, highest + 1))
    total = 0.0
    for d in range(size):
        z[d] = math.tanh(0.5 * x[d])
        total -= abs(x[d]) + 2.0 * math.log1p(math.exp(-abs(x[d])))
        _chebyshev(z[d], of_z[d], slopes[d])
    basis, by_z = np.ones(number), np.ones((number, size))
    for k in range(number):
        for d in range(size):
            basis[k] *= of_z[d, orders[k, d]]
            for e in range(size):
                by_z[k, e] *= slopes[d, orders[k, d]] if d == e else of_z[d, orders[k, d]]
    weights = np.zeros(number)
    for r in range(rows):
        value = 0.0
        for k in range(number):
            value += coefficients[r, k] * basis[k]
        last = r == rows - 1
        total += value if last else -0.5 * value * value
        factor = 1.0 if last else -value
        for k in range(number):
            weights[k] += factor * coefficients[r, k]
    gradient = np.empty(size)
    for d in range(size):
        by_one = 0.0
        for k in range(number):
            by_one += weights[k] * by_z[k, d]
        gradient[d] = 0.5 * (1.0 - z[d] * z[d]) * by_one - z[d]
    return total, gradient


@numba.njit(cache=True, nogil=True)
def _chebyshev(z, values, slopes):  # type: ignore[no-untyped-def]
    """Polynomials of all orders and their derivatives, into the two rows."""
    values[0], slopes[0] = 1.0, 0.0
    for n in range(1, values.size):
        if n == 1:
            values[1], slopes[1] = z, 1.0
        else:
            values[n] = 2.0 * z * values[n - 1] - values[n - 2]
            slopes[n] = 2.0 * values[n - 1] + 2.0 * z * slopes[n - 1] - slopes[n - 2]


def polynomial_model(coefficients: Array, orders: NDArray[np.int64], start: Callable[[int], Array]) -> Any:
    """Model for nutpie whose only variable is z; arguments as of `log_density_with_gradient`.

    Parameters
    ----------
    coefficients, orders : ndarray
        Of the polynomials.
    start : callable
        Makes the starting point x of a chain from a seed.
    """
    from nutpie.compiled_pyfunc import from_pyfunc

    size = orders.shape[1]
    kept = np.ascontiguousarray(coefficients), np.ascontiguousarray(orders)

    def log_density(x: Array) -> tuple[float, Array]:
        return log_density_with_gradient(x, *kept)

    def expanded(x: Array) -> dict[str, Array]:
        return {"z": np.tanh(0.5 * x)}

    return from_pyfunc(
        size, lambda: log_density, lambda *_: expanded, [np.dtype(np.float64)], [(size,)], ["z"],
        make_initial_point_fn=start,
    )  # fmt: skip
