"""Stated means and covariances of counts against draws with a fixed population: settings of `studies/covariance.py`."""

import numpy as np
import pytest

from htmp_bayes.models.layer.data import interval_knots
from studies import covariance

SETTINGS = [
    ("none", 32, 1, 0.05),
    ("none", 32, 3, 0.5),
    ("none", 32, 10, 1.0),
    ("none", 64, 1, 0.25),
    ("none", 64, 3, 1.0),
    ("none", 64, 10, 0.8),
    ("none", 64, 64, 0.25),
    ("none", 64, 128, 0.05),
    ("none", 64, 128, 0.8),
    ("none", 384, 1, 0.25),
    ("none", 384, 2, 0.8),
    ("none", 384, 5, 0.05),
    ("none", 384, 20, 1.0),
    ("none", 384, 100, 0.25),
    ("none", 384, 384, 0.5),
    ("none", 384, 384, 1.0),
    ("none", 384, 768, 0.25),
    ("none", 384, 768, 1.0),
    ("inverse-gamma", 32, 3, 0.25),
    ("inverse-gamma", 32, 32, 0.8),
    ("inverse-gamma", 64, 10, 0.5),
    ("inverse-gamma", 64, 64, 1.0),
    ("log-normal", 32, 10, 0.8),
    ("log-normal", 32, 64, 0.5),
    ("log-normal", 64, 3, 1.0),
    ("log-normal", 64, 64, 0.25),
]
# Correlated ensembles of this size take minutes.
LARGE = [("inverse-gamma", 384, 20, 0.5), ("log-normal", 384, 384, 0.25), ("inverse-gamma", 384, 2, 0.25)]


@pytest.mark.slow
@pytest.mark.parametrize("setting", [*SETTINGS, *LARGE], ids=str)
def test_covariance_of_the_counts(setting):
    found = covariance.measure(*setting, matrices=300, seed=7)
    assert 0.9 < found["chi2_likelihood"] < 1.15
    assert abs(found["log_det_likelihood"]) < 0.1
    assert found["bias"] < 0.25


@pytest.mark.parametrize("setting", [("none", 64, 10, 0.25), ("none", 64, 64, 0.5)], ids=str)
def test_covariance_of_the_counts_quickly(setting):
    found = covariance.measure(*setting, matrices=200, seed=8)
    assert 0.87 < found["chi2_likelihood"] < 1.13
    assert abs(found["log_det_likelihood"]) < 0.12


@pytest.mark.parametrize(("gamma", "left_out"), [(0.5, 2), (0.8, 2), (0.9, 4), (0.95, 4), (1.0, 7)])
def test_intervals_keep_off_the_smallest_eigenvalues(gamma, left_out):
    """The law does not hold for them where gamma is near 1; of small spectra a tenth at most is left out.

    The first quantile of 384 lies above seven.
    """
    logarithms = np.log(np.sort(np.random.default_rng(1).lognormal(sigma=3.0, size=384)))
    knots = interval_knots(logarithms, gamma)
    assert np.searchsorted(logarithms, knots[0]) >= left_out
    assert interval_knots(logarithms[:32], gamma)[0] >= logarithms[min(left_out, 3)]
