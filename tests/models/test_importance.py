"""Smoothed importance weights: what they leave alone, and what they hold down."""

import numpy as np

from htmp_bayes.models.importance import smoothed_log_weights


def test_a_lone_large_weight_is_held_down_and_the_others_stay():
    log_weights = np.random.default_rng(2).standard_normal((4, 500))
    log_weights[1, 7] = 12.0
    smoothed, _ = smoothed_log_weights(log_weights)
    assert smoothed.shape == log_weights.shape
    assert np.argmax(smoothed) == np.argmax(log_weights)
    small = log_weights < 0
    np.testing.assert_allclose(np.ptp((smoothed - log_weights)[small]), 0.0, atol=1e-10)
    assert smoothed.max() - np.median(smoothed) < 6  # half of what it was


def test_few_weights_and_those_that_are_nothing_stay():
    log_weights = np.array([0.0, 1.0, -np.inf, 3.0])
    smoothed, k = smoothed_log_weights(log_weights)
    np.testing.assert_array_equal(smoothed[[0, 1, 3]], log_weights[[0, 1, 3]] - 3.0)
    assert np.exp(smoothed[2]) < 1e-200
    assert np.isnan(k)
