"""Habits of Matplotlib and ArviZ: size, names of variables, the user's font, axes from pyplot."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import htmp_bayes as hb
from tests.plots.results import noise_spectrum, result_of

WITH_SIZE = [hb.plot_spectrum, hb.plot_tail, hb.plot_ecdf, hb.plot_quantiles, hb.plot_layers]


@pytest.fixture(scope="module")
def noise():
    return result_of(np.sort(noise_spectrum(1)), "layer.0")


@pytest.fixture(scope="module")
def network():
    draws = np.random.default_rng(1).lognormal(3, 0.1, (2, 100, 3))
    names = ["encoder.layer.0.key", "encoder.layer.1.key", "encoder.layer.2.key"]
    posterior = xr.Dataset(
        dict.fromkeys(("kappa", "correlation"), (("chain", "draw", "layer"), draws / 40)),
        {"layer": names},
    )
    constant = {"layer_kind": ("layer", ["key"] * 3), "layer_depth": ("layer", [0.0, 0.5, 1.0])}
    return xr.DataTree.from_dict({"posterior": posterior, "constant_data": xr.Dataset(constant)})


@pytest.mark.parametrize("plot", WITH_SIZE)
def test_figsize_is_that_of_the_figure(noise, plot):
    assert plot(noise, figsize=(6, 5)).get_size_inches() == pytest.approx([6, 5])


@pytest.mark.parametrize("plot", [hb.plot_depth, hb.plot_ridge, hb.plot_kappa_correlation])
def test_so_it_is_for_networks(network, plot):
    assert plot(network, figsize=(6, 5)).get_size_inches() == pytest.approx([6, 5])


def test_var_names_are_parameters(noise, network):
    assert len(hb.plot_layers([noise], var_names="kappa").axes) == 1
    assert len(hb.plot_layers([noise], "kappa").axes) == 1
    assert len(hb.plot_layers([noise], var_names=["kappa", "correlation"]).axes) == 2
    with pytest.raises(hb.HTMPError, match="two names of one thing"):
        hb.plot_layers([noise], "kappa", var_names="kappa")
    with pytest.raises(hb.HTMPError, match="no layer has a parameter 'kapa'"):
        hb.plot_layers([noise], "kapa")


@pytest.mark.parametrize("plot", WITH_SIZE)
def test_text_and_figure_follow_the_users_font_size(noise, plot):
    usual = plot(noise)
    with mpl.rc_context({"font.size": 15}):
        large = plot(noise)

        def sizes(figure):
            return [text.get_fontsize() for text in figure.findobj(mpl.text.Text) if text.get_text()]

        assert max(sizes(large)) == pytest.approx(1.5 * max(sizes(usual)))
    assert large.get_size_inches() == pytest.approx(1.5 * usual.get_size_inches())


def test_axes_of_pyplot_are_drawn_on(noise):
    figure, axes = plt.subplots(1, 2)
    hb.plot_tail(noise, ax=axes[0])
    hb.plot_layers([noise], "kappa", ax=axes[1])
    figure.canvas.draw()
    assert all(ax.has_data() for ax in axes)
    plt.close(figure)


def test_zoom_spans_the_posterior_alone(noise):
    def width(**settings):
        low, high = hb.plot_parameters(noise, "correlation", **settings).axes[0].get_xlim()
        return high - low

    assert width(zoom=True) < 0.6 * width()


def test_the_map_names_layers_without_what_all_begin_with(network):
    (ax,) = hb.plot_kappa_correlation(network).axes
    assert {text.get_text() for text in ax.texts} == {"0.key", "1.key", "2.key"}


def test_the_tail_marks_where_the_power_law_begins(noise):
    (ax,) = hb.plot_tail(noise).axes
    labels = [line.get_label() for line in ax.get_lines()]
    found = hb.laws.power_law.fit_power_law(noise["observed_data/eigenvalues"].to_numpy())
    (marked,) = [line for line in ax.get_lines() if str(line.get_label()).startswith("x_min")]
    assert marked.get_xdata()[0] == found.x_min
    assert f"distance {found.distance:.2g}" in marked.get_label()
    assert any("α = " in label for label in labels)
    assert "1 − α" in ax.get_ylabel()
