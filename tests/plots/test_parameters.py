"""The pair plot of posterior and prior."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from htmp_bayes import plot_parameters
from htmp_bayes._errors import HTMPError
from tests.plots.results import labels


def test_a_triangle_of_densities_and_pairs_with_symbols_and_units(noise):
    figure = plot_parameters(noise)
    assert len(figure.axes) == 6
    last_row = [ax.get_xlabel() for ax in figure.axes if ax.get_subplotspec().is_last_row()]
    assert last_row == ["κ", "T (weight²)", "ρ"]
    assert labels(figure.legends[0]) == ["posterior", "prior"]


def test_the_densities_of_both_have_area_one_over_their_whole_range(noise):
    ax = Figure().subplots()
    plot_parameters(noise, ["correlation"], ax=ax)
    for name, patch in zip(("posterior", "prior"), ax.patches, strict=True):
        heights, edges, _ = patch.get_data()
        draws = noise[f"{name}/correlation"].values
        in_sight = np.mean((draws >= edges[0]) & (draws <= edges[-1]))
        assert heights @ np.diff(edges) == pytest.approx(in_sight), name
        assert in_sight == 1 or name == "prior"


def test_draws_of_both_are_in_the_pairs(noise):
    ax = Figure().subplots()
    plot_parameters(noise, ["kappa", "temperature"], ax=ax)
    prior, posterior = (line.get_xydata() for line in ax.lines)
    np.testing.assert_allclose(prior[:, 0], noise["prior/kappa"].values.ravel())
    np.testing.assert_allclose(posterior[:, 1], noise["posterior/temperature"].values.ravel())
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (["kapa"], "parameters are some of kappa, dyson_index, temperature, correlation, not 'kapa'"),
        ([], "not none"),
        (["kappa", "temperature", "correlation"], "ax takes one parameter or a pair of them, not 3"),
    ],
)
def test_parameters_that_cannot_be_drawn_are_refused(noise, parameters, words):
    with pytest.raises(HTMPError, match=words):
        plot_parameters(noise, parameters, ax=Figure().subplots())


def test_a_result_without_a_prior_is_refused(noise):
    without = noise.copy()
    del without["prior"]
    with pytest.raises(HTMPError, match="no group 'prior'"):
        plot_parameters(without)
