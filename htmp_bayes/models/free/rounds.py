"""Rounds of NUTS on what stands for the open population's posterior, and the posterior itself at each draw."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes._errors import HTMPError
from htmp_bayes._threads import one_blas_thread
from htmp_bayes.models.free.curve import PARAMETERS
from htmp_bayes.models.free.posterior import FreePosterior
from htmp_bayes.models.free.stand_in import (
    NOTHING,
    Centre,
    Quadratic,
    compiled_model,
    packed,
    stand_in_data,
    starting_point,
)
from htmp_bayes.models.layer.sampling import Sampling
from htmp_bayes.models.nuts import sample_compiled

type Array = NDArray[np.float64]

_TARGET_ACCEPT = 0.95
# Draws that NUTS makes for one that is proposed: they cost less than the posterior itself does.
_THINNED = 2


class Proposals(NamedTuple):
    """NUTS's draws: parameters, and the log-density that they are draws of."""

    theta: Array
    log_roughness: Array
    log_index: Array
    log_density: Array
    statistics: xr.Dataset

    def of(self, part: Callable[[Array], Array]) -> "Proposals":
        """Take a part of each array."""
        return Proposals(
            part(self.theta),
            part(self.log_roughness),
            part(self.log_index),
            part(self.log_density),
            self.statistics,
        )


class Exact(NamedTuple):
    """The posterior at one draw."""

    log_density: float
    log_likelihood: float
    residual: Array


class Round(NamedTuple):
    """NUTS's draws, the posterior at each of them, and by how much its log-density is more than theirs."""

    proposed: Proposals
    rows: list[Exact]
    errors: Array


def draw_round(
    posterior: FreePosterior,
    centre: Centre,
    sampling: Sampling,
    draws: int,
    tune: int,
    number: int,
    added: Quadratic = NOTHING,
) -> Round:
    """Draw by NUTS, and evaluate the posterior itself at all draws; `number` makes the seed."""
    seed = (sampling.random_seed + number) % 2**32
    proposed = propose(posterior, centre, sampling, draws, tune, seed, added)
    rows = evaluated(posterior, proposed)
    exact = np.reshape([row.log_density for row in rows], proposed.log_density.shape)
    return Round(proposed, rows, exact - proposed.log_density)


def joined(rounds: list[Round]) -> Round:
    """One round of the draws of several, chain by chain."""
    proposals = [found.proposed for found in rounds]
    arrays = [np.concatenate([p[k] for p in proposals], axis=1) for k in range(4)]
    statistics = xr.concat([p.statistics for p in proposals], dim="draw")
    by_chain = [np.array_split(np.arange(len(found.rows)), len(found.errors)) for found in rounds]
    rows = [
        found.rows[k]
        for chain in range(len(rounds[0].errors))
        for found, places in zip(rounds, by_chain, strict=True)
        for k in places[chain]
    ]
    errors = np.concatenate([found.errors for found in rounds], axis=1)
    return Round(Proposals(arrays[0], arrays[1], arrays[2], arrays[3], statistics), rows, errors)


def thinned(statistics: xr.Dataset, every: int) -> xr.Dataset:
    """Keep the last of every so many draws, without their numbers; it diverged if one of them did."""
    diverging = statistics["diverging"].coarsen(draw=every).max()
    last = statistics.isel(draw=slice(every - 1, None, every)).drop_vars("draw", errors="ignore")
    return last.assign(diverging=(diverging.dims, diverging.to_numpy().astype(bool)))


def propose(
    posterior: FreePosterior,
    centre: Centre,
    sampling: Sampling,
    draws: int,
    tune: int,
    seed: int,
    added: Quadratic = NOTHING,
) -> Proposals:
    """Draw from what stands for the posterior by NUTS, thinned."""
    given = packed(stand_in_data(posterior, centre, added))
    tree = sample_compiled(
        compiled_model().with_data(**given), draws=_THINNED * draws, tune=tune, chains=sampling.chains,
        random_seed=seed, cores=sampling.cores, progressbar=sampling.progressbar, start=starting_point,
        target_accept=_TARGET_ACCEPT,
    )  # fmt: skip
    of = tree["posterior"].isel(draw=slice(_THINNED - 1, None, _THINNED))
    names = ("theta", "log_roughness", "log_index", "log_density")
    theta, log_roughness, log_index, log_density = (of[name].to_numpy() for name in names)
    statistics = thinned(tree["sample_stats"].to_dataset(), _THINNED)
    return Proposals(theta, log_roughness, log_index, log_density, statistics)


def evaluated(posterior: FreePosterior, proposed: Proposals) -> list[Exact]:
    """Evaluate the posterior itself at every draw, on all cores.

    Raises
    ------
    HTMPError
        A ValueError, if the law is not available at any of them.
    """
    posterior.moments(posterior.mode.theta)  # what is found once, before threads do
    theta = proposed.theta.reshape(-1, PARAMETERS)
    log_roughness, log_index = proposed.log_roughness.ravel(), proposed.log_index.ravel()
    log_prior = posterior.log_prior(theta, log_roughness, log_index)

    def at(k: int) -> Exact:
        try:
            found = posterior.whitened(theta[k], float(log_index[k]))
        except np.linalg.LinAlgError:
            return Exact(-np.inf, -np.inf, np.zeros(len(posterior.data.counts)))
        likelihood = found.log_density + float(gaps[k])
        return Exact(likelihood + float(log_prior[k]), likelihood, found.residual)

    gaps = posterior.log_density_of_gaps(log_index)
    with one_blas_thread(), ThreadPoolExecutor() as pool:
        rows = list(pool.map(at, range(len(theta))))
    if not any(np.isfinite(row.log_density) for row in rows):
        raise HTMPError(
            "No open population comes near this spectrum; fit another one, as population='inverse-gamma'."
        )
    return rows
