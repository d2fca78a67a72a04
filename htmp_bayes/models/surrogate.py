"""A polynomial that stands for one layer's log-posterior while it is sampled, with its error measured.

The exact log-posterior costs half a millisecond to a few milliseconds, and NUTS asks for it some fifty thousand
times. It is a smooth function of three numbers, so a tensor product of Chebyshev polynomials reproduces it: on a box
around the mode, in the coordinates of the normal approximation, to an error that is measured where the posterior has
its mass and reduced until it does not matter. Interpolation at Chebyshev points converges geometrically (Trefethen,
*Approximation Theory and Approximation Practice*, theorem 8.2).
"""

import dataclasses
import functools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import xarray as xr

type Array = NDArray[np.float64]

# The box ends where the log-posterior has fallen this far below its mode along an axis.
DROP = 22.0
WIDEST = 10.0
# Largest error of the log-posterior, in nats, that a posterior does not notice.
TOLERANCE = 0.02
LARGEST_ERROR = 0.2
SIZES = (10, 14, 18, 24)
# The part of the posterior in which the error is measured: within this drop from the mode.
_RELEVANT = 10.0
_TEST_POINTS = 80
# A draw this close to a face of the box says that the box was too small.
_NEAR_FACE = 0.985
_MAX_ROUNDS = 4


class ExactPosterior(Protocol):
    """What is replaced: a log-density of three unconstrained numbers with gradient, and its mode."""

    @property
    def mode(self) -> Array:
        """Unconstrained point of highest density."""

    def log_density(self, point: Array) -> tuple[float, Array]:
        """Value and gradient at an unconstrained point."""


class SurrogateError(RuntimeError):
    """No polynomial of the sizes allowed reproduces the log-posterior."""


@dataclasses.dataclass(frozen=True)
class Surrogate:
    """Chebyshev polynomial in ``z`` in [-1, 1]^3, at the unconstrained point ``origin + axes @ z``.

    Attributes
    ----------
    coefficients : ndarray
        Shape ``(size, size, size)``.
    origin, axes : ndarray
        Shapes ``(3,)`` and ``(3, 3)``.
    error : float
        Largest error, in nats, at points of the posterior's mass that were not interpolated.
    """

    coefficients: Array
    origin: Array
    axes: Array
    error: float

    def value(self, z: Array) -> float:
        """Polynomial at ``z`` of shape ``(3,)``."""
        return float(np.polynomial.chebyshev.chebval3d(z[0], z[1], z[2], self.coefficients))

    def point(self, z: Array) -> Array:
        """Unconstrained points of ``z``, shape ``(..., 3)``."""
        return self.origin + z @ self.axes.T


def build_surrogate(posterior: ExactPosterior, low: Array, high: Array, threads: int = 2) -> Surrogate:
    """Interpolate a log-posterior between `low` and `high`, in standard deviations from the mode along its axes.

    Parameters
    ----------
    posterior : ExactPosterior
        What is to be interpolated.
    low, high : ndarray
        Ends of the box, shape ``(3,)``; see :func:`find_box`.
    threads : int
        Evaluations of `posterior` at a time.

    Raises
    ------
    SurrogateError
        If the error stays above `TOLERANCE` nats.
    """
    scale = principal_axes(posterior)
    origin = posterior.mode + scale @ ((low + high) / 2)
    axes = scale * ((high - low) / 2)
    top = posterior.log_density(posterior.mode)[0]
    with ThreadPoolExecutor(threads) as pool:
        for size in SIZES:
            surrogate = _interpolate(posterior, origin, axes, size, top, pool)
            if surrogate.error <= TOLERANCE:
                return surrogate
    raise SurrogateError(
        f"the log-posterior is not smooth enough: error {surrogate.error:.2g} nats at size {size}"
    )


def principal_axes(posterior: ExactPosterior) -> Array:
    """Columns: one standard deviation of the normal approximation at the mode along its principal axes."""
    step = 1e-3
    rows = [
        posterior.log_density(posterior.mode + s)[1] - posterior.log_density(posterior.mode - s)[1]
        for s in step * np.eye(3)
    ]
    curvature = -np.array(rows) / (2 * step)
    values, vectors = np.linalg.eigh((curvature + curvature.T) / 2)
    return vectors / np.sqrt(np.clip(values, 0.05, None))


def find_box(posterior: ExactPosterior) -> tuple[Array, Array]:
    """How far from the mode, along each principal axis, the log-posterior falls by `DROP`."""
    scale = principal_axes(posterior)
    top = posterior.log_density(posterior.mode)[0]
    ends = [[_reach(posterior, top, sign * scale[:, i]) for i in range(3)] for sign in (-1.0, 1.0)]
    return -np.array(ends[0]), np.array(ends[1])


def _reach(posterior: ExactPosterior, top: float, direction: Array) -> float:
    inside, outside = 1.0, WIDEST
    if top - posterior.log_density(posterior.mode + outside * direction)[0] < DROP:
        return outside
    for _ in range(6):
        middle = 0.5 * (inside + outside)
        fallen = top - posterior.log_density(posterior.mode + middle * direction)[0]
        inside, outside = (inside, middle) if fallen > DROP else (middle, outside)
    return outside


