"""The picture of the tail: survival functions, the power-law fit, and the posterior of its exponent."""

import numpy as np
import pytest

from htmp_bayes import plot_tail
from htmp_bayes.laws import HTMP
from htmp_bayes.laws.power_law import fit_power_law
from tests.plots.results import N, labels, noise_spectrum, result_of, with_tail_index


@pytest.fixture(scope="module")
def figure(noise):
    return plot_tail(with_tail_index(noise))


def test_points_are_the_share_of_eigenvalues_at_least_as_large(noise, figure):
    (ax, *_) = figure.axes
    points = np.concatenate([line.get_xydata() for line in ax.lines if line.get_marker() == "o"])
    observed = noise["observed_data/eigenvalues"].values
    np.testing.assert_allclose(np.sort(points[:, 0]), observed)
    share = [np.mean(observed >= eigenvalue) for eigenvalue in points[:, 0]]
    np.testing.assert_allclose(points[:, 1], share)


def test_the_line_is_the_laws_survival_function_averaged_over_the_posterior(noise, figure):
    line = next(line for line in figure.axes[0].lines if line.get_label() == "law, posterior mean")
    eigenvalue, survival = line.get_xydata()[40]
    draws = [noise[f"posterior/{name}"].values.ravel() for name in ("kappa", "temperature", "correlation")]
    each = [
        HTMP(kappa, N / 400, temperature, rho).sf(eigenvalue)
        for kappa, temperature, rho in zip(*draws, strict=True)
    ]
    assert survival == pytest.approx(np.mean(each), rel=1e-8)


def test_the_power_law_fit_is_drawn_where_its_tail_begins_and_named(noise, figure):
    fit = fit_power_law(noise["observed_data/eigenvalues"].values)
    (legend,) = figure.legends
    assert any(label.startswith(f"power law, α = {fit.alpha:.3g} ± ") for label in labels(legend))
    line = next(line for line in figure.axes[0].lines if line.get_label().startswith("power law"))
    (x0, y0), (x1, y1) = line.get_xydata()
    assert (x0, y0) == pytest.approx((fit.x_min, fit.n_tail / N))
    assert np.log(y1 / y0) / np.log(x1 / x0) == pytest.approx(1 - fit.alpha)


def test_the_inset_holds_the_posterior_of_the_exponent_and_the_point_estimate(figure, noise):
    (inset,) = figure.axes[0].child_axes
    fit = fit_power_law(noise["observed_data/eigenvalues"].values)
    lower, upper = inset.get_xlim()
    assert lower < 4 < 6 < upper
    assert lower < fit.alpha < upper
    assert inset.get_title() == "posterior of α"


def test_a_posterior_without_a_tail_index_has_no_inset(noise):
    assert not plot_tail(noise).axes[0].child_axes


def test_a_heavier_tail_than_predicted_is_orange():
    eigenvalues = noise_spectrum(1).copy()
    eigenvalues[-15:] *= np.linspace(1.5, 8, 15)
    (ax, *_) = plot_tail(result_of(np.sort(eigenvalues), fits=False)).axes
    orange = next(line for line in ax.lines if line.get_color() == "#D55E00")
    assert {*np.sort(eigenvalues)[-12:-2]} <= {*orange.get_xdata()}
