"""Spectra that noise is carried over to are those of whole matrices, as far as plots and checks look."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from htmp_bayes.laws import MarchenkoPastur
from htmp_bayes.laws.carried_noise import CarriedNoise, _rises, law_of_matrix
from htmp_bayes.laws.ensemble import sample_ensembles
from htmp_bayes.laws.grid_law import GridLaw

SIZE, MATRICES = 384, 200
SETTINGS = {
    "heavy tail": (384.0, 0.5, 0.8, "inverse-gamma"),
    "square edges": (384.0, 0.5, 0.0, "point"),
    "narrow population": (384.0, 0.25, 0.3, "log-normal"),
    "square matrix": (384.0, 1.0, 0.5, "inverse-gamma"),
    "complex": (768.0, 0.25, 0.6, "log-normal"),
    "weak repulsion": (40.0, 0.37, 0.7, "inverse-gamma"),
    "weak repulsion, square": (100.0, 1.0, 0.5, "inverse-gamma"),
}


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[] if name == "heavy tail" else pytest.mark.slow) for name in SETTINGS],
)
def both(request):
    """Log-eigenvalues of whole matrices and of carried-over noise; pieces of the latter are glued."""
    kappa, gamma, correlation, population = SETTINGS[request.param]
    rng = np.random.default_rng(1)
    whole = sample_ensembles(MATRICES, SIZE, kappa, gamma, 1.0, correlation, population, rng)
    law = law_of_matrix(kappa, gamma, 1.0, correlation, population)
    noise = CarriedNoise(SIZE, gamma, law, noise_size=256)
    carried = np.array([noise.spectrum(law, kappa / SIZE, rng) for _ in range(MATRICES)])
    return np.log(whole), np.log(carried)


def counts(spectra, places):
    return np.array([np.searchsorted(row, places) for row in spectra])


def places(whole, number):
    return np.quantile(whole, np.arange(1, number) / number)


def test_mean_counts(both):
    whole, carried = (counts(each, places(both[0], 40)) for each in both)
    error = np.hypot(whole.std(axis=0), carried.std(axis=0)) / np.sqrt(MATRICES)
    # a quarter of an eigenvalue is what the mean is known to
    assert np.all(np.abs(whole.mean(axis=0) - carried.mean(axis=0)) < 4 * error + 0.25)


@pytest.mark.parametrize("number", [4, 12, 40])
def test_scatter_of_counts_and_of_their_differences(both, number):
    """Of long stretches of a spectrum and of short ones, down to ten eigenvalues."""
    whole, carried = (counts(each, places(both[0], number)) for each in both)
    error = 1 / np.sqrt(MATRICES)  # of the logarithm of a ratio of two standard deviations
    for of in (lambda each: each, lambda each: np.diff(each, axis=1)):
        ratio = np.log(of(carried).std(axis=0) / of(whole).std(axis=0))
        assert np.abs(ratio).max() < 4 * error + 0.04
        assert abs(ratio.mean()) < 2.5 * error  # neighbouring counts are nearly the same number


def test_long_waves_are_correlated_as_they_are(both):
    whole, carried = (np.corrcoef(counts(each, places(both[0], 8)).T) for each in both)
    assert np.abs(whole - carried).max() < 4 * np.sqrt(2 / MATRICES)


def gap_ratio(spectra):
    gaps = np.diff(np.exp(spectra), axis=1)
    return (np.minimum(gaps[:, 1:], gaps[:, :-1]) / np.maximum(gaps[:, 1:], gaps[:, :-1])).mean(axis=1)


def test_gaps(both):
    """Neighbours repel one another as they do, and between pieces of noise nearly so."""
    whole, carried = map(gap_ratio, both)
    error = np.hypot(whole.std(), carried.std()) / np.sqrt(MATRICES)
    assert abs(whole.mean() - carried.mean()) < 4 * error + 0.01


@pytest.mark.parametrize("rank", [1, 5, -5, -2])
def test_eigenvalues_near_the_ends(both, rank):
    whole, carried = (each[:, rank] for each in both)
    assert abs(np.log(carried.std() / whole.std())) < 0.3
    assert abs(carried.mean() - whole.mean()) < 0.4 * whole.std()


def test_the_widest_gap_at_the_upper_end(both, request):
    """What tells spikes from a tail: its quantiles are a sixth off at most, or 0.3 where repulsion is weak."""
    weak = "weak" in request.node.callspec.id
    above = np.sqrt(np.arange(10, 0, -1))
    whole, carried = ((above * np.diff(each[:, -11:], axis=1)).max(axis=1) for each in both)
    quantiles = [np.quantile(each, [0.5, 0.9]) for each in (whole, carried)]
    assert np.abs(np.log(quantiles[1] / quantiles[0])).max() < (0.3 if weak else 1 / 6)


def test_all_of_the_noise_may_come_from_one_matrix():
    law = law_of_matrix(300.0, 0.5, 1.0, 0.5, "inverse-gamma")
    rng = np.random.default_rng(2)
    whole = sample_ensembles(100, 300, 300.0, 0.5, 1.0, 0.5, random_state=rng)
    carried = np.array([CarriedNoise(300, 0.5, law).spectrum(law, 1.0, rng) for _ in range(100)])
    assert ks_2samp(whole[:, 150], carried[:, 150]).pvalue > 1e-3
    assert ks_2samp(whole[:, -1], carried[:, -1]).pvalue > 1e-3


def test_a_law_from_far_away_has_a_grid_of_its_own():
    near, far = MarchenkoPastur(gamma=0.5, correlation=0.5), MarchenkoPastur(0.5, 1e4, correlation=0.5)
    first, second = (
        CarriedNoise(600, 0.5, law).spectrum(far, 1.0, np.random.default_rng(1)) for law in (near, far)
    )
    np.testing.assert_allclose(first, second, rtol=1e-3)


def test_any_law_will_do():
    exact = MarchenkoPastur(gamma=0.25, correlation=0.4)
    x = np.geomspace(*exact.ppf([1e-9, 1 - 1e-9]), 3000)
    law = GridLaw(x, exact.pdf(x), gamma=0.25)
    first, second = (
        CarriedNoise(600, 0.25, each).spectrum(each, 1.0, np.random.default_rng(1)) for each in (exact, law)
    )
    np.testing.assert_allclose(first[10:-10], second[10:-10], rtol=5e-3)


def test_where_hardly_anything_lies_rounding_makes_no_step_back():
    values = np.array([0.1, 0.3, 0.3 - 1e-17, 0.3 - 1e-16, 0.3 - 2e-16, 0.5, 0.4, 0.6])
    kept = values[_rises(values)]
    np.testing.assert_array_equal(kept, [0.1, 0.3, 0.5, 0.6])


def test_the_same_seed_gives_the_same_spectrum():
    law = MarchenkoPastur(gamma=0.5, correlation=0.5)
    first, second = (
        CarriedNoise(1500, 0.5, law).spectrum(law, 1.0, np.random.default_rng(7)) for _ in range(2)
    )
    assert first.tobytes() == second.tobytes()
    assert np.all(np.diff(first) > 0)
