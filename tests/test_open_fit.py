"""`fit` with the open population, as a user meets it: groups, files, what `check` and the plots say."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm
from threadpoolctl import threadpool_limits

import htmp_bayes as hb
from htmp_bayes._results import ResultError, as_netcdf

SIZE = 80
LOG_H = 0.8 * norm.ppf((np.arange(SIZE) + 0.5) / SIZE)
QUICK = {"draws": 250, "tune": 300, "random_seed": 2, "predictive_draws": 60}


def matrix(log_h, seed=3):
    noise = np.random.default_rng(seed).standard_normal((len(log_h), 4 * len(log_h)))
    return np.exp(0.5 * log_h)[:, None] * noise


@pytest.fixture(scope="module")
def result():
    return hb.fit(hb.Spectrum.from_matrix(matrix(LOG_H), name="layer.0"), **QUICK)


@pytest.fixture(scope="module")
def noise():
    return hb.fit(hb.Spectrum.from_matrix(matrix(np.zeros(SIZE)), name="noise"), **QUICK)


def test_groups_are_there_and_hold_the_truth(result):
    assert set(result.children) == {
        "posterior", "population", "sample_stats", "log_likelihood", "observed_data", "constant_data", "prior",
        "log_prior", "posterior_predictive",
    }  # fmt: skip
    assert result.attrs["population"] == "free"
    posterior = result["posterior"].to_dataset()
    assert set(result["prior"].data_vars) == set(posterior.data_vars)
    h = np.exp(LOG_H)
    truth = {
        "dyson_index": 1.0,
        "correlation": LOG_H.std(),
        "mean": h.mean(),
        "participation_ratio": h.mean() ** 2 / np.mean(h**2),
    }
    for name, value in truth.items():
        low, high = posterior[name].quantile([0.005, 0.995]).to_numpy()
        assert low < value < high, name
    assert float(posterior["n_spikes"].max()) == 0
    predicted = result["posterior_predictive"]["eigenvalues"]
    assert predicted.sizes["eigenvalue"] == SIZE
    np.testing.assert_allclose(predicted.mean(), h.mean(), rtol=0.03)


def test_the_report_shows_the_population(result, tmp_path):
    text = hb.report(result, tmp_path / "report.html").read_text("utf-8")
    assert 'alt="population of layer.0.' in text


def test_it_repeats_to_the_bit_whatever_the_threads_of_blas():
    """Of a real layer: BLAS shares only products that are large enough among threads, and then rounds otherwise."""
    (layer,) = hb.read_spectra("data/minilm.nc", include=r"layer\.5\.attention\.self\.key")
    settings = {"draws": 300, "tune": 300, "random_seed": 1, "predictive_draws": 0}
    first = hb.fit(layer, **settings)
    with threadpool_limits(1, user_api="blas"):
        again = hb.fit(layer, **settings)
    for group in ("posterior", "population", "prior"):
        xr.testing.assert_identical(again[group].to_dataset(), first[group].to_dataset())


def test_the_law_fits_and_check_says_so(result, noise):
    assert hb.check(result).fits
    assert hb.check(noise).fits
    assert any("at least" in caution for caution in hb.check(noise).cautions)


def test_it_is_saved_and_read_again(result, tmp_path):
    path = tmp_path / "posterior.nc"
    path.write_bytes(as_netcdf(result))
    with xr.open_datatree(path, engine="h5netcdf") as again:
        np.testing.assert_array_equal(again["population/log_values"], result["population/log_values"])
        assert hb.check(again).headline == hb.check(result).headline
    assert path.stat().st_size < 3e6


def test_the_population_is_drawn(result, noise):
    (ax,) = hb.plot_population(result).axes
    assert any("tail" in text.get_text() for text in ax.texts)
    (ax,) = hb.plot_population(noise).axes
    assert "as of noise" in ax.texts[0].get_text()
    for plot in (hb.plot_spectrum, hb.plot_tail, hb.plot_ecdf, hb.plot_quantiles, hb.plot_parameters):
        assert plot(result).axes


def test_a_law_of_one_parameter_has_no_population_to_draw(result):
    without = result.copy()
    del without["population"]
    with pytest.raises(ResultError, match="fit with population='free'"):
        hb.plot_population(without)


def test_phases_go_by_it(result, noise):
    assert hb.phase_probabilities(noise)["random-like"] > 0.9
    phases = hb.phase_probabilities(result)
    assert phases["random-like"] == 0
    np.testing.assert_allclose(sum(phases.values()), 1.0)


def test_reciprocals_are_those_of_the_eigenvalues():
    eigenvalues = np.sort(1 / hb.Spectrum.from_matrix(matrix(LOG_H)).eigenvalues)
    kernel = hb.Spectrum(eigenvalues, 4 * SIZE, kind="kernel", name="kernel")
    found = hb.fit(kernel, **QUICK)
    assert "mean" not in found["posterior"]
    low, high = found["posterior"]["correlation"].quantile([0.005, 0.995]).to_numpy()
    assert low < LOG_H.std() < high
    predicted = found["posterior_predictive"]["eigenvalues"].to_numpy()
    np.testing.assert_allclose(np.median(predicted), np.median(eigenvalues), rtol=0.1)


def test_check_says_when_a_few_draws_stand_for_most(result):
    words = "Pareto's k of their weights 0.90"
    assert result.attrs["pareto_k"] < 0.7
    changed = result.copy()
    changed.attrs = {**result.attrs, "pareto_k": 0.9}
    assert not any(words in reason for reason in hb.check(result).reasons)
    assert any(words in reason for reason in hb.check(changed).reasons)
