"""The exact log-likelihood of one layer, and a polynomial that stands for it inside a network's model.

In a network's model the gradient of every layer's log-likelihood is wanted some hundred thousand times, at 1 to 5 ms
each. It is a smooth function of three numbers, so a Chebyshev interpolant (Trefethen, *Approximation Theory and
Approximation Practice*, theorem 8.2) replaces it, as :mod:`htmp_bayes.models.surrogate` does for one layer's
posterior; but the box must be wide enough for what a pooled prior may do, and be cheap to fill for many layers:

- kappa enters as :func:`saturated`, linear in 1/kappa where kappa is large and the likelihood flat; the correlation
  as :func:`softened`, smooth in its square as the law is.
- The location is measured from a ridge and in units of a width that both follow kappa and correlation. One call of
  the kernel gives values and slopes along it, so 5 nodes make a polynomial of degree 9 (Hermite).
- What is interpolated is ``RANGE * log(1 + drop / RANGE)`` of the drop below the maximum: corners of the box where
  the likelihood has long vanished then do not spoil the accuracy where it has not.
"""

import dataclasses
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray
from scipy.interpolate import CubicHermiteSpline

from htmp_bayes.laws.law_table import law_table
from htmp_bayes.laws.many_points import hermite_matrices, log_density_and_slope_near
from htmp_bayes.models.layer import CORRELATION_MAX, log_temperature

type Array = NDArray[np.float64]

KAPPA_LOWEST, KAPPA_HIGHEST = 0.02, 1e4
KAPPA_KNEE, CORRELATION_KNEE = 300.0, 0.3
# The box holds all parameters at which the log-likelihood is within this of its maximum.
DROP = 14.0
RANGE = 15.0
TOLERANCE = 0.15
# At which the law's logarithm may be interpolated; what that costs is part of a polynomial's measured error.
LAW_TOLERANCE = 1e-5
SIZES = (11, 15)
LOCATION_NODES = 5
# From values and slopes at the nodes along the location to coefficients.
_HERMITE = np.hstack(hermite_matrices(LOCATION_NODES)[1:])
RIDGE_SIZE = 7
# Steps of the grid on which the box is found: the first in the logarithm of kappa, the second in the correlation.
_GRID_KAPPA = np.geomspace(KAPPA_LOWEST, 2000.0, 17)
_GRID_CORRELATION = np.array([0.1, 0.2, 0.3, 0.42, 0.56, 0.75, 1.0, 1.35, 1.8, 2.35, 3.0])
_HIGHEST_DROP = 600.0
_TEST_POINTS = 60
_TEST_SAMPLE = 6000
_FIRST_LOOK = np.array([-1.0, -0.3, 0.3, 1.0])
_MOST_LOOKS = 12


def saturated(log_kappa: Any, exp: Any = np.exp, log: Any = np.log) -> Any:
    """Coordinate of kappa: its logarithm below `KAPPA_KNEE`, and linear in 1/kappa above.

    Examples
    --------
    >>> print(np.round(saturated(np.log([1.0, 300.0, 1e4])), 3))
    [-0.003  5.011  5.674]
    """
    return -log(exp(-log_kappa) + 1 / KAPPA_KNEE)


def _kappa_at(coordinate: Any) -> Any:
    return 1 / (np.exp(-coordinate) - 1 / KAPPA_KNEE)


def softened(correlation: Any, log: Any = np.log) -> Any:
    """Coordinate of the correlation: smooth in its square, and its logarithm where it is large.

    Examples
    --------
    >>> print(np.round(softened(np.array([0.0, 0.3, 3.0])), 3))
    [-2.408 -1.715  2.207]
    """
    return log(correlation**2 + CORRELATION_KNEE**2)


def correlation_at(coordinate: Any) -> Any:
    """Correlation at a coordinate of :func:`softened`."""
    return np.sqrt(np.maximum(np.exp(coordinate) - CORRELATION_KNEE**2, 0.0))


LOWEST, HIGHEST = saturated(np.log(KAPPA_LOWEST)), saturated(np.log(KAPPA_HIGHEST))


