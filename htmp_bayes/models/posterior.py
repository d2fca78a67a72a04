"""The posterior of one layer as a plain function: what is sampled, without a compiled graph."""

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import digamma

from htmp_bayes.laws.kernel import log_density
from htmp_bayes.models import layer

type Array = NDArray[np.float64]

# Starting values of the search for the mode: weak to strong repulsion, weak to strong correlation.
_START_KAPPA = (0.5, 3.0, 20.0, 300.0)
_START_CORRELATION = (0.1, 0.4, 0.9)
_STARTS = 2
_DIFFERENCE = 1e-3
# A posterior that is flatter than this along an axis ends where the prior does.
_LARGEST_VARIANCE = 9.0


class Table(NamedTuple):
    """Functions of the parameters at one point, and their derivatives.

    Attributes
    ----------
    values : ndarray
        Shape ``(1 + K,)``: the log-posterior, then the log-density of an eigenvalue at each node.
    gradients : ndarray
        Shape ``(1 + K, 3)``: their derivatives by the coordinates.
    """

    values: Array
    gradients: Array


class LayerPosterior:
    """Log-posterior of one layer in the coordinates log kappa, correlation and location.

    The density is with respect to these coordinates; they end at `bounds`, where the prior does. It is the
    posterior of :func:`~htmp_bayes.models.layer.layer_model`, which tests compare it with.

    Parameters
    ----------
    data : dict
        What :func:`~htmp_bayes.models.layer.layer_data` returns.

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

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data

    def table(self, point: Array) -> Table:
        """Log-posterior and log-density at each node, with gradients, at a point of shape ``(3,)``."""
        kappa, correlation, location = np.exp(point[0]), point[1], point[2]
        data = self.data
        log_temperature = layer.log_temperature(kappa, location, data)
        columns = log_density(
            data["log_nodes"] - log_temperature, kappa, data["gamma"], correlation, data["population"]
        )
        log_f = columns[:, 0] - log_temperature
        by_log_temperature = -columns[:, 1] - 1
        by_kappa = columns[:, 2] - by_log_temperature * _slope_of_expected_log(kappa, data["gamma"])
        gradients = np.stack([kappa * by_kappa, columns[:, 4], data["log_sd"] * by_log_temperature], axis=1)
        weights = data["weights"]
        # NumPy's own sums: the rounding of BLAS depends on the number of threads.
        total = np.sum(weights * log_f) + layer.log_prior_at(point)
        slope = np.sum(weights[:, None] * gradients, axis=0) + layer.log_prior_slope(point)
        return Table(np.append(total, log_f), np.vstack([slope, gradients]))

    def log_density(self, point: Array) -> tuple[float, Array]:
        """Log-posterior and its gradient at a point of shape ``(3,)``; ``-inf`` and 0 where it vanishes."""
        table = self.table(np.asarray(point, dtype=np.float64))
        value, gradient = float(table.values[0]), table.gradients[0]
        if np.isfinite(value) and np.all(np.isfinite(gradient)):
            return value, gradient
        return -np.inf, np.zeros(3)

    @functools.cached_property
    def mode(self) -> Array:
        """Point of highest posterior density, shape ``(3,)``."""
        starts = [
            np.array([np.log(kappa), correlation, 0.0])
            for kappa in _START_KAPPA
            for correlation in _START_CORRELATION
        ]
        starts.sort(key=lambda point: -self.log_density(point)[0])
        found = [self._climb(start) for start in starts[:_STARTS]]
        return max(found, key=lambda point: self.log_density(point)[0])

    @functools.cached_property
    def covariance(self) -> Array:
        """Covariance of the normal approximation at the mode, shape ``(3, 3)``."""
        rows = []
        for step in _DIFFERENCE * np.eye(3):
            # one-sided where the mode lies at an end of the range
            low, high = self.inside(self.mode - step), self.inside(self.mode + step)
            rise = self.log_density(high)[1] - self.log_density(low)[1]
            rows.append(-rise / np.sum(high - low))
        curvature = np.array(rows)
        values, vectors = np.linalg.eigh((curvature + curvature.T) / 2)
        return (vectors / np.clip(values, 1 / _LARGEST_VARIANCE, None)) @ vectors.T

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

    def _climb(self, start: Array) -> Array:
        def descent(point: Array) -> tuple[float, Array]:
            value, gradient = self.log_density(point)
            return (-value, -gradient) if np.isfinite(value) else (1e300, gradient)

        bounds = [tuple(None if np.isinf(end) else end for end in pair) for pair in self.bounds]
        found = minimize(descent, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 100})
        return self.inside(found.x)


def _slope_of_expected_log(kappa: float, gamma: float) -> float:
    """Return minus the derivative of log T by kappa at fixed location."""
    largest = kappa / (2 * gamma) + layer.HELD_UP
    smallest = largest - kappa / 2
    expected = layer.expected_log(kappa, gamma)
    slope = digamma(largest) / (2 * gamma) - digamma(smallest) * (1 / gamma - 1) / 2
    return float((slope - expected / 2) / (kappa / 2))
