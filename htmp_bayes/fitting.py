"""`fit`: the posterior of one layer's spectral law."""

from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from htmp_bayes._arguments import as_spectrum
from htmp_bayes._notebook import shows_progress
from htmp_bayes._seeds import as_seed, one_of
from htmp_bayes._settings import (
    FitError,
    check_choices,
    check_counts,
    check_gamma,
    refuse_removed,
)
from htmp_bayes._threads import one_blas_thread
from htmp_bayes.fitted_models import model_of
from htmp_bayes.spectra import Spectrum

__all__ = ["FitError", "fit"]


def fit(
    spectrum: Spectrum | ArrayLike,
    law: str = "htmp",
    population: Literal["free", "inverse-gamma", "log-normal", "none"] = "free",
    likelihood: Literal["counts", "joint"] = "counts",
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    random_seed: int | np.random.Generator | None = None,
    *,
    n: int | None = None,
    spikes: Literal["off", "auto"] = "off",
    nuts_sampler: Literal["nutpie", "pymc"] = "nutpie",
    cores: int | None = None,
    predictive_draws: int = 100,
    progressbar: bool | None = None,
    random_state: int | np.random.Generator | None = None,
    **removed: Any,
) -> xr.DataTree:
    r"""Posterior of repulsion, temperature and correlation of one layer, by NUTS.

    The prior is that of :mod:`htmp_bayes.models.layer.prior`, the likelihood that of
    :mod:`htmp_bayes.models.layer.likelihood`: how many eigenvalues lie below x, for a row of x, is normal with the
    covariance of a random matrix whose population is fixed. So the posterior says what another matrix with the same
    population would; what another training run would give is wider where training moves the population. The aspect
    ratio is known from the matrix.

    Parameters
    ----------
    spectrum : Spectrum or array_like
        A spectrum; a matrix, of shape ``(out, in)`` or that of a convolution's kernel; or eigenvalues of shape ``(N,)``
        together with `n`.
    law : {"htmp", "inverse-htmp"}
        The law of the eigenvalues, or of their reciprocals. A spectrum of kind ``"kernel"`` follows the inverse
        law.
    population : {"free", "inverse-gamma", "log-normal", "none"}
        ``"free"``: the population, the variances of the layer's directions, is inferred itself, as one smooth curve
        (:mod:`htmp_bayes.models.free`). The others are laws of one parameter, of which real layers' populations are
        hardly ever; "none" is a correlation of 0.
    likelihood : {"counts", "joint"}
        ``"counts"``: of the counts, and of the ratio of neighbouring gaps. ``"joint"``: the exact density of all
        eigenvalues of a finite matrix (:func:`htmp_bayes.joint_logpdf`), for the population "none".
    draws, tune, chains : int
        Draws kept and tuning steps of each chain, and the number of chains.
    random_seed : int or numpy.random.Generator, optional
        The same seed gives the same bits on any number of cores. Without one, a seed is drawn and recorded; so is the
        one that a generator yields.
    n : int, optional
        Longer side of the matrix, where `spectrum` is an array.
    spikes : {"off", "auto"}
        ``"auto"``: up to ten of the largest eigenvalues (one in ten of a small matrix) may be spikes, which the law
        has no part in. Their number is inferred with the law's parameters, whose posterior is averaged over it
        (:mod:`htmp_bayes.models.spikes`). For ``likelihood="counts"``; it takes up to three times as long where
        many numbers are probable. ``"off"``: all eigenvalues are the law's, and :func:`htmp_bayes.check` says if
        spikes are suspected.
    nuts_sampler : {"nutpie", "pymc"}
        Implementation of NUTS. nutpie's walks on polynomials that stand for the posterior
        (:mod:`htmp_bayes.models.layer.stand_in`), PyMC's on the model itself, which takes minutes.
    cores : int, optional
        Chains that run at a time; by default as many as there are cores.
    predictive_draws : int
        Number of posterior-predictive spectra; 0 leaves them out.
    progressbar : bool, optional
        Show the sampler's progress; by default in notebooks. Where standard output is neither a terminal nor a
        notebook, it is not shown.
    random_state : int or numpy.random.Generator, optional
        Another name of `random_seed`.
    **removed
        Settings of earlier versions: `adjust` is refused with a sentence that says what took its place.

    Returns
    -------
    xarray.DataTree
        What ArviZ works on, and ``to_netcdf`` saves as one file. Groups and their variables:

        ``posterior``
            Of an open population ``kappa``, ``dyson_index``, ``temperature``, ``correlation``, ``tail_index``,
            ``lower_tail_index``, ``participation_ratio``, ``mean``, ``n_spikes``, ``n_low_spikes`` (as
            :func:`htmp_bayes.models.free.reported.functionals` defines them), dimensions ``(chain, draw)``. Of other
            populations ``kappa``, ``dyson_index`` (kappa/N: 1 for a real matrix of independent columns),
            ``temperature``, ``correlation``, ``tail_index`` and ``mean``, dimensions ``(chain, draw)``. Left out are
            ``tail_index`` for the log-normal population, whose tail is not a power law, ``correlation`` and
            ``tail_index`` for the population "none", and ``mean`` if it is infinite in any draw; the group's attributes
            ``infinite`` (names of what is infinite, separated by blanks) and ``probability_infinite_mean`` say so. With
            ``spikes="auto"`` also ``n_spikes``, a whole number.
        ``population``
            Of an open population: ``log_values``, the list of log population values of each draw, dimensions
            ``(chain, draw, level)``, with ``share``, the mass of each, ``density`` of log h over ``log_h``, and
            ``roughness``, tau of its prior.
        ``sample_stats``
            ``acceptance_rate``, ``diverging``, ``energy``, ``lp``, ``n_steps``, ``reached_max_treedepth``,
            ``step_size`` and ``tree_depth``, dimensions ``(chain, draw)``.
        ``log_likelihood``
            ``spectrum``, dimensions ``(chain, draw)``: of all eigenvalues together, as they are not independent.
        ``posterior_predictive``
            ``eigenvalues``, dimensions ``(chain, draw, eigenvalue)``, for `predictive_draws` evenly thinned
            draws: spectra of random matrices with the draw's population, fixed, and its repulsion; ascending. A draw's
            spikes, of which the law says nothing, are those of the layer. Beyond 512 eigenvalues the spectra have
            their counts, scatter and ends from smaller matrices (:mod:`htmp_bayes.laws.carried_noise`), to five
            digits, and beyond 12,000 there are at least 60 of them in place of 100.
        ``observed_data``
            ``eigenvalues``, dimension ``eigenvalue``, ascending.
        ``constant_data``
            Scalars ``n``, ``gamma`` and ``zeros``; what the likelihood saw: ``counts`` (dimension ``interval``) between
            ``knots`` of log eigenvalue (of its negative for the inverse law), ``gap_ratio`` and ``gap_ratios``; and
            whether the law fits (:class:`htmp_bayes.models.layer.law_test.LawTest`): ``chi_squared`` of so many
            ``statistics``, ``probability_of_counts`` and ``probability_of_gaps``, ``dyson_index_by_gaps`` and
            ``dyson_index_by_counts`` (5 %, 50 %, 95 %), ``kolmogorov_distance``, and ``excess``, the eigenvalues
            between ``cell_low`` and ``cell_high`` beyond what is expected, with ``excess_sd``. With ``spikes="auto"``
            also ``spikes``, dimension ``spike``, the eigenvalues that are spikes if there are as many as is most
            probable (left out if that is none; counts and residuals are those of the others), and
            ``spike_number_probability``, dimension ``number``: the posterior of the number, of which ``n_spikes``
            is a sample.
        ``prior``, ``log_prior``
            1,000 draws from the prior, with the variables of the posterior, and the prior's log-density at
            the posterior's draws for ``kappa``, ``correlation`` and ``location`` (ArviZ's power-scaling).

        Attributes of the root: ``name`` and ``kind`` of the spectrum, ``law``, ``population``,
        ``likelihood``, ``spikes``, ``draws``, ``tune``, ``chains``, ``random_seed``, ``nuts_sampler`` and
        ``<package>_version`` of each package involved; with nutpie also ``stand_in_error``, by how many nats what
        NUTS walks on misses the log-posterior at a draw; of an open population also ``accepted``, the share of
        NUTS's draws that were, and ``pareto_k``, the shape of their weights' tail.

    Raises
    ------
    FitError
        A ValueError, if a setting is not one of those available or not a positive whole number.
    SpectrumError
        A ValueError, if the eigenvalues are not those of a spectrum.

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(1).normal(size=(40, 160))
    >>> result = fit(Spectrum.from_matrix(noise, name="noise"), draws=50, tune=100, chains=2, random_seed=1,
    ...              predictive_draws=4)
    >>> sorted(result["posterior"].data_vars)
    ['correlation', 'dyson_index', 'kappa', 'lower_tail_index', 'mean', 'n_low_spikes', 'n_spikes',
     'participation_ratio', 'quantile_10', 'quantile_50', 'quantile_90', 'tail_index', 'temperature']
    >>> result["posterior_predictive"]["eigenvalues"].sizes["eigenvalue"]
    40

    One eigenvalue far above the others, set apart:

    >>> spiked = np.append(result["observed_data/eigenvalues"], 30.0)
    >>> apart = fit(spiked, n=160, population="inverse-gamma", spikes="auto",
    ...             random_seed=1)  # doctest: +SKIP
    """
    from htmp_bayes.laws.beforehand import compile_beforehand

    refuse_removed("fit", removed)
    spectrum = as_spectrum(spectrum, n)
    check_choices(
        law=law, population=population, likelihood=likelihood, nuts_sampler=nuts_sampler, spikes=spikes
    )
    population = "none" if likelihood == "joint" else population
    _refuse_combinations(population, likelihood, spikes, nuts_sampler)
    check_gamma(spectrum, population)
    check_counts(1, draws=draws, tune=tune, chains=chains)
    check_counts(0, predictive_draws=predictive_draws)
    seed = as_seed(one_of(random_seed=random_seed, random_state=random_state))
    settings = {
        "law": "inverse-htmp" if spectrum.kind == "kernel" else law,
        "population": population,
        "likelihood": likelihood,
        "spikes": spikes,
        "draws": draws,
        "tune": tune,
        "chains": chains,
        "random_seed": seed,
        "nuts_sampler": nuts_sampler,
    }
    from htmp_bayes.models.layer.sampling import Sampling

    sampling = Sampling(draws, tune, chains, seed, nuts_sampler, cores, shows_progress(progressbar))
    compile_beforehand()
    model = model_of(spectrum, settings)
    # on several threads BLAS rounds otherwise, and results would go by the number of cores
    with one_blas_thread():
        return model.result(model.sample(sampling), predictive_draws)


def _refuse_combinations(population: str, likelihood: str, spikes: str, nuts_sampler: str) -> None:
    """Raise FitError for settings that do not go together."""
    if likelihood == "joint" and spikes != "off":
        raise FitError(
            "Spikes are set apart with likelihood = 'counts' only, not 'joint'; leave one of them out."
        )
    if population == "free" and spikes != "off":
        raise FitError(
            "The open population has its spikes in itself, and n_spikes in its posterior: leave spikes out, or choose "
            "another population."
        )
    if population == "free" and nuts_sampler == "pymc":
        raise FitError(
            "The open population is sampled by nutpie only; leave nuts_sampler out, or choose another population."
        )
