"""A polynomial that stands for one layer's log-posterior while NUTS walks about, and what makes the draws exact.

The exact log-posterior costs about a millisecond, and NUTS asks for it some fifty thousand times. It is a smooth
function of three numbers, so a polynomial of a moderate degree comes close to it on a box around the mode. It is
fitted to values and gradients at a few hundred points by least squares in the Chebyshev basis (stable for points
from the Chebyshev measure: Cohen & Migliorati 2017, *Optimal weighted least-squares methods*). What is left of the
error is taken out of the draws by an independence Metropolis-Hastings step on the log-posterior itself (Christen & Fox
2005, *Markov chain Monte Carlo using an approximation*), which is a sum over eigenvalues of log-densities that
:mod:`htmp_bayes.models.law_polynomial` gives at all draws together, to 1e-5 each.
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.linalg import solve
from scipy.special import logsumexp
from scipy.stats import qmc
from threadpoolctl import threadpool_limits

from htmp_bayes.models.nuts import compile_model, sample_compiled

type Array = NDArray[np.float64]
type Bend = Callable[[Array], tuple[Array, Array]]

DEGREES = (10, 12, 14, 18)
# Equations for each coefficient; every point gives four, the value and the gradient.
_OVERSAMPLING = 2.5
# The box ends where the log-posterior has fallen this far below its mode along an axis.
DROP = 12.0
WIDEST = 12.0
# A root-mean-square error of the log-posterior, in nats, that takes no more effort to reduce; and one that takes no
# more than the degree 14, beyond which the fit costs more than what it saves.
TOLERANCE = 0.05
_SUFFICIENT = 0.2
_SUFFICIENT_FROM = 14
# With a larger one too many draws would be turned down.
LARGEST_ERROR = 0.4
# Below the mode, logarithm's growth instead of the posterior's own: nobody goes there, and it may be steep.
_SOFTENING = 5.0
_TEST_POINTS = 64
# Nodes in each coordinate; the posterior falls by about 12 nats from the middle to a face.
_QUADRATURE = 48
# How many of them are looked up on the posterior itself.
_RATIOS = 200
_RELEVANT = 8.0
# Below the mode by so many nats, a rough value will do.
_HOPELESS = 300.0
# Where the log-posterior has fallen less than this below its mode anywhere on a face, the box is too small.
_LOW = 3.0
# A bound of the second coordinate within so many standard deviations of the mode, given the first, ends the box.
_NEAR_BOUND = 3.0
_FACE_NODES = 33
# How many of the nodes where the polynomial is high are looked up on the posterior itself.
_VERIFIED = 16
_INNER_NODES = 17
_RIDGE_NODES = 121
_MAX_ROUNDS = 8
_BENT_ROUNDS = 3
# How low it should be on a face that is moved out, and the factors by which it is.
_LOW_ENOUGH = 5.0
_GROWTH = (1.15, 2.3)
# Short steps cost next to nothing on a polynomial, and leave no divergences near the faces of the box.
_TARGET_ACCEPT = 0.95
# Where more draws are made than are kept, the posterior is curved, or the polynomial steep in corners.
_TARGET_ACCEPT_OF_MANY = 0.98
# How many draws are made for one that is kept, where less than this share is effective or the polynomial is poor.
_THINNING = 3
_KEPT = slice(_THINNING - 1, None, _THINNING)
_SLOW = 0.3
_ESS_OF_TAILS = {"method": "tail", "prob": (0.05, 0.95)}
# Share of draws that the Metropolis-Hastings step must accept.
LEAST_ACCEPTANCE = 0.7


class ExactPosterior(Protocol):
    """What is approximated: a log-density of three numbers within bounds, with its mode, curvature and ridge."""

    @property
    def bounds(self) -> Array:
        """Ends of each coordinate's range, shape ``(3, 2)``."""

    @property
    def mode(self) -> Array:
        """Point of highest density."""

    @property
    def covariance(self) -> Array:
        """Covariance of the normal approximation at the mode."""

    def log_density(self, point: Array) -> tuple[float, Array]:
        """Value and gradient at a point."""

    def log_densities(self, points: Array) -> Array:
        """Values at points of shape ``(D, 3)``."""

    def rough_log_densities(self, points: Array) -> Array:
        """Values at points of shape ``(D, 3)``, good enough to tell those that are hundreds of nats below the mode."""

    def bend(self, first: Array) -> tuple[Array, Array]:
        """Distance of the ridge from its tangent at the mode, and its slope, by the first coordinate.

        Both of shape ``(..., 2)``, in the second and third coordinate.
        """


