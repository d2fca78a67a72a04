"""The picture of a spectrum: its parts, its numbers, and that a misfit shows."""

import functools

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from htmp_bayes import Spectrum, plot_spectrum
from htmp_bayes._results import ResultError
from htmp_bayes.plots import _Binned

N, LONGER = 100, 400


def noise_spectrum(rng):
    return Spectrum.from_matrix(rng.normal(size=(N, LONGER))).eigenvalues


@functools.cache
def predicted_spectra():
    rng = np.random.default_rng(2)
    return np.array([noise_spectrum(rng) for _ in range(60)])


def result_of(observed, name="layer.0"):
    """A result that predicts noise, for observed eigenvalues of any kind."""
    rng = np.random.default_rng(3)
    predicted = predicted_spectra()
    # Close to the law of noise, of mean kappa T / (2 gamma) = 1.
    posterior = {
        "kappa": rng.uniform(38, 42, size=(2, 4)),
        "temperature": rng.uniform(0.012, 0.013, size=(2, 4)),
        "correlation": rng.uniform(0.01, 0.02, size=(2, 4)),
    }
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset({key: (("chain", "draw"), values) for key, values in posterior.items()}),
            "observed_data": xr.Dataset({"eigenvalues": ("eigenvalue", observed)}),
            "constant_data": xr.Dataset({"n": LONGER, "gamma": N / LONGER}),
            "posterior_predictive": xr.Dataset(
                {"eigenvalues": (("chain", "draw", "eigenvalue"), predicted.reshape(2, 30, N))}
            ),
        }
    )
    tree.attrs = {"name": name, "population": "inverse-gamma"}
    return tree


@pytest.fixture(scope="module")
def noise():
    return result_of(noise_spectrum(np.random.default_rng(1)))


@pytest.fixture(scope="module")
def misfit():
    """Half of the eigenvalues six times the others."""
    eigenvalues = noise_spectrum(np.random.default_rng(1)).copy()
    eigenvalues[::2] *= 6
    return result_of(np.sort(eigenvalues))


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
    lower, upper_end = np.quantile(noise["posterior/correlation"], [0.05, 0.95])
    assert "N = 100, n = 400" in text
    assert f"[{lower:.2g}, {upper_end:.2g}]" in text
    assert {"κ", "T", "ρ"} <= set(text)
    assert "α" not in text, "what the posterior leaves out is left out"


def test_every_part_has_its_name_in_the_legend(figure):
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "90 % of predictive spectra",
        "50 % of predictive spectra",
        "law, posterior mean",
        "Marchenko–Pastur",
        "eigenvalues",
    ]


def test_all_text_is_on_the_page_and_large_enough(figure):
    figure.draw_without_rendering()
    page = figure.bbox
    # Matplotlib keeps labels of ticks that lie off the axis, and does not draw them.
    axes = [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]
    ticks = {label for axis in axes for label in axis.get_ticklabels(which="both")}
    texts = [text for text in figure.findobj(mpl.text.Text) if text.get_text().strip()]
    for text in texts:
        assert text.get_fontsize() >= 6
        if text not in ticks:
            box = text.get_window_extent()
            inside = page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1
            assert inside, text.get_text()


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


def test_axes_that_are_given_are_drawn_on_and_returned(noise):
    figure = Figure()
    ax, residual_ax, untouched = figure.subplots(3)
    assert plot_spectrum(noise, ax, residual_ax) is ax
    assert ax.get_legend() is not None
    assert residual_ax.get_ylabel().startswith("√observed")
    assert not untouched.has_data()
    assert plot_spectrum(noise, untouched) is untouched
    assert untouched.get_xlabel()


def test_a_figure_that_is_given_is_filled_and_returned(noise):
    left, right = Figure(layout="constrained").subfigures(1, 2)
    assert plot_spectrum(noise, figure=left) is left
    assert len(left.axes) == 2
    assert not right.axes


def test_nothing_global_is_touched(noise):
    from matplotlib import pyplot

    settings, open_figures = dict(mpl.rcParams), pyplot.get_fignums()
    plot_spectrum(noise)
    assert dict(mpl.rcParams) == settings
    assert pyplot.get_fignums() == open_figures


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


def test_a_result_without_predictive_spectra_says_how_to_get_them(noise):
    without = noise.copy()
    del without["posterior_predictive"]
    with pytest.raises(ResultError, match="no group 'posterior_predictive'; fit with predictive_draws = 100"):
        plot_spectrum(without)
