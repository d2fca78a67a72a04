"""The model of a network: every layer's parameters, partially pooled over kind, depth, model and training."""

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from htmp_bayes.laws.htmp import KAPPA_RANGE
from htmp_bayes.models import centring
from htmp_bayes.models.adjustment import IDENTITY, Adjustment, moved_symbolically
from htmp_bayes.models.layer import CORRELATION_MAX, expected_log
from htmp_bayes.models.layer_likelihood import (
    LOCATION_NODES,
    RIDGE_SIZE,
    SIZES,
    Box,
    LikelihoodSurrogate,
    saturated,
    softened,
)
from htmp_bayes.models.network_op import TABLES, NetworkLogLikelihood, tables
from htmp_bayes.models.nuts import compile_model, sample_compiled
from htmp_bayes.models.random_walk import common_walk, partly_centred_walks, walk_density

if TYPE_CHECKING:
    import pymc as pm

type Array = NDArray[np.float64]
type Shape = tuple[int, int, int, bool, int]

PARAMETERS = ("log_kappa", "logit_correlation", "log_scale")
# Prior of the typical layer, and medians of the log-normal priors of the spreads, in the order of PARAMETERS.
TYPICAL = np.array([np.log(10.0), logit(0.6 / CORRELATION_MAX), 0.0])
TYPICAL_SD = np.array([1.5, 1.0, 2.0])
KIND_SPREAD = np.array([0.5, 0.35, 0.7])
MODEL_SPREAD = np.array([0.35, 0.2, 0.5])
LAYER_SPREAD = np.array([0.5, 0.35, 0.7])
SPREAD_LOG_SD = 0.8
DEPTH_SD = np.array([0.75, 0.5, 1.0])
# Medians of the log-normal priors of the increments' spreads: of the walk that all layers have in common, and of each
# layer's own about it, whose logarithmic standard deviation is smaller.
TREND_SPREAD = np.array([0.3, 0.2, 0.3])
STEP_SPREAD = np.array([0.15, 0.1, 0.1])
STEP_SPREAD_SD = 0.6
# At 0.95 some draws of networks of two or three layers diverge.
TARGET_ACCEPT = 0.98
# Where the prior of a layer's kappa begins to fall towards the end of the law's range, and how quickly: at 1e4 it is
# down to exp(-8). Nothing but the prior tells a large kappa from a larger one.
_LOG_KAPPA_EDGE = 0.25
_LARGEST_LOG_KAPPA = np.log(KAPPA_RANGE[1]) - 4 * _LOG_KAPPA_EDGE
# The data determine the scale about as well in every layer.
_ERROR_OF_LOG_SCALE = 0.1


@dataclass(frozen=True)
class Design:
    """Which spectrum belongs where.

    Attributes
    ----------
    kind, model : ndarray of int
        Index of the kind and model of each spectrum, shape ``(L,)``.
    kinds, models : tuple of str
        Their names.
    depth : ndarray
        Relative depth of each, from 0 to 1, shape ``(L,)``.
    steps : tuple of float
        Training steps, ascending, or none. With S of them the spectra are those of L / S layers, each at all
        steps in turn.
    """

    kind: NDArray[np.int64]
    kinds: tuple[str, ...]
    model: NDArray[np.int64]
    models: tuple[str, ...]
    depth: Array
    steps: tuple[float, ...] = ()

    @property
    def shape(self) -> Shape:
        """What a compiled model depends on: spectra, kinds with an effect, models, whether depths differ, and steps.

        If no kind has two layers, the spread of the kinds cannot be told from that of the layers: there is no effect.
        """
        steps = max(len(self.steps), 1)
        kinds = len(self.kinds) if len(self.kinds) < len(self.kind) // steps else 1
        return len(self.kind), kinds, len(self.models), bool(np.ptp(self.depth) > 0), steps


