"""What `fit` returns, put together: the groups of a DataTree."""

from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes.models import results
from htmp_bayes.models.adjustment import Adjustment
from htmp_bayes.models.sampling import LayerDraws
from htmp_bayes.spectra import Spectrum

# nutpie's names of the sampler's statistics and ArviZ's, which PyMC uses.
_STATISTICS = {
    "depth": "tree_depth",
    "diverging": "diverging",
    "energy": "energy",
    "logp": "lp",
    "maxdepth_reached": "reached_max_treedepth",
    "mean_tree_accept": "acceptance_rate",
    "n_steps": "n_steps",
    "step_size": "step_size",
}
_COORDINATES = ("log_kappa", "correlation", "expected_log_eigenvalue")
_PACKAGES = ("htmp-bayes", "pymc", "pytensor", "nutpie", "arviz", "numpy", "scipy", "numba")


def fit_result(
    spectrum: Spectrum,
    data: dict[str, Any],
    sampled: LayerDraws,
    log_likelihood: xr.Dataset,
    likelihood_data: xr.Dataset,
    settings: dict[str, Any],
    predictive_draws: int,
) -> xr.DataTree:
    """Put together what :func:`htmp_bayes.fit` documents.

    Parameters
    ----------
    spectrum : Spectrum
        What was fitted.
    data : dict
        ``gamma``, ``log_mean`` and ``log_sd`` of the model's data.
    sampled : LayerDraws
        The draws.
    log_likelihood, likelihood_data : xarray.Dataset
        What depends on the likelihood: the group ``log_likelihood`` and its part of ``constant_data``.
    settings : dict
        Attributes, with ``law``, ``population`` and ``random_seed`` among them.
    predictive_draws : int
        Number of posterior-predictive spectra.
    """
    population, inverse = settings["population"], settings["law"] == "inverse-htmp"
    posterior = results.with_derived(sampled.parameters, data["gamma"], population, inverse)
    if "n_spikes" in sampled.parameters:
        posterior = posterior.assign(n_spikes=sampled.parameters["n_spikes"])
    prior_seed, predictive_seed, _ = np.random.SeedSequence(settings["random_seed"]).generate_state(3)
    known = {"n": spectrum.n, "gamma": spectrum.gamma, "zeros": spectrum.zeros, "dead": spectrum.dead}
    groups = {
        "posterior": posterior,
        "sample_stats": sample_stats(sampled.sample_stats),
        "log_likelihood": log_likelihood,
        "observed_data": xr.Dataset(
            {"eigenvalues": ("eigenvalue", spectrum.eigenvalues)},
            coords={"eigenvalue": np.arange(len(spectrum))},
        ),
        "constant_data": xr.Dataset(known).merge(likelihood_data),
        **results.prior_groups(sampled.parameters, data, population, int(prior_seed), inverse),
    }
    if predictive_draws:
        groups["posterior_predictive"] = results.predictive_spectra(
            posterior,
            spectrum.eigenvalues,
            spectrum.gamma,
            population,
            predictive_draws,
            int(predictive_seed),
            inverse,
        )
    result = xr.DataTree.from_dict(groups)
    described = {"name": spectrum.name, "kind": spectrum.kind}
    result.attrs = {**described, **settings, **sampled.attributes, **package_versions()}
    return result


def compressed_data(data: dict[str, Any], adjustment: Adjustment) -> xr.Dataset:
    """Nodes, weights and adjustment of the compressed likelihood, for ``constant_data``."""
    return xr.Dataset(
        {
            "log_nodes": ("node", data["log_nodes"]),
            "weights": ("node", data["weights"]),
            "adjustment_centre": ("coordinate", adjustment.centre),
            "adjustment_origin": ("coordinate", adjustment.origin),
            "adjustment_stretch": (("evaluated", "coordinate"), adjustment.stretch),
            "adjustment_ridge": ("bent", adjustment.ridge),
        },
        coords={
            "node": np.arange(len(data["log_nodes"])),
            "coordinate": list(_COORDINATES),
            "evaluated": list(_COORDINATES),
            "bent": list(_COORDINATES[1:]),
        },
    )


def spikes_data(spectrum: Spectrum, probability: NDArray[np.float64]) -> xr.Dataset:
    """Posterior of the number of spikes, and the spikes if it is the most probable one, for ``constant_data``."""
    coords = {"number": np.arange(len(probability))}
    data = xr.Dataset({"spike_number_probability": ("number", probability)}, coords)
    number = int(np.argmax(probability))
    # netCDF takes a dimension of length 0 for one that may grow, so no spikes are no variable
    return data.assign(spikes=("spike", spectrum.eigenvalues[-number:])) if number else data


def sample_stats(sampled: xr.Dataset) -> xr.Dataset:
    """Keep what the samplers have in common, under ArviZ's names, without clock times."""
    renamed = sampled.rename({old: new for old, new in _STATISTICS.items() if old in sampled})
    return renamed[sorted(set(_STATISTICS.values()))].drop_attrs()


def package_versions() -> dict[str, str]:
    """Version of each package involved, under the names of attributes of a result."""
    return {f"{package.replace('-', '_')}_version": version(package) for package in _PACKAGES}
