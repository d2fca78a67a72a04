"""`compare_laws`: the law that the eigenvalues come from ranks first, and what the result says."""

import csv

import arviz as az
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import htmp_bayes as hb
from htmp_bayes.contest import LAWS, ContestError, LawComparison, compare_laws, save_comparison
from htmp_bayes.models.rival_laws import _compiled_model

N = 256
QUICK = ["gamma", "inverse-gamma", "log-normal"]


def independent(name, rng):
    if name == "gamma":
        return rng.gamma(1.5, 0.2, size=N)
    if name == "inverse-gamma":
        return 0.2 / rng.gamma(1.5, size=N)
    return np.exp(rng.normal(-2.0, 1.0, size=N))


@pytest.fixture(scope="module")
def comparisons():
    rng = np.random.default_rng(1)
    spectra = {name: hb.Spectrum(independent(name, rng), n=1024, name=f"of {name}") for name in QUICK}
    return {name: compare_laws(spectrum, QUICK, random_seed=1) for name, spectrum in spectra.items()}


@pytest.mark.parametrize("name", QUICK)
def test_the_law_of_independent_draws_ranks_first(comparisons, name):
    assert name in comparisons[name].best
    assert comparisons[name].rank([name]) == 1


def test_each_law_is_compiled_once(comparisons):
    assert _compiled_model.cache_info().misses == 2  # the inverse-gamma law is the Gamma law of 1/λ


def test_the_likelihood_of_a_reciprocal_law(comparisons):
    result = comparisons["gamma"].results["inverse-gamma"]
    draw = result["posterior"].to_dataset().isel(chain=1, draw=7)
    shape, mean = float(draw["shape"]), float(draw["mean"])
    law = stats.invgamma(shape, scale=shape / mean)
    ours = result["log_likelihood/eigenvalues"].isel(chain=1, draw=7)
    assert_allclose(ours, law.logpdf(result["observed_data/eigenvalues"]))
    assert result.attrs["parameters_of"] == "1/λ"


def test_the_table_is_arvizs(comparisons):
    comparison = comparisons["log-normal"]
    theirs = az.compare(dict(comparison.results), round_to="none")
    assert list(comparison.table.index) == list(theirs.index)
    assert_allclose(comparison.table["elpd_diff"], theirs["elpd_diff"])
    assert_allclose(comparison.table["weight"].sum(), 1)
    assert_allclose(comparison.pointwise.sum(), comparison.table["elpd"])
    assert (comparison.table["divergences"] == 0).all()
    assert (comparison.table["r_hat"] < 1.01).all()


def test_the_text(comparisons):
    text = str(comparisons["gamma"])
    assert text.startswith("of gamma: Gamma predicts best")
    assert len([line for line in text.splitlines() if " ± " in line]) == 3  # the heading and two laws
    assert all(law["title"] in text for _, law in comparisons["gamma"].table.iterrows())


def test_what_is_uncertain_is_said(comparisons):
    # One eigenvalue decides alone what a law with an exponential tail is.
    eigenvalues = np.append(np.random.default_rng(2).gamma(3.0, size=40), 300.0)
    comparison = compare_laws(hb.Spectrum(eigenvalues, n=100), ["gamma", "log-normal"], random_seed=1)
    assert any("Gamma: one eigenvalue is so influential (Pareto k" in note for note in comparison.notes)


def test_the_same_seed_gives_the_same_table(comparisons):
    spectrum = hb.Spectrum(comparisons["gamma"].results["gamma"]["observed_data/eigenvalues"].values, n=1024)
    again = compare_laws(spectrum, QUICK, random_seed=1, cores=1)
    pd.testing.assert_frame_equal(again.table, comparisons["gamma"].table)


def test_csv(comparisons, tmp_path):
    save_comparison(comparisons["gamma"], tmp_path / "compare_laws.csv")
    with open(tmp_path / "compare_laws.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["law"] for row in rows] == list(comparisons["gamma"].table.index)
    assert_allclose([float(row["elpd"]) for row in rows], comparisons["gamma"].table["elpd"])


def test_ranks_count_what_is_clearly_better():
    pointwise = pd.DataFrame(
        {"gamma": [9.0, 9.1, 8.9], "log-normal": [8.0, 8.2, 7.7], "htmp": [0.0, 0.1, 0.0]}
    )
    table = pd.DataFrame({"title": ["", "", ""]}, index=["gamma", "log-normal", "htmp"])
    comparison = LawComparison("", table, pointwise, {}, ())
    assert comparison.rank(["log-normal"]) == 1  # clearly worse, but by less than four nats
    assert comparison.rank() == 3
    assert comparison.best == ("gamma", "log-normal")
    with pytest.raises(ContestError, match="None of inverse-htmp was compared"):
        comparison.rank(["inverse-htmp"])


def test_bad_input():
    eigenvalues = np.random.default_rng(1).gamma(2.0, size=30)
    with pytest.raises(ContestError, match="not 'cauchy'"):
        compare_laws(eigenvalues, ["gamma", "cauchy"], n=60)
    with pytest.raises(ContestError, match="Two laws at least"):
        compare_laws(eigenvalues, ["gamma"], n=60)
    with pytest.raises(ValueError, match="needs n"):
        compare_laws(eigenvalues)
    with pytest.raises(ValueError, match="draws must be a whole number"):
        compare_laws(eigenvalues, n=60, draws=0)


def drawn(law, seed):
    """Draws from each law: of matrices where there is an ensemble, and independent ones elsewhere."""
    rng = np.random.default_rng(seed)
    if law == "htmp":
        return hb.sample_ensemble(N, 4.0, 0.25, 0.1, 0.8, "inverse-gamma", rng)
    if law == "htmp-log-normal":
        return hb.sample_ensemble(N, 6.0, 0.25, 0.1, 0.8, "log-normal", rng)
    if law == "htmp-uncorrelated":
        return hb.sample_ensemble(N, 2.0, 0.25, 0.1, random_state=rng)
    if law == "inverse-htmp":
        return 1 / hb.sample_ensemble(N, 4.0, 0.25, 0.1, 0.3, "inverse-gamma", rng)
    if law == "marchenko-pastur":
        return np.linalg.svd(rng.normal(size=(N, 4 * N)), compute_uv=False) ** 2 / (4 * N)
    if law == "power-law-tail":
        body, tail = rng.normal(0.0, 0.4, size=4 * N), 0.3 + rng.exponential(1 / 1.5, size=N)
        return np.exp(np.concatenate([body[body < 0.3][: N - 64], tail[:64]]))
    return independent(law, rng)


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS)
def test_on_draws_from_each_law_it_ranks_first(law):
    comparison = compare_laws(drawn(law, seed=11), n=4 * N, draws=500, tune=500, random_seed=1)
    assert law in comparison.best, str(comparison)
