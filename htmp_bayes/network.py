"""`fit_network`: the layers of one or several models together, partially pooled."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from htmp_bayes._settings import FitError, as_seed, check_choices, check_counts, check_gamma
from htmp_bayes.layer_names import kind_of, relative_depths
from htmp_bayes.network_steps import order_by_step, steps_of
from htmp_bayes.spectra import Spectrum

if TYPE_CHECKING:
    from htmp_bayes.models.network import Design

Spectra = Sequence[Spectrum] | Mapping[str, Sequence[Spectrum]]
Advance = Callable[[int, int, str], None]
_POPULATION = (
    "typical",
    "kind_effect",
    "model_effect",
    "depth_trend",
    "kind_spread",
    "model_spread",
    "layer_spread",
    "step_trend",
    "step_spread",
    "trend_spread",
)
# Draws at which the polynomials are compared with the likelihoods that they stand for. Pareto's k is fitted to the
# largest fifth of their weights: of 48 draws it is noise (up to 1.7 where 200 say 0.1).
_COMPARED_DRAWS = 200
# In seconds.
_SWITCH_INTERVAL = 2e-4


def fit_network(
    spectra: Spectra,
    population: Literal["inverse-gamma", "log-normal"] = "inverse-gamma",
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    random_seed: int | None = None,
    *,
    kinds: Mapping[str, str] | Sequence[str] | None = None,
    depth: Mapping[str, float] | Sequence[float] | None = None,
    steps: Sequence[float] | None = None,
    adjust: bool = True,
    cores: int | None = None,
    progressbar: bool = False,
    progress: Advance | None = None,
) -> xr.DataTree:
    r"""Posterior of all layers of one or several models, each drawn towards others of its kind, depth and model.

    The model is :func:`htmp_bayes.models.network.network_model`, where the pooling and all priors are documented.
    Estimates of single layers are noisy, and the largest of many is likely to be large by chance. Pooling takes
    that into account: a layer is pulled towards its peers as far as its own data are weak, so that contrasts
    between layers or models need no further correction for multiple comparisons (Gelman, Hill & Yajima 2012,
    *Why we (usually) don't have to worry about multiple comparisons*, J. Res. Educ. Eff. 5, 189).

    Parameters
    ----------
    spectra : sequence of Spectrum, or mapping of str to sequence of Spectrum
        The layers of a model, or those of several models by the model's name. Names of layers are unique
        within a model, or within each checkpoint of its training (see `steps`).
    population : {"inverse-gamma", "log-normal"}
        Law of the population spectrum.
    draws, tune, chains : int
        Draws kept and tuning steps of each chain, and the number of chains.
    random_seed : int, optional
        The same seed gives the same bits on any number of cores. Without one, a seed is drawn and recorded.
    kinds : mapping or sequence of str, optional
        Kind of each layer: by its name, or in the order of the layers. Layers that a mapping leaves out, and
        all by default, get the kind that :func:`htmp_bayes.layer_names.kind_of` reads from their name.
    depth : mapping or sequence of float, optional
        Depth of each layer, in any unit; by default from 0 to 1 by the numbers in the names
        (:func:`htmp_bayes.layer_names.relative_depths`).
    steps : sequence of float, optional
        For checkpoints of one training run: the step at which each spectrum was taken, in the order of the
        spectra; by default ``Spectrum.meta["step"]`` where all have one. Every layer is there at every step.
        The parameters of a layer then follow a random walk over the steps, about one that all layers share,
        and the steps become a coordinate of the result.
    adjust : bool
        Correct the curvature of the composite likelihoods for the repulsion of eigenvalues, as
        `htmp_bayes.fit` does.
    cores : int, optional
        Chains that run at a time; by default as many as there are cores.
    progressbar : bool
        Show the sampler's progress where standard output is a terminal.
    progress : callable, optional
        Called as ``progress(done, total, name)`` for each layer that is prepared.

    Returns
    -------
    xarray.DataTree
        What ArviZ works on, with the groups

        ``posterior``
            ``kappa``, ``temperature``, ``correlation``, ``tail_index`` (not for the log-normal population),
            ``scale`` = kappa T / (2 gamma), dimensions ``(chain, draw, layer)``; the same names with
            ``model_`` in front for the typical layer of each model (mean over the kinds and depths of all
            layers), dimension ``model``; and the population's ``typical``, ``kind_effect``, ``model_effect``,
            ``depth_trend``, ``kind_spread``, ``model_spread`` and ``layer_spread``, with the dimensions
            ``parameter`` (log kappa, logit(correlation / 3), log scale), ``kind`` and ``model``, as far as
            there are several kinds, models and depths. With `steps`, all parameters have the further dimension
            ``step``, and there are ``step_trend``, what all layers' parameters have moved together since the
            first step, and the standard deviations ``trend_spread`` and ``step_spread`` of its increments and
            of each layer's own.
        ``sample_stats``
            As `htmp_bayes.fit` has them.
        ``log_likelihood``
            ``spectra``, the log-likelihood of each layer.
        ``observed_data``, ``constant_data``
            ``eigenvalues`` of each layer, filled up with NaN; ``n``, ``gamma``, ``zeros``, ``dead``,
            ``n_eigenvalues``, and ``layer_kind``, ``layer_model`` and ``layer_depth``.

        Layers are named ``model/layer`` where there are several models. Attributes of the root: the
        settings, the versions, and what the polynomials cost in accuracy, from exact likelihoods at up to
        200 draws: ``surrogate_error`` (largest of any layer, in nats), ``surrogate_log_weight_sd`` (of the whole
        network's log importance weight) and ``surrogate_pareto_k``.

    Notes
    -----
    Look at ``surrogate_log_weight_sd``: up to 0.5 the draws are as good as the model's. It is larger for small
    layers of pure noise, where a large kappa without correlation puts a sharp edge next to single eigenvalues
    and no polynomial of moderate degree follows the likelihood; such networks are better fitted layer by layer.

    Given their parameters, the spectra are taken as independent. Checkpoints so close together that the weights
    hardly change in between share their chance fluctuations, too: intervals of what does not move are then too
    narrow. Take steps between which the weights do change.

    Raises
    ------
    FitError
        A ValueError, if there are fewer than two layers, a name is not unique, a layer is missing at a step or
        has another kind or depth there, or a setting is not available.

    Examples
    --------
    >>> import htmp_bayes as hb
    >>> spectra = hb.read_spectra("data/minilm.nc")
    >>> result = hb.fit_network(spectra, random_seed=1)  # doctest: +SKIP
    >>> hb.compare_layers(result, "layer.0.output.dense", "layer.5.output.dense")  # doctest: +SKIP
    >>> fit_network(spectra[:1])
    Traceback (most recent call last):
    htmp_bayes._settings.FitError: fit_network takes at least two layers; for one use fit.
    """
    layers = _layers(spectra, kinds, depth, steps)
    check_choices(population=population)
    check_counts(1, draws=draws, tune=tune, chains=chains)
    seed = as_seed(random_seed)
    from htmp_bayes.laws.beforehand import compile_beforehand
    from htmp_bayes.models.network import network_data, sample_network

    compile_beforehand()
    design = _design(layers)
    prepared = _prepared(layers, design, population, adjust, seed, progress)
    tree = sample_network(
        network_data(design, *prepared),
        design.shape,
        draws=draws,
        tune=tune,
        chains=chains,
        random_seed=seed,
        cores=cores,
        progressbar=progressbar and sys.stdout.isatty(),
    )
    settings = {
        "law": "htmp", "population": population, "likelihood": "density", "adjusted": int(adjust),
        "draws": draws, "tune": tune, "chains": chains, "random_seed": seed, "nuts_sampler": "nutpie",
    }  # fmt: skip
    return _result(layers, design, prepared, tree, settings)


@dataclass(frozen=True)
class _Layer:
    """A spectrum and where it belongs."""

    spectrum: Spectrum
    model: str
    kind: str
    depth: float
    name: str
    step: float | None = None


def _layers(spectra: Spectra, kinds: Any, depth: Any, steps: Any = None) -> list[_Layer]:
    models = dict(spectra) if isinstance(spectra, Mapping) else {"network": list(spectra)}
    total = sum(map(len, models.values()))
    if total < 2:
        raise FitError("fit_network takes at least two layers; for one use fit.")
    flat = [(model, spectrum) for model, members in models.items() for spectrum in members]
    names = [spectrum.name for _, spectrum in flat]
    inferred = [d for members in models.values() for d in relative_depths(members)]
    chosen_kinds = _chosen("kinds", kinds, names, [kind_of(spectrum) for _, spectrum in flat])
    depths = _chosen("depth", depth, names, inferred)
    several = len(models) > 1
    labels = [f"{model}/{spectrum.name}" if several else spectrum.name for model, spectrum in flat]
    at = steps_of([spectrum for _, spectrum in flat], steps)
    for _, spectrum in flat:
        check_gamma(spectrum)
        _check_kind(spectrum)
    rows = zip(flat, chosen_kinds, depths, labels, at, strict=True)
    layers = [
        _Layer(spectrum, model, str(kind), float(place), label, step)
        for (model, spectrum), kind, place, label, step in rows
    ]
    return [layers[i] for i in order_by_step(labels, at)]


def _check_kind(spectrum: Spectrum) -> None:
    if spectrum.kind == "kernel":
        raise FitError(
            f"{spectrum.name or 'a spectrum'}: kernel spectra follow the inverse law and are not pooled with weights; "
            "fit them one by one."
        )


def _chosen(setting: str, given: Any, names: list[str], inferred: list[Any]) -> list[Any]:
    """Take what was given for each layer, by name or in order, and what was inferred for the others."""
    if given is None:
        return inferred
    if isinstance(given, Mapping):
        unknown = set(given) - set(names)
        if unknown:
            raise FitError(f"{setting} names a layer that is not there: {min(unknown)!r}.")
        return [given.get(name, default) for name, default in zip(names, inferred, strict=True)]
    if len(given) != len(names):
        raise FitError(f"{setting} has {len(given)} entries for {len(names)} layers; give one for each.")
    return list(given)


def _design(layers: list[_Layer]) -> "Design":
    from htmp_bayes.models.network import Design

    steps = tuple(dict.fromkeys(layer.step for layer in layers if layer.step is not None))
    for first, other in ((layers[i - i % len(steps)], layers[i]) for i in range(len(layers)) if steps):
        if (first.kind, first.depth) != (other.kind, other.depth):
            raise FitError(f"{other.name!r} has another kind or depth at step {other.step:g}; give it one.")
    kinds = tuple(dict.fromkeys(layer.kind for layer in layers))
    models = tuple(dict.fromkeys(layer.model for layer in layers))
    return Design(
        np.array([kinds.index(layer.kind) for layer in layers]),
        kinds,
        np.array([models.index(layer.model) for layer in layers]),
        models,
        np.array([layer.depth for layer in layers]),
        steps,
    )


def _prepared(
    layers: list[_Layer],
    design: "Design",
    population: str,
    adjust: bool,
    seed: int,
    progress: Advance | None,
) -> tuple[list[Any], list[Any], list[Any]]:
    """Make data, polynomial and adjustment of each layer, and compile their model meanwhile."""
    from htmp_bayes.models.adjustment import IDENTITY
    from htmp_bayes.models.layer import layer_data
    from htmp_bayes.models.layer_likelihood import LayerLikelihood, build
    from htmp_bayes.models.network import compile_network
    from htmp_bayes.models.posterior import adjusted_posterior

    seeds = np.random.SeedSequence(seed).generate_state(len(layers))

    def prepare(layer: _Layer, layer_seed: int) -> tuple[Any, Any, Any]:
        data = layer_data(layer.spectrum.eigenvalues, layer.spectrum.gamma, population)
        adjustment = adjusted_posterior(data, layer_seed).adjustment if adjust else IDENTITY
        return data, build(LayerLikelihood(data)), adjustment

    done = []
    with _quick_switches(), ThreadPoolExecutor(os.cpu_count()) as pool:
        compiled = pool.submit(compile_network, design)
        for layer, prepared in zip(layers, pool.map(prepare, layers, map(int, seeds)), strict=True):
            done.append(prepared)
            if progress:
                progress(len(done), len(layers), layer.name)
        compiled.result()
    datas, surrogates, adjustments = zip(*done, strict=True)
    return list(datas), list(surrogates), list(adjustments)


@contextlib.contextmanager
def _quick_switches() -> Iterator[None]:
    """Have threads switch often: one that comes back from compiled code waits 5 ms for another that compiles."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_INTERVAL)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _result(
    layers: list[_Layer], design: "Design", prepared: Any, tree: xr.DataTree, settings: dict[str, Any]
) -> xr.DataTree:
    from htmp_bayes._fit_result import package_versions, sample_stats

    unfolded = tree["posterior"].to_dataset().drop_attrs().drop_vars(["layer", "step"], errors="ignore")
    unfolded = unfolded.assign_coords(kind=list(design.kinds), model=list(design.models))
    sampled = _by_step(unfolded, layers, design)
    datas, _, adjustments = prepared
    constant, observed = _data_groups(layers, design)
    gamma = constant["gamma"]
    posterior = _layer_parameters(sampled, gamma, settings["population"])
    typical = _typical_parameters(sampled, gamma, design, settings["population"])
    population = sampled[[name for name in _POPULATION if name in sampled]]
    groups = {
        "posterior": xr.merge([posterior, typical, population]),
        "sample_stats": sample_stats(tree["sample_stats"].to_dataset()),
        "log_likelihood": sampled[["log_likelihood"]].rename(log_likelihood="spectra"),
        "observed_data": observed,
        "constant_data": constant,
    }
    result = xr.DataTree.from_dict(groups)
    accuracy = _surrogate_accuracy(unfolded, datas, adjustments)
    name = " and ".join(design.models) if len(design.models) > 1 else "network"
    result.attrs = {"name": name, "kind": "network", **settings, **accuracy, **package_versions()}
    return result


def _layer_parameters(sampled: xr.Dataset, gamma: xr.DataArray, population: str) -> xr.Dataset:
    from htmp_bayes.models.network import correlation_of

    kappa, scale = np.exp(sampled["log_kappa"]), np.exp(sampled["log_scale"])
    correlation = xr.apply_ufunc(correlation_of, sampled["logit_correlation"])
    return _named(kappa, correlation, scale, gamma, population)


def _typical_parameters(
    sampled: xr.Dataset, gamma: xr.DataArray, design: "Design", population: str
) -> xr.Dataset:
    """Parameters of each model's typical layer, at each step: at the mean over the kinds and depths of all."""
    from htmp_bayes.models.network import correlation_of

    typical = sampled["typical"]
    if "kind_effect" in sampled:
        share = np.bincount(design.kind, minlength=len(design.kinds)) / len(design.kind)
        typical = typical + (sampled["kind_effect"] * xr.DataArray(share, dims="kind")).sum("kind")
    if "model_effect" in sampled:
        typical = typical + sampled["model_effect"]
    else:
        typical = typical.expand_dims(model=list(design.models), axis=-1)
    if "step_trend" in sampled:
        typical = typical + sampled["step_trend"]
    elif design.steps:  # of one layer: its own walk is all there is
        typical = typical.expand_dims(step=sampled["step"], axis=-1)
    log_kappa, logit_correlation, log_scale = (
        typical.sel(parameter=name, drop=True) for name in ("log_kappa", "logit_correlation", "log_scale")
    )
    typical_gamma = xr.DataArray(np.exp(np.log(gamma.values).mean()))
    correlation = xr.apply_ufunc(correlation_of, logit_correlation)
    named = _named(np.exp(log_kappa), correlation, np.exp(log_scale), typical_gamma, population)
    return named.rename({name: f"model_{name}" for name in named.data_vars})


def _named(kappa: Any, correlation: Any, scale: Any, gamma: Any, population: str) -> xr.Dataset:
    from htmp_bayes.laws import HTMP

    named = {
        "kappa": kappa,
        "temperature": scale * 2 * gamma / kappa,
        "correlation": correlation,
        "scale": scale,
    }
    if population == "inverse-gamma":
        law = HTMP(1.0, 0.5, 1.0, np.maximum(correlation.values, 1e-6), population)
        named["tail_index"] = correlation.copy(data=np.broadcast_to(law.tail_index(), correlation.shape))
    order = [dim for dim in ("chain", "draw", "layer", "model", "step") if dim in correlation.dims]
    return xr.Dataset({name: value.transpose(*order) for name, value in named.items()})


def _by_step(data: xr.Dataset, layers: list[_Layer], design: "Design") -> xr.Dataset:
    """Name the layers, and give the steps of training, if there are any, a dimension of their own."""
    steps = len(design.steps) or 1
    names = {"layer": [layer.name for layer in layers[::steps]]}
    if not design.steps:
        return data.assign_coords(names)
    folded = data.coarsen(layer=steps).construct(layer=("layer", "step"))
    whole = all(step == int(step) for step in design.steps)
    return folded.assign_coords({**names, "step": [int(s) if whole else s for s in design.steps]})


def _data_groups(layers: list[_Layer], design: "Design") -> tuple[xr.Dataset, xr.Dataset]:
    """Make ``constant_data`` and ``observed_data``."""
    spectra = [layer.spectrum for layer in layers]
    eigenvalues = np.full((len(spectra), max(map(len, spectra))), np.nan)
    for row, spectrum in zip(eigenvalues, spectra, strict=True):
        row[: len(spectrum)] = spectrum.eigenvalues
    known = {
        "n": [s.n for s in spectra],
        "gamma": [s.gamma for s in spectra],
        "zeros": [s.zeros for s in spectra],
        "dead": [s.dead for s in spectra],
        "n_eigenvalues": [len(s) for s in spectra],
    }
    constant = _by_step(xr.Dataset({k: ("layer", v) for k, v in known.items()}), layers, design)
    one_each = layers[:: len(design.steps) or 1]
    for name in ("kind", "model", "depth"):
        constant[f"layer_{name}"] = "layer", [getattr(layer, name) for layer in one_each]
    observed = xr.Dataset({"eigenvalues": (("layer", "eigenvalue"), eigenvalues)})
    return constant, _by_step(observed, layers, design)


def _surrogate_accuracy(sampled: xr.Dataset, datas: list[Any], adjustments: list[Any]) -> dict[str, float]:
    """Compare the polynomials with the exact likelihoods at evenly thinned draws."""
    from arviz_stats.base import array_stats

    from htmp_bayes.models.layer_likelihood import LayerLikelihood
    from htmp_bayes.models.network import evaluated_points

    flat = sampled.stack(sample=("chain", "draw"))
    compared = np.linspace(0, flat.sizes["sample"] - 1, min(_COMPARED_DRAWS, flat.sizes["sample"]))
    thinned = flat.isel(sample=compared.round().astype(int))
    log_kappa, logit, location, polynomial = (
        thinned[name].transpose("layer", "sample").values
        for name in ("log_kappa", "logit_correlation", "location", "log_likelihood")
    )

    def errors(k: int) -> np.ndarray:
        points = evaluated_points(log_kappa[k], logit[k], location[k], datas[k], adjustments[k])
        likelihood = LayerLikelihood(datas[k])
        return polynomial[k] - np.array([likelihood.value(*point) for point in points])

    with ThreadPoolExecutor() as pool:
        table = np.array(list(pool.map(errors, range(len(datas)))))
    table -= np.median(table, axis=1, keepdims=True)
    log_weights = -table.sum(axis=0)
    return {
        "surrogate_error": float(np.abs(table).max()),
        "surrogate_log_weight_sd": float(log_weights.std()),
        "surrogate_pareto_k": float(array_stats.psislw(log_weights)[1]),
    }
