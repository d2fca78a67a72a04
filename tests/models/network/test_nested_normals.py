"""Effects that are integrated out level by level: against one normal density of everything."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from htmp_bayes.models.network.nested_normals import Known, effect_draw, integrated


def test_two_levels_are_the_normal_density_of_all():
    rng = np.random.default_rng(1)
    means, variances = rng.normal(size=5), rng.uniform(0.1, 2.0, 5)
    inner, outer = 0.3, 1.7
    known = Known(1 / variances, means / variances)
    above, first = integrated(known, inner, np.log)
    _, second = integrated(above.summed(0), outer, np.log)
    noise = np.diag(variances)
    expected = multivariate_normal(np.zeros(5), noise + inner**2 * np.eye(5) + outer**2).logpdf(means)
    # the likelihood of the means is exp(-p x^2/2 + b x) times this, which does not depend on the spreads
    constant = multivariate_normal(np.zeros(5), noise).logpdf(means)
    assert first.sum() + second + constant == pytest.approx(expected, rel=1e-10)


def test_draws_of_an_effect_have_its_mean_and_variance():
    known, spread = Known(2.0, 3.0), 0.8
    draws = effect_draw(known, spread, np.random.default_rng(2).normal(size=40_000))
    variance = 1 / (2.0 + spread**-2)
    assert draws.mean() == pytest.approx(3.0 * variance, abs=4 * np.sqrt(variance / 40_000))
    assert draws.var() == pytest.approx(variance, rel=0.03)


def test_nothing_known_leaves_nothing_known():
    above, value = integrated(Known(np.zeros(1), np.zeros(1)), 2.0, np.log)
    assert (value.item(), above.precision.item(), above.linear.item()) == (0.0, 0.0, 0.0)


def test_a_quadratic_form_is_that_of_the_normal_density():
    known = Known(np.array([4.0]), np.array([2.0]))
    x = np.array([0.3, -1.0])
    differences = np.diff(known.log_density(x)), np.diff(-2.0 * (x - 0.5) ** 2)
    assert differences[0] == pytest.approx(differences[1])
    assert np.diff(known.less(0.2).log_density(x)) == pytest.approx(np.diff(-2.0 * (x - 0.3) ** 2))
