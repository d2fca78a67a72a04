r"""The layers of a network, given what they have in common, and the correction of both to the exact likelihoods.

Each quantity by itself: NUTS has drawn its hyperparameters phi under normal likelihoods of the layers. Under the
layers' own (:mod:`.site`) the posterior of phi is larger by the factor :math:`\prod_l r_l(\phi)`,

.. math:: r_l(\phi) = \mathrm E\bigl[\, L_l(\theta) / \hat L_l(\theta) \,\bigr],

where theta, the layer's quantity in each run or at each step, is drawn from its conditional distribution under the
normal likelihood :math:`\hat L_l`. That expectation is an average over a few points, the same for all phi, so that its
error hardly depends on phi; a constant factor does not matter. The draws of phi are resampled by the product (smoothed:
Vehtari, Simpson, Gelman, Yao & Gabry 2024, J. Mach. Learn. Res. 25, 72), and for each the layer's theta is chosen among
new candidates with probabilities proportional to :math:`L_l / \hat L_l`. What is wrong with a normal likelihood thus
enters through the way it varies with phi, layer by layer, and not through the sum of all layers' errors at a draw of
everything.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import norm, qmc

from htmp_bayes.models.importance import smoothed_log_weights
from htmp_bayes.models.network.design import Design
from htmp_bayes.models.network.model import Levels, known_by_level
from htmp_bayes.models.network.nested_normals import Known, effect_draw
from htmp_bayes.models.network.site import Site

type Array = NDArray[np.float64]

# Candidates of a layer's quantity at each draw.
CANDIDATES = 32
# No log weight is further above the median: the weights have no tail that would have to be smoothed.
_EVEN = 1.0
_LEVELS = ("layer", "model_layer", "run", "step")


class LayersDrawn(NamedTuple):
    """Draws of the layers, and what their correction tells.

    Attributes
    ----------
    kept : ndarray of int
        Which draws of the hyperparameters they belong to, for each quantity, shape ``(P, chain, draw)``.
    cells : ndarray
        What each layer of each model has in all runs, or at each step, on the pooled scale, shape ``(chain, draw, C,
        steps, P)``.
    attributes : dict
        ``correction_log_weight_sd`` and ``correction_pareto_k`` of the weights of the hyperparameters, and
        ``correction_counting``, which share of the candidates counts, on average: of the worst quantity and layer.
    """

    kept: NDArray[np.int64]
    cells: Array
    attributes: dict[str, float]


def draw_layers(
    design: Design,
    data: dict[str, Array],
    sites: Sequence[Sequence[Site]],
    hyper: dict[str, Array],
    random_seed: int,
) -> LayersDrawn:
    """Draw the layers of a network, and correct them and the hyperparameters to the layers' own likelihoods.

    Parameters
    ----------
    design : Design
        Which spectrum belongs where.
    data : dict
        What :func:`~htmp_bayes.models.network.model.network_data` returns.
    sites : sequence of sequence of Site
        Likelihoods of each spectrum, one for each quantity.
    hyper : dict of ndarray
        Draws of the model's variables, shapes ``(chain, draw, P, ...)``.
    random_seed : int
        Seed.
    """
    quantities = len(data["unit"])
    seeds = np.random.SeedSequence(random_seed).spawn(quantities)

    def of_quantity(p: int) -> tuple[NDArray[np.int64], Array, dict[str, float]]:
        own = {name: x[:, :, p] for name, x in hyper.items() if x.ndim > 2}
        known = {name: x[p] for name, x in data.items() if name not in ("kind_index", "relative_depth")}
        known |= {name: data[name] for name in ("kind_index", "relative_depth")}
        return _drawn(design, known, [row[p] for row in sites], own, seeds[p])

    with ThreadPoolExecutor() as pool:
        found = list(pool.map(of_quantity, range(quantities)))
    told = [attributes for _, _, attributes in found]
    attributes = {
        name: max(each[name] for each in told) for name in ("correction_log_weight_sd", "correction_pareto_k")
    }
    attributes["correction_counting"] = min(each["correction_counting"] for each in told)
    return LayersDrawn(
        np.array([kept for kept, _, _ in found]),
        np.stack([cells for _, cells, _ in found], axis=-1),
        attributes,
    )


def _drawn(
    design: Design,
    data: dict[str, Array],
    sites: list[Site],
    hyper: dict[str, Array],
    seed: np.random.SeedSequence,
) -> tuple[NDArray[np.int64], Array, dict[str, float]]:
    """Of one quantity: which draws are kept, its values by layer, and what the correction tells."""
    shape = hyper["typical"].shape
    flat = {name: values.reshape(-1, *values.shape[2:]) for name, values in hyper.items()}
    conditional = _Conditional(design, data, flat)
    seeds = seed.spawn(len(design.layers) + 1)
    points = qmc.Sobol(conditional.variables, rng=0).random(2 * CANDIDATES)
    common = norm.ppf(np.clip(points, 1e-4, 1 - 1e-4)).T[..., None]
    log_weights = np.zeros(shape).ravel()
    for layer in range(len(design.layers)):
        ratios = conditional.log_ratios(layer, sites, conditional.candidates(layer, common)[0])
        log_weights += logsumexp(ratios, axis=0)
    kept, attributes = _resampled(log_weights.reshape(shape), np.random.default_rng(seeds[0]))
    taken = conditional.taken(kept.ravel())
    chosen = [
        _choose(taken, sites, layer, np.random.default_rng(seeds[layer + 1]))
        for layer in range(len(design.layers))
    ]
    attributes["correction_counting"] = min(counting for _, counting in chosen)
    cells = np.stack([chosen[layer][0][:, model] for layer, model in design.cells], axis=1)
    return kept, cells.reshape(*shape, *cells.shape[1:]), attributes


class _Conditional:
    """The normal conditional distributions of a quantity of the layers, given draws of its hyperparameters."""

    def __init__(self, design: Design, data: dict[str, Array], hyper: dict[str, Array]) -> None:
        self.design, self.data, self.hyper = design, data, hyper

    def taken(self, kept: NDArray[np.int64]) -> "_Conditional":
        """Take some of the draws."""
        return _Conditional(self.design, self.data, {name: x[kept] for name, x in self.hyper.items()})

    @property
    def variables(self) -> int:
        """How many normal numbers a layer's quantity takes."""
        models, replicates = len(self.design.models), self.design.replicates
        structure = self.design.structure
        return 1 + structure.paired * models + (structure.runs or structure.steps > 1) * models * replicates

    def candidates(self, layer: int, normals: Array) -> tuple[Array, Array]:
        """Draw a layer's quantity.

        Parameters
        ----------
        layer : int
            Its index.
        normals : ndarray
            Standard normal numbers, shape ``(V, M, K or 1)`` with V as :meth:`variables` says.

        Returns
        -------
        tuple of ndarray
            Values in each run or at each step, shape ``(M, K, G, S)``, and without the runs' own effects, the same with
            S = 1 in their case.
        """
        means = self._means(layer)
        known = Known(self.data["precision"][layer], self.data["linear"][layer])
        everything = Known(known.precision + np.zeros_like(means), known.linear + np.zeros_like(means))
        of_one = Known(*(x[:, None] for x in everything.less(means)))
        spreads = {of: self.hyper[f"{of}_spread"] for of in _LEVELS if f"{of}_spread" in self.hyper}
        levels = known_by_level(of_one, spreads, self.design.structure, np.log)
        total, own = self._effects(levels, spreads, normals)
        centre = self.data["prior_mean"]
        return total + means + centre, own + means[..., : own.shape[-1]] + centre

    def log_ratios(self, layer: int, sites: list[Site], values: Array) -> Array:
        """Log ratio of exact and normal likelihood of a layer at its values, ``(M, K, G, S)``: shape ``(M, K)``."""
        design, data = self.design, self.data
        found = np.zeros(values.shape[:2])
        for spectrum in np.flatnonzero(design.place[:, 0] == layer):
            place = tuple(design.place[spectrum])
            here = values[:, :, place[1], place[2]]
            normal = Known(data["precision"][place], data["linear"][place])
            found += sites[spectrum].log_likelihood(here) - normal.log_density(here - data["prior_mean"])
        return found

    def _means(self, layer: int) -> Array:
        """Compute what is expected of a layer, less the prior's mean, shape ``(K, G, S or 1)``."""
        hyper, data = self.hyper, self.data
        mean = (hyper["typical"] - data["prior_mean"])[:, None] + np.zeros(len(self.design.models))
        if "kind_effect" in hyper:
            mean = mean + hyper["kind_effect"][:, data["kind_index"][layer]]
        if "model_effect" in hyper:
            mean = mean + hyper["model_effect"]
        if "depth_trend" in hyper:
            mean = mean + hyper["depth_trend"][:, None] * data["relative_depth"][layer]
        found = mean[..., None]
        return found + hyper["step_trend"][:, None] if "step_trend" in hyper else found

    def _effects(self, levels: Levels, spreads: dict[str, Array], normals: Array) -> tuple[Array, Array]:
        """Draw effects from the layer's own downwards: their sums in each run, and without those of the runs."""
        structure, models = self.design.structure, len(self.design.models)
        layer, rest = normals[0], normals[1:]
        own = effect_draw(levels.layer.of((..., 0)), spreads["layer"], layer)[..., None] + np.zeros(models)
        if structure.paired:
            normal, rest = np.moveaxis(rest[:models], 0, -1), rest[models:]
            within = levels.model_layer.of((slice(None), 0)).less(own)
            own = own + effect_draw(within, spreads["model_layer"][:, None], normal)
        if not (structure.runs or structure.steps > 1):
            return own[..., None], own[..., None]
        each = np.moveaxis(rest.reshape(models, -1, *normals.shape[1:]), (0, 1), (-2, -1))
        if structure.runs:
            known = levels.replicates[0].of((slice(None), 0)).less(own[..., None])
            return own[..., None] + effect_draw(known, spreads["run"][..., None], each), own[..., None]
        path = [own]
        for step, later in enumerate(levels.replicates[1:], start=1):
            known = later.of((slice(None), 0)).less(path[-1])
            path.append(path[-1] + effect_draw(known, spreads["step"][:, None], each[..., step]))
        total = np.stack(path, axis=-1)
        return total, total


