"""The tabulated stretch of the likelihood: it is what a simulation on the spot finds."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from htmp_bayes.models.adjustment import curvature_and_stretch, simulated_scores
from htmp_bayes.models.layer import POPULATIONS
from htmp_bayes.models.stretch_table import AXES, as_row, tabulated_stretch

# between the nodes of the grid: population, size, kappa, gamma, correlation
POINTS = [
    ("inverse-gamma", 60, 3.5, 0.6, 0.5),
    ("inverse-gamma", 60, 60.0, 1.0, 0.8),
    ("inverse-gamma", 96, 15.0, 0.15, 0.5),
    ("log-normal", 40, 1.0, 0.35, 0.9),
    ("log-normal", 120, 500.0, 0.8, 0.2),
]


def _data(population, size, gamma):
    return {"population": POPULATIONS[population], "n_eigenvalues": float(size), "gamma": gamma}


@pytest.mark.parametrize(("population", "size", "kappa", "gamma", "correlation"), POINTS)
def test_it_is_what_a_simulation_finds(population, size, kappa, gamma, correlation):
    """A stretch from 400 matrices is known to about 4 %, and the ratio of two standard errors is compared."""
    found = tabulated_stretch(kappa, correlation, _data(population, size, gamma))
    scores = simulated_scores(kappa, gamma, correlation, POPULATIONS[population], size, 400, random_seed=7)
    simulated = curvature_and_stretch(scores)[1]
    assert_allclose(_widths(found), _widths(simulated), rtol=0.2)


def _widths(stretch):
    return np.linalg.norm(np.linalg.inv(stretch), axis=1)


def test_a_node_is_given_back():
    stretch = tabulated_stretch(AXES["kappa"][6], 0.7, _data("log-normal", 96, 0.25))
    again = tabulated_stretch(AXES["kappa"][6] * (1 + 1e-9), 0.7, _data("log-normal", 96, 0.25))
    assert_allclose(stretch, again, rtol=1e-6)
    assert_allclose(stretch, np.tril(stretch))
    assert as_row(stretch).shape == (6,)


@pytest.mark.parametrize(
    ("size", "kappa", "gamma", "correlation"), [(20, 0.05, 0.005, 0.0), (5000, 1e4, 1.0, 3.0)]
)
def test_ends_of_the_range(size, kappa, gamma, correlation):
    stretch = tabulated_stretch(kappa, correlation, _data("inverse-gamma", size, gamma))
    assert np.all(np.diag(stretch) > 0.5)
    assert np.all(np.isfinite(stretch))
