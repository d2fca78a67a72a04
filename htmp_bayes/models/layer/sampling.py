"""Sampling of one layer's posterior."""

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes.models.layer.model import parametric_model
from htmp_bayes.models.layer.posterior import LayerPosterior
from htmp_bayes.models.layer.stand_in import StandInError, evaluated, sample_stand_in
from htmp_bayes.models.nuts import compile_model, sample_compiled

type Array = NDArray[np.float64]

_PARAMETERS = ("kappa", "correlation", "location", "temperature")
_DIMS = ("chain", "draw")


@dataclass(frozen=True)
class Sampling:
    """How a posterior is sampled.

    Attributes
    ----------
    draws, tune, chains : int
        Draws kept and tuning steps of each chain, and the number of chains.
    random_seed : int
        The same seed gives the same bits, on any number of cores.
    nuts_sampler : {"nutpie", "pymc"}
        Implementation of NUTS: nutpie's by way of polynomials
        (:func:`~htmp_bayes.models.layer.stand_in.sample_stand_in`), PyMC's on the model itself.
    cores : int, optional
        Chains that run at a time; by default as many as there are cores.
    progressbar : bool
        Show the sampler's progress.
    """

    draws: int
    tune: int
    chains: int
    random_seed: int
    nuts_sampler: str = "nutpie"
    cores: int | None = None
    progressbar: bool = False


class LayerDraws(NamedTuple):
    """Draws of one layer's posterior.

    Attributes
    ----------
    parameters : xarray.Dataset
        ``kappa``, ``location``, ``temperature`` and, unless it is zero by assumption, ``correlation``, dimensions
        ``(chain, draw)``.
    sample_stats : xarray.Dataset
        What the sampler says of itself.
    attributes : dict
        How the draws came about.
    residuals : ndarray
        Whitened residuals of the counts at each draw, shape ``(chain, draw, J)``; none under the joint density.
    log_likelihood : ndarray
        Of the spectrum at each draw, shape ``(chain, draw)``.
    """

    parameters: xr.Dataset
    sample_stats: xr.Dataset
    attributes: dict[str, float]
    residuals: Array
    log_likelihood: Array


def sample_layer(posterior: LayerPosterior, sampling: Sampling) -> LayerDraws:
    """Draw from the posterior of one layer.

    Where no polynomials come close to it, the model itself is sampled.

    Parameters
    ----------
    posterior : LayerPosterior
        The posterior.
    sampling : Sampling
        How.
    """
    if sampling.nuts_sampler == "pymc":
        return _of_model(
            posterior, _pymc_draws(parametric_model(posterior.data), _starts(posterior, sampling), sampling)
        )
    try:
        found = sample_stand_in(
            posterior, sampling.draws, sampling.tune, sampling.chains, sampling.random_seed, sampling.cores,
            sampling.progressbar,
        )  # fmt: skip
    except StandInError:
        compiled = compile_model(parametric_model(posterior.data), var_names=_known(posterior))
        return _of_model(posterior, _nutpie_draws(compiled, sampling))
    values = posterior.parameters(found.points)
    coords = {name: found.tree["posterior"].coords[name] for name in _DIMS}
    parameters = xr.Dataset({name: (_DIMS, values[name]) for name in _known(posterior)}, coords)
    return LayerDraws(
        parameters,
        found.tree["sample_stats"].to_dataset(),
        found.attributes,
        found.residuals,
        found.log_density - posterior.log_prior(found.points),
    )


def _known(posterior: LayerPosterior) -> list[str]:
    return [name for name in _PARAMETERS if name != "correlation" or posterior.data.correlated]


