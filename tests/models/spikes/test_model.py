"""The number of spikes: planted ones are found, a heavy tail is none, and units do not matter."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from htmp_bayes.laws.ensemble import sample_ensemble
from htmp_bayes.models.spikes.model import SpikedSpectrum, largest_number, weigh_numbers


def spiked(eigenvalues, inverse=False):
    followed = np.sort(1 / eigenvalues if inverse else eigenvalues)
    return SpikedSpectrum(followed, 0.25, "inverse-gamma", inverse)


def bulk(kappa=60.0, correlation=0.3, size=60, seed=1):
    return np.sort(sample_ensemble(size, kappa, 0.25, 0.2, correlation, random_state=seed))


def planted(eigenvalues, *factors):
    return np.append(eigenvalues, eigenvalues.max() * np.array(factors))


def test_fewer_are_looked_for_in_small_matrices():
    assert [largest_number(size) for size in (5, 32, 64, 100, 1000)] == [0, 3, 6, 10, 10]


@pytest.mark.study
@pytest.mark.parametrize("factors", [(), (4.0,), (3.0, 4.0, 6.0)], ids=len)
def test_planted_spikes_are_found(factors):
    numbers = weigh_numbers(spiked(planted(bulk(), *factors)))
    assert numbers.probability.sum() == pytest.approx(1)
    assert set(numbers.posteriors) == set(np.flatnonzero(numbers.probability))
    assert numbers.most_probable == len(factors), numbers.probability


def test_the_bulk_below_spikes_has_the_law_that_it_has_without_them():
    without, beside = spiked(bulk()), spiked(planted(bulk(), 4.0, 6.0))
    alone, below = without.posterior(0).mode, beside.posterior(2).mode
    spread = np.sqrt(np.diag(without.posterior(0).covariance))
    assert np.all(np.abs(alone - below)[:2] < 0.6 * spread[:2])


def test_spikes_of_kernels_are_the_largest_eigenvalues_too():
    kernel = 1 / bulk(size=40)
    found = weigh_numbers(spiked(planted(kernel, 8.0), inverse=True))
    assert found.most_probable == 1, found.probability


def test_units_do_not_matter():
    eigenvalues = planted(bulk(size=40), 1.5)
    first, second = (weigh_numbers(spiked(scale * eigenvalues)).probability for scale in (1, 1e4))
    assert_allclose(first, second, atol=0.02)


@pytest.mark.study
def test_a_heavy_tail_is_no_spike():
    """A law of tail index 2.4 has eigenvalues as far out as spikes: that leaves it open, and seldom says otherwise.

    Under a law without spikes the odds on them are 9 or more with a probability of at most 1/9 (Markov's inequality for
    the Bayes factor, whose expectation is 1): in more than one of four draws, at most 0.06.
    """
    found = [weigh_numbers(spiked(bulk(150.0, 1.0, 150, seed))) for seed in range(4)]
    assert sum(numbers.probability[0] < 0.1 for numbers in found) <= 1
