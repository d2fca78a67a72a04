"""The posterior of the open population as a plain function, and its mode."""

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from htmp_bayes._threads import one_blas_thread
from htmp_bayes.laws.compiled import counting_covariance
from htmp_bayes.laws.compiled.listed_population import average_slopes, listed_columns
from htmp_bayes.models.free import prior
from htmp_bayes.models.free.curve import KNOTS, PARAMETERS, Curve, curve
from htmp_bayes.models.layer.data import LayerData
from htmp_bayes.models.layer.likelihood import (
    Moments,
    Whitened,
    averaged_moments,
    log_density_of_gaps,
    precision,
    whitened,
)

type Array = NDArray[np.float64]

# Shares of the repulsion through which the mode is approached: wide counts first, and without, if that finds a worse
# one, as where spikes may be part of the tail.
_APPROACHES = ((0.02, 0.2), ())
# A mode is taken for the top without another search if, at a real matrix's repulsion, chi-squared is so near to what
# is expected, in its standard deviations.
_NEAR = 2.0
# What is added to the last two knots at either end, the inner one first, to see whether a spike explains more there.
_NUDGES = ((1.5, 1.5), (0.0, -2.0))
_END_KNOTS = ([PARAMETERS - 2, PARAMETERS - 1], [3, 2])
_STEPS, _STEPS_ON_THE_WAY = 25, 6
_LONGEST_STEP = 1.5
_GAIN = 1e-2
# Of a population that starts the search: the least variance, and sd of a logistic law in units of its scale.
_LEAST_VARIANCE, _LOGISTIC_SD = 0.02, np.pi / np.sqrt(3)
_INDICES = 25
_INDEX_STEP = 0.1


class FreeMoments(NamedTuple):
    """Moments of the average counts under the law of one list of population values.

    Attributes
    ----------
    at_infinity, shift : ndarray
        The mean is the first plus (2 N/kappa - 1) times the second, shape ``(J,)`` each.
    repulsion, independent : ndarray
        A and B: see :mod:`htmp_bayes.laws.compiled.counting_covariance`.
    transform : ndarray
        Companion transform at the cells' middles.
    """

    at_infinity: Array
    shift: Array
    repulsion: Array
    independent: Array
    transform: NDArray[np.complex128]

    def at(self, dyson_index: float) -> Moments:
        """Moments at a Dyson index."""
        mean = self.at_infinity + (2 / dyson_index - 1) * self.shift
        return Moments(mean, self.repulsion, self.independent, np.zeros_like(mean), 0.0)


@dataclass(frozen=True, eq=False)
class Mode:
    """Top of the posterior of the curve, given roughness and repulsion that go with it.

    Attributes
    ----------
    theta : ndarray
        Parameters m, L and d, shape ``(PARAMETERS,)``.
    log_roughness, log_index : float
        Log tau and log kappa/N.
    precision : ndarray
        Curvature of minus the log-density by theta.
    log_index_sd : float
        Standard deviation of log kappa/N; infinite where its density does not bend.
    """

    theta: Array
    log_roughness: float
    log_index: float
    precision: Array
    log_index_sd: float


