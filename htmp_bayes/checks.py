"""`check`: whether the posterior of a fit can be used."""

import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import xarray as xr

from htmp_bayes._results import group

R_HAT_MAX = 1.01
"""Vehtari et al. (2021), Bayesian Analysis 16, 667: section 4.3."""

ESS_MIN = 400
"""The same: 100 for each of four chains, so that R-hat and Monte-Carlo errors can be relied on."""

E_BFMI_MIN = 0.3
"""Betancourt (2016), arXiv 1604.00695, found trouble below it; the threshold of Stan and of ArviZ."""


@dataclass(frozen=True)
class Verdict:
    """Whether a posterior can be used, why not, and the numbers behind that.

    Attributes
    ----------
    name : str
        Name of the spectrum.
    reasons : tuple of str
        One sentence for each check that failed: what is wrong and what to do.
    divergences : int
        Divergent transitions after tuning, over all chains.
    r_hat, ess_bulk, ess_tail : mapping of str to float
        Rank-normalised split R-hat and effective sample sizes of each parameter; NaN where the draws allow
        none (a single chain, or draws that are all the same), which is a reason of its own.
    e_bfmi : float
        Smallest energy Bayesian fraction of missing information of any chain.

    Examples
    --------
    >>> ones = {"kappa": 1.0}
    >>> print(Verdict("layer.0", (), 0, ones, {"kappa": 1800.0}, {"kappa": 1900.0}, 0.9))
    layer.0: usable
    """

    name: str
    reasons: tuple[str, ...]
    divergences: int
    r_hat: Mapping[str, float]
    ess_bulk: Mapping[str, float]
    ess_tail: Mapping[str, float]
    e_bfmi: float

    @property
    def ok(self) -> bool:
        """True if no check failed."""
        return not self.reasons

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        verdict = "usable" if self.ok else "not usable as it is"
        head = f"{self.name}: {verdict}" if self.name else verdict
        return "\n".join([head, *(f"  - {reason}" for reason in self.reasons)])


def check(result: xr.DataTree) -> Verdict:
    """Judge from the sampler's diagnostics whether a posterior can be used.

    Parameters
    ----------
    result : xarray.DataTree
        What `htmp_bayes.fit` returns, or a file of it read by `xarray.open_datatree`.

    Returns
    -------
    Verdict
        True in a condition if the posterior can be used, and a sentence for each of these that failed: no
        divergence, R-hat at most 1.01 and effective sample sizes of at least 400 in bulk and tail for every
        parameter, E-BFMI of at least 0.3 in every chain.

    Raises
    ------
    ResultError
        A ValueError, if the result lacks the groups ``posterior`` or ``sample_stats``.

    Notes
    -----
    These say whether the draws are those of the posterior, not whether the law fits the layer: look at
    `htmp_bayes.plot_spectrum` for that.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021), Bayesian Analysis 16, 667 (R-hat and effective
    sample sizes); Betancourt (2016), arXiv 1604.00695 (E-BFMI).

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> dims, draws = ("chain", "draw"), rng.normal(size=(4, 500))
    >>> statistics = {"diverging": (dims, draws > 9), "energy": (dims, draws)}
    >>> result = xr.DataTree.from_dict(
    ...     {"posterior": xr.Dataset({"kappa": (dims, draws)}), "sample_stats": xr.Dataset(statistics)}
    ... )
    >>> bool(check(result))
    True
    """
    import arviz as az

    posterior, statistics = group(result, "posterior"), group(result, "sample_stats")
    # A chain that stands still has no variance to divide by: NaN is the answer, and a reason is made of it.
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        verdict = Verdict(
            name=str(result.attrs.get("name", "")),
            reasons=(),
            divergences=int(statistics["diverging"].sum()),
            r_hat=_by_parameter(az.rhat(posterior)),
            ess_bulk=_by_parameter(az.ess(posterior, method="bulk")),
            ess_tail=_by_parameter(az.ess(posterior, method="tail")),
            e_bfmi=float(az.bfmi(result)["energy"].min()),
        )
    return replace(
        verdict, reasons=tuple(reason for failing in _CHECKS for reason in failing(verdict, result))
    )


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
            f"R-hat is {_listed(bad, '.3f')} (more than {R_HAT_MAX}), so the chains do not agree; fit with "
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
            f"The {where} effective sample size is {_listed(bad, '.0f')} (less than {ESS_MIN}), too small "
            f"for {purpose}; fit with more draws ({_more(result, 'draws', ESS_MIN / min(bad.values()))})."
        )


def _energy_not_explored(verdict: Verdict, result: xr.DataTree) -> Iterator[str]:
    if not verdict.e_bfmi >= E_BFMI_MIN:
        yield (
            f"E-BFMI is {verdict.e_bfmi:.2f} (less than {E_BFMI_MIN}), so the sampler hardly reaches the "
            f"tails of the posterior; fit with more tuning steps ({_more(result, 'tune')})."
        )


# Each yields a sentence for what it finds wrong.
_CHECKS = (_diverged, _chains_disagree, _few_in_bulk, _few_in_tail, _energy_not_explored)


def _listed(values: Mapping[str, float], number: str) -> str:
    return ", ".join(f"{value:{number}} for {name}" for name, value in values.items())


def _more(result: xr.DataTree, setting: str, factor: float = 0.0) -> str:
    """Say the value to try next: `factor` times what it was, and twice that at least, in whole hundreds."""
    was = int(result.attrs.get(setting, result["posterior"].sizes["draw"]))
    wanted = was * (max(2.0, 1.2 * factor) if math.isfinite(factor) else 2.0)
    return f"{setting} = {math.ceil(wanted / 100) * 100}"


def _by_parameter(values: xr.Dataset) -> Mapping[str, float]:
    return MappingProxyType({str(name): float(value) for name, value in values.data_vars.items()})
