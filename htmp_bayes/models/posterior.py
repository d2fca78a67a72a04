"""The posterior of one layer as a plain function: what is sampled, without a compiled graph."""

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from htmp_bayes.models import layer
from htmp_bayes.models.adjustment import IDENTITY, Adjustment, bend, estimate_adjustment, slope_of_bend
from htmp_bayes.models.law_polynomial import NodeDensities, value_and_slopes
from htmp_bayes.models.shape_table import likely_points, rough_log_likelihoods

type Array = NDArray[np.float64]

# A search ends where it gains no more than so many nats.
_GAIN = 1e-5
# Another start is followed if it leads so many standard deviations away, to a top at most so many nats lower.
_FAR, _MUCH_LOWER = 2.0, 1.0
# A search that ends with a correlation below this may mean none at all.
_TRACE = 0.02
# Step of the curvature's differences.
_DIFFERENCE = 1e-3
# Precisions of log kappa, correlation and location that a search assumes at least.
_LEAST_PRECISION = np.diag([0.3, 1.0, 1.0])
# Of the log-density of an eigenvalue, where a polynomial stands for it: less than 0.01 nats for 1,000 of them.
_TOLERANCE = 1e-5
# A posterior that is flatter than this along an axis ends where the prior does.
_LARGEST_VARIANCE = 9.0


class _Place(NamedTuple):
    """A point, the log-density and its gradient there, and the curvature that is expected around it."""

    point: Array
    height: float
    gradient: Array
    curvature: Array


