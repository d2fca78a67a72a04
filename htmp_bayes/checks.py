"""`check`: whether the posterior of a fit can be used, and whether its law fits."""

import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

import xarray as xr

from htmp_bayes._results import group
from htmp_bayes.results import misfit
from htmp_bayes.spectra.dead_lines import cautions_of

R_HAT_MAX = 1.01
"""Vehtari et al. (2021), Bayesian Analysis 16, 667: section 4.3."""

ESS_MIN = 400
"""The same: 100 for each of four chains, so that R-hat and Monte-Carlo errors can be relied on."""

SENSITIVITY_MAX = 0.05
"""Kallioinen et al. (2024), Statistics and Computing 34, 57: section 3.4."""

PARETO_K_MAX = 0.7
"""Vehtari et al. (2024), J. Mach. Learn. Res. 25, 72: above it, smoothed importance weights are not to be relied on."""

STAND_IN_ERROR_MAX = 0.5
"""Standard deviation of the log-posterior's error, in nats, at which a draw's efficiency, exp(-sd²), is below 80 %."""

LEAST_COUNTING = 0.25
"""Share of a layer's candidates that must count: with fewer, the normal likelihood is too far from the layer's own."""

E_BFMI_MIN = 0.3
"""Betancourt (2016), arXiv 1604.00695, found trouble below it; the threshold of Stan and of ArviZ."""


# Its draws are independent, and often all the same: there is no convergence to judge.
_NUMBER = "n_spikes"
_NUMBERS = (_NUMBER, "n_low_spikes")
# A distribution function that is off by more is worth a sentence whatever its probability is.
_NOTABLE_DISTANCE = 0.02
_SMALLEST_SHOWN = 1e-4
# What makes exponents of the indices of an open population's tails; and how many times the low end of an interval the
# high end is where only the former is known, and the share of the prior's interval that tells nothing.
_EXPONENTS = {"tail_index": -1.0, "lower_tail_index": 1.0}
_ONE_SIDED, _WIDE = 3.0, 0.7
# Probability of the largest number of spikes that is looked for, from which on there may be more.
_AT_MOST = 0.05


