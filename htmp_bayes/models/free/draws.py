"""Draws of the open population's posterior: NUTS on what stands for it, and a correction by the posterior itself.

A draw of NUTS is a proposal that is accepted with the probability of Metropolis and Hastings for independent ones
(Tierney 1994, Ann. Stat. 22, 1701: independence chains): so the draws are those of the posterior whatever stands for
it, and what that costs shows in their effective sample size. A few proposals of which the posterior has far more would
each hold their chain for hundreds of draws: the largest weights are those of the generalised Pareto distribution that
describes them (Vehtari, Simpson, Gelman, Yao & Gabry 2024, JMLR 25:72), whose shape is reported. Short rounds before
find where what stands for it is to be centred, and what it misses.
"""

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
    coordinates,
    fitted_quadratic,
    log_likelihood,
    stand_in_data,
    starting_point,
)
from htmp_bayes.models.importance import smoothed_log_weights
from htmp_bayes.models.layer.sampling import Sampling
from htmp_bayes.models.nuts import sample_compiled

type Array = NDArray[np.float64]

_TARGET_ACCEPT = 0.95
# Draws that NUTS makes for one that is proposed: they cost less than the posterior itself does.
_THINNED = 2
# Rounds that place the centre: draws and tuning steps of each chain, and how many of all draws are looked at.
_LOOK_DRAWS, _LOOK_TUNE, _LOOKED_AT = 150, 250, 100
# Draws, over all chains, of the round from which what the stand-in misses is learned first.
_LEARNED_FROM = 1000
_MOST_ROUNDS = 4
# Rounds of all draws: another one learns from those of the last if fewer of its draws would be accepted.
_ATTEMPTS, _ENOUGH_ACCEPTED = 3, 0.4
# More draws are made, and thinned, until each parameter's are worth this share of them, and chains agree accordingly.
_WORTH, _MOST_BLOCKS = 0.15, 4
# Where fewer proposals are accepted than this share, more of them do not help.
_HOPELESS = 0.15
# Of draws that are worth N independent ones, R-hat is at most about 1 plus this over N.
_R_HAT_TIMES_WORTH = 4.0
# A short round's centre is good enough if so many of those looked at count as draws of the posterior.
_ENOUGH = 40.0
# Larger misses are cut off, in nats.
_LARGEST_MISS = 20.0
# Weights are flattened until they are those of so many draws at least.
_LEAST_WEIGHED = 25.0


class FreeDraws(NamedTuple):
    """Draws of the open population's posterior.

    Attributes
    ----------
    theta : ndarray
        Parameters of the curve, shape ``(chain, draw, PARAMETERS)``.
    log_roughness, log_index, log_likelihood : ndarray
        Log tau, log kappa/N and the spectrum's log-likelihood, shape ``(chain, draw)``.
    residuals : ndarray
        Whitened residuals of the counts, shape ``(chain, draw, J)``.
    sample_stats : xarray.Dataset
        What NUTS says of itself, and ``accepted``: whether the draw is NUTS's own.
    attributes : dict
        ``stand_in_error``, the standard deviation of the log-density's error over NUTS's draws, in nats;
        ``accepted``, the share of them that was; and ``pareto_k``, the shape of the weights' tail.
    """

    theta: Array
    log_roughness: Array
    log_index: Array
    log_likelihood: Array
    residuals: Array
    sample_stats: xr.Dataset
    attributes: dict[str, float]


class _Proposals(NamedTuple):
    """NUTS's draws: parameters, and the log-density that they are draws of."""

    theta: Array
    log_roughness: Array
    log_index: Array
    log_density: Array
    statistics: xr.Dataset

    def of(self, part: Callable[[Array], Array]) -> "_Proposals":
        """Take a part of each array."""
        return _Proposals(
            part(self.theta),
            part(self.log_roughness),
            part(self.log_index),
            part(self.log_density),
            self.statistics,
        )


