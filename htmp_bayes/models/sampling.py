"""Sampling of one layer's posterior."""

import functools
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes.models.layer import CORRELATION_MAX, KAPPA_RANGE, layer_data, layer_model
from htmp_bayes.models.nuts import Start, compile_model, sample_compiled
from htmp_bayes.models.posterior import LayerPosterior
from htmp_bayes.models.surrogate import SurrogateError, sample_surrogate

type Array = NDArray[np.float64]

_PARAMETERS = ("kappa", "correlation", "location", "temperature")
# No polynomial comes close to a posterior that is wavy, as where eigenvalues cross a hard edge of the law one by one.
_ROUGH_TARGET_ACCEPT = 0.95


class LayerDraws(NamedTuple):
    """Draws of one layer's posterior.

    Attributes
    ----------
    parameters : xarray.Dataset
        ``kappa``, ``correlation``, ``location`` and ``temperature``, dimensions ``(chain, draw)``.
    sample_stats : xarray.Dataset
        What the sampler says of itself.
    attributes : dict
        How the draws came about.
    """

    parameters: xr.Dataset
    sample_stats: xr.Dataset
    attributes: dict[str, float]


def sample_layer(
    posterior: LayerPosterior,
    *,
    draws: int,
    tune: int,
    chains: int,
    random_seed: int,
    nuts_sampler: str = "nutpie",
    cores: int | None = None,
    progressbar: bool = False,
) -> LayerDraws:
    """Draw from the posterior of one layer.

    Parameters
    ----------
    posterior : LayerPosterior
        See :func:`~htmp_bayes.models.posterior.adjusted_posterior`.
    draws, tune, chains : int
        Draws kept and tuning steps of each chain, and the number of chains.
    random_seed : int
        The same seed gives the same bits, on any number of cores.
    nuts_sampler : {"nutpie", "pymc"}
        Implementation of NUTS: nutpie's by way of a polynomial
        (:func:`~htmp_bayes.models.surrogate.sample_surrogate`), PyMC's on the model itself.
    cores : int, optional
        Chains that run at a time; by default as many as there are cores.
    progressbar : bool
        Show the sampler's progress.
    """
    settings = (draws, tune, chains, random_seed, cores, progressbar)
    if nuts_sampler == "pymc":
        return _layer_draws(_sample_pymc(posterior, *settings), _PARAMETERS)
    try:
        found = sample_surrogate(posterior, *settings)
    except SurrogateError:
        return _layer_draws(_sample_nutpie(posterior, *settings), _PARAMETERS)
    dims = ("chain", "draw")
    parameters = posterior.parameters(found.points)
    coords = {name: found.tree["posterior"].coords[name] for name in dims}
    return LayerDraws(
        xr.Dataset({name: (dims, values) for name, values in parameters.items()}, coords),
        found.tree["sample_stats"].to_dataset(),
        found.attributes,
    )


def _layer_draws(tree: xr.DataTree, names: tuple[str, ...]) -> LayerDraws:
    """Take what is wanted from a sampler's DataTree."""
    parameters = tree["posterior"].to_dataset().drop_attrs()[list(names)]
    return LayerDraws(parameters, tree["sample_stats"].to_dataset(), {})


def sample_joint(data: dict[str, Any], *, nuts_sampler: str = "nutpie", **settings: Any) -> LayerDraws:
    """Draw from the posterior under the exact joint density.

    Parameters
    ----------
    data : dict
        What :func:`~htmp_bayes.models.joint.joint_data` returns.
    nuts_sampler, **settings
        As for :func:`sample_layer`.
    """
    from htmp_bayes.models.joint import joint_model

    ordered = tuple(
        settings[name] for name in ("draws", "tune", "chains", "random_seed", "cores", "progressbar")
    )
    if nuts_sampler == "pymc":
        tree = _pymc_draws(joint_model(data), None, *ordered)
    else:
        tree = _nutpie_draws(_compiled_joint_model().with_data(**data), None, *ordered)
    return _layer_draws(tree, ("kappa", "location", "temperature"))


def _sample_nutpie(posterior: LayerPosterior, *settings: Any) -> xr.DataTree:
    compiled = _compiled_model(len(posterior.data["log_nodes"]))
    given = compiled.with_data(**posterior.data, **posterior.adjustment._asdict())
    start = functools.partial(_unconstrained_start, posterior)
    return _nutpie_draws(given, start, *settings, target_accept=_ROUGH_TARGET_ACCEPT)


def _sample_pymc(posterior: LayerPosterior, *settings: Any) -> xr.DataTree:
    _, _, chains, random_seed, *_ = settings
    seeds = np.random.SeedSequence(random_seed).generate_state(chains)
    names = ("kappa", "correlation", "location")
    starts = [dict(zip(names, _start(posterior, int(seed)), strict=True)) for seed in seeds]
    return _pymc_draws(layer_model(posterior.data, posterior.adjustment), starts, *settings)


def _nutpie_draws(
    compiled: Any,
    start: Start | None,
    draws: int,
    tune: int,
    chains: int,
    random_seed: int,
    cores: int | None,
    progressbar: bool,
    **options: Any,
) -> xr.DataTree:
    return sample_compiled(
        compiled, draws=draws, tune=tune, chains=chains, random_seed=random_seed, cores=cores,
        progressbar=progressbar, start=start, **options,
    )  # fmt: skip


def _pymc_draws(
    model: Any,
    starts: list[dict[str, Any]] | None,
    draws: int,
    tune: int,
    chains: int,
    random_seed: int,
    cores: int | None,
    progressbar: bool,
) -> xr.DataTree:
    import pymc as pm

    return pm.sample(
        draws=draws,
        tune=tune,
        chains=chains,
        cores=cores,
        random_seed=random_seed,
        model=model,
        initvals=starts,
        nuts_sampler="pymc",
        progressbar=progressbar,
        compute_convergence_checks=False,
    )


@functools.cache
def _compiled_joint_model() -> Any:
    """Compile the joint density's model for nutpie; any spectrum's data can follow."""
    from htmp_bayes.models.joint import joint_data, joint_model

    model = joint_model(joint_data(np.geomspace(0.1, 10.0, 50), gamma=0.25))
    return compile_model(model, var_names=["kappa", "location", "temperature"])


@functools.cache
def _compiled_model(size: int) -> Any:
    """Compile the model for nutpie, for spectra compressed to `size` nodes; any layer's data can follow."""
    example = layer_data(np.geomspace(0.1, 10.0, 2 * size), gamma=0.25, size=size)
    return compile_model(layer_model(example), var_names=list(_PARAMETERS))


def _start(posterior: LayerPosterior, seed: int) -> Array:
    """Start a chain within two standard deviations of the mode: kappa, correlation and location."""
    spread = 2 * np.sqrt(np.diag(posterior.covariance))
    point = posterior.mode + spread * np.random.default_rng(seed).uniform(-1, 1, 3)
    low, high = posterior.bounds[:, 0], posterior.bounds[:, 1]
    margin = 0.01 * np.nan_to_num(high - low, posinf=0.0)
    point = np.clip(point, low + margin, high - margin)
    return np.array([np.exp(point[0]), point[1], point[2]])


def _unconstrained_start(posterior: LayerPosterior, seed: int) -> Array:
    """Apply PyMC's interval transform of the bounded parameters to a chain's start."""
    start = _start(posterior, seed)
    for i, (low, high) in enumerate((KAPPA_RANGE, (0.0, CORRELATION_MAX))):
        start[i] = np.log(start[i] - low) - np.log(high - start[i])
    return start
