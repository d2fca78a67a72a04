"""The picture of a spectrum: its parts, its numbers, and that a misfit shows."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from htmp_bayes import plot_spectrum
from htmp_bayes._errors import HTMPError
from htmp_bayes._numbers import interval
from htmp_bayes.plots.spectrum import _Binned
from tests.plots.results import N, labels, noise_spectrum, result_of


@pytest.fixture(scope="module")
def figure(noise):
    return plot_spectrum(noise)


def test_a_figure_of_column_width_with_both_panels_on_one_axis_of_eigenvalues(figure):
    upper, lower = figure.axes
    assert figure.get_figwidth() * 2.54 == pytest.approx(8.5)
    assert (upper.get_xscale(), upper.get_yscale(), lower.get_xscale()) == ("log", "log", "log")
    assert upper.get_xlim() == lower.get_xlim()
    assert upper.get_ylabel() == "density of log λ"
    assert lower.get_xlabel() == "eigenvalue λ (in units of weight²)"


def test_the_head_names_the_layer_its_sides_and_the_parameters(figure, noise):
    upper = figure.axes[0]
    assert upper.get_title(loc="left") == "layer.0"
    (text,) = [text.get_text() for text in upper.texts]
    lower, median, upper_end = np.quantile(noise["posterior/correlation"], [0.05, 0.5, 0.95])
    assert "N = 100, n = 400" in text
    assert f"ρ {interval(median, lower, upper_end)}" in text
    assert {"κ", "T", "ρ"} <= set(text)
    assert "α" not in text, "what the posterior leaves out is left out"


def test_every_part_has_its_name_in_the_legend(figure):
    (legend,) = figure.legends
    assert labels(legend) == [
        "90 % of predictive spectra",
        "50 % of predictive spectra",
        "law, posterior mean",
        "Marchenko–Pastur",
        "eigenvalues",
    ]


def test_densities_integrate_to_one(figure, noise):
    upper = figure.axes[0]
    lines = {line.get_label(): line.get_xydata().T for line in upper.lines}
    for part in ("law, posterior mean", "Marchenko–Pastur"):
        eigenvalues, density = lines[part]
        assert np.trapezoid(density, np.log(eigenvalues)) == pytest.approx(1, abs=0.03), part
    binned = _Binned.of(noise)
    assert binned.density(binned.observed) @ np.diff(binned.edges) == pytest.approx(1)


def test_bins_hold_all_eigenvalues_and_bands_the_middle_of_the_predicted_counts(noise):
    binned = _Binned.of(noise)
    predicted = np.log(noise["posterior_predictive/eigenvalues"].values.reshape(-1, N))
    assert binned.observed.sum() == N
    assert binned.predicted.shape == (60, binned.edges.size - 1)
    np.testing.assert_array_equal(binned.predicted[7], np.histogram(predicted[7], binned.edges)[0])
    within = (binned.predicted >= binned.band(0.5)[0]) & (binned.predicted <= binned.band(0.5)[1])
    assert (within.mean(axis=0) >= 0.5).all()


def test_residuals_are_differences_of_roots(figure, noise):
    binned = _Binned.of(noise)
    points = np.concatenate([line.get_xydata() for line in figure.axes[1].lines if line.get_marker() == "o"])
    points = points[np.argsort(points[:, 0])]
    np.testing.assert_allclose(points[:, 0], binned.centres)
    np.testing.assert_allclose(
        points[:, 1], np.sqrt(binned.observed) - np.sqrt(binned.predicted.mean(axis=0))
    )


def test_a_misfit_shows_and_noise_predicted_as_noise_does_not(noise, misfit):
    # Of the bins of noise one in ten is outside; of 16 independent ones, more than 5 with probability 0.003.
    assert _Binned.of(noise).outside.sum() <= 5
    binned = _Binned.of(misfit)
    assert binned.outside.mean() > 0.5
    title = plot_spectrum(misfit).axes[1].get_title(loc="right")
    assert title == f"{binned.outside.sum()} of {binned.outside.size} bins outside the 90 % band"


def test_residuals_go_to_axes_of_their_own(noise):
    figure = Figure()
    ax, residual_ax, untouched = figure.subplots(3)
    assert plot_spectrum(noise, ax, residual_ax) is ax
    assert ax.get_legend() is not None
    assert residual_ax.get_ylabel().startswith("√observed")
    assert not untouched.has_data()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a$b$_{c}", "a$b$_{c}"),
        ("bell\x07", "bell?"),
        ("", "spectrum"),
        ("model.layers.31.block_sparse_moe.experts.7.w1", "model.layers…arse_moe.experts.7.w1"),
    ],
)
def test_any_name_can_be_a_title(noise, name, shown, tmp_path):
    named = noise.copy()
    named.attrs = {**noise.attrs, "name": name}
    figure = plot_spectrum(named)
    figure.savefig(tmp_path / "spectrum.png")
    assert figure.axes[0].get_title(loc="left") == shown


@pytest.mark.parametrize(("show", "steps", "ticks"), [("both", 1, 1), ("histogram", 1, 0), ("rug", 0, 1)])
def test_eigenvalues_are_a_histogram_or_ticks_or_both(noise, show, steps, ticks):
    upper = plot_spectrum(noise, show=show).axes[0]
    assert sum(patch.get_label() == "eigenvalues" for patch in upper.patches) == steps
    drawn = [line.get_xdata() for line in upper.lines if line.get_marker() == "|"]
    assert len(drawn) == ticks
    for eigenvalues in drawn:
        np.testing.assert_array_equal(eigenvalues, noise["observed_data/eigenvalues"])
    assert "eigenvalues" in labels(upper.figure.legends[0])


def test_another_way_to_show_them_is_refused(noise):
    with pytest.raises(HTMPError, match="show is one of both, histogram, rug, not 'kde'"):
        plot_spectrum(noise, show="kde")


def test_spikes_are_marked_and_in_sight():
    spikes = [12.0, 40.0]
    upper, lower = plot_spectrum(result_of(noise_spectrum(1), spikes=spikes)).axes
    (marks,) = [line for line in upper.lines if line.get_marker() == "v"]
    assert (list(marks.get_xdata()), marks.get_label()) == (spikes, "2 spikes")
    assert upper.get_xlim() == lower.get_xlim()
    assert upper.get_xlim()[1] > 40
