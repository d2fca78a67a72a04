"""`fit` with one-parameter populations: what it returns, that it repeats itself, and that it recovers what is known."""

import functools

import arviz as az
import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose

from htmp_bayes import HTMPError, Spectrum, fitting, laws
from htmp_bayes.checks import check
from htmp_bayes.fitting import FitError
from htmp_bayes.laws.ensemble import sample_ensemble
from htmp_bayes.models.layer.data import layer_data
from htmp_bayes.models.layer.likelihood import log_density_of_gaps
from htmp_bayes.models.layer.polynomial_density import log_density_with_gradient
from htmp_bayes.plots import plot_spectrum
from htmp_bayes.spectra import SpectrumError
from tests.models.at_point import counts_at

fit = functools.partial(fitting.fit, population="inverse-gamma")

GROUPS = {
    "posterior",
    "sample_stats",
    "log_likelihood",
    "posterior_predictive",
    "observed_data",
    "constant_data",
    "prior",
    "log_prior",
}
QUICK = {"draws": 200, "tune": 300, "chains": 2, "random_seed": 5, "predictive_draws": 10}


@pytest.fixture(scope="module")
def spectrum():
    eigenvalues = sample_ensemble(64, 3.0, 0.25, 0.2, 0.6, random_state=1)
    return Spectrum(eigenvalues, n=256, name="layer.0")


@pytest.fixture(scope="module")
def result(spectrum):
    return fit(spectrum, **QUICK)


def test_groups_and_variables(result, spectrum):
    assert set(result.children) == GROUPS
    assert set(result["posterior"].data_vars) == {
        "kappa", "dyson_index", "temperature", "correlation", "tail_index", "mean",
    }  # fmt: skip
    assert result["log_likelihood"]["spectrum"].shape == (2, 200)
    assert_allclose(result["posterior/dyson_index"], result["posterior/kappa"] / 64)
    assert result.attrs["stand_in_error"] < 0.2
    predictive = result["posterior_predictive"]["eigenvalues"]
    assert predictive.shape == (2, 5, 64)
    assert np.all(np.diff(predictive.values) >= 0)
    assert_allclose(result["observed_data"]["eigenvalues"], spectrum.eigenvalues)
    assert int(result["constant_data"]["n"]) == 256
    assert float(result["constant_data"]["gamma"]) == 0.25
    assert int(result["sample_stats"]["diverging"].sum()) == 0


def test_attributes(result):
    expected = {
        "name": "layer.0",
        "law": "htmp",
        "population": "inverse-gamma",
        "random_seed": 5,
        "draws": 200,
    }
    assert {key: result.attrs[key] for key in expected} == expected
    assert result.attrs["nutpie_version"]


def test_derived_variables_are_the_laws(result):
    posterior = result["posterior"].isel(chain=0, draw=3)
    law = laws.HTMP(
        float(posterior["kappa"]), 0.25, float(posterior["temperature"]), float(posterior["correlation"])
    )
    assert_allclose(posterior["mean"], law.mean())
    assert_allclose(posterior["tail_index"], law.tail_index())


def test_the_log_likelihood_is_that_of_counts_and_gaps(result, spectrum):
    posterior = result["posterior"].isel(chain=1, draw=7)
    kappa, temperature, correlation = (
        float(posterior[name]) for name in ("kappa", "temperature", "correlation")
    )
    data = layer_data(spectrum.eigenvalues, 0.25)
    exact = counts_at(data, kappa, correlation, np.log(temperature)).log_density
    exact += float(log_density_of_gaps(data, kappa / 64))
    assert float(result["log_likelihood/spectrum"].isel(chain=1, draw=7)) == pytest.approx(exact, abs=0.3)


def test_what_is_said_of_the_law(result):
    constant = result["constant_data"].to_dataset()
    assert int(constant["statistics"]) == constant.sizes["interval"] == constant.sizes["knot"] - 1
    assert 0 <= float(constant["probability_of_counts"]) <= 1
    assert np.all(np.diff(constant["dyson_index_by_counts"]) > 0)
    assert constant.sizes["cell"] == constant.sizes["interval"] - 1
    assert 0 < float(constant["kolmogorov_distance"]) < 0.2


def test_arviz_works_on_it(result):
    assert list(az.summary(result).index) == list(result["posterior"].data_vars)
    assert az.bfmi(result) is not None
    az.plot_ppc_dist(result, num_samples=10)