@dataclass(frozen=True, repr=False)
class Verdict:
    """Whether a posterior can be used and its law fits, why not, and the numbers behind that.

    Attributes
    ----------
    name : str
        Name of the spectrum.
    reasons : tuple of str
        One sentence for each check of the sampler that failed: what is wrong and what to do.
    misfits : tuple of str
        One sentence for each way in which the law does not fit the spectrum; empty also where `fits` is None.
    cautions : tuple of str
        One sentence for each place where the prior rather than the spectrum decides, or spikes are suspected.
    fits : bool or None
        Whether the law fits: a posterior predictive test of the counts and one of the gaps. None where there is no such
        test, as for a network.
    divergences : int
        Divergent transitions after tuning, over all chains.
    r_hat, ess_bulk, ess_tail : mapping of str to float
        Rank-normalised split R-hat and effective sample sizes of each parameter; NaN where the draws allow
        none (a single chain, or draws that are all the same), which is a reason of its own. Of a parameter that
        each layer of a network has, the worst.
    e_bfmi : float
        Smallest energy Bayesian fraction of missing information of any chain.

    Examples
    --------
    >>> ones = {"kappa": 1.0}
    >>> print(Verdict("layer.0", (), 0, ones, {"kappa": 1800.0}, {"kappa": 1900.0}, 0.9, fits=True))
    layer.0: usable, and the law fits
    """

    name: str
    reasons: tuple[str, ...]
    divergences: int
    r_hat: Mapping[str, float]
    ess_bulk: Mapping[str, float]
    ess_tail: Mapping[str, float]
    e_bfmi: float
    cautions: tuple[str, ...] = ()
    misfits: tuple[str, ...] = ()
    fits: bool | None = None

    @property
    def usable(self) -> bool:
        """True if no check of the sampler failed: the draws are those of the posterior."""
        return not self.reasons

    def __reduce__(self) -> tuple[Any, ...]:
        # The read-only views of the mappings cannot be pickled.
        values = [getattr(self, field.name) for field in fields(self)]
        return Verdict, tuple(dict(value) if isinstance(value, Mapping) else value for value in values)

    def __bool__(self) -> bool:
        return self.usable and self.fits is not False

    @property
    def headline(self) -> str:
        """What is said of draws and law in a few words."""
        draws = "usable" if self.usable else "not usable as it is"
        if self.fits is None:
            return draws + (" with care" if self.usable and self.cautions else "")
        joint = "and" if self.usable == self.fits else "but"
        return f"{draws}, {joint} the law {'fits' if self.fits else 'does not fit'}"

    def __str__(self) -> str:
        head = f"{self.name}: {self.headline}" if self.name else self.headline
        sentences = (*self.reasons, *self.misfits, *self.cautions)
        return "\n".join([head, *(f"  - {sentence}" for sentence in sentences)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from htmp_bayes.reporting.html import verdict_html

        return verdict_html(self)


def check(result: xr.DataTree) -> Verdict:
    """Judge whether a posterior can be used, and whether its law fits.

    Parameters
    ----------
    result : xarray.DataTree
        What `htmp_bayes.fit` or `htmp_bayes.fit_network` returns, or a file of it read by `xarray.open_datatree`.

    Returns
    -------
    Verdict
        Truthy if the posterior is ``usable`` and the law ``fits``.

        *usable*: the draws are those of the posterior. ``reasons`` has a sentence for each of these that failed: no
        divergence, R-hat at most 1.01 and effective sample sizes of at least 400 in bulk and tail for every parameter
        (of every layer), E-BFMI of at least 0.3 in every chain, and for a network a Pareto's k of at most 0.7 of the
        weights by which its draws were corrected, with a quarter at least of each layer's candidates counting.

        *fits*: neither the counts nor the gaps of the spectrum have a probability below 0.01 under the posterior
        (:mod:`htmp_bayes.models.layer.law_test`). ``misfits`` says where the law is off and by how many eigenvalues,
        and whether the gaps contradict the repulsion that was inferred: a law that misses the density hides behind a
        small one, as it makes room for any residual. A law that does not fit has parameters that do not mean much.

        ``cautions`` has a sentence for each of these: a parameter on which the prior bears (power-scaling
        sensitivity of 0.05 and more; of an open population, tails that are bounded on one side only); and a gap below
        the largest eigenvalues that fewer than 2 % of the predictive spectra have (60 of them at least), so that spikes
        are suspected. Where spikes were set apart, the last is instead that there may be more than are looked for: the
        largest number has a probability of 5 % or more. And one for directions that are zero or dead and were left out,
        or a gap of many decades below the bulk.

    Raises
    ------
    ResultError
        A ValueError, if the result lacks the groups ``posterior`` or ``sample_stats``.

    References
    ----------
    Kallioinen, Paananen, Bürkner & Vehtari (2024), Statistics and Computing 34, 57 (power-scaling);
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
    >>> check(result).usable
    True
    """
    import arviz as az

    posterior, statistics = _parameters(result), group(result, "sample_stats")
    # A chain that stands still has no variance to divide by: NaN is the answer, and a reason is made of it.
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        verdict = Verdict(
            name=str(result.attrs.get("name", "")),
            reasons=(),
            divergences=int(statistics["diverging"].sum()),
            r_hat=_by_parameter(az.rhat(posterior).max(skipna=False)),
            ess_bulk=_by_parameter(az.ess(posterior, method="bulk").min(skipna=False)),
            ess_tail=_by_parameter(az.ess(posterior, method="tail").min(skipna=False)),
            e_bfmi=float(az.bfmi(result)["energy"].min()),
        )
    found = misfit.law_fit(result)
    return replace(
        verdict,
        reasons=tuple(reason for failing in _CHECKS for reason in failing(verdict, result)),
        misfits=tuple(_misfits(result)),
        fits=None if found is None else found.fits,
        cautions=tuple(caution for finding in _CAUTIONS for caution in finding(result)),
    )


def _parameters(result: xr.DataTree) -> xr.Dataset:
    return group(result, "posterior").drop_vars(_NUMBERS, errors="ignore")


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


def _stand_in_off(verdict: Verdict, result: xr.DataTree) -> Iterator[str]:
    error = float(result.attrs.get("stand_in_error", 0.0))
    if result.attrs.get("kind") == "network" and error > STAND_IN_ERROR_MAX:
        yield (
            f"The polynomials that stand for a layer's likelihood are off by {error:.2g} nats (more than "
            f"{STAND_IN_ERROR_MAX}); fit the layers one by one with nuts_sampler = 'pymc'."
        )


# Each yields a sentence for what it finds wrong.
_CHECKS = (
    _diverged, _chains_disagree, _few_in_bulk, _few_in_tail, _energy_not_explored, _correction_fails,
    _stand_in_off,
)  # fmt: skip


def _prior_bears(result: xr.DataTree) -> Iterator[str]:
    """Say on which parameters the prior bears, and whether the spectrum does too."""
    if not {"log_prior", "log_likelihood"} <= set(result.children) or "population" in result.children:
        return
    prior, likelihood = (_sensitivity(result, component) for component in ("prior", "likelihood"))
    bears = [name for name, value in prior.items() if value >= SENSITIVITY_MAX]
    weak = [name for name in bears if likelihood[name] < SENSITIVITY_MAX]
    if weak:
        yield (
            f"The spectrum says little about {_named(weak)}: what is reported is largely the prior; read the end "
            "of an interval that the prior decides as 'at least' or 'at most'."
        )
    if strong := [name for name in bears if name not in weak]:
        yield (
            f"Both the prior and the spectrum bear on {_named(strong)} (power-scaling sensitivity "
            f"{_listed({name: prior[name] for name in strong}, '.2f')}); read the end of an interval that the prior "
            "decides as 'at least' or 'at most', and compare with the group 'prior'."
        )


def _known_from_one_side(result: xr.DataTree) -> Iterator[str]:
    """Say of which parameters of an open population the spectrum tells no more than an end, or nothing.

    Its prior is that of a whole curve: scaled by a power, it moves all that is reported.
    """
    if "population" not in result.children:
        return
    posterior, prior = group(result, "posterior"), group(result, "prior")
    ends = {
        name: [float(posterior[name].quantile(level)) + shift for level in (0.05, 0.95)]
        for name, shift in _EXPONENTS.items()
    }
    if one_sided := {name: low for name, (low, high) in ends.items() if high > _ONE_SIDED * max(low, 0.01)}:
        told = _named([f"{name} is at least {low - _EXPONENTS[name]:.2g}" for name, low in one_sided.items()])
        yield f"Steep tails are bounded on one side only: {told}; their upper ends are the prior's."
    names = [
        name for name in ("kappa", "correlation") if _width(posterior, name) > _WIDE * _width(prior, name)
    ]
    if names:
        yield f"The spectrum says little about {_named(names)}: what is reported is largely the prior."


def _width(draws: xr.Dataset, name: str) -> float:
    """Length of the 90 % interval of the logarithm."""
    low, high = draws[name].quantile([0.05, 0.95]).to_numpy()
    return math.log(high / max(low, 1e-300))


def _sensitivity(result: xr.DataTree, component: str) -> Mapping[str, float]:
    import arviz as az

    if _is_constant(group(result, f"log_{component}")):
        return dict.fromkeys(map(str, _parameters(result).data_vars), 0.0)
    # power-scaling warns of draws whose weights vary much; what is wanted is just that it notices them
    with warnings.catch_warnings(action="ignore"):
        names = list(_parameters(result).data_vars)
        return _by_parameter(az.psense(result, group=component, var_names=names))


def _is_constant(densities: xr.Dataset) -> bool:
    """Whether no draw is more likely than another, which ArviZ has no weights for."""
    sums = (
        values.sum([d for d in values.dims if d not in ("chain", "draw")]) for values in densities.values()
    )
    return all(float(total.std()) == 0 for total in sums)


def _misfits(result: xr.DataTree) -> Iterator[str]:
    """Say where the law is off, and whether the gaps contradict it."""
    found = misfit.law_fit(result)
    if found is None or found.fits:
        return
    if not found.counts_fit or found.kolmogorov_distance > _NOTABLE_DISTANCE:
        yield (
            f"The distribution function is off by up to {found.kolmogorov_distance:.2g} (chi-squared "
            f"{found.chi_squared:.0f} of {found.statistics} counts, p {_probability(found.probability_of_counts)})"
            f"{_where(result)}; try another population or compare_laws, and do not read the parameters."
        )
    if not found.gaps_fit:
        (low, middle, high), counts = found.by_gaps, found.by_counts
        yield (
            f"Neighbouring gaps say kappa/N = {middle:.2g} [{low:.2g}, {high:.2g}], the counts {counts[1]:.2g} "
            f"[{counts[0]:.2g}, {counts[2]:.2g}]: the law makes up for what it misses by a repulsion that the "
            "spectrum does not have."
        )


def _where(result: xr.DataTree) -> str:
    told = [
        f"{abs(stretch.excess):.0f} too {'many' if stretch.excess > 0 else 'few'} between {stretch.low:.3g} and "
        f"{stretch.high:.3g} ({stretch.place})"
        for stretch in misfit.stretches(result)
        if abs(stretch.excess) >= 0.5
    ]
    return f", eigenvalues: {', '.join(told)}" if told else ""


def _probability(value: float) -> str:
    return f"= {value:.2g}" if value >= _SMALLEST_SHOWN else f"< {_SMALLEST_SHOWN:g}"


def _spikes(result: xr.DataTree) -> Iterator[str]:
    if _NUMBER in group(result, "posterior"):
        return
    both = misfit.spectra(result)
    if both is None:
        return
    found = misfit.widest_gap(*both)
    if found.probability < misfit.SPIKE_LEVEL:
        eigenvalues = (
            "the largest eigenvalue stands"
            if found.above == 1
            else f"the {found.above} largest eigenvalues stand"
        )
        yield (
            f"Spikes are suspected: {eigenvalues} apart by a factor of {math.exp(found.observed):.2g}, where "
            f"{math.exp(found.predicted):.2g} is usual; see what they do to the posterior by fit(..., spikes='auto')."
        )


def _more_spikes(result: xr.DataTree) -> Iterator[str]:
    """Say if there may be more spikes than were looked for."""
    if "constant_data" not in result.children:
        return
    constant = group(result, "constant_data")
    if "spike_number_probability" not in constant:
        return
    probability = constant["spike_number_probability"].to_numpy()
    if len(probability) > 1 and probability[-1] >= _AT_MOST:
        yield (
            f"There may be more spikes than the {len(probability) - 1} that are looked for (as many have a probability "
            f"of {probability[-1]:.2g}): the upper tail is not the law's; try another population or compare_laws."
        )


def _dead_directions(result: xr.DataTree) -> Iterator[str]:
    """Name what was left out of the spectrum, and what may yet be dead in it."""
    if not {"constant_data", "observed_data"} <= set(result.children):
        return
    eigenvalues = group(result, "observed_data")["eigenvalues"].transpose(..., "eigenvalue")
    yield from cautions_of(eigenvalues.to_numpy(), group(result, "constant_data").data_vars)


# Each yields a sentence for what it finds.
_CAUTIONS = (_prior_bears, _known_from_one_side, _spikes, _more_spikes, _dead_directions)


def _named(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _listed(values: Mapping[str, float], number: str) -> str:
    return ", ".join(f"{value:{number}} for {name}" for name, value in values.items())


def _more(result: xr.DataTree, setting: str, factor: float = 0.0) -> str:
    """Say the value to try next: `factor` times what it was, and twice that at least, in whole hundreds."""
    was = int(result.attrs.get(setting, result["posterior"].sizes["draw"]))
    wanted = was * (max(2.0, 1.2 * factor) if math.isfinite(factor) else 2.0)
    return f"{setting} = {math.ceil(wanted / 100) * 100}"


def _by_parameter(values: xr.Dataset) -> Mapping[str, float]:
    return MappingProxyType({str(name): float(value) for name, value in values.data_vars.items()})
