"""The reduction of a spectrum to average counts and gaps."""

import numpy as np
import pytest

from htmp_bayes.models.layer.data import average_counts, gap_ratios, interval_knots, layer_data

RNG = np.random.default_rng(1)
EIGENVALUES = np.sort(np.exp(RNG.normal(size=200)))


def test_average_counts_are_integrals_of_the_step_function():
    logarithms, knots = np.log(EIGENVALUES), np.array([-1.0, -0.3, 0.4, 2.0])
    fine = np.linspace(knots[:-1], knots[1:], 20001)
    steps = np.searchsorted(logarithms, fine)
    np.testing.assert_allclose(average_counts(logarithms, knots), steps.mean(axis=0), atol=0.02)


def test_intervals_cover_the_spectrum_but_for_the_smallest_eigenvalues():
    for gamma, below in ((0.25, 2), (0.9, 4), (1.0, 8)):
        knots = interval_knots(np.log(EIGENVALUES), gamma)
        assert np.all(np.diff(knots) > 0)
        assert knots[-1] > np.log(EIGENVALUES[-1])
        assert np.sum(np.log(EIGENVALUES) < knots[0]) >= below


@pytest.mark.parametrize(("size", "intervals"), [(32, 6), (100, 20), (100_000, 60)])
def test_their_number_is_bounded_whatever_the_size(size, intervals):
    values = np.sort(np.exp(RNG.normal(size=size)))
    knots = interval_knots(np.log(values), 0.5)
    assert intervals - 1 <= len(knots) - 1 <= intervals + 15


def test_ties_make_no_intervals_without_length_and_no_gaps():
    values = np.repeat(np.arange(1.0, 21.0), 3)
    data = layer_data(values, 0.5)
    assert np.all(np.diff(data.knots) > 0)
    assert np.isfinite(data.counts).all()
    assert data.gap_ratios == 0
    assert np.isnan(data.gap_ratio)


def test_the_order_of_the_eigenvalues_and_their_unit_do_not_matter():
    data, shuffled = layer_data(EIGENVALUES, 0.5), layer_data(RNG.permutation(EIGENVALUES) * 1e-12, 0.5)
    np.testing.assert_allclose(shuffled.counts, data.counts, rtol=1e-9)
    assert shuffled.gap_ratio == pytest.approx(data.gap_ratio)
    assert shuffled.log_sd == pytest.approx(data.log_sd)


def test_gap_ratios_are_those_of_neighbours():
    np.testing.assert_allclose(gap_ratios(np.array([0.0, 1.0, 3.0, 4.0])), [0.5, 0.5])


@pytest.mark.parametrize(
    ("eigenvalues", "population", "said"),
    [
        ([1.0, -1.0], "none", "must be positive and finite"),
        ([1.0, np.nan], "none", "must be positive and finite"),
        ([2.0, 2.0], "none", "all eigenvalues are equal"),
        ([], "none", "non-empty vector"),
        ([1.0, 2.0], "cauchy", "population must be one of"),
    ],
)
def test_what_is_no_spectrum_is_refused(eigenvalues, population, said):
    with pytest.raises(ValueError, match=said):
        layer_data(eigenvalues, 0.5, population)
