r"""The law's log-density at thousands of parameter points of one posterior, from some hundred evaluations.

At a given aspect ratio the shape of the law has two parameters, kappa and the correlation; the third shifts it along
log-eigenvalues. So it is evaluated at points of the Chebyshev measure over the box of kappa and correlation that a
posterior fills, on panels of centred log-eigenvalues (those minus the expected one), and polynomials are fitted to
values and slopes by least squares (Cohen & Migliorati 2017, *Optimal weighted least-squares methods*). The coordinate
of kappa is its logarithm, but linear in 1/kappa where that is small, as the law is. The error is measured at points of
the posterior itself. A box on which it is too large is halved, until what is left of it holds so few points that each
of them is evaluated on its own.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray
from scipy.linalg import lstsq
from scipy.stats import qmc
from threadpoolctl import threadpool_limits

from htmp_bayes.laws.kernel import log_density
from htmp_bayes.models.layer import expected_log, slope_of_expected_log

type Array = NDArray[np.float64]

TOLERANCE = 1e-6
"""Error of a log-density, in nats, up to which a polynomial stands for it by default."""

# With fewer parameter points a polynomial is not worth its making.
ENOUGH = 600
_DEGREES = (10, 12, 14, 18)
# How much of another set of points the polynomials must serve.
_MOST = 0.5
# How often a box is halved, and the usual extents in the two coordinates, by which the longer one is told.
_CUTS = 5
_USUAL_EXTENTS = np.array([3.0, 0.8])
# No polynomial serves a box that is wider than this in the coordinate of kappa, and looking at its corners takes long.
_WIDEST = 5.0
# The error of the first degree falls by this factor to the last one; and how much larger a foreseen one may be.
_USUAL_FALL = 1e-3
_DOUBT = 3.0
# Above this kappa its coordinate is about linear in 1/kappa.
_KNEE = 1000.0
# Equations for each coefficient; every point gives three, the value and two slopes.
_OVERSAMPLING = 2.0
_TEST_POINTS = 32
# Least width of the box in either coordinate.
_NARROWEST = 1e-2
# Panels of log-eigenvalues: how many there are at first, their Chebyshev nodes, and how often they are halved.
_PANELS = 4
_NODES = chebyshev.chebpts1(32)
_TO_SERIES = np.linalg.inv(chebyshev.chebvander(_NODES, len(_NODES) - 1))
_HALVINGS = 5
# More rough panels than these, once halved, are not those of sharp edges.
_EDGES = 4
# The last coefficients of a resolved panel, relative to 1 + abs(log f), as a share of the tolerance.
_RESOLVED = 0.1
_LAST = 3


class NodeDensities:
    """Log-density of an eigenvalue at each node, for several sets of points that need one polynomial only.

    Parameters
    ----------
    data : dict
        What :func:`~htmp_bayes.models.layer.layer_data` returns.
    tolerance : float
        Largest error, in nats, for `ENOUGH` points and more; fewer are evaluated on their own.

    Examples
    --------
    >>> from htmp_bayes.models.layer import layer_data
    >>> densities = NodeDensities(layer_data(np.linspace(0.5, 2.0, 50), gamma=0.25))
    >>> points = np.random.default_rng(1).normal([3.0, 0.3, 0.1], 0.05, size=(1000, 3))
    >>> densities.at(points).shape, densities.at(points[:700]).shape
    ((1000, 40), (700, 40))
    """

    def __init__(self, data: dict[str, Any], tolerance: float = TOLERANCE) -> None:
        self._data = data
        self._tolerance = tolerance
        self._pieces: list[_Polynomial] = []
        self._given_up = False

    def at(self, expected: Array, later: Array | None = None) -> Array:
        """Log-density at each node, shape ``(..., K)``; the same on any number of cores.

        Parameters
        ----------
        expected : ndarray
            Log kappa, correlation and expected log-eigenvalue, shape ``(..., 3)``.
        later : ndarray, optional
            Points of other sets that will be asked for, shape ``(D, 3)``.
        """
        points, log_nodes = expected.reshape(-1, 3), self._data["log_nodes"]
        # one thread of BLAS, so that the rounding is the same on any machine's number of cores
        with ThreadPoolExecutor() as pool, threadpool_limits(1, user_api="blas"):
            if len(points) < ENOUGH:
                values = _at_all(self._data, log_nodes, points, pool)[:, 0]
            else:
                values = self._at_many(points, np.empty((0, 3)) if later is None else later, pool)
        return values.reshape(*expected.shape[:-1], -1)

    def _at_many(self, points: Array, later: Array, pool: ThreadPoolExecutor) -> Array:
        data, log_nodes = self._data, self._data["log_nodes"]
        piece = self._piece_of(points)
        if not self._given_up and np.mean(piece >= 0) < _MOST:
            self._pieces = _pieces(data, np.concatenate([points, later]), self._tolerance, pool)
            piece = self._piece_of(points)
            self._given_up = bool(np.mean(piece >= 0) < _MOST)
        values = np.empty((len(points), len(log_nodes)))
        for i, polynomial in enumerate(self._pieces):
            values[piece == i] = polynomial.at(log_nodes, points[piece == i])
        if np.any(piece < 0):
            values[piece < 0] = _at_all(data, log_nodes, points[piece < 0], pool)[:, 0]
        return values

    def _piece_of(self, points: Array) -> NDArray[np.int64]:
        """Find the number of the polynomial that covers each point; -1 is none."""
        found = np.full(len(points), -1)
        for i, polynomial in enumerate(self._pieces):
            found[(found < 0) & polynomial.covers(self._data["log_nodes"], points)] = i
        return found


def _pieces(
    data: dict[str, Any], points: Array, tolerance: float, pool: ThreadPoolExecutor, cuts: int = _CUTS
) -> list["_Polynomial"]:
    """Polynomials that cover most of the points: one, or those of the halves of their box."""
    if len(points) < ENOUGH:
        return []
    shapes = _shape_coordinates(points)
    low, high = shapes.min(axis=0), shapes.max(axis=0)
    if high[0] - low[0] <= _WIDEST:
        polynomial = _good_polynomial(data, points, tolerance, pool)
        if polynomial is not None:
            return [polynomial]
    if cuts == 0:
        return []
    longer = int(np.argmax((high - low) / _USUAL_EXTENTS))
    upper = shapes[:, longer] > ((low + high) / 2)[longer]
    return [
        piece for half in (~upper, upper) for piece in _pieces(data, points[half], tolerance, pool, cuts - 1)
    ]


def _good_polynomial(
    data: dict[str, Any], points: Array, tolerance: float, pool: ThreadPoolExecutor
) -> "_Polynomial | None":
    """Polynomial of the lowest degree that is good enough at some of the points, if one is or is going to be."""
    tests = points[np.random.default_rng(0).choice(len(points), _TEST_POINTS, replace=False)]
    exact = _at_all(data, data["log_nodes"], tests, pool)[:, 0]
    errors: list[float] = []
    for degree, polynomial in zip(_DEGREES, _polynomials(data, points, tolerance, pool), strict=False):
        errors.append(float(np.abs(polynomial.at(data["log_nodes"], tests) - exact).max()))
        if errors[-1] <= tolerance:
            return polynomial
        fall = _USUAL_FALL
        if len(errors) > 1:
            rate = np.log(errors[-1] / errors[0]) / (degree - _DEGREES[0])
            fall = np.exp(rate * (_DEGREES[-1] - degree))
        if errors[-1] * fall > _DOUBT * tolerance:
            return None
    return None


def value_and_slopes(data: dict[str, Any], log_eigenvalues: Array, expected: Array) -> Array:
    """Log-density of an eigenvalue and its slopes, each evaluated.

    Parameters
    ----------
    data : dict
        What :func:`~htmp_bayes.models.layer.layer_data` returns.
    log_eigenvalues : ndarray
        Where, shape ``(K,)``.
    expected : ndarray
        Log kappa, correlation and expected log-eigenvalue, shape ``(3,)``.

    Returns
    -------
    ndarray
        The value and the derivatives by these three, shape ``(4, K)``.

    Examples
    --------
    >>> from htmp_bayes.models.layer import layer_data
    >>> data = layer_data(np.linspace(0.5, 2.0, 50), gamma=0.25)
    >>> value_and_slopes(data, np.zeros(1), np.array([1.0, 0.5, 0.0])).shape
    (4, 1)
    """
    kappa, gamma = np.exp(expected[0]), data["gamma"]
    log_temperature = expected[2] - expected_log(kappa, gamma)
    columns = log_density(log_eigenvalues - log_temperature, kappa, gamma, expected[1], data["population"])
    by_scale = -columns[:, 1] - 1
    by_log_kappa = kappa * (columns[:, 2] - by_scale * slope_of_expected_log(kappa, gamma))
    return np.stack([columns[:, 0] - log_temperature, by_log_kappa, columns[:, 4], by_scale])


def _at_all(data: dict[str, Any], log_eigenvalues: Array, expected: Array, pool: ThreadPoolExecutor) -> Array:
    """`value_and_slopes` at points of shape ``(D, 3)``, but for the slope along the panels, shape ``(D, 3, K)``."""
    return np.array(
        list(pool.map(lambda point: value_and_slopes(data, log_eigenvalues, point)[:3], expected))
    )


class _Polynomial(NamedTuple):
    """Chebyshev series along panels of centred log-eigenvalues, whose coefficients are polynomials.

    Attributes
    ----------
    box : ndarray
        Low and high end of the coordinate of kappa and of the correlation, shape ``(2, 2)``.
    orders : ndarray
        Orders of the basis in these two, shape ``(n, 2)``.
    panels : list of (float, float)
        Ends of each panel.
    coefficients : ndarray
        Shape ``(panels, n, nodes)``.
    """

    box: Array
    orders: NDArray[np.int64]
    panels: list[tuple[float, float]]
    coefficients: Array

    def at(self, log_nodes: Array, expected: Array) -> Array:
        """Log-density at each node, for parameter points of shape ``(D, 3)``."""
        z = 2 * (_shape_coordinates(expected) - self.box[0]) / (self.box[1] - self.box[0]) - 1
        basis = _basis(np.arccos(np.clip(z, -1, 1)), self.orders)[:, 0]
        centred = log_nodes - expected[:, 2:]
        values = np.empty_like(centred)
        for (low, high), coefficients in zip(self.panels, self.coefficients, strict=True):
            series = basis @ coefficients
            rows, columns = np.nonzero((centred >= low) & (centred <= high))
            z = 2 * (centred[rows, columns] - low) / (high - low) - 1
            values[rows, columns] = np.sum(chebyshev.chebvander(z, len(_NODES) - 1) * series[rows], axis=1)
        return values - expected[:, 2:]

    def covers(self, log_nodes: Array, expected: Array) -> NDArray[np.bool_]:
        """Which of the parameter points, shape ``(D, 3)``, lie within the box and have their nodes on the panels."""
        shapes, ends = _shape_coordinates(expected), np.array(self.panels)
        centred = log_nodes[[0, -1]] - expected[:, 2:]
        coordinates = np.concatenate([shapes, centred], axis=1)
        low, high = np.append(self.box[0], 2 * [ends.min()]), np.append(self.box[1], 2 * [ends.max()])
        return np.all((coordinates >= low) & (coordinates <= high), axis=1)


def _shape_coordinates(expected: Array) -> Array:
    """Coordinate of kappa and correlation, for points of shape ``(D, 3)``."""
    return np.stack([-np.log(np.exp(-expected[:, 0]) + 1 / _KNEE), expected[:, 1]], axis=1)


def _polynomials(
    data: dict[str, Any], expected: Array, tolerance: float, pool: ThreadPoolExecutor
) -> Iterator[_Polynomial]:
    """Polynomials of growing degree; none where the law is too rough along log-eigenvalues."""
    shapes, shifts = _shape_coordinates(expected), expected[:, 2]
    low = shapes.min(axis=0)
    box = np.array([low, np.maximum(shapes.max(axis=0), low + _NARROWEST)])
    ends = data["log_nodes"].min() - shifts.max(), data["log_nodes"].max() - shifts.min()
    panels = _resolving_panels(data, box, ends, tolerance, pool)
    if not panels:
        return
    nodes = _nodes_on(panels)
    z = np.cos(np.pi * qmc.Sobol(2, rng=0).random(256))
    rows = np.empty((0, 3, len(nodes)))
    for degree in _DEGREES:
        orders = np.argwhere(np.add.outer(np.arange(degree + 1), np.arange(degree + 1)) <= degree)
        count = int(np.ceil(_OVERSAMPLING * len(orders) / 3))
        added = box[0] + (box[1] - box[0]) * (1 + z[len(rows) : count]) / 2
        rows = np.concatenate([rows, _at_shapes(data, nodes, added, pool)])
        if not np.isfinite(rows).all():
            return
        fitted = _fitted(z[:count], rows, box, orders).reshape(len(orders), len(panels), len(_NODES))
        yield _Polynomial(box, orders, panels, np.einsum("ck,npk->pnc", _TO_SERIES, fitted))


def _resolving_panels(
    data: dict[str, Any],
    box: Array,
    ends: tuple[float, float],
    tolerance: float,
    pool: ThreadPoolExecutor,
) -> list[tuple[float, float]]:
    """Halve panels until series resolve the law at the corners and in the middle of the box; none if they do not."""
    corners = np.array([(a, rho) for a in box[:, 0] for rho in box[:, 1]] + [box.mean(axis=0)])
    resolved: list[tuple[float, float]] = []
    panels = list(pairwise(np.linspace(*ends, _PANELS + 1).tolist()))
    for _ in range(_HALVINGS):
        values = _at_shapes(data, _nodes_on(panels), corners, pool)[:, 0]
        values = values.reshape(len(corners), len(panels), len(_NODES))
        last = np.abs(values @ _TO_SERIES.T[:, -_LAST:]).max(axis=2)
        fine = np.all(last <= _RESOLVED * tolerance * (1 + np.abs(values).min(axis=2)), axis=0)
        resolved += [panel for panel, good in zip(panels, fine, strict=True) if good]
        rough = [panel for panel, good in zip(panels, fine, strict=True) if not good]
        if not rough:
            return resolved
        if len(resolved) >= _PANELS and len(rough) > _EDGES:
            return []
        panels = [half for low, high in rough for half in pairwise((low, (low + high) / 2, high))]
    return []


def _nodes_on(panels: list[tuple[float, float]]) -> Array:
    return np.concatenate([low + (high - low) * (1 + _NODES) / 2 for low, high in panels])


def _at_shapes(data: dict[str, Any], centred: Array, shapes: Array, pool: ThreadPoolExecutor) -> Array:
    """Log-density at centred log-eigenvalues and its slopes by the coordinates in `shapes`, shape ``(D, 3, K)``."""
    over_kappa = np.exp(-shapes[:, 0]) - 1 / _KNEE
    rows = _at_all(
        data, centred, np.stack([-np.log(over_kappa), shapes[:, 1], np.zeros(len(shapes))], axis=1), pool
    )
    rows[:, 1] *= (1 + 1 / (_KNEE * over_kappa))[:, None]
    return rows


def _fitted(z: Array, rows: Array, box: Array, orders: NDArray[np.int64]) -> Array:
    """Coefficients by least squares from values and slopes of shape ``(D, 3, K)``, shape ``(n, K)``."""
    degree = orders.max()
    angles = np.arccos(z)
    half = (box[1] - box[0]) / 2
    # a derivative of the basis by an angle is up to `degree` times its value
    by_angle = -np.sin(angles)[..., None] * half[:, None] * rows[:, 1:] / degree
    targets = np.concatenate([rows[:, :1], by_angle], axis=1)
    matrix = _basis(angles, orders) / np.array([1, degree, degree])[:, None]
    size = matrix.shape[-1]
    return lstsq(matrix.reshape(-1, size), targets.reshape(-1, rows.shape[-1]), check_finite=False)[0]


def _basis(angles: Array, orders: NDArray[np.int64]) -> Array:
    """Products of Chebyshev polynomials at ``cos(angles)`` and their slopes by each angle, ``(D, 3, n)``."""
    turns = angles[..., None] * np.arange(orders.max() + 1)
    cosines, slopes = np.cos(turns), -np.arange(orders.max() + 1) * np.sin(turns)
    first, second = orders.T
    return np.stack(
        [
            cosines[:, 0, first] * cosines[:, 1, second],
            slopes[:, 0, first] * cosines[:, 1, second],
            cosines[:, 0, first] * slopes[:, 1, second],
        ],
        axis=1,
    )
