"""The model of one layer: a prior for the law's parameters and the compressed likelihood of a spectrum."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma, gammaln
from scipy.stats import norm, truncnorm

from htmp_bayes.laws.kernel import INVERSE_GAMMA, LOG_NORMAL
from htmp_bayes.models.compression import DEFAULT_SIZE, compress

if TYPE_CHECKING:
    import pymc as pm

    from htmp_bayes.models.adjustment import Adjustment

POPULATIONS = {"log-normal": LOG_NORMAL, "inverse-gamma": INVERSE_GAMMA}
KAPPA_RANGE = (0.05, 1e4)
KAPPA_PRIOR = {"mu": float(np.log(10.0)), "sigma": 1.75}
CORRELATION_MAX = 3.0
CORRELATION_PRIOR = {"sigma": 1.0}
HELD_UP = 0.25


def layer_data(
    eigenvalues: ArrayLike, gamma: float, population: str = "inverse-gamma", size: int = DEFAULT_SIZE
) -> dict[str, Any]:
    """Everything that distinguishes one layer from another in :func:`layer_model`, as its ``pm.Data``.

    Parameters
    ----------
    eigenvalues : array_like
        Positive eigenvalues, shape ``(N,)``, not all equal.
    gamma : float
        Aspect ratio of the matrix, known from its shape.
    population : {"inverse-gamma", "log-normal"}
        Law of the population spectrum.
    size : int
        Number of nodes of the compressed likelihood; the same for all layers of a run.

    Returns
    -------
    dict
        ``log_nodes`` and ``weights`` of shape ``(size,)``, scalars ``n_eigenvalues``, ``gamma``, ``log_mean``
        and ``log_sd`` (mean and standard deviation of the log-eigenvalues) and ``population`` (its code).

    Raises
    ------
    ValueError
        If the population is unknown or the eigenvalues are not positive, finite and different.

    Examples
    --------
    >>> data = layer_data([0.5, 1.0, 2.0], gamma=0.25, size=4)
    >>> print(data["weights"], round(data["log_sd"], 4))
    [1. 1. 1. 0.] 0.566
    """
    if population not in POPULATIONS:
        raise ValueError(f"population must be one of {sorted(POPULATIONS)}, got {population!r}")
    rule = compress(eigenvalues, size)
    # sorted, so that not even the rounding depends on their order
    logarithms = np.log(np.sort(np.asarray(eigenvalues, dtype=np.float64)))
    return {
        "log_nodes": rule.log_nodes,
        "weights": rule.weights,
        "n_eigenvalues": float(logarithms.size),
        "gamma": float(gamma),
        "log_mean": float(logarithms.mean()),
        "log_sd": float(logarithms.std()),
        "population": POPULATIONS[population],
    }


def layer_model(data: dict[str, Any], adjustment: "Adjustment | None" = None) -> "pm.Model":
    r"""PyMC model of one layer's spectrum, with the aspect ratio known.

    The prior is proper, weakly informative and moves along when all eigenvalues are multiplied by a factor:

    - ``kappa``: log-normal with median 10 and log-standard-deviation 1.75 (95 % between 0.3 and 300), cut off
      at 0.05 and 10,000. Towards infinity the law no longer depends on kappa (it is Marchenko-Pastur's with
      population covariance), so there the posterior has the shape of this prior: read it as 'at least'.
    - ``correlation``: half-normal with standard deviation 1, cut off at 3. It includes 0, the law without
      correlation.
    - ``location``: the expected log-eigenvalue, in standard deviations of the log-eigenvalues from their
      mean; standard normal. That is a unit-information prior: it carries as much information as one
      eigenvalue (Kass & Wasserman 1995, J. Am. Stat. Assoc. 90, 928).

    The temperature follows from the location. With :math:`c = \kappa/2`, :math:`s = \kappa/(2\gamma)` and
    :math:`\epsilon = 0`,

    .. math:: \mathrm E[\log\lambda] = \log T + \frac{\log\Gamma(s + \epsilon)
        - \log\Gamma(s - c + \epsilon)}{c},

    whatever the correlation and the population: the log-determinant of the beta-Laguerre ensemble (Dumitriu
    & Edelman 2002) is a sum of logarithms of independent Gamma variables with shapes between s - c and s.
    Square matrices have s = c and no such mean, so epsilon is 1/4: the location is then the expected
    log-eigenvalue with the smallest eigenvalues held up. It leaves the three sampled parameters nearly
    uncorrelated a posteriori.

    Parameters
    ----------
    data : dict
        What :func:`layer_data` returns. All of it is ``pm.Data``, so a compiled model serves every other
        layer through ``with_data``.

    Returns
    -------
    pymc.Model
        With variables ``kappa``, ``correlation``, ``location`` and the deterministic ``temperature``. The
        likelihood is a ``Potential``, the product of marginal densities over all eigenvalues.

    Examples
    --------
    >>> import numpy as np
    >>> model = layer_model(layer_data(np.linspace(0.5, 2.0, 50), gamma=0.25))
    >>> [rv.name for rv in model.free_RVs]
    ['kappa', 'correlation', 'location']
    """
    import pymc as pm
    import pytensor.tensor as pt

    from htmp_bayes.models.adjustment import IDENTITY
    from htmp_bayes.models.ops import log_density

    with pm.Model() as model:
        given = {name: pm.Data(name, value) for name, value in data.items()}
        chosen = {name: pm.Data(name, value) for name, value in (adjustment or IDENTITY)._asdict().items()}
        kappa = pm.Truncated(
            "kappa", pm.LogNormal.dist(**KAPPA_PRIOR), lower=KAPPA_RANGE[0], upper=KAPPA_RANGE[1]
        )
        correlation = pm.Truncated(
            "correlation", pm.HalfNormal.dist(**CORRELATION_PRIOR), lower=0.0, upper=CORRELATION_MAX
        )
        location = pm.Normal("location", 0.0, 1.0)
        expected = given["log_mean"] + given["log_sd"] * location
        pm.Deterministic("temperature", pt.exp(expected - expected_log(kappa, given["gamma"], pt.gammaln)))
        point = pt.stack([pt.log(kappa), correlation, expected])
        log_kappa, correlation, expected = _adjusted(point, **chosen)
        kappa = pt.exp(log_kappa)
        log_temperature = expected - expected_log(kappa, given["gamma"], pt.gammaln)
        log_f = log_density(
            given["log_nodes"] - log_temperature, kappa, given["gamma"], correlation, given["population"]
        )[0]
        pm.Potential(
            "likelihood", pt.sum(given["weights"] * log_f) - given["n_eigenvalues"] * log_temperature
        )
    return model


def _adjusted(point: Any, **adjustment: Any) -> tuple[Any, Any, Any]:
    """`Adjustment.at`, symbolically."""
    import pytensor.tensor as pt

    from htmp_bayes.laws.htmp import CORRELATION_RANGE
    from htmp_bayes.models.adjustment import moved_symbolically

    log_kappa, correlation, expected = moved_symbolically(point, **adjustment)
    return log_kappa, pt.minimum(pt.abs(correlation), CORRELATION_RANGE[1]), expected


def prior_draws(data: dict[str, Any], size: int, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """Draws from the prior of :func:`layer_model`, without compiling anything.

    Parameters
    ----------
    data : dict
        What :func:`layer_data` returns.
    size : int
        Number of draws.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    dict of ndarray
        ``kappa``, ``correlation``, ``location`` and ``temperature``, each of shape ``(size,)``.

    Examples
    --------
    >>> draws = prior_draws(layer_data([0.5, 1.0, 2.0], 0.25), 1000, np.random.default_rng(1))
    >>> sorted(draws)
    ['correlation', 'kappa', 'location', 'temperature']
    """
    kappa = np.exp(_LOG_KAPPA.rvs(size, random_state=rng))
    correlation = _CORRELATION.rvs(size, random_state=rng)
    location = rng.standard_normal(size)
    return {
        "kappa": kappa,
        "correlation": correlation,
        "location": location,
        "temperature": np.exp(log_temperature(kappa, location, data)),
    }


def log_temperature(kappa: Any, location: Any, data: dict[str, Any]) -> Any:
    """Logarithm of the temperature that puts the expected log-eigenvalue at `location`; elementwise.

    Examples
    --------
    >>> data = layer_data([0.5, 1.0, 2.0], 0.25)
    >>> print(round(float(log_temperature(5.0, 0.0, data)), 4))
    -2.137
    """
    return data["log_mean"] + data["log_sd"] * location - expected_log(kappa, data["gamma"])


def log_prior(name: str, values: Any) -> Any:
    """Log-density of the prior of ``kappa``, ``correlation`` or ``location`` at `values`, elementwise.

    Examples
    --------
    >>> float(np.round(log_prior("location", 0.0), 4))
    -0.9189
    """
    if name == "kappa":
        return _LOG_KAPPA.logpdf(np.log(values)) - np.log(values)
    if name == "correlation":
        return _CORRELATION.logpdf(values) + 0 * values
    return norm.logpdf(values) + 0 * values


def log_prior_at(points: NDArray[np.float64]) -> Any:
    """Log-density of the prior by log kappa, correlation and location, at points of shape ``(..., 3)``.

    Examples
    --------
    >>> print(log_prior_at(np.array([np.log(10.0), 0.5, 0.0])).round(4))
    -2.7443
    """
    log_kappa, correlation, location = np.moveaxis(np.asarray(points, dtype=np.float64), -1, 0)
    return _LOG_KAPPA.logpdf(log_kappa) + _CORRELATION.logpdf(correlation) + norm.logpdf(location)


def log_prior_slope(point: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gradient of :func:`log_prior_at`, shape ``(3,)``.

    Examples
    --------
    >>> print(log_prior_slope(np.array([np.log(10.0), 0.5, 0.25])))
    [-0.   -0.5  -0.25]
    """
    log_kappa, correlation, location = point
    by_log_kappa = -(log_kappa - KAPPA_PRIOR["mu"]) / KAPPA_PRIOR["sigma"] ** 2
    return np.array([by_log_kappa, -correlation / CORRELATION_PRIOR["sigma"] ** 2, -location])