def test_one_file_and_back(result, tmp_path):
    result.to_netcdf(tmp_path / "posterior.nc")
    for read in (az.from_netcdf, xr.open_datatree):
        with read(tmp_path / "posterior.nc") as back:
            assert back.identical(result)


def test_the_same_seed_gives_the_same_bits_on_any_number_of_cores(result, spectrum):
    again = fit(spectrum, **QUICK, cores=1)
    assert again.identical(result)


def test_another_seed_gives_other_draws(result, spectrum):
    other = fit(spectrum, **{**QUICK, "random_seed": 6, "draws": 20, "predictive_draws": 0})
    assert "posterior_predictive" not in other.children
    assert not np.any(other["posterior"]["kappa"].values[0] == result["posterior"]["kappa"].values[0, :20])


def test_a_run_compiles_once(result):
    """Fits of other sizes, shapes and populations compile nothing more, nor did the first one in this process."""
    square = sample_ensemble(40, 3.0, 1.0, 0.2, 0.6, random_state=1)
    fitted = fit(
        square, n=40, population="log-normal", **{**QUICK, "draws": 20, "tune": 50, "predictive_draws": 2}
    )
    assert len(log_density_with_gradient.signatures) == 1
    assert set(fitted["posterior"].data_vars) == {
        "kappa", "dyson_index", "temperature", "correlation", "mean",
    }  # fmt: skip
    assert fitted["posterior"].attrs["infinite"] == "tail_index"


def test_an_infinite_mean_is_left_out_and_said_so():
    heavy = sample_ensemble(64, 3.0, 0.25, 0.2, 2.4, random_state=1)
    fitted = fit(heavy, n=256, **{**QUICK, "draws": 50, "tune": 100, "predictive_draws": 0})
    assert "mean" not in fitted["posterior"]
    assert fitted["posterior"].attrs["probability_infinite_mean"] > 0.9
    assert np.all(np.isfinite(az.summary(fitted)["mean"].astype(float)))


def test_the_joint_likelihood():
    """The exact density of all eigenvalues: that of counts is nearly as sharp, and in the same place."""
    eigenvalues = sample_ensemble(100, 5.0, 0.5, 0.2, random_state=3)
    settings = {**QUICK, "draws": 500, "predictive_draws": 4}
    joint = fit(eigenvalues, n=200, likelihood="joint", **settings)
    assert set(joint["posterior"].data_vars) == {"kappa", "dyson_index", "temperature", "mean"}
    assert joint["log_likelihood"]["spectrum"].shape == (2, 500)
    draw = joint["posterior"].isel(chain=1, draw=7)
    exact = laws.joint_logpdf(eigenvalues, float(draw["kappa"]), 0.5, float(draw["temperature"]))
    assert_allclose(joint["log_likelihood"]["spectrum"].isel(chain=1, draw=7), exact, rtol=1e-10)
    assert joint["posterior_predictive"]["eigenvalues"].shape == (2, 2, 100)
    low, high = np.quantile(joint["posterior"]["kappa"], [0.02, 0.98])
    assert low < 5.0 < high
    plot_spectrum(joint)
    counts = fit(eigenvalues, n=200, population="none", **settings)
    exact_kappa, kappa = (np.log(found["posterior"]["kappa"]) for found in (joint, counts))
    assert abs(float(kappa.mean() - exact_kappa.mean())) < 2 * float(exact_kappa.std())
    assert float(kappa.std()) < 1.5 * float(exact_kappa.std())
    again = fit(eigenvalues, n=200, likelihood="joint", **settings)
    assert again.identical(joint)


def test_a_joint_likelihood_needs_different_eigenvalues():
    with pytest.raises(ValueError, match="two eigenvalues are equal"):
        fit(np.repeat(np.linspace(1, 2, 20), 2), n=80, likelihood="joint", **QUICK)


