r"""The laws that HTMP competes with, as PyMC models on one footing, each compiled once in a process.

All priors are weakly informative and proper, and move along when all eigenvalues are multiplied by a factor, as in
:mod:`htmp_bayes.models.layer`: with m and s the mean and the standard deviation of the log-eigenvalues, the place of
a law has the standard deviation s, and its width a factor of standard deviation :math:`1/\sqrt 2` in its logarithm
about s. For a normal law of the log-eigenvalues these are unit-information priors (Kass & Wasserman 1995, J. Am.
Stat. Assoc. 90, 928): each is worth one eigenvalue. All parameters are sampled in standard units, in which chains
start within one of 0, the law that matches m and s.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from htmp_bayes.laws import HTMP
from htmp_bayes.laws.htmp import KAPPA_RANGE
from htmp_bayes.laws.kernel import INVERSE_GAMMA, log_density
from htmp_bayes.laws.special import inverse_trigamma, trigamma
from htmp_bayes.models.layer import log_temperature
from htmp_bayes.models.nuts import compile_model, sample_compiled

type Tensors = dict[str, Any]

LARGEST_OUTLIER_SHARE = 0.05
OUTLIER_WIDTH = 3.0
_LOG_WIDTH_SD = 2**-0.5
_LOG_ROOT_2_PI = 0.5 * float(np.log(2 * np.pi))
# The table of the noise law: points, the probability beyond its ends, and log-units that it goes on below the data.
_TABLE_SIZE = 4000
_TABLE_TAIL = 1e-9
_SMALLEST_LOG = -700.0
_TABLE_MARGIN = 30.0


@dataclass(frozen=True)
class RivalLaw:
    """A law of the eigenvalues with a prior of its parameters.

    Attributes
    ----------
    names : tuple of str
        The parameters.
    parameters : callable
        Called in a PyMC model with the model's data; declares the random variables and returns the law's
        parameters by name.
    log_density : callable
        Log-density of an eigenvalue by its logarithm, the parameters and the data, as a tensor.
    data : callable
        What the prior and the density have to know of the eigenvalues and the aspect ratio.
    """

    names: tuple[str, ...]
    parameters: Callable[[Tensors], Tensors]
    log_density: Callable[[Any, Tensors, Tensors], Any]
    data: Callable[[NDArray[np.float64], float], dict[str, Any]]


def rival_data(name: str, eigenvalues: ArrayLike, gamma: float) -> dict[str, Any]:
    """Everything that distinguishes one layer from another in :func:`rival_model`, as its ``pm.Data``.

    Parameters
    ----------
    name : str
        One of `RIVALS`.
    eigenvalues : array_like
        Positive eigenvalues, shape ``(N,)``.
    gamma : float
        Aspect ratio of the matrix.

    Returns
    -------
    dict
        ``log_eigenvalues`` of shape ``(N,)``, and what the law's prior has to know of them.

    Examples
    --------
    >>> sorted(rival_data("log-normal", [0.5, 1.0, 2.0], 0.25))
    ['log_eigenvalues', 'log_mean', 'log_sd']
    """
    values = np.asarray(eigenvalues, dtype=np.float64)
    return {"log_eigenvalues": np.log(values), **RIVALS[name].data(values, gamma)}


def rival_model(name: str, data: dict[str, Any]) -> Any:
    """PyMC model of one layer's eigenvalues under a law, as if they were independent draws.

    Parameters
    ----------
    name : str
        One of `RIVALS`.
    data : dict
        What :func:`rival_data` returns.

    Returns
    -------
    pymc.Model
        The law's parameters are its deterministics; the likelihood is a ``Potential``.

    Examples
    --------
    >>> model = rival_model("gamma", rival_data("gamma", [0.5, 1.0, 2.0], 0.25))
    >>> [variable.name for variable in model.deterministics]
    ['shape', 'mean']
    """
    import pymc as pm
    import pytensor.tensor as pt

    law = RIVALS[name]
    with pm.Model() as model:
        given = {key: pm.Data(key, value) for key, value in data.items()}
        values = law.parameters(given)
        parameters = {key: pm.Deterministic(key, values[key]) for key in law.names}
        pm.Potential("likelihood", pt.sum(law.log_density(given["log_eigenvalues"], parameters, given)))
    return model


def sample_rival(
    name: str,
    data: dict[str, Any],
    *,
    draws: int,
    tune: int,
    chains: int,
    random_seed: int,
    cores: int | None = None,
) -> xr.DataTree:
    """Sample the posterior of a law's parameters by NUTS.

    Parameters
    ----------
    name : str
        One of `RIVALS`.
    data : dict
        What :func:`rival_data` returns.
    draws, tune, chains, random_seed, cores
        As for `htmp_bayes.fit`.

    Returns
    -------
    xarray.DataTree
        Groups ``posterior`` and ``sample_stats``.
    """
    tree = sample_compiled(
        _compiled_model(name).with_data(**data),
        draws=draws,
        tune=tune,
        chains=chains,
        random_seed=random_seed,
        cores=cores,
    )
    tree["posterior"] = xr.DataTree(tree["posterior"].to_dataset()[list(RIVALS[name].names)])
    return tree


def rival_log_density(
    name: str, data: dict[str, Any], draws: Mapping[str, NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Log-density of each eigenvalue at each draw of the parameters.

    Parameters
    ----------
    name : str
        One of `RIVALS`.
    data : dict
        What :func:`rival_data` returns.
    draws : mapping of str to ndarray
        The law's parameters, each of shape ``(D,)``.

    Returns
    -------
    ndarray
        Shape ``(D, N)``.

    Examples
    --------
    >>> data = rival_data("log-normal", [0.5, 1.0, 2.0], 0.25)
    >>> draws = {"mu": np.zeros(1), "sigma": np.ones(1)}
    >>> rival_log_density("log-normal", data, draws).round(4)
    array([[-0.466 , -0.9189, -1.8523]])
    """
    columns = {key: draws[key][:, None] for key in RIVALS[name].names}
    return np.asarray(_compiled_density(name)(**columns, **data))