def network_data(
    design: Design,
    layers: list[dict[str, Any]],
    surrogates: list[LikelihoodSurrogate],
    adjustments: list[Adjustment],
) -> dict[str, Any]:
    """Everything that distinguishes one network from another of the same shape, as the model's ``pm.Data``.

    Parameters
    ----------
    design : Design
        Which layer belongs where.
    layers : list of dict
        What :func:`~htmp_bayes.models.layer.layer_data` returns for each layer.
    surrogates : list of LikelihoodSurrogate
        Their likelihoods.
    adjustments : list of Adjustment
        Corrections of the likelihoods' curvature.

    Returns
    -------
    dict
        Arrays by name.
    """
    given = {name: np.array([layer[name] for layer in layers]) for name in ("gamma", "log_mean", "log_sd")}
    summaries = [
        centring.summarise(surrogate, adjustment, layer, TYPICAL[:2], 1.4 * TYPICAL_SD[:2])
        for surrogate, adjustment, layer in zip(surrogates, adjustments, layers, strict=True)
    ]
    peaks = np.array([summary.peak for summary in summaries])
    scale = given["log_mean"] + np.log(5.0 / given["gamma"]) - expected_log(10.0, given["gamma"])
    return {
        **given,
        **tables(surrogates),
        **_shares(design, summaries),
        "kind_index": design.kind,
        "model_index": design.model,
        "relative_depth": design.depth - design.depth.mean(),
        **{
            f"adjustment_{name}": np.array([getattr(a, name) for a in adjustments])
            for name in Adjustment._fields
        },
        "usual_scale": float(scale.mean()),
        "peaks": peaks,
        "location_centre": peaks[:, 2],
        "location_unit": np.array([summary.sd[2] for summary in summaries]),
    }


def _shares(design: Design, summaries: list[centring.LayerSummary]) -> dict[str, Array]:
    """To what degree kinds, models and layers are centred."""
    estimates = np.array([(*summary.peak[:2], summary.log_scale) for summary in summaries])
    errors = np.array([(*summary.sd[:2], _ERROR_OF_LOG_SCALE) for summary in summaries])
    residuals = estimates - estimates.mean(axis=0)
    shares = {}
    for of, index, groups, expected in (
        ("kind", design.kind, design.kinds, KIND_SPREAD),
        ("model", design.model, design.models, MODEL_SPREAD),
    ):
        member = np.eye(len(groups))[index]
        counts = member.sum(axis=0)
        means = member.T @ residuals / counts[:, None]
        rms = np.sqrt(member.T @ errors**2 / counts[:, None])
        shares[f"{of}_centred"] = centring.effect_shares(means, rms, counts, LAYER_SPREAD, expected)
        residuals = residuals - member @ means
    centred = centring.layer_shares(residuals, errors, LAYER_SPREAD)
    if design.steps:
        later = np.arange(len(errors)) % len(design.steps) > 0
        centred[later] = STEP_SPREAD**2 / (STEP_SPREAD**2 + errors[later] ** 2)
    return {**shares, "centred": centred[:, :2]}


