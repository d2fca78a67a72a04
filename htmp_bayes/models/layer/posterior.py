"""The posterior of one layer as a plain function: what is sampled, without a compiled graph."""

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from htmp_bayes._threads import one_blas_thread
from htmp_bayes.laws.htmp import CORRELATION_RANGE
from htmp_bayes.models.layer import prior
from htmp_bayes.models.layer.data import LayerData
from htmp_bayes.models.layer.likelihood import (
    Moments,
    Whitened,
    leave_one_out,
    log_density_of_gaps,
    moments,
    precision,
    whitened,
)

type Array = NDArray[np.float64]

# Steps of differences: of first derivatives in a search, and of the curvature.
_STEP, _WIDE_STEP = 1e-4, 2e-2
# A search ends where it gains no more than so many nats, or after so many steps.
_GAIN, _STEPS = 1e-3, 40
# Where a search may start: shares of N for kappa beside these, and correlations.
_START_KAPPA = (3.0, 30.0)
_START_CORRELATION = (0.1, 0.35, 0.7, 1.2, 2.0)
# A second start is followed to its top if it is at most so many nats lower than the first.
_RIVAL = 40.0
# A posterior that is flatter than this along an axis ends where the prior does.
_LARGEST_VARIANCE = 9.0


class _Place(NamedTuple):
    """A point, minus its log-density, and gradient and expected curvature of that."""

    point: Array
    height: float
    gradient: Array
    curvature: Array


