"""The picture of the empirical distribution function."""

import numpy as np
import pytest

from htmp_bayes import plot_ecdf
from tests.plots.results import N, predicted_spectra


def line(ax, label):
    return next(line for line in ax.lines if line.get_label() == label).get_xydata().T


def test_the_line_is_the_observed_share_minus_the_mean_predicted_share(noise):
    (ax,) = plot_ecdf(noise).axes
    eigenvalues, difference = line(ax, "eigenvalues")
    observed, predicted = noise["observed_data/eigenvalues"].values, predicted_spectra()
    expected = [np.mean(observed <= x) - np.mean(predicted <= x) for x in eigenvalues]
    np.testing.assert_allclose(difference, expected, atol=1e-12)
    assert {observed[0], observed[-1]} <= {*eigenvalues}


def test_the_band_is_that_of_repelling_eigenvalues_and_far_narrower_than_for_independent_ones(noise):
    (ax,) = plot_ecdf(noise).axes
    (band,) = ax.collections
    half_width = np.abs(band.get_paths()[0].vertices[:, 1]).max()
    # Dvoretzky, Kiefer, Wolfowitz & Massart: half the width of the 90 % band for independent values.
    assert half_width < 0.5 * np.sqrt(np.log(2 / 0.1) / (2 * N))


def test_only_a_misfit_leaves_the_band(noise, misfit):
    told = {
        name: [text.get_text() for text in plot_ecdf(result).axes[0].texts]
        for name, result in (("noise", noise), ("misfit", misfit))
    }
    assert told == {
        "noise": ["stays within the simultaneous 90 % band"],
        "misfit": ["leaves the simultaneous 90 % band"],
    }


def test_where_it_leaves_the_band_is_orange(misfit):
    (ax,) = plot_ecdf(misfit).axes
    orange = next(line for line in ax.lines if line.get_color() == "#D55E00").get_ydata()
    assert np.isfinite(orange).sum() > 20
    assert np.nanmax(np.abs(orange)) == pytest.approx(np.abs(line(ax, "eigenvalues")[1]).max())
