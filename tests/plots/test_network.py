"""Pictures of a network: what is drawn is what the posterior says."""

import numpy as np
import pytest
import xarray as xr

from htmp_bayes._errors import HTMPError
from htmp_bayes.plots import plot_depth, plot_kappa_correlation
from htmp_bayes.plots.network import _outline

KINDS = ["up", "down", "up", "down", "other"]


@pytest.fixture
def result():
    rng = np.random.default_rng(1)
    kappa = np.exp(rng.normal(np.log([4.0, 40.0, 8.0, 80.0, 10.0]), 0.1, (2, 200, 5)))
    correlation = rng.normal([0.3, 0.5, 0.4, 0.6, 0.9], 0.02, (2, 200, 5))
    dims = ("chain", "draw", "layer")
    return xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset({"kappa": (dims, kappa), "correlation": (dims, correlation)}),
            "constant_data": xr.Dataset(
                {"layer_kind": ("layer", KINDS), "layer_depth": ("layer", [0.0, 0.0, 0.5, 0.5, 1.0])}
            ),
        }
    )


def test_depth_joins_the_medians_of_a_kind(result):
    (ax,) = plot_depth(result).axes
    lines = {line.get_label(): line.get_xydata() for line in ax.get_lines()}
    assert sorted(lines) == ["down", "other", "up"]
    medians = np.median(result["posterior"]["kappa"].values.reshape(-1, 5), axis=0)
    depths, heights = lines["up"].T
    assert heights == pytest.approx(medians[[0, 2]])
    assert depths == pytest.approx([0.0, 0.5], abs=0.02)  # kinds stand beside each other
    assert ax.get_yscale() == "log"


@pytest.mark.parametrize(
    ("kinds", "groups"),
    [(KINDS, {"down, a", "down, b", "other, b", "up, a", "up, b"}), (["conv"] * 5, {"a", "b"})],
    ids=["several kinds", "one kind"],
)
def test_models_are_told_apart(result, kinds, groups):
    for name, values in (("layer_kind", kinds), ("layer_model", list("aabbb"))):
        result["constant_data"][name] = xr.DataArray(values, dims="layer")
    (ax,) = plot_depth(result).axes
    assert {line.get_label() for line in ax.get_lines()} == groups


def test_the_map_has_a_marker_for_every_layer(result):
    (ax,) = plot_kappa_correlation(result).axes
    drawn = {line.get_label(): line.get_xydata() for line in ax.get_lines() if line.get_label() in KINDS}
    assert {kind: len(points) for kind, points in drawn.items()} == {"up": 2, "down": 2, "other": 1}


def test_an_outline_holds_half_of_a_normal_posterior():
    rng = np.random.default_rng(2)
    x, y = rng.multivariate_normal([1.0, 2.0], [[1.0, 0.6], [0.6, 0.5]], 20000).T
    covariance = np.cov(x, y)
    edge = np.array(_outline(x, y)) - [[x.mean()], [y.mean()]]
    squared = np.einsum("ik,ij,jk->k", edge, np.linalg.inv(covariance), edge)
    assert squared == pytest.approx(2 * np.log(2.0))  # median of a chi-square of two degrees of freedom


def test_a_result_of_one_layer_is_refused(result):
    with pytest.raises(HTMPError, match="fit_network"):
        plot_depth(
            xr.DataTree.from_dict({"posterior": result["posterior"].isel(layer=0), "constant_data": None})
        )