class _Exact(NamedTuple):
    """The posterior at one draw."""

    log_density: float
    log_likelihood: float
    residual: Array


class _Round(NamedTuple):
    """NUTS's draws, the posterior at each of them, and by how much its log-density is more than theirs."""

    proposed: _Proposals
    rows: list[_Exact]
    errors: Array


class _Attempt(NamedTuple):
    """A round, the stand-in that it was drawn from, and the share of its draws that would be accepted."""

    looked: _Round
    centre: Centre
    added: Quadratic
    share: float


def sample_free(posterior: FreePosterior, sampling: Sampling) -> FreeDraws:
    """Draw from the open population's posterior.

    Parameters
    ----------
    posterior : FreePosterior
        The posterior.
    sampling : Sampling
        How.
    """
    best = _best_attempt(posterior, sampling)
    rounds = [best.looked]
    drawn = _corrected(sampling, rounds)
    hopeful = drawn.attributes["accepted"] > _HOPELESS
    while hopeful and len(rounds) < _MOST_BLOCKS and not _worth_enough(drawn):
        rounds.append(
            _round(
                posterior,
                best.centre,
                sampling,
                sampling.draws,
                sampling.tune,
                1000 * len(rounds),
                best.added,
            )
        )
        drawn = _corrected(sampling, rounds)
    return drawn


