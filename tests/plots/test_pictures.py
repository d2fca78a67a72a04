"""What holds for every picture: it takes an axes or a figure, is legible, and touches nothing global."""

import functools

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from IPython.core.formatters import DisplayFormatter
from matplotlib import style
from matplotlib.figure import Figure

import htmp_bayes as hb
from htmp_bayes._errors import HTMPError
from tests.plots.results import assert_legible, with_tail_index

PICTURES = {
    "spectrum": hb.plot_spectrum,
    "tail": hb.plot_tail,
    "ecdf": hb.plot_ecdf,
    "quantiles": hb.plot_quantiles,
    "parameters": hb.plot_parameters,
    "layers": hb.plot_layers,
}
ON_ONE_AXES = PICTURES | {
    "parameters": functools.partial(hb.plot_parameters, parameters=["kappa"]),
    "pair": functools.partial(hb.plot_parameters, parameters=["kappa", "correlation"]),
    "layers": functools.partial(hb.plot_layers, parameters=["kappa"]),
}
PREDICTIVE = ("spectrum", "tail", "ecdf", "quantiles")


@pytest.mark.parametrize("picture", PICTURES)
def test_a_new_figure_of_column_width_is_legible_and_labelled(noise, picture):
    figure = PICTURES[picture](noise)
    assert isinstance(figure, Figure)
    assert figure.get_figwidth() * 2.54 == pytest.approx(8.5)
    assert_legible(figure)
    assert all(ax.get_xlabel() for ax in figure.axes if ax.get_subplotspec().is_last_row())


@pytest.mark.parametrize("picture", PICTURES)
def test_a_notebook_shows_it_without_pyplot(noise, picture):
    bundle, metadata = DisplayFormatter().format(PICTURES[picture](noise))
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert 500 < metadata["image/png"]["width"] < 800


@pytest.mark.parametrize("picture", PICTURES)
def test_a_long_name_with_anything_in_it_is_legible(noise, picture):
    named = noise.copy()
    named.attrs = {**noise.attrs, "name": "a$b$_{c}\x07.layers.31.block_sparse_moe.experts.7.<w1>\n"}
    assert_legible(PICTURES[picture](named))


@pytest.mark.parametrize("picture", ON_ONE_AXES)
def test_axes_that_are_given_are_drawn_on_and_returned(noise, picture):
    ax, untouched = Figure().subplots(2)
    assert ON_ONE_AXES[picture](noise, ax=ax) is ax
    assert ax.has_data()
    assert ax.get_xlabel()
    assert not untouched.has_data()


@pytest.mark.parametrize("picture", PICTURES)
def test_a_figure_that_is_given_is_filled_and_returned(noise, picture):
    left, right = Figure(layout="constrained").subfigures(1, 2)
    assert PICTURES[picture](noise, figure=left) is left
    assert left.axes
    assert not right.axes


@pytest.mark.parametrize("picture", PICTURES)
def test_nothing_global_is_touched(noise, picture):
    from matplotlib import pyplot

    settings, open_figures = dict(mpl.rcParams), pyplot.get_fignums()
    PICTURES[picture](noise)
    assert dict(mpl.rcParams) == settings
    assert pyplot.get_fignums() == open_figures


@pytest.mark.parametrize("picture", PICTURES)
def test_the_dark_style_of_arviz_gives_light_data(noise, picture):
    import arviz_plots  # noqa: F401  (it registers the styles)

    with style.context("arviz-tumma"):
        figure = PICTURES[picture](with_tail_index(noise))
        assert_legible(figure)
        figure.canvas.draw()
    black = {"black", "#000000", "k"}
    assert not black & {line.get_color() for line in figure.findobj(mpl.lines.Line2D) if line.get_visible()}


@pytest.mark.parametrize("picture", PREDICTIVE)
def test_a_result_without_predictive_spectra_says_how_to_get_them(noise, picture):
    without = noise.copy()
    del without["posterior_predictive"]
    with pytest.raises(HTMPError, match="no group 'posterior_predictive'; fit with predictive_draws = 100"):
        PICTURES[picture](without)


def of_another_likelihood(noise):
    """As the exact joint likelihood and a kernel matrix leave it: no correlation, the law of reciprocals."""
    changed = noise.copy()
    for name in ("posterior", "prior"):
        changed[name] = xr.DataTree(noise[name].to_dataset().drop_vars("correlation"))
    changed.attrs = {**noise.attrs, "kind": "kernel", "law": "inverse-htmp"}
    return changed


@pytest.mark.parametrize("picture", PICTURES)
def test_a_kernel_without_correlation_has_its_pictures_too(noise, picture):
    figure = PICTURES[picture](of_another_likelihood(noise))
    assert_legible(figure)
    words = {text.get_text() for text in figure.findobj(mpl.text.Text)}
    assert "Marchenko–Pastur" not in words
    assert not any("weight" in word or "ρ" in word for word in words)


def test_the_law_of_a_kernel_is_that_of_reciprocals(noise):
    upper = hb.plot_spectrum(of_another_likelihood(noise)).axes[0]
    line = next(line for line in upper.lines if line.get_label() == "law, posterior mean")
    eigenvalue, density = line.get_xydata()[60]
    draws = zip(
        *(noise[f"posterior/{name}"].values.ravel() for name in ("kappa", "temperature")), strict=True
    )
    each = [hb.InverseHTMP(kappa, 0.25, temperature).pdf(eigenvalue) for kappa, temperature in draws]
    assert density == pytest.approx(eigenvalue * np.mean(each), rel=1e-8)


def orange_text(figure):
    return " ".join(
        text.get_text() for text in figure.findobj(mpl.text.Text) if text.get_color() == "#D55E00"
    )


@pytest.mark.parametrize("picture", PREDICTIVE)
def test_a_misfit_is_said_in_orange_and_a_fit_is_not(noise, misfit, picture):
    assert "outside" in orange_text(PICTURES[picture](misfit)) or "leaves" in orange_text(
        PICTURES[picture](misfit)
    )
    assert orange_text(PICTURES[picture](noise)) == ""
