"""Polynomials that stand for one layer's posterior while NUTS walks about.

The exact log-posterior costs a millisecond or two, and NUTS asks for it some fifty thousand times. It is minus half the
squared length of the whitened residuals of the counts, plus a constant; both are smooth functions of two or three
numbers, and nearly linear ones. So a polynomial of low degree for each of them comes close, where one for the
log-posterior itself would have to bend twice as much. They are fitted on a box around the mode by least squares in the
Chebyshev basis, at points from the Chebyshev measure (Cohen & Migliorati 2017, *Optimal weighted least-squares
methods*, SMAI J. Comput. Math. 3, 181), and what they cost is measured at draws of the posterior.
"""

import functools
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import qmc

from htmp_bayes._threads import one_blas_thread
from htmp_bayes.models.layer.likelihood import Whitened
from htmp_bayes.models.layer.polynomial_density import polynomial_model
from htmp_bayes.models.layer.posterior import CountsPosterior
from htmp_bayes.models.nuts import sample_compiled

type Array = NDArray[np.float64]

DEGREES = (4, 6, 8, 11)
# Points for each coefficient of a residual.
_OVERSAMPLING = 2.0
# The box ends where the log-posterior has fallen this far below its mode along an axis.
_DROP = 10.0
WIDEST = 12.0
# Root-mean-square error of the log-posterior, in nats, at which the degree is high enough; and the largest of use.
TOLERANCE, LARGEST_ERROR = 0.03, 0.3
# Where the log-posterior has fallen less than this below its mode anywhere on a face, the box is moved out.
_LOW, _ROUNDS, _GROWTH = 4.0, 6, 1.35
_FACE_NODES, _LOOKED_UP = 9, 3
_TEST_POINTS, _RELEVANT = 48, 8.0
# Below the mode by so many nats, points count less.
_SOFT = 5.0
_TARGET_ACCEPT = 0.9
# How many draws are looked up on the posterior itself.
_CHECKED_DRAWS = 100


class StandInError(RuntimeError):
    """No polynomial comes close enough to the posterior."""


class Box(NamedTuple):
    """A parallelepiped: its points are ``origin + axes @ z``, z in [-1, 1]^D."""

    origin: Array
    axes: Array

    def points(self, z: Array) -> Array:
        """Points of the coordinates ``z``, shape ``(..., D)``."""
        return self.origin + z @ self.axes.T

    def coordinates(self, points: Array) -> Array:
        """Coordinates of points, shape ``(..., D)``."""
        return np.linalg.solve(self.axes, (points - self.origin)[..., None])[..., 0]


@dataclass(frozen=True, eq=False)
class StandIn:
    """Chebyshev polynomials for the whitened residuals and the rest of the log-posterior.

    Attributes
    ----------
    coefficients : ndarray
        Shape ``(J + 1, n)``: a row for each of the J residuals, and the last for the rest.
    orders : ndarray of int
        Orders of the basis, shape ``(n, D)``.
    box : Box
        Where they hold.
    error : float
        Root-mean-square error of the log-posterior, in nats, at points that were not fitted.
    """

    coefficients: Array
    orders: NDArray[np.int64]
    box: Box
    error: float

    def log_density(self, z: Array) -> Array:
        """Log-posterior at box coordinates of shape ``(K, D)``."""
        residuals, rest = self.at(z)
        return rest - 0.5 * np.sum(residuals**2, axis=1)

    def at(self, z: Array) -> tuple[Array, Array]:
        """Whitened residuals, shape ``(K, J)``, and the rest of the log-posterior, at coordinates ``(K, D)``."""
        values = _basis(z, self.orders) @ self.coefficients.T
        return values[:, :-1], values[:, -1]


def _basis(z: Array, orders: NDArray[np.int64]) -> Array:
    cosines = np.cos(np.arccos(np.clip(z, -1, 1))[..., None] * np.arange(orders.max() + 1.0))
    return np.prod([cosines[:, i][:, orders[:, i]] for i in range(z.shape[1])], axis=0)