class SurrogateError(RuntimeError):
    """No polynomial comes close enough to the log-posterior."""


class Box(NamedTuple):
    """A parallelepiped, or one that is bent along a ridge: its points are ``origin + axes @ z``, z in [-1, 1]^3, bent.

    Bending adds to the second and third coordinate what :meth:`ExactPosterior.bend` says of the first, so volumes stay.
    """

    origin: Array
    axes: Array
    bend: Bend | None = None

    def points(self, z: Array) -> Array:
        """Points of the coordinates ``z``, shape ``(..., 3)``."""
        points = self.origin + z @ self.axes.T
        if self.bend is not None:
            points[..., 1:] += self.bend(points[..., 0])[0]
        return points

    def coordinates(self, points: Array) -> Array:
        """Coordinates of points, shape ``(..., 3)``."""
        away = points - self.origin
        if self.bend is not None:
            away[..., 1:] -= self.bend(points[..., 0])[0]
        return np.linalg.solve(self.axes, away[..., None])[..., 0]

    def gradients(self, points: Array, gradients: Array) -> Array:
        """Gradients by the coordinates, from those by the points, both of shape ``(D, 3)``."""
        if self.bend is not None:
            gradients = gradients.copy()
            gradients[:, 0] += np.sum(gradients[:, 1:] * self.bend(points[:, 0])[1], axis=1)
        return gradients @ self.axes


@dataclasses.dataclass(frozen=True)
class Surrogate:
    """Polynomial in the Chebyshev basis for the softened drop of the log-posterior below its mode.

    Attributes
    ----------
    coefficients : ndarray
        Shape ``(degree + 1,) * 3``, zero where the sum of orders exceeds the degree.
    box : Box
        Where it holds.
    top : float
        Log-posterior at the mode.
    error : float
        Root-mean-square error of the log-posterior, in nats, at points that were not fitted.
    """

    coefficients: Array
    box: Box
    top: float
    error: float

    def value(self, z: Array) -> Array:
        """Log-posterior at box coordinates of shape ``(..., 3)``."""
        softened = np.polynomial.chebyshev.chebval3d(z[..., 0], z[..., 1], z[..., 2], self.coefficients)
        return self._hardened(softened)

    def on_grid(self, nodes: Array) -> Array:
        """Log-posterior at all triples of nodes, those of the last coordinate next to each other."""
        return self._hardened(
            np.polynomial.chebyshev.chebgrid3d(nodes, nodes, nodes, self.coefficients)
        ).ravel()

    def _hardened(self, softened: NDArray[Any]) -> Array:
        return np.asarray(self.top - _SOFTENING * np.expm1(-softened / _SOFTENING), dtype=np.float64)


