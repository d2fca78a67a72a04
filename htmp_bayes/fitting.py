"""`fit`: the posterior of one layer's spectral law."""

import sys
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from htmp_bayes._settings import (
    FitError,
    as_followed,
    as_seed,
    as_spectrum,
    check_choices,
    check_counts,
    check_gamma,
)
from htmp_bayes.spectra import Spectrum

__all__ = ["FitError", "fit"]


def fit(
    spectrum: Spectrum | ArrayLike,
    law: str = "htmp",
    population: Literal["inverse-gamma", "log-normal"] = "inverse-gamma",
    likelihood: str = "density",
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    random_seed: int | None = None,
    *,
    n: int | None = None,
    adjust: bool = True,
    spikes: Literal["off", "auto"] = "off",
    nuts_sampler: Literal["nutpie", "pymc"] = "nutpie",
    cores: int | None = None,
    predictive_draws: int = 100,
    progressbar: bool = False,
) -> xr.DataTree:
    r"""Posterior of repulsion, temperature and correlation of one layer, by NUTS.

    The model is :func:`htmp_bayes.models.layer.layer_model`, where the prior is documented; the aspect ratio
    is known from the matrix. NUTS walks on a polynomial that stands for the log-posterior, whose model is
    compiled once in a process; a Metropolis-Hastings step on the exact log-posterior makes its draws those of
    the model.

    Parameters
    ----------
    spectrum : Spectrum or array_like
        A spectrum, or its eigenvalues of shape ``(N,)`` together with `n`.
    law : {"htmp", "inverse-htmp"}
        The law of the eigenvalues, or of their reciprocals. A spectrum of kind ``"kernel"`` follows the inverse
        law.
    population : {"inverse-gamma", "log-normal"}
        Law of the population spectrum.
    likelihood : {"density", "joint"}
        ``"density"``: product of marginal densities over the eigenvalues (compressed: see
        :func:`htmp_bayes.models.compression.compress`). The eigenvalues of a matrix repel each other, so this
        is a composite likelihood, and `adjust` corrects its width. ``"joint"``: the exact density of all
        eigenvalues of a finite matrix (:func:`htmp_bayes.joint_logpdf`), for a correlation of 0.
    draws, tune, chains : int
        Draws kept and tuning steps of each chain, and the number of chains.
    random_seed : int, optional
        The same seed gives the same bits on any number of cores. Without one, a seed is drawn and recorded.
    n : int, optional
        Longer side of the matrix, where `spectrum` is an array.
    adjust : bool
        Correct the curvature of the composite likelihood for the repulsion of the eigenvalues
        (:mod:`htmp_bayes.models.adjustment`); without it intervals are too wide.
    spikes : {"off", "auto"}
        ``"auto"``: up to ten of the largest eigenvalues (one in ten of a small matrix) may be spikes, which the law has
        no part in. Their number is inferred with the law's parameters, whose posterior is averaged over it
        (:mod:`htmp_bayes.models.spikes`). For ``likelihood="density"``; it takes up to three times as long where many
        numbers are probable. ``"off"``: all eigenvalues are the law's, and :func:`htmp_bayes.check` says if spikes
        are suspected.
    nuts_sampler : {"nutpie", "pymc"}
        Implementation of NUTS.
    cores : int, optional
        Chains that run at a time; by default as many as there are cores.
    predictive_draws : int
        Number of posterior-predictive spectra; 0 leaves them out.
    progressbar : bool
        Show the sampler's progress where standard output is a terminal.

    Returns
    -------
    xarray.DataTree
        What ArviZ works on, and ``to_netcdf`` saves as one file. Groups and their variables:

        ``posterior``
            ``kappa``, ``temperature``, ``correlation``, ``tail_index`` and ``mean``, dimensions
            ``(chain, draw)``. Left out are ``tail_index`` for the log-normal population, whose tail is not a
            power law, ``correlation`` and ``tail_index`` for the joint likelihood, and ``mean`` if it is infinite
            in any draw; the group's attributes ``infinite`` (names of what is infinite, separated by blanks)
            and ``probability_infinite_mean`` say so. With ``spikes="auto"`` also ``n_spikes``, a whole number.
        ``sample_stats``
            ``acceptance_rate``, ``diverging``, ``energy``, ``lp``, ``n_steps``, ``reached_max_treedepth``,
            ``step_size`` and ``tree_depth``, dimensions ``(chain, draw)``.
        ``log_likelihood``
            ``eigenvalues``, dimensions ``(chain, draw, eigenvalue)``; for the joint likelihood ``spectrum``,
            dimensions ``(chain, draw)``. With ``spikes="auto"``, of the eigenvalues that are the law's in every draw.
        ``posterior_predictive``
            ``eigenvalues``, dimensions ``(chain, draw, eigenvalue)``, for `predictive_draws` evenly thinned
            draws: spectra of finite random matrices, ascending. A draw's spikes, of which the law says nothing, are
            those of the layer.
        ``observed_data``
            ``eigenvalues``, dimension ``eigenvalue``, ascending.
        ``constant_data``
            Scalars ``n``, ``gamma`` and ``zeros``; ``log_nodes`` and ``weights`` of the compressed
            likelihood, dimension ``node``; ``adjustment_centre``, ``adjustment_origin`` and
            ``adjustment_stretch`` of its correction (:class:`htmp_bayes.models.adjustment.Adjustment`). For the
            joint likelihood instead of all these ``statistics``, dimension ``statistic``. With ``spikes="auto"`` also
            ``spikes``, dimension ``spike``, the eigenvalues that are spikes if there are as many as is most
            probable (left out if that is none; nodes, weights and adjustment are those of the others), and
            ``spike_number_probability``, dimension ``number``: the posterior of the number, of which ``n_spikes``
            is a sample.
        ``prior``, ``log_prior``
            1,000 draws from the prior, with the variables of the posterior, and the prior's log-density at
            the posterior's draws for ``kappa``, ``correlation`` and ``location`` (ArviZ's power-scaling).

        Attributes of the root: ``name`` and ``kind`` of the spectrum, ``law``, ``population``,
        ``likelihood``, ``adjusted``, ``spikes``, ``draws``, ``tune``, ``chains``, ``random_seed``, ``nuts_sampler`` and
        ``<package>_version`` of each package involved; with nutpie also ``surrogate_error`` and
        ``surrogate_acceptance`` (:func:`htmp_bayes.models.surrogate.sample_surrogate`).

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
    ['correlation', 'kappa', 'mean', 'tail_index', 'temperature']
    >>> result["posterior_predictive"]["eigenvalues"].sizes["eigenvalue"]
    40

    One eigenvalue far above the others:

    >>> from htmp_bayes import sample_ensemble
    >>> bulk = sample_ensemble(199, kappa=20.0, gamma=0.25, correlation=0.2, random_state=2)
    >>> spiked = np.append(bulk, 8 * max(bulk))
    >>> result = fit(spiked, n=800, spikes="auto", draws=50, tune=100, chains=2, random_seed=1, predictive_draws=4)
    >>> int(result["constant_data/spike_number_probability"].to_numpy().argmax())
    1
    """
    from htmp_bayes.laws.beforehand import compile_beforehand

    spectrum = as_spectrum(spectrum, n)
    check_gamma(spectrum)
    check_choices(
        law=law, population=population, likelihood=likelihood, nuts_sampler=nuts_sampler, spikes=spikes
    )
    if spikes != "off" and likelihood != "density":
        raise FitError(
            f"Spikes are separated with likelihood = 'density' only, not {likelihood!r}; leave one of them out."
        )
    check_counts(1, draws=draws, tune=tune, chains=chains)
    check_counts(0, predictive_draws=predictive_draws)
    seed = as_seed(random_seed)
    settings = {
        "law": "inverse-htmp" if spectrum.kind == "kernel" else law,
        "population": population,
        "likelihood": likelihood,
        "adjusted": int(adjust and likelihood == "density"),
        "spikes": spikes,
        "draws": draws,
        "tune": tune,
        "chains": chains,
        "random_seed": seed,
        "nuts_sampler": nuts_sampler,
    }
    sampling = {
        "draws": draws,
        "tune": tune,
        "chains": chains,
        "random_seed": seed,
        "nuts_sampler": nuts_sampler,
        "cores": cores,
        "progressbar": progressbar and sys.stdout.isatty(),
    }
    compile_beforehand()
    of_density = _spikes_result if spikes == "auto" else _density_result
    result_of = of_density if likelihood == "density" else _joint_result
    return result_of(spectrum, settings, sampling, predictive_draws)


