"""What `fit` returns, put together: the groups of a DataTree."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes._versions import versions
from htmp_bayes.models.free.posterior import FreePosterior
from htmp_bayes.models.layer.law_test import examine_law, residual_counts
from htmp_bayes.models.layer.posterior import LayerPosterior
from htmp_bayes.models.layer.sampling import LayerDraws
from htmp_bayes.results import derived, predictive
from htmp_bayes.results.compact import with_integers_compressed
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


def fit_result(
    spectrum: Spectrum,
    posterior: LayerPosterior,
    sampled: LayerDraws,
    settings: dict[str, Any],
    predictive_draws: int,
    likelihood_data: xr.Dataset | None = None,
) -> xr.DataTree:
    """Put together what :func:`htmp_bayes.fit` documents.

    Parameters
    ----------
    spectrum : Spectrum
        What was fitted.
    posterior : LayerPosterior
        What was sampled.
    sampled : LayerDraws
        The draws.
    settings : dict
        Attributes, with ``law``, ``population`` and ``random_seed`` among them.
    predictive_draws : int
        Number of posterior-predictive spectra.
    likelihood_data : xarray.Dataset, optional
        More of ``constant_data``.
    """
    data, inverse = posterior.data, settings["law"] == "inverse-htmp"
    draws = derived.with_derived(sampled.parameters, data.size, data.gamma, data.population, inverse)
    if "n_spikes" in sampled.parameters:
        number = sampled.parameters["n_spikes"]
        draws = draws.assign(n_spikes=number, dyson_index=draws["kappa"] / (len(spectrum) - number))
    prior_seed, predictive_seed = np.random.SeedSequence(settings["random_seed"]).generate_state(2)
    dyson_index = sampled.parameters["kappa"].to_numpy().ravel() / data.size
    residuals = sampled.residuals.reshape(dyson_index.size, -1)
    dims, coords = ("chain", "draw"), sampled.parameters.coords
    groups = {
        "posterior": draws,
        "sample_stats": sample_stats(sampled.sample_stats),
        "log_likelihood": xr.Dataset({"spectrum": (dims, sampled.log_likelihood)}, coords),
        **derived.prior_groups(sampled.parameters, data, int(prior_seed), inverse),
    }
    if predictive_draws:
        groups["posterior_predictive"] = predictive.predictive_spectra(
            draws,
            spectrum.eigenvalues,
            data.gamma,
            data.population,
            predictive_draws,
            int(predictive_seed),
            inverse,
        )
    counts = counts_data(posterior, dyson_index, residuals)
    return assembled(spectrum, groups, [counts, likelihood_data], {**settings, **sampled.attributes})


def assembled(
    spectrum: Spectrum,
    groups: dict[str, xr.Dataset],
    constants: list[xr.Dataset | None],
    attributes: dict[str, Any],
) -> xr.DataTree:
    """Add to a fit's groups what is known of the spectrum, and to its attributes what it is of and by what."""
    known = xr.Dataset(
        {"n": spectrum.n, "gamma": spectrum.gamma, "zeros": spectrum.zeros, "dead": spectrum.dead}
    )
    observed = xr.Dataset(
        {"eigenvalues": ("eigenvalue", spectrum.eigenvalues)}, {"eigenvalue": np.arange(len(spectrum))}
    )
    constant = xr.merge([known, *(part for part in constants if part is not None)])
    groups = {**groups, "observed_data": observed, "constant_data": constant}
    result = xr.DataTree.from_dict({name: with_integers_compressed(each) for name, each in groups.items()})
    result.attrs = {"name": spectrum.name, "kind": spectrum.kind, **attributes, **package_versions()}
    return result


def counts_data(
    posterior: LayerPosterior | FreePosterior,
    dyson_index: NDArray[np.float64],
    residuals: NDArray[np.float64],
) -> xr.Dataset:
    """Say what the likelihood saw of the spectrum, and whether the law fits it, for ``constant_data``.

    Parameters
    ----------
    posterior : LayerPosterior or FreePosterior
        What was sampled.
    dyson_index : ndarray
        kappa/N at D draws, shape ``(D,)``.
    residuals : ndarray
        Whitened residuals of the counts there, shape ``(D, J)``.
    """
    data = posterior.data
    found = examine_law(data, dyson_index, residuals)
    # a law that does not fit has the repulsion that makes its residuals look usual: the gaps know the spectrum's own
    index = np.nanmax([found.by_gaps[1], np.median(dyson_index)])
    mean, covariance = posterior.expected_counts(float(index))
    seen = xr.Dataset(
        {
            "knots": ("knot", data.knots),
            "counts": ("interval", data.counts),
            "gap_ratio": data.gap_ratio,
            "gap_ratios": data.gap_ratios,
        }
    )
    return seen.merge(found.dataset()).merge(residual_counts(data, mean, covariance))


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
    return {f"{package.replace('-', '_')}_version": number for package, number in versions().items()}
