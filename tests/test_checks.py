"""What `check` finds wrong, and that each finding can come about."""

import pickle

import numpy as np
import pytest
import xarray as xr

from htmp_bayes import check
from htmp_bayes._results import ResultError
from tests.plots.results import law_test

DIMENSIONS = ("chain", "draw")


def independent(chains=4, draws=1000, seed=1):
    return np.random.default_rng(seed).normal(size=(chains, draws))


def result_of(kappa, energy=None, diverging=0):
    """A result with these draws of kappa beside flawless ones of the correlation."""
    flags = np.zeros(kappa.shape, dtype=bool)
    flags.flat[:diverging] = True
    posterior = {"kappa": kappa, "correlation": independent(*kappa.shape, seed=2)}
    statistics = {
        "energy": independent(*kappa.shape, seed=3) if energy is None else energy,
        "diverging": flags,
    }
    tree = xr.DataTree.from_dict(
        {
            group: xr.Dataset({name: (DIMENSIONS, values) for name, values in variables.items()})
            for group, variables in {"posterior": posterior, "sample_stats": statistics}.items()
        }
    )
    tree.attrs = {"name": "layer.0", "tune": 500, "draws": kappa.shape[1]}
    return tree


def autocorrelated(coefficient, seed=1):
    noise, chain = independent(seed=seed), np.zeros((4, 1000))
    for step in range(1, 1000):
        chain[:, step] = coefficient * chain[:, step - 1] + noise[:, step]
    return chain


def test_independent_draws_pass():
    verdict = check(result_of(independent()))
    assert verdict
    assert verdict.usable
    assert verdict.reasons == ()
    assert str(verdict) == "layer.0: usable"
    assert verdict.r_hat.keys() == {"kappa", "correlation"}
    assert verdict.ess_bulk["kappa"] == pytest.approx(4000, rel=0.15)
    assert verdict.e_bfmi > 1


def test_divergences_are_counted():
    verdict = check(result_of(independent(), diverging=3))
    assert not verdict
    assert verdict.divergences == 3
    assert verdict.reasons == (
        "3 of 4000 draws diverged, so the sampler may have missed a part of the posterior; "
        "fit with more tuning steps (tune = 1000).",
    )
    assert str(verdict) == f"layer.0: not usable as it is\n  - {verdict.reasons[0]}"


def test_a_chain_elsewhere_is_seen_by_r_hat():
    verdict = check(result_of(independent() + np.array([[2.0], [0.0], [0.0], [0.0]])))
    (reason,) = [text for text in verdict.reasons if text.startswith("R-hat")]
    assert "for kappa (more than 1.01)" in reason
    assert "correlation" not in reason
    assert "tune = 1000" in reason
    assert "draws = 2000" in reason


def test_a_chain_that_moves_slowly_has_too_small_an_effective_size_and_is_told_how_many_draws_it_needs():
    verdict = check(result_of(autocorrelated(0.95)))
    (reason,) = [text for text in verdict.reasons if text.startswith("The bulk")]
    assert verdict.ess_bulk["kappa"] < 400
    needed = 1000 * max(2, 1.2 * 400 / verdict.ess_bulk["kappa"])
    assert f"draws = {np.ceil(needed / 100) * 100:.0f}" in reason


def test_the_tails_are_judged_by_themselves():
    verdict = check(result_of(independent(chains=4, draws=80)))
    assert {reason.partition(" effective")[0] for reason in verdict.reasons} == {"The bulk", "The tail"}


def test_an_energy_that_moves_slowly_is_seen_by_e_bfmi():
    verdict = check(result_of(independent(), energy=autocorrelated(0.97)))
    (reason,) = verdict.reasons
    assert reason.startswith(f"E-BFMI is {verdict.e_bfmi:.2f} (less than 0.3)")


def test_one_chain_cannot_be_judged():
    (reason,) = check(result_of(independent(chains=1))).reasons
    assert reason.startswith("There is one chain")


def test_draws_that_are_all_the_same_do_not_pass():
    verdict = check(result_of(np.ones((4, 1000))))
    assert np.isnan(verdict.r_hat["kappa"])
    assert any(reason.startswith("R-hat is nan for kappa") for reason in verdict.reasons)


@pytest.mark.parametrize("missing", ["posterior", "sample_stats"])
def test_something_else_than_a_fit_is_refused(missing):
    result = result_of(independent(draws=10))
    del result[missing]
    with pytest.raises(ResultError, match=f"no group '{missing}'"):
        check(result)


def with_spectra(observed, predicted):
    tree = result_of(independent())
    spectra = np.sort(predicted, axis=-1)[None]
    tree["observed_data"] = xr.DataTree(xr.Dataset({"eigenvalues": ("eigenvalue", np.sort(observed))}))
    dims = (*DIMENSIONS, "eigenvalue")
    tree["posterior_predictive"] = xr.DataTree(xr.Dataset({"eigenvalues": (dims, spectra)}))
    return tree


def log_normal(shape, seed):
    return np.exp(np.random.default_rng(seed).normal(size=shape))


