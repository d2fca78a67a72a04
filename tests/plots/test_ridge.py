"""The densities of layers, one above the other."""

import numpy as np
import pytest
import xarray as xr

from htmp_bayes._errors import HTMPError
from htmp_bayes.plots import plot_ridge
from tests.plots.results import assert_legible

NAMES = ["h.0.fc1", "h.0.fc2", "h.1.fc1"]


@pytest.fixture
def result():
    rng, dims = np.random.default_rng(1), ("chain", "draw", "layer")
    kappa = np.exp(rng.normal(np.log([4.0, 40.0, 8.0]), [0.1, 0.3, 0.2], (2, 2000, 3)))
    posterior = {"kappa": (dims, kappa), "correlation": (dims, rng.normal(0.5, 0.1, kappa.shape))}
    return xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(posterior, coords={"layer": NAMES}),
            "constant_data": xr.Dataset({"layer_kind": ("layer", ["up", "down", "up"])}),
        }
    )


def test_each_layer_has_its_density_on_the_scale_that_is_drawn(result):
    (ax,) = (figure := plot_ridge(result)).axes
    assert_legible(figure)
    assert [label.get_text() for label in ax.get_yticklabels()] == NAMES
    assert ax.get_xscale() == "log"
    tops = [line.get_xydata() for line in ax.get_lines()]
    areas = []
    for i, (top, centre, sd) in enumerate(zip(tops, [4.0, 40.0, 8.0], [0.1, 0.3, 0.2], strict=True)):
        height = i - top[:, 1]
        assert np.log(top[height.argmax(), 0]) == pytest.approx(np.log(centre), abs=0.5 * sd)
        areas.append(np.trapezoid(height, np.log(top[:, 0])))
    assert areas == pytest.approx([np.mean(areas)] * 3, rel=0.05)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["up", "down"]


def test_correlation_has_a_linear_axis(result):
    (ax,) = plot_ridge(result, "correlation").axes
    assert ax.get_xscale() == "linear"


def test_what_is_not_there_is_said(result):
    with pytest.raises(HTMPError, match="no 'scale' of layers"):
        plot_ridge(result, "scale")
