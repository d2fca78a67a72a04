"""The picture of ordered eigenvalues against their predictions."""

import numpy as np

from htmp_bayes import plot_quantiles
from tests.plots.results import N, predicted_spectra


def points(ax, colour=None):
    lines = [line for line in ax.lines if line.get_marker() == "o" and colour in (None, line.get_color())]
    found = np.concatenate([line.get_xydata() for line in lines])
    return found[np.argsort(found[:, 0])]


def test_points_are_ratios_of_each_eigenvalue_to_the_median_of_its_prediction(noise):
    (ax,) = plot_quantiles(noise).axes
    median = np.median(predicted_spectra(), axis=0)
    np.testing.assert_allclose(
        points(ax), np.stack([median, noise["observed_data/eigenvalues"] / median], axis=1)
    )


def test_the_orange_points_are_those_outside_the_predictive_interval(misfit):
    (ax,) = plot_quantiles(misfit).axes
    lower, upper = np.quantile(predicted_spectra(), [0.05, 0.95], axis=0)
    observed = misfit["observed_data/eigenvalues"].values
    outside = (observed < lower) | (observed > upper)
    assert outside.sum() > N / 2
    np.testing.assert_allclose(points(ax, "#D55E00")[:, 0], np.median(predicted_spectra(), axis=0)[outside])
    assert ax.texts[0].get_text() == f"{outside.sum()} of {N} eigenvalues outside their 90 % interval"
