"""Training runs: matrix noise, what runs have in common, and what another one would give, each apart."""

import numpy as np
import pytest
import xarray as xr

import htmp_bayes as hb
from htmp_bayes._errors import HTMPError
from tests.plots.results import assert_legible

LABELS = ["2/h.0", "2/h.1", "64/h.0", "64/h.1"]
RUN_SPREAD = 0.3


@pytest.fixture
def result():
    """Layers whose posteriors are known to 1 %, in runs that differ by 30 %, each known to 5 %."""
    rng, dims = np.random.default_rng(1), ("chain", "draw")
    middles = np.log([0.5, 0.7, 0.9, 1.1])
    common = np.exp(middles + rng.normal(0, 0.01, (2, 1000, 4)))
    spectra = [label for label in LABELS for _ in range(3)]
    own = np.repeat(middles, 3) + np.tile([-RUN_SPREAD, 0.0, RUN_SPREAD], 4)
    intervals = np.exp(own[:, None, None] + np.array([-0.08, 0.0, 0.08]))
    posterior = {
        "correlation": ((*dims, "layer"), common),
        "run_spread": ((*dims, "parameter", "model"), np.full((2, 1000, 1, 2), [1.0, 2.0]) * RUN_SPREAD),
    }
    constant = {
        "layer_kind": ("layer", ["h"] * 4),
        "layer_model": ("layer", [label.partition("/")[0] for label in LABELS]),
        "spectrum_layer": ("spectrum", spectra),
        "spectrum_interval": (("spectrum", "parameter", "quantile"), intervals),
    }
    coords = {"layer": LABELS, "parameter": ["correlation"], "model": ["2", "64"]}
    tree = xr.DataTree.from_dict(
        {"posterior": xr.Dataset(posterior, coords), "constant_data": xr.Dataset(constant, coords)}
    )
    tree.attrs = {"kind": "network", "runs": 3}
    return tree


def test_noise_what_is_common_and_another_run_are_drawn_apart(result):
    figure = hb.plot_runs(result)
    assert_legible(figure)
    (ax,) = figure.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["h.0", "h.1"]
    dots = np.sort(
        np.concatenate([line.get_xdata() for line in ax.get_lines() if len(line.get_xdata()) == 3])
    )
    intervals = result["constant_data/spectrum_interval"].to_numpy()[:, 0]
    np.testing.assert_allclose(dots, np.sort(intervals[:, 1]))
    bars = [
        np.ptp(np.log(band.get_paths()[0].vertices[:, 0]))
        for band in ax.collections
        if len(band.get_paths()) == 1
    ]
    another, common = 2 * 1.645 * RUN_SPREAD, 2 * 1.645 * 0.01
    assert sorted(bars)[4:] == pytest.approx([another] * 2 + [2 * another] * 2, rel=0.1)
    assert sorted(bars)[:4] == pytest.approx([common] * 4, rel=0.1)
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert said == ["2", "64", "a run, and its matrix noise", "what runs have in common", "another run"]


def test_some_layers_only(result):
    (ax,) = hb.plot_runs(result, "correlation", ["h.1"]).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["h.1"]


def test_densities_have_that_of_another_run_in_front(result):
    figure = hb.plot_ridge(result, "correlation")
    assert_legible(figure)
    dotted = [line for line in figure.axes[0].get_lines() if line.get_linestyle() == ":"]
    widths = [np.ptp(np.log(line.get_xdata())) for line in dotted]
    one = 2 * 2.576 * RUN_SPREAD
    assert widths == pytest.approx([one, one, 2 * one, 2 * one], rel=0.1)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["2", "64", "another run"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("kappa",), "no 'kappa' of the runs; there are correlation"),
        (("correlation", ["h.7"]), "no layer 'h.7'"),
    ],
)
def test_what_is_not_there_is_said(result, arguments, sentence):
    with pytest.raises(HTMPError, match=sentence):
        hb.plot_runs(result, *arguments)


def test_without_runs_it_says_how_to_have_them(result):
    result.attrs["runs"] = 0
    with pytest.raises(HTMPError, match="no training runs; fit_network takes them by runs="):
        hb.plot_runs(result)
