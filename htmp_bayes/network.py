"""`fit_network`: the layers of one or several models together, partially pooled."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from htmp_bayes._notebook import shows_progress
from htmp_bayes._seeds import as_seed, one_of
from htmp_bayes._settings import FitError, check_choices, check_counts
from htmp_bayes.network_layers import Layer, Spectra, design_of, gather

if TYPE_CHECKING:
    from htmp_bayes.models.network.design import Structure
    from htmp_bayes.models.network.quantities import Quantity
    from htmp_bayes.models.network.site import Site

Advance = Callable[[int, int, str], None]
# Of each layer's own fit: draws and tuning steps of its chains, at most.
_LAYER_DRAWS, _LAYER_TUNE = 250, 300


def fit_network(
    spectra: Spectra,
    population: Literal["free", "inverse-gamma", "log-normal", "none"] = "free",
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    random_seed: int | np.random.Generator | None = None,
    *,
    kinds: Mapping[str, str] | Sequence[str] | None = None,
    depth: Mapping[str, float] | Sequence[float] | None = None,
    steps: Sequence[float] | None = None,
    runs: str | Mapping[str, str] | None = None,
    groups: str | Mapping[str, str] | None = None,
    fits: Mapping[str, xr.DataTree] | None = None,
    cores: int | None = None,
    progressbar: bool | None = None,
    progress: Advance | None = None,
    random_state: int | np.random.Generator | None = None,
) -> xr.DataTree:
    r"""Posterior of all layers of one or several models, each drawn towards others of its kind, depth and model.

    Estimates of single layers are noisy, and the largest of many is likely to be large by chance. Pooling takes
    that into account: a layer is pulled towards its peers as far as its own data are weak, so that contrasts
    between layers or models need no further correction for multiple comparisons (Gelman, Hill & Yajima 2012,
    *Why we (usually) don't have to worry about multiple comparisons*, J. Res. Educ. Eff. 5, 189).

    It takes two stages (Lunn, Barrett, Sweeting & Thompson 2013, J. R. Stat. Soc. C 62, 551): each layer is fitted by
    itself, as `htmp_bayes.fit` does; then all are joined, quantity by quantity, through normal likelihoods for which
    the layers can be integrated out, and the draws are corrected for what was not normal. Each quantity (kappa/N,
    correlation, participation ratio, exponents of the tails, scale, mean, quantiles of the population) has a hierarchy
    of its own, :func:`htmp_bayes.models.network.model.network_model`, where pooling and priors are documented: draws of
    two quantities say nothing of how the two go together.

    Parameters
    ----------
    spectra : sequence of Spectrum, or mapping of str to sequence of Spectrum
        The layers of a model, or those of several models by the model's name. Names of layers are unique
        within a model, or within each run or checkpoint of its training (see `runs` and `steps`). A layer that has the
        same name in several models is taken for the same part of them.
    population : {"free", "inverse-gamma", "log-normal", "none"}
        Law of the population spectrum of each layer.
    draws, tune, chains : int
        Draws kept and tuning steps of each chain, and the number of chains. Each layer's own fit has at most 250 draws
        a chain, which tell its mean to a few per cent of its standard deviation.
    random_seed : int or numpy.random.Generator, optional
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
    runs : str or mapping, optional
        For models that were trained several times: the training run of each spectrum. A regular expression with a
        group named ``run``, and perhaps one named ``group``, such as ``r"batch(?P<group>\d+)\.seed(?P<run>\d+)"``: it
        is looked for in the model's name, or else in the spectrum's, and what matches is taken out of that name, so
        that the rest is the same in all runs. Or a key of ``Spectrum.meta``, or a mapping from the names of spectra or
        models. Not together with `steps`.
    groups : str or mapping, optional
        The group of each spectrum's run (batch size, recipe, ...): a key of ``Spectrum.meta``, or a mapping from the
        names of spectra or models. Groups take the place of models, which they are by default.
    fits : mapping of str to xarray.DataTree, optional
        Results of `htmp_bayes.fit` for spectra that have been fitted, by their names, or by ``model/name`` where there
        are several models; the others are fitted now.
    cores : int, optional
        Chains that run at a time; by default as many as there are cores.
    progressbar : bool, optional
        Show the sampler's progress; by default in notebooks. Where standard output is neither a terminal nor a
        notebook, it is not shown.
    progress : callable, optional
        Called as ``progress(done, total, name)`` for each layer that is fitted, and then with a total of 0 and the
        name of what is done next, which takes as long as it takes: "sampling" and "correcting".
    random_state : int or numpy.random.Generator, optional
        Another name of `random_seed`.

    Returns
    -------
    xarray.DataTree
        What ArviZ works on, with the groups

        ``posterior``
            ``kappa``, ``dyson_index`` (kappa/N), ``temperature``, ``correlation``, ``tail_index`` (not for the
            log-normal population), ``scale`` = kappa T / (2 gamma) and ``mean`` (not if it is infinite in any draw of a
            layer); of the open population also ``participation_ratio``, ``lower_tail_index`` and its quantiles
            ``quantile_10``, ``quantile_50`` and ``quantile_90``: dimensions ``(chain, draw, layer)``; with `runs`, of
            what a layer has in common in all its runs. The same names with ``model_`` in front, dimension ``model``:
            for each model, the mean over its layers (on the scale on which the quantity is pooled) if all models have
            layers of the same names; otherwise its typical layer, at the mean over the kinds and depths of all layers.
            And the hyperparameters ``typical``, ``kind_effect``, ``model_effect``, ``depth_trend``, ``kind_spread``,
            ``model_spread``, ``layer_spread``, ``model_layer_spread``, ``run_spread`` (of each model) and
            ``typical_run_spread``, with the dimensions ``parameter`` (names of the quantities), ``kind`` and ``model``,
            as far as there are several kinds, models, depths and runs. With `steps`, all parameters have the further
            dimension ``step``, and there are ``step_trend``, what all layers' parameters have moved together since the
            first step, and the standard deviations ``trend_spread`` and ``step_spread`` of its increments and of each
            layer's own.
        ``sample_stats``
            As `htmp_bayes.fit` has them.
        ``observed_data``, ``constant_data``
            ``eigenvalues`` of each spectrum, dimensions ``(spectrum, eigenvalue)``, filled up with NaN; ``n``,
            ``gamma``, ``zeros``, ``dead`` and ``n_eigenvalues``, dimension ``spectrum``; and ``layer_kind``,
            ``layer_model`` and ``layer_depth``, dimension ``layer``. ``spectrum_layer`` says of which layer a spectrum
            is, and ``spectrum_run`` or ``spectrum_step`` of which run or step; and what `htmp_bayes.check` says of
            its own fit: ``spectrum_r_hat`` and ``spectrum_ess``, the worst of its parameters, and ``spectrum_fits``;
            ``spectrum_interval`` are the 5 %, 50 % and 95 % quantiles of the quantities in that fit, dimensions
            ``(spectrum, parameter, quantile)``.

        Layers are named ``model/layer`` where there are several models. Attributes of the root: the
        settings, the versions, and what the normal likelihoods cost: ``correction_log_weight_sd`` and
        ``correction_pareto_k`` of the weights by which the draws were corrected, and ``correction_counting``, which
        share of the candidates for a layer's values counts, for the worst quantity and layer. :func:`htmp_bayes.check`
        judges them. With runs ``runs`` is their number, and 0 otherwise.

    Notes
    -----
    Without runs, intervals and contrasts say what other matrices of the same population would give. Whether another
    *training run* would give the same is seen in replicates only, by `runs`.

    Given their parameters, the spectra are taken as independent. Checkpoints so close together that the weights
    hardly change in between share their chance fluctuations, too: intervals of what does not move are then too
    narrow. Take steps between which the weights do change.

    Raises
    ------
    FitError
        A ValueError, if there are fewer than two layers, a name is not unique, a layer is missing at a step or
        has another kind or depth there, a spectrum has no run, or a setting is not available.

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
    check_choices(population=population)
    layers = gather(spectra, kinds, depth, steps, runs, groups, population)
    check_counts(1, draws=draws, tune=tune, chains=chains)
    seed = as_seed(one_of(random_seed=random_seed, random_state=random_state))
    tell = progress or (lambda done, total, name: None)
    from htmp_bayes.models.network.draws import draw_layers
    from htmp_bayes.models.network.model import network_data, sample_network
    from htmp_bayes.network_result import network_result

    options = {"population": population, "chains": chains, "cores": cores}
    options |= {"draws": min(draws, _LAYER_DRAWS), "tune": min(tune, _LAYER_TUNE)}
    options |= {"predictive_draws": 0, "progressbar": False}
    design = design_of(layers)
    with ThreadPoolExecutor(1) as pool:
        own = []
        for result in _fitted(layers, fits or {}, options, seed, tell):
            own.append(result)
            if len(own) == 1:  # the model of all is compiled while the others are fitted
                pool.submit(_compile_for, result, design.structure)
    quantities, sites = _sites(layers, own)
    sizes = [len(layer.spectrum) for layer in layers]
    data = network_data(design, quantities, sites, sizes)
    tell(0, 0, "sampling")
    tree = sample_network(
        data,
        design.structure,
        draws=draws,
        tune=tune,
        chains=chains,
        random_seed=seed,
        cores=cores,
        progressbar=shows_progress(progressbar),
    )
    hyper = {str(name): values.to_numpy() for name, values in tree["posterior"].data_vars.items()}
    tell(0, 0, "correcting")
    drawn = draw_layers(design, data, sites, hyper, seed)
    settings = {
        "law": "htmp", "population": population, "likelihood": "counts", "runs": len(design.runs), "draws": draws,
        "tune": tune, "chains": chains, "random_seed": seed, "nuts_sampler": "nutpie",
    }  # fmt: skip
    return network_result(layers, own, design, quantities, tree, drawn, settings)


def _fitted(
    layers: list[Layer],
    given: Mapping[str, xr.DataTree],
    options: dict[str, Any],
    seed: int,
    tell: Advance,
) -> Iterator[xr.DataTree]:
    """Fit each layer by itself, unless that has been done, and yield the results in order."""
    from htmp_bayes.fitting import fit

    unknown = set(given) - {layer.given_name for layer in layers}
    if unknown:
        raise FitError(
            f"fits has a result of {min(unknown)!r}, and there is no such spectrum; names are those of the spectra."
        )
    seeds = np.random.SeedSequence(seed).generate_state(len(layers))
    for done, (layer, own_seed) in enumerate(zip(layers, seeds, strict=True), start=1):
        result = given.get(layer.given_name)
        if result is None:
            result = fit(layer.spectrum, random_seed=int(own_seed), **options)
        else:
            _check_given(result, layer, options["population"])
        tell(done, len(layers), layer.label)
        yield result


def _compile_for(result: xr.DataTree, structure: "Structure") -> None:
    """Compile the model for networks whose layers have the quantities of this one."""
    from htmp_bayes.models.network.model import compile_network
    from htmp_bayes.models.network.quantities import values_of

    compile_network(structure, len(values_of(result, "posterior")))


def _check_given(result: xr.DataTree, layer: Layer, population: str) -> None:
    """Find out whether a result is that of the layer's spectrum."""
    from htmp_bayes._results import group

    eigenvalues = group(result, "observed_data")["eigenvalues"].to_numpy()
    if not np.array_equal(eigenvalues, layer.spectrum.eigenvalues):
        raise FitError(f"{layer.given_name}: its result in fits is that of another spectrum; fit it anew.")
    if result.attrs["population"] != population:
        raise FitError(
            f"{layer.given_name}: its result in fits has population = {result.attrs['population']!r}, not "
            f"{population!r}; fit it anew, or pool with that population."
        )


def _sites(layers: list[Layer], results: list[xr.DataTree]) -> tuple[list["Quantity"], list[list["Site"]]]:
    """Likelihoods of each spectrum, of the quantities that all have."""
    from htmp_bayes.models.network.quantities import named, values_of
    from htmp_bayes.models.network.site import Site

    drawn = [(values_of(result, "posterior"), values_of(result, "prior")) for result in results]
    common = set.intersection(*(set(posterior) & set(prior) for posterior, prior in drawn))
    quantities = named(sorted(common))
    sites = []
    for layer, (posterior, prior) in zip(layers, drawn, strict=True):
        try:
            sites.append([Site(q.pooled(posterior[q.name]), q.pooled(prior[q.name])) for q in quantities])
        except ValueError as error:
            raise FitError(
                f"{layer.label}: its fit cannot be pooled ({error}); leave the layer out."
            ) from error
    return quantities, sites
