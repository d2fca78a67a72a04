"""The likelihood of a spectrum by its counts: how many eigenvalues lie below x, and how evenly they are spaced.

The average counts of :class:`~htmp_bayes.models.layer.data.LayerData` are jointly normal with the mean and covariance
of :mod:`htmp_bayes.laws.compiled.counting_covariance`, and the mean ratio of neighbouring gaps, which knows the Dyson
index alone, is a factor of its own (:mod:`htmp_bayes.laws.gap_ratio`). Up to kappa = `FINITE` the law is the exact
one, from `LIMIT` on its first order in 1/kappa; between, moments pass smoothly from one to the other.
"""

import bisect
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from htmp_bayes.laws import gap_ratio
from htmp_bayes.laws.compiled import counting_covariance, counting_mean, htmp_density
from htmp_bayes.laws.compiled.population_rule import population_rule
from htmp_bayes.models.layer.data import LayerData

type Array = NDArray[np.float64]

FINITE, LIMIT = 60.0, 120.0
# Narrower populations are a point mass to the likelihood.
_NARROW = 1e-4
# A point is far above an edge if it is so many widths of the edge, kappa^(-2/3), from where there is nothing left.
_EDGE_WIDTHS, _NOTHING = 8.0, 1e-9
# Relative step of the difference by s = kappa/(2 gamma).
_STEP = 1e-3
# It is smooth: taken at so many places and interpolated.
_RESPONSE_POINTS = 20
# The scale of a count's variance that the law's derivative may put right, as a factor.
_LARGEST_CORRECTION = 8.0


class Moments(NamedTuple):
    """Mean, A and B of the average counts, and the derivative of their mean by the power of the eigenvalues.

    Attributes
    ----------
    mean : ndarray
        Shape ``(J,)``.
    repulsion, independent : ndarray
        A (of a Dyson index of 1) and B: see :mod:`htmp_bayes.laws.compiled.counting_covariance`.
    response : ndarray
        Covariance of each count with minus the sum of log-eigenvalues, exact for N to infinity.
    exact : float
        Share of the exact law in them.
    """

    mean: Array
    repulsion: Array
    independent: Array
    response: Array
    exact: float


class Whitened(NamedTuple):
    """Residuals of the average counts with unit covariance, and what their log-density is above -|residual|^2 / 2."""

    residual: Array
    constant: float

    @property
    def log_density(self) -> float:
        """Log-density of the average counts."""
        return self.constant - 0.5 * float(self.residual @ self.residual)


def share_of_exact(kappa: float) -> float:
    """Share of the exact law in the moments: 1 up to `FINITE`, 0 from `LIMIT` on, twice differentiable.

    Examples
    --------
    >>> share_of_exact(10.0), round(share_of_exact(85.0), 3), share_of_exact(500.0)
    (1.0, 0.495, 0.0)
    """
    place = np.clip(np.log(kappa / FINITE) / np.log(LIMIT / FINITE), 0.0, 1.0)
    return float(1 - place**3 * (10 - 15 * place + 6 * place**2))


def moments(data: LayerData, kappa: float, correlation: float, log_temperature: float) -> Moments:
    """Mean and covariances of the average counts under the law.

    Parameters
    ----------
    data : LayerData
        The intervals, size, aspect ratio and population.
    kappa, correlation, log_temperature : float
        Parameters of the law; kappa and correlation not below 0.05 and 0.
    """
    exact = share_of_exact(kappa)
    parts = []
    if exact > 0:
        parts.append((exact, _exact_moments(data, kappa, correlation, log_temperature)))
    if exact < 1:
        parts.append((1 - exact, _limit_moments(data, kappa, correlation, log_temperature)))
    if len(parts) == 1:
        return parts[0][1]
    (_, first), (_, second) = parts
    return Moments(
        exact * first.mean + (1 - exact) * second.mean,
        exact * first.repulsion + (1 - exact) * second.repulsion,
        exact * first.independent + (1 - exact) * second.independent,
        exact * first.response + (1 - exact) * second.response,
        exact,
    )