@pytest.mark.parametrize("likelihood", ["counts", "joint"])
def test_kernel_spectra_follow_the_inverse_law(likelihood):
    """The posterior is that of the reciprocals; only the density of the eigenvalues has another scale."""
    weights = sample_ensemble(60, 4.0, 0.25, 0.2, 0.5 * (likelihood == "counts"), random_state=2)
    settings = {**QUICK, "draws": 50, "likelihood": likelihood}
    eigenvalues = 1 / weights
    kernel = fit(Spectrum(eigenvalues, n=240, kind="kernel", name="ntk"), **settings)
    weight = fit(Spectrum(1 / eigenvalues, n=240, kind="weight"), **settings)
    assert kernel.attrs["law"] == "inverse-htmp"
    assert_allclose(kernel["posterior"]["kappa"], weight["posterior"]["kappa"], rtol=1e-9)
    parameters = [float(kernel["posterior"][name][0, 9]) for name in ("kappa", "temperature")]
    rho = float(kernel["posterior"]["correlation"][0, 9]) if likelihood == "counts" else 0.0
    law = laws.InverseHTMP(parameters[0], 0.25, parameters[1], rho)
    assert_allclose(kernel["posterior"]["tail_index"][0, 9], law.tail_index())
    if likelihood == "joint":
        exact = laws.joint_logpdf(1 / weights, parameters[0], 0.25, parameters[1], inverse=True)
        assert_allclose(kernel["log_likelihood"]["spectrum"][0, 9], exact, rtol=1e-10)
    predicted = kernel["posterior_predictive"]["eigenvalues"]
    assert np.all(np.diff(predicted.values) >= 0)
    assert 0.2 < np.median(predicted) / np.median(1 / weights) < 5
    plot_spectrum(kernel)


@pytest.mark.slow
def test_pymcs_own_sampler(spectrum):
    fitted = fit(
        spectrum,
        nuts_sampler="pymc",
        cores=1,
        **{**QUICK, "draws": 20, "tune": 50, "chains": 1, "predictive_draws": 0},
    )
    assert fitted["posterior"]["kappa"].shape == (1, 20)
    assert fitted.attrs["nuts_sampler"] == "pymc"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"law": "gaussian"}, "law is one of htmp, inverse-htmp"),
        ({"likelihood": "marginal"}, "likelihood is one of counts, joint"),
        ({"likelihood": "density"}, "likelihood='counts' took its place"),
        ({"adjust": False}, "needs no adjustment: leave it out"),
        ({"population": "cauchy"}, "population is one of free, inverse-gamma, log-normal, none"),
        ({"nuts_sampler": "stan"}, "nuts_sampler is one of nutpie, pymc"),
        ({"spikes": "some"}, "spikes is one of off, auto, not 'some'"),
        ({"spikes": "auto", "population": "free"}, "leave spikes out, or choose"),
        ({"nuts_sampler": "pymc", "population": "free"}, "is sampled by nutpie"),
        ({"spikes": "auto", "likelihood": "joint"}, "likelihood = 'counts' only, not 'joint'"),
        ({"draws": 0}, "draws must be a whole number of at least 1"),
        ({"tune": 2.5}, "tune must be a whole number"),
        ({"chains": -1}, "chains must be a whole number"),
        ({"random_seed": -3}, "random_seed is a whole number"),
        ({"predictive_draws": -1}, "predictive_draws must be a whole number"),
    ],
)
def test_settings_that_are_not_available(spectrum, settings, message):
    with pytest.raises(HTMPError, match=message):
        fit(spectrum, **settings)


def test_bad_input(spectrum):
    with pytest.raises(HTMPError, match="needs n"):
        fit(spectrum.eigenvalues)
    with pytest.raises(SpectrumError, match="NaN"):
        fit([np.nan] * 30, n=30)
    with pytest.raises(FitError, match="aspect ratio"):
        fit(spectrum.eigenvalues, n=10**6)


@pytest.fixture(scope="module")
def spiked():
    """One spike far from the bulk and one near to it."""
    eigenvalues = sample_ensemble(62, 62.0, 0.25, 0.2, 0.2, random_state=1)
    return Spectrum(np.append(eigenvalues, max(eigenvalues) * np.array([1.5, 6.0])), n=256, name="spiked")


@pytest.fixture(scope="module")
def apart(spiked):
    return fit(spiked, spikes="auto", **QUICK)


@pytest.mark.slow
def test_spikes_are_set_apart(apart, spiked):
    assert set(apart.children) == GROUPS
    assert (apart.attrs["spikes"], apart["posterior"]["n_spikes"].dtype.kind) == ("auto", "i")
    probability = apart["constant_data/spike_number_probability"].to_numpy()
    assert probability.sum() == pytest.approx(1)
    assert probability[1:3].sum() > 0.9
    assert probability[0] < 0.01
    number = apart["posterior"]["n_spikes"].to_numpy()
    shares = np.bincount(number.ravel(), minlength=probability.size) / number.size
    assert_allclose(shares, probability, atol=4 * 0.5 / np.sqrt(number.size))
    likeliest = int(probability.argmax())
    assert_allclose(apart["constant_data/spikes"], spiked.eigenvalues[64 - likeliest :])
    predicted = apart["posterior_predictive/eigenvalues"]
    assert predicted.shape == (2, 5, 64)
    assert np.all(np.diff(predicted.values) >= 0)
    kept = np.any(predicted == spiked.eigenvalues[-1], axis=-1)
    np.testing.assert_array_equal(kept, apart["posterior/n_spikes"].sel(draw=predicted["draw"]) > 0)
    assert int(apart["sample_stats"]["diverging"].sum()) == 0
    plot_spectrum(apart)