def log_integral(posterior: ExactPosterior, surrogate: Surrogate) -> float:
    """Logarithm of the posterior's integral.

    Of the polynomial over its box, by Gauss and Legendre's rule in each coordinate, times the mean ratio of the
    posterior to it: at nodes taken in proportion to their share of the integral, so that a corner where the
    polynomial overshoots does not count.

    Parameters
    ----------
    posterior : ExactPosterior
        What the polynomial stands for.
    surrogate : Surrogate
        See :func:`whole_surrogate`.
    """
    nodes, weights = np.polynomial.legendre.leggauss(_QUADRATURE)
    z = np.stack(np.meshgrid(nodes, nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 3)
    log_weights = np.log(weights)
    terms = (
        surrogate.on_grid(nodes) + np.add.outer(np.add.outer(log_weights, log_weights), log_weights).ravel()
    )
    whole = logsumexp(terms)
    shares = np.cumsum(np.exp(terms - whole))
    chosen = z[np.searchsorted(shares / shares[-1], (np.arange(_RATIOS) + 0.5) / _RATIOS)]
    points = surrogate.box.points(chosen)
    within = np.all(np.abs(points - _clipped(posterior, points)) <= 1e-9, axis=1)
    log_ratios = np.where(within, posterior.log_densities(points) - surrogate.value(chosen), -np.inf)
    mean_ratio = logsumexp(log_ratios) - np.log(_RATIOS)
    return float(whole + mean_ratio + np.linalg.slogdet(surrogate.box.axes)[1])


def is_near_bound(posterior: ExactPosterior) -> bool:
    """Whether the second coordinate may be at one of its bounds.

    Parameters
    ----------
    posterior : ExactPosterior
        What is to be approximated.
    """
    distance = np.abs(posterior.mode[1] - posterior.bounds[1]).min()
    return bool(distance < _NEAR_BOUND * np.linalg.cholesky(posterior.covariance)[1, 1])


def find_box(posterior: ExactPosterior, growth: Array | None = None, aligned: bool | None = None) -> Box:
    """Enclose the posterior's mass, along the axes of the normal approximation's Cholesky factor and its ridge.

    The first axis goes with the regression of the others on the first coordinate, so that a slice along it is
    a profile.

    Parameters
    ----------
    posterior : ExactPosterior
        What is to be approximated.
    growth : ndarray, optional
        Factors by which the low and high ends are moved out, shape ``(2, 3)``.
    aligned : bool, optional
        Align the box with the first two coordinates and leave it straight, so that it can end where they do; by
        default if a bound of the second one is near.
    """
    factor = np.linalg.cholesky(posterior.covariance)
    if aligned is None:
        aligned = is_near_bound(posterior)
    if not aligned:
        return _box(posterior, Box(posterior.mode, factor, posterior.bend), growth)
    covariance = posterior.covariance
    axes = np.diag(np.append(np.sqrt(np.diag(covariance)[:2]), factor[2, 2]))
    axes[2, :2] = np.linalg.solve(covariance[:2, :2], covariance[:2, 2]) * np.diag(axes)[:2]
    return _box(posterior, Box(posterior.mode, axes), growth)


def _box(posterior: ExactPosterior, unit: Box, growth: Array | None) -> Box:
    """Move the faces of a box of one standard deviation around the mode to where the posterior is low."""
    directions = list(itertools.product((-1.0, 1.0), range(3)))
    limits = np.reshape([_limit(posterior, unit, *direction) for direction in directions], (2, 3))
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda direction: _reach(posterior, unit, *direction), directions))
    reach = np.reshape(found, (2, 3))
    if growth is not None:
        reach = np.minimum(reach * growth, limits)
    low, high = -reach[0], reach[1]
    return unit._replace(
        origin=posterior.mode + unit.axes @ ((low + high) / 2), axes=unit.axes * ((high - low) / 2)
    )


def _limit(posterior: ExactPosterior, unit: Box, sign: float, axis: int) -> float:
    """How far from the mode an axis leaves the bounds of its own coordinate."""
    end = posterior.bounds[axis, int(sign > 0)]
    return float(abs(end - posterior.mode[axis]) / unit.axes[axis, axis])


def _reach(posterior: ExactPosterior, unit: Box, sign: float, axis: int) -> float:
    """How far from the mode the log-posterior has fallen by `DROP`, or the bound is met."""
    top = posterior.log_density(posterior.mode)[0]

    def fallen(distance: float) -> bool:
        point = _clipped(posterior, unit.points(sign * distance * np.eye(3)[axis]))
        return top - posterior.log_density(point)[0] > DROP

    inside, outside = 0.0, min(WIDEST, _limit(posterior, unit, sign, axis))
    if not fallen(outside):
        return outside
    for _ in range(7):
        middle = 0.5 * (inside + outside)
        inside, outside = (inside, middle) if fallen(middle) else (middle, outside)
    return outside


