"""The picture of many layers."""

import itertools

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from htmp_bayes import plot_layers
from htmp_bayes._errors import HTMPError
from tests.plots.results import assert_legible, noise_spectrum, result_of, with_tail_index


@pytest.fixture(scope="module")
def three():
    results = [result_of(noise_spectrum(1), f"layer.{number}") for number in range(3)]
    results[1]["sample_stats"]["diverging"][0, 0] = True
    return results


def names(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def test_a_row_for_each_layer_with_median_and_intervals(three):
    kappa, correlation = plot_layers(three).axes
    assert names(kappa) == ["layer.0", "layer.1", "layer.2"]
    assert (kappa.get_xlabel(), correlation.get_xlabel()) == ("repulsion\nκ", "correlation\nρ")
    draws = three[0]["posterior/correlation"].values
    ninety, fifty, median = (line.get_xdata() for line in correlation.lines[:3])
    np.testing.assert_allclose(ninety, np.quantile(draws, [0.05, 0.95]))
    np.testing.assert_allclose(fifty, np.quantile(draws, [0.25, 0.75]))
    np.testing.assert_allclose(median, np.median(draws))
    lower, upper = kappa.get_ylim()
    assert lower > upper, "the first layer is on top"


def test_layers_with_divergences_are_orange(three):
    (ax,) = plot_layers(three, ["kappa"]).axes
    colours = [line.get_color() for line in ax.lines[::3]]
    assert [colour == "#D55E00" for colour in colours] == [False, True, False]


def test_a_mapping_gives_the_names(three):
    named = dict(zip(["a", "b\x07", "c"], three, strict=True))
    assert names(plot_layers(named).axes[0]) == ["a", "b?", "c"]


def test_one_result_with_a_dimension_of_layers_is_drawn_by_layer():
    draws = np.random.default_rng(1).uniform(1, 2, size=(2, 5, 3))
    posterior = xr.Dataset(
        {
            "kappa": (("chain", "draw", "layer"), draws),
            "population_kappa": (("chain", "draw"), draws[..., 0]),
        },
        {"layer": ["a", "b", "c"]},
    )
    (ax,) = plot_layers(xr.DataTree.from_dict({"posterior": posterior}), ["kappa"]).axes
    assert names(ax) == ["a", "b", "c"]
    assert [line.get_xdata()[0] for line in ax.lines[2::3]] == pytest.approx(np.median(draws, axis=(0, 1)))


def test_a_parameter_that_one_layer_lacks_leaves_its_row_empty(three):
    (ax,) = plot_layers([three[0], with_tail_index(three[2])], ["tail_index"]).axes
    assert names(ax) == ["layer.0", "layer.2"]
    assert [line.get_ydata()[0] for line in ax.lines] == [1, 1, 1]


def test_forty_layers_have_room_for_their_names(three):
    figure = plot_layers(40 * three[:1], ["kappa", "temperature", "correlation"])
    assert_legible(figure)
    boxes = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert all(lower.y1 <= upper.y0 + 1 for upper, lower in itertools.pairwise(boxes))


def test_what_cannot_be_drawn_is_refused(three):
    with pytest.raises(HTMPError, match="no results"):
        plot_layers([])
    with pytest.raises(HTMPError, match="no layer has a parameter 'tail_index'"):
        plot_layers(three, ["tail_index"])
    with pytest.raises(HTMPError, match="ax takes one parameter, not 2"):
        plot_layers(three, ax=Figure().subplots())
