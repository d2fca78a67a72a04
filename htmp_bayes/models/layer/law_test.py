"""Does the law fit? What the counts and the gaps of a spectrum say of the law that was fitted to them."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import chi2, norm

from htmp_bayes.laws import gap_ratio
from htmp_bayes.models.layer.data import LayerData
from htmp_bayes.models.layer.likelihood import log_density_of_gaps

type Array = NDArray[np.float64]

_QUANTILES = np.array([0.05, 0.5, 0.95])
# With fewer effective draws the gaps cannot be taken out of a posterior by weights.
_FEWEST_EFFECTIVE = 100.0
# Standard errors of the gaps within which the Dyson index that they tell by themselves is said to lie.
_NORMAL_90 = float(norm.ppf(0.95))


@dataclass(frozen=True)
class LawTest:
    """What is compared of a spectrum and a law.

    Attributes
    ----------
    chi_squared : float
        Mean squared length of the whitened residuals over the posterior; `statistics` is what is expected.
    statistics : int
        Number of average counts.
    probability_of_counts : float
        Posterior predictive probability of residuals as large.
    probability_of_gaps : float
        Probability of a mean ratio of neighbouring gaps as far from what the counts alone predict; NaN without gaps.
    by_gaps, by_counts : ndarray
        Median and 90 % interval of the Dyson index by the gaps alone and by the counts alone, shape ``(3,)``.
    """

    chi_squared: float
    statistics: int
    probability_of_counts: float
    probability_of_gaps: float
    by_gaps: Array
    by_counts: Array

    def dataset(self) -> xr.Dataset:
        """Variables for the group ``constant_data``."""
        numbers = {
            "chi_squared": self.chi_squared,
            "statistics": self.statistics,
            "probability_of_counts": self.probability_of_counts,
            "probability_of_gaps": self.probability_of_gaps,
        }
        of_index = {
            "dyson_index_by_gaps": ("quantile", self.by_gaps),
            "dyson_index_by_counts": ("quantile", self.by_counts),
        }
        return xr.Dataset({**numbers, **of_index}, {"quantile": _QUANTILES})


def examine_law(data: LayerData, dyson_index: Array, residuals: Array) -> LawTest:
    r"""Compare a spectrum with the law that was fitted to it.

    At a draw of the posterior the squared length of the whitened residuals has a chi-squared law with as many degrees
    of freedom as there are counts, if the law is right (Johnson 2004, Ann. Stat. 32, 2361); the probability is averaged
    over draws. A repulsion that is too small makes room for any misfit of the density; it is contradicted by the gaps,
    which know it from the finest scale.

    Parameters
    ----------
    data : LayerData
        The spectrum.
    dyson_index : ndarray
        kappa/N at D draws, shape ``(D,)``.
    residuals : ndarray
        Whitened residuals of the counts there, shape ``(D, J)``.
    """
    lengths = np.sum(residuals**2, axis=1)
    count = residuals.shape[1]
    weights = _without_gaps(data, dyson_index)
    return LawTest(
        float(lengths.mean()),
        count,
        float(chi2.sf(lengths, count).mean()),
        _probability_of_gaps(data, dyson_index, weights),
        _by_gaps(data),
        _weighted_quantiles(dyson_index, weights),
    )


def _without_gaps(data: LayerData, dyson_index: Array) -> Array:
    """Weights of the draws that make them those of the counts alone, as far as they can be."""
    log_weights = -log_density_of_gaps(data, dyson_index)
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    if 1 / np.sum(weights**2) < _FEWEST_EFFECTIVE:
        return np.full(len(weights), 1 / len(weights))
    return weights


def _probability_of_gaps(data: LayerData, dyson_index: Array, weights: Array) -> float:
    if not data.gap_ratios:
        return np.nan
    away = data.gap_ratio - gap_ratio.mean_gap_ratio(dyson_index)
    above = float(weights @ norm.sf(away / gap_ratio.standard_error(data.gap_ratios, dyson_index)))
    return 2 * min(above, 1 - above)


def _by_gaps(data: LayerData) -> Array:
    if not data.gap_ratios:
        return np.full(3, np.nan)
    middle = gap_ratio.dyson_index_of(data.gap_ratio)
    error = float(gap_ratio.standard_error(data.gap_ratios, middle))
    ends = (gap_ratio.dyson_index_of(data.gap_ratio + sign * _NORMAL_90 * error) for sign in (-1, 1))
    low, high = ends
    return np.array([low, middle, high])


def _weighted_quantiles(values: Array, weights: Array) -> Array:
    order = np.argsort(values)
    below = np.cumsum(weights[order]) - weights[order] / 2
    return np.interp(_QUANTILES, below, values[order])


def residual_counts(data: LayerData, mean: Array, covariance: Array) -> xr.Dataset:
    """Eigenvalues between the middles of successive intervals, observed less expected, and their standard deviation.

    Parameters
    ----------
    data : LayerData
        The spectrum.
    mean, covariance : ndarray
        Of the average counts, shapes ``(J,)`` and ``(J, J)``.

    Returns
    -------
    xarray.Dataset
        ``excess`` and ``excess_sd``, and the ends ``cell_low`` and ``cell_high`` in log eigenvalue, dimension ``cell``;
        and ``kolmogorov_distance``, the largest difference of the average counts, as a share of all eigenvalues.
    """
    differences = np.diff(np.eye(len(mean)), axis=0)
    middles = (data.knots[:-1] + data.knots[1:]) / 2
    spread = np.sqrt(np.diag(differences @ covariance @ differences.T))
    return xr.Dataset(
        {
            "excess": ("cell", differences @ (data.counts - mean)),
            "excess_sd": ("cell", spread),
            "cell_low": ("cell", middles[:-1]),
            "cell_high": ("cell", middles[1:]),
            "kolmogorov_distance": np.abs(data.counts - mean).max() / data.size,
        }
    )
