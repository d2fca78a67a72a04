"""What a fit reports beside the draws: what follows from the parameters, and the prior."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes._results import law_of
from htmp_bayes.models.layer.data import LayerData
from htmp_bayes.models.layer.prior import log_prior, prior_draws

type Array = NDArray[np.float64]


def with_derived(
    parameters: xr.Dataset, size: int, gamma: float, population: str, inverse: bool = False
) -> xr.Dataset:
    r"""Add ``dyson_index``, ``tail_index`` and ``mean`` to draws of ``kappa``, ``temperature`` and ``correlation``.

    The Dyson index is kappa/N: 1 for a real matrix of independent columns.

    The upper tail of the density falls as :math:`\lambda^{-\alpha}` with :math:`\alpha = \nu + 1` for the
    inverse-gamma population of shape :math:`\nu`, :math:`\psi'(\nu) = \rho^2`. A log-normal population has no
    power law, nor has the law without correlation, so there ``tail_index`` is left out. The mean is
    :math:`T\kappa\,\mathrm E[h]/(2\gamma)`, infinite for :math:`\nu \le 1` (correlation of 1.2825 and more): it
    is left out if any draw is infinite. For the inverse law see :class:`htmp_bayes.InverseHTMP`.

    Parameters
    ----------
    parameters : xarray.Dataset
        Draws of ``kappa``, ``temperature`` and, unless it is zero by assumption, ``correlation``.
    size : int
        Number N of eigenvalues that the law is of.
    gamma : float
        Aspect ratio.
    population : str
        Name of the population.
    inverse : bool
        Whether the reciprocals of the eigenvalues follow the law.

    Returns
    -------
    xarray.Dataset
        The parameters and what is finite of ``tail_index`` and ``mean``; the attribute
        ``probability_infinite_mean`` is the share of draws with an infinite mean, and
        ``infinite`` names the variables that were left out.

    Examples
    --------
    >>> draws = xr.Dataset({name: ("draw", [1.0]) for name in ("kappa", "temperature", "correlation")})
    >>> derived = with_derived(draws, 2, gamma=0.5, population="inverse-gamma")
    >>> print(f"{derived.tail_index.item():.4f} {derived['mean'].item():.4f}")
    2.4263 2.2658
    """
    names = [name for name in ("kappa", "temperature", "correlation") if name in parameters]
    kappa, temperature, correlation = law_parameters(parameters)
    law = law_of(kappa, gamma, temperature, correlation, population, inverse)
    reported = {"tail_index": law.tail_index(), "mean": law.mean()}
    dims = parameters["kappa"].dims
    derived = {name: (dims, values) for name, values in reported.items() if np.all(np.isfinite(values))}
    infinite = float(np.mean(np.isinf(reported["mean"])))
    left_out = [name for name in ("tail_index", "mean") if name not in derived]
    result = parameters[names].assign({"dyson_index": parameters["kappa"] / size, **derived})
    return result.assign_attrs(probability_infinite_mean=infinite, infinite=" ".join(left_out))


def law_parameters(parameters: xr.Dataset) -> tuple[Array, Array, Array]:
    """Arrays of kappa, temperature and correlation, the last of them zeros where the model has none."""
    kappa, temperature = (parameters[name].to_numpy() for name in ("kappa", "temperature"))
    known = "correlation" in parameters
    return kappa, temperature, parameters["correlation"].to_numpy() if known else np.zeros_like(kappa)


def prior_groups(
    draws: xr.Dataset,
    data: LayerData,
    random_seed: int,
    inverse: bool = False,
    size: int = 1000,
) -> dict[str, xr.Dataset]:
    """Build the groups ``prior`` (draws) and ``log_prior`` (at the posterior's draws).

    Parameters
    ----------
    draws : xarray.Dataset
        Posterior draws of ``kappa``, ``location`` and, unless it is zero by assumption, ``correlation``.
    data : LayerData
        The spectrum.
    random_seed : int
        Seed.
    inverse : bool
        Whether the reciprocals of the eigenvalues follow the law.
    size : int
        Number of prior draws.

    Returns
    -------
    dict of xarray.Dataset
        The two groups.
    """
    sampled = prior_draws(data, size, np.random.default_rng(random_seed))
    prior = xr.Dataset({name: (("chain", "draw"), values[None]) for name, values in sampled.items()})
    prior = prior.assign_coords(chain=[0], draw=np.arange(size))
    if "correlation" not in draws:
        prior = prior.drop_vars("correlation")
    names = [name for name in ("kappa", "correlation", "location") if name in draws]
    return {
        "prior": with_derived(prior, data.size, data.gamma, data.population, inverse),
        "log_prior": xr.Dataset({name: log_prior(name, draws[name], data) for name in names}),
    }