PREDICTED = log_normal((100, 400), 10)


def with_law_test(fits, **changed):
    tree = result_of(independent())
    found = law_test(fits)
    tree["constant_data"] = xr.DataTree(found.assign({name: ((), value) for name, value in changed.items()}))
    return tree


def test_a_law_that_fits_is_said_to_and_makes_the_verdict_truthy():
    verdict = check(with_law_test(True))
    assert verdict
    assert verdict.fits
    assert verdict.misfits == ()
    assert str(verdict) == "layer.0: usable, and the law fits"


def test_a_law_that_does_not_fit_leaves_the_draws_usable_and_says_where_it_is_off_and_by_how_many():
    verdict = check(with_law_test(False))
    assert not verdict
    assert verdict.usable
    assert not verdict.fits
    counts, gaps = verdict.misfits
    assert "off by up to 0.11 (chi-squared 150 of 20 counts, p < 0.0001)" in counts
    assert "eigenvalues: 5 too many between 2 and 3 (lower edge)" in counts
    assert gaps.startswith("Neighbouring gaps say kappa/N = 1 [0.7, 1.4], the counts 0.02 [0.01, 0.03]")
    assert str(verdict).startswith("layer.0: usable, but the law does not fit\n  - ")


def test_a_small_repulsion_that_hides_a_misfit_is_given_away_by_the_gaps():
    verdict = check(with_law_test(False, probability_of_counts=0.5, kolmogorov_distance=0.01))
    assert not verdict.fits
    assert len(verdict.misfits) == 1
    assert "a repulsion that the spectrum does not have" in verdict.misfits[0]


def test_a_spectrum_without_gaps_is_judged_by_its_counts():
    assert check(with_law_test(True, probability_of_gaps=np.nan)).fits


def test_spikes_are_seldom_suspected_in_a_spectrum_like_the_predicted_ones():
    """A test at 2 % on each of ten: more than one alarm has a probability of 2 %."""
    assert sum(len(check(with_spectra(log_normal(400, seed), PREDICTED)).cautions) for seed in range(10)) <= 1


def test_spikes_are_counted():
    verdict = check(
        with_spectra(np.append(np.sort(log_normal(400, 1))[:-3], [900.0, 1000.0, 1100.0]), PREDICTED)
    )
    (caution,) = [text for text in verdict.cautions if text.startswith("Spikes")]
    assert "the 3 largest eigenvalues stand apart" in caution
    assert "spikes='auto'" in caution


def test_more_spikes_than_are_looked_for_are_said_and_those_set_apart_are_not():
    observed = np.append(np.sort(log_normal(400, 1))[:-3], [900.0, 1000.0, 1100.0])
    tree = with_spectra(observed, PREDICTED)
    number = np.full((4, 1000), 3)
    tree["posterior"] = xr.DataTree(tree["posterior"].to_dataset().assign(n_spikes=(DIMENSIONS, number)))
    for last, said in ((0.2, 1), (0.01, 0)):
        probability = xr.Dataset({"spike_number_probability": ("number", [0.0, 1 - last, last])})
        tree["constant_data"] = xr.DataTree(probability)
        verdict = check(tree)
        spikes = [caution for caution in verdict.cautions if "pikes" in caution]
        assert len(spikes) == said
        assert all(text.startswith("There may be more spikes than the 2 that") for text in spikes)
        assert verdict.usable, "a number that is the same in all draws has no R-hat, and needs none"
        assert "n_spikes" not in verdict.r_hat


def test_few_predictive_spectra_are_not_judged_by():
    observed = np.append(np.sort(log_normal(400, 1))[:-3], [900.0, 1000.0, 1100.0])
    assert check(with_spectra(observed, PREDICTED[:50])).cautions == ()


def with_sensitivity(prior, likelihood):
    """Draws whose log-prior and log-likelihood vary so much with kappa."""
    kappa = independent()
    tree = result_of(kappa)
    tree["log_prior"] = xr.DataTree(xr.Dataset({"kappa": (DIMENSIONS, prior * kappa)}))
    pointwise = likelihood * kappa[..., None] * np.ones(20) / 20
    tree["log_likelihood"] = xr.DataTree(
        xr.Dataset({"eigenvalues": ((*DIMENSIONS, "eigenvalue"), pointwise)})
    )
    return tree


def test_a_parameter_that_the_prior_decides_is_named():
    (caution,) = check(with_sensitivity(prior=2.0, likelihood=0.0)).cautions
    assert caution.startswith("The spectrum says little about kappa")
    (caution,) = check(with_sensitivity(prior=2.0, likelihood=2.0)).cautions
    assert caution.startswith("Both the prior and the spectrum bear on kappa")
    assert check(with_sensitivity(prior=0.0, likelihood=2.0)).cautions == ()


def test_a_verdict_goes_to_another_process():
    verdict = check(result_of(independent()))
    assert pickle.loads(pickle.dumps(verdict)) == verdict  # noqa: S301 - its own bytes
