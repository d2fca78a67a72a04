"""Draws of the number of spikes and of the bulk's law together."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes.models.posterior import LayerPosterior
from htmp_bayes.models.results import pointwise_log_likelihood
from htmp_bayes.models.sampling import LayerDraws, sample_layer
from htmp_bayes.models.spikes import SpikedSpectrum, SpikeNumbers

# With fewer draws the share that the Metropolis-Hastings step accepts is not known well enough.
_FEWEST_DRAWS = 100


def sample_spikes(
    numbers: SpikeNumbers, spectrum: SpikedSpectrum, **sampling: Any
) -> tuple[LayerDraws, xr.Dataset]:
    """Draw the number of spikes and the law together: each number has draws in proportion to its probability.

    Parameters
    ----------
    numbers : SpikeNumbers
        What :func:`~htmp_bayes.models.spikes.weigh_numbers` returns.
    spectrum : SpikedSpectrum
        The spectrum.
    **sampling
        As for :func:`~htmp_bayes.models.sampling.sample_layer`.

    Returns
    -------
    draws : LayerDraws
        With ``n_spikes`` beside the parameters of the law.
    log_likelihood : xarray.Dataset
        ``eigenvalues`` with dimensions ``(chain, draw, eigenvalue)``, of the eigenvalues that are the law's in every
        draw: that of a spike is the same in all draws of its number, which PSIS takes for an error.
    """
    shape = sampling["chains"], sampling["draws"]
    rng = np.random.default_rng([sampling["random_seed"], 2])
    chosen = rng.choice(len(numbers.probability), size=shape, p=numbers.probability)
    drawn = [
        _draws_of_number(number, numbers.posteriors[number], spectrum, chosen == number, sampling)
        for number in map(int, np.unique(chosen))
    ]
    parameters = _placed([(each.where, each.parameters) for each in drawn])
    parameters = parameters.assign(n_spikes=(("chain", "draw"), chosen))
    statistics = _placed([(each.where, each.statistics) for each in drawn])
    of_the_law = slice(len(spectrum.eigenvalues) - int(chosen.max()))
    log_likelihood = _placed(
        [(each.where, each.log_likelihood.isel(eigenvalue=of_the_law)) for each in drawn]
    )
    log_likelihood = log_likelihood.assign_coords(eigenvalue=np.arange(of_the_law.stop))
    return LayerDraws(parameters, statistics, _worst([each.attributes for each in drawn])), log_likelihood


class _Drawn(NamedTuple):
    """Draws of one number of spikes, and where among all draws they go."""

    where: NDArray[np.bool_]
    parameters: xr.Dataset
    statistics: xr.Dataset
    log_likelihood: xr.Dataset
    attributes: dict[str, float]


def _draws_of_number(
    number: int,
    posterior: LayerPosterior,
    spectrum: SpikedSpectrum,
    where: NDArray[np.bool_],
    sampling: dict[str, Any],
) -> _Drawn:
    """As many draws of a chain as any chain has of this number."""
    wanted = int(where.sum(axis=1).max())
    draws = min(sampling["draws"], max(wanted, _FEWEST_DRAWS))
    sampled = sample_layer(posterior, **{**sampling, "draws": draws})
    kept = sampled.parameters.isel(draw=slice(wanted))
    bulk = spectrum.bulk(number)
    log_likelihood = pointwise_log_likelihood(posterior, kept, bulk) + spectrum.log_jacobian[: len(bulk)]
    return _Drawn(where, kept, sampled.sample_stats, log_likelihood, sampled.attributes)


def _placed(parts: list[tuple[NDArray[np.bool_], xr.Dataset]]) -> xr.Dataset:
    """Put each part's draws, in their order, where they are wanted."""
    whole: dict[str, tuple[Any, NDArray[Any]]] = {}
    for where, part in parts:
        for name, variable in part.data_vars.items():
            if variable.dims[:2] != ("chain", "draw"):
                continue
            values = variable.to_numpy()
            blank = np.zeros((*where.shape, *values.shape[2:]), values.dtype)
            _, target = whole.setdefault(str(name), (variable.dims, blank))
            for chain, row in enumerate(where):
                target[chain, row] = values[chain, : row.sum()]
    chains, draws = parts[0][0].shape
    return xr.Dataset(whole, {"chain": np.arange(chains), "draw": np.arange(draws)})


def _worst(attributes: list[dict[str, float]]) -> dict[str, float]:
    """Take the largest error and the smallest acceptance, if a polynomial stood for each."""
    worst: dict[str, Callable[[list[float]], float]] = {"surrogate_error": max, "surrogate_acceptance": min}
    known = [name for name in worst if all(name in each for each in attributes)]
    return {name: worst[name]([each[name] for each in attributes]) for name in known}
