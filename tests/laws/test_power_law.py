"""The point estimate of a power law, against independent ways to the same numbers."""

import numpy as np
import pytest
from scipy import stats

from htmp_bayes.laws.power_law import fit_power_law


@pytest.fixture(scope="module")
def values():
    rng = np.random.default_rng(1)
    return np.concatenate([rng.uniform(0.1, 1, 300), stats.pareto(1.7).rvs(200, random_state=rng)])


def test_the_exponent_is_scipys_maximum_of_the_likelihood(values):
    fit = fit_power_law(values)
    tail = values[values >= fit.x_min]
    shape, *_ = stats.pareto.fit(tail, floc=0, fscale=fit.x_min)
    assert fit.n_tail == tail.size
    assert fit.alpha == pytest.approx(1 + shape, rel=1e-6)
    assert fit.standard_error == pytest.approx(shape / np.sqrt(tail.size), rel=1e-6)


def test_the_tail_begins_where_scipys_kolmogorov_smirnov_distance_is_least(values):
    fit, distances = fit_power_law(values), {}
    for x_min in np.sort(values)[:-10]:
        tail = values[values >= x_min]
        shape = tail.size / np.log(tail / x_min).sum()
        distances[x_min] = stats.kstest(tail, stats.pareto(shape, scale=x_min).cdf).statistic
    best = min(distances, key=distances.get)
    assert fit.x_min == best
    assert fit.distance == pytest.approx(distances[best], rel=1e-9)


def test_a_power_law_is_recovered_within_its_error(values):
    fit = fit_power_law(values)
    assert abs(fit.alpha - 2.7) < 3 * fit.standard_error
    assert fit_power_law(1e-12 * values).alpha == pytest.approx(fit.alpha)


def test_equal_values_at_the_end_do_not_divide_by_zero():
    assert np.isfinite(fit_power_law([*range(1, 30), *[30] * 20]).alpha)


@pytest.mark.parametrize(
    "values", [[], np.ones(50), np.arange(50.0), [*range(1, 50), np.nan], np.ones((5, 9))]
)
def test_what_is_no_list_of_positive_numbers_is_refused(values):
    with pytest.raises(ValueError, match="positive finite numbers, at least 20"):
        fit_power_law(values)
