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
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lstsq
from scipy.special import logsumexp
from scipy.stats import qmc
from threadpoolctl import threadpool_limits

from htmp_bayes.models.nuts import compile_model, sample_compiled

if TYPE_CHECKING:
    import xarray as xr

type Array = NDArray[np.float64]

DEGREES = (10, 12, 14)
# Equations for each coefficient; every point gives four, the value and the gradient.
_OVERSAMPLING = 2.5
# The box ends where the log-posterior has fallen this far below its mode along an axis.
DROP = 12.0
WIDEST = 12.0
# A root-mean-square error of the log-posterior, in nats, that takes no more effort to reduce.
TOLERANCE = 0.05
# With a larger one too many draws would be turned down.
LARGEST_ERROR = 0.4
# Below the mode, logarithm's growth instead of the posterior's own: nobody goes there, and it may be steep.
_SOFTENING = 10.0
_TEST_POINTS = 64
# Nodes in each coordinate; the posterior falls by about 12 nats from the middle to a face.
_QUADRATURE = 48
_RELEVANT = 8.0
# A draw this close to a face of the box says that the box was too small.
_NEAR_FACE = 0.985
_MAX_ROUNDS = 4
# Short steps cost next to nothing on a polynomial, and leave no divergences near the faces of the box.
_TARGET_ACCEPT = 0.95
# Share of draws that the Metropolis-Hastings step must accept.
LEAST_ACCEPTANCE = 0.7


class ExactPosterior(Protocol):
    """What is approximated: a log-density of three numbers within bounds, with its mode and curvature."""

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


class SurrogateError(RuntimeError):
    """No polynomial comes close enough to the log-posterior."""


class Box(NamedTuple):
    """A parallelepiped: the points ``origin + axes @ z`` with ``z`` in [-1, 1]^3."""

    origin: Array
    axes: Array

    def points(self, z: Array) -> Array:
        """Points of the coordinates ``z``, shape ``(..., 3)``."""
        return self.origin + z @ self.axes.T

    def coordinates(self, points: Array) -> Array:
        """Coordinates of points, shape ``(..., 3)``."""
        return np.linalg.solve(self.axes, (points - self.origin)[..., None])[..., 0]


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

    def log_integral(self) -> float:
        """Logarithm of the posterior's integral over the box, by Gauss and Legendre's rule in each coordinate."""
        nodes, weights = np.polynomial.legendre.leggauss(_QUADRATURE)
        values = self._hardened(np.polynomial.chebyshev.chebgrid3d(nodes, nodes, nodes, self.coefficients))
        log_weights = np.log(weights)
        terms = values + log_weights[:, None, None] + log_weights[:, None] + log_weights
        return float(logsumexp(terms) + np.linalg.slogdet(self.box.axes)[1])

    def _hardened(self, softened: NDArray[Any]) -> Array:
        return np.asarray(self.top - _SOFTENING * np.expm1(-softened / _SOFTENING), dtype=np.float64)


def find_box(posterior: ExactPosterior, growth: Array | None = None) -> Box:
    """Enclose the posterior's mass, along the axes of the normal approximation's Cholesky factor.

    The first axis goes with the regression of the others on the first coordinate, so that a slice along it is
    a profile. Where that would leave the bounds, the box is aligned with the first two coordinates, which have
    bounds.

    Parameters
    ----------
    posterior : ExactPosterior
        What is to be approximated.
    growth : ndarray, optional
        Factors by which the low and high ends are moved out, shape ``(2, 3)``.
    """
    factor = np.linalg.cholesky(posterior.covariance)
    box = _box(posterior, factor, growth)
    corners = box.points(np.array(np.meshgrid(*[[-1.0, 1.0]] * 3)).reshape(3, -1).T)
    if np.allclose(posterior.bounds[1].clip(*_ends(corners[:, 1])), _ends(corners[:, 1])):
        return box
    covariance = posterior.covariance
    aligned = np.diag(np.append(np.sqrt(np.diag(covariance)[:2]), factor[2, 2]))
    aligned[2, :2] = np.linalg.solve(covariance[:2, :2], covariance[:2, 2]) * np.diag(aligned)[:2]
    return _box(posterior, aligned, growth)


