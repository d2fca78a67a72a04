"""Where the likelihood of a spectrum may be highest, from a table of the law: the starts of the search for a mode.

One evaluation of the law takes milliseconds, and the likelihood can have more than one maximum. So quantiles of the
log-eigenvalues, and the log-density there, were tabulated on a grid of aspect ratios, kappas and correlations by
studies/shapes.py. The logarithm of the gap between two quantiles is about linear between the nodes of the grid,
whether the law has edges or a tail over a hundred powers of ten, so the likelihood to within some nats takes
microseconds. What is found is only where an exact search starts.
"""

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator

from htmp_bayes.models.compression import CompressedSpectrum, compress_again
from htmp_bayes.models.grid_table import GAMMAS, KAPPAS, gamma_coordinate, grid_interpolator
from htmp_bayes.models.layer import log_prior_at

type Array = NDArray[np.float64]

AXES: dict[str, tuple[float, ...]] = {
    "population": (0, 1),
    "gamma": GAMMAS,
    "kappa": KAPPAS,
    "correlation": (0.0, 0.15, 0.35, 0.6, 0.95, 1.4, 2.0, 3.0),
}
"""The grid; population by its code."""

# fmt: off
PROBABILITIES = np.array([
    0.0008, 0.004, 0.012, 0.03, 0.06, 0.11, 0.18, 0.26, 0.34, 0.42, 0.5,
    0.58, 0.66, 0.74, 0.82, 0.89, 0.94, 0.97, 0.988, 0.996, 0.9992,
])
# fmt: on
"""Of the quantiles."""

_FILE = "shape_table.npy"
_COUNT = len(PROBABILITIES)
_MEDIAN = _COUNT // 2
# The spectrum's nodes, and Newton's steps along the location.
_NODES = 12
_STEPS = 3
# A correlation of 0 is a stationary point, maximum or not: no place to start from.
_LEAST_CORRELATION = 0.08
# Places to look at around a node of the grid, in units of its steps.
_AROUND = np.linspace(-0.8, 0.8, 5)
# A step along the location is no longer than this, in standard deviations of the log-eigenvalues.
_LONGEST = 0.5
# Other starts are so many nodes of kappa or of the correlation away from the first, and lower by no more than so many
# nats.
_AWAY = 2, 3
_MUCH_LOWER = 4.0


class Shape(NamedTuple):
    """Laws at temperature 1, one or several.

    Attributes
    ----------
    log_x : ndarray
        Quantiles of the log-eigenvalue, minus the expected one (:func:`~htmp_bayes.models.layer.expected_log`),
        at `PROBABILITIES`, shape ``(..., 21)``.
    log_density : ndarray
        Log-density of the log-eigenvalue there, of the same shape.
    """

    log_x: Array
    log_density: Array

    def as_rows(self) -> Array:
        """Concatenate what is about linear between nodes: median, logarithms of the gaps, log-densities."""
        gaps = np.log(np.diff(self.log_x, axis=-1))
        return np.concatenate([self.log_x[..., _MEDIAN, None], gaps, self.log_density], axis=-1)

    @classmethod
    def of_rows(cls, rows: Array) -> "Shape":
        """Undo :meth:`as_rows`."""
        log_x = np.zeros((*rows.shape[:-1], _COUNT))
        log_x[..., 1:] = np.cumsum(np.exp(rows[..., 1:_COUNT]), axis=-1)
        return cls(log_x - log_x[..., _MEDIAN, None] + rows[..., :1], rows[..., _COUNT:])