class FreePosterior:
    """Log-posterior of a spectrum's open population and repulsion.

    Parameters
    ----------
    data : LayerData
        The spectrum.

    Examples
    --------
    >>> from htmp_bayes.models.layer.data import layer_data
    >>> posterior = FreePosterior(layer_data(np.linspace(0.5, 2.0, 50), 0.25, "free"))
    >>> bool(np.isfinite(posterior.log_density(posterior.mode.theta, -1.0, 0.0)))
    True
    """

    def __init__(self, data: LayerData) -> None:
        self.data: LayerData = data
        self.curve: Curve = curve(data.size, data.gamma)
        self._no_guesses = np.zeros(len(data.cell_middles), np.complex128)

    def moments(self, theta: Array) -> FreeMoments:
        """Moments of the average counts at parameters of shape ``(PARAMETERS,)``."""
        return self._moments_of(self.curve.log_values(theta), self._guesses)

    @functools.cached_property
    def _guesses(self) -> NDArray[np.complex128]:
        return self._roots(self.curve.log_values(self.mode.theta), self._no_guesses)

    def _roots(self, log_h: Array, guesses: NDArray[np.complex128]) -> NDArray[np.complex128]:
        data = self.data
        roots = listed_columns(data.cell_middles, data.gamma, log_h, self.curve.shares, guesses)[-1]
        return np.asarray(roots)

    def _moments_of(self, log_h: Array, guesses: NDArray[np.complex128]) -> FreeMoments:
        data = self.data
        below, above, transform, argument, _ = listed_columns(
            data.cell_middles, data.gamma, log_h, self.curve.shares, guesses
        )
        found = averaged_moments(data, transform, below, above, np.zeros_like(below))
        weights, count = data.cell_widths, len(data.counts)
        shift = -np.bincount(data.cell_intervals, argument * weights, count)
        shift /= 2 * np.pi * np.bincount(data.cell_intervals, weights, count)
        return FreeMoments(found.mean, shift, found.repulsion, found.independent, transform)

    def slopes(self, moments: FreeMoments, log_h: Array) -> Array:
        """Differentiate the mean counts by the log population values, but for their small second term, ``(J, Q)``."""
        data = self.data
        slopes = average_slopes(
            moments.transform, log_h, self.curve.shares, data.cell_widths, data.cell_intervals,
            len(data.counts),
        )  # fmt: skip
        return np.asarray(data.size * slopes)

    def whitened(self, theta: Array, log_index: float) -> Whitened:
        """Residuals of the counts with unit covariance at a point."""
        with one_blas_thread():
            return self._whitened(self.moments(theta), log_index)

    def _whitened(self, moments: FreeMoments, log_index: float) -> Whitened:
        index = float(np.exp(log_index))
        return whitened(self.data, moments.at(index), index * self.data.size)

    def expected_counts(self, dyson_index: float) -> tuple[Array, Array]:
        """Mean of the average counts at the mode, shape ``(J,)``, and their covariance at a Dyson index, ``(J, J)``."""
        with one_blas_thread():
            moments = self.moments(self.mode.theta)
            mean = moments.at(float(np.exp(self.mode.log_index))).mean
            found = moments.at(dyson_index)
            inverse = np.linalg.inv(precision(self.data, found, dyson_index * self.data.size).factor)
            return mean, inverse.T @ inverse

    def log_density_of_gaps(self, log_index: Array) -> Array:
        """Log-density of the mean ratio of neighbouring gaps, elementwise."""
        return np.asarray(log_density_of_gaps(self.data, np.exp(log_index)))

    def log_likelihood(self, theta: Array, log_index: float) -> float:
        """Log-likelihood of counts and gaps."""
        return self.whitened(theta, log_index).log_density + float(
            self.log_density_of_gaps(np.asarray(log_index))
        )

    def of_moments(self, moments: FreeMoments, log_index: float) -> float:
        """Log-likelihood of counts and gaps, from the counts' moments."""
        gaps = float(self.log_density_of_gaps(np.asarray(log_index)))
        return self._whitened(moments, log_index).log_density + gaps

    def log_prior(self, theta: Array, log_roughness: Array, log_index: Array) -> Array:
        """Log-density of the prior, but for a constant; parameters of shape ``(..., PARAMETERS)``."""
        of_curve = prior.log_prior_of_curve(self.data, self.curve, theta, log_roughness)
        return np.asarray(of_curve + prior.log_prior_of_index(self.data, log_index))

    def log_density(self, theta: Array, log_roughness: float, log_index: float) -> float:
        """Log-posterior, but for a constant."""
        rest = float(self.log_prior(theta, np.asarray(log_roughness), np.asarray(log_index)))
        return self.log_likelihood(theta, log_index) + rest

    @functools.cached_property
    def mode(self) -> Mode:
        """Top of the posterior of the curve, at the roughness and repulsion that are most probable with it."""
        with one_blas_thread():
            return self._best_top().mode

    def _best_top(self) -> "_Top":
        """Look for the highest of several tops, as far as the first ones do not describe the counts."""
        best = _Search(self).top(_APPROACHES[0])
        if not best.near:
            best = best.or_higher(_Search(self).top(_APPROACHES[1]))
        if best.near:
            return best
        for nudge in _NUDGES:
            for knots in _END_KNOTS:
                start = best.mode.theta.copy()
                start[knots] += nudge
                best = best.or_higher(_Search(self).top((), start))
        return best


