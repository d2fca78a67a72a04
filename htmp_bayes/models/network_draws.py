r"""The layers of a network, given what they have in common, and the correction of both to the exact likelihoods.

NUTS has drawn the hyperparameters phi under normal likelihoods of the layers. Under the exact ones (the polynomials of
:mod:`~htmp_bayes.models.layer.stand_in`) the posterior of phi is larger by the factor :math:`\prod_l r_l(\phi)`,

.. math:: r_l(\phi) = \mathrm E\bigl[\, L_l(\theta) / \hat L_l(\theta) \,\bigr],

where the parameters :math:`\theta` of layer l are drawn from their conditional distribution under the normal likelihood
:math:`\hat L_l`. That expectation is an average over a few points, the same for all phi, so that its error hardly
depends on phi; a constant factor does not matter. The draws of phi are resampled by the product (smoothed: Vehtari,
Simpson, Gelman, Yao & Gabry 2024, J. Mach. Learn. Res. 25, 72), and for each the layer's parameters are chosen among
new candidates with probabilities proportional to :math:`L_l / \hat L_l`. What is wrong with a normal likelihood thus
enters through the way it varies with phi, layer by layer, and not through the sum of all layers' errors at a draw of
everything.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import norm, qmc

from htmp_bayes._threads import one_blas_thread
from htmp_bayes.models.layer_site import LayerSite
from htmp_bayes.models.nested_normals import Known, effect_draw
from htmp_bayes.models.network import Levels, known_by_level
from htmp_bayes.models.network_design import Design

type Array = NDArray[np.float64]

# Candidates of a layer's parameters at each draw.
CANDIDATES = 8
# Logarithms of weights that differ less are all the same: the likelihoods are normal.
_ROUNDING = 1e-6
# Draws at which each layer's polynomials are compared with the likelihood itself.
_COMPARED = 8


class LayersDrawn(NamedTuple):
    """Draws of the layers, and what their correction tells.

    Attributes
    ----------
    kept : ndarray of int
        Which draws of the hyperparameters they belong to, shape ``(chain, draw)``.
    cells : ndarray
        Expected parameters of each layer of each model (the mean over runs), or those at each step, in pooled
        coordinates, shape ``(chain, draw, C, steps, 3)``.
    log_likelihood : ndarray
        Of each spectrum, shape ``(chain, draw, N)``.
    attributes : dict
        ``correction_log_weight_sd`` and ``correction_pareto_k`` of the weights of the hyperparameters;
        ``correction_counting``, which share of the candidates counts, on average, in the worst layer;
        ``stand_in_error``, standard deviation of the polynomials' error of the worst layer's log-likelihood, in nats.
    """

    kept: NDArray[np.int64]
    cells: Array
    log_likelihood: Array
    attributes: dict[str, float]


class _Conditional:
    """The normal conditional distributions of the layers' parameters, given draws of the hyperparameters."""

    def __init__(self, design: Design, data: dict[str, Array], hyper: dict[str, Array]) -> None:
        self.design, self.data, self.hyper = design, data, hyper

    def taken(self, kept: NDArray[np.int64]) -> "_Conditional":
        """Take some of the draws."""
        return _Conditional(self.design, self.data, {name: x[kept] for name, x in self.hyper.items()})

    def means(self, layer: int) -> list[Array]:
        """Compute what is expected of a layer, less the prior's mean: three arrays of shape ``(K, 1, G, S or 1)``."""
        hyper, data = self.hyper, self.data
        typical = hyper["typical"] - data["prior_mean"]
        found = []
        for i in range(3):
            mean = typical[:, i, None] + np.zeros(len(self.design.models))
            if "kind_effect" in hyper:
                mean = mean + hyper["kind_effect"][:, i, data["kind_index"][layer]]
            if "model_effect" in hyper:
                mean = mean + hyper["model_effect"][:, i]
            if "depth_trend" in hyper:
                mean = mean + hyper["depth_trend"][:, i, None] * data["relative_depth"][layer]
            mean = mean[:, None, :, None]
            if "step_trend" in hyper:
                mean = mean + hyper["step_trend"][:, i, None, None]
            found.append(mean)
        return found

    def candidates(self, layer: int, normals: Array) -> tuple[Array, Array]:
        """Draw a layer's parameters.

        Parameters
        ----------
        layer : int
            Its index.
        normals : ndarray
            Standard normal numbers, shape ``(V, 3, M, K or 1)`` with V as :meth:`variables` says.

        Returns
        -------
        tuple of ndarray
            Parameters in each run or at each step, shape ``(M, K, G, S, 3)``, and without the runs' own effects,
            the same with S = 1 in their case.
        """
        means = self.means(layer)
        known = Known(
            [x[layer][None] for x in self.data["precision"]], [x[layer][None] for x in self.data["linear"]]
        )
        spreads = self._spreads()
        levels = known_by_level(known.less(means), spreads, self.design.structure, np.log)
        total, own = self._effects(levels, spreads, normals)
        centre = self.data["prior_mean"]
        parts = [
            np.stack(np.broadcast_arrays(*(means[i] + x[i] + centre[i] for i in range(3))), axis=-1)[:, :, 0]
            for x in (total, own)
        ]
        return parts[0], parts[1]

    @property
    def variables(self) -> int:
        """How many normal vectors a layer's parameters take."""
        models, replicates = len(self.design.models), self.design.replicates
        structure = self.design.structure
        return 1 + structure.paired * models + (structure.runs or structure.steps > 1) * models * replicates

    def _spreads(self) -> dict[str, list[Array]]:
        added = {"layer": 1, "model_layer": 2, "step": 2, "run": 3}
        return {
            of: [self.hyper[f"{of}_spread"][:, i].reshape(-1, *[1] * axes) for i in range(3)]
            for of, axes in added.items()
            if f"{of}_spread" in self.hyper
        }

    def _effects(
        self, levels: Levels, spreads: dict[str, list[Array]], normals: Array
    ) -> tuple[list[Array], list[Array]]:
        """Draw effects from the layer's own downwards: their sums in each run, and without those of the runs."""
        structure, models = self.design.structure, len(self.design.models)
        supply = iter(normals[..., None])
        own = effect_draw(levels.layer, spreads["layer"], list(next(supply)))
        own = [x[..., None] + np.zeros(models) for x in own]
        if structure.paired:
            normal = [np.stack(z, axis=-1) for z in zip(*(next(supply) for _ in range(models)), strict=True)]
            added = effect_draw(levels.model_layer.less(own), spreads["model_layer"], normal)
            own = [x + y for x, y in zip(own, added, strict=True)]
        if structure.steps > 1:
            path = [own]
            for later in levels.replicates[1:]:
                normal = [
                    np.stack(z, axis=-1) for z in zip(*(next(supply) for _ in range(models)), strict=True)
                ]
                moved = effect_draw(later.less(path[-1]), spreads["step"], normal)
                path.append([x + y for x, y in zip(path[-1], moved, strict=True)])
            total = [np.stack([at[i] for at in path], axis=-1) for i in range(3)]
            return total, total
        own = [x[..., None] for x in own]
        if not structure.runs:
            return own, own
        replicates = self.design.replicates
        each = [[next(supply) for _ in range(replicates)] for _ in range(models)]
        normal = [
            np.stack([np.stack([z[i] for z in row], axis=-1) for row in each], axis=-2) for i in range(3)
        ]
        added = effect_draw(levels.replicates[0].less(own), spreads["run"], normal)
        return [x + y for x, y in zip(own, added, strict=True)], own


