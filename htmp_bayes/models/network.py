"""The model of a network: every layer's parameters, partially pooled over kind, depth, model, run and training."""

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from htmp_bayes.models.layer.prior import CORRELATION_MAX, expected_log, kappa_prior
from htmp_bayes.models.layer_site import LayerSite, Normal
from htmp_bayes.models.nested_normals import PACKED, Known, integrated
from htmp_bayes.models.network_design import Design, Structure
from htmp_bayes.models.nuts import compile_model, sample_compiled
from htmp_bayes.models.random_walk import common_walk

if TYPE_CHECKING:
    import pymc as pm

type Array = NDArray[np.float64]

PARAMETERS = ("log_dyson_index", "logit_correlation", "log_scale")
# Medians of the log-normal priors of the spreads, in the order of PARAMETERS.
KIND_SPREAD = np.array([0.5, 0.35, 0.7])
MODEL_SPREAD = np.array([0.35, 0.2, 0.5])
LAYER_SPREAD = np.array([0.5, 0.35, 0.7])
SPREAD_LOG_SD = 0.8
# Of the same layer in several models, and of the same layer in several runs: from next to nothing to as much as of
# layers.
MODEL_LAYER_SPREAD = np.array([0.2, 0.1, 0.2])
RUN_SPREAD = np.array([0.05, 0.02, 0.05])
WIDE_LOG_SD = 1.3
TYPICAL_CORRELATION, CORRELATION_SD, SCALE_SD = 0.6, 1.0, 2.0
DEPTH_SD = np.array([0.75, 0.5, 1.0])
# Of the increments of the walk that all layers have in common, and of each layer's own about it.
TREND_SPREAD = np.array([0.3, 0.2, 0.3])
STEP_SPREAD = np.array([0.15, 0.1, 0.1])
STEP_SPREAD_SD = 0.6
# At 0.95 one draw in some ten thousand diverges.
TARGET_ACCEPT = 0.98
# The reference of the normal likelihoods is that much wider than the layers are spread, and at least so wide.
_REFERENCE_FACTOR, _REFERENCE_SD = 1.5, np.array([0.7, 0.5, 0.7])


