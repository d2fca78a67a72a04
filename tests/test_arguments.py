"""What is passed in place of a spectrum or a result gets a sentence that helps; what is meant well is taken."""

from pathlib import Path

import numpy as np
import pymc as pm
import pytest
import xarray as xr

import htmp_bayes as hb
from htmp_bayes._arguments import as_spectrum
from htmp_bayes.models import HTMP, InverseHTMP

W = np.random.default_rng(1).normal(size=(60, 200))
SPECTRUM = hb.Spectrum.from_matrix(W, name="noise")
RESULT = xr.DataTree.from_dict({"posterior": xr.Dataset({"kappa": (("chain", "draw"), np.ones((2, 4)))})})


def assert_helps(call, *words):
    """One sentence, of the kind that users mend, with these words in it."""
    with pytest.raises(hb.HTMPError) as caught:
        call()
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    for word in words:
        assert word in sentence


@pytest.mark.parametrize("function", [hb.fit, hb.estimate, hb.compare_laws])
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("data/minilm.nc", ["not a path", "read_spectra"]),
        (Path("data/minilm.nc"), ["not a path", "read_spectra"]),
        ({"a": W}, ["not a dictionary", "read_spectra"]),
        ([SPECTRUM, SPECTRUM], ["not a list", "for s in spectra"]),
        ([W, W], ["not a list"]),
        (RESULT, ["not a result", "pass what was fitted"]),
        (None, ["not None", "Spectrum.from_matrix"]),
        (3.0, ["not a float"]),
        (SPECTRUM.eigenvalues, ["needs n", "(eigenvalues, n=...)"]),
    ],
)
def test_what_is_no_spectrum(function, given, words):
    assert_helps(lambda: function(given), *words)


def test_matrices_and_eigenvalues_are_spectra():
    named = hb.Spectrum.from_matrix(W)
    assert as_spectrum(W) == named
    assert np.array_equal(as_spectrum(list(SPECTRUM), 200).eigenvalues, SPECTRUM.eigenvalues)
    assert as_spectrum(W.reshape(60, 8, 5, 5)).n == 200
    assert hb.estimate(W).values == hb.estimate(SPECTRUM).values
    assert_helps(lambda: as_spectrum(W, 200), "leave n out")


@pytest.mark.parametrize(
    "function",
    [
        hb.check,
        hb.phase_probabilities,
        hb.plot_spectrum,
        hb.plot_tail,
        hb.plot_ecdf,
        hb.plot_quantiles,
        hb.plot_parameters,
        hb.plot_layers,
        hb.plot_depth,
        hb.plot_ridge,
        hb.plot_kappa_correlation,
        hb.plot_trajectories,
        hb.compare_layers,
        hb.compare_models,
        lambda given: hb.report(given, "report.html"),
    ],
)
@pytest.mark.parametrize(
    ("given", "words"),
    [(SPECTRUM, ["fit it first"]), ("run", ["a path", "read_run"]), (None, ["pass what fit"])],
)
def test_what_is_no_result(function, given, words):
    assert_helps(lambda: function(given), "A result of fit is wanted", *words)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("data/minilm.nc", ["not a path", "read_spectra"]),
        (SPECTRUM, ["[spectrum]"]),
        ([W, W], ["an array of shape (60, 200)", "Spectrum.from_matrix"]),
        (RESULT, ["not a result"]),
        (W, ["read_spectra"]),
        ({"a": SPECTRUM, "b": SPECTRUM}, ["[spectrum]"]),
    ],
)
def test_what_is_no_list_of_spectra(given, words):
    assert_helps(lambda: hb.fit_network(given), "fit_network takes a list of spectra", *words)


def test_other_slips(tmp_path):
    assert_helps(lambda: hb.save_spectra([W], tmp_path / "a.nc"), "Spectrum.from_matrix")
    assert_helps(
        lambda: hb.read_spectra("data/minilm.nc", include=["a"]), "include is one regular", "query|key"
    )
    assert_helps(lambda: hb.Spectrum(W, 200), "Spectrum.from_matrix")
    assert_helps(lambda: hb.load_example("bert"), "minilm and training")
    assert_helps(lambda: hb.fit(SPECTRUM, random_seed="one"), "random_seed is a whole number")
    assert_helps(lambda: hb.fit(SPECTRUM, random_seed=1, random_state=1), "two names of one thing")
    hb.save_spectra(SPECTRUM, tmp_path / "one.nc")
    assert hb.read_spectra(tmp_path / "one.nc") == [SPECTRUM]


def test_a_law_of_numbers_in_a_model_of_pymc():
    with pm.Model():
        kappa = pm.HalfNormal("kappa")
        assert_helps(lambda: hb.HTMP("x", kappa=kappa, gamma=0.5), "htmp_bayes.models.HTMP")
        assert_helps(lambda: hb.HTMP(kappa, 0.5), "htmp_bayes.models.HTMP")


def test_draws_out_of_range_say_so():
    with pytest.raises(ValueError, match="kappa must be in"):
        pm.draw(HTMP.dist(-1.0, 0.5))


@pytest.mark.parametrize(("ours", "law"), [(HTMP, hb.HTMP), (InverseHTMP, hb.InverseHTMP)])
def test_icdf_is_the_quantile_of_the_law(ours, law):
    shares = np.array([0.0, 0.03, 0.5, 0.999, 1.0])
    found = pm.icdf(ours.dist(5.0, 0.5, 2.0, 0.3), shares).eval()
    np.testing.assert_allclose(found, law(5.0, 0.5, 2.0, 0.3).ppf(shares), rtol=1e-8)
    several = pm.icdf(ours.dist([5.0, 6.0], 0.5), 0.3).eval()
    np.testing.assert_allclose(several, law([5.0, 6.0], 0.5).ppf(0.3), rtol=1e-8)
    assert np.isnan(pm.icdf(ours.dist(5.0, 0.5), 1.5).eval())


def test_a_spectrum_is_an_array_to_those_who_take_it_for_one():
    assert SPECTRUM[-1] == SPECTRUM.eigenvalues[-1]
    assert np.array_equal(SPECTRUM[:3], SPECTRUM.eigenvalues[:3])
    assert list(SPECTRUM) == SPECTRUM.eigenvalues.tolist()
    assert np.array_equal(np.asarray(SPECTRUM), SPECTRUM.eigenvalues)
    assert np.log(SPECTRUM).mean() == pytest.approx(np.log(SPECTRUM.eigenvalues).mean())
    table = SPECTRUM.to_dataframe()
    assert list(table.columns) == ["name", "n", "eigenvalue"]
    assert len(table) == 60
    assert SPECTRUM.plot(figsize=(5, 4)).axes[0].get_xscale() == "log"


def test_a_generator_is_a_seed():
    ensemble = [hb.sample_ensemble(30, 5.0, 0.5, **{name: 3}) for name in ("random_seed", "random_state")]
    assert np.array_equal(*ensemble)
    rng = np.random.default_rng(3)
    assert np.array_equal(hb.sample_ensemble(30, 5.0, 0.5, random_seed=rng), ensemble[0])
