r"""One layer's likelihood as a network's model needs it: exact by its polynomials, and a normal one close to that.

The coordinates are those that are pooled: log(kappa/N), logit(correlation / 3) and log scale, scale = kappa T / (2
gamma). The likelihood is that of :class:`~htmp_bayes.models.layer.posterior.LayerPosterior` less its prior. Its normal
form is what, multiplied by a wide normal reference for all layers, has the mean and covariance that the likelihood has
with it: where a layer's spectrum says little, what matters is how far it pulls at what the others say (a site of
expectation propagation: Minka 2001; Gelman, Vehtari, Jylänki et al. 2020, J. Mach. Learn. Res. 21, 17).
"""

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, logsumexp
from scipy.stats import chi2, norm, qmc

from htmp_bayes.models.layer.data import LayerData
from htmp_bayes.models.layer.posterior import LayerPosterior
from htmp_bayes.models.layer.prior import CORRELATION_MAX, expected_log
from htmp_bayes.models.layer.stand_in import build_stand_in

type Array = NDArray[np.float64]

_LEAST_CORRELATION = 1e-6
_DEGREES_OF_FREEDOM = 5.0
_POINTS = 1024
# Points at a time, so that their basis stays in the processor's cache.
_CHUNK = 4096


class Normal(NamedTuple):
    """Normal likelihood in natural form: precision, shape ``(3, 3)``, and that times the mean, shape ``(3,)``."""

    precision: Array
    linear: Array


class LayerSite:
    """Likelihood of one layer in the coordinates that are pooled.

    Parameters
    ----------
    data : LayerData
        The spectrum.

    Raises
    ------
    StandInError
        If no polynomials come close enough to the likelihood.
    """

    def __init__(self, data: LayerData) -> None:
        self.data = data
        self.posterior = LayerPosterior(data)
        self.stand_in = build_stand_in(self.posterior)
        self._root = np.linalg.cholesky(self.posterior.covariance)

    def theta(self, points: Array) -> Array:
        """Pooled coordinates of points of the posterior's, both of shape ``(K, 3)``."""
        at = self.posterior.parameters(points)
        rho = np.clip(at["correlation"], _LEAST_CORRELATION, CORRELATION_MAX - _LEAST_CORRELATION)
        log_scale = np.log(at["kappa"] * at["temperature"] / (2 * self.data.gamma))
        return np.stack(
            [np.log(at["kappa"] / self.data.size), logit(rho / CORRELATION_MAX), log_scale], axis=-1
        )

    def points(self, theta: Array) -> Array:
        """Point of the posterior at pooled coordinates, both of shape ``(K, 3)``."""
        log_kappa = theta[..., 0] + np.log(self.data.size)
        log_temperature = theta[..., 2] - log_kappa + np.log(2 * self.data.gamma)
        kappa = np.exp(np.clip(log_kappa, *self.posterior.bounds[0]))
        location = log_temperature + expected_log(kappa, self.data.gamma) - self.data.log_mean
        return np.stack(
            [log_kappa, CORRELATION_MAX * expit(theta[..., 1]), location / self.data.log_sd], axis=-1
        )

    def log_likelihood(self, theta: Array) -> Array:
        """Log-likelihood by the polynomials at pooled coordinates ``(K, 3)``, shape ``(K,)``."""
        return self._at(self.points(theta))

    def exact(self, theta: Array) -> Array:
        """Log-likelihood without polynomials at pooled coordinates ``(K, 3)``, shape ``(K,)``."""
        points = np.clip(self.points(theta), *self.posterior.bounds.T)
        return np.array([self.posterior.log_density(point) for point in points]) - self.posterior.log_prior(
            points
        )

    def _at(self, points: Array) -> Array:
        return np.concatenate([self._of_chunk(points[i : i + _CHUNK]) for i in range(0, len(points), _CHUNK)])

    def _of_chunk(self, points: Array) -> Array:
        """By the polynomials within their box; beyond, it falls from there as the normal approximation does."""
        box = self.stand_in.box
        z = (points - box.origin) @ np.linalg.inv(box.axes).T
        nearest = np.clip(z, -1.0, 1.0)
        inside = np.clip(box.points(nearest), *self.posterior.bounds.T)
        values = self.stand_in.log_density(nearest) - self.posterior.log_prior(inside)
        beyond = np.any(z != nearest, axis=1)
        if beyond.any():
            values[beyond] -= 0.5 * np.maximum(
                self._squared_distance(points[beyond]) - self._squared_distance(inside[beyond]), 0.0
            )
        return values

    def _squared_distance(self, points: Array) -> Array:
        standard = np.linalg.solve(self._root, (points - self.posterior.mode).T)
        return np.asarray(np.sum(standard**2, axis=0))

    @functools.cached_property
    def _sample(self) -> tuple[Array, Array, Array]:
        """Points about the posterior, where they are in pooled coordinates, and log(likelihood over their density)."""
        away, log_density = _student_points()
        points = self.posterior.mode + away @ self._root.T
        return points, self.theta(points), self._at(points) - log_density

    @functools.cached_property
    def own_mean(self) -> Array:
        """Posterior mean of the pooled coordinates under the prior of a single layer, shape ``(3,)``."""
        points, theta, log_weights = self._sample
        log_prior = self.posterior.log_prior(np.clip(points, *self.posterior.bounds.T))
        return np.asarray(_weights(log_weights + log_prior) @ theta)

    def normal_form(self, centre: Array, spread: Array) -> Normal:
        """Find the normal likelihood that does the same to a normal reference: `centre` and `spread`, ``(3,)``."""
        points, theta, log_weights = self._sample
        rho = np.clip(np.abs(points[:, 1]), _LEAST_CORRELATION, CORRELATION_MAX - _LEAST_CORRELATION)
        log_volume = -np.log(rho) - np.log1p(-rho / CORRELATION_MAX)
        standard = (theta - centre) / spread
        weights = _weights(log_weights + log_volume - 0.5 * np.sum(standard**2, axis=1))
        mean = weights @ standard
        away = standard - mean
        precision = np.linalg.inv((weights[:, None] * away).T @ away)
        added, axes = np.linalg.eigh(precision - np.eye(3))
        informed = added > 0
        linear = axes @ np.where(informed, axes.T @ (precision @ mean), 0.0)
        precision = (axes * np.where(informed, added, 0.0)) @ axes.T / np.outer(spread, spread)
        return Normal(precision, linear / spread + precision @ centre)


@functools.cache
def _student_points() -> tuple[Array, Array]:
    """Points of Student's t in three dimensions, evenly spread, and their log-density but for a constant."""
    u = qmc.Sobol(4, rng=0).random(_POINTS)
    scale = np.sqrt(_DEGREES_OF_FREEDOM / chi2.ppf(u[:, 3], _DEGREES_OF_FREEDOM))
    away = norm.ppf(u[:, :3]) * scale[:, None]
    power = -(_DEGREES_OF_FREEDOM + 3) / 2
    return away, power * np.log1p(np.sum(away**2, axis=1) / _DEGREES_OF_FREEDOM)


def _weights(log_weights: Array) -> Any:
    return np.exp(log_weights - logsumexp(log_weights))
