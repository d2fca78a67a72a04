"""The model of a network: every layer's quantities, partially pooled over kind, depth, model, run and training."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes.models.network.common_walk import common_walk
from htmp_bayes.models.network.design import Design, Structure
from htmp_bayes.models.network.nested_normals import Known, integrated
from htmp_bayes.models.network.quantities import Quantity, typical_prior
from htmp_bayes.models.network.site import Site
from htmp_bayes.models.nuts import compile_model, sample_compiled

if TYPE_CHECKING:
    import pymc as pm

type Array = NDArray[np.float64]

# Medians of the log-normal priors of the spreads, in units of the quantity's own.
SPREADS = {
    "kind": 1.0, "model": 0.6, "layer": 1.0, "model_layer": 0.4, "run": 0.1, "trend": 0.6, "step": 0.25,
}  # fmt: skip
SPREAD_LOG_SD = 0.8
# Of the same layer in several models, and in several runs: from next to nothing to as much as of layers.
WIDE_LOG_SD = 1.3
STEP_LOG_SD = 0.6
_LOG_SDS = {"model_layer": WIDE_LOG_SD, "step": STEP_LOG_SD}
RUN_SPREAD_LOG_SD = 0.7
"""How much groups differ in their run-to-run spread: 95 % within a factor of four of the typical one."""
DEPTH_SD = 1.5
"""Standard deviation of the depth trend's prior, in the same units."""
# Where spreads are little known, one draw in some thousand diverges at 0.98.
TARGET_ACCEPT = 0.995
THINNING = 4
"""A draw of many quantities costs little, and spreads that are little known are correlated from draw to draw."""
# The reference of the normal likelihoods is that much wider than the layers are spread, and at least so wide.
_REFERENCE_FACTOR = 1.5


def network_data(
    design: Design, quantities: Sequence[Quantity], sites: Sequence[Sequence[Site]], sizes: Sequence[int]
) -> dict[str, Array]:
    """Everything that distinguishes one network from another of the same structure, as the model's ``pm.Data``.

    Parameters
    ----------
    design : Design
        Which spectrum belongs where.
    quantities : sequence of Quantity
        The P quantities that are pooled.
    sites : sequence of sequence of Site
        Likelihoods of each spectrum, one for each quantity.
    sizes : sequence of int
        Number of eigenvalues of each spectrum.

    Returns
    -------
    dict
        Arrays by name. The likelihoods are about the prior's mean.
    """
    own = np.array([[site.mean for site in row] for row in sites])
    spreads = np.array([quantity.spread for quantity in quantities])
    references = np.maximum(_REFERENCE_FACTOR * own.std(axis=0), _REFERENCE_FACTOR * spreads)
    centres = own.mean(axis=0)
    mean, sd = typical_prior(quantities, centres, sizes)
    normals = np.array(
        [[s.normal_form(c, r) for s, c, r in zip(row, centres, references, strict=True)] for row in sites]
    )
    precision, linear = np.moveaxis(normals, -1, 0)
    layer, model = design.cells.T
    depth = design.depth - design.depth[layer, model].mean()
    return {
        "precision": design.spread_out(precision),
        "linear": design.spread_out(linear - precision * mean),
        "kind_index": design.kind,
        "relative_depth": depth,
        "prior_mean": mean,
        "prior_sd": sd,
        "unit": spreads,
    }