def _best_attempt(posterior: FreePosterior, sampling: Sampling) -> _Attempt:
    """Learn what the stand-in misses, each time from the draws before, until enough of its draws are accepted."""
    centre = _centred(posterior, sampling)
    looked = _round(posterior, centre, sampling, -(-_LEARNED_FROM // sampling.chains), _LOOK_TUNE, 50)
    attempts: list[_Attempt] = []
    for number in range(_ATTEMPTS):
        centre, added = _learned(posterior, *looked)
        looked = _round(posterior, centre, sampling, sampling.draws, sampling.tune, 100 * number, added)
        attempts.append(_Attempt(looked, centre, added, _accepted_share(looked.errors)))
        if attempts[-1].share >= _ENOUGH_ACCEPTED:
            break
    return max(attempts, key=lambda attempt: attempt.share)


def _worth_enough(drawn: FreeDraws) -> bool:
    """Whether the draws of each parameter are worth enough independent ones, and the chains agree."""
    import arviz as az

    values = [*np.moveaxis(drawn.theta, -1, 0), drawn.log_roughness, drawn.log_index]
    worth = min(
        min(float(az.ess(value)), float(az.ess(value, method="tail", prob=(0.05, 0.95)))) for value in values
    )
    wanted = _WORTH * drawn.log_index.size
    r_hat = max(float(az.rhat(value)) for value in values)
    return worth >= wanted and r_hat <= 1 + _R_HAT_TIMES_WORTH / wanted


def _round(
    posterior: FreePosterior,
    centre: Centre,
    sampling: Sampling,
    draws: int,
    tune: int,
    number: int,
    added: Quadratic = NOTHING,
) -> _Round:
    """Draw by NUTS, and evaluate the posterior itself at all draws; `number` makes the seed."""
    seed = (sampling.random_seed + number) % 2**32
    proposed = _propose(posterior, centre, sampling, draws, tune, seed, added)
    rows = _evaluated(posterior, proposed)
    exact = np.reshape([row.log_density for row in rows], proposed.log_density.shape)
    return _Round(proposed, rows, exact - proposed.log_density)


def _corrected(sampling: Sampling, rounds: list[_Round]) -> FreeDraws:
    """Accept or refuse the draws of each chain, round after round, and keep one of as many as there are rounds."""
    errors = np.concatenate([found.errors for found in rounds], axis=1)
    smoothed, pareto_k = smoothed_log_weights(errors)
    kept = _accepted(smoothed, np.random.default_rng([sampling.random_seed, 3]))
    own = kept == np.arange(errors.shape[1])
    kept = kept[:, len(rounds) - 1 :: len(rounds)]
    chains = np.arange(len(errors))[:, None]

    def of_exact(name: str) -> Array:
        parts = [
            np.reshape([getattr(row, name) for row in found.rows], (*found.errors.shape, -1))
            for found in rounds
        ]
        return np.concatenate(parts, axis=1)[chains, kept]

    def of_proposed(name: str) -> Array:
        return np.concatenate([getattr(found.proposed, name) for found in rounds], axis=1)[chains, kept]

    return FreeDraws(
        of_proposed("theta"),
        of_proposed("log_roughness"),
        of_proposed("log_index"),
        of_exact("log_likelihood")[..., 0],
        of_exact("residual"),
        _statistics(rounds, own),
        {
            "stand_in_error": float(np.std(errors[np.isfinite(errors)])),
            "accepted": float(own.mean()),
            "pareto_k": pareto_k,
        },
    )


def _statistics(rounds: list[_Round], own: NDArray[np.bool_]) -> xr.Dataset:
    """Collect what NUTS says of itself, thinned; a draw diverges if one of those that it stands for did."""
    joined = xr.concat([found.proposed.statistics for found in rounds], dim="draw")
    thinned = _thinned(joined.assign(accepted=(("chain", "draw"), own)), len(rounds))
    return thinned.assign_coords(draw=np.arange(thinned.sizes["draw"]))


def _thinned(statistics: xr.Dataset, every: int) -> xr.Dataset:
    """Keep the last of every so many draws, without their numbers; it diverged if one of them did."""
    diverging = statistics["diverging"].coarsen(draw=every).max()
    last = statistics.isel(draw=slice(every - 1, None, every)).drop_vars("draw", errors="ignore")
    return last.assign(diverging=(diverging.dims, diverging.to_numpy().astype(bool)))


def _propose(
    posterior: FreePosterior,
    centre: Centre,
    sampling: Sampling,
    draws: int,
    tune: int,
    seed: int,
    added: Quadratic = NOTHING,
) -> _Proposals:
    given = {f"given_{name}": value for name, value in stand_in_data(posterior, centre, added).items()}
    tree = sample_compiled(
        compiled_model().with_data(**given), draws=_THINNED * draws, tune=tune, chains=sampling.chains,
        random_seed=seed, cores=sampling.cores, progressbar=sampling.progressbar, start=starting_point,
        target_accept=_TARGET_ACCEPT,
    )  # fmt: skip
    of = tree["posterior"].isel(draw=slice(_THINNED - 1, None, _THINNED))
    names = ("theta", "log_roughness", "log_index", "log_density")
    theta, log_roughness, log_index, log_density = (of[name].to_numpy() for name in names)
    statistics = _thinned(tree["sample_stats"].to_dataset(), _THINNED)
    return _Proposals(theta, log_roughness, log_index, log_density, statistics)


def _evaluated(posterior: FreePosterior, proposed: _Proposals) -> list[_Exact]:
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

    def at(k: int) -> _Exact:
        try:
            found = posterior.whitened(theta[k], float(log_index[k]))
        except np.linalg.LinAlgError:
            return _Exact(-np.inf, -np.inf, np.zeros(len(posterior.data.counts)))
        likelihood = found.log_density + float(gaps[k])
        return _Exact(likelihood + float(log_prior[k]), likelihood, found.residual)

    gaps = posterior.log_density_of_gaps(log_index)
    with one_blas_thread(), ThreadPoolExecutor() as pool:
        rows = list(pool.map(at, range(len(theta))))
    if not any(np.isfinite(row.log_density) for row in rows):
        raise HTMPError(
            "No open population comes near this spectrum; fit another one, as population='inverse-gamma'."
        )
    return rows


def _centred(posterior: FreePosterior, sampling: Sampling) -> Centre:
    """Move the centre from the mode to where the posterior is: by NUTS's draws, weighted by the posterior."""
    mode = posterior.mode
    centre = Centre(mode.theta, mode.log_roughness, mode.log_index, np.linalg.inv(mode.precision))
    for number in range(_MOST_ROUNDS):
        seed = sampling.random_seed + number + 1
        looked = _propose(posterior, centre, sampling, _LOOK_DRAWS, _LOOK_TUNE, seed % 2**32)
        centre, effective = _recentred(posterior, looked)
        if effective >= _ENOUGH:
            break
    return centre


def _recentred(posterior: FreePosterior, looked: _Proposals) -> tuple[Centre, float]:
    """Weighted mean of draws and their covariance, and how many of those looked at count."""
    flat = _flat(looked)
    some = np.linspace(0, len(flat.theta) - 1, _LOOKED_AT).round().astype(int)
    chosen = flat.of(lambda values: values[some])
    errors = np.array([row.log_density for row in _evaluated(posterior, chosen)]) - chosen.log_density
    return _centre_of(chosen, errors, np.cov(flat.theta.T)), _count(errors)


def _learned(
    posterior: FreePosterior, proposed: _Proposals, rows: list[_Exact], errors: Array
) -> tuple[Centre, Quadratic]:
    """Centre anew, and learn what the stand-in misses there, from all draws of a round that did not do."""
    flat = _flat(proposed)
    centre = _centre_of(flat, errors.ravel(), np.cov(flat.theta.T))
    exact = np.array([row.log_likelihood for row in rows]) - posterior.log_density_of_gaps(flat.log_index)
    missed = exact - log_likelihood(stand_in_data(posterior, centre), flat.theta, flat.log_index)
    near = missed > np.median(missed) - _LARGEST_MISS
    at = coordinates(centre, flat.theta[near], flat.log_index[near])
    return centre, fitted_quadratic(at, missed[near] - np.median(missed[near]))


def _flat(proposed: _Proposals) -> _Proposals:
    """Draws of all chains in one row."""
    return proposed.of(lambda values: np.concatenate(list(values)))


def _centre_of(flat: _Proposals, errors: Array, covariance: Array) -> Centre:
    weights = _weights(errors)
    return Centre(
        weights @ flat.theta, float(weights @ flat.log_roughness), float(weights @ flat.log_index),
        covariance + 1e-8 * np.eye(PARAMETERS),
    )  # fmt: skip


def _count(errors: Array) -> float:
    """How many draws the weights of all draws are worth."""
    weights = np.exp(errors - errors.max())
    return float(weights.sum() ** 2 / np.sum(weights**2))


def _accepted_share(errors: Array) -> float:
    """Share of the proposals that a chain of the posterior would accept."""
    weights = np.exp(errors.ravel() - errors.max())
    others = np.roll(weights, len(weights) // 2)
    return float(np.minimum(weights, others).mean() / weights.mean())


def _weights(errors: Array) -> Array:
    """Find importance weights, flattened where they are those of a few draws."""
    logs, power = errors - errors.max(), 1.0
    while True:
        weights = np.exp(power * logs)
        weights /= weights.sum()
        if 1 / np.sum(weights**2) >= _LEAST_WEIGHED or power < 1e-3:
            return np.asarray(weights)
        power *= 0.7


def _accepted(errors: Array, rng: np.random.Generator) -> NDArray[np.int64]:
    """Index of the proposal that each draw is, shape ``(chain, draw)``, by their log weights."""
    chains, draws = errors.shape
    thresholds = np.log(rng.random((chains, draws)))
    kept = np.empty((chains, draws), np.int64)
    for chain in range(chains):
        current = int(np.argsort(errors[chain])[draws // 2])
        for draw in range(draws):
            if thresholds[chain, draw] < errors[chain, draw] - errors[chain, current]:
                current = draw
            kept[chain, draw] = current
    return kept
