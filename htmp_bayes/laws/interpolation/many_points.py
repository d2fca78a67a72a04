"""The log-density at very many points: few evaluations of the kernel, and polynomials between them.

Log f is smooth in log y, and the kernel gives its slope with its value, so that K nodes of Chebyshev fix a polynomial
of degree 2 K - 1 (Hermite's interpolation). A panel on which its last coefficients have not died out is halved, and on
a panel with few points the kernel is asked for these points themselves.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.polynomial import chebyshev

from htmp_bayes.laws.compiled import htmp_density
from htmp_bayes.laws.compiled.jit import jit_sum

type Law = tuple[float, float, float, int]

# With fewer points than this the kernel's own evaluation of each is as quick.
ENOUGH = 200
_NODES = 24
# The last coefficients of a series that has converged, relative to 1 + |log f|: they bound its error.
_TOLERANCE = {False: 1e-11, True: 1e-10}
_LAST = 4
# On a narrower interval, relative to log y, slopes say nothing beyond rounding.
_NARROWEST = 1e-3
# Where panels begin, from the upper end: one series seldom does, and one call of the kernel for all costs little more.
# A long range has a long left tail, as for gamma = 1, which is the smoother the further it is to the left.
_USUAL = (1.0, 0.5, 0.0)
_WIDE = (1.0, 0.5, 0.25, 0.125, 0.0625, 0.0)
_LONG = 16.0
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


@jit_sum
def _clenshaw(coefficients: np.ndarray, x: np.ndarray, low: float, high: float, out: np.ndarray) -> None:
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

    Agrees with `htmp_bayes.laws.compiled.htmp_density.fast_rows` to 1e-10 for rho = 0 and 1e-9 otherwise, relative to
    1 + |log f|.
    """
    law = (kappa, gamma, rho, population)
    if log_y.size < ENOUGH:
        return htmp_density.fast_rows(log_y, *law)[:, 0]
    points = np.ascontiguousarray(log_y)
    out = np.empty(points.size)
    todo = np.ones(points.size, dtype=bool)
    low, high = float(points.min()), float(points.max())
    if low < htmp_density.FIRST_LEFT_END:
        # What lies below has a closed form, which costs less than a polynomial.
        low = min(max(low, htmp_density.left_switch(kappa, rho, population)), high)
    edges = high - (high - low) * np.array(_WIDE if high - low > _LONG else _USUAL)
    panels = list(pairwise([low, *edges[1:].tolist()]))
    while panels:
        panels = _fill_series(points, panels, law, out, todo)
    if todo.any():
        out[todo] = htmp_density.log_density_and_slope(points[todo], *law)[:, 0]
    return out


def _fill_series(
    points: np.ndarray, panels: Sequence[tuple[float, float]], law: Law, out: np.ndarray, todo: np.ndarray
) -> list[tuple[float, float]]:
    """Fill the points of all panels that a polynomial follows; return the halves of the others.

    One call of the kernel serves all panels. Points of a panel too small to be halved are left in ``todo``.
    """
    halves: list[tuple[float, float]] = []
    for (low, high), coefficients in zip(panels, _series(panels, law, _TOLERANCE[law[2] > 0]), strict=True):
        own = (points >= low) & (points <= high)
        if coefficients is not None:
            x = points[own]
            values = np.empty(x.size)
            _clenshaw(coefficients, x, low, high, values)
            out[own] = values
            todo[own] = False
        elif np.count_nonzero(own) >= _FEW and high - low > _NARROWEST * (1.0 + abs(low)):
            middle = 0.5 * (low + high)
            halves += [(low, middle), (middle, high)]
    return halves


def _series(panels: Sequence[tuple[float, float]], law: Law, tolerance: float) -> list[np.ndarray | None]:
    """Chebyshev coefficients of log f on each panel, or None where they have not died out."""
    low, high = np.array(panels).T
    half = 0.5 * (high - low)
    nodes = low[:, None] + half[:, None] * (1.0 + _POINTS)
    rows = htmp_density.log_density_and_slope(nodes.ravel(), *law).reshape(*nodes.shape, 2)
    matrices = (_FROM_VALUES, _FROM_SLOPES)
    # log f is -inf where the population has no mass left that a double can hold
    return [
        resolved_series(own, width, matrices, tolerance, _LAST)
        if width > 0 and np.isfinite(own).all()
        else None
        for own, width in zip(rows, half, strict=True)
    ]


def resolved_series(
    rows: np.ndarray, half: float, matrices: Sequence[np.ndarray], tolerance: float, last: int
) -> np.ndarray | None:
    """Chebyshev coefficients from values and slopes at the nodes, or None if the `last` ones have not died out."""
    coefficients = matrices[0] @ rows[:, 0] + matrices[1] @ (half * rows[:, 1])
    if not np.abs(coefficients[-last:]).max() <= tolerance * (1.0 + np.abs(rows[:, 0]).min()):
        return None
    return coefficients