@pytest.mark.parametrize("factors", [(4.0,), (3.0, 4.0, 6.0)], ids=len)
def test_a_fit_that_sets_none_apart_says_that_spikes_are_suspected(factors):
    eigenvalues = sample_ensemble(64, 20.0, 0.25, 0.2, 0.2, random_state=1)
    spiked = np.append(eigenvalues, max(eigenvalues) * np.array(factors))
    together = fit(spiked, n=256, **{**QUICK, "predictive_draws": 400})
    (caution,) = [text for text in check(together).cautions if text.startswith("Spikes are suspected")]
    assert ("largest eigenvalue stands" if len(factors) == 1 else "3 largest eigenvalues stand") in caution


@pytest.mark.slow
def test_arviz_works_on_a_number_of_spikes(apart):
    assert "n_spikes" in az.summary(apart).index


@pytest.mark.study
def test_spikes_are_found_alike_with_the_same_seed(apart, spiked, tmp_path):
    apart.to_netcdf(tmp_path / "posterior.nc")
    with xr.open_datatree(tmp_path / "posterior.nc") as back:
        assert back.identical(fit(spiked, spikes="auto", cores=1, **QUICK))


TRUTHS = [(128.0, 0.25, 0.6), (20.0, 0.5, 0.4), (8.0, 0.3, 0.8), (128.0, 1.0, 0.5)]


@pytest.mark.study
def test_recovers_known_parameters_of_ensemble_draws():
    """Count the 90 % intervals that hold the truth, for draws of matrices, whose eigenvalues repel.

    At a coverage of 0.9 fewer than 15 of 20 intervals hold the truth with probability 0.011.
    """
    held = {"kappa": 0, "temperature": 0, "correlation": 0}
    settings = {"draws": 400, "tune": 400, "chains": 2, "predictive_draws": 0}
    for number in range(20):
        kappa, gamma, correlation = TRUTHS[number % len(TRUTHS)]
        truth = {"kappa": kappa, "temperature": 0.1, "correlation": correlation}
        eigenvalues = sample_ensemble(128, kappa, gamma, 0.1, correlation, random_state=100 + number)
        fitted = fit(eigenvalues, n=round(128 / gamma), random_seed=number, **settings)
        for name, value in truth.items():
            low, high = np.quantile(fitted["posterior"][name], [0.05, 0.95])
            held[name] += low <= value <= high
    assert min(held.values()) >= 15, held


@pytest.mark.study
@pytest.mark.parametrize("factors", [(), (4.0,), (3.0, 4.0, 6.0)], ids=len)
def test_planted_spikes_leave_the_law_as_it_was(factors):
    """Beside the fit of the same spectrum without them, in a matrix of the same aspect ratio.

    A fit that takes the spikes for a tail has a median of the correlation that is off by more than 1.5 of the
    standard deviations of the posterior.
    """
    settings = {"draws": 200, "tune": 300, "chains": 2, "random_seed": 1, "predictive_draws": 0}
    size = 200 - len(factors)
    eigenvalues = sample_ensemble(size, 200.0, 0.25, 0.1, 0.3, random_state=size)
    spiked = np.append(eigenvalues, max(eigenvalues) * np.array(factors))
    without = fit(eigenvalues, n=4 * size, **settings)["posterior"]
    apart = fit(spiked, n=800, spikes="auto", **settings)
    assert apart["constant_data/spike_number_probability"][len(factors)] > 0.5
    for name in ("kappa", "correlation"):
        one, other = (np.log(posterior[name]) for posterior in (apart["posterior"], without))
        assert abs(float(one.median() - other.median())) < 0.7 * float(other.std())
    if factors:
        together = fit(spiked, n=800, **settings)["posterior"]["correlation"]
        assert together.median() > without["correlation"].median() + 1.5 * without["correlation"].std()