def network_model(data: dict[str, Any], shape: Shape) -> "pm.Model":
    r"""PyMC model of the spectra of a network's layers.

    Three numbers describe layer l: :math:`\theta_l` = (log kappa, logit(correlation / 3), log scale), with
    scale = kappa T / (2 gamma), the mean eigenvalue that the law has without correlation. The scale, and not
    the temperature itself, is pooled: at equal scale the temperature is inversely proportional to kappa.
    Each is, independently of the others,

    .. math:: \theta_l \sim \mathrm{Normal}(\text{typical} + \text{kind effect} + \text{model effect}
        + \text{depth trend} \cdot (\text{depth}_l - \overline{\text{depth}}),\ \text{layer spread}).

    - ``typical``: normal, about kappa 10, correlation 0.6 and the mean scale of the layers, with standard
      deviations 1.5, 1 and 2. The prior moves along when all eigenvalues are multiplied by a factor.
    - ``kind_effect``, ``model_effect``: normal with sum zero; their spreads ``kind_spread`` and
      ``model_spread`` are log-normal with medians (0.5, 0.35, 0.7) and (0.35, 0.2, 0.5).
    - ``depth_trend``: change from the first layer to the last; normal with standard deviations (0.75, 0.5, 1).
    - ``layer_spread``: log-normal with medians (0.5, 0.35, 0.7).

    The logarithm of each spread has the standard deviation 0.8: 95 % of its prior are within a factor of 4.8 of the
    median. A prior that avoids zero (Chung, Rabe-Hesketh, Dorie, Gelman & Liu 2013, Psychometrika 78, 685) says
    that no two trained layers are exactly alike, and keeps the sampler out of the funnel that opens at zero.

    The prior is conditioned on the layers' kappa being in the law's range: above kappa = 3,700 the density falls, to
    exp(-8) of itself at 10,000. Otherwise a spread could grow until layers whose data say no more than 'kappa is at
    least 30' lie anywhere between there and infinity.

    There is no kind effect where there is one kind or no kind has two layers, no model effect where there is one
    model, and no depth trend where all depths are equal.

    With several steps of training this is the prior at the first of them, and from each step to the next

    .. math:: \theta_{l,s+1} \sim
        \mathrm{Normal}(\theta_{l,s} + \text{trend}_{s+1} - \text{trend}_s, \text{step spread}),

    where ``step_trend``, from 0 at the first step, is a random walk itself and common to all layers (there is
    none where there is one layer); log T, a sum of log scale, -log kappa and a constant, walks with them. The
    standard deviations of the increments are log-normal: ``trend_spread`` with medians (0.3, 0.2, 0.3) and the
    same 0.8, ``step_spread`` with medians (0.15, 0.1, 0.1) and 0.6. Each step counts alike, whatever the number
    of updates between two.

    The likelihood of each layer is that of
    :func:`~htmp_bayes.models.layer.layer_model`, through the polynomials of
    :mod:`~htmp_bayes.models.layer_likelihood`.

    Log kappa and logit correlation are non-centred to the degree that a layer's own data leaves them open
    (:mod:`~htmp_bayes.models.centring`), as are the effects; the scale, which the data always determines,
    is centred.

    Parameters
    ----------
    data : dict
        What :func:`network_data` returns.
    shape : tuple
        `Design.shape`.

    Returns
    -------
    pymc.Model
        With the variables above, dimensions ``parameter``, ``kind``, ``model``, and ``log_kappa``,
        ``logit_correlation``, ``location`` and ``log_likelihood`` of each ``layer``.
    """
    import pymc as pm
    import pytensor.tensor as pt

    layers, kinds, models, graded, steps = shape
    coords = {
        "parameter": PARAMETERS, "layer": range(layers), "kind": range(kinds), "model": range(models),
        "step": range(steps),
    }  # fmt: skip
    with pm.Model(coords=coords) as model:
        given = {name: pm.Data(name, value) for name, value in data.items()}
        origin = pt.as_tensor(TYPICAL) + pt.stack([0.0, 0.0, given["usual_scale"]])
        standard = pm.Normal("standard_typical", 0.0, 1.0, dims="parameter")
        typical = pm.Deterministic("typical", origin + TYPICAL_SD * standard, dims="parameter")
        means = [typical[i] + pt.zeros(layers) for i in range(3)]
        if kinds > 1:
            effect = _zero_sum_effect("kind", KIND_SPREAD, given["kind_centred"])
            means = [means[i] + effect[i][given["kind_index"]] for i in range(3)]
        if models > 1:
            effect = _zero_sum_effect("model", MODEL_SPREAD, given["model_centred"])
            means = [means[i] + effect[i][given["model_index"]] for i in range(3)]
        if graded:
            slope = pm.Normal("depth_trend", 0.0, DEPTH_SD, dims="parameter")
            means = [means[i] + slope[i] * given["relative_depth"] for i in range(3)]
        spread = _spread("layer", LAYER_SPREAD)
        pooling = _Pooling(means, spread, given["centred"], layers, steps)
        log_kappa, logit_rho = pooling.sampled(0), pooling.sampled(1)
        beyond = pt.clip(log_kappa - _LARGEST_LOG_KAPPA, 0.0, np.inf) / _LOG_KAPPA_EDGE
        pm.Potential("kappa_in_range", -0.5 * beyond**2)
        offset = pm.Flat("offset", dims="layer")
        location = pm.Deterministic(
            "location", given["location_centre"] + given["location_unit"] * offset, dims="layer"
        )
        expected = given["log_mean"] + given["log_sd"] * location
        shift = (
            log_kappa
            - pt.log(2 * given["gamma"])
            - expected_log(pt.exp(log_kappa), given["gamma"], pt.gammaln)
        )
        log_scale = pm.Deterministic("log_scale", expected + shift, dims="layer")
        pm.Potential("scale_prior", pooling.log_density(2, log_scale))
        points = _evaluated(given, log_kappa, CORRELATION_MAX * pt.sigmoid(logit_rho), expected)
        values = NetworkLogLikelihood()(points, *(given[name] for name in TABLES))[0]
        pm.Deterministic("log_likelihood", values, dims="layer")
        pm.Potential("likelihood", values)
    return model