def _orders_of_degree(degree: int, dimensions: int) -> NDArray[np.int64]:
    """Orders whose sum is at most `degree`, shape ``(n, D)``."""
    grid = np.stack(np.meshgrid(*[np.arange(degree + 1)] * dimensions, indexing="ij"), axis=-1)
    grid = grid.reshape(-1, dimensions)
    return grid[grid.sum(axis=1) <= degree]


def build_stand_in(posterior: CountsPosterior) -> StandIn:
    """Fit polynomials on a box that holds the posterior.

    Raises
    ------
    StandInError
        If the error stays above `LARGEST_ERROR` nats, or no box holds the posterior.
    """
    limits = _limits(posterior)
    reach = _reaches(posterior, limits)
    for _ in range(_ROUNDS):
        found = _Fitting(posterior, _box(posterior, reach)).sufficient()
        falls = np.where(reach < limits, _falls_on_faces(posterior, found), np.inf)
        if falls.min() >= _LOW:
            return found
        reach = np.minimum(np.where(falls < _LOW, _GROWTH * reach, reach), limits)
    raise StandInError("the posterior reaches beyond every box that was tried")


def _unit(posterior: CountsPosterior) -> Box:
    """Box of one standard deviation about the mode, whose first axis is alone in moving the coordinate that may end.

    That is the one whose range ends nearest to the mode: there the box can end, too.
    """
    spread = np.sqrt(np.diag(posterior.covariance))
    distance = np.abs(posterior.ends - posterior.mode[:, None]).min(axis=1) / spread
    first = int(np.argmin(distance))
    order = [first, *(k for k in range(len(spread)) if k != first)]
    axes = np.zeros_like(posterior.covariance)
    axes[order] = np.linalg.cholesky(posterior.covariance[np.ix_(order, order)])
    return Box(posterior.mode, axes)


def _limits(posterior: CountsPosterior) -> Array:
    """How far from the mode, in standard deviations, the box may reach, shape ``(2, D)``: the first axis to its end."""
    unit = _unit(posterior)
    ending = _ending(unit)
    limits = np.full((2, len(posterior.mode)), WIDEST)
    room = np.abs(posterior.ends[ending] - posterior.mode[ending]) / unit.axes[ending, 0]
    limits[:, 0] = np.minimum(room, WIDEST)
    return limits


def _ending(unit: Box) -> int:
    """Index of the coordinate that the first axis alone moves."""
    return int(np.flatnonzero((unit.axes[:, 1:] == 0).all(axis=1))[0])


def _box(posterior: CountsPosterior, reach: Array) -> Box:
    """Box with these distances, in standard deviations, from the mode to its low and high faces."""
    unit = _unit(posterior)
    low, high = -reach[0], reach[1]
    return Box(unit.points((low + high) / 2), unit.axes * ((high - low) / 2))


def _reaches(posterior: CountsPosterior, limits: Array) -> Array:
    """How far from the mode the log-posterior has fallen by `_DROP` along each axis, shape ``(2, D)``."""
    size = len(posterior.mode)
    sides, axes = np.indices((2, size)).reshape(2, -1).tolist()
    with one_blas_thread(), ThreadPoolExecutor() as pool:
        found = list(
            pool.map(lambda side, axis: _reach(posterior, side, axis, float(limits[side, axis])), sides, axes)
        )
    return np.reshape(found, (2, size))


def _reach(posterior: CountsPosterior, side: int, axis: int, limit: float) -> float:
    unit = _unit(posterior)
    direction = (2 * side - 1) * np.eye(len(unit.origin))[axis]

    def fallen(distance: float) -> bool:
        return posterior.highest - posterior.log_density(unit.points(distance * direction)) > _DROP

    inside, outside = 0.0, min(np.sqrt(2 * _DROP), limit)
    while not fallen(outside):
        if outside >= limit:
            return limit
        inside, outside = outside, min(1.5 * outside, limit)
    for _ in range(5):
        middle = 0.5 * (inside + outside)
        inside, outside = (inside, middle) if fallen(middle) else (middle, outside)
    return outside


