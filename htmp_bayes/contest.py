"""`compare_laws`: how well HTMP predicts a layer's eigenvalues beside the laws that it competes with."""

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from htmp_bayes import _files
from htmp_bayes._errors import HTMPError
from htmp_bayes._settings import as_seed, as_spectrum, check_counts, check_gamma
from htmp_bayes.checks import R_HAT_MAX
from htmp_bayes.fitting import fit
from htmp_bayes.spectra import Spectrum

if TYPE_CHECKING:
    import pandas as pd
    from arviz_stats import ELPDData

DISTINCT = 2.0
"""Standard errors by which the elpd of two laws must differ for one to be called better ..."""

SIMILAR = 4.0
"""... and nats: below that, the standard error is not to be relied on (Sivula et al. 2020, arXiv 2008.10296)."""


@dataclass(frozen=True)
class _Law:
    """How a law is fitted: by `fit` with a population, as one of the rivals, or else at correlation 0."""

    title: str
    population: str = ""
    rival: str = ""
    reciprocal: bool = False


_LAWS: Mapping[str, _Law] = {
    "htmp": _Law("HTMP, inverse-gamma population", population="inverse-gamma"),
    "htmp-log-normal": _Law("HTMP, log-normal population", population="log-normal"),
    "htmp-uncorrelated": _Law("HTMP without correlation"),
    "inverse-htmp": _Law("inverse HTMP", population="inverse-gamma", reciprocal=True),
    "marchenko-pastur": _Law("Marchenko-Pastur with outliers", rival="marchenko-pastur"),
    "gamma": _Law("Gamma", rival="gamma"),
    "inverse-gamma": _Law("inverse-gamma", rival="gamma", reciprocal=True),
    "log-normal": _Law("log-normal", rival="log-normal"),
    "power-law-tail": _Law("log-normal with power-law tail", rival="power-law-tail"),
}
LAWS = tuple(_LAWS)
HTMP_LAWS = ("htmp", "htmp-log-normal", "htmp-uncorrelated")


class ContestError(HTMPError):
    """Laws that are not known, or too few of them to compare."""


