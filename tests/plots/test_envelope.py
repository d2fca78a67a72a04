"""The simultaneous band: its level, whatever the dependence along the curves."""

import numpy as np
import pytest

from htmp_bayes.plots._envelope import global_envelope


def outside(curves, share):
    lower, upper = global_envelope(curves[0], curves[1:], share)
    return bool(((curves[0] < lower) | (curves[0] > upper)).any())


def walks(rng, curves, points):
    return np.cumsum(rng.normal(size=(curves, points)), axis=1)


def ecdfs(rng, curves, points):
    """Distribution functions with ties everywhere: of 30 values on a grid."""
    return (rng.uniform(size=(curves, 30, 1)) < np.linspace(0, 1, points)).mean(axis=1)


@pytest.mark.parametrize("make", [walks, ecdfs])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_an_exchangeable_curve_leaves_the_band_as_often_as_the_level_says(make, share):
    rng, repeats = np.random.default_rng(2), 400
    left = np.mean([outside(make(rng, 60, 25), share) for _ in range(repeats)])
    error = np.sqrt(share * (1 - share) / repeats)
    assert left <= 1 - share + 3 * error
    if make is walks:  # without ties the level is exact, up to the whole number of curves
        assert left >= 1 - share - 0.02 - 3 * error


def test_bands_point_by_point_would_be_left_far_more_often():
    rng = np.random.default_rng(1)
    left = 0
    for _ in range(100):
        curves = rng.normal(size=(60, 25))
        lower, upper = np.quantile(curves[1:], [0.05, 0.95], axis=0)
        left += bool(((curves[0] < lower) | (curves[0] > upper)).any())
    assert left > 60


def test_a_curve_of_another_kind_leaves_the_band():
    curves = walks(np.random.default_rng(1), 60, 25)
    curves[0] += 12
    assert outside(curves, 0.9)
