"""Draws of the open population's posterior: NUTS on what stands for it, and a correction by the posterior itself.

A draw of NUTS is a proposal that is accepted with the probability of Metropolis and Hastings for independent ones
(Tierney 1994, Ann. Stat. 22, 1701: independence chains): so the draws are those of the posterior whatever stands for
it, and what that costs shows in their effective sample size. A few proposals of which the posterior has far more would
each hold their chain for hundreds of draws: the largest weights are those of the generalised Pareto distribution that
describes them (Vehtari, Simpson, Gelman, Yao & Gabry 2024, JMLR 25:72), whose shape is reported. Short rounds before
find where what stands for it is to be centred, and what it misses.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes.models.free.curve import PARAMETERS
from htmp_bayes.models.free.posterior import FreePosterior
from htmp_bayes.models.free.rounds import (
    Exact,
    Proposals,
    Round,
    draw_round,
    evaluated,
    joined,
    propose,
    thinned,
)
from htmp_bayes.models.free.stand_in import (
    NOTHING,
    Centre,
    Quadratic,
    coordinates,
    fitted_quadratic,
    log_likelihood,
    stand_in_data,
)
from htmp_bayes.models.importance import smoothed_log_weights
from htmp_bayes.models.layer.sampling import Sampling

type Array = NDArray[np.float64]

# Rounds that place the centre: draws and tuning steps of each chain, and how many of all draws are looked at.
_LOOK_DRAWS, _LOOK_TUNE, _LOOKED_AT = 150, 250, 100
# Draws, over all chains, of the round from which what the stand-in misses is learned first.
_LEARNED_FROM = 1000
_MOST_ROUNDS = 4
# Rounds of all draws: another one learns from those of the last if fewer of its draws would be accepted.
_ATTEMPTS, _ENOUGH_ACCEPTED = 3, 0.4
# Nothing is learned if so many draws of the first round would be accepted, and the tail of their weights is so light.
_PLENTY_ACCEPTED, _LIGHT_WEIGHTS = 0.5, 0.4
# More draws are made, and thinned, until each parameter's are worth this share of them, and chains agree accordingly.
_WORTH, _MOST_BLOCKS = 0.15, 4
# Where fewer proposals are accepted than this share, more of them do not help.
_HOPELESS = 0.15
# Of draws that are worth N independent ones, R-hat is at most about 1 plus this over N.
_R_HAT_TIMES_WORTH = 4.8
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


class _Attempt(NamedTuple):
    """A round, the stand-in that it was drawn from, and the share of its draws that would be accepted."""

    looked: Round
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
            draw_round(
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
    """Draw, and learn what the stand-in misses, each time from the draws before, until enough of them are accepted."""
    centre = _centred(posterior, sampling)
    attempt = _first_attempt(posterior, centre, sampling)
    looked = attempt.looked
    if _nothing_to_learn(looked):
        return attempt
    if looked.errors.size < _LEARNED_FROM:
        looked = draw_round(posterior, centre, sampling, _learned_from(sampling), _LOOK_TUNE, 60)
    attempts = []
    for number in range(_ATTEMPTS):
        centre, added = _learned(posterior, *looked)
        looked = draw_round(posterior, centre, sampling, sampling.draws, sampling.tune, 100 * number, added)
        attempts.append(_Attempt(looked, centre, added, _accepted_share(looked.errors)))
        if attempts[-1].share >= _ENOUGH_ACCEPTED:
            break
    return max(attempts, key=lambda attempt: attempt.share)


def _first_attempt(posterior: FreePosterior, centre: Centre, sampling: Sampling) -> _Attempt:
    """Draw without anything learned: at first as many as one learns from, and the others if enough are accepted."""
    draws = min(_learned_from(sampling), sampling.draws)
    looked = draw_round(posterior, centre, sampling, draws, sampling.tune, 50)
    if draws < sampling.draws and _nothing_to_learn(looked):
        rest = draw_round(posterior, centre, sampling, sampling.draws - draws, sampling.tune, 70)
        looked = joined([looked, rest])
    return _Attempt(looked, centre, NOTHING, _accepted_share(looked.errors))


def _nothing_to_learn(looked: Round) -> bool:
    """Whether many draws are accepted, no weight is large, and NUTS had no trouble."""
    return bool(
        _accepted_share(looked.errors) >= _PLENTY_ACCEPTED
        and smoothed_log_weights(looked.errors)[1] <= _LIGHT_WEIGHTS
        and not looked.proposed.statistics["diverging"].any()
    )


def _learned_from(sampling: Sampling) -> int:
    """Draws of each chain from which one learns first."""
    return -(-_LEARNED_FROM // sampling.chains)


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


def _corrected(sampling: Sampling, rounds: list[Round]) -> FreeDraws:
    """Accept or refuse the draws of each chain, round after round, and keep one of as many as there are rounds."""
    found = joined(rounds)
    proposed, errors = found.proposed, found.errors
    smoothed, pareto_k = smoothed_log_weights(errors)
    kept = _accepted(smoothed, np.random.default_rng([sampling.random_seed, 3]))
    own = kept == np.arange(errors.shape[1])
    kept = kept[:, len(rounds) - 1 :: len(rounds)]
    chains = np.arange(len(errors))[:, None]

    def of_exact(name: str) -> Array:
        values = np.reshape([getattr(row, name) for row in found.rows], (*errors.shape, -1))
        return np.asarray(values[chains, kept])

    return FreeDraws(
        proposed.theta[chains, kept],
        proposed.log_roughness[chains, kept],
        proposed.log_index[chains, kept],
        of_exact("log_likelihood")[..., 0],
        of_exact("residual"),
        _statistics(proposed.statistics, own, len(rounds)),
        {
            "stand_in_error": float(np.std(errors[np.isfinite(errors)])),
            "accepted": float(own.mean()),
            "pareto_k": pareto_k,
        },
    )


def _statistics(statistics: xr.Dataset, own: NDArray[np.bool_], every: int) -> xr.Dataset:
    """Thin what NUTS says of itself; a draw diverges if one of those that it stands for did."""
    every_so_many = thinned(statistics.assign(accepted=(("chain", "draw"), own)), every)
    return every_so_many.assign_coords(draw=np.arange(every_so_many.sizes["draw"]))


def _centred(posterior: FreePosterior, sampling: Sampling) -> Centre:
    """Move the centre from the mode to where the posterior is: by NUTS's draws, weighted by the posterior."""
    mode = posterior.mode
    centre = Centre(mode.theta, mode.log_roughness, mode.log_index, np.linalg.inv(mode.precision))
    for number in range(_MOST_ROUNDS):
        seed = sampling.random_seed + number + 1
        looked = propose(posterior, centre, sampling, _LOOK_DRAWS, _LOOK_TUNE, seed % 2**32)
        centre, effective = _recentred(posterior, looked)
        if effective >= _ENOUGH:
            break
    return centre