def network_model(data: dict[str, Any], structure: Structure) -> "pm.Model":
    r"""PyMC model of what a network's layers have in common, the layers themselves integrated out.

    Each quantity (:mod:`.quantities`) has a hierarchy of its own, with a scale on which effects add up: log(kappa/N),
    log(correlation), log(1/participation ratio - 1), logs of the exponents of the tails, logs of mean, scale and
    quantiles. kappa/N is pooled, not kappa: layers of all sizes have 1 if they are real matrices with independent rows.
    Layer l of model g in run r has

    .. math:: \theta_{lgr} \sim \mathrm{Normal}(\text{typical} + \text{kind effect} + \text{model effect}
        + \text{depth trend} \cdot (\text{depth}_{lg} - \overline{\text{depth}}) + a_l + b_{lg},\ \text{run spread}),

    :math:`a_l` normal with ``layer_spread`` and :math:`b_{lg}` with ``model_layer_spread``. In units u of the quantity
    (0.5 for kappa/N, 0.4 for correlation and tails, 0.7 for the others):

    - ``typical``: normal. Of log(kappa/N), with the geometric mean of the layers' sizes for N, it has 95 % between
      kappa = 0.5 and kappa = 4 N, as the prior of a single layer does; correlation about 0.6 and exponents about 3 with
      a standard deviation of 1; log(1/participation ratio - 1) about -1 with 2; mean, scale and quantiles about the
      layers' own with 2, so that the prior moves along when all eigenvalues are multiplied by a factor.
    - ``kind_effect``, ``model_effect``: normal with sum zero; their spreads ``kind_spread`` and ``model_spread`` are
      log-normal with medians u and 0.6 u.
    - ``depth_trend``: change from the first layer to the last; normal with standard deviation 1.5 u.
    - ``layer_spread``: log-normal with median u.
    - ``model_layer_spread``, of the same layer in several models: median 0.4 u.
    - ``run_spread`` of each model, of the same layer when it is trained again: median 0.1 u. Of several models, or
      groups of runs, the logarithms are normal about that of ``typical_run_spread``, which has this median, with
      standard deviation 0.7: some ways of training scatter more than others.

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
    median 0.6 u and the same 0.8, ``step_spread`` with median 0.25 u and 0.6. Each step counts alike, whatever the
    number of updates between two.

    The likelihood of each layer is a normal one close to its own (:mod:`.site`), so that the layers are integrated out
    in closed form (:mod:`.nested_normals`). What that costs is corrected afterwards (:mod:`.draws`).

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
        "kind": range(structure.kinds),
        "model": range(structure.models),
        "step": range(structure.steps),
    }
    with pm.Model(coords=coords) as model:
        model.add_coord("parameter", length=len(data["unit"]))
        given = {name: pm.Data(name, value) for name, value in data.items()}
        unit = given["unit"]
        standard = pm.Normal("standard_typical", 0.0, 1.0, dims="parameter")
        away = given["prior_sd"] * standard
        pm.Deterministic("typical", given["prior_mean"] + away, dims="parameter")
        means = away[:, None, None] + pt.zeros_like(given["relative_depth"])[None]
        if structure.kinds > 1:
            means = means + _zero_sum_effect("kind", unit)[:, given["kind_index"]]
        if structure.models > 1:
            means = means + _zero_sum_effect("model", unit)[:, None, :]
        if structure.graded:
            slope = pm.Normal("depth_trend", 0.0, DEPTH_SD * unit, dims="parameter")
            means = means + slope[:, None, None] * given["relative_depth"]
        means = means[..., None]
        if structure.trend:
            trend = common_walk(structure.steps, SPREADS["trend"] * unit, SPREAD_LOG_SD)
            means = means + trend[:, None, None, :]
        known = Known(given["precision"], given["linear"])
        levels = known_by_level(known.less(means), _spreads(structure, unit), structure, pt.log)
        of_layers = pt.sum(known.log_density(means)) + sum(pt.sum(value) for value in levels.values)
        pm.Potential("likelihood", of_layers)
    return model


def _spread(of: str, unit: Any) -> Any:
    import pymc as pm
    import pytensor.tensor as pt

    log_sd = _LOG_SDS.get(of, SPREAD_LOG_SD)
    return pm.LogNormal(f"{of}_spread", pt.log(SPREADS[of] * unit), log_sd, dims="parameter")


def _zero_sum_effect(of: str, unit: Any) -> Any:
    import pymc as pm

    return pm.ZeroSumNormal(f"{of}_effect", _spread(of, unit)[:, None], dims=("parameter", of))


def _spreads(structure: Structure, unit: Any) -> dict[str, Any]:
    """Make the spreads of the layers' own effects, shape ``(P,)`` each, of runs ``(P, G)``."""
    levels = ["layer"]
    if structure.paired:
        levels.append("model_layer")
    if structure.steps > 1:
        levels.append("step")
    spreads = {of: _spread(of, unit) for of in levels}
    return spreads | {"run": _run_spread(structure, unit)} if structure.runs else spreads


def _run_spread(structure: Structure, unit: Any) -> Any:
    import pymc as pm
    import pytensor.tensor as pt

    dims = ("parameter", "model")
    prior = {"mu": pt.log(SPREADS["run"] * unit), "sigma": WIDE_LOG_SD}
    if structure.models == 1:
        return pm.LogNormal("run_spread", prior["mu"][:, None], prior["sigma"], dims=dims)
    typical = pm.LogNormal("typical_run_spread", **prior, dims="parameter")
    return pm.LogNormal("run_spread", pt.log(typical)[:, None], RUN_SPREAD_LOG_SD, dims=dims)