@functools.cache
def _compiled_model(name: str) -> Any:
    """Compile a law for nutpie; any layer's data can follow."""
    return compile_model(rival_model(name, _example(name)), var_names=list(RIVALS[name].names))


@functools.cache
def _compiled_density(name: str) -> Callable[..., Any]:
    """Compile a law's log-density for columns of parameters and any layer's data."""
    import pytensor
    import pytensor.tensor as pt

    law = RIVALS[name]
    given = {
        key: pt.tensor(key, dtype=np.asarray(value).dtype, shape=(None,) * np.ndim(value))
        for key, value in _example(name).items()
    }
    columns = {key: pt.tensor(key, dtype="float64", shape=(None, 1)) for key in law.names}
    density = law.log_density(given["log_eigenvalues"], columns, given)
    return pytensor.function([*columns.values(), *given.values()], density, on_unused_input="ignore")


def _example(name: str) -> dict[str, Any]:
    return rival_data(name, np.geomspace(0.1, 10.0, 50), 0.25)


def _standard(name: str) -> Any:
    import pymc as pm

    return pm.Normal(f"{name}_in_standard_units", 0.0, 1.0)


def _moments(eigenvalues: NDArray[np.float64], gamma: float) -> dict[str, Any]:
    logarithms = np.log(eigenvalues)
    return {"log_mean": float(logarithms.mean()), "log_sd": float(logarithms.std())}


# Log-normal


def _log_normal_parameters(given: Tensors) -> Tensors:
    import pytensor.tensor as pt

    return {
        "mu": given["log_mean"] + given["log_sd"] * _standard("location"),
        "sigma": given["log_sd"] * pt.exp(_LOG_WIDTH_SD * _standard("width")),
    }


def _log_normal_density(log_x: Any, parameters: Tensors, given: Tensors) -> Any:
    import pytensor.tensor as pt

    sigma = parameters["sigma"]
    return -0.5 * ((log_x - parameters["mu"]) / sigma) ** 2 - pt.log(sigma) - _LOG_ROOT_2_PI - log_x


# Gamma


def _matched_shape(eigenvalues: NDArray[np.float64], gamma: float) -> dict[str, Any]:
    """Mean, shape of the Gamma law whose log has the data's standard deviation, and its unit information.

    The Fisher information on log(shape) in one draw is shape² (trigamma(shape) - 1 / shape), whatever the mean.
    """
    shape = inverse_trigamma(float(np.log(eigenvalues).var()))
    information = shape**2 * (trigamma(shape) - 1 / shape)
    return {
        "log_sd": float(np.log(eigenvalues).std()),
        "matched_mean": float(eigenvalues.mean()),
        "matched_shape": float(shape),
        "log_shape_sd": float(information**-0.5),
    }


def _gamma_parameters(given: Tensors) -> Tensors:
    import pytensor.tensor as pt

    shape = given["matched_shape"] * pt.exp(given["log_shape_sd"] * _standard("width"))
    mean = given["matched_mean"] * pt.exp(given["log_sd"] * _standard("location"))
    return {"shape": shape, "mean": mean}


def _gamma_density(log_x: Any, parameters: Tensors, given: Tensors) -> Any:
    import pytensor.tensor as pt

    shape = parameters["shape"]
    rate = shape / parameters["mean"]
    return shape * pt.log(rate) - pt.gammaln(shape) + (shape - 1) * log_x - rate * pt.exp(log_x)


# Log-normal with a power-law tail


def _power_law_parameters(given: Tensors) -> Tensors:
    """Draw the threshold one standard deviation above the mean, give or take one, and the tail's decay."""
    import pytensor.tensor as pt

    decay = pt.exp(_standard("decay")) / given["log_sd"]
    threshold = given["log_mean"] + given["log_sd"] * (1.0 + _standard("threshold"))
    return {
        **_log_normal_parameters(given),
        "threshold": pt.exp(threshold),
        "tail_index": 1.0 + decay,
    }