def _evaluated(given: dict[str, Any], log_kappa: Any, correlation: Any, expected: Any) -> Any:
    """Where the polynomials are evaluated: `Adjustment.at`, in their coordinates."""
    import pytensor.tensor as pt

    adjustment = {name: given[f"adjustment_{name}"] for name in Adjustment._fields}
    point = pt.stack([log_kappa, correlation, expected], axis=1)
    log_kappa, correlation, expected = moved_symbolically(point, **adjustment)
    evaluated = [
        saturated(log_kappa, pt.exp, pt.log),
        softened(correlation, pt.log),
        (expected - given["log_mean"]) / given["log_sd"],
    ]
    return pt.stack(evaluated, axis=1)


def _spread(of: str, median: Array, log_sd: float = SPREAD_LOG_SD) -> Any:
    import pymc as pm

    return pm.LogNormal(f"{of}_spread", np.log(median), log_sd, dims="parameter")


def _zero_sum_effect(of: str, median: Array, share: Any) -> Any:
    """Effects with sum zero, non-centred where `share` is 0 and centred where it is 1."""
    import pymc as pm

    spread = _spread(of, median)[:, None]
    share = share[:, None]
    sampled = pm.ZeroSumNormal(f"sampled_{of}", spread**share, dims=("parameter", of))
    return pm.Deterministic(f"{of}_effect", spread ** (1 - share) * sampled, dims=("parameter", of))


class _Pooling:
    """What is expected of the parameters of each spectrum: within the network, and over the steps of training."""

    def __init__(self, means: list[Any], spread: Any, centred: Any, layers: int, steps: int) -> None:
        import pytensor.tensor as pt

        self.means, self.spread, self.centred, self.steps = means, spread, centred, steps
        if steps > 1:
            self.step_spread = _spread("step", STEP_SPREAD, STEP_SPREAD_SD)
            share = np.array([0.0, 0.5, 0.5])
            single = layers == steps
            self.trend = (
                pt.zeros((3, steps)) if single else common_walk(steps, TREND_SPREAD, SPREAD_LOG_SD, share)
            )

    def sampled(self, i: int) -> Any:
        """Values of a parameter, sampled as far from its mean as its own data lets it be."""
        name, mean, spread, share = PARAMETERS[i], self.means[i], self.spread[i], self.centred[:, i]
        if self.steps == 1:
            return _partly_centred(name, mean, spread, share)
        return partly_centred_walks(name, mean, spread, self.step_spread[i], self.trend[i], share, self.steps)

    def log_density(self, i: int, values: Any) -> Any:
        """Log-density of a parameter whose values are sampled in another way."""
        import pymc as pm

        if self.steps == 1:
            return pm.logp(pm.Normal.dist(self.means[i], self.spread[i]), values)
        return walk_density(
            values, self.means[i], self.spread[i], self.step_spread[i], self.trend[i], self.steps
        )


def _partly_centred(name: str, mean: Any, spread: Any, share: Any) -> Any:
    """Make a normal variable of each layer, non-centred where `share` is 0 and centred where it is 1."""
    import pymc as pm

    sampled = pm.Normal(f"sampled_{name}", share * mean, spread**share, dims="layer")
    value = mean + spread ** (1 - share) * (sampled - share * mean)
    return pm.Deterministic(name, value, dims="layer")


@functools.cache
def _compiled_network(shape: Shape, example: "_Key") -> tuple[Any, dict[str, int]]:
    """Compile the model once for all networks of a shape, with the sizes of its unconstrained variables."""
    model = network_model(example.data, shape)
    start = model.initial_point()
    names = {rv.name: model.rvs_to_values[rv].name for rv in model.free_RVs}
    layout = {name: int(np.size(start[value])) for name, value in names.items()}
    return compile_model(model), layout


