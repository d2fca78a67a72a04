"""The mean ratio of neighbouring gaps: the Dyson index of a spectrum, whatever its density.

The ratio of a gap between neighbouring eigenvalues to the next, smaller over larger, has in the bulk of a spectrum a
law that depends on the Dyson index alone (Atas, Bogomolny, Giraud & Roux, Phys. Rev. Lett. 110 (2013) 084101). The
table is that of `studies/gap_ratios.py`: draws of the Gaussian beta ensemble, Monte-Carlo errors below 3e-4;
independent points have 2 log 2 - 1 exactly.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq

_TABLE = np.array(
    [
        # Dyson index, mean ratio, variance of the mean times the number of ratios
        (0.0, 2 * np.log(2) - 1, 0.098),
        (0.01, 0.38909, 0.0990),
        (0.02, 0.39138, 0.1007),
        (0.05, 0.39836, 0.1028),
        (0.1, 0.40946, 0.1032),
        (0.2, 0.42931, 0.1056),
        (0.35, 0.45429, 0.1089),
        (0.5, 0.47573, 0.1012),
        (0.75, 0.50573, 0.0925),
        (1.0, 0.53080, 0.0963),
        (1.25, 0.55160, 0.0896),
        (1.5, 0.56999, 0.0897),
        (1.75, 0.58576, 0.0852),
        (2.0, 0.59981, 0.0784),
        (2.5, 0.62371, 0.0756),
        (3.0, 0.64372, 0.0710),
        (3.5, 0.66021, 0.0667),
        (4.0, 0.67443, 0.0635),
    ]
)
_LARGEST = float(_TABLE[-1, 0])
_SMOOTH = CubicSpline(np.log1p(10 * _TABLE[:, 0]), _TABLE[:, 1:])


def mean_gap_ratio(dyson_index: ArrayLike) -> Any:
    """Mean of min/max of successive gaps in the bulk, elementwise.

    Parameters
    ----------
    dyson_index : array_like
        kappa/N, in [0, 4]; above 4 it is taken as 4.

    Examples
    --------
    >>> print(mean_gap_ratio([0.0, 1.0]).round(2))
    [0.39 0.53]
    """
    return _at(dyson_index)[..., 0]


def log_density(observed: float, count: int, dyson_index: ArrayLike) -> Any:
    """Log-density of an observed mean of `count` ratios, by the Dyson index, elementwise: that of a normal law.

    Examples
    --------
    >>> bool(log_density(0.53, 300, 1.0) > log_density(0.53, 300, 0.1))
    True
    """
    mean, variance = np.moveaxis(_at(dyson_index), -1, 0)
    return -0.5 * count * (observed - mean) ** 2 / variance - 0.5 * np.log(2 * np.pi * variance / count)


def standard_error(count: int, dyson_index: ArrayLike) -> Any:
    """Compute the standard deviation of the mean of so many ratios."""
    return np.sqrt(_at(dyson_index)[..., 1] / count)


def dyson_index_of(ratio: float) -> float:
    """Dyson index at which the mean ratio is `ratio`: 0 or 4 where it is smaller or larger than all.

    Examples
    --------
    >>> round(dyson_index_of(mean_gap_ratio(0.7)), 6), dyson_index_of(0.3)
    (0.7, 0.0)
    """
    if ratio <= mean_gap_ratio(0.0):
        return 0.0
    if ratio >= mean_gap_ratio(_LARGEST):
        return _LARGEST
    return float(brentq(lambda index: mean_gap_ratio(index) - ratio, 0.0, _LARGEST))


def _at(dyson_index: ArrayLike) -> Any:
    index = np.clip(np.asarray(dyson_index, dtype=np.float64), 0.0, _LARGEST)
    return _SMOOTH(np.log1p(10 * index))