class Levels(NamedTuple):
    """What is known of each level's effects once those below are integrated out.

    Attributes
    ----------
    replicates : list of Known
        Of the sum of all effects in each run, shapes ``(..., L, G, S)``; or at each step, with what later ones say,
        ``(..., L, G)``.
    model_layer : Known
        Of what a layer of a model has in all runs, shapes ``(..., L, G)``.
    layer : Known
        Of the layer's own, shapes ``(..., L)``.
    values : list of array
        Logarithms of the integrals.
    """

    replicates: list[Known]
    model_layer: Known
    layer: Known
    values: list[Any]


def known_by_level(known: Known, spreads: dict[str, Any], structure: Structure, log: Any) -> Levels:
    """Integrate the effects out from runs or steps to layers; the last three axes are layer, model and run or step.

    Spreads have the shape of the axes before, those of runs an axis of models, too.
    """
    values = []

    def integrate(what: Known, level: str) -> Known:
        if level == "run":
            spread = spreads[level][..., None, :, None]
        else:
            spread = spreads[level][(..., *[None] * (what.precision.ndim - spreads[level].ndim))]
        rest, value = integrated(what, spread, log)
        values.append(value)
        return rest

    if structure.steps > 1:
        replicates = [known.of((..., structure.steps - 1))]
        for k in reversed(range(structure.steps - 1)):
            replicates.insert(0, known.of((..., k)).plus(integrate(replicates[0], "step")))
        of_cell = replicates[0]
    else:
        replicates = [known]
        of_cell = (integrate(known, "run") if structure.runs else known).summed(-1)
    within = integrate(of_cell, "model_layer") if structure.paired else of_cell
    of_layer = within.summed(-1)
    integrate(of_layer, "layer")
    return Levels(replicates, of_cell, of_layer, values)


@functools.cache
def _compiled_network(structure: Structure, quantities: int) -> tuple[Any, dict[str, int]]:
    """Compile the model once for all networks of a structure, with the sizes of its unconstrained variables."""
    one, none = (1, structure.models), np.zeros(quantities)
    data = {
        "precision": np.zeros((quantities, *one, structure.steps)),
        "linear": np.zeros((quantities, *one, structure.steps)),
        "kind_index": np.zeros(one, np.int64), "relative_depth": np.zeros(one),
        "prior_mean": none, "prior_sd": none + 1, "unit": none + 1,
    }  # fmt: skip
    model = network_model(data, structure)
    start = model.initial_point()
    names = {rv.name: model.rvs_to_values[rv].name for rv in model.free_RVs}
    layout = {name: int(np.size(start[value])) for name, value in names.items()}
    return compile_model(model), layout


def compile_network(structure: Structure, quantities: int) -> None:
    """Compile the model of all networks of a structure, which takes no data: they may still be on their way."""
    _compiled_network(structure, quantities)


def _initial_point(layout: dict[str, int], unit: Array, seed: int) -> Array:
    """Start with spreads of their prior's size, and effects near none."""
    rng = np.random.default_rng(seed)
    values = {name: 0.1 * rng.uniform(-1, 1, size) for name, size in layout.items()}
    for of, median in SPREADS.items():
        for name in {f"{of}_spread", f"typical_{of}_spread"} & values.keys():
            values[name] += np.log(median * np.repeat(unit, layout[name] // len(unit)))
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
) -> xr.DataTree:
    """Draws of the model's variables by NUTS, one of `THINNING` each."""
    compiled, layout = _compiled_network(structure, len(data["unit"]))
    used = {variable.name for variable in compiled.shared_var_keys}
    compiled = compiled.with_data(**{name: values for name, values in data.items() if name in used})
    tree = sample_compiled(
        compiled, draws=THINNING * draws, tune=2 * tune, chains=chains, random_seed=random_seed, cores=cores,
        progressbar=progressbar, start=functools.partial(_initial_point, layout, data["unit"]),
        target_accept=TARGET_ACCEPT,
    )  # fmt: skip
    statistics = tree["sample_stats"].to_dataset()
    diverging = statistics["diverging"].coarsen(draw=THINNING).any()
    thinned = {
        name: group.to_dataset().isel(draw=slice(None, None, THINNING)) for name, group in tree.items()
    }
    numbered = {"draw": np.arange(draws)}
    thinned = {name: group.assign_coords(numbered) for name, group in thinned.items()}
    thinned["sample_stats"]["diverging"] = diverging.assign_coords(numbered)
    return xr.DataTree.from_dict(thinned)