def _initial_point(data: dict[str, Any], layout: dict[str, int], steps: int, seed: int) -> Array:
    """Start near the layers' own likelihoods, about the mean of all layers, with spreads of their prior's size."""
    rng = np.random.default_rng(seed)
    values = {name: 0.3 * rng.uniform(-1, 1, size) for name, size in layout.items()}
    medians = {
        "kind": KIND_SPREAD, "model": MODEL_SPREAD, "layer": LAYER_SPREAD, "step": STEP_SPREAD,
        "trend": TREND_SPREAD,
    }  # fmt: skip
    for of, median in medians.items():
        if f"{of}_spread" in values:
            values[f"{of}_spread"] += np.log(median)
    for i, name in enumerate(PARAMETERS[:2]):
        theta = np.clip(data["peaks"][:, i], TYPICAL[i] - 2.5, TYPICAL[i] + 2.5)
        share, mean = data["centred"][:, i], theta.mean()
        values["standard_typical"][i] = (mean - TYPICAL[i]) / TYPICAL_SD[i]
        spread = np.full(len(theta), np.exp(values["layer_spread"][i]))
        expected = np.full(len(theta), mean)
        if steps > 1:
            later = np.arange(len(theta)) % steps > 0
            expected[later], spread[later] = np.roll(theta, 1)[later], np.exp(values["step_spread"][i])
        values[f"sampled_{name}"] = share * expected + (theta - expected) / spread ** (1 - share)
    return np.concatenate(list(values.values()))


class _Key:
    """Data that a cache does not look at."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key)

    def __hash__(self) -> int:
        return 0


def example_data(design: Design) -> dict[str, Any]:
    """Make data of the right shapes for a design, of layers whose likelihood is flat."""
    flat = np.zeros((RIDGE_SIZE, RIDGE_SIZE))
    surrogate = LikelihoodSurrogate(
        np.zeros((SIZES[0], SIZES[0], 2 * LOCATION_NODES)), Box(np.zeros(2), np.ones(2), flat, flat, 0.0)
    )
    layer = {"gamma": 0.5, "log_mean": 0.0, "log_sd": 1.0}
    every = len(design.kind)
    return network_data(design, [layer] * every, [surrogate] * every, [IDENTITY] * every)


def compile_network(design: Design) -> None:
    """Compile the model of all networks of a shape, which takes no data: they may still be on their way."""
    _compiled_network(design.shape, _Key(example_data(design)))


def sample_network(
    data: dict[str, Any],
    shape: Shape,
    *,
    draws: int,
    tune: int,
    chains: int,
    random_seed: int,
    cores: int | None = None,
    progressbar: bool = False,
) -> Any:
    """Draws of the model's variables by NUTS."""
    compiled, layout = _compiled_network(shape, _Key(data))
    used = {variable.name for variable in compiled.shared_var_keys}
    compiled = compiled.with_data(**{name: value for name, value in data.items() if name in used})
    return sample_compiled(
        compiled, draws=draws, tune=tune, chains=chains, random_seed=random_seed, cores=cores,
        progressbar=progressbar, start=functools.partial(_initial_point, data, layout, shape[-1]),
        target_accept=TARGET_ACCEPT, adaptation="low_rank",
    )  # fmt: skip


def correlation_of(logit_correlation: Any) -> Any:
    """Correlation from the scale on which it is pooled."""
    return CORRELATION_MAX * expit(logit_correlation)


def evaluated_points(
    log_kappa: Array, logit_correlation: Array, location: Array, layer: dict[str, Any], adjustment: Adjustment
) -> Array:
    """Kappa, correlation and location at which a layer's likelihood is evaluated, shape ``(K, 3)``."""
    expected = layer["log_mean"] + layer["log_sd"] * location
    points = np.stack([log_kappa, correlation_of(logit_correlation), expected], axis=-1)
    moved = np.array([adjustment.at(point)[0] for point in points])
    moved[:, 0] = np.exp(moved[:, 0])
    moved[:, 2] = (moved[:, 2] - layer["log_mean"]) / layer["log_sd"]
    return moved