def _interpolate(
    posterior: ExactPosterior, origin: Array, axes: Array, size: int, top: float, pool: ThreadPoolExecutor
) -> Surrogate:
    nodes = np.cos(np.pi * (np.arange(size) + 0.5) / size)
    grid = np.stack(np.meshgrid(nodes, nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 3)
    values = _evaluate(posterior, origin + grid @ axes.T, pool)
    if not np.all(np.isfinite(values)):
        raise SurrogateError("the log-posterior is not finite everywhere in the box")
    transform = np.cos(np.outer(np.arange(size), np.pi * (np.arange(size) + 0.5) / size)) * 2 / size
    transform[0] /= 2
    cube = values.reshape(size, size, size)
    coefficients = np.einsum("ai,bj,ck,ijk->abc", transform, transform, transform, cube, optimize=True)
    surrogate = Surrogate(coefficients, origin, axes, np.inf)
    return dataclasses.replace(surrogate, error=_measured_error(posterior, surrogate, top, pool))


def _evaluate(posterior: ExactPosterior, points: Array, pool: ThreadPoolExecutor) -> Array:
    return np.array(list(pool.map(lambda point: posterior.log_density(point)[0], points)))


def _measured_error(
    posterior: ExactPosterior, surrogate: Surrogate, top: float, pool: ThreadPoolExecutor
) -> float:
    """Largest error at random points of the box within `_RELEVANT` of the mode."""
    rng = np.random.default_rng(0)
    inverse = np.linalg.inv(surrogate.axes)
    spread = np.linalg.norm(inverse @ principal_axes(posterior), axis=1)
    start = inverse @ (posterior.mode - surrogate.origin)
    z = np.clip(start + 2.0 * spread * rng.standard_normal((3 * _TEST_POINTS, 3)), -0.98, 0.98)
    guess = np.array([surrogate.value(row) for row in z])
    z, guess = z[guess > top - _RELEVANT][:_TEST_POINTS], guess[guess > top - _RELEVANT][:_TEST_POINTS]
    exact = _evaluate(posterior, surrogate.point(z), pool)
    return float(np.max(np.abs(guess - exact))) if len(z) else np.inf


def sample_surrogate(
    posterior: ExactPosterior,
    draws: int,
    tune: int,
    chains: int,
    random_seed: int,
    cores: int | None = None,
    progressbar: bool = False,
) -> tuple[Array, "xr.DataTree", float]:
    """Sample the polynomial by NUTS, on a larger box as long as a draw touches a face of the box.

    Returns
    -------
    points : ndarray
        Unconstrained draws, shape ``(chain, draw, 3)``.
    tree : xarray.DataTree
        What the sampler returned, for its statistics.
    error : float
        Largest error of the log-posterior among some of the draws, in nats, up to a constant.

    Raises
    ------
    SurrogateError
        If there is no polynomial that holds the posterior.
    """
    import nutpie

    low, high = find_box(posterior)
    for _ in range(_MAX_ROUNDS):
        surrogate = build_surrogate(posterior, low, high)
        compiled = dataclasses.replace(
            _compiled_model().with_data(coefficients=surrogate.coefficients, orders=_orders(surrogate)),
            initial_point_func=functools.partial(_initial_point, -(low + high) / (high - low), high - low),
        )
        tree = nutpie.sample(
            compiled, draws=draws, tune=tune, chains=chains, cores=cores, seed=random_seed,
            save_warmup=False, progress_bar=progressbar,
        )  # fmt: skip
        z = tree["posterior"]["z"].to_numpy()
        if z.shape[1] < draws:
            # nutpie turns Ctrl-C into a shorter trace; a posterior must not be shorter than was asked for.
            raise KeyboardInterrupt
        at_low, at_high = (z < -_NEAR_FACE).any(axis=(0, 1)), (z > _NEAR_FACE).any(axis=(0, 1))
        if not (at_low.any() or at_high.any()):
            return surrogate.point(z), tree, _error_at_draws(posterior, surrogate, z)
        low, high = np.where(at_low, 1.4 * low, low), np.where(at_high, 1.4 * high, high)
    raise SurrogateError("the posterior reaches beyond every box that was tried")


def _error_at_draws(posterior: ExactPosterior, surrogate: Surrogate, z: Array) -> float:
    """Compare polynomial and log-posterior at evenly thinned draws."""
    flat = z.reshape(-1, 3)
    thinned = flat[:: max(len(flat) // _TEST_POINTS, 1)]
    exact = np.array([posterior.log_density(point)[0] for point in surrogate.point(thinned)])
    difference = np.array([surrogate.value(row) for row in thinned]) - exact
    error = float(np.max(np.abs(difference - np.median(difference))))
    if not error < LARGEST_ERROR:
        raise SurrogateError(f"the polynomial is off by {error:.2g} nats at a draw")
    return error


def _orders(surrogate: Surrogate) -> Array:
    return np.arange(surrogate.coefficients.shape[0], dtype=np.float64)


def _initial_point(mode: Array, width: Array, seed: int) -> Array:
    """Start a chain within two standard deviations of the mode, on the scale of the interval transform of z."""
    z = mode + 2.0 * np.random.default_rng(seed).uniform(-2.0, 2.0, 3) / width
    z = np.clip(z, -0.9, 0.9)
    return np.log1p(z) - np.log1p(-z)


@functools.cache
def _compiled_model() -> Any:
    """Compile the polynomial's model once; any coefficients can follow."""
    import nutpie
    import pymc as pm
    import pytensor.tensor as pt

    size = SIZES[0]
    with pm.Model() as model:
        coefficients = pm.Data("coefficients", np.zeros((size, size, size)))
        orders = pm.Data("orders", np.arange(size, dtype=np.float64))
        z = pm.Uniform("z", -1.0, 1.0, shape=3)
        angles = pt.arccos(pt.clip(z, -1.0 + 1e-12, 1.0 - 1e-12))
        basis = pt.cos(orders[None, :] * angles[:, None])
        partial = pt.sum(coefficients * basis[2][None, None, :], axis=2)
        partial = pt.sum(partial * basis[1][None, :], axis=1)
        pm.Potential("log_posterior", pt.sum(partial * basis[0]))
    return nutpie.compile_pymc_model(model)
