"""Sentences of `check` on the sampler: why the draws are not those of the posterior, and what to do."""

import math
from collections.abc import Iterator, Mapping

import xarray as xr

from htmp_bayes.checks.verdict import Verdict
from htmp_bayes.checks.wording import layers_named, listed, of_spectra

R_HAT_MAX = 1.01
"""Vehtari et al. (2021), Bayesian Analysis 16, 667: section 4.3."""

ESS_MIN = 400
"""The same: 100 for each of four chains, so that R-hat and Monte-Carlo errors can be relied on."""

PARETO_K_MAX = 0.7
"""Vehtari et al. (2024), J. Mach. Learn. Res. 25, 72: above it, smoothed importance weights are not to be relied on."""

LAYER_R_HAT_MAX, LAYER_ESS_MIN = 1.05, 100
"""Of a layer's own fit that is pooled: an error of its mean of a tenth of its standard deviation adds 1 % to that."""

LEAST_COUNTING = 0.1
"""Share of a layer's candidates that must count: with fewer, the normal likelihood is too far from the layer's own."""

E_BFMI_MIN = 0.3
"""Betancourt (2016), arXiv 1604.00695, found trouble below it; the threshold of Stan and of ArviZ."""


def _diverged(verdict: Verdict, result: xr.DataTree) -> Iterator[str]:
    if verdict.divergences:
        total = result["sample_stats/diverging"].size
        yield (
            f"{verdict.divergences} of {total} draws diverged, so the sampler may have missed a part of "
            f"the posterior; fit with more tuning steps ({_more(result, 'tune')})."
        )


def _chains_disagree(verdict: Verdict, result: xr.DataTree) -> Iterator[str]:
    if result["posterior"].sizes["chain"] < 2:
        yield "There is one chain, and whether it converged shows only beside others; fit with 4 chains."
        return
    bad = {name: value for name, value in verdict.r_hat.items() if not value <= R_HAT_MAX}
    if bad:
        yield (
            f"R-hat is {listed(bad, '.3f')} (more than {R_HAT_MAX}), so the chains do not agree; fit with "
            f"more tuning steps ({_more(result, 'tune')}) and draws ({_more(result, 'draws')})."
        )


def _few_in_bulk(verdict: Verdict, result: xr.DataTree) -> Iterator[str]:
    yield from _too_few(verdict.ess_bulk, "bulk", "means and medians", result)


def _few_in_tail(verdict: Verdict, result: xr.DataTree) -> Iterator[str]:
    yield from _too_few(verdict.ess_tail, "tail", "the ends of intervals", result)


def _too_few(sizes: Mapping[str, float], where: str, purpose: str, result: xr.DataTree) -> Iterator[str]:
    bad = {name: value for name, value in sizes.items() if not value >= ESS_MIN}
    if bad:
        yield (
            f"The {where} effective sample size is {listed(bad, '.0f')} (less than {ESS_MIN}), too small "
            f"for {purpose}; fit with more draws ({_more(result, 'draws', ESS_MIN / min(bad.values()))})."
        )


def _energy_not_explored(verdict: Verdict, result: xr.DataTree) -> Iterator[str]:
    if not verdict.e_bfmi >= E_BFMI_MIN:
        yield (
            f"E-BFMI is {verdict.e_bfmi:.2f} (less than {E_BFMI_MIN}), so the sampler hardly reaches the "
            f"tails of the posterior; fit with more tuning steps ({_more(result, 'tune')})."
        )


def _weights_too_uneven(verdict: Verdict, result: xr.DataTree) -> Iterator[str]:
    pareto_k = float(result.attrs.get("pareto_k", 0.0))
    if pareto_k > PARETO_K_MAX:
        yield (
            f"A few draws stand for most of the posterior (Pareto's k of their weights {pareto_k:.2f}, at most "
            f"{PARETO_K_MAX}), so it may lie elsewhere; fit with another random_seed and more draws "
            f"({_more(result, 'draws')}), and compare."
        )


def _correction_fails(verdict: Verdict, result: xr.DataTree) -> Iterator[str]:
    if "correction_pareto_k" not in result.attrs:
        return
    pareto_k, counting = (float(result.attrs[f"correction_{of}"]) for of in ("pareto_k", "counting"))
    if not (pareto_k <= PARETO_K_MAX and counting >= LEAST_COUNTING):
        yield (
            "The layers' likelihoods are too far from the normal ones that stand for them (Pareto's k of the "
            f"correction {pareto_k:.2f}, at most {PARETO_K_MAX}; of the worst layer's candidates "
            f"{100 * counting:.0f} % count, at least {100 * LEAST_COUNTING:.0f}); fit its layers one by one."
        )


def _layers_badly_sampled(verdict: Verdict, result: xr.DataTree) -> Iterator[str]:
    """Say which layers of a network have a fit of their own that cannot be pooled."""
    layers = of_spectra(result)
    if layers is None:
        return
    bad = (layers["spectrum_r_hat"] > LAYER_R_HAT_MAX) | (layers["spectrum_ess"] < LAYER_ESS_MIN)
    if bad.any():
        yield (
            f"The own fit of {layers_named(layers, bad.to_numpy())} did not converge (R-hat above {LAYER_R_HAT_MAX} "
            f"or fewer than {LAYER_ESS_MIN} effective draws); pass a longer fit of it by fits=, or leave it out."
        )


# Each yields a sentence for what it finds wrong.
REASONS = (
    _diverged, _chains_disagree, _few_in_bulk, _few_in_tail, _energy_not_explored, _weights_too_uneven,
    _correction_fails, _layers_badly_sampled,
)  # fmt: skip


def _more(result: xr.DataTree, setting: str, factor: float = 0.0) -> str:
    """Say the value to try next: `factor` times what it was, and twice that at least, in whole hundreds."""
    was = int(result.attrs.get(setting, result["posterior"].sizes["draw"]))
    wanted = was * (max(2.0, 1.2 * factor) if math.isfinite(factor) else 2.0)
    return f"{setting} = {math.ceil(wanted / 100) * 100}"