class LayerLikelihood:
    """Log-likelihood of one layer's spectrum, a function of kappa, correlation and location.

    Parameters
    ----------
    data : dict
        What :func:`~htmp_bayes.models.layer.layer_data` returns.

    Examples
    --------
    >>> from htmp_bayes.models.layer import layer_data
    >>> from htmp_bayes.laws import HTMP
    >>> eigenvalues = np.linspace(0.5, 2.0, 50)
    >>> data = layer_data(eigenvalues, gamma=0.25)
    >>> law = HTMP(20.0, 0.25, np.exp(log_temperature(20.0, 0.0, data)), correlation=0.2)
    >>> difference = LayerLikelihood(data).value(20.0, 0.2, 0.0) - law.logpdf(eigenvalues).sum()
    >>> bool(abs(difference) < 1e-3)
    True
    """

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data

    def along_location(
        self, kappa: float, correlation: float, location: Array, on_grid: bool = False
    ) -> tuple[Array, Array]:
        """Values and slopes by the location, each of the shape ``(M,)`` of `location`.

        With `on_grid` the law is one that other layers ask for, too, and a table of it is kept.
        """
        d = self.data
        log_t = log_temperature(kappa, location, d)
        log_y = (d["log_nodes"] - log_t[:, None]).ravel()
        law = (float(kappa), d["gamma"], float(correlation), d["population"])
        if on_grid:
            table = law_table(*law).log_density_and_slope(log_y)
        else:
            table = log_density_and_slope_near(log_y, *law, tolerance=LAW_TOLERANCE)
        with np.errstate(invalid="ignore"):
            values, slopes = (table[:, i].reshape(len(location), -1) @ d["weights"] for i in (0, 1))
        return values - d["n_eigenvalues"] * log_t, -d["log_sd"] * (slopes + d["n_eigenvalues"])

    def value(self, kappa: float, correlation: float, location: float) -> float:
        """Log-likelihood at one point: of so few nodes that the law is evaluated at each and not interpolated."""
        return float(self.along_location(kappa, correlation, np.array([location]))[0][0])


@dataclasses.dataclass(frozen=True)
class Reach:
    """Where, at one kappa and correlation, the log-likelihood is highest, and where it has fallen by `DROP`."""

    top: float
    best: float
    low: float
    high: float


def reach(
    likelihood: LayerLikelihood,
    kappa: float,
    correlation: float,
    start: float,
    width: float,
    on_grid: bool = False,
) -> Reach:
    """Search the location, along which the log-likelihood is concave or nearly so.

    The first look is at `start` and within `width` of it. Where nothing finite is found nearby, the top is
    ``-inf``: such a place is far outside the spectrum's reach.
    """
    seen: dict[float, tuple[float, float]] = {}
    found = Reach(-np.inf, start, start - width, start + width)
    nodes = start + width * _FIRST_LOOK
    for _ in range(_MOST_LOOKS):
        rows = zip(nodes, *likelihood.along_location(kappa, correlation, nodes, on_grid), strict=True)
        seen |= {float(x): (v, d) for x, v, d in rows if np.isfinite(v) and np.isfinite(d)}
        if len(seen) < 2:
            width /= 4
            nodes = start + width * _FIRST_LOOK
            continue
        x = np.array(sorted(seen))
        values, slopes = np.array([seen[key] for key in x]).T
        found = _reach_of(x, values, slopes)
        nodes = _unseen(x, values, found)
        if not len(nodes):
            break
    return found


def _unseen(x: Array, values: Array, found: Reach) -> Array:
    """Locations to look at next: beyond the ends where it has not fallen, and near what was interpolated."""
    span = x[-1] - x[0]
    wanted = [
        end
        for end in (found.low, found.best, found.high)
        if np.abs(x - end).min() > 0.15 * (found.high - found.low)
    ]
    if values[0] > found.top - DROP:
        wanted.append(x[0] - span)
    if values[-1] > found.top - DROP:
        wanted.append(x[-1] + span)
    return np.array(wanted)


def _reach_of(x: Array, values: Array, slopes: Array) -> Reach:
    """Cubic Hermite interpolation, kept below the tangents of a concave function."""
    fine = np.linspace(x[0], x[-1], 400)
    smooth = CubicHermiteSpline(x, values, slopes)(fine)
    after = np.clip(np.searchsorted(x, fine), 1, len(x) - 1)
    tangents = [values[k] + slopes[k] * (fine - x[k]) for k in (after - 1, after)]
    y = np.minimum(smooth, np.minimum(*tangents))
    best = int(y.argmax())
    inside = np.flatnonzero(y > y[best] - DROP)
    return Reach(float(y[best]), float(fine[best]), float(fine[inside[0]]), float(fine[inside[-1]]))


