"""`check`: whether the posterior of a fit can be used, and whether its law fits."""

import warnings
from dataclasses import replace

import xarray as xr

from htmp_bayes._results import group
from htmp_bayes.checks.cautions import CAUTIONS
from htmp_bayes.checks.law import misfits
from htmp_bayes.checks.sampler import REASONS
from htmp_bayes.checks.verdict import Verdict
from htmp_bayes.checks.wording import by_parameter, parameters
from htmp_bayes.results import misfit


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
        weights by which its draws were corrected, with a tenth at least of each layer's candidates counting, and of
        each layer's own fit an R-hat of at most 1.05 and 100 effective draws.

        *fits*: neither the counts nor the gaps of the spectrum have a probability below 0.01 under the posterior
        (:mod:`htmp_bayes.models.layer.law_test`). ``misfits`` says where the law is off and by how many eigenvalues,
        and whether the gaps contradict the repulsion that was inferred: a law that misses the density hides behind a
        small one, as it makes room for any residual. A law that does not fit has parameters that do not mean much.

        ``cautions`` has a sentence for each of these: a parameter on which the prior bears (power-scaling
        sensitivity of 0.05 and more; of an open population, tails that are bounded on one side only); and a gap below
        the largest eigenvalues that fewer than 2 % of the predictive spectra have (60 of them at least), so that spikes
        are suspected. Where spikes were set apart, the last is instead that there may be more than are looked for: the
        largest number has a probability of 5 % or more. And one for directions that are zero or dead and were left out,
        or a gap of many decades below the bulk. Of a network, the layers that the law does not fit.

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

    posterior, statistics = parameters(result), group(result, "sample_stats")
    # A chain that stands still has no variance to divide by: NaN is the answer, and a reason is made of it.
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        verdict = Verdict(
            name=str(result.attrs.get("name", "")),
            reasons=(),
            divergences=int(statistics["diverging"].sum()),
            r_hat=by_parameter(az.rhat(posterior).max(skipna=False)),
            ess_bulk=by_parameter(az.ess(posterior, method="bulk").min(skipna=False)),
            ess_tail=by_parameter(az.ess(posterior, method="tail").min(skipna=False)),
            e_bfmi=float(az.bfmi(result)["energy"].min()),
        )
    found = misfit.law_fit(result)
    return replace(
        verdict,
        reasons=tuple(reason for failing in REASONS for reason in failing(verdict, result)),
        misfits=tuple(misfits(result)),
        fits=None if found is None else found.fits,
        cautions=tuple(caution for finding in CAUTIONS for caution in finding(result)),
    )
