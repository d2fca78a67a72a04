"""A layer's likelihood of one number by draws of posterior and prior: against likelihoods that are known."""

import numpy as np
import pytest

from htmp_bayes.models.network.site import Site

RNG = np.random.default_rng(1)


def conjugate(mean, sd, draws=20_000):
    """Draws of posterior and prior where the prior is standard normal and the likelihood normal."""
    variance = 1 / (1 + sd**-2)
    return RNG.normal(variance * mean / sd**2, np.sqrt(variance), draws), RNG.normal(0, 1, draws)


@pytest.mark.parametrize(("mean", "sd"), [(0.3, 0.05), (1.0, 0.5), (-0.5, 1.0)])
def test_a_normal_likelihood_comes_back(mean, sd):
    normal = Site(*conjugate(mean, sd)).normal_form(0.2, 2.0)
    assert normal.linear / normal.precision == pytest.approx(mean, abs=0.12 * sd)
    assert normal.precision**-0.5 == pytest.approx(sd, rel=0.08)


def test_the_tails_are_those_of_the_likelihood():
    site = Site(*conjugate(1.0, 0.5))
    x = 1.0 + 0.5 * np.array([-4.0, -3.0, 0.0, 3.0, 4.0])
    found = site.log_likelihood(x) - site.log_likelihood(np.array([1.0]))
    assert found == pytest.approx([-8.0, -4.5, 0.0, -4.5, -8.0], abs=1.2)


def test_what_the_prior_alone_decides_is_no_evidence():
    """The likelihood has an upper end, and below it is the same everywhere: 'at most'."""
    prior = RNG.normal(0, 1, 200_000)
    kept = RNG.uniform(size=prior.size) < 1 / (1 + np.exp(20 * (prior + 0.5)))
    site = Site(prior[kept], prior)
    below = site.log_likelihood(np.linspace(-3.0, -1.0, 20))
    assert np.ptp(below) < 1.0
    assert site.log_likelihood(np.array([0.5]))[0] < below.min() - 6
    nothing = Site(RNG.normal(0, 1, 20_000), RNG.normal(0, 1, 20_000)).normal_form(0.0, 1.0)
    assert nothing.precision < 0.1


def test_draws_that_are_all_equal_are_refused():
    with pytest.raises(ValueError, match="the draws are all equal"):
        Site(np.ones(100), RNG.normal(size=100))