def _clipped(posterior: ExactPosterior, points: Array) -> Array:
    return np.clip(points, posterior.bounds[:, 0], posterior.bounds[:, 1])


def build_surrogate(posterior: ExactPosterior, box: Box, threads: int = 2) -> Surrogate:
    """Fit a polynomial to a log-posterior on a box, of the lowest degree that is good enough.

    Parameters
    ----------
    posterior : ExactPosterior
        What is to be approximated.
    box : Box
        See :func:`find_box`.
    threads : int
        Evaluations of `posterior` at a time; the result does not depend on it.

    Raises
    ------
    SurrogateError
        If the error stays above `LARGEST_ERROR` nats.
    """
    return _Fitting(posterior, box, threads).sufficient()


class _Fitting:
    """Polynomials of growing degree for a log-posterior on a box; the points of one serve the next, too."""

    def __init__(self, posterior: ExactPosterior, box: Box, threads: int = 2) -> None:
        self._posterior, self._box, self._threads = posterior, box, threads
        self._z = np.cos(np.pi * qmc.Sobol(3, rng=0).random(1024))
        self._tests = _test_coordinates(posterior, box)
        self._expected = self._evaluated(box.points(self._tests))[0]
        self._values, self._gradients = np.empty(0), np.empty((0, 3))
        self._top = posterior.log_density(posterior.mode)[0]
        self.first = self._of_degree(DEGREES[0])

    def sufficient(self) -> Surrogate:
        """Polynomial of the lowest degree that is good enough."""
        surrogate = self.first
        for degree in DEGREES:
            surrogate = surrogate if degree == DEGREES[0] else self._of_degree(degree)
            if surrogate.error <= (TOLERANCE if degree < _SUFFICIENT_FROM else _SUFFICIENT):
                return surrogate
        if surrogate.error <= LARGEST_ERROR:
            return surrogate
        raise SurrogateError(
            f"the log-posterior is not smooth enough: error {surrogate.error:.2g} nats at degree {DEGREES[-1]}"
        )

    def _of_degree(self, degree: int) -> Surrogate:
        orders = _orders_of_degree(degree)
        count = int(np.ceil(_OVERSAMPLING * len(orders) / 4))
        points = self._box.points(self._z[len(self._values) : count])
        values, gradients = self._evaluated_or_rough(points)
        self._values = np.append(self._values, values)
        self._gradients = np.vstack([self._gradients, self._box.gradients(points, gradients)])
        with threadpool_limits(1, user_api="blas"):
            coefficients = _fit(self._z[:count], self._values - self._top, self._gradients, degree, orders)
        surrogate = Surrogate(coefficients, self._box, self._top, np.inf)
        return dataclasses.replace(surrogate, error=_error(surrogate, self._tests, self._expected))

    def _evaluated_or_rough(self, points: Array) -> tuple[Array, Array]:
        """Values and gradients, where it is hopeless a rough value only: a corner can take longer than all the rest."""
        values = self._posterior.rough_log_densities(_clipped(self._posterior, points))
        gradients = np.full(points.shape, np.nan)
        worthwhile = ~(values < self._top - _HOPELESS)
        values[worthwhile], gradients[worthwhile] = self._evaluated(points[worthwhile])
        return values, gradients

    def _evaluated(self, points: Array) -> tuple[Array, Array]:
        within = _clipped(self._posterior, points)
        with ThreadPoolExecutor(self._threads) as pool, threadpool_limits(1, user_api="blas"):
            found = list(pool.map(self._posterior.log_density, within))
        return np.array([value for value, _ in found]), np.reshape(
            [gradient for _, gradient in found], (-1, 3)
        )


