"""A point estimate of a power-law tail, as power-law fits of spectra report it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["PowerLawFit", "fit_power_law"]

_FEWEST_IN_TAIL = 10


@dataclass(frozen=True)
class PowerLawFit:
    """A density proportional to ``x**-alpha`` from `x_min` on.

    Attributes
    ----------
    alpha : float
        Exponent.
    standard_error : float
        Of `alpha`, as if the values were independent and `x_min` were known.
    x_min : float
        Where the tail begins, in the units of the values.
    n_tail : int
        Number of values in the tail.
    distance : float
        Largest difference of the tail's empirical and fitted distribution functions.
    """

    alpha: float
    standard_error: float
    x_min: float
    n_tail: int
    distance: float


def fit_power_law(values: ArrayLike) -> PowerLawFit:
    r"""Fit a power law to an upper tail that begins where the fit is best.

    Parameters
    ----------
    values : array_like, shape (N,)
        Positive values, at least 20 of them different.

    Returns
    -------
    PowerLawFit
        The fit with the smallest Kolmogorov-Smirnov distance among those that begin at one of the values and
        leave at least 10 in the tail.

    Raises
    ------
    ValueError
        If a value is not positive and finite, or fewer than 20 are different.

    Notes
    -----
    For the values :math:`x_i \ge x_{\min}`, n of them, the maximum of the likelihood is at
    :math:`\hat\alpha = 1 + n / \sum \log(x_i / x_{\min})`, with standard error
    :math:`(\hat\alpha - 1) / \sqrt n` to leading order. Neither this error nor the
    choice of :math:`x_{\min}` knows that eigenvalues repel each other and that a law has a bulk; this is
    what is reported elsewhere, for comparison with a posterior.

    References
    ----------
    Clauset, Shalizi & Newman (2009), *Power-law distributions in empirical data*, SIAM Review 51, 661:
    equations 3.1, 3.2 and 3.9.

    Examples
    --------
    >>> pareto = (1 - np.arange(0.5, 400) / 400) ** (-1 / 1.5)  # quantiles of a density x**-2.5
    >>> fit = fit_power_law(pareto)
    >>> print(round(fit.alpha, 2), round(fit.standard_error, 2))
    2.5 0.08
    """
    x = np.sort(np.asarray(values, dtype=np.float64))
    if x.ndim != 1 or not np.all((x > 0) & (x < np.inf)) or np.unique(x).size < 2 * _FEWEST_IN_TAIL:
        raise ValueError("values must be a list of positive finite numbers, at least 20 of them different")
    starts = np.unique(x, return_index=True)[1]
    fits = [_from(x[start:]) for start in starts if start <= x.size - _FEWEST_IN_TAIL and x[start] < x[-1]]
    return min(fits, key=lambda fit: fit.distance)


def _from(tail: np.ndarray) -> PowerLawFit:
    logs = np.log(tail / tail[0])
    slope = tail.size / logs.sum()  # alpha - 1
    fitted, below = -np.expm1(-slope * logs), np.arange(tail.size) / tail.size
    distance = max(np.max(fitted - below), np.max(below + 1 / tail.size - fitted))
    alpha, error = 1 + slope, slope / np.sqrt(tail.size)
    return PowerLawFit(float(alpha), float(error), float(tail[0]), tail.size, float(distance))