class _Top(NamedTuple):
    """A mode, the log of the mass about it by Laplace's method, and whether it describes a real matrix's counts."""

    mode: Mode
    evidence: float
    near: bool

    def or_higher(self, other: "_Top") -> "_Top":
        """Return that of the two that has more mass about it."""
        return other if other.evidence > self.evidence else self


class _Place(NamedTuple):
    """Parameters, their moments, the slopes of the mean counts, and minus the log-density."""

    theta: Array
    moments: FreeMoments
    slopes: Array
    height: float


class _Search:
    """Gauss and Newton's steps for the curve, with expectation-maximisation for the roughness.

    The covariance of the counts is that of the place where a step begins: it changes slowly.
    """

    def __init__(self, posterior: FreePosterior) -> None:
        self._posterior, self._curve = posterior, posterior.curve
        self._innovations = prior.innovations(posterior.curve)
        self._roughness = np.exp(prior.LOG_ROUGHNESS)
        self._log_index = 0.0
        self._guesses = posterior._no_guesses

    def top(self, approach: tuple[float, ...], start: Array | None = None) -> _Top:
        """Climb from a place, by default a population without features, and look at where that ends."""
        theta = self._start() if start is None else start
        for share in approach:
            self._log_index = float(np.log(share))
            theta = self._climb(theta, _STEPS_ON_THE_WAY).theta
        self._log_index = 0.0
        for steps in (_STEPS, _STEPS_ON_THE_WAY):
            place = self._climb(theta, steps)
            theta, self._log_index = place.theta, self._best_index(place)
        place = self._climb(theta, _STEPS_ON_THE_WAY)
        at, log_roughness = self._log_index, float(np.log(self._roughness))
        precision, sd = self._precision(place, self._root(place)), self._index_sd(place, at)
        of_curve = prior.log_prior_of_curve(
            self._posterior.data, self._curve, place.theta, np.asarray(log_roughness)
        )
        residual = self._posterior._whitened(place.moments, 0.0).residual
        near = float(residual @ residual) < len(residual) + _NEAR * np.sqrt(2 * len(residual))
        mode = Mode(place.theta, log_roughness, at, precision, sd)
        return _Top(mode, self._marginal(place, at) + float(of_curve), near)

    def _start(self) -> Array:
        """Make a population without features that has the spread of the spectrum beyond that of noise."""
        from htmp_bayes.models.layer.posterior import log_variance_of_noise

        data = self._posterior.data
        variance = max(data.log_sd**2 - log_variance_of_noise(data.gamma), _LEAST_VARIANCE)
        theta = np.zeros(PARAMETERS)
        theta[:2] = data.log_mean + 0.5 * data.gamma, np.log(np.sqrt(variance) / _LOGISTIC_SD)
        return theta

    def _climb(self, theta: Array, steps: int) -> _Place:
        here, damping = self._place(theta), 1e-3
        for step in range(steps):
            found = self._step(here, damping)
            if found is None:
                break
            (place, damping), before = found, here.height
            here = place
            self._update_roughness(here)
            # the height is that at the old roughness
            gain, here = before - here.height, here._replace(height=self._height(here.theta, here.moments))
            if gain < _GAIN and step > 1:
                break
        return here

    def _step(self, here: _Place, damping: float) -> tuple[_Place, float] | None:
        root = self._root(here)
        precision, gradient = self._precision(here, root), self._gradient(here, root)
        for _ in range(8):
            raised = precision + damping * np.diag(np.diag(precision))
            step = -np.linalg.solve(raised, gradient)
            step *= min(1.0, _LONGEST_STEP / np.abs(step).max())
            there = self._place(here.theta + step)
            if there.height < here.height:
                return there, damping / 5
            damping = max(6 * damping, 1e-3)
        return None

    def _place(self, theta: Array) -> _Place:
        log_h = self._curve.log_values(theta)
        if not np.all(np.abs(log_h - log_h.mean()) < 300):
            return _Place(theta, None, np.empty(0), np.inf)  # type: ignore[arg-type]
        self._guesses = self._posterior._roots(log_h, self._guesses)
        moments = self._posterior._moments_of(log_h, self._guesses)
        slopes = self._posterior.slopes(moments, log_h) @ self._curve.derivatives(theta)
        return _Place(theta, moments, slopes, self._height(theta, moments))

    def _height(self, theta: Array, moments: FreeMoments) -> float:
        try:
            residual = self._posterior._whitened(moments, self._log_index).residual
        except np.linalg.LinAlgError:
            return np.inf
        log_prior = prior.log_prior_of_curve(
            self._posterior.data, self._curve, theta, np.log(self._roughness)
        )
        return float(0.5 * residual @ residual - log_prior)

    def _root(self, place: _Place) -> Array:
        """Root of the counts' precision, of which the residuals are the product with what is left of the counts."""
        moments = place.moments
        factor, _ = counting_covariance.precision_factor(
            moments.repulsion, moments.independent, float(np.exp(self._log_index))
        )
        return np.asarray(factor.T)

    def _weights(self, squares: Array) -> Array:
        """Precision of innovations that are this large, as the normal laws of which Student's t is a mixture have."""
        nu = prior.DEGREES_OF_FREEDOM
        return (nu + 1) / (nu + squares / self._roughness**2) / self._roughness**2

    def _prior_precision(self, theta: Array) -> Array:
        matrix = self._innovations
        precision = matrix.T @ (self._weights((matrix @ theta) ** 2)[:, None] * matrix)
        precision[0, 0] += 1 / prior.location(self._posterior.data)[1] ** 2
        precision[1, 1] += 1 / prior.LEVEL_SD**2
        precision[2:, 2:] += np.eye(KNOTS) / prior.BOUND_SD**2
        return np.asarray(precision)

    def _precision(self, place: _Place, root: Array) -> Array:
        steep = root @ place.slopes
        return np.asarray(steep.T @ steep + self._prior_precision(place.theta))

    def _gradient(self, place: _Place, root: Array) -> Array:
        mean = place.moments.at(float(np.exp(self._log_index))).mean
        residual = root @ (self._posterior.data.counts - mean)
        expected = np.zeros(PARAMETERS)
        expected[:2] = prior.location(self._posterior.data)[0], prior.LEVEL
        of_prior = self._prior_precision(place.theta) @ (place.theta - expected)
        return np.asarray(of_prior - (root @ place.slopes).T @ residual)

    def _update_roughness(self, place: _Place) -> None:
        covariance = np.linalg.inv(self._precision(place, self._root(place)))
        matrix = self._innovations
        squares = (matrix @ place.theta) ** 2 + np.einsum("kj,ji,ki->k", matrix, covariance, matrix)
        total = float(self._weights(squares) @ squares) * self._roughness**2
        log_roughness = float(np.log(self._roughness))
        for _ in range(20):  # Newton's for the maximum of the expected log-density
            pull = total * np.exp(-2 * log_roughness)
            slope = pull - len(squares) - (log_roughness - prior.LOG_ROUGHNESS) / prior.LOG_ROUGHNESS_SD**2
            log_roughness += slope / (2 * pull + 1 / prior.LOG_ROUGHNESS_SD**2)
        self._roughness = float(np.exp(log_roughness))

    def _best_index(self, place: _Place) -> float:
        """Log kappa/N of the highest marginal density by Laplace's method, the moments being those of the place."""
        low, high = prior.log_index_range(self._posterior.data.size)
        candidates = np.linspace(low + 0.1, min(high, np.log(4.0)), _INDICES)
        return float(max(candidates, key=lambda log_index: self._marginal(place, float(log_index))))

    def _index_sd(self, place: _Place, log_index: float) -> float:
        here, above, below = (
            self._marginal(place, log_index + step) for step in (0.0, _INDEX_STEP, -_INDEX_STEP)
        )
        bend = (2 * here - above - below) / _INDEX_STEP**2
        return float(1 / np.sqrt(bend)) if bend > 0 else np.inf

    def _marginal(self, place: _Place, log_index: float) -> float:
        self._log_index = log_index
        found = self._posterior._whitened(place.moments, log_index)
        volume = np.linalg.slogdet(self._precision(place, self._root(place)))[1]
        data = self._posterior.data
        rest = float(log_density_of_gaps(data, np.exp(log_index)) + prior.log_prior_of_index(data, log_index))
        return found.log_density - 0.5 * float(volume) + rest