def _test_coordinates(posterior: ExactPosterior, box: Box) -> Array:
    """Draw from a normal approximation of more than the posterior's width, inside the box."""
    spread = 1.4 * np.linalg.cholesky(posterior.covariance)
    points = posterior.mode + np.random.default_rng(0).standard_normal((40 * _TEST_POINTS, 3)) @ spread.T
    z = box._replace(bend=None).coordinates(points)
    return z[np.all(np.abs(z) < 1, axis=1)][:_TEST_POINTS]


def _error(surrogate: Surrogate, z: Array, expected: Array) -> float:
    relevant = expected > surrogate.top - _RELEVANT
    if not relevant.any():
        return np.inf
    return float(np.std(surrogate.value(z[relevant]) - expected[relevant]))


def _orders_of_degree(degree: int) -> NDArray[np.int64]:
    """Orders of the basis, shape ``(n, 3)``: all with a sum of at most `degree`."""
    grid = np.stack(np.meshgrid(*[np.arange(degree + 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    return grid[grid.sum(axis=1) <= degree]


def _fit(z: Array, fall: Array, gradients: Array, degree: int, orders: NDArray[np.int64]) -> Array:
    """Weighted least squares for value and known gradient by the angles ``arccos z``, at points ``z``."""
    finite = np.isfinite(fall)
    z, depth, gradients = z[finite], np.maximum(-fall[finite], 0.0), gradients[finite]
    known = np.isfinite(gradients).all(axis=1)
    gradients = np.where(known[:, None], gradients, 0.0)
    angles = np.arccos(np.clip(z, -1, 1))
    numbers = np.arange(degree + 1, dtype=np.float64)
    cosines: Array = np.cos(angles[..., None] * numbers)
    slopes: Array = -numbers * np.sin(angles[..., None] * numbers)
    blocks = [_products([cosines] * 3, orders)]
    blocks += [_products([slopes if j == i else cosines for j in range(3)], orders) for i in range(3)]
    softened = -_SOFTENING * np.log1p(depth / _SOFTENING)
    by_angle = -np.sin(angles) * gradients / (1 + depth / _SOFTENING)[:, None]
    targets = [softened, *by_angle.T]
    # far below the mode the fit may be loose; a derivative of the basis is up to `degree` times its value
    weights = 1 / (1 + depth / _SOFTENING)
    scales = [weights] + 3 * [known * weights / degree]
    matrix = np.concatenate([scale[:, None] * block for scale, block in zip(scales, blocks, strict=True)])
    right = np.concatenate([scale * target for scale, target in zip(scales, targets, strict=True)])
    cube = np.zeros((degree + 1,) * 3)
    # The basis is nearly orthogonal at these points, so that the normal equations lose nothing.
    cube[tuple(orders.T)] = solve(matrix.T @ matrix, matrix.T @ right, assume_a="pos", check_finite=False)
    return cube


def _products(factors: list[Array], orders: NDArray[np.int64]) -> Array:
    first, second, third = (factor[:, i][:, orders[:, i]] for i, factor in enumerate(factors))
    return first * second * third


class ExactDraws(NamedTuple):
    """Draws from the exact posterior, by way of a surrogate.

    Attributes
    ----------
    points : ndarray
        Shape ``(chain, draw, 3)``.
    tree : xarray.DataTree
        What the sampler returned, for its statistics.
    attributes : dict
        ``surrogate_error`` in nats, and ``surrogate_acceptance``, the share of draws that the
        Metropolis-Hastings step accepted.
    """

    points: Array
    tree: xr.DataTree
    attributes: dict[str, float]


def sample_surrogate(
    posterior: ExactPosterior,
    draws: int,
    tune: int,
    chains: int,
    random_seed: int,
    cores: int | None = None,
    progressbar: bool = False,
) -> ExactDraws:
    """Sample the polynomial by NUTS and correct its draws.

    Three draws are made for each that is kept where the chains mix slowly (along a curved ridge that ends at a bound),
    and where the polynomial is poor: there the correction repeats draws, and thinning comes after it.

    Raises
    ------
    SurrogateError
        If there is no polynomial that holds the posterior.
    """
    surrogate = whole_surrogate(posterior)

    def drawn(thinning: int) -> tuple[Array, xr.DataTree]:
        return _sample_polynomial(
            posterior, surrogate, draws * thinning, tune, chains, random_seed, cores, progressbar,
            target_accept=_TARGET_ACCEPT if thinning == 1 else _TARGET_ACCEPT_OF_MANY,
        )  # fmt: skip

    def corrected(z: Array, tree: xr.DataTree) -> ExactDraws:
        points = _clipped(posterior, surrogate.box.points(z))
        return _corrected(posterior, surrogate, z, points, tree, random_seed)

    if surrogate.error > TOLERANCE:
        found = corrected(*drawn(_THINNING))
        return found._replace(points=found.points[:, _KEPT], tree=_thinned_tree(found.tree))
    z, tree = drawn(1)
    if _mixes_slowly(z):
        z, tree = drawn(_THINNING)
        z, tree = z[:, _KEPT], _thinned_tree(tree)
    return corrected(z, tree)


def _mixes_slowly(draws: Array) -> bool:
    """Whether few of the draws, shape ``(chain, draw, 3)``, are effective in the middle or in the tails."""
    import arviz as az

    effective = [
        az.ess(draws[..., i], **kind) for i in range(3) for kind in ({"method": "bulk"}, _ESS_OF_TAILS)
    ]
    return bool(np.min(effective) < _SLOW * draws[..., 0].size)


def _thinned_tree(tree: xr.DataTree) -> xr.DataTree:
    """Keep one draw of `_THINNING`; it counts as diverging if any of them did."""
    groups = {name: node.to_dataset() for name, node in tree.children.items()}
    diverging = groups["sample_stats"]["diverging"].to_numpy()
    kept = {name: group.isel(draw=_KEPT) for name, group in groups.items()}
    kept = {name: group.assign_coords(draw=np.arange(group.sizes["draw"])) for name, group in kept.items()}
    any_of_them = diverging.reshape(len(diverging), -1, _THINNING).any(axis=2)
    kept["sample_stats"] = kept["sample_stats"].assign(diverging=(("chain", "draw"), any_of_them))
    return xr.DataTree.from_dict(kept)


def whole_surrogate(posterior: ExactPosterior) -> Surrogate:
    """Fit a polynomial on a box that holds the posterior: it is made larger as long as it is high on a face.

    A posterior along a curved ridge leaves the first box through a side.

    Raises
    ------
    SurrogateError
        If there is no polynomial that holds the posterior.
    """
    straight = is_near_bound(posterior) or _ridge_meets_bound(posterior)
    found = None if straight else _bent_surrogate(posterior)
    return found or _grown(posterior, _MAX_ROUNDS, aligned=True)


def _ridge_meets_bound(posterior: ExactPosterior) -> bool:
    """Whether the posterior is high at a bound of the second coordinate, where its ridge comes close to that."""
    unit = Box(posterior.mode, np.linalg.cholesky(posterior.covariance), posterior.bend)
    top = posterior.log_density(posterior.mode)[0]
    for sign, bound in itertools.product((-1.0, 1.0), posterior.bounds[1]):
        distances = sign * np.linspace(0.0, WIDEST, _RIDGE_NODES)
        ridge = unit.points(distances[:, None] * np.eye(3)[0])
        within = (ridge[:, 0] >= posterior.bounds[0, 0]) & (ridge[:, 0] <= posterior.bounds[0, 1])
        close = np.flatnonzero(within & (np.abs(ridge[:, 1] - bound) < unit.axes[1, 1]))
        if len(close):
            point = ridge[close[0]] * [1.0, 0.0, 1.0] + [0.0, bound, 0.0]
            if top - posterior.log_density(point)[0] < _LOW:
                return True
    return False


def _bent_surrogate(posterior: ExactPosterior) -> Surrogate | None:
    """Fit on a box bent along the ridge, or None if none holds the posterior."""
    try:
        return _grown(posterior, _BENT_ROUNDS, aligned=False)
    except SurrogateError:
        return None


def _grown(posterior: ExactPosterior, rounds: int, aligned: bool) -> Surrogate:
    """Move out the faces on which the posterior is high, an aligned box's as far as the nearest bound of its own."""
    growth = np.ones((2, 3))
    nearest = np.abs(posterior.bounds[1] - posterior.mode[1]).argmin()
    for _ in range(rounds):
        fitting = _Fitting(posterior, find_box(posterior, growth, aligned))
        # the first polynomial costs little and shows most boxes that are too small
        falls = _checked_falls(posterior, fitting.first, aligned)
        if falls.min() >= _LOW:
            surrogate = fitting.sufficient()
            falls = _checked_falls(posterior, surrogate, aligned)
            if falls.min() >= _LOW:
                return surrogate
        needed = np.sqrt(_LOW_ENOUGH / np.maximum(falls, 1.0)).clip(*_GROWTH)
        growth = np.where(falls < _LOW, growth * needed, growth)
        if aligned and falls[nearest, 1] < _LOW:
            growth[nearest, 1] = np.inf
    raise SurrogateError("the posterior reaches beyond every box that was tried")


def _checked_falls(posterior: ExactPosterior, surrogate: Surrogate, aligned: bool) -> Array:
    """:func:`_true_falls_on_faces`; an error if the posterior is high where a bent box leaves the bounds."""
    if not aligned and _fall_out_of_bounds(posterior, surrogate) < _LOW:
        raise SurrogateError("the posterior is high at a bound, which a bent box cannot end at")
    return _true_falls_on_faces(posterior, surrogate)


def _fall_out_of_bounds(posterior: ExactPosterior, surrogate: Surrogate) -> float:
    """Least fall below the mode where the box leaves the bounds, infinite if it does not."""
    nodes = np.linspace(-1.0, 1.0, _INNER_NODES)
    z = np.stack(np.meshgrid(nodes, nodes, nodes), axis=-1).reshape(-1, 3)
    points = surrogate.box.points(z)
    beyond = np.any(np.abs(points - _clipped(posterior, points)) > 1e-9, axis=1)
    return _true_fall(posterior, surrogate, z[beyond]) if beyond.any() else np.inf


def _sample_polynomial(
    posterior: ExactPosterior,
    surrogate: Surrogate,
    draws: int,
    tune: int,
    chains: int,
    random_seed: int,
    cores: int | None,
    progressbar: bool,
    target_accept: float,
) -> tuple[Array, xr.DataTree]:
    size = len(surrogate.coefficients)
    mode = surrogate.box.coordinates(posterior.mode)
    width = np.sqrt(np.diag(np.linalg.solve(surrogate.box.axes, posterior.covariance)))
    compiled = _compiled_model().with_data(
        coefficients=surrogate.coefficients, orders=np.arange(size, dtype=np.float64)
    )
    tree = sample_compiled(
        compiled, draws=draws, tune=tune, chains=chains, random_seed=random_seed, cores=cores,
        progressbar=progressbar, start=functools.partial(_initial_point, mode, np.clip(width, 0.05, 0.5)),
        target_accept=target_accept,
    )  # fmt: skip
    return tree["posterior"]["z"].to_numpy(), tree


def _true_falls_on_faces(posterior: ExactPosterior, surrogate: Surrogate) -> Array:
    """Least fall below the mode on each low and high face, shape ``(2, 3)``; infinite where the range ends.

    Of the polynomial, and where that is high, of the posterior itself: in corners, where the posterior is low by tens
    of nats, the polynomial may overshoot.
    """
    nodes = np.cos(np.pi * np.arange(_FACE_NODES) / (_FACE_NODES - 1))
    across = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2)
    falls = np.full((2, 3), np.inf)
    for (side, sign), i in itertools.product(enumerate((-1.0, 1.0)), range(3)):
        middle = surrogate.box.points(sign * np.eye(3)[i])
        if abs(middle[i] - posterior.bounds[i, side]) > 1e-6:
            falls[side, i] = _true_fall(posterior, surrogate, np.insert(across, i, sign, axis=1))
    return falls


def _true_fall(posterior: ExactPosterior, surrogate: Surrogate, z: Array) -> float:
    """Least fall below the mode at the points ``z``: the polynomial's, or the exact one where that is too small."""
    falls = surrogate.top - surrogate.value(z)
    high = np.flatnonzero(falls < _LOW)
    if not len(high):
        return float(falls.min())
    # some of them, spread from the highest to the last
    some = high[np.argsort(falls[high])][:: -(-len(high) // _VERIFIED)]
    points = _clipped(posterior, surrogate.box.points(z[some]))
    return float(surrogate.top - max(posterior.log_density(point)[0] for point in points))


def _corrected(
    posterior: ExactPosterior,
    surrogate: Surrogate,
    z: Array,
    points: Array,
    tree: xr.DataTree,
    random_seed: int,
) -> ExactDraws:
    """Accept each draw of a chain, or repeat the one before it, so that the exact posterior is kept."""
    values = posterior.log_densities(points.reshape(-1, 3))
    log_weights = values.reshape(points.shape[:2]) - surrogate.value(z)
    uniforms = np.random.default_rng([random_seed, 1]).uniform(size=log_weights.shape)
    kept = np.array([_accepted(*chain) for chain in zip(log_weights, np.log(uniforms), strict=True)])
    acceptance = float(np.mean(kept == np.arange(kept.shape[1])))
    if acceptance < LEAST_ACCEPTANCE:
        raise SurrogateError(f"only {acceptance:.0%} of the draws fit the exact posterior")
    rows = np.arange(len(kept))[:, None]
    attributes = {"surrogate_error": surrogate.error, "surrogate_acceptance": acceptance}
    return ExactDraws(points[rows, kept], tree, attributes)


def _accepted(log_weights: Array, log_uniforms: Array) -> NDArray[np.int64]:
    """Index of the draw that the chain stands at after each step."""
    current = 0
    kept = np.empty(len(log_weights), dtype=np.int64)
    for i, proposed in enumerate(log_weights):
        if log_uniforms[i] < proposed - log_weights[current]:
            current = i
        kept[i] = current
    return kept


def _initial_point(mode: Array, width: Array, seed: int) -> Array:
    """Start a chain within two standard deviations of the mode, on the scale of the interval transform of z."""
    z = np.clip(mode + width * np.random.default_rng(seed).uniform(-2.0, 2.0, 3), -0.9, 0.9)
    return np.log1p(z) - np.log1p(-z)


@functools.cache
def _compiled_model() -> Any:
    """Compile the polynomial's model once; any coefficients can follow."""
    import pymc as pm
    import pytensor.tensor as pt

    size = DEGREES[0] + 1
    with pm.Model() as model:
        coefficients = pm.Data("coefficients", np.zeros((size, size, size)))
        orders = pm.Data("orders", np.arange(size, dtype=np.float64))
        z = pm.Uniform("z", -1.0, 1.0, shape=3)
        angles = pt.arccos(pt.clip(z, -1.0 + 1e-12, 1.0 - 1e-12))
        basis = pt.cos(orders[None, :] * angles[:, None])
        partial = pt.sum(coefficients * basis[2][None, None, :], axis=2)
        partial = pt.sum(partial * basis[1][None, :], axis=1)
        softened = pt.sum(partial * basis[0])
        pm.Potential("log_posterior", -_SOFTENING * pt.expm1(-softened / _SOFTENING))
    return compile_model(model)