class CountsPosterior:
    """Log-posterior of a law by a spectrum's counts: its mode and curvature, whatever the law.

    Parameters
    ----------
    data : LayerData
        The spectrum.
    names : tuple of str
        Names of the D coordinates; the first one scales the covariance of the counts or has no such part.
    bounds : ndarray
        Ends of each coordinate's range, shape ``(D, 2)``.
    """

    def __init__(self, data: LayerData, names: tuple[str, ...], bounds: Array) -> None:
        self.data, self.names, self.bounds = data, names, bounds

    def whitened(self, point: Array) -> Whitened:
        """Residuals of the counts, and the rest of the log-posterior, at a point of shape ``(D,)``."""
        raise NotImplementedError

    def moments(self, point: Array) -> tuple[Moments, float]:
        """Mean and covariances of the average counts, and kappa, at a point of shape ``(D,)``."""
        raise NotImplementedError

    def parameters(self, points: Array) -> dict[str, Array]:
        """Parameters of the law at points of shape ``(..., D)``."""
        raise NotImplementedError

    def leave_one_out(self, point: Array) -> Array:
        """Log-density of each average count given all others at a point of shape ``(D,)``, shape ``(J,)``."""
        with one_blas_thread():
            return leave_one_out(self.data, *self.moments(point))

    def starts(self) -> list[Array]:
        """Points where a search for the mode may begin."""
        raise NotImplementedError

    @property
    def ends(self) -> Array:
        """Ends of each coordinate's range of which draws are wanted, shape ``(D, 2)``; it may go on beyond."""
        return self.bounds

    def folded(self, point: Array) -> Array:
        """Of points with the same density, the one that is reported."""
        return point

    def log_density(self, point: Array) -> float:
        """Log-posterior at a point of shape ``(D,)``; ``-inf`` where the prior vanishes."""
        if np.any((point < self.bounds[:, 0]) | (point > self.bounds[:, 1])):
            return -np.inf
        return self.whitened(point).log_density

    def with_gradient(self, point: Array) -> tuple[float, Array]:
        """Log-posterior and its gradient, by central differences of the whitened residuals."""
        here = self.whitened(point)
        slopes = np.empty(len(point))
        for i, step in enumerate(_STEP * np.eye(len(point))):
            above, below = self.whitened(point + step), self.whitened(point - step)
            change = (above.residual - below.residual) @ here.residual
            slopes[i] = (above.constant - below.constant - change) / (2 * _STEP)
        return here.log_density, slopes

    @functools.cached_property
    def mode(self) -> Array:
        """Point of highest posterior density, shape ``(D,)``."""
        return self._top.point

    @property
    def highest(self) -> float:
        """Log-posterior at the mode."""
        return -self._top.height

    @functools.cached_property
    def _top(self) -> _Place:
        starts = sorted(((-self.log_density(point), point) for point in self.starts()), key=lambda s: s[0])
        best = self._climb(starts[0][1])
        for height, start in starts[1:]:
            if height > starts[0][0] + _RIVAL:
                break
            if abs(start[0] - starts[0][1][0]) > 1.0:
                best = min(best, self._climb(start), key=lambda place: place.height)
                break
        return best._replace(point=self.folded(best.point))

    def _place(self, point: Array) -> _Place:
        """Differences of the whitened residuals: their gradient, and the curvature that is expected of a normal law."""
        here = self.whitened(point)
        dimensions = len(point)
        slopes, rest = np.empty((dimensions, len(here.residual))), np.empty(dimensions)
        for i in range(dimensions):
            there = self.whitened(point + _STEP * np.eye(dimensions)[i])
            slopes[i] = (there.residual - here.residual) / _STEP
            rest[i] = (there.constant - here.constant) / _STEP
        along = slopes @ here.residual
        curvature = slopes @ slopes.T + np.diag([0.1, *[1.0] * (dimensions - 1)])
        # what scales the covariance scales the residuals, and bends as much again as the residuals' slopes say
        curvature[0, 0] += along[0] ** 2 / max(here.residual @ here.residual, 1e-6)
        return _Place(point, -here.log_density, along - rest, curvature)

    def _climb(self, start: Array) -> _Place:
        """Search the top of the posterior by damped steps of Gauss and Newton."""
        here, damping = self._place(self._inside(start)), 1e-3
        for _ in range(_STEPS):
            raised = here.curvature + damping * np.diag(np.diag(here.curvature))
            step = np.linalg.solve(raised, -here.gradient)
            step *= min(1.0, 1.5 / np.abs(step).max())
            point = self._inside(here.point + step)
            gain = here.height + self.log_density(point)
            if gain > 0:
                here, damping = self._place(point), damping / 5
                if gain < _GAIN:
                    break
            elif damping > 1e3:
                break
            else:
                damping = max(10 * damping, 1e-2)
        return here

    def _inside(self, point: Array) -> Array:
        return np.clip(point, self.bounds[:, 0] + 1e-3, self.bounds[:, 1] - 1e-3)

    @functools.cached_property
    def curvature(self) -> Array:
        """Minus the matrix of second derivatives at the mode, by differences, shape ``(D, D)``."""
        size = len(self.mode)
        units = np.sqrt(1 / np.diag(self._top.curvature)) * 0.3
        steps = np.diag(np.minimum(units, 10 * _WIDE_STEP))
        centre = self._inside(self.mode)
        here = self.log_density(centre)
        found = np.empty((size, size))
        for i in range(size):
            for j in range(i + 1):
                a, b = steps[i], steps[j]
                if i == j:
                    second = self._at(centre + a) - 2 * here + self._at(centre - a)
                    found[i, i] = -second / steps[i, i] ** 2
                else:
                    cross = self._at(centre + a + b) + self._at(centre - a - b)
                    cross -= self._at(centre + a - b) + self._at(centre - a + b)
                    found[i, j] = found[j, i] = -cross / (4 * steps[i, i] * steps[j, j])
        return found

    def _at(self, point: Array) -> float:
        return self.log_density(np.clip(point, self.bounds[:, 0], self.bounds[:, 1]))

    @functools.cached_property
    def covariance(self) -> Array:
        """Covariance of the normal approximation at the mode, along no axis wider than the prior."""
        values, vectors = np.linalg.eigh(self.curvature)
        return np.asarray((vectors / np.maximum(values, 1 / _LARGEST_VARIANCE)) @ vectors.T)