class _Fitting:
    """Polynomials of growing degree on a box; the points of one serve the next, too."""

    def __init__(self, posterior: CountsPosterior, box: Box) -> None:
        self._posterior, self._box = posterior, box
        dimensions = len(posterior.mode)
        self._z = np.cos(np.pi * qmc.Sobol(dimensions, rng=0).random(1024))
        self._rows = np.empty((0, 0))
        self._tests = _test_coordinates(posterior, box)
        self._expected = np.array([row.log_density for row in self._evaluated(self._tests)])

    def sufficient(self) -> StandIn:
        """Polynomials of the lowest degree that is good enough."""
        for degree in DEGREES:
            found = self._of_degree(degree)
            if found.error <= TOLERANCE:
                return found
        if found.error <= LARGEST_ERROR:
            return found
        raise StandInError(f"the posterior is not smooth enough: error {found.error:.2g} nats")

    def _of_degree(self, degree: int) -> StandIn:
        orders = _orders_of_degree(degree, self._z.shape[1])
        count = int(np.ceil(_OVERSAMPLING * len(orders)))
        new = [
            np.append(row.residual, row.constant) for row in self._evaluated(self._z[len(self._rows) : count])
        ]
        self._rows = np.array([*self._rows, *new])
        rows, z = self._rows[:count], self._z[:count]
        known = np.isfinite(rows).all(axis=1)
        rows, z = rows[known], z[known]
        depth = self._posterior.highest - rows[:, -1] + 0.5 * np.sum(rows[:, :-1] ** 2, axis=1)
        weights = 1 / (1 + np.maximum(depth, 0.0) / _SOFT)
        matrix = _basis(z, orders)
        coefficients = np.linalg.lstsq(weights[:, None] * matrix, weights[:, None] * rows, rcond=1e-10)[0].T
        found = StandIn(np.ascontiguousarray(coefficients), orders, self._box, np.inf)
        return StandIn(found.coefficients, orders, self._box, self._error(found))

    def _error(self, found: StandIn) -> float:
        relevant = self._expected > self._posterior.highest - _RELEVANT
        if relevant.sum() < 3:
            return np.inf
        return float(np.std(found.log_density(self._tests[relevant]) - self._expected[relevant]))

    def _evaluated(self, z: Array) -> list[Whitened]:
        return evaluated(self._posterior, self._box.points(z))


def evaluated(posterior: CountsPosterior, points: Array) -> list[Whitened]:
    """Evaluate the posterior at points of shape ``(K, D)``, within its bounds, on all cores."""
    within = np.clip(points, posterior.bounds[:, 0], posterior.bounds[:, 1])
    with one_blas_thread(), ThreadPoolExecutor() as pool:
        return list(pool.map(posterior.whitened, within))


def _test_coordinates(posterior: CountsPosterior, box: Box) -> Array:
    """Draw from a normal approximation of more than the posterior's width, inside the box."""
    spread = 1.3 * np.linalg.cholesky(posterior.covariance)
    normal = np.random.default_rng(0).standard_normal((20 * _TEST_POINTS, len(posterior.mode)))
    z = box.coordinates(posterior.mode + normal @ spread.T)
    return z[np.all(np.abs(z) < 1, axis=1)][:_TEST_POINTS]