def expected_log(kappa: Any, gamma: Any, log_gamma: Any = gammaln) -> Any:
    """Regularised expected log-eigenvalue at temperature 1; see :func:`layer_model`.

    Examples
    --------
    >>> print(round(float(expected_log(5.0, 0.25)), 4))
    2.137
    """
    largest = kappa / (2 * gamma) + HELD_UP
    return (log_gamma(largest) - log_gamma(largest - kappa / 2)) / (kappa / 2)


def slope_of_expected_log(kappa: float, gamma: float) -> float:
    """Differentiate :func:`expected_log` by kappa.

    Examples
    --------
    >>> step = 1e-5
    >>> difference = expected_log(3.0 + step, 0.25) - expected_log(3.0 - step, 0.25)
    >>> bool(abs(difference / (2 * step) - slope_of_expected_log(3.0, 0.25)) < 1e-9)
    True
    """
    largest = kappa / (2 * gamma) + HELD_UP
    smallest = largest - kappa / 2
    slope = digamma(largest) / (2 * gamma) - digamma(smallest) * (1 / gamma - 1) / 2
    return float((slope - expected_log(kappa, gamma) / 2) / (kappa / 2))


def _truncated_normal(lower: float, upper: float, mu: float = 0.0, sigma: float = 1.0) -> Any:
    return truncnorm((lower - mu) / sigma, (upper - mu) / sigma, loc=mu, scale=sigma)


_LOG_KAPPA = _truncated_normal(*np.log(KAPPA_RANGE), **KAPPA_PRIOR)
_CORRELATION = _truncated_normal(0.0, CORRELATION_MAX, **CORRELATION_PRIOR)
