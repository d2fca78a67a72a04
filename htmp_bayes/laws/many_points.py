"""The log-density at very many points: few evaluations of the kernel, and polynomials between them.

Log f is smooth in log y, and the kernel gives its slope with its value, so that K nodes of Chebyshev fix a polynomial
of degree 2 K - 1 (Hermite's interpolation). An interval on which its last coefficients have not died out is halved,
and on an interval with few points the kernel is asked for these points themselves.
"""

from collections.abc import Sequence

import numba
import numpy as np
from numpy.polynomial import chebyshev

from htmp_bayes.laws import kernel

# With fewer points than this the kernel's own evaluation of each is as quick.
ENOUGH = 200
_NODES = 24
# The last coefficients of a series that has converged, relative to 1 + |log f|: they bound its error.
_TOLERANCE = {False: 1e-11, True: 1e-10}
_LAST = 4
# On a narrower interval, relative to log y, slopes say nothing beyond rounding.
_NARROWEST = 1e-3
# An interval with fewer points than this is not worth a polynomial of its own.
_FEW = 3 * _NODES


def hermite_matrices(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes on (-1, 1), and the matrices from values and slopes there to Chebyshev coefficients.

    Examples
    --------
    >>> nodes, from_values, from_slopes = hermite_matrices(3)
    >>> print(np.abs(from_values @ nodes**5 + from_slopes @ (5 * nodes**4)).round(4))
    [0.     0.625  0.     0.3125 0.     0.0625]
    """
    nodes = np.cos(np.pi * (np.arange(count) + 0.5) / count)
    size = 2 * count
    values = chebyshev.chebvander(nodes, size - 1)
    slopes = np.stack([chebyshev.chebval(nodes, chebyshev.chebder(row)) for row in np.eye(size)], axis=1)
    inverse = np.linalg.inv(np.concatenate([values, slopes]))
    return nodes, np.ascontiguousarray(inverse[:, :count]), np.ascontiguousarray(inverse[:, count:])


_POINTS, _FROM_VALUES, _FROM_SLOPES = hermite_matrices(_NODES)
# A panel of gradients, of which there are no slopes; and how often panels are halved.
_PANEL_POINTS = chebyshev.chebpts1(24)
_PANEL_MATRIX = np.linalg.inv(chebyshev.chebvander(_PANEL_POINTS, 23))
_FIRST_PANELS = 4
_HALVINGS = 8


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def _clenshaw(coefficients, x, low, high, out):
    """Evaluate a Chebyshev series at all ``x`` of [low, high], in blocks whose points share vector instructions."""
    block = 32
    z = np.empty(block)
    b1 = np.empty(block)
    b2 = np.empty(block)
    scale = 2.0 / (high - low)
    for start in range(0, x.size, block):
        count = min(block, x.size - start)
        points = x[start : start + count]
        for i in range(count):
            z[i] = 2.0 * ((points[i] - low) * scale - 1.0)
            b1[i] = 0.0
            b2[i] = 0.0
        for k in range(coefficients.size - 1, 0, -1):
            a = coefficients[k]
            for i in range(block):
                b = a + z[i] * b1[i] - b2[i]
                b2[i] = b1[i]
                b1[i] = b
        result = out[start : start + count]
        for i in range(count):
            result[i] = coefficients[0] + 0.5 * z[i] * b1[i] - b2[i]


def log_density_at(log_y: np.ndarray, kappa: float, gamma: float, rho: float, population: int) -> np.ndarray:
    """Logarithm of the density at temperature 1, for ``log_y`` of shape ``(N,)`` in any order.

    Agrees with `htmp_bayes.laws.kernel.fast_rows` to 1e-10 for rho = 0 and 1e-9 otherwise, relative to 1 + |log f|.
    """
    law = (kappa, gamma, rho, population)
    if log_y.size < ENOUGH:
        return kernel.fast_rows(log_y, *law)[:, 0]
    out = np.empty(log_y.size)
    whole = np.ascontiguousarray(log_y)
    low, high = float(whole.min()), float(whole.max())
    if not high - low > _NARROWEST * (1.0 + abs(low)):
        return kernel.fast_rows(log_y, *law)[:, 0]
    coefficients = _series(low, high, law, _TOLERANCE[rho > 0])
    if coefficients is not None:
        _clenshaw(coefficients, whole, low, high, out)
        return out
    order = np.argsort(whole)
    ascending = whole[order]
    values = np.empty(log_y.size)
    _fill_halves(ascending, values, low, high, law)
    out[order] = values
    return out


def log_density_and_slope_near(
    log_y: np.ndarray, kappa: float, gamma: float, rho: float, population: int, tolerance: float
) -> np.ndarray:
    """Logarithm of the density at temperature 1 and its derivative by log y, shape ``(N, 2)``, about to `tolerance`.

    For searches and polynomials that bear an error of this size in log f, relative to 1 + abs(log f). Where one
    series does not reach it, as around a sharp edge, the kernel is asked for every point.
    """
    law = (kappa, gamma, rho, population)
    low, high = float(log_y.min()), float(log_y.max())
    coefficients = _series(low, high, law, tolerance) if log_y.size > _FEW and high > low else None
    if coefficients is None:
        return kernel.log_density_and_slope(log_y, *law)
    half = 0.5 * (high - low)
    z = (log_y - low) / half - 1.0
    slopes = chebyshev.chebval(z, chebyshev.chebder(coefficients)) / half
    return np.stack([chebyshev.chebval(z, coefficients), slopes], axis=1)


def _fill(ascending: np.ndarray, values: np.ndarray, low: float, high: float, law: tuple) -> None:
    """Fill ``values`` at the ascending points of the interval [low, high]."""
    if ascending.size < _FEW or not high - low > _NARROWEST * (1.0 + abs(low)):
        if ascending.size:
            values[:] = kernel.fast_rows(ascending, *law)[:, 0]
        return
    coefficients = _series(low, high, law, _TOLERANCE[law[2] > 0])
    if coefficients is None:
        _fill_halves(ascending, values, low, high, law)
    else:
        _clenshaw(coefficients, ascending, low, high, values)


def _fill_halves(ascending: np.ndarray, values: np.ndarray, low: float, high: float, law: tuple) -> None:
    middle = 0.5 * (low + high)
    split = int(np.searchsorted(ascending, middle))
    _fill(ascending[:split], values[:split], low, middle, law)
    _fill(ascending[split:], values[split:], middle, high, law)


def _series(low: float, high: float, law: tuple, tolerance: float) -> np.ndarray | None:
    """Chebyshev coefficients of log f on [low, high], or None if they have not died out."""
    half = 0.5 * (high - low)
    rows = kernel.log_density_and_slope(low + half * (1.0 + _POINTS), *law)
    if not np.isfinite(rows).all():
        return None  # log f is -inf where the population has no mass left that a double can hold
    return resolved_series(rows, half, (_FROM_VALUES, _FROM_SLOPES), tolerance, _LAST)


def resolved_series(
    rows: np.ndarray, half: float, matrices: Sequence[np.ndarray], tolerance: float, last: int
) -> np.ndarray | None:
    """Chebyshev coefficients from values and slopes at the nodes, or None if the `last` ones have not died out."""
    coefficients = matrices[0] @ rows[:, 0] + matrices[1] @ (half * rows[:, 1])
    if not np.abs(coefficients[-last:]).max() <= tolerance * (1.0 + np.abs(rows[:, 0]).min()):
        return None
    return coefficients


def gradient_near(
    log_y: np.ndarray, kappa: float, gamma: float, rho: float, population: int, tolerance: float
) -> np.ndarray:
    """Log-density at temperature 1 and its gradient, the columns of `kernel.log_density`, about to `tolerance`.

    For averages over very many points: an error of this size is relative to the largest value of a column nearby.
    """
    law = (kappa, gamma, rho, population)
    out = np.empty((log_y.size, 5))
    edges = np.linspace(log_y.min(), log_y.max(), _FIRST_PANELS + 1)
    low, high = edges[:-1], edges[1:]
    todo = np.ones(log_y.size, dtype=bool)
    for _ in range(_HALVINGS):
        low, high = _fill_panels(log_y, low, high, law, tolerance, out, todo)
        if todo.sum() <= _PANEL_POINTS.size * low.size:
            break
    if todo.any():
        out[todo] = kernel.log_density(log_y[todo], *law)
    return out


def _fill_panels(
    log_y: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    law: tuple,
    tolerance: float,
    out: np.ndarray,
    todo: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Fill the rows of all points on panels that a polynomial follows; return the halves of the others."""
    half = 0.5 * (high - low)
    nodes = low[:, None] + half[:, None] * (1.0 + _PANEL_POINTS)
    rows = kernel.log_density(nodes.ravel(), *law).reshape(*nodes.shape, 5)
    series = np.einsum("ck,pkj->pcj", _PANEL_MATRIX, rows)
    with np.errstate(invalid="ignore"):  # where the density vanishes
        resolved = np.all(
            np.abs(series[:, -_LAST:]).max(axis=1) <= tolerance * (1.0 + np.abs(rows).max(axis=1)), axis=1
        )
    for i in np.flatnonzero(resolved):
        own = todo & (log_y >= low[i]) & (log_y <= high[i])
        out[own] = chebyshev.chebval((log_y[own] - low[i]) / half[i] - 1.0, series[i]).T
        todo[own] = False
    a, b = low[~resolved], high[~resolved]
    middle = 0.5 * (a + b)
    return np.concatenate([a, middle]), np.concatenate([middle, b])