def _of_model(posterior: LayerPosterior, tree: xr.DataTree) -> LayerDraws:
    """Draws that a sampler made of the model itself, with the residuals of the counts at each."""
    parameters, statistics = _parts(tree, _known(posterior))
    parameters = parameters.assign(log_kappa=np.log(parameters["kappa"]))
    points = np.stack([parameters[name].to_numpy() for name in posterior.names], axis=-1)
    rows = evaluated(posterior, points.reshape(-1, points.shape[-1]))
    shape = points.shape[:2]
    residuals = np.reshape([row.residual for row in rows], (*shape, -1))
    log_density = np.reshape([row.log_density for row in rows], shape)
    log_likelihood = log_density - posterior.log_prior(points)
    return LayerDraws(parameters.drop_vars("log_kappa"), statistics, {}, residuals, log_likelihood)


def _parts(tree: xr.DataTree, names: list[str]) -> tuple[xr.Dataset, xr.Dataset]:
    """Take what is wanted from a sampler's DataTree: draws and statistics."""
    return tree["posterior"].to_dataset().drop_attrs()[names], tree["sample_stats"].to_dataset()


def sample_joint(data: dict[str, Any], posterior: LayerPosterior, sampling: Sampling) -> LayerDraws:
    """Draw from the posterior under the exact joint density.

    Parameters
    ----------
    data : dict
        What :func:`~htmp_bayes.models.layer.joint_density.joint_data` returns.
    posterior : LayerPosterior
        Of the same spectrum and the population "none": what its counts say of some of the draws.
    sampling : Sampling
        How.
    """
    from htmp_bayes.models.layer.joint_density import joint_log_likelihood, joint_model

    if sampling.nuts_sampler == "pymc":
        tree = _pymc_draws(joint_model(data), None, sampling)
    else:
        tree = _nutpie_draws(_compiled_joint_model().with_data(**data), sampling)
    parameters, statistics = _parts(tree, ["kappa", "location", "temperature"])
    values = joint_log_likelihood(data, parameters["kappa"].to_numpy(), parameters["temperature"].to_numpy())
    points = np.stack([np.log(parameters["kappa"]), parameters["location"]], axis=-1)
    rows = evaluated(posterior, points.reshape(-1, 2))
    residuals = np.reshape([row.residual for row in rows], (*values.shape, -1))
    return LayerDraws(parameters, statistics, {}, residuals, values)


def _nutpie_draws(compiled: Any, sampling: Sampling) -> xr.DataTree:
    return sample_compiled(
        compiled, draws=sampling.draws, tune=sampling.tune, chains=sampling.chains,
        random_seed=sampling.random_seed, cores=sampling.cores, progressbar=sampling.progressbar,
    )  # fmt: skip


def _pymc_draws(model: Any, starts: list[dict[str, Any]] | None, sampling: Sampling) -> xr.DataTree:
    import pymc as pm

    return pm.sample(
        draws=sampling.draws,
        tune=sampling.tune,
        chains=sampling.chains,
        cores=sampling.cores,
        random_seed=sampling.random_seed,
        model=model,
        initvals=starts,
        nuts_sampler="pymc",
        progressbar=sampling.progressbar,
        compute_convergence_checks=False,
    )


@functools.cache
def _compiled_joint_model() -> Any:
    """Compile the joint density's model for nutpie; any spectrum's data can follow."""
    from htmp_bayes.models.layer.joint_density import joint_data, joint_model

    model = joint_model(joint_data(np.geomspace(0.1, 10.0, 50), gamma=0.25))
    return compile_model(model, var_names=["kappa", "location", "temperature"])


def _starts(posterior: LayerPosterior, sampling: Sampling) -> list[dict[str, Any]]:
    """Start each chain within two standard deviations of the mode."""
    spread = 2 * np.sqrt(np.diag(posterior.covariance))
    names = [name for name in _known(posterior) if name != "temperature"]
    starts = []
    for seed in np.random.SeedSequence(sampling.random_seed).generate_state(sampling.chains):
        away = spread * np.random.default_rng(int(seed)).uniform(-1, 1, len(spread))
        point = np.clip(posterior.mode + away, posterior.bounds[:, 0] + 0.01, posterior.bounds[:, 1] - 0.01)
        values = posterior.parameters(point)
        starts.append(
            {
                name: np.maximum(values[name], 1e-3) if name == "correlation" else values[name]
                for name in names
            }
        )
    return starts