def likely_points(data: dict[str, Any], with_prior: bool, correlated: bool = True) -> list[Array]:
    """Points near maxima of the posterior or likelihood without adjustment, three at most, the highest first.

    Parameters
    ----------
    data : dict
        What :func:`~htmp_bayes.models.layer.layer_data` returns.
    with_prior : bool
        Whether the prior counts.
    correlated : bool
        Without, only for (about) no correlation.

    Returns
    -------
    list of ndarray
        Log kappa, correlation and location of each.

    Examples
    --------
    >>> from htmp_bayes.laws import sample_ensemble
    >>> from htmp_bayes.models.layer import layer_data
    >>> eigenvalues = sample_ensemble(400, kappa=3.0, gamma=0.25, correlation=0.6, random_state=1)
    >>> point = likely_points(layer_data(eigenvalues, gamma=0.25), with_prior=True)[0]
    >>> bool(1.0 < np.exp(point[0]) < 9.0), bool(0.3 < point[1] < 0.9)
    (True, True)
    """
    log_kappa, correlation = np.log(KAPPAS), np.array(AXES["correlation"])
    steps = np.gradient(log_kappa), np.gradient(correlation)
    if not correlated:
        correlation, steps = correlation[:1], (steps[0], np.zeros(1))
    spectrum = compress_again(CompressedSpectrum(data["log_nodes"], data["weights"]), _NODES)
    _, heights = _best_locations(data, spectrum, log_kappa, correlation, with_prior)
    found = []
    for i, j in _peaks(heights):
        around = log_kappa[i] + steps[0][i] * _AROUND, correlation[j] + steps[1][j] * _AROUND
        points, heights_there = _best_locations(data, spectrum, *around, with_prior)
        found.append((heights_there.max(), points[np.unravel_index(heights_there.argmax(), (5, 5))]))
    return [point for _, point in sorted(found, key=lambda each: -each[0])]


def rough_log_likelihoods(data: dict[str, Any], expected: Array) -> Array:
    """Log-likelihoods at many points: to some nats near the maximum, far below it their order of magnitude.

    Parameters
    ----------
    data : dict
        What :func:`~htmp_bayes.models.layer.layer_data` returns.
    expected : ndarray
        Log kappa, correlation and expected log-eigenvalue, shape ``(D, 3)``.

    Examples
    --------
    >>> from htmp_bayes.models.layer import layer_data
    >>> data = layer_data(np.linspace(0.5, 2.0, 50), gamma=0.25)
    >>> print(rough_log_likelihoods(data, np.array([[3.0, 0.1, 0.1], [3.0, 0.1, 1.5]])).round(-1))
    [ -40. -230.]
    """
    log_kappa = np.clip(expected[:, 0], *np.log(KAPPAS)[[0, -1]])
    correlation = np.clip(expected[:, 1], AXES["correlation"][0], AXES["correlation"][-1])
    shape = _shapes_at(data, log_kappa, correlation)
    spectrum = CompressedSpectrum(data["log_nodes"], data["weights"])
    of_logarithms = _log_likelihoods(shape, spectrum, expected[:, 2])[0]
    return np.asarray(of_logarithms - np.sum(spectrum.weights * spectrum.log_nodes))


def _peaks(heights: Array) -> list[tuple[int, int]]:
    """Node of the highest value, and the best ones far from it in kappa or correlation, unless they are much lower."""
    best = np.unravel_index(heights.argmax(), heights.shape)
    peaks = [best]
    for axis in (0, 1):
        away = np.abs(np.indices(heights.shape)[axis] - best[axis]) >= _AWAY[axis]
        others = np.where(away, heights, -np.inf)
        second = np.unravel_index(others.argmax(), heights.shape)
        if others[second] > heights[best] - _MUCH_LOWER:
            peaks.append(second)
    return list(dict.fromkeys((int(i), int(j)) for i, j in peaks))


def _best_locations(
    data: dict[str, Any],
    spectrum: CompressedSpectrum,
    log_kappa: Array,
    correlation: Array,
    with_prior: bool,
) -> tuple[Array, Array]:
    """Points of the best locations for each kappa and correlation, shape ``(K, R, 3)``, and their heights.

    Heights are log-posteriors or log-likelihoods, but for a constant.
    """
    low, high = np.log(KAPPAS)[[0, -1]]
    log_kappa = np.clip(log_kappa, low, high)
    correlation = np.clip(correlation, _LEAST_CORRELATION, AXES["correlation"][-1])
    shape = _shapes(data, log_kappa, correlation)
    # from where the medians are the same: the means would be those of the lower tails
    shift = _median(data["log_nodes"], data["weights"]) - shape.log_x[..., _MEDIAN]
    shift, heights = _highest_shifts(shape, spectrum, shift, _LONGEST * data["log_sd"])
    location = (shift - data["log_mean"]) / data["log_sd"]
    points = np.stack([*np.meshgrid(log_kappa, correlation, indexing="ij"), location], axis=-1)
    return points, heights + log_prior_at(points) if with_prior else heights


