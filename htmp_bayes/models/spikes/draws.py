"""Draws of the number of spikes and of the bulk's law together."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes.models.layer.posterior import LayerPosterior
from htmp_bayes.models.layer.sampling import LayerDraws, Sampling, sample_layer
from htmp_bayes.models.spikes.model import SpikeNumbers

# With fewer draws the polynomials' error is not known well enough.
_FEWEST_DRAWS = 100


def sample_spikes(numbers: SpikeNumbers, sampling: Sampling) -> LayerDraws:
    """Draw the number of spikes and the law together: each number has draws in proportion to its probability.

    Parameters
    ----------
    numbers : SpikeNumbers
        What :func:`~htmp_bayes.models.spikes.model.weigh_numbers` returns.
    sampling : Sampling
        How.

    Returns
    -------
    LayerDraws
        With ``n_spikes`` beside the parameters of the law.
    """
    shape = sampling.chains, sampling.draws
    rng = np.random.default_rng([sampling.random_seed, 2])
    chosen = rng.choice(len(numbers.probability), size=shape, p=numbers.probability)
    drawn = [
        _draws_of_number(numbers.posteriors[number], chosen == number, sampling)
        for number in map(int, np.unique(chosen))
    ]
    parameters = _placed([(each.where, each.draws.parameters) for each in drawn])
    parameters = parameters.assign(n_spikes=(("chain", "draw"), chosen))
    statistics = _placed([(each.where, each.draws.sample_stats) for each in drawn])
    rows = [(each.where, _rows(each.draws)) for each in drawn]
    placed = _placed(rows)
    return LayerDraws(
        parameters,
        statistics,
        _worst([each.draws.attributes for each in drawn]),
        placed["residuals"].to_numpy(),
        placed["log_likelihood"].to_numpy(),
    )


def _rows(draws: LayerDraws) -> xr.Dataset:
    dims = ("chain", "draw")
    return xr.Dataset(
        {
            "residuals": ((*dims, "interval"), draws.residuals),
            "log_likelihood": (dims, draws.log_likelihood),
        }
    )


class _Drawn(NamedTuple):
    """Draws of one number of spikes, and where among all draws they go."""

    where: NDArray[np.bool_]
    draws: LayerDraws


def _draws_of_number(posterior: LayerPosterior, where: NDArray[np.bool_], sampling: Sampling) -> _Drawn:
    """As many draws of a chain as any chain has of this number."""
    wanted = int(where.sum(axis=1).max())
    draws = min(sampling.draws, max(wanted, _FEWEST_DRAWS))
    sampled = sample_layer(posterior, dataclasses.replace(sampling, draws=draws))
    kept = slice(wanted)
    return _Drawn(
        where,
        LayerDraws(
            sampled.parameters.isel(draw=kept),
            sampled.sample_stats.isel(draw=kept),
            sampled.attributes,
            sampled.residuals[:, kept],
            sampled.log_likelihood[:, kept],
        ),
    )


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
    """Take the largest error, if polynomials stood for each."""
    errors = [each["stand_in_error"] for each in attributes if "stand_in_error" in each]
    return {"stand_in_error": max(errors)} if len(errors) == len(attributes) else {}
