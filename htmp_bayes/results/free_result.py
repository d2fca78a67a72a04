"""What `fit` returns for the open population: the groups of a DataTree."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes.models.free import prior
from htmp_bayes.models.free.draws import FreeDraws
from htmp_bayes.models.free.posterior import FreePosterior
from htmp_bayes.models.free.reported import functionals, population_group
from htmp_bayes.results import predictive
from htmp_bayes.results.compact import compacted
from htmp_bayes.results.fit_result import assembled, counts_data, sample_stats
from htmp_bayes.spectra import Spectrum

type Array = NDArray[np.float64]

_DIMS = ("chain", "draw")
_PRIOR_DRAWS = 1000
# Of the population's lists and densities: relative errors of 3e-5 and 4e-3
_DIGITS = {"log_values": 14, "density": 7}


def free_result(
    spectrum: Spectrum,
    posterior: FreePosterior,
    drawn: FreeDraws,
    settings: dict[str, Any],
    predictive_draws: int,
) -> xr.DataTree:
    """Put together what :func:`htmp_bayes.fit` documents; parameters as of `fit_result`."""
    data, inverse = posterior.data, settings["law"] == "inverse-htmp"
    log_values, index = posterior.curve.log_values(drawn.theta), np.exp(drawn.log_index)
    reported = functionals(posterior.curve, log_values, index, data.gamma, inverse)
    coords = {"chain": np.arange(index.shape[0]), "draw": np.arange(index.shape[1])}
    draws = xr.Dataset({name: (_DIMS, value) for name, value in reported.items()}, coords)
    draws = draws.assign_attrs(probability_infinite_mean=0.0, infinite="")
    prior_seed, predictive_seed = np.random.SeedSequence(settings["random_seed"]).generate_state(2)
    residuals = drawn.residuals.reshape(index.size, -1)
    population = population_group(posterior.curve, log_values, drawn.log_roughness, inverse)
    groups: dict[str, xr.Dataset] = {
        "posterior": draws,
        "population": compacted(population, _DIGITS),
        "sample_stats": sample_stats(drawn.sample_stats).assign_coords(coords),
        "log_likelihood": xr.Dataset({"spectrum": (_DIMS, drawn.log_likelihood)}, coords),
        **_prior_groups(posterior, drawn, coords, int(prior_seed), inverse),
    }
    if predictive_draws:
        groups["posterior_predictive"] = _predictive(
            posterior, log_values, index, predictive_draws, int(predictive_seed), inverse
        )
    counts = counts_data(posterior, index.ravel(), residuals)
    return assembled(spectrum, groups, [counts], {**settings, **drawn.attributes})


def _prior_groups(
    posterior: FreePosterior, drawn: FreeDraws, coords: dict[str, Any], seed: int, inverse: bool
) -> dict[str, xr.Dataset]:
    """Build the groups ``prior`` (draws) and ``log_prior`` (of what is sampled, at the posterior's draws)."""
    data, curve = posterior.data, posterior.curve
    theta, _, log_index = prior.prior_draws(data, curve, _PRIOR_DRAWS, np.random.default_rng(seed))
    reported = functionals(curve, curve.log_values(theta), np.exp(log_index), data.gamma, inverse)
    of_curve = prior.log_prior_of_curve(data, curve, drawn.theta, drawn.log_roughness)
    densities = {"population": of_curve, "kappa": prior.log_prior_of_index(data, drawn.log_index)}
    sampled = {name: (_DIMS, value[None]) for name, value in reported.items()}
    return {
        "prior": xr.Dataset(sampled, {"chain": [0], "draw": np.arange(_PRIOR_DRAWS)}),
        "log_prior": xr.Dataset({name: (_DIMS, value) for name, value in densities.items()}, coords),
    }


def _predictive(
    posterior: FreePosterior, log_values: Array, index: Array, draws: int, seed: int, inverse: bool
) -> xr.Dataset:
    """Spectra of random matrices at evenly thinned draws, with the draw's population values and repulsion."""
    about = np.median(log_values, axis=(0, 1))
    spectrum_of = predictive.open_matrices(posterior.curve, posterior.data.gamma, about)

    def at_draw(chain: int, draw: int, rng: np.random.Generator) -> Array:
        drawn = spectrum_of(log_values[chain, draw], float(index[chain, draw]), rng)
        return np.sort(1 / drawn) if inverse else drawn

    kept = predictive.kept_draws(index.shape, draws, posterior.data.size)
    return predictive.spectra_at_draws(at_draw, kept, len(index), seed)