def _recentred(posterior: FreePosterior, looked: Proposals) -> tuple[Centre, float]:
    """Weighted mean of draws and their covariance, and how many of those looked at count."""
    flat = _flat(looked)
    some = np.linspace(0, len(flat.theta) - 1, _LOOKED_AT).round().astype(int)
    chosen = flat.of(lambda values: values[some])
    errors = np.array([row.log_density for row in evaluated(posterior, chosen)]) - chosen.log_density
    return _centre_of(chosen, errors, np.cov(flat.theta.T)), _count(errors)


def _learned(
    posterior: FreePosterior, proposed: Proposals, rows: list[Exact], errors: Array
) -> tuple[Centre, Quadratic]:
    """Centre anew, and learn what the stand-in misses there, from all draws of a round that did not do."""
    flat = _flat(proposed)
    centre = _centre_of(flat, errors.ravel(), np.cov(flat.theta.T))
    exact = np.array([row.log_likelihood for row in rows]) - posterior.log_density_of_gaps(flat.log_index)
    missed = exact - log_likelihood(stand_in_data(posterior, centre), flat.theta, flat.log_index)
    near = missed > np.median(missed) - _LARGEST_MISS
    at = coordinates(centre, flat.theta[near], flat.log_index[near])
    return centre, fitted_quadratic(at, missed[near] - np.median(missed[near]))


def _flat(proposed: Proposals) -> Proposals:
    """Draws of all chains in one row."""
    return proposed.of(lambda values: np.concatenate(list(values)))


def _centre_of(flat: Proposals, errors: Array, covariance: Array) -> Centre:
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
