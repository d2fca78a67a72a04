r"""The prior of one layer's law.

It is proper, weakly informative, and moves along when all eigenvalues are multiplied by a factor:

- ``kappa``: log-normal, 95 % of it between 0.5 and 4 N, cut off at `KAPPA_LOWEST` and 100 N. It covers both what a
  trained network may be according to Hodgkinson, Wang & Mahoney (arXiv 2506.03470), a repulsion of order one, and what
  a matrix with independent rows is, kappa = N, with nearly the same density of log kappa.
- ``correlation``: half-normal with standard deviation 1, cut off at 3. It includes 0, the law without correlation.
- ``location``: the expected log-eigenvalue, in standard deviations of the log-eigenvalues from their mean; standard
  normal, so that it carries as much information as one eigenvalue (unit information: Kass & Wasserman 1995, J. Am.
  Stat. Assoc. 90, 928).

The temperature follows from the location. With :math:`c = \kappa/2`, :math:`s = \kappa/(2\gamma)` and
:math:`\epsilon = 0`,

.. math:: \mathrm E[\log\lambda] = \log T + \frac{\log\Gamma(s + \epsilon) - \log\Gamma(s - c + \epsilon)}{c},

whatever the correlation and the population: the log-determinant of the beta-Laguerre ensemble (Dumitriu & Edelman 2002)
is a sum of logarithms of independent Gamma variables with shapes between s - c and s. Square matrices have s = c and no
such mean, so epsilon is 1/4: the location is then the expected log-eigenvalue with the smallest ones held up. It leaves
the sampled parameters nearly uncorrelated a posteriori.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import norm, truncnorm

from htmp_bayes.models.layer.data import LayerData

KAPPA_LOWEST = 0.05
_KAPPA_LOW, _KAPPA_HIGH = 0.5, 4.0
_KAPPA_CUT = 100.0
CORRELATION_MAX = 3.0
CORRELATION_SD = 1.0
HELD_UP = 0.25


def kappa_prior(size: float) -> dict[str, float]:
    """Mean and standard deviation of log kappa before it is cut off, for N eigenvalues.

    Examples
    --------
    >>> found = kappa_prior(400)
    >>> round(found["mu"], 3), round(found["sigma"], 3)
    (3.342, 2.059)
    """
    low, high = np.log(_KAPPA_LOW), np.log(_KAPPA_HIGH * size)
    return {"mu": float((low + high) / 2), "sigma": float((high - low) / (2 * norm.ppf(0.975)))}


def kappa_range(size: float) -> tuple[float, float]:
    """Where the prior of kappa ends, for N eigenvalues."""
    return KAPPA_LOWEST, _KAPPA_CUT * size


def log_kappa_prior(size: float) -> Any:
    """Law of log kappa, frozen."""
    return _truncated_normal(*np.log(kappa_range(size)), **kappa_prior(size))


def correlation_prior() -> Any:
    """Law of the correlation, frozen."""
    return _truncated_normal(0.0, CORRELATION_MAX, 0.0, CORRELATION_SD)


def expected_log(kappa: Any, gamma: Any, log_gamma: Any = gammaln) -> Any:
    """Regularised expected log-eigenvalue at temperature 1: see the module.

    Examples
    --------
    >>> print(round(float(expected_log(5.0, 0.25)), 4))
    2.137
    """
    largest = kappa / (2 * gamma) + HELD_UP
    return (log_gamma(largest) - log_gamma(largest - kappa / 2)) / (kappa / 2)


def log_temperature(kappa: Any, location: Any, data: LayerData) -> Any:
    """Logarithm of the temperature that puts the expected log-eigenvalue at `location`; elementwise.

    Examples
    --------
    >>> from htmp_bayes.models.layer.data import layer_data
    >>> print(round(float(log_temperature(5.0, 0.0, layer_data([0.5, 1.0, 2.0], 0.25))), 4))
    -2.137
    """
    return data.log_mean + data.log_sd * location - expected_log(kappa, data.gamma)


def prior_draws(data: LayerData, size: int, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """Draws from the prior: ``kappa``, ``correlation``, ``location`` and ``temperature``, each of shape ``(size,)``.

    Examples
    --------
    >>> from htmp_bayes.models.layer.data import layer_data
    >>> sorted(prior_draws(layer_data([0.5, 1.0, 2.0], 0.25), 1000, np.random.default_rng(1)))
    ['correlation', 'kappa', 'location', 'temperature']
    """
    kappa = np.exp(log_kappa_prior(data.size).rvs(size, random_state=rng))
    correlation = correlation_prior().rvs(size, random_state=rng) if data.correlated else np.zeros(size)
    location = rng.standard_normal(size)
    temperature = np.exp(log_temperature(kappa, location, data))
    return {"kappa": kappa, "correlation": correlation, "location": location, "temperature": temperature}


def log_prior(name: str, values: Any, data: LayerData) -> Any:
    """Log-density of the prior of ``kappa``, ``correlation`` or ``location`` at `values`, elementwise."""
    if name == "kappa":
        return log_kappa_prior(data.size).logpdf(np.log(values)) - np.log(values)
    if name == "correlation":
        return correlation_prior().logpdf(values) + 0 * values
    return norm.logpdf(values) + 0 * values


def _truncated_normal(lower: float, upper: float, mu: float, sigma: float) -> Any:
    return truncnorm((lower - mu) / sigma, (upper - mu) / sigma, loc=mu, scale=sigma)