def typical_prior(sizes: Array, gamma: Array, log_means: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of the typical layer's prior, shape ``(3,)`` each: see :func:`network_model`."""
    size = float(np.exp(np.mean(np.log(sizes))))
    of_kappa = kappa_prior(size)
    scale = float(np.mean(log_means + np.log(sizes / (2 * gamma)) - expected_log(sizes, gamma)))
    mean = [of_kappa["mu"] - np.log(size), logit(TYPICAL_CORRELATION / CORRELATION_MAX), scale]
    return np.array(mean), np.array([of_kappa["sigma"], CORRELATION_SD, SCALE_SD])


def normal_forms(sites: list[LayerSite]) -> list[Normal]:
    """Find normal likelihoods of the layers, close to theirs where the network's layers are."""
    means = np.array([site.own_mean for site in sites])
    spread = np.maximum(_REFERENCE_FACTOR * means.std(axis=0), _REFERENCE_SD)
    return [site.normal_form(means.mean(axis=0), spread) for site in sites]


def network_data(design: Design, normals: list[Normal], prior: tuple[Array, Array]) -> dict[str, Array]:
    """Everything that distinguishes one network from another of the same structure, as the model's ``pm.Data``.

    Parameters
    ----------
    design : Design
        Which spectrum belongs where.
    normals : list of Normal
        Normal likelihood of each spectrum.
    prior : tuple of ndarray
        What :func:`typical_prior` returns.

    Returns
    -------
    dict
        Arrays by name. The likelihoods are about the prior's mean.
    """
    mean, sd = prior
    precision = np.array([normal.precision for normal in normals])
    linear = np.array([normal.linear for normal in normals]) - precision @ mean
    packed = np.array([precision[:, i, j] for i, j in PACKED]).T
    layer, model = design.cells.T
    depth = design.depth - design.depth[layer, model].mean()
    return {
        "precision": design.spread_out(packed),
        "linear": design.spread_out(linear),
        "kind_index": design.kind,
        "relative_depth": depth,
        "prior_mean": mean,
        "prior_sd": sd,
    }


def network_model(data: dict[str, Any], structure: Structure) -> "pm.Model":
    r"""PyMC model of what a network's layers have in common, the layers themselves integrated out.

    Three numbers describe a layer: :math:`\theta` = (log(kappa/N), logit(correlation / 3), log scale), with
    scale = kappa T / (2 gamma), the mean eigenvalue that the law has without correlation. The scale, and not
    the temperature itself, is pooled: at equal scale the temperature is inversely proportional to kappa. And kappa/N is
    pooled, not kappa: layers of all sizes have 1 if they are real matrices with independent rows, and if repulsion is
    of order one in all, the layers' spread has room for the logarithms of their sizes. Layer l of model g in run r has,
    independently in each of the three,

    .. math:: \theta_{lgr} \sim \mathrm{Normal}(\text{typical} + \text{kind effect} + \text{model effect}
        + \text{depth trend} \cdot (\text{depth}_{lg} - \overline{\text{depth}}) + a_l + b_{lg},\ \text{run spread}),

    :math:`a_l` normal with ``layer_spread`` and :math:`b_{lg}` with ``model_layer_spread``.

    - ``typical``: normal. Of log(kappa/N), with the geometric mean of the layers' sizes for N, it has 95 % between
      kappa = 0.5 and kappa = 4 N, which covers repulsion of order one as well as that of a real matrix, as the prior of
      a single layer does; correlation about 0.6 with a standard deviation of 1 of the logit; scale about the layers'
      own with 2. The prior moves along when all eigenvalues are multiplied by a factor.
    - ``kind_effect``, ``model_effect``: normal with sum zero; their spreads ``kind_spread`` and
      ``model_spread`` are log-normal with medians (0.5, 0.35, 0.7) and (0.35, 0.2, 0.5).
    - ``depth_trend``: change from the first layer to the last; normal with standard deviations (0.75, 0.5, 1).
    - ``layer_spread``: log-normal with medians (0.5, 0.35, 0.7).
    - ``model_layer_spread``, of the same layer in several models: medians (0.2, 0.1, 0.2).
    - ``run_spread``, of the same layer of a model when it is trained again: medians (0.05, 0.02, 0.05).

    The logarithm of each spread has the standard deviation 0.8, 95 % of its prior within a factor of 4.8 of the
    median; of the last two 1.3, a factor of 13. A prior that avoids zero (Chung, Rabe-Hesketh, Dorie, Gelman & Liu
    2013, Psychometrika 78, 685) says that no two trained layers are exactly alike, and keeps the sampler out of the
    funnel that opens at zero.

    There is no kind effect where there is one kind or no kind has two layers, no model effect where there is one
    model, no depth trend where all depths are equal, no :math:`b` where no name of a layer is there in two models, and
    no run spread without runs.

    With several steps of training this is the prior at the first of them, and from each step to the next

    .. math:: \theta_{l,s+1} \sim
        \mathrm{Normal}(\theta_{l,s} + \text{trend}_{s+1} - \text{trend}_s, \text{step spread}),

    where ``step_trend``, from 0 at the first step, is a random walk itself and common to all layers (there is
    none where there is one layer). The standard deviations of the increments are log-normal: ``trend_spread`` with
    medians (0.3, 0.2, 0.3) and the same 0.8, ``step_spread`` with medians (0.15, 0.1, 0.1) and 0.6. Each step counts
    alike, whatever the number of updates between two.

    The likelihood of each layer is a normal one close to its own (:mod:`~htmp_bayes.models.layer_site`), so that the
    layers are integrated out in closed form (:mod:`~htmp_bayes.models.nested_normals`). What that costs is corrected
    afterwards (:mod:`~htmp_bayes.models.network_draws`).

    Parameters
    ----------
    data : dict
        What :func:`network_data` returns.
    structure : Structure
        `Design.structure`.

    Returns
    -------
    pymc.Model
        With the variables above, dimensions ``parameter``, ``kind``, ``model`` and ``step``.
    """
    import pymc as pm
    import pytensor.tensor as pt

    coords = {
        "parameter": PARAMETERS, "kind": range(structure.kinds), "model": range(structure.models),
        "step": range(structure.steps),
    }  # fmt: skip
    with pm.Model(coords=coords) as model:
        given = {name: pm.Data(name, value) for name, value in data.items()}
        standard = pm.Normal("standard_typical", 0.0, 1.0, dims="parameter")
        away = given["prior_sd"] * standard
        pm.Deterministic("typical", given["prior_mean"] + away, dims="parameter")
        means = [away[i] + pt.zeros_like(given["relative_depth"]) for i in range(3)]
        if structure.kinds > 1:
            effect = _zero_sum_effect("kind", KIND_SPREAD)
            means = [means[i] + effect[i][given["kind_index"]] for i in range(3)]
        if structure.models > 1:
            effect = _zero_sum_effect("model", MODEL_SPREAD)
            means = [means[i] + effect[i][None, :] for i in range(3)]
        if structure.graded:
            slope = pm.Normal("depth_trend", 0.0, DEPTH_SD, dims="parameter")
            means = [means[i] + slope[i] * given["relative_depth"] for i in range(3)]
        means = [mean[:, :, None] for mean in means]
        if structure.trend:
            trend = common_walk(structure.steps, TREND_SPREAD, SPREAD_LOG_SD)
            means = [means[i] + trend[i] for i in range(3)]
        spreads = _spreads(structure)
        pm.Potential("likelihood", _log_likelihood(given, means, spreads, structure))
    return model


def _spread(of: str, median: Array, log_sd: float = SPREAD_LOG_SD) -> Any:
    import pymc as pm

    return pm.LogNormal(f"{of}_spread", np.log(median), log_sd, dims="parameter")


def _zero_sum_effect(of: str, median: Array) -> Any:
    import pymc as pm

    spread = _spread(of, median)[:, None]
    return pm.ZeroSumNormal(f"{of}_effect", spread, dims=("parameter", of))


def _spreads(structure: Structure) -> dict[str, list[Any]]:
    """Make the spreads of the layers' own effects, the three coordinates' of each."""
    found = {"layer": _spread("layer", LAYER_SPREAD)}
    if structure.paired:
        found["model_layer"] = _spread("model_layer", MODEL_LAYER_SPREAD, WIDE_LOG_SD)
    if structure.runs:
        found["run"] = _spread("run", RUN_SPREAD, WIDE_LOG_SD)
    if structure.steps > 1:
        found["step"] = _spread("step", STEP_SPREAD, STEP_SPREAD_SD)
    return {of: [values[i] for i in range(3)] for of, values in found.items()}


def _log_likelihood(
    given: dict[str, Any], means: list[Any], spreads: dict[str, list[Any]], structure: Structure
) -> Any:
    """Log-density of the normal likelihoods, all effects of the layers integrated out."""
    import pytensor.tensor as pt

    likelihoods = Known([given["precision"][k] for k in range(6)], [given["linear"][k] for k in range(3)])
    pulls = likelihoods.times(means)
    at_means = sum(pt.sum(means[i] * (likelihoods.linear[i] - 0.5 * pulls[i])) for i in range(3))
    levels = known_by_level(likelihoods.less(means), spreads, structure, pt.log)
    return at_means + sum(pt.sum(value) for value in levels.values)


class Levels(NamedTuple):
    """What is known of each level's effects once those below are integrated out.

    Attributes
    ----------
    replicates : list of Known
        Of the sum of all effects in each run, shapes ``(L, G, S)``; or at each step, with what later ones say, ``(L,
        G)``.
    model_layer : Known
        Of what a layer of a model has in all runs, shapes ``(L, G)``.
    layer : Known
        Of the layer's own, shapes ``(L,)``.
    values : list of array
        Logarithms of the integrals.
    """

    replicates: list[Known]
    model_layer: Known
    layer: Known
    values: list[Any]


def known_by_level(known: Known, spreads: dict[str, list[Any]], structure: Structure, log: Any) -> Levels:
    """Integrate the effects out from runs or steps to layers; the last three axes are layer, model and run or step.

    Spreads are numbers, or arrays that fit those of their level.
    """
    values = []
    if structure.steps > 1:
        replicates = [_at_step(known, structure.steps - 1)]
        for k in reversed(range(structure.steps - 1)):
            later, value = integrated(replicates[0], spreads["step"], log)
            values.append(value)
            replicates.insert(0, _at_step(known, k).plus(later))
        of_cell = replicates[0]
    else:
        replicates = [known]
        if structure.runs:
            known, value = integrated(known, spreads["run"], log)
            values.append(value)
        of_cell = known.summed(-1)
    within = of_cell
    if structure.paired:
        within, value = integrated(of_cell, spreads["model_layer"], log)
        values.append(value)
    of_layer = within.summed(-1)
    values.append(integrated(of_layer, spreads["layer"], log)[1])
    return Levels(replicates, of_cell, of_layer, values)


def _at_step(known: Known, k: int) -> Known:
    return Known([x[..., k] for x in known.precision], [x[..., k] for x in known.linear])


@functools.cache
def _compiled_network(structure: Structure) -> tuple[Any, dict[str, int]]:
    """Compile the model once for all networks of a structure, with the sizes of its unconstrained variables."""
    one = (1, structure.models)
    data = {
        "precision": np.zeros((6, *one, structure.steps)), "linear": np.zeros((3, *one, structure.steps)),
        "kind_index": np.zeros(one, np.int64), "relative_depth": np.zeros(one),
        "prior_mean": np.zeros(3), "prior_sd": np.ones(3),
    }  # fmt: skip
    model = network_model(data, structure)
    start = model.initial_point()
    names = {rv.name: model.rvs_to_values[rv].name for rv in model.free_RVs}
    layout = {name: int(np.size(start[value])) for name, value in names.items()}
    return compile_model(model), layout


def compile_network(structure: Structure) -> None:
    """Compile the model of all networks of a structure, which takes no data: they may still be on their way."""
    _compiled_network(structure)


_MEDIANS = {
    "kind": KIND_SPREAD, "model": MODEL_SPREAD, "layer": LAYER_SPREAD, "model_layer": MODEL_LAYER_SPREAD,
    "run": RUN_SPREAD, "step": STEP_SPREAD, "trend": TREND_SPREAD,
}  # fmt: skip


def _initial_point(layout: dict[str, int], seed: int) -> Array:
    """Start with spreads of their prior's size, and effects near none."""
    rng = np.random.default_rng(seed)
    values = {name: 0.1 * rng.uniform(-1, 1, size) for name, size in layout.items()}
    for of, median in _MEDIANS.items():
        if f"{of}_spread" in values:
            values[f"{of}_spread"] += np.log(median)
    return np.concatenate(list(values.values()))


def sample_network(
    data: dict[str, Array],
    structure: Structure,
    *,
    draws: int,
    tune: int,
    chains: int,
    random_seed: int,
    cores: int | None = None,
    progressbar: bool = False,
) -> Any:
    """Draws of the model's variables by NUTS."""
    compiled, layout = _compiled_network(structure)
    used = {variable.name for variable in compiled.shared_var_keys}
    compiled = compiled.with_data(**{name: values for name, values in data.items() if name in used})
    return sample_compiled(
        compiled, draws=draws, tune=tune, chains=chains, random_seed=random_seed, cores=cores,
        progressbar=progressbar, start=functools.partial(_initial_point, layout), target_accept=TARGET_ACCEPT,
    )  # fmt: skip


def correlation_of(logit_correlation: Any) -> Any:
    """Correlation from the scale on which it is pooled."""
    return CORRELATION_MAX * expit(logit_correlation)