def _choose(
    conditional: _Conditional, sites: list[Site], layer: int, rng: np.random.Generator
) -> tuple[Array, float]:
    """Choose a layer's values among candidates, shape ``(K, G, S or 1)``, and say which share of them counts."""
    draws = len(conditional.hyper["typical"])
    total, own = conditional.candidates(
        layer, rng.standard_normal((conditional.variables, CANDIDATES, draws))
    )
    log_ratios = conditional.log_ratios(layer, sites, total)
    normalised = log_ratios - logsumexp(log_ratios, axis=0)
    which = np.argmax(normalised + rng.gumbel(size=normalised.shape), axis=0)
    counting = float(np.mean(1 / np.sum(np.exp(2 * normalised), axis=0))) / CANDIDATES
    return own[which, np.arange(draws)], counting


def _resampled(log_weights: Array, rng: np.random.Generator) -> tuple[NDArray[np.int64], dict[str, float]]:
    """Resample each chain's draws by smoothed weights, in their order: systematic resampling."""
    if log_weights.max() - np.median(log_weights) < _EVEN:
        smoothed, pareto_k = log_weights - log_weights.max(), 0.0
    else:
        smoothed, pareto_k = smoothed_log_weights(log_weights)
    weights = np.exp(smoothed)
    length = weights.shape[1]
    kept = np.empty(weights.shape, dtype=np.int64)
    for chain, row in enumerate(weights):
        ends = np.cumsum(row) / row.sum()
        places = (np.arange(length) + rng.uniform()) / length
        kept[chain] = chain * length + np.minimum(np.searchsorted(ends, places), length - 1)
    attributes: dict[str, Any] = {
        "correction_log_weight_sd": float(log_weights.std()), "correction_pareto_k": pareto_k,
    }  # fmt: skip
    return kept, attributes
