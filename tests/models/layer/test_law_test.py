"""Does the law fit: how often it is said not to where it does, and that a misfit is found where there is one."""

import numpy as np
import pytest

from htmp_bayes.laws import gap_ratio
from htmp_bayes.laws.populations import population_quantiles
from htmp_bayes.models.layer.data import layer_data
from htmp_bayes.models.layer.law_test import examine_law, residual_counts
from htmp_bayes.models.layer.posterior import LayerPosterior
from htmp_bayes.models.layer.stand_in import evaluated


def eigenvalues_of(values, gamma, seed):
    """Eigenvalues of a real matrix whose covariance has these eigenvalues, by NumPy alone."""
    noise = np.random.default_rng(seed).standard_normal((len(values), round(len(values) / gamma)))
    return np.linalg.svd(np.sqrt(values)[:, None] * noise, compute_uv=False)[::-1] ** 2 / noise.shape[1]


def examined(eigenvalues, gamma, population):
    """The test at draws of the normal approximation, which is enough to judge."""
    posterior = LayerPosterior(layer_data(eigenvalues, gamma, population))
    spread = np.linalg.cholesky(posterior.covariance)
    points = posterior.mode + np.random.default_rng(1).standard_normal((40, len(posterior.mode))) @ spread.T
    rows = evaluated(posterior, points)
    index = posterior.parameters(points)["kappa"] / posterior.data.size
    return posterior, examine_law(posterior.data, index, np.array([row.residual for row in rows]))


def test_real_matrices_fit_and_their_repulsion_is_found():
    values = population_quantiles("log-normal", 0.6, 96)
    found = [examined(eigenvalues_of(values, 0.5, seed), 0.5, "log-normal")[1] for seed in range(6)]
    assert min(min(test.probability_of_counts, test.probability_of_gaps) for test in found) > 0.001
    assert np.mean([test.chi_squared / test.statistics for test in found]) == pytest.approx(1.0, abs=0.25)
    assert np.exp(np.mean([np.log(test.by_counts[1]) for test in found])) == pytest.approx(1.0, rel=0.35)


def test_two_bulks_do_not_fit_and_the_gaps_say_why():
    values = np.repeat([1.0, 30.0], 64)
    posterior, found = examined(eigenvalues_of(values, 0.25, 1), 0.25, "inverse-gamma")
    assert found.by_counts[1] < 0.3
    assert found.by_gaps[0] > found.by_counts[2]
    assert min(found.probability_of_gaps, found.probability_of_counts) < 1e-3
    residuals = residual_counts(posterior.data, *posterior.expected_counts(1.0))
    assert np.abs(residuals["excess"] / residuals["excess_sd"]).max() > 5


def test_without_gaps_there_is_no_probability_of_them():
    data = layer_data(np.repeat(np.arange(1.0, 31.0), 2), 0.5, "none")
    found = examine_law(data, np.ones(10), np.ones((10, len(data.counts))))
    assert np.isnan(found.probability_of_gaps)
    assert np.isnan(found.by_gaps).all()


def test_the_gaps_of_independent_points_have_no_repulsion():
    assert gap_ratio.dyson_index_of(0.386) == 0.0
