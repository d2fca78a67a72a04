"""`compare_laws`: the law that the eigenvalues come from ranks first, and what the result says."""

import csv

import arviz as az
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import htmp_bayes as hb
from htmp_bayes.comparison.contenders import CONTENDERS, _left_out
from htmp_bayes.comparison.contest import LAWS, ContestError, LawComparison, compare_laws, save_comparison
from htmp_bayes.models.layer.data import layer_data, of_reciprocals
from htmp_bayes.models.layer.likelihood import precision
from htmp_bayes.models.layer.stand_in import StandInError

QUICK = ["gamma", "inverse-gamma", "log-normal"]
FEW = {"draws": 150, "tune": 200, "chains": 2, "random_seed": 1}
DENSITIES = {
    "gamma": stats.gamma(1.5, scale=0.2),
    "inverse-gamma": stats.invgamma(1.5, scale=0.2),
    "log-normal": stats.lognorm(1.0, scale=0.1),
}


def noise(size, seed):
    matrix = np.random.default_rng(seed).normal(size=(size, 4 * size))
    return np.linalg.eigvalsh(matrix @ matrix.T)


def with_density(law, size, seed):
    """Eigenvalues with a law's density that repel each other as those of a real matrix do."""
    return law.ppf(hb.HTMP(size, 0.25, temperature=2.0).cdf(noise(size, seed)))


@pytest.fixture(scope="module")
def comparisons():
    spectra = {
        name: hb.Spectrum(with_density(DENSITIES[name], 96, 1), n=384, name=f"of {name}") for name in QUICK
    }
    return {name: compare_laws(spectrum, QUICK, **FEW) for name, spectrum in spectra.items()}


@pytest.mark.parametrize("name", QUICK)
def test_the_law_with_the_planted_density_ranks_first(comparisons, name):
    assert comparisons[name].table.index[0] == name
    assert comparisons[name].rank([name]) == 1


@pytest.mark.parametrize("name", ["htmp", "marchenko-pastur", "inverse-htmp", "log-normal"])
def test_left_out_counts_have_the_conditional_density_of_a_normal_law(name):
    data = layer_data(with_density(DENSITIES["log-normal"], 40, 2), 0.25)
    law = CONTENDERS[name]
    posterior = law.posterior(of_reciprocals(data) if law.reciprocal else data)
    point = posterior.starts()[0]
    moments, kappa = posterior.moments(point)
    assert kappa == 40  # of a real matrix
    factor = precision(posterior.data, moments, kappa).factor
    covariance, counts = np.linalg.inv(factor @ factor.T), posterior.data.counts
    whole = stats.multivariate_normal.logpdf(counts, moments.mean, covariance)
    for i, found in enumerate(posterior.leave_one_out(point)):
        others = np.arange(len(counts)) != i
        rest = stats.multivariate_normal.logpdf(
            counts[others], moments.mean[others], covariance[np.ix_(others, others)]
        )
        assert found == pytest.approx(whole - rest, rel=1e-6, abs=1e-6)


def test_a_reciprocal_law_sees_the_same_counts():
    eigenvalues = with_density(DENSITIES["log-normal"], 40, 2)
    data = layer_data(eigenvalues, 0.25)
    seen = of_reciprocals(data)
    assert_allclose(seen.counts, layer_data(1 / eigenvalues, 0.25, knots=seen.knots).counts)
    assert_allclose(of_reciprocals(seen).counts, data.counts)


@pytest.mark.filterwarnings("ignore:Estimated shape parameter")
def test_the_table_is_arvizs(comparisons):
    comparison = comparisons["log-normal"]
    theirs = az.compare(dict(comparison.results), round_to="none")
    assert list(comparison.table.index) == list(theirs.index)
    assert_allclose(comparison.table["elpd_diff"], theirs["elpd_diff"])
    assert_allclose(comparison.table["weight"].sum(), 1)
    assert_allclose(comparison.pointwise.sum(), comparison.table["elpd"])
    assert (comparison.table["divergences"] == 0).all()
    likelihood = comparison.results["gamma"]["log_likelihood/counts"]
    assert likelihood.dims == ("chain", "draw", "interval")
    assert_allclose(likelihood["interval"], comparison.pointwise.index)
    assert comparison.results["inverse-gamma"].attrs["parameters_of"] == "1/λ"