class LayerPosterior(CountsPosterior):
    """Log-posterior of one layer in the coordinates log kappa, correlation and location.

    The density is with respect to these coordinates; without a population's spread there is no correlation. The
    likelihood is even in the correlation, so that the density is had for negative ones, too.

    Parameters
    ----------
    data : LayerData
        The spectrum.
    with_prior : bool
        Whether the prior is part of it; without, it is the log-likelihood.

    Examples
    --------
    >>> from htmp_bayes.models.layer.data import layer_data
    >>> posterior = LayerPosterior(layer_data(np.linspace(0.5, 2.0, 50), gamma=0.25))
    >>> bool(np.isfinite(posterior.log_density(np.array([1.0, 0.5, 0.0]))))
    True
    """

    def __init__(self, data: LayerData, with_prior: bool = True) -> None:
        names = ("log_kappa", "correlation", "location") if data.correlated else ("log_kappa", "location")
        ranges = {
            "log_kappa": np.log(prior.kappa_range(data.size)),
            "correlation": (-prior.CORRELATION_MAX, prior.CORRELATION_MAX),
            "location": (-np.inf, np.inf),
        }
        super().__init__(data, names, np.array([ranges[name] for name in names]))
        self.with_prior = with_prior
        self._log_kappa = prior.log_kappa_prior(data.size)
        self._correlation = prior.correlation_prior()

    def parameters(self, points: Array) -> dict[str, Array]:
        """Kappa, correlation (0 where there is none), location and temperature at points of shape ``(..., D)``."""
        columns = dict(zip(self.names, np.moveaxis(np.asarray(points), -1, 0), strict=True))
        kappa, location = np.exp(columns["log_kappa"]), columns["location"]
        correlation = np.abs(columns["correlation"]) if self.data.correlated else np.zeros_like(kappa)
        log_temperature = prior.log_temperature(kappa, location, self.data)
        return {
            "kappa": kappa,
            "correlation": correlation,
            "location": location,
            "temperature": np.exp(log_temperature),
        }

    def moments(self, point: Array) -> tuple[Moments, float]:
        """Mean and covariances of the average counts, and kappa, at a point of shape ``(D,)``."""
        at = {name: float(value) for name, value in self.parameters(point).items()}
        # the law ends before the prior does
        correlation = min(at["correlation"], CORRELATION_RANGE[1])
        found = moments(self.data, at["kappa"], correlation, float(np.log(at["temperature"])))
        return found, at["kappa"]

    def whitened(self, point: Array) -> Whitened:
        """Residuals of the counts, and the rest of the log-posterior, at a point of shape ``(D,)``."""
        with one_blas_thread():
            found, kappa = self.moments(point)
            counts = whitened(self.data, found, kappa)
        rest = counts.constant + float(log_density_of_gaps(self.data, kappa / self.data.size))
        return Whitened(counts.residual, rest + (float(self.log_prior(point)) if self.with_prior else 0.0))

    @functools.cached_property
    def moments_at_mode(self) -> tuple[Array, Array]:
        """Mean and covariance of the average counts at the mode, shapes ``(J,)`` and ``(J, J)``."""
        return self.expected_counts()

    def expected_counts(self, dyson_index: float | None = None) -> tuple[Array, Array]:
        """Mean and covariance of the average counts at the mode, or the covariance at another Dyson index."""
        with one_blas_thread():
            found, kappa = self.moments(self.mode)
            if dyson_index is not None:
                # what the derivative of the law says of small repulsions does not go with another one
                found, kappa = found._replace(exact=0.0), dyson_index * self.data.size
            inverse = np.linalg.inv(precision(self.data, found, kappa).factor)
            return found.mean, inverse.T @ inverse

    def log_prior(self, points: Array) -> Any:
        """Log-density of the prior at points of shape ``(..., D)``, the same for both signs of the correlation."""
        columns = dict(zip(self.names, np.moveaxis(np.asarray(points), -1, 0), strict=True))
        value = self._log_kappa.logpdf(columns["log_kappa"]) - 0.5 * columns["location"] ** 2
        if self.data.correlated:
            value = value + self._correlation.logpdf(np.abs(columns["correlation"]))
        return value - 0.5 * np.log(2 * np.pi)

    @property
    def ends(self) -> Array:
        """Those of the bounds, but for negative correlations, which say the same as positive ones."""
        ends = self.bounds.copy()
        if self.data.correlated:
            ends[1, 0] = 0.0
        return ends

    def starts(self) -> list[Array]:
        """Candidates whose spread of log-eigenvalues is what was observed, and some others."""
        data = self.data
        noise = log_variance_of_noise(data.gamma)
        kappas = np.log([*_START_KAPPA, 0.5 * data.size])
        if not data.correlated:
            return [np.array([log_kappa, 0.0]) for log_kappa in kappas]
        matched = np.sqrt(max(data.log_sd**2 - noise, 1e-3))
        near = [rho for rho in _START_CORRELATION if 0.5 * matched < rho < 2.0 * matched]
        near.append(min(matched, 2.5))
        return [np.array([log_kappa, rho, 0.0]) for log_kappa in kappas for rho in near]

    def folded(self, point: Array) -> Array:
        """Make the correlation positive."""
        folded = np.array(point)
        if self.data.correlated:
            folded[1] = abs(folded[1])
        return folded


def log_variance_of_noise(gamma: float) -> float:
    """Variance of log eigenvalue under the law of Marchenko & Pastur, by the midpoint rule in the angle."""
    shares = (np.arange(2000) + 0.5) / 2000
    low, high = (1 - np.sqrt(gamma)) ** 2, (1 + np.sqrt(gamma)) ** 2
    x = (low + high) / 2 - (high - low) / 2 * np.cos(np.pi * shares)
    weight = (high - low) ** 2 * np.sin(np.pi * shares) ** 2 / x
    weight /= weight.sum()
    return float(weight @ np.log(x) ** 2 - (weight @ np.log(x)) ** 2)