def _density_result(
    spectrum: Spectrum, settings: dict[str, Any], sampling: dict[str, Any], predictive_draws: int
) -> xr.DataTree:
    from htmp_bayes._fit_result import compressed_data, fit_result
    from htmp_bayes.models import results
    from htmp_bayes.models.layer import layer_data
    from htmp_bayes.models.posterior import LayerPosterior, adjusted_posterior
    from htmp_bayes.models.sampling import sample_layer

    followed, log_jacobian = as_followed(spectrum, settings["law"])
    data = layer_data(followed, spectrum.gamma, settings["population"])
    seed = int(np.random.SeedSequence(settings["random_seed"]).generate_state(3)[2])
    posterior = adjusted_posterior(data, seed) if settings["adjusted"] else LayerPosterior(data)
    sampled = sample_layer(posterior, **sampling)
    pointwise = results.pointwise_log_likelihood(posterior, sampled.parameters, followed)
    constant = compressed_data(data, posterior.adjustment)
    return fit_result(spectrum, data, sampled, pointwise + log_jacobian, constant, settings, predictive_draws)


def _spikes_result(
    spectrum: Spectrum, settings: dict[str, Any], sampling: dict[str, Any], predictive_draws: int
) -> xr.DataTree:
    from htmp_bayes._fit_result import compressed_data, fit_result, spikes_data
    from htmp_bayes.models.spike_draws import sample_spikes
    from htmp_bayes.models.spikes import SpikedSpectrum, weigh_numbers

    followed = as_followed(spectrum, settings["law"])
    spiked = SpikedSpectrum(spectrum.eigenvalues, *followed, spectrum.gamma, settings["population"])
    seed = int(np.random.SeedSequence(settings["random_seed"]).generate_state(3)[2])
    numbers = weigh_numbers(spiked, seed if settings["adjusted"] else None)
    sampled, pointwise = sample_spikes(numbers, spiked, **sampling)
    likeliest = numbers.posteriors[numbers.most_probable]
    constant = compressed_data(likeliest.data, likeliest.adjustment)
    constant = constant.merge(spikes_data(spectrum, numbers.probability))
    return fit_result(spectrum, likeliest.data, sampled, pointwise, constant, settings, predictive_draws)


def _joint_result(
    spectrum: Spectrum, settings: dict[str, Any], sampling: dict[str, Any], predictive_draws: int
) -> xr.DataTree:
    from htmp_bayes._fit_result import fit_result
    from htmp_bayes.models.joint import joint_data, joint_log_likelihood
    from htmp_bayes.models.sampling import sample_joint

    followed, log_jacobian = as_followed(spectrum, settings["law"])
    data = joint_data(followed, spectrum.gamma)
    sampled = sample_joint(data, **sampling)
    kappa, temperature = (sampled.parameters[name].to_numpy() for name in ("kappa", "temperature"))
    values = joint_log_likelihood(data, kappa, temperature) + log_jacobian.sum()
    dims = sampled.parameters["kappa"].dims
    whole = xr.Dataset({"spectrum": (dims, values)}, coords=sampled.parameters.coords)
    constant = xr.Dataset({"statistics": ("statistic", data["statistics"])})
    constant = constant.assign_coords(statistic=["size", "sum_log", "sum", "sum_log_gaps"])
    return fit_result(spectrum, data, sampled, whole, constant, settings, predictive_draws)