def _power_law_density(log_x: Any, parameters: Tensors, given: Tensors) -> Any:
    r"""Continuous composite of a log-normal body and a Pareto tail, Cooray & Ananda (2005), with a free weight.

    In u = log x it is proportional to exp(-(u - mu)² / (2 sigma²)) below c = log(threshold), and above it to
    the value at c times exp(-(tail_index - 1)(u - c)).
    """
    import pytensor.tensor as pt
    from pymc.distributions.dist_math import normal_lcdf

    mu, sigma = parameters["mu"], parameters["sigma"]
    decay, c = parameters["tail_index"] - 1.0, pt.log(parameters["threshold"])

    def body(u: Any) -> Any:
        return -0.5 * ((u - mu) / sigma) ** 2

    mass_below = pt.log(sigma) + _LOG_ROOT_2_PI + normal_lcdf(mu, sigma, c)
    mass_above = body(c) - pt.log(decay)
    shape = body(pt.minimum(log_x, c)) - decay * pt.maximum(log_x - c, 0.0)
    return shape - pt.logaddexp(mass_below, mass_above) - log_x


# Noise: the Marchenko-Pastur law at finite size, and a few outliers


def _noise_table(eigenvalues: NDArray[np.float64], gamma: float) -> dict[str, Any]:
    """Tabulate the log-density of noise at temperature 1, evenly in log y, with its slopes."""
    kappa = float(np.clip(eigenvalues.size, *KAPPA_RANGE))
    law = HTMP(kappa, gamma)
    moments = _moments(eigenvalues, gamma)
    matched = float(log_temperature(kappa, 0.0, {"gamma": gamma, **moments}))
    # For gamma = 1 the law's own quantile may lie below the smallest double.
    lowest = max(float(np.log(eigenvalues.min())) - matched - _TABLE_MARGIN, _SMALLEST_LOG)
    start = max(float(law.ppf(_TABLE_TAIL)), float(np.exp(lowest)))
    log_y = np.linspace(np.log(start), np.log(law.isf(_TABLE_TAIL)), _TABLE_SIZE)
    rows = log_density(log_y, kappa, gamma, 0.0, INVERSE_GAMMA)
    return {
        **moments,
        "table_start": float(log_y[0]),
        "table_step": float(log_y[1] - log_y[0]),
        "table_values": rows[:, 0].copy(),
        "table_slopes": rows[:, 1].copy(),
        "matched_log_temperature": matched,
        "mean_at_temperature_1": float(law.mean()),
    }


def _noise_parameters(given: Tensors) -> Tensors:
    import pymc as pm
    import pytensor.tensor as pt

    log_temperature = given["matched_log_temperature"] + given["log_sd"] * _standard("location")
    return {
        "scale": given["mean_at_temperature_1"] * pt.exp(log_temperature),
        "outlier_share": pm.Uniform("share", 0.0, LARGEST_OUTLIER_SHARE) * 1.0,
    }


def _noise_density(log_x: Any, parameters: Tensors, given: Tensors) -> Any:
    import pytensor.tensor as pt

    log_temperature = pt.log(parameters["scale"] / given["mean_at_temperature_1"])
    share = parameters["outlier_share"]
    noise = _interpolated(log_x - log_temperature, given) - log_temperature
    width = OUTLIER_WIDTH * given["log_sd"]
    outlier = -0.5 * ((log_x - given["log_mean"]) / width) ** 2 - pt.log(width) - _LOG_ROOT_2_PI - log_x
    return pt.logaddexp(pt.log1p(-share) + noise, pt.log(share) + outlier)


def _interpolated(log_y: Any, given: Tensors) -> Any:
    """Cubic Hermite interpolation in the table, and straight lines beyond its ends."""
    import pytensor.tensor as pt

    step, values, slopes = given["table_step"], given["table_values"], given["table_slopes"]
    place = (log_y - given["table_start"]) / step
    last = values.shape[0] - 1
    inside = pt.clip(place, 0.0, last)
    cell = pt.minimum(pt.floor(inside), last - 1).astype("int64")
    t = inside - cell
    low, high = values[cell], values[cell + 1]
    slope_low, slope_high = step * slopes[cell], step * slopes[cell + 1]
    cubic = (
        (1 + 2 * t) * (1 - t) ** 2 * low
        + t * (1 - t) ** 2 * slope_low
        + t**2 * (3 - 2 * t) * high
        - t**2 * (1 - t) * slope_high
    )
    return cubic + (place - inside) * pt.switch(place < 0, slope_low, slope_high)


RIVALS: Mapping[str, RivalLaw] = {
    "marchenko-pastur": RivalLaw(("scale", "outlier_share"), _noise_parameters, _noise_density, _noise_table),
    "gamma": RivalLaw(("shape", "mean"), _gamma_parameters, _gamma_density, _matched_shape),
    "log-normal": RivalLaw(("mu", "sigma"), _log_normal_parameters, _log_normal_density, _moments),
    "power-law-tail": RivalLaw(
        ("mu", "sigma", "threshold", "tail_index"), _power_law_parameters, _power_law_density, _moments
    ),
}