def test_the_text(comparisons):
    text = str(comparisons["gamma"])
    assert text.startswith("of gamma: Gamma predicts best")
    assert len([line for line in text.splitlines() if " ± " in line]) == 3  # the heading and two laws
    assert all(law["title"] in text for _, law in comparisons["gamma"].table.iterrows())


def test_what_is_uncertain_is_said():
    # One eigenvalue decides alone what a law with an exponential tail is.
    eigenvalues = np.append(with_density(stats.gamma(3.0), 40, 3), 300.0)
    comparison = compare_laws(hb.Spectrum(eigenvalues, n=160), ["gamma", "log-normal"], **FEW)
    assert any("so influential (Pareto k" in note and "interval" in note for note in comparison.notes)


def test_arviz_takes_counts_beyond_a_laws_edge():
    # no parameter changes the density there, and of equal values there is no tail
    data = layer_data(np.append(noise(40, 4) / 160, [50.0, 100.0]), 0.25)
    posterior = CONTENDERS["marchenko-pastur"].posterior(data)
    points = np.linspace(-0.01, 0.01, 60).reshape(2, 30, 1)
    assert len({posterior.leave_one_out(point)[-1] for point in points.reshape(-1, 1)}) == 1
    log_density = _left_out(posterior, points)
    assert np.ptp(log_density[..., -1]) < 1e-7
    tree = az.from_dict(
        {"posterior": {"location": points[..., 0]}, "log_likelihood": {"counts": log_density}}
    )
    with pytest.warns(UserWarning, match="Estimated shape"):
        assert np.isfinite(az.loo(tree).elpd)


def test_a_law_that_cannot_be_sampled_is_named(monkeypatch):
    from htmp_bayes.models.layer import stand_in

    sample = stand_in.sample_stand_in

    def some(posterior, *settings):
        if len(posterior.names) == 3:
            raise StandInError("no box")
        return sample(posterior, *settings)

    monkeypatch.setattr(stand_in, "sample_stand_in", some)
    eigenvalues = with_density(DENSITIES["gamma"], 40, 2)
    comparison = compare_laws(eigenvalues, [*QUICK[::2], "power-law-tail"], n=160, **FEW)
    assert list(comparison.table.index) == ["gamma", "log-normal"]
    assert "power-law tail was left out: it cannot be sampled on this spectrum (no box)." in str(comparison)
    with pytest.raises(ContestError, match="No two laws can be compared"):
        compare_laws(eigenvalues, ["gamma", "power-law-tail"], n=160, **FEW)


def test_the_same_seed_gives_the_same_table(comparisons):
    spectrum = hb.Spectrum(with_density(DENSITIES["gamma"], 96, 1), n=384)
    again = compare_laws(spectrum, QUICK, **FEW, cores=1)
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


N = 256


def drawn(law):
    """Eigenvalues of real matrices where there is one, and elsewhere such as repel each other as theirs do."""
    if law.startswith("marchenko-pastur-"):
        population = law.removeprefix("marchenko-pastur-")
        return hb.sample_ensemble(N, N, 0.25, 0.1, 0.8, population, random_state=11)
    if law == "marchenko-pastur":
        return noise(N, 11)
    densities = {
        "htmp": hb.HTMP(4.0, 0.25, 0.1, 0.8, "inverse-gamma"),
        "htmp-log-normal": hb.HTMP(6.0, 0.25, 0.1, 0.8, "log-normal"),
        "htmp-uncorrelated": hb.HTMP(2.0, 0.25, 0.1),
        "inverse-htmp": hb.InverseHTMP(4.0, 0.25, 0.1, 0.3, "inverse-gamma"),
    }
    if law == "power-law-tail":
        return np.exp(with_density(stats.exponnorm(1 / (0.4 * 1.5), scale=0.4), N, 11))
    return with_density({**densities, **DENSITIES}[law], N, 11)


@pytest.mark.study
@pytest.mark.parametrize("law", LAWS)
def test_on_draws_from_each_law_it_ranks_first(law):
    comparison = compare_laws(drawn(law), n=4 * N, draws=250, tune=300, random_seed=1)
    assert law in comparison.best, str(comparison)
