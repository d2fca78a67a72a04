"""Sentences of `check` on what calls for care: where the prior decides, spikes, and dead directions."""

import math
import warnings
from collections.abc import Iterator, Mapping

import xarray as xr

from htmp_bayes._results import group
from htmp_bayes.checks.wording import (
    NUMBER,
    by_parameter,
    layers_named,
    listed,
    named,
    of_spectra,
    parameters,
)
from htmp_bayes.results import misfit
from htmp_bayes.spectra.dead_lines import cautions_of

SENSITIVITY_MAX = 0.05
"""Kallioinen et al. (2024), Statistics and Computing 34, 57: section 3.4."""

# What makes exponents of the indices of an open population's tails; and how many times the low end of an interval the
# high end is where only the former is known, and the share of the prior's interval that tells nothing.
_EXPONENTS = {"tail_index": -1.0, "lower_tail_index": 1.0}
_ONE_SIDED, _WIDE = 3.0, 0.7
# Probability of the largest number of spikes that is looked for, from which on there may be more.
_AT_MOST = 0.05


def _prior_bears(result: xr.DataTree) -> Iterator[str]:
    """Say on which parameters the prior bears, and whether the spectrum does too."""
    if not {"log_prior", "log_likelihood"} <= set(result.children) or "population" in result.children:
        return
    prior, likelihood = (_sensitivity(result, component) for component in ("prior", "likelihood"))
    bears = [name for name, value in prior.items() if value >= SENSITIVITY_MAX]
    weak = [name for name in bears if likelihood[name] < SENSITIVITY_MAX]
    if weak:
        yield (
            f"The spectrum says little about {named(weak)}: what is reported is largely the prior; read the end "
            "of an interval that the prior decides as 'at least' or 'at most'."
        )
    if strong := [name for name in bears if name not in weak]:
        yield (
            f"Both the prior and the spectrum bear on {named(strong)} (power-scaling sensitivity "
            f"{listed({name: prior[name] for name in strong}, '.2f')}); read the end of an interval that the prior "
            "decides as 'at least' or 'at most', and compare with the group 'prior'."
        )


def _known_from_one_side(result: xr.DataTree) -> Iterator[str]:
    """Say of which parameters of an open population the spectrum tells no more than an end, or nothing.

    Its prior is that of a whole curve: scaled by a power, it moves all that is reported.
    """
    if "population" not in result.children:
        return
    posterior, prior = group(result, "posterior"), group(result, "prior")
    ends = {
        name: [float(posterior[name].quantile(level)) + shift for level in (0.05, 0.95)]
        for name, shift in _EXPONENTS.items()
    }
    if one_sided := {name: low for name, (low, high) in ends.items() if high > _ONE_SIDED * max(low, 0.01)}:
        told = named([f"{name} is at least {low - _EXPONENTS[name]:.2g}" for name, low in one_sided.items()])
        yield f"Steep tails are bounded on one side only: {told}; their upper ends are the prior's."
    names = [
        name for name in ("kappa", "correlation") if _width(posterior, name) > _WIDE * _width(prior, name)
    ]
    if names:
        yield f"The spectrum says little about {named(names)}: what is reported is largely the prior."


def _width(draws: xr.Dataset, name: str) -> float:
    """Length of the 90 % interval of the logarithm."""
    low, high = draws[name].quantile([0.05, 0.95]).to_numpy()
    return math.log(high / max(low, 1e-300))


def _sensitivity(result: xr.DataTree, component: str) -> Mapping[str, float]:
    import arviz as az

    if _is_constant(group(result, f"log_{component}")):
        return dict.fromkeys(map(str, parameters(result).data_vars), 0.0)
    # power-scaling warns of draws whose weights vary much; what is wanted is just that it notices them
    with warnings.catch_warnings(action="ignore"):
        names = list(parameters(result).data_vars)
        return by_parameter(az.psense(result, group=component, var_names=names))


def _is_constant(densities: xr.Dataset) -> bool:
    """Whether no draw is more likely than another, which ArviZ has no weights for."""
    sums = (
        values.sum([d for d in values.dims if d not in ("chain", "draw")]) for values in densities.values()
    )
    return all(float(total.std()) == 0 for total in sums)


def _spikes(result: xr.DataTree) -> Iterator[str]:
    if NUMBER in group(result, "posterior"):
        return
    both = misfit.spectra(result)
    if both is None:
        return
    found = misfit.widest_gap(*both)
    if found.probability < misfit.SPIKE_LEVEL:
        eigenvalues = (
            "the largest eigenvalue stands"
            if found.above == 1
            else f"the {found.above} largest eigenvalues stand"
        )
        yield (
            f"Spikes are suspected: {eigenvalues} apart by a factor of {math.exp(found.observed):.2g}, where "
            f"{math.exp(found.predicted):.2g} is usual; see what they do to the posterior by fit(..., spikes='auto')."
        )


def _more_spikes(result: xr.DataTree) -> Iterator[str]:
    """Say if there may be more spikes than were looked for."""
    if "constant_data" not in result.children:
        return
    constant = group(result, "constant_data")
    if "spike_number_probability" not in constant:
        return
    probability = constant["spike_number_probability"].to_numpy()
    if len(probability) > 1 and probability[-1] >= _AT_MOST:
        yield (
            f"There may be more spikes than the {len(probability) - 1} that are looked for (as many have a probability "
            f"of {probability[-1]:.2g}): the upper tail is not the law's; try another population or compare_laws."
        )


def _dead_directions(result: xr.DataTree) -> Iterator[str]:
    """Name what was left out of the spectrum, and what may yet be dead in it."""
    if not {"constant_data", "observed_data"} <= set(result.children):
        return
    eigenvalues = group(result, "observed_data")["eigenvalues"].transpose(..., "eigenvalue")
    yield from cautions_of(eigenvalues.to_numpy(), group(result, "constant_data").data_vars)


def _layers_misfit(result: xr.DataTree) -> Iterator[str]:
    """Say which layers of a network the law does not fit."""
    layers = of_spectra(result)
    if layers is not None and (off := layers["spectrum_fits"].to_numpy() == 0).any():
        yield (
            f"The law does not fit {layers_named(layers, off)}, of {off.size} spectra: what is said of "
            f"{'it' if off.sum() == 1 else 'them'} does not mean much; look at the fit of each, or leave it out."
        )


# Each yields a sentence for what it finds.
CAUTIONS = (_prior_bears, _known_from_one_side, _spikes, _more_spikes, _dead_directions, _layers_misfit)
