"""The posterior of one layer as a plain function: what is sampled, without a compiled graph."""

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from htmp_bayes.models import layer
from htmp_bayes.models.adjustment import IDENTITY, Adjustment, bend, estimate_adjustment, slope_of_bend
from htmp_bayes.models.compression import CompressedSpectrum, compress_again
from htmp_bayes.models.law_polynomial import NodeDensities, value_and_slopes

type Array = NDArray[np.float64]

# Starting values of the search for the mode: weak to strong repulsion, weak to strong correlation.
_START_KAPPA = (0.5, 3.0, 20.0, 300.0)
_START_CORRELATION = (0.1, 0.4, 0.9)
_STARTS = 2
# Nodes of the spectrum that the search begins with, and steps that are of a posterior's usual width.
_FEW_NODES = 12
_USUAL_WIDTHS = np.array([0.5, 0.1, 0.1])
# Where a search ends: gains of this share of the log-posterior.
_ROUGHLY, _PRECISELY = 1e-6, 2e-9
_DIFFERENCE = 1e-3
# Of the log-density of an eigenvalue, where a polynomial stands for it: less than 0.01 nats for 1,000 of them.
_TOLERANCE = 1e-5
# A posterior that is flatter than this along an axis ends where the prior does.
_LARGEST_VARIANCE = 9.0


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
        point = np.asarray(point, dtype=np.float64)
        adjusted, slopes = self.adjustment.at(self.expected(point))
        with np.errstate(invalid="ignore"):  # a node of weight 0 where the density vanishes
            # NumPy's own sums: the rounding of BLAS depends on the number of threads.
            columns = self.data["weights"] * value_and_slopes(self.data, self.data["log_nodes"], adjusted)
            value, by_adjusted = np.sum(columns[0]), np.sum(columns[1:], axis=1)
        gradient = by_adjusted @ slopes * self._units
        if self.with_prior:
            value, gradient = value + layer.log_prior_at(point), gradient + layer.log_prior_slope(point)
        if np.isfinite(value) and np.all(np.isfinite(gradient)):
            return float(value), gradient
        return -np.inf, np.zeros(3)

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

    @functools.cached_property
    def mode(self) -> Array:
        """Point of highest posterior density, shape ``(3,)``.

        From the maximum for a spectrum of few nodes, which is a small part of a standard deviation away.
        """
        rough = self._of_few_nodes()
        starts = [
            np.array([np.log(kappa), correlation, 0.0])
            for kappa in _START_KAPPA
            for correlation in _START_CORRELATION
        ]
        if self.adjustment is not IDENTITY:
            # What the composite likelihood's own maximum has become: from elsewhere it may be missed.
            start = (self.adjustment.origin - [0.0, 0.0, self.data["log_mean"]]) / self._units
            starts.append(self.inside(start))
        with ThreadPoolExecutor() as pool:
            heights = [value for value, _ in pool.map(rough.log_density, starts)]
            best = np.argsort(heights)[::-1][:_STARTS]
            found = list(pool.map(lambda i: rough._climb(starts[i], _ROUGHLY), best))
        return self._climb(max(found, key=lambda point: rough.log_density(point)[0]))

    @functools.cached_property
    def curvature(self) -> Array:
        """Minus the matrix of second derivatives at the mode, shape ``(3, 3)``."""
        # one-sided where the mode lies at an end of the range
        ends = self.inside(self.mode + _DIFFERENCE * np.array([-np.eye(3), np.eye(3)]))
        with ThreadPoolExecutor() as pool:
            slopes = [slope for _, slope in pool.map(self.log_density, ends.reshape(-1, 3))]
        rise = np.diff(np.reshape(slopes, (2, 3, 3)), axis=0)[0]
        rows = -rise / np.sum(ends[1] - ends[0], axis=1)[:, None]
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

    def _of_few_nodes(self) -> "LayerPosterior":
        spectrum = compress_again(
            CompressedSpectrum(self.data["log_nodes"], self.data["weights"]), _FEW_NODES
        )
        return type(self)({**self.data, **spectrum._asdict()}, self.adjustment, self.with_prior)

    def _climb(self, start: Array, tolerance: float = _PRECISELY) -> Array:
        def descent(steps: Array) -> tuple[float, Array]:
            value, gradient = self.log_density(start + _USUAL_WIDTHS * steps)
            return (-value, -gradient * _USUAL_WIDTHS) if np.isfinite(value) else (1e300, gradient)

        ends = (self.bounds - start[:, None]) / _USUAL_WIDTHS[:, None]
        bounds = [tuple(None if np.isinf(end) else end for end in pair) for pair in ends]
        options = {"maxiter": 100, "ftol": tolerance}
        found = minimize(descent, np.zeros(3), jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        return self.inside(start + _USUAL_WIDTHS * found.x)


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