def draw_layers(
    design: Design, data: dict[str, Array], sites: list[LayerSite], hyper: dict[str, Array], random_seed: int
) -> LayersDrawn:
    """Draw the layers of a network, and correct them and the hyperparameters to the layers' own likelihoods.

    Parameters
    ----------
    design : Design
        Which spectrum belongs where.
    data : dict
        What :func:`~htmp_bayes.models.network.network_data` returns.
    sites : list of LayerSite
        Likelihood of each spectrum.
    hyper : dict of ndarray
        Draws of the model's variables, shapes ``(chain, draw, ...)``.
    random_seed : int
        Seed.
    """
    chains, length = hyper["typical"].shape[:2]
    flat = {name: values.reshape(chains * length, *values.shape[2:]) for name, values in hyper.items()}
    conditional = _Conditional(design, data, flat)
    seeds = np.random.SeedSequence(random_seed).spawn(len(design.layers) + 1)
    points = qmc.Sobol(3 * conditional.variables, rng=0).random(2 * CANDIDATES)
    common = np.moveaxis(norm.ppf(np.clip(points, 1e-4, 1 - 1e-4)), 0, -1)
    common = common.reshape(conditional.variables, 3, 2 * CANDIDATES, 1)

    def ratio(layer: int) -> Array:
        weights = _log_ratios(design, data, sites, layer, conditional.candidates(layer, common)[0])[0]
        return np.asarray(logsumexp(weights, axis=0))

    with one_blas_thread(), ThreadPoolExecutor() as pool:
        log_weights = sum(pool.map(ratio, range(len(design.layers))))
    kept, attributes = _resampled(
        np.broadcast_to(log_weights, chains * length).reshape(chains, length), np.random.default_rng(seeds[0])
    )
    taken = conditional.taken(kept.ravel())

    def chosen(layer: int) -> _Chosen:
        return _choose(taken, sites, layer, np.random.default_rng(seeds[layer + 1]))

    with one_blas_thread(), ThreadPoolExecutor() as pool:
        found = list(pool.map(chosen, range(len(design.layers))))
    attributes["correction_counting"] = min(one.counting for one in found)
    attributes["stand_in_error"] = max(one.error for one in found)
    cells = np.stack([found[layer].own[:, model] for layer, model in design.cells], axis=1)
    log_likelihood = np.empty((chains * length, len(sites)))
    for one in found:
        log_likelihood[:, one.spectra] = one.log_likelihood
    shape = (chains, length)
    return LayersDrawn(
        kept, cells.reshape(*shape, *cells.shape[1:]), log_likelihood.reshape(*shape, -1), attributes
    )