class LayerPosterior:
    """Log-posterior of one layer in the coordinates log kappa, correlation and location.

    The density is with respect to these coordinates; they end at `bounds`, where the prior does. It is the
    posterior of :func:`~htmp_bayes.models.layer.layer_model`, which tests compare it with.

    Parameters
    ----------
    data : dict
        What :func:`~htmp_bayes.models.layer.layer_data` returns.
    adjustment : Adjustment
        Correction of the likelihood's curvature; none by default.
    with_prior : bool
        Whether the prior is part of it; without, it is the log-likelihood.

    Examples
    --------
    >>> import numpy as np
    >>> from htmp_bayes.models.layer import layer_data
    >>> posterior = LayerPosterior(layer_data(np.linspace(0.5, 2.0, 50), gamma=0.25))
    >>> value, gradient = posterior.log_density(np.array([1.0, 0.5, 0.0]))
    >>> bool(np.isfinite(value)), gradient.shape
    (True, (3,))
    """

    bounds = np.array([np.log(layer.KAPPA_RANGE), (0.0, layer.CORRELATION_MAX), (-np.inf, np.inf)])

    def __init__(
        self, data: dict[str, Any], adjustment: Adjustment = IDENTITY, with_prior: bool = True
    ) -> None:
        self.data = data
        self.adjustment = adjustment
        self.with_prior = with_prior
        # a location of 1 is so much of the expected log-eigenvalue
        self._units = np.array([1.0, 1.0, data["log_sd"]])
        self._densities = NodeDensities(data, _TOLERANCE)

    def expected(self, point: Array) -> Array:
        """Replace the location by the expected log-eigenvalue it stands for, shape ``(3,)``."""
        return self._units * point + [0.0, 0.0, self.data["log_mean"]]

    def node_log_density(self, points: Array) -> Array:
        """Log-density of an eigenvalue at each node, shape ``(..., K)``, without adjustment.

        For points of shape ``(..., 3)``, to 1e-5 (:class:`~htmp_bayes.models.law_polynomial.NodeDensities`).
        """
        return self._densities.at(self.expected(points))

    def log_density(self, point: Array) -> tuple[float, Array]:
        """Log-posterior and its gradient at a point of shape ``(3,)``; ``-inf`` and 0 where it vanishes."""
        value, gradient, _ = self.with_information(np.asarray(point, dtype=np.float64))
        return value, gradient

    def with_information(self, point: Array) -> tuple[float, Array, Array]:
        """Log-posterior, its gradient, and the squares of the eigenvalues' scores, summed, shape ``(3, 3)``."""
        adjusted, slopes = self.adjustment.at(self.expected(point))
        weights = self.data["weights"]
        with np.errstate(invalid="ignore"):  # a node of weight 0 where the density vanishes
            rows = value_and_slopes(self.data, self.data["log_nodes"], adjusted)
            # NumPy's own sums: the rounding of BLAS depends on the number of threads.
            value, by_adjusted = np.sum(weights * rows[0]), np.sum(weights * rows[1:], axis=1)
            squares = np.einsum("k,ik,jk->ij", weights, rows[1:], rows[1:])
        to_point = slopes * self._units
        gradient = by_adjusted @ to_point
        if self.with_prior:
            value, gradient = value + layer.log_prior_at(point), gradient + layer.log_prior_slope(point)
        if np.isfinite(value) and np.all(np.isfinite(gradient)):
            return float(value), gradient, to_point.T @ squares @ to_point
        return -np.inf, np.zeros(3), np.zeros((3, 3))

    def log_densities(self, points: Array) -> Array:
        """Log-posterior at points of shape ``(D, 3)``, to 1e-5 for each eigenvalue; its constant is `log_density`'s."""
        expected = self.expected(points)
        # the law at the points themselves is asked for next, by `node_log_density`
        log_f = self._densities.at(self.adjustment.evaluated_at(expected), later=expected)
        with np.errstate(invalid="ignore"):  # a node of weight 0 where the density vanishes
            values = np.sum(self.data["weights"] * log_f, axis=1)
        if self.with_prior:
            values = values + layer.log_prior_at(points)
        return np.where(np.isfinite(values), values, -np.inf)

    def rough_log_densities(self, points: Array) -> Array:
        """Log-posterior at points of shape ``(D, 3)`` from a table, to tell the hopeless ones: those take longest."""
        expected = self.adjustment.evaluated_at(self.expected(points))
        prior = layer.log_prior_at(points) if self.with_prior else 0.0
        return rough_log_likelihoods(self.data, expected) + prior

    def starts(self) -> list[Array]:
        """Places to look for the mode, the likeliest first."""
        return likely_points(self.data, self.with_prior)

    @functools.cached_property
    def mode(self) -> Array:
        """Point of highest posterior density, shape ``(3,)``.

        Searched from where a table of the law says that it may be.
        """
        return self._top.point

    @functools.cached_property
    def at_mode(self) -> tuple[float, Array]:
        """Log-posterior and its gradient at the mode."""
        return self._top.height, self._top.gradient

    @functools.cached_property
    def _top(self) -> _Place:
        starts = [self.inside(point) for point in self.starts()]
        if self.adjustment is not IDENTITY:
            # What the composite likelihood's own maximum has become: from elsewhere it may be missed.
            start = (self.adjustment.origin - [0.0, 0.0, self.data["log_mean"]]) / self._units
            starts.insert(0, self.inside(start))
        best = self._climb(self._at(starts[0]))
        for start in starts[1:]:
            here = self._at(start)
            if self._leads_elsewhere(here, best):
                best = max(best, self._climb(here), key=lambda place: place.height)
        return self._without_trace_of_correlation(best)

    @functools.cached_property
    def curvature(self) -> Array:
        """Minus the matrix of second derivatives at the mode, shape ``(3, 3)``."""
        # upwards, but for a mode at the upper end of a range
        steps = np.diag(np.where(self.mode + _DIFFERENCE <= self.bounds[:, 1], _DIFFERENCE, -_DIFFERENCE))
        slopes = np.array([self.log_density(point)[1] for point in self.mode + steps])
        rows = (self.at_mode[1] - slopes) / np.diag(steps)[:, None]
        return (rows + rows.T) / 2

    @functools.cached_property
    def covariance(self) -> Array:
        """Covariance of the normal approximation at the mode, shape ``(3, 3)``, where it is flat a wide one."""
        values, vectors = np.linalg.eigh(self.curvature)
        return (vectors / np.clip(values, 1 / _LARGEST_VARIANCE, None)) @ vectors.T

    def bend(self, first: Array) -> tuple[Array, Array]:
        """Distance of the ridge from its tangent at the mode, by log kappa, and its slope; see `adjustment.bend`."""
        ridge = self.covariance[1:, 0] / self.covariance[0, 0]
        distance = np.stack(bend(first, self.mode, ridge), axis=-1)
        return distance, slope_of_bend(first, self.mode, ridge)

    def inside(self, point: Array) -> Array:
        """Move points of shape ``(..., 3)`` to the nearest ones within `bounds`."""
        return np.clip(point, self.bounds[:, 0], self.bounds[:, 1])

    def parameters(self, points: Array) -> dict[str, Array]:
        """Compute the model's parameters at points of shape ``(..., 3)``."""
        kappa, location = np.exp(points[..., 0]), points[..., 2]
        return {
            "kappa": kappa,
            "correlation": points[..., 1],
            "location": location,
            "temperature": np.exp(layer.log_temperature(kappa, location, self.data)),
        }

    def adjusted(self, random_seed: int) -> "LayerPosterior":
        """Adjust the curvature of the likelihood at the mode; see :func:`adjusted_posterior`."""
        adjustment = estimate_adjustment(self.expected(self.mode), self.data, random_seed)
        return LayerPosterior(self.data, adjustment, self.with_prior)

    def _at(self, point: Array) -> _Place:
        value, gradient, information = self.with_information(point)
        return _Place(point, value, gradient, information + _LEAST_PRECISION)

    def _newton(self, place: _Place) -> tuple[Array, float]:
        """Where a step of Newton's ends, and what it promises to gain."""
        end = self.inside(place.point + np.linalg.solve(place.curvature, place.gradient))
        step = end - place.point
        return end, float(step @ place.gradient - 0.5 * step @ place.curvature @ step)

    def _leads_elsewhere(self, start: _Place, top: _Place) -> bool:
        """Whether a step from `start` ends far from a top that has been found, and not much lower."""
        end, gain = self._newton(start)
        away = end - top.point
        far = away @ start.curvature @ away > _FAR**2
        return bool(far and start.height + gain > top.height - _MUCH_LOWER)

    def _without_trace_of_correlation(self, top: _Place) -> _Place:
        """Move a top next to a correlation of 0, where the law is flat in it and a search stops short, to 0 itself."""
        if top.point[1] > _TRACE:
            return top
        at_zero = self._at(top.point * [1.0, 0.0, 1.0])
        return at_zero if at_zero.height > top.height - _GAIN else top

    def _climb(self, start: _Place) -> _Place:
        """Go uphill from `start`, in coordinates that are scaled by the curvature expected there."""
        factor = np.linalg.cholesky(np.linalg.inv(start.curvature))

        def descent(steps: Array) -> tuple[float, Array]:
            here = start.height, start.gradient
            if steps.any():
                here = self.log_density(self.inside(start.point + factor @ steps))
            return (-here[0] if np.isfinite(here[0]) else 1e300), -here[1] @ factor

        low, high = (self.bounds[:2] - start.point[:2, None]).T
        to_ends = {
            "type": "ineq",
            "fun": lambda steps: np.concatenate([factor[:2] @ steps - low, high - factor[:2] @ steps]),
            "jac": lambda _: np.concatenate([factor[:2], -factor[:2]]),
        }
        options = {"maxiter": 100, "ftol": _GAIN}
        found = minimize(descent, np.zeros(3), jac=True, method="SLSQP", constraints=to_ends, options=options)
        return self._at(self.inside(start.point + factor @ found.x))


def adjusted_posterior(data: dict[str, Any], random_seed: int) -> LayerPosterior:
    """Posterior of one layer with the likelihood's curvature adjusted at the mode.

    Parameters
    ----------
    data : dict
        What :func:`~htmp_bayes.models.layer.layer_data` returns.
    random_seed : int
        Seed of the finite matrices from which the adjustment is estimated.

    Examples
    --------
    >>> from htmp_bayes.models.layer import layer_data
    >>> data = layer_data(np.linspace(0.5, 2.0, 50), gamma=0.25)
    >>> adjusted_posterior(data, random_seed=1).adjustment.stretch.shape
    (3, 3)
    """
    return LayerPosterior(data).adjusted(random_seed)