def _exact_moments(data: LayerData, kappa: float, correlation: float, log_temperature: float) -> Moments:
    """Moments from the law at the ends and middles of short intervals, between which it is smooth, and in long ones."""
    middles = (data.knots[:-1] + data.knots[1:]) / 2
    nodes = np.concatenate([data.knots, middles, data.cell_middles[data.in_long_intervals]])
    nodes = np.unique(nodes.round(12))
    law = (kappa, data.gamma, correlation, data.code)
    rows = _rows(nodes - log_temperature, *law)
    log_density, below, mean = CubicSpline(nodes, rows[:, [0, 5, 7]])(data.cell_middles).T
    log_y = data.cell_middles - log_temperature
    transform = counting_mean.finite_transform(log_density, mean, log_y, kappa)
    argument = counting_mean.arguments_by_differences(transform, data.cell_middles)
    below = np.clip(below, 0.0, 1.0)
    found = averaged_moments(data, transform, below, 1 - below, argument / (2 * np.pi))
    below = rows[np.searchsorted(nodes, middles.round(12)), 5]
    return found._replace(response=_response(data, below, *law, log_temperature))


def _rows(log_y: Array, kappa: float, gamma: float, correlation: float, code: int) -> Array:
    """Rows of the kernel without gradient, at ascending points; far above a sharp edge, where they take long, simpler.

    There F is 1 and the density goes on as it fell; without a density, the mean <g> has no part in anything. Below the
    lower edge a law of small repulsion falls by a power only, and is evaluated as it is.
    """
    last = _reached(log_y, kappa, gamma, correlation, code)
    rows = np.empty((len(log_y), 8))
    rows[:last] = htmp_density.density_and_distribution(log_y[:last], kappa, gamma, correlation, code)
    rows[last:] = rows[last - 1]
    rows[last:, 0] += rows[last - 1, 1] * (log_y[last:] - log_y[last - 1])
    rows[last:, 5:7] = 1.0, 0.0
    return rows


def _reached(log_y: Array, kappa: float, gamma: float, correlation: float, code: int) -> int:
    """Last but one of the points that are not far above the edge of the law at kappa = infinity; at least 1."""
    rule = population_rule(correlation if correlation > _NARROW else 0.0, code)
    log_x = log_y - np.log(kappa / 2) - _EDGE_WIDTHS * kappa ** (-2 / 3)

    def beyond(k: int) -> bool:
        return bool(counting_mean.limit_columns(log_x[k : k + 1], gamma, rule)[1][0] < _NOTHING)

    size = len(log_y)
    if not beyond(size - 1):
        return size
    return max(bisect.bisect_left(range(size), True, key=beyond), 1)


def _limit_moments(data: LayerData, kappa: float, correlation: float, log_temperature: float) -> Moments:
    log_x = data.cell_middles - log_temperature - np.log(kappa / 2)
    rho = correlation if correlation > _NARROW else 0.0
    rule = population_rule(rho, data.code)
    below, above, transform, argument = counting_mean.limit_columns(log_x, data.gamma, rule)
    correction = (0.5 - data.size / kappa) * argument / np.pi
    found = averaged_moments(data, transform, below, above, correction)
    return found._replace(response=np.zeros_like(found.mean), exact=0.0)


def averaged_moments(
    data: LayerData, transform: Any, below: Array, above: Array, correction: Array
) -> Moments:
    """Moments of the average counts, without their response, from columns at the middles of the cells.

    Parameters
    ----------
    data : LayerData
        The intervals and their K cells.
    transform : ndarray
        Companion transform, up to a positive factor, shape ``(K,)``.
    below, above : ndarray
        Probabilities, shape ``(K,)``.
    correction : ndarray
        Mean of the counting function beyond N times the probability below, shape ``(K,)``.
    """
    widths, intervals, count = data.cell_widths, data.cell_intervals, len(data.counts)
    expected = data.size * below + correction
    mean = np.bincount(intervals, expected * widths, count) / np.bincount(intervals, widths, count)
    speed = np.abs(np.gradient(transform, data.cell_middles))
    repulsion = counting_covariance.repulsion_covariance(
        transform, speed, widths, intervals, count, counting_covariance.FAR_WIDTHS
    )
    independent = data.size * counting_covariance.independent_covariance(
        below, above, widths, intervals, count
    )
    return Moments(mean, repulsion, independent, np.empty(0), 1.0)


