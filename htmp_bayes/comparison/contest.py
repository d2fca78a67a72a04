"""`compare_laws`: how well HTMP predicts where a layer's eigenvalues lie beside the laws that it competes with."""

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from htmp_bayes import _files
from htmp_bayes._arguments import as_spectrum
from htmp_bayes._notebook import in_notebook, shows_progress
from htmp_bayes._seeds import as_seed, one_of
from htmp_bayes._settings import check_counts, check_gamma
from htmp_bayes.checks import R_HAT_MAX
from htmp_bayes.comparison.contenders import CONTENDERS, ContestError, fit_contender
from htmp_bayes.spectra import Spectrum

if TYPE_CHECKING:
    import pandas as pd
    from arviz_stats import ELPDData

DISTINCT = 2.0
"""Standard errors by which the elpd of two laws must differ for one to be called better ..."""

SIMILAR = 4.0
"""... and nats: below that, the standard error is not to be relied on (Sivula et al. 2020, arXiv 2008.10296)."""

LAWS = tuple(CONTENDERS)
HTMP_LAWS = ("htmp", "htmp-log-normal", "htmp-uncorrelated")


@dataclass(frozen=True, repr=False)
class LawComparison:
    """Laws in the order of how well they predict where a layer's eigenvalues lie.

    Attributes
    ----------
    name : str
        Name of the spectrum.
    table : pandas.DataFrame
        What `arviz.compare` returns (stacking weights, nothing rounded), a row for each law from best to
        worst, and beside it the law's ``title``, the number of counts with a ``high_pareto_k``, the
        largest ``r_hat`` of a parameter and the ``divergences``.
    pointwise : pandas.DataFrame
        Expected log predictive density of the count of each interval, given those of the others, under each law
        (columns); the index is the interval's middle, ascending: where a law loses.
    results : mapping of str to xarray.DataTree
        The fit of each law: ``posterior``, ``sample_stats`` and ``log_likelihood`` (``counts``, dimensions
        ``(chain, draw, interval)``: log-density given the other counts) at up to 1,000 draws, and ``observed_data``,
        so that `arviz.loo` and `arviz.compare` take them. The attribute ``parameters_of`` says whether the
        parameters are those of the law of λ or of 1/λ (inverse laws).
    notes : tuple of str
        A sentence for everything that makes the comparison less certain than it looks.
    """

    name: str
    table: "pd.DataFrame"
    pointwise: "pd.DataFrame"
    results: Mapping[str, xr.DataTree]
    notes: tuple[str, ...]

    @property
    def best(self) -> tuple[str, ...]:
        """The law that predicts best, and those that cannot be told from it.

        Told apart are laws whose elpd differ by more than two standard errors and more than four nats.
        """
        first = self.table.index[0]
        return tuple(law for law in self.table.index if not self._is_better(first, law))

    def rank(self, laws: Iterable[str] = HTMP_LAWS) -> int:
        """Count the laws that clearly predict better than the best of `laws`, and add one.

        Parameters
        ----------
        laws : iterable of str
            By default the three of HTMP.

        Raises
        ------
        ContestError
            A ValueError, if none of the laws was compared.
        """
        wanted = set(laws)
        names = [law for law in self.table.index if law in wanted]
        if not names:
            raise ContestError(f"None of {_listed(wanted)} was compared; {_listed(self.table.index)} were.")
        above = self.table.index[: self.table.index.get_loc(names[0])]
        return 1 + sum(self._is_better(law, names[0]) for law in above)

    def _is_better(self, law: str, other: str) -> bool:
        gain = (self.pointwise[law] - self.pointwise[other]).to_numpy()
        return bool(gain.sum() > max(DISTINCT * np.sqrt(gain.size) * gain.std(), SIMILAR))

    @property
    def headline(self) -> str:
        """Which law predicts best, and which cannot be told from it, in a sentence."""
        first, *others = (str(self.table.loc[law, "title"]) for law in self.best)
        return f"{first} predicts best{f', and cannot be told from {_listed(others)}' if others else ''}."

    def __str__(self) -> str:
        head = f"{self.name}: {self.headline}" if self.name else self.headline
        return "\n".join([head, "", *_lines(self.table), *(f"  - {note}" for note in self.notes)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from htmp_bayes._html import comparison_html

        return comparison_html(self)


def compare_laws(
    spectrum: Spectrum | ArrayLike,
    laws: Iterable[str] = LAWS,
    *,
    n: int | None = None,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    random_seed: int | np.random.Generator | None = None,
    cores: int | None = None,
    progressbar: bool | None = None,
    random_state: int | np.random.Generator | None = None,
) -> LawComparison:
    r"""Fit several laws to one layer's counts of eigenvalues and compare how well they predict one that was left out.

    Parameters
    ----------
    spectrum : Spectrum or array_like
        A spectrum, a matrix, or eigenvalues of shape ``(N,)`` together with `n`.
    laws : iterable of str
        At least two of

        ``htmp``, ``htmp-log-normal``
            HTMP with each population; kappa, temperature and correlation are free.
        ``htmp-uncorrelated``
            The same with the correlation fixed at 0.
        ``inverse-htmp``
            HTMP of the reciprocals, for spectra of kernel matrices.
        ``marchenko-pastur``
            Marchenko-Pastur at this size, what noise of this shape shows, with its scale free.
        ``marchenko-pastur-log-normal``, ``marchenko-pastur-inverse-gamma``
            The same with each population: what is left of HTMP if a real matrix's repulsion is all that is needed.
        ``gamma``, ``inverse-gamma``, ``log-normal``
            With two parameters each.
        ``power-law-tail``
            A log-normal body with a power-law tail: log-eigenvalues are normal plus exponential.
    n : int, optional
        Longer side of the matrix, where `spectrum` is an array.
    draws, tune, chains, random_seed, random_state, cores
        As for `htmp_bayes.fit`.
    progressbar : bool, optional
        Show which law is being fitted; by default in notebooks. On standard error if that is a terminal.

    Returns
    -------
    LawComparison
        Its text is a table with what there is to say of it; ``table``, ``best`` and ``results`` go further.

    Raises
    ------
    ContestError
        A ValueError, if a law is unknown, or there are fewer than two that can be sampled on this spectrum.
    FitError, SpectrumError
        ValueErrors, as from `htmp_bayes.fit`.

    Notes
    -----
    *What is compared.* How many eigenvalues lie below x, averaged over each of a row of intervals: the counts of
    `htmp_bayes.fit`, the same for all laws. A law says what their mean is, and they scatter about it as those of a
    real matrix with the law's density do, whose eigenvalues repel each other
    (:mod:`htmp_bayes.laws.compiled.counting_covariance`, at a Dyson index of 1). So a density is judged by
    differences of less than one eigenvalue, and no law can make room for its misfit by a repulsion that real matrices
    do not have: HTMP's kappa shapes its density alone. The ratio of neighbouring gaps, which knows the repulsion
    alone, would be the same factor for all, and is left out.

    *How.* The expected log predictive density (elpd) of the count of an interval that was left out, given the
    others: leave-one-out for a normal law that does not factorise (Bürkner, Gabry & Vehtari 2021, Comput. Stat. 36,
    1243), by Pareto-smoothed importance sampling (Vehtari, Gelman & Gabry 2017, Stat. Comput. 27, 1413), with weights
    by stacking (Yao et al. 2018, Bayesian Anal. 13, 917). The standard errors take intervals for independent, and
    should be read as an order of magnitude. Where no law fits, a few intervals decide: look at ``pointwise``.

    *The priors* are on one footing: proper, weakly informative, and worth about one eigenvalue
    (:mod:`htmp_bayes.models.layer.prior`, :mod:`htmp_bayes.models.rivals.posterior`).

    *Marchenko-Pastur* with a population is HTMP at an infinite kappa, with the correction of a matrix of N rows. What
    HTMP predicts better than it needs a kappa below N in its density.

    *Densities by themselves* (Gamma, log-normal and the others) are taken as the mean density of the eigenvalues.
    Their scatter follows from the companion transform of the density.

    Examples
    --------
    >>> noise = np.random.default_rng(1).normal(size=(40, 160))
    >>> comparison = compare_laws(
    ...     Spectrum.from_matrix(noise, name="noise"), ["marchenko-pastur", "log-normal"], random_seed=1
    ... )
    >>> comparison.best[0]
    'marchenko-pastur'
    """
    spectrum = as_spectrum(spectrum, n, "compare_laws")
    names = _checked(laws)
    check_gamma(spectrum, "inverse-gamma")
    check_counts(1, draws=draws, tune=tune, chains=chains)
    seed = as_seed(one_of(random_seed=random_seed, random_state=random_state))
    from htmp_bayes.models.layer.data import layer_data
    from htmp_bayes.models.layer.sampling import Sampling

    data = layer_data(spectrum.eigenvalues, spectrum.gamma)
    sampling = Sampling(draws, tune, chains, seed, cores=cores)
    results, left_out = {}, []
    with _progress(len(names), progressbar) as advance:
        for name in names:
            advance(CONTENDERS[name].title)
            try:
                results[name] = fit_contender(name, data, sampling)
            except ContestError as error:
                left_out.append(str(error))
            else:
                results[name].attrs["name"] = spectrum.name
    if len(results) < 2:
        raise ContestError(f"No two laws can be compared. {' '.join(left_out)}")
    return _compared(spectrum.name, results, left_out)


def save_comparison(comparison: LawComparison, path: str | os.PathLike[str]) -> None:
    """Write the table of a comparison as a CSV file, whole or not at all.

    Parameters
    ----------
    comparison : LawComparison
        What :func:`compare_laws` returns.
    path : str or path-like
        The file, ``compare_laws.csv`` in the folder of a run.
    """
    with _files.replacing(path) as temporary:
        comparison.table.to_csv(temporary, index_label="law", lineterminator="\n")


def _compared(name: str, results: dict[str, xr.DataTree], left_out: list[str]) -> LawComparison:
    import arviz as az
    import pandas as pd

    elpds = {law: _elpd(result) for law, result in results.items()}
    table = az.compare(elpds, round_to="none")
    table.insert(0, "title", [CONTENDERS[law].title for law in table.index])
    table["high_pareto_k"] = [_high_pareto_k(elpds[law]) for law in table.index]
    for attribute in ("r_hat", "divergences"):
        table[attribute] = [results[law].attrs[attribute] for law in table.index]
    middles = next(iter(results.values()))["observed_data/interval"].to_index()
    pointwise = pd.DataFrame({law: np.ravel(elpds[law].elpd_i) for law in table.index}, index=middles)
    return LawComparison(name, table, pointwise, results, (*left_out, *_notes(table, elpds)))


def _elpd(result: xr.DataTree) -> "ELPDData":
    import arviz as az

    # High Pareto k are counted, and told in a sentence of the comparison.
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        return az.loo(result, pointwise=True)


def _high_pareto_k(elpd: "ELPDData") -> int:
    return int(np.sum(np.asarray(elpd.pareto_k) > elpd.good_k))


def _notes(table: "pd.DataFrame", elpds: Mapping[str, "ELPDData"]) -> Iterator[str]:
    for law, row in table.iterrows():
        threshold = elpds[str(law)].good_k
        if row["high_pareto_k"]:
            yield (
                f"{row['title']}: {_intervals(row['high_pareto_k'])} so influential (Pareto k above "
                f"{threshold:.2f}) that what the law would say without is uncertain; its elpd is rather too high."
            )
        if row["r_hat"] > R_HAT_MAX:
            yield (
                f"{row['title']}: R-hat is {row['r_hat']:.3f}, so the chains do not agree; compare with more tuning "
                "steps and draws, or take its elpd as rough."
            )
        if row["divergences"]:
            yield f"{row['title']}: {row['divergences']} draws diverged; compare with more tuning steps."


def _intervals(number: int) -> str:
    return "the count of one interval is" if number == 1 else f"the counts of {number} intervals are"


def _lines(table: "pd.DataFrame") -> Iterator[str]:
    width = max(map(len, table["title"]))
    yield f"{'law':{width}}  {'elpd':>8}  {'difference ± se':>16}  weight  parameters"
    for _, row in table.iterrows():
        difference = "" if row["rank"] == 0 else f"{row['elpd_diff']:.1f} ± {row['dse']:.1f}"
        yield (
            f"{row['title']:{width}}  {row['elpd']:8.1f}  {difference:>16}  {row['weight']:6.2f}  {row['p']:10.1f}"
        )


def _checked(laws: Iterable[str]) -> list[str]:
    names = [laws] if isinstance(laws, str) else list(dict.fromkeys(laws))
    unknown = [name for name in names if name not in CONTENDERS]
    if unknown:
        raise ContestError(f"The laws are {_listed(LAWS)}, not {_listed(map(repr, unknown))}.")
    if len(names) < 2:
        raise ContestError(f"Two laws at least are needed to compare; choose among {_listed(LAWS)}.")
    return names


def _listed(names: Iterable[str]) -> str:
    *firsts, last = names
    return f"{', '.join(firsts)} and {last}" if firsts else last


@contextmanager
def _progress(total: int, wanted: bool | None) -> Iterator[Callable[[str], None]]:
    """Say on a terminal or in a notebook which law is being fitted."""
    if not shows_progress(wanted, sys.stderr):
        yield lambda title: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(30), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    # Rich's console knows notebooks by itself, unless it is told of a stream
    console = Console() if in_notebook() else Console(stderr=True)
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total, completed=-1)
        yield lambda title: bar.update(task, advance=1, description=title)