@dataclass(frozen=True)
class LawComparison:
    """Laws in the order of how well they predict a layer's eigenvalues.

    Attributes
    ----------
    name : str
        Name of the spectrum.
    table : pandas.DataFrame
        What `arviz.compare` returns (stacking weights, nothing rounded), a row for each law from best to
        worst, and beside it the law's ``title``, the number of eigenvalues with a ``high_pareto_k``, the
        largest ``r_hat`` of a parameter and the ``divergences``.
    pointwise : pandas.DataFrame
        Expected log predictive density of each eigenvalue (rows, ascending) under each law (columns): where a
        law loses.
    results : mapping of str to xarray.DataTree
        The fit of each law, with the groups ``posterior``, ``sample_stats``, ``log_likelihood`` and
        ``observed_data``. The attribute ``parameters_of`` says whether the parameters are those of the law of
        λ or of 1/λ (inverse laws).
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

    def __str__(self) -> str:
        return "\n".join([_headline(self), "", *_lines(self.table), *(f"  - {note}" for note in self.notes)])


def compare_laws(
    spectrum: Spectrum | ArrayLike,
    laws: Iterable[str] = LAWS,
    *,
    n: int | None = None,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    random_seed: int | None = None,
    cores: int | None = None,
    progressbar: bool = False,
) -> LawComparison:
    r"""Fit several laws to one layer's eigenvalues and compare how well they predict one that was left out.

    Parameters
    ----------
    spectrum : Spectrum or array_like
        A spectrum, or its eigenvalues of shape ``(N,)`` together with `n`.
    laws : iterable of str
        At least two of

        ``htmp``, ``htmp-log-normal``
            The model of `htmp_bayes.fit` with each population.
        ``htmp-uncorrelated``
            The same with the correlation fixed at 0.
        ``inverse-htmp``
            The model of `htmp_bayes.fit` of the reciprocals, for spectra of kernel matrices.
        ``marchenko-pastur``
            What noise of this shape shows, with its scale free, and up to one outlier in twenty.
        ``gamma``, ``inverse-gamma``, ``log-normal``
            With two parameters each.
        ``power-law-tail``
            A log-normal body, and from a threshold on a power law that continues it; both are inferred.
    n : int, optional
        Longer side of the matrix, where `spectrum` is an array.
    draws, tune, chains, random_seed, cores
        As for `htmp_bayes.fit`.
    progressbar : bool
        Show on standard error which law is being fitted, if that is a terminal.

    Returns
    -------
    LawComparison
        Its text is a table with what there is to say of it; ``table``, ``best`` and ``results`` go further.

    Raises
    ------
    ContestError
        A ValueError, if a law is unknown or there are fewer than two.
    FitError, SpectrumError
        ValueErrors, as from `htmp_bayes.fit`.

    Notes
    -----
    *What is compared.* The expected log predictive density of an eigenvalue that was left out (elpd), by
    Pareto-smoothed importance sampling (Vehtari, Gelman & Gabry 2017, Stat. Comput. 27, 1413), with weights by
    stacking (Yao et al. 2018, Bayesian Anal. 13, 917). Eigenvalues of a matrix repel each other and are not
    independent draws: the product of their densities is a comparison of *densities*, of where the eigenvalues
    lie, and knows nothing of their spacing. The standard errors take them for independent; repulsion makes
    the true ones of smooth differences smaller, and the estimates should be read as an order of magnitude.

    *The priors* are on one footing: proper, weakly informative, and worth about one eigenvalue
    (:mod:`htmp_bayes.models.layer`, :mod:`htmp_bayes.models.rival_laws`).

    *Marchenko-Pastur.* Its support is bounded, so that a single eigenvalue beyond would refute it for ever.
    The law that is fitted is what noise does at finite size: the HTMP law without correlation at
    :math:`\kappa = N`, the real Wishart ensemble, whose edges are as soft as a matrix of N rows has them; for
    :math:`N \to \infty` it is Marchenko & Pastur's. Up to 5 % of the eigenvalues (a share that is inferred) may
    be outliers, log-normal about the mean log-eigenvalue with three times their standard deviation: more than
    that is no longer noise, and each costs about seven nats.

    *The power law* is continuous at its threshold, as are Cooray & Ananda's (2005, Scand. Actuar. J. 2005,
    321); unlike a fit of the tail alone (Clauset, Shalizi & Newman 2009, SIAM Rev. 51, 661) it is a density of
    all eigenvalues, without which it could not be compared.

    Examples
    --------
    >>> noise = np.random.default_rng(1).normal(size=(40, 160))
    >>> comparison = compare_laws(
    ...     Spectrum.from_matrix(noise, name="noise"), ["marchenko-pastur", "log-normal"], random_seed=1
    ... )
    >>> comparison.best[0]
    'marchenko-pastur'
    """
    spectrum = as_spectrum(spectrum, n)
    names = _checked(laws)
    check_gamma(spectrum)
    check_counts(1, draws=draws, tune=tune, chains=chains)
    seed = as_seed(random_seed)
    settings = {"draws": draws, "tune": tune, "chains": chains, "random_seed": seed, "cores": cores}
    results = {}
    with _progress(len(names), progressbar) as advance:
        for name in names:
            advance(_LAWS[name].title)
            results[name] = _fit_law(name, spectrum, settings)
    return _compared(spectrum.name, results)


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


def _fit_law(name: str, spectrum: Spectrum, settings: dict[str, Any]) -> xr.DataTree:
    law = _LAWS[name]
    if law.population:
        result = _fit_htmp(spectrum, law, settings)
    elif law.rival:
        result = _fit_rival(law, spectrum, settings)
    else:
        result = _fit_uncorrelated(spectrum, settings)
    result.attrs |= {"name": spectrum.name, "law": name, "parameters_of": "1/λ" if law.reciprocal else "λ"}
    return result


def _fit_htmp(spectrum: Spectrum, law: _Law, settings: dict[str, Any]) -> xr.DataTree:
    """Fit without adjusting the likelihood, as all other laws: otherwise leaving one out is no longer a ratio."""
    result = fit(
        replace(spectrum, kind="weight"),
        law="inverse-htmp" if law.reciprocal else "htmp",
        population=cast(Any, law.population),
        adjust=False,
        predictive_draws=0,
        **settings,
    )
    kept = ("posterior", "sample_stats", "log_likelihood", "observed_data")
    return xr.DataTree.from_dict({group: result[group].to_dataset() for group in kept})


def _fit_uncorrelated(spectrum: Spectrum, settings: dict[str, Any]) -> xr.DataTree:
    from htmp_bayes.models.layer import layer_data
    from htmp_bayes.models.results import pointwise_log_likelihood
    from htmp_bayes.models.uncorrelated import UncorrelatedPosterior, sample_uncorrelated

    data = layer_data(spectrum.eigenvalues, spectrum.gamma)
    found = sample_uncorrelated(data, **settings)
    density = pointwise_log_likelihood(UncorrelatedPosterior(data), found.parameters, spectrum.eigenvalues)
    posterior = found.parameters[["kappa", "temperature"]]
    return _as_result(posterior, found.sample_stats, density["eigenvalues"].to_numpy(), spectrum)


def _fit_rival(law: _Law, spectrum: Spectrum, settings: dict[str, Any]) -> xr.DataTree:
    from htmp_bayes.models.rival_laws import rival_data, rival_log_density, sample_rival

    followed = 1 / spectrum.eigenvalues if law.reciprocal else spectrum.eigenvalues
    data = rival_data(law.rival, followed, spectrum.gamma)
    tree = sample_rival(law.rival, data, **settings)
    posterior = tree["posterior"].to_dataset()
    draws = {str(key): values.values.ravel() for key, values in posterior.items()}
    density = rival_log_density(law.rival, data, draws)
    if law.reciprocal:
        density = density - 2 * np.log(spectrum.eigenvalues)  # the Jacobian of 1/λ
    shape = (posterior.sizes["chain"], posterior.sizes["draw"], len(spectrum))
    return _as_result(posterior, tree["sample_stats"].to_dataset(), density.reshape(shape), spectrum)


def _as_result(
    posterior: xr.Dataset,
    sample_stats: xr.Dataset,
    log_likelihood: NDArray[np.float64],
    spectrum: Spectrum,
) -> xr.DataTree:
    numbers = {"eigenvalue": np.arange(len(spectrum))}
    likelihood = xr.Dataset(
        {"eigenvalues": (("chain", "draw", "eigenvalue"), log_likelihood)},
        coords={**posterior.coords, **numbers},
    )
    observed = xr.Dataset({"eigenvalues": ("eigenvalue", spectrum.eigenvalues)}, coords=numbers)
    return xr.DataTree.from_dict(
        {
            "posterior": posterior.drop_attrs(),
            "sample_stats": sample_stats.drop_attrs(),
            "log_likelihood": likelihood,
            "observed_data": observed,
        }
    )


def _compared(name: str, results: dict[str, xr.DataTree]) -> LawComparison:
    import arviz as az
    import pandas as pd

    elpds = {law: _elpd(result) for law, result in results.items()}
    table = az.compare(elpds, round_to="none")
    table.insert(0, "title", [_LAWS[law].title for law in table.index])
    table["high_pareto_k"] = [_high_pareto_k(elpds[law]) for law in table.index]
    table["r_hat"] = [_worst_r_hat(results[law]) for law in table.index]
    table["divergences"] = [int(results[law]["sample_stats/diverging"].sum()) for law in table.index]
    pointwise = pd.DataFrame({law: np.ravel(elpds[law].elpd_i) for law in table.index})
    return LawComparison(name, table, pointwise, results, tuple(_notes(table, elpds)))


def _elpd(result: xr.DataTree) -> "ELPDData":
    import arviz as az

    # High Pareto k are counted, and told in a sentence of the comparison.
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        return az.loo(result, pointwise=True)


def _high_pareto_k(elpd: "ELPDData") -> int:
    return int(np.sum(np.asarray(elpd.pareto_k) > elpd.good_k))


def _worst_r_hat(result: xr.DataTree) -> float:
    """Largest R-hat of the parameters that vary; NaN for a single chain."""
    import arviz as az

    posterior = result["posterior"].to_dataset()
    varying = posterior[[name for name, values in posterior.items() if float(values.std()) > 0]]
    if posterior.sizes["chain"] < 2:
        return float("nan")
    return max(float(value) for value in az.rhat(varying).data_vars.values())


def _notes(table: "pd.DataFrame", elpds: Mapping[str, "ELPDData"]) -> Iterator[str]:
    for law, row in table.iterrows():
        threshold = elpds[str(law)].good_k
        if row["high_pareto_k"]:
            yield (
                f"{row['title']}: {_eigenvalues(row['high_pareto_k'])} so influential (Pareto k above "
                f"{threshold:.2f}) that what the law would say without is uncertain; its elpd is rather too high."
            )
        if row["r_hat"] > R_HAT_MAX:
            yield (
                f"{row['title']}: R-hat is {row['r_hat']:.3f}, so the chains do not agree; compare with more tuning "
                "steps and draws, or take its elpd as rough."
            )
        if row["divergences"]:
            yield f"{row['title']}: {row['divergences']} draws diverged; compare with more tuning steps."


def _eigenvalues(number: int) -> str:
    return "one eigenvalue is" if number == 1 else f"{number} eigenvalues are"


def _headline(comparison: LawComparison) -> str:
    first, *others = (str(comparison.table.loc[law, "title"]) for law in comparison.best)
    head = f"{comparison.name}: " if comparison.name else ""
    if not others:
        return f"{head}{first} predicts best."
    return f"{head}{first} predicts best, and cannot be told from {_listed(others)}."


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
    unknown = [name for name in names if name not in _LAWS]
    if unknown:
        raise ContestError(f"The laws are {_listed(LAWS)}, not {_listed(map(repr, unknown))}.")
    if len(names) < 2:
        raise ContestError(f"Two laws at least are needed to compare; choose among {_listed(LAWS)}.")
    return names


def _listed(names: Iterable[str]) -> str:
    *firsts, last = names
    return f"{', '.join(firsts)} and {last}" if firsts else last


@contextmanager
def _progress(total: int, wanted: bool) -> Iterator[Callable[[str], None]]:
    """Say on a terminal which law is being fitted."""
    if not (wanted and sys.stderr.isatty()):
        yield lambda title: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(30), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, completed=-1)
        yield lambda title: bar.update(task, advance=1, description=title)