def _response(
    data: LayerData,
    below: Array,
    kappa: float,
    gamma: float,
    correlation: float,
    code: int,
    log_temperature: float,
) -> Array:
    """Differentiate the mean counts by s at fixed kappa: a power of the eigenvalues more, whatever the population.

    ``below`` is F in the middles of the intervals. The difference is forward, as gamma ends at 1.
    """
    middles = (data.knots[:-1] + data.knots[1:]) / 2
    some = np.linspace(0, len(middles) - 1, min(len(middles), _RESPONSE_POINTS)).round().astype(int)
    law = (kappa, gamma / (1 + _STEP), correlation, code)
    moved = _rows(middles[some] - log_temperature, *law)[:, 5]
    slopes = -data.size * (moved - below[some]) / (_STEP * kappa / (2 * gamma))
    return np.asarray(CubicSpline(middles[some], slopes)(middles))


class Precision(NamedTuple):
    """Lower triangular root of the precision of the average counts, and the precision's log-determinant."""

    factor: Array
    log_determinant: float


def precision(data: LayerData, found: Moments, kappa: float) -> Precision:
    r"""Precision of the average counts: a factor L with L L^T, and its log-determinant.

    The covariance S of the law is put right along the sum of logarithms, the widest swing of a spectrum whose
    eigenvalues hardly repel. With w the lengths of the intervals, w @ counts is that sum, up to a sign, and y = S w is
    known: the response. The least change of the precision P that makes P y = w is the update of Broyden,
    Fletcher, Goldfarb and Shanno (Nocedal & Wright, Numerical Optimization, 2006, equation 6.17).

    Parameters
    ----------
    data : LayerData
        The spectrum.
    found : Moments
        Of :func:`moments`.
    kappa : float
        Eigenvalue repulsion.
    """
    factor, log_determinant = counting_covariance.precision_factor(
        found.repulsion, found.independent, kappa / data.size
    )
    if found.exact > 0:
        lengths = np.diff(data.knots)
        own = np.linalg.solve(factor.T, np.linalg.solve(factor, lengths))
        response = found.response + (1 - found.exact) * own
        variance, stated = float(lengths @ response), float(lengths @ own)
        if 1 / _LARGEST_CORRECTION < variance / stated < _LARGEST_CORRECTION:
            across = factor.T - np.outer(factor.T @ response, lengths) / variance
            factor = np.linalg.cholesky(across.T @ across + np.outer(lengths, lengths) / variance)
            log_determinant -= np.log(variance / stated)
    return Precision(factor, float(log_determinant))


def whitened(data: LayerData, found: Moments, kappa: float) -> Whitened:
    """Residuals of the average counts, divided by their covariance's root; arguments as of :func:`precision`."""
    root = precision(data, found, kappa)
    residual = root.factor.T @ (data.counts - found.mean)
    return Whitened(residual, 0.5 * root.log_determinant - 0.5 * len(residual) * float(np.log(2 * np.pi)))


def leave_one_out(data: LayerData, found: Moments, kappa: float) -> Array:
    """Log-density of each average count given all others, shape ``(J,)``; arguments as of :func:`precision`.

    Of a normal law that does not factorise (Bürkner, Gabry & Vehtari 2021, Comput. Stat. 36, 1243, equation 11).
    """
    factor = precision(data, found, kappa).factor
    own = np.sum(factor**2, axis=1)
    away = factor @ (factor.T @ (data.counts - found.mean))
    return np.asarray(0.5 * np.log(own / (2 * np.pi)) - 0.5 * away**2 / own)


def log_density_of_gaps(data: LayerData, dyson_index: Any) -> Any:
    """Log-density of the mean ratio of neighbouring gaps; elementwise, 0 where there are none.

    Parameters
    ----------
    data : LayerData
        The spectrum.
    dyson_index : array_like
        kappa/N.
    """
    if not data.gap_ratios:
        return np.zeros_like(np.asarray(dyson_index, dtype=np.float64))
    return gap_ratio.log_density(data.gap_ratio, data.gap_ratios, dyson_index)