@dataclasses.dataclass(frozen=True)
class Box:
    """The part of a layer's parameter space that a polynomial covers.

    Attributes
    ----------
    centre, half : ndarray
        Of the coordinates of kappa and correlation, shape ``(2,)``.
    ridge, log_width : ndarray
        Chebyshev coefficients in the first two coordinates, shape ``(RIDGE_SIZE, RIDGE_SIZE)``, of the middle
        and of the logarithm of half the width of the range of the location.
    top : float
        Highest log-likelihood.
    """

    centre: Array
    half: Array
    ridge: Array
    log_width: Array
    top: float

    def points(self, z: Array) -> Array:
        """Kappa, correlation and location of coordinates z, shape ``(..., 3)``."""
        coordinates = self.centre + self.half * z[..., :2]
        ridge, log_width = (
            chebyshev.chebval2d(z[..., 0], z[..., 1], c) for c in (self.ridge, self.log_width)
        )
        kappa, correlation = _kappa_at(coordinates[..., 0]), correlation_at(coordinates[..., 1])
        return np.stack([kappa, correlation, ridge + np.exp(log_width) * z[..., 2]], axis=-1)


@dataclasses.dataclass(frozen=True)
class LikelihoodSurrogate:
    """Chebyshev polynomial for a layer's log-likelihood on a box, with its largest measured error in nats."""

    coefficients: Array
    box: Box
    error: float = np.inf

    def at(self, z: Array) -> Array:
        """Log-likelihood at coordinates of shape ``(K, 3)`` within the box."""
        squeezed = chebyshev.chebval3d(z[:, 0], z[:, 1], z[:, 2], self.coefficients)
        return self.box.top - RANGE * np.expm1(squeezed / RANGE)

    def weighted_points(self, size: int = 4000) -> tuple[Array, Array]:
        """Points of the box, shape ``(3, size)``: kappa, correlation, location; and their normalised likelihoods."""
        z = np.random.default_rng(0).uniform(-1, 1, (size, 3))
        values = self.at(z)
        weights = np.exp(values - values.max())
        return self.box.points(z).T, weights / weights.sum()


def build(likelihood: LayerLikelihood, box: Box | None = None) -> LikelihoodSurrogate:
    """Interpolate a layer's log-likelihood to within `TOLERANCE`."""
    box = box or find_box(likelihood)
    for size in SIZES:
        surrogate = _interpolate(likelihood, box, size)
        if surrogate.error < TOLERANCE:
            break
    return surrogate


def _interpolate(likelihood: LayerLikelihood, box: Box, size: int) -> LikelihoodSurrogate:
    nodes, along = _nodes(size), _nodes(LOCATION_NODES)
    cube = np.empty((size, size, 2 * LOCATION_NODES))
    for i, a in enumerate(nodes):
        for j, b in enumerate(nodes):
            z = np.column_stack([np.full((LOCATION_NODES, 2), (a, b)), along])
            points = box.points(z)
            values, slopes = likelihood.along_location(points[0, 0], points[0, 1], points[:, 2])
            width = (points[0, 2] - points[-1, 2]) / (along[0] - along[-1])
            cube[i, j] = _squeezed(values, slopes * width, box.top)
    transform = _transform(size)
    coefficients = np.einsum("ai,bj,ck,ijk->abc", transform, transform, _HERMITE, cube, optimize=True)
    surrogate = LikelihoodSurrogate(coefficients, box)
    return dataclasses.replace(surrogate, error=_measured_error(likelihood, surrogate))


def _nodes(size: int) -> Array:
    return np.cos(np.pi * (np.arange(size) + 0.5) / size)


def _squeezed(values: Array, slopes: Array, top: float) -> Array:
    drop = top - values
    far = ~(drop < _HIGHEST_DROP)
    drop = np.where(far, _HIGHEST_DROP, drop)
    slopes = np.where(far, 0.0, slopes)
    return np.concatenate([RANGE * np.log1p(drop / RANGE), -slopes / (1 + drop / RANGE)])


def _transform(size: int) -> Array:
    """From values at the Chebyshev nodes to coefficients."""
    transform = np.cos(np.outer(np.arange(size), np.pi * (np.arange(size) + 0.5) / size)) * 2 / size
    transform[0] /= 2
    return transform


def _measured_error(likelihood: LayerLikelihood, surrogate: LikelihoodSurrogate) -> float:
    """Largest error at random points of the box that are not far below the maximum."""
    z = np.random.default_rng(0).uniform(-1, 1, (_TEST_SAMPLE, 3))
    guess = surrogate.at(z)
    near = np.flatnonzero(guess > guess.max() - 0.7 * DROP)[:_TEST_POINTS]
    exact = np.array([likelihood.value(*point) for point in surrogate.box.points(z[near])])
    return float(np.max(np.abs(exact - guess[near])))