def _median(points: Array, weights: Array) -> float:
    return float(np.interp(0.5, (np.cumsum(weights) - weights / 2) / weights.sum(), points))


def _highest_shifts(
    shape: Shape, spectrum: CompressedSpectrum, shift: Array, longest: float
) -> tuple[Array, Array]:
    """Search the expected log-eigenvalues of the highest log-likelihoods: Newton's method, shorter where it fails."""
    best, slopes, squares = _log_likelihoods(shape, spectrum, shift)
    step = np.clip(slopes / np.maximum(squares, 1.0), -longest, longest)
    for _ in range(_STEPS):
        values, slopes, squares = _log_likelihoods(shape, spectrum, shift + step)
        better = values > best
        best = np.where(better, values, best)
        shift = np.where(better, shift + step, shift)
        newton = np.clip(slopes / np.maximum(squares, 1.0), -longest, longest)
        step = np.where(better, newton, step / 4)
    return shift, best


def _log_likelihoods(shape: Shape, spectrum: CompressedSpectrum, shift: Array) -> tuple[Array, Array, Array]:
    """Log-likelihood at each expected log-eigenvalue `shift`, its slope by that, and the sum of the squared slopes.

    Linear between the quantiles; beyond the outermost ones the slope goes on changing as it did, so that there is
    next to nothing beyond a sharp edge.
    """
    x, y = shape
    gaps = np.diff(x, axis=-1)
    tangents = np.diff(y, axis=-1) / gaps
    at = spectrum.log_nodes - shift[..., None]
    cell = np.clip(np.sum(at[..., None] >= x[..., None, :], axis=-1) - 1, 0, _COUNT - 2)
    slopes = np.take_along_axis(tangents, cell, axis=-1)
    values = np.take_along_axis(y, cell, axis=-1) + slopes * (at - np.take_along_axis(x, cell, axis=-1))
    bends = np.diff(tangents, axis=-1) / (0.5 * (x[..., 2:] - x[..., :-2]))
    for end, side in ((0, -1.0), (-1, 1.0)):
        beyond = np.maximum(side * (at - x[..., end, None]), 0.0)
        bend = np.minimum(bends[..., end, None], 0.0)
        # a tangent is the slope in the middle of its gap
        half_gap = gaps[..., end, None] / 2 * (beyond > 0)
        values = values + bend * beyond * (beyond / 2 + half_gap)
        slopes = slopes + side * bend * (beyond + half_gap)
    return (
        np.sum(spectrum.weights * values, axis=-1),
        -np.sum(spectrum.weights * slopes, axis=-1),
        np.sum(spectrum.weights * slopes**2, axis=-1),
    )


def _shapes(data: dict[str, Any], log_kappa: Array, correlation: Array) -> Shape:
    """Shapes of all pairs of a kappa and a correlation."""
    return _shapes_at(data, *np.meshgrid(log_kappa, correlation, indexing="ij"))


def _shapes_at(data: dict[str, Any], log_kappa: Array, correlation: Array) -> Shape:
    """Interpolate the table for each kappa and its correlation, arrays of the same shape."""
    at = np.broadcast_arrays(
        data["population"],
        gamma_coordinate(np.clip(data["gamma"], GAMMAS[0], GAMMAS[-1])),
        log_kappa,
        _correlation_coordinate(correlation),
    )
    return Shape.of_rows(_interpolator()(np.stack(at, axis=-1)))


def _correlation_coordinate(correlation: Array) -> Array:
    """Grow with the square near 0, as the law changes."""
    return correlation**2 / (correlation + 0.5)


@functools.cache
def _interpolator() -> RegularGridInterpolator:
    population, gamma, kappa, correlation = map(np.array, AXES.values())
    return grid_interpolator(
        _FILE, (population, gamma_coordinate(gamma), np.log(kappa), _correlation_coordinate(correlation))
    )