def _ends(values: Array) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _box(posterior: ExactPosterior, axes: Array, growth: Array | None) -> Box:
    directions = [(sign, axes[:, i], i) for sign in (-1.0, 1.0) for i in range(3)]
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda direction: _reach(posterior, *direction), directions))
    reach = np.reshape(found, (2, 3))
    if growth is not None:
        limits = [[_limit(posterior, sign, axes[:, i], i) for i in range(3)] for sign in (-1.0, 1.0)]
        reach = np.minimum(reach * growth, limits)
    low, high = -reach[0], reach[1]
    return Box(posterior.mode + axes @ ((low + high) / 2), axes * ((high - low) / 2))


def _limit(posterior: ExactPosterior, sign: float, axis: Array, coordinate: int) -> float:
    """How far from the mode the axis leaves the bounds of its own coordinate."""
    end = posterior.bounds[coordinate, int(sign > 0)]
    return float(abs(end - posterior.mode[coordinate]) / axis[coordinate])


def _reach(posterior: ExactPosterior, sign: float, axis: Array, coordinate: int) -> float:
    """How far from the mode the log-posterior has fallen by `DROP`, or the bound is met."""
    top = posterior.log_density(posterior.mode)[0]

    def fallen(distance: float) -> bool:
        point = _clipped(posterior, posterior.mode + sign * distance * axis)
        return top - posterior.log_density(point)[0] > DROP

    inside, outside = 0.0, min(WIDEST, _limit(posterior, sign, axis, coordinate))
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
    z = np.cos(np.pi * qmc.Sobol(3, rng=0).random(1024))
    tests = _test_coordinates(posterior, box)
    values, gradients = np.empty(0), np.empty((0, 3))
    top = posterior.log_density(posterior.mode)[0]
    with ThreadPoolExecutor(threads) as pool, threadpool_limits(1, user_api="blas"):
        expected, _ = _evaluate(posterior, box.points(tests), pool)
        for degree in DEGREES:
            orders = _orders_of_degree(degree)
            count = int(np.ceil(_OVERSAMPLING * len(orders) / 4))
            more = _evaluate(posterior, box.points(z[len(values) : count]), pool)
            values, gradients = np.append(values, more[0]), np.vstack([gradients, more[1] @ box.axes])
            coefficients = _fit(z[:count], values - top, gradients, degree, orders)
            surrogate = Surrogate(coefficients, box, top, np.inf)
            surrogate = dataclasses.replace(surrogate, error=_error(surrogate, tests, expected))
            if surrogate.error <= TOLERANCE:
                return surrogate
    if surrogate.error <= LARGEST_ERROR:
        return surrogate
    raise SurrogateError(
        f"the log-posterior is not smooth enough: error {surrogate.error:.2g} nats at degree {DEGREES[-1]}"
    )


def _test_coordinates(posterior: ExactPosterior, box: Box) -> Array:
    """Draw from a normal approximation of more than the posterior's width, inside the box."""
    spread = 1.4 * np.linalg.cholesky(posterior.covariance)
    points = posterior.mode + np.random.default_rng(0).standard_normal((40 * _TEST_POINTS, 3)) @ spread.T
    z = box.coordinates(points)
    return z[np.all(np.abs(z) < 1, axis=1)][:_TEST_POINTS]


def _error(surrogate: Surrogate, z: Array, expected: Array) -> float:
    relevant = expected > surrogate.top - _RELEVANT
    if not relevant.any():
        return np.inf
    return float(np.std(surrogate.value(z[relevant]) - expected[relevant]))


def _evaluate(posterior: ExactPosterior, points: Array, pool: ThreadPoolExecutor) -> tuple[Array, Array]:
    found = list(pool.map(posterior.log_density, _clipped(posterior, points)))
    return np.array([value for value, _ in found]), np.array([gradient for _, gradient in found])