def _falls_on_faces(posterior: CountsPosterior, found: StandIn) -> Array:
    """Least fall below the mode on each low and high face, shape ``(2, D)``; infinite beyond the coordinates' ends.

    Where the polynomials are highest the posterior itself is looked up: in corners they may overshoot.
    """
    dimensions = len(posterior.mode)
    nodes = np.linspace(-1, 1, _FACE_NODES)
    rest = dimensions - 1
    across = np.array(list(itertools.product(nodes, repeat=rest))).reshape(_FACE_NODES**rest, rest)
    falls = np.full((2, dimensions), np.inf)
    for (side, sign), i in itertools.product(enumerate((-1.0, 1.0)), range(dimensions)):
        z = np.insert(across, i, sign, axis=1)
        points = found.box.points(z)
        z = z[np.all((points >= posterior.ends[:, 0]) & (points <= posterior.ends[:, 1]), axis=1)]
        if len(z):
            highest = z[np.argsort(found.log_density(z))[-_LOOKED_UP:]]
            exact = [row.log_density for row in evaluated(posterior, found.box.points(highest))]
            falls[side, i] = posterior.highest - max(exact)
    return falls


class Draws(NamedTuple):
    """Draws of a posterior by way of its polynomials.

    Attributes
    ----------
    points : ndarray
        Shape ``(chain, draw, D)``.
    residuals : ndarray
        Whitened residuals of the counts at each draw, shape ``(chain, draw, J)``.
    log_density : ndarray
        Log-posterior at each draw, shape ``(chain, draw)``.
    tree : xarray.DataTree
        What the sampler returned, for its statistics.
    attributes : dict
        ``stand_in_error``: standard deviation, over draws, of the polynomials' error of the log-posterior, in nats.
    """

    points: Array
    residuals: Array
    log_density: Array
    tree: xr.DataTree
    attributes: dict[str, float]


def sample_stand_in(
    posterior: CountsPosterior,
    draws: int,
    tune: int,
    chains: int,
    random_seed: int,
    cores: int | None = None,
    progressbar: bool = False,
) -> Draws:
    """Sample the polynomials by NUTS, and measure what they cost.

    Raises
    ------
    StandInError
        If no polynomials come close enough.
    """
    found = build_stand_in(posterior)
    mode = found.box.coordinates(posterior.mode)
    width = np.sqrt(np.diag(np.linalg.solve(found.box.axes, _unit(posterior).axes) ** 2 @ np.eye(len(mode))))
    start = functools.partial(_initial_point, mode, np.clip(width, 0.05, 0.5))
    model = polynomial_model(found.coefficients, found.orders, start)
    tree = sample_compiled(
        model, draws=draws, tune=tune, chains=chains, random_seed=random_seed, cores=cores,
        progressbar=progressbar, target_accept=_TARGET_ACCEPT,
    )  # fmt: skip
    z = tree["posterior"]["z"].to_numpy()
    points = np.clip(found.box.points(z), posterior.bounds[:, 0], posterior.bounds[:, 1])
    residuals, rest = found.at(z.reshape(-1, z.shape[-1]))
    log_density = rest - 0.5 * np.sum(residuals**2, axis=1)
    return Draws(
        points,
        residuals.reshape(*z.shape[:2], -1),
        log_density.reshape(z.shape[:2]),
        tree,
        {"stand_in_error": _error_at_draws(posterior, found, z)},
    )


def _error_at_draws(posterior: CountsPosterior, found: StandIn, z: Array) -> float:
    flat = z.reshape(-1, z.shape[-1])
    some = flat[np.linspace(0, len(flat) - 1, min(_CHECKED_DRAWS, len(flat))).round().astype(int)]
    exact = np.array([row.log_density for row in evaluated(posterior, found.box.points(some))])
    return float(np.std(found.log_density(some) - exact))


def _initial_point(mode: Array, width: Array, seed: int) -> Array:
    """Start a chain within two standard deviations of the mode, on the scale of the interval transform of z."""
    z = np.clip(mode + width * np.random.default_rng(seed).uniform(-2.0, 2.0, len(mode)), -0.9, 0.9)
    return np.log1p(z) - np.log1p(-z)