def find_box(likelihood: LayerLikelihood) -> Box:
    """Find all kappa, correlation and location at which the log-likelihood is within `DROP` of its maximum."""
    explored = _explore(likelihood)
    top = max(found.top for found in explored.values())
    low, high = _extent({cell: top - found.top for cell, found in explored.items()})
    centre, half = (low + high) / 2, (high - low) / 2
    ridge, log_width = _ridge(likelihood, centre, half, explored)
    return Box(centre, half, ridge, log_width, top + 0.5)


Cell = tuple[int, int]


def _explore(likelihood: LayerLikelihood) -> dict[Cell, Reach]:
    """Walk over the grid of kappa and correlation as far as the log-likelihood is not far below its maximum."""
    starts = [(i, j) for i in (5, 8, 11) for j in (1, 4, 6)]
    explored = {cell: _reach_at(likelihood, cell, 0.0, 0.3) for cell in starts}
    expanded: set[Cell] = set()
    while True:
        top = max(found.top for found in explored.values())
        open_cells = [c for c in explored if c not in expanded and explored[c].top > top - 1.5 * DROP]
        if not open_cells:
            return explored
        cell = max(open_cells, key=lambda c: explored[c].top)
        expanded.add(cell)
        near = explored[cell]
        for neighbour in _neighbours(cell):
            if neighbour not in explored:
                explored[neighbour] = _reach_at(
                    likelihood, neighbour, near.best, max(near.best - near.low, near.high - near.best)
                )


def _neighbours(cell: Cell) -> list[Cell]:
    i, j = cell
    around = [(i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)]
    return [(a, b) for a, b in around if 0 <= a < len(_GRID_KAPPA) and 0 <= b < len(_GRID_CORRELATION)]


def _reach_at(likelihood: LayerLikelihood, cell: Cell, start: float, width: float) -> Reach:
    return reach(likelihood, _GRID_KAPPA[cell[0]], _GRID_CORRELATION[cell[1]], start, width, on_grid=True)


def _extent(drops: dict[Cell, float]) -> tuple[Array, Array]:
    """Bounds of the coordinates of kappa and correlation within which all drops below `DROP` are."""
    axes = (saturated(np.log(_GRID_KAPPA)), softened(_GRID_CORRELATION))
    limits = ((LOWEST, HIGHEST), (softened(0.0), softened(CORRELATION_MAX)))
    low, high = np.empty(2), np.empty(2)
    for axis in (0, 1):
        coordinates = axes[axis]
        least = np.full(len(coordinates), np.inf)
        for cell, drop in drops.items():
            least[cell[axis]] = min(least[cell[axis]], drop)
        inside = np.flatnonzero(least < DROP)
        low[axis] = _crossing(coordinates, least, inside[0], -1, limits[axis][0])
        high[axis] = _crossing(coordinates, least, inside[-1], 1, limits[axis][1])
    return low, high


def _crossing(coordinates: Array, least: Array, inside: int, step: int, limit: float) -> float:
    """Where the drop passes `DROP`, somewhat generously, between a grid line inside and the next one."""
    outside = inside + step
    if not 0 <= outside < len(coordinates):
        return limit
    if not np.isfinite(least[outside]):
        return float(coordinates[outside])
    root = [np.sqrt(max(least[k], 0.0)) for k in (inside, outside)]
    share = min(1.0, 0.2 + (np.sqrt(DROP) - root[0]) / max(root[1] - root[0], 1e-9))
    return float(coordinates[inside] + share * (coordinates[outside] - coordinates[inside]))


def _ridge(
    likelihood: LayerLikelihood, centre: Array, half: Array, explored: dict[Cell, Reach]
) -> tuple[Array, Array]:
    """Polynomials for the middle and the width of the range of the location."""
    nodes = _nodes(RIDGE_SIZE)
    middle, log_width = np.empty((2, RIDGE_SIZE, RIDGE_SIZE))
    best = max(explored.values(), key=lambda found: found.top)
    for i, a in enumerate(nodes):
        near = best
        for j, b in enumerate(nodes):
            kappa, correlation = _kappa_at(centre[0] + half[0] * a), correlation_at(centre[1] + half[1] * b)
            found = reach(likelihood, kappa, correlation, near.best, near.high - near.low)
            near = found if np.isfinite(found.top) else near
            middle[i, j] = (near.low + near.high) / 2
            log_width[i, j] = np.log(max((near.high - near.low) / 2, 1e-3))
    transform = _transform(RIDGE_SIZE)
    return transform @ middle @ transform.T, transform @ log_width @ transform.T