class _Chosen(NamedTuple):
    """Of one layer: parameters that were chosen, its spectra, their log-likelihoods, and what the choice tells."""

    own: Array
    spectra: NDArray[np.int64]
    log_likelihood: Array
    counting: float
    error: float


def _choose(
    conditional: _Conditional, sites: list[LayerSite], layer: int, rng: np.random.Generator
) -> _Chosen:
    draws = len(conditional.hyper["typical"])
    normals = rng.standard_normal((conditional.variables, 3, CANDIDATES, draws))
    total, own = conditional.candidates(layer, normals)
    log_ratios, values = _log_ratios(conditional.design, conditional.data, sites, layer, total)
    normalised = log_ratios - logsumexp(log_ratios, axis=0)
    which = np.argmax(normalised + rng.gumbel(size=normalised.shape), axis=0)
    at = (which, np.arange(draws))
    spectra = _spectra_of(conditional.design, layer)
    compared = np.linspace(0, draws - 1, min(_COMPARED, draws)).round().astype(int)
    errors = []
    for k, spectrum in enumerate(spectra):
        _, model, replicate = conditional.design.place[spectrum]
        theta = total[at][compared, model, replicate]
        errors.append(np.std(values[at][compared, k] - sites[spectrum].exact(theta)))
    counting = float(np.mean(1 / np.sum(np.exp(2 * normalised), axis=0))) / CANDIDATES
    return _Chosen(own[at], spectra, values[at], counting, float(max(errors)))


def _spectra_of(design: Design, layer: int) -> NDArray[np.int64]:
    return np.flatnonzero(design.place[:, 0] == layer)


def _log_ratios(
    design: Design, data: dict[str, Array], sites: list[LayerSite], layer: int, theta: Array
) -> tuple[Array, Array]:
    """Log ratio of exact and normal likelihood of a layer, ``(M, K)``, and each spectrum's exact one, ``(M, K, n)``."""
    spectra = _spectra_of(design, layer)
    values = np.empty((*theta.shape[:2], len(spectra)))
    log_ratios = np.zeros(theta.shape[:2])
    for k, spectrum in enumerate(spectra):
        _, model, replicate = design.place[spectrum]
        here = theta[:, :, model, replicate]
        values[..., k] = sites[spectrum].log_likelihood(here.reshape(-1, 3)).reshape(here.shape[:-1])
        place = (slice(None), layer, model, replicate)
        known = Known(list(data["precision"][place]), list(data["linear"][place]))
        away = list(np.moveaxis(here - data["prior_mean"], -1, 0))
        pulls = known.times(away)
        normal: Any = sum(away[i] * (known.linear[i] - 0.5 * pulls[i]) for i in range(3))
        log_ratios += values[..., k] - normal
    return log_ratios, values


def _resampled(log_weights: Array, rng: np.random.Generator) -> tuple[NDArray[np.int64], dict[str, float]]:
    """Resample each chain's draws by smoothed weights, in their order: systematic resampling."""
    from arviz_stats.base import array_stats

    if np.ptp(log_weights) < _ROUNDING:
        smoothed, pareto_k = log_weights - log_weights.max(), 0.0
    else:  # takes the logarithms of reciprocal weights
        smoothed, pareto_k = array_stats.psislw(-log_weights.ravel())
    weights = np.exp(smoothed.reshape(log_weights.shape))
    length = weights.shape[1]
    kept = np.empty(weights.shape, dtype=np.int64)
    for chain, row in enumerate(weights):
        ends = np.cumsum(row) / row.sum()
        places = (np.arange(length) + rng.uniform()) / length
        kept[chain] = chain * length + np.minimum(np.searchsorted(ends, places), length - 1)
    attributes = {
        "correction_log_weight_sd": float(log_weights.std()), "correction_pareto_k": float(pareto_k),
    }  # fmt: skip
    return kept, attributes