def _orders_of_degree(degree: int) -> NDArray[np.int64]:
    """Orders of the basis, shape ``(n, 3)``: all with a sum of at most `degree`."""
    grid = np.stack(np.meshgrid(*[np.arange(degree + 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    return grid[grid.sum(axis=1) <= degree]


def _fit(z: Array, fall: Array, gradients: Array, degree: int, orders: NDArray[np.int64]) -> Array:
    """Weighted least squares for value and gradient by the angles ``arccos z``, at points ``z``."""
    finite = np.isfinite(fall)
    z, depth, gradients = z[finite], np.maximum(-fall[finite], 0.0), gradients[finite]
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
    weights = 1 / np.sqrt(1 + depth / _SOFTENING)
    scales = [weights] + 3 * [weights / degree]
    matrix = np.concatenate([scale[:, None] * block for scale, block in zip(scales, blocks, strict=True)])
    right = np.concatenate([scale * target for scale, target in zip(scales, targets, strict=True)])
    cube = np.zeros((degree + 1,) * 3)
    cube[tuple(orders.T)] = lstsq(matrix, right, lapack_driver="gelsy", check_finite=False)[0]
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
    tree: "xr.DataTree"
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
    """Sample the polynomial by NUTS, on a larger box as long as a draw touches a face of it, and correct.

    Raises
    ------
    SurrogateError
        If there is no polynomial that holds the posterior.
    """
    growth = np.ones((2, 3))
    for _ in range(_MAX_ROUNDS):
        surrogate = build_surrogate(posterior, find_box(posterior, growth))
        z, tree = _sample_polynomial(
            posterior, surrogate, draws, tune, chains, random_seed, cores, progressbar
        )
        points = _clipped(posterior, surrogate.box.points(z))
        touched = _touched_faces(posterior, surrogate.box, z)
        if not touched.any():
            return _corrected(posterior, surrogate, z, points, tree, random_seed)
        growth = np.where(touched, 1.4 * growth, growth)
    raise SurrogateError("the posterior reaches beyond every box that was tried")


def _sample_polynomial(
    posterior: ExactPosterior,
    surrogate: Surrogate,
    draws: int,
    tune: int,
    chains: int,
    random_seed: int,
    cores: int | None,
    progressbar: bool,
) -> tuple[Array, "xr.DataTree"]:
    size = len(surrogate.coefficients)
    mode = surrogate.box.coordinates(posterior.mode)
    width = np.sqrt(np.diag(surrogate.box.coordinates(surrogate.box.origin + posterior.covariance)))
    compiled = _compiled_model().with_data(
        coefficients=surrogate.coefficients, orders=np.arange(size, dtype=np.float64)
    )
    tree = sample_compiled(
        compiled, draws=draws, tune=tune, chains=chains, random_seed=random_seed, cores=cores,
        progressbar=progressbar, start=functools.partial(_initial_point, mode, np.clip(width, 0.05, 0.5)),
        target_accept=_TARGET_ACCEPT,
    )  # fmt: skip
    return tree["posterior"]["z"].to_numpy(), tree


def _touched_faces(posterior: ExactPosterior, box: Box, z: Array) -> NDArray[np.bool_]:
    """Low and high faces that a draw came close to, shape ``(2, 3)``; where the range ends there is no beyond."""
    touched = np.array([(z < -_NEAR_FACE).any(axis=(0, 1)), (z > _NEAR_FACE).any(axis=(0, 1))])
    for side, sign in enumerate((-1.0, 1.0)):
        faces = box.points(sign * np.eye(3))[np.arange(3), np.arange(3)]
        ends = posterior.bounds[:, side]
        touched[side] &= np.abs(faces - ends) > 1e-6
    return touched


def _corrected(
    posterior: ExactPosterior,
    surrogate: Surrogate,
    z: Array,
    points: Array,
    tree: "xr.DataTree",
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
