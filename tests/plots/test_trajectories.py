"""Layers over the steps of training: what is drawn is what the posterior says."""

import numpy as np
import pytest
import xarray as xr

import htmp_bayes as hb
from htmp_bayes._errors import HTMPError
from tests.plots.results import assert_legible

STEPS = [0, 100, 1000, 10000]


def trained(layers, models=("a",)):
    """A result of layers whose kappa falls from 40 to 5 over the steps."""
    rng, dims = np.random.default_rng(1), ("chain", "draw")
    names = [f"{model}/h.{i}.fc1" for model in models for i in range(layers)]
    path = np.log([40.0, 30.0, 12.0, 5.0])

    def walks(middle, size, dim):
        around = middle + rng.normal(0, 0.2, (size, 1)) + rng.normal(0, 0.1, (2, 100, size, len(STEPS)))
        return ((*dims, dim, "step"), np.exp(around))

    posterior = {}
    for name, middle in (("kappa", path), ("temperature", -path), ("correlation", 0 * path - 0.5)):
        posterior[name] = walks(middle, len(names), "layer")
        posterior[f"model_{name}"] = walks(middle, len(models), "model")
    coords = {"layer": names, "model": list(models), "step": STEPS}
    constant = {
        "layer_kind": ("layer", ["up"] * len(names)),
        "layer_model": ("layer", [name.split("/")[0] for name in names]),
        "layer_depth": ("layer", np.linspace(0, 1, len(names))),
    }
    return xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(posterior, coords=coords),
            "constant_data": xr.Dataset(constant, coords={"layer": names}),
        }
    )


def test_medians_and_bands_of_few_layers_are_those_of_the_posterior():
    result = trained(2)
    figure = hb.plot_trajectories(result)
    assert [ax.get_ylabel().split("\n")[0] for ax in figure.axes] == [
        "repulsion",
        "temperature",
        "correlation",
    ]
    assert_legible(figure)
    kappa = figure.axes[0]
    draws = result["posterior/kappa"].sel(layer="a/h.1.fc1").values.reshape(-1, len(STEPS))
    line = next(line for line in kappa.get_lines() if line.get_label() == "a/h.1.fc1")
    np.testing.assert_allclose(line.get_xydata(), np.column_stack([STEPS, np.median(draws, axis=0)]))
    band = kappa.collections[1].get_paths()[0].vertices
    for quantile in np.quantile(draws, [0.05, 0.95], axis=0):
        assert np.isin(quantile, band[:, 1]).all()
    assert kappa.get_yscale() == "log"
    assert kappa.get_xscale() == "symlog"


def test_of_many_layers_the_typical_ones_have_a_band():
    result = trained(10, models=("a", "b"))
    (ax,) = hb.plot_trajectories(result, ["correlation"]).axes
    assert len(ax.collections) == 2
    assert len(ax.get_lines()) == 20 + 2
    labelled = [line.get_label() for line in ax.get_lines() if not line.get_label().startswith("_")]
    assert labelled == ["typical layer, a", "typical layer, b"]


def test_layers_can_be_chosen():
    (ax,) = hb.plot_trajectories(trained(10), ["kappa"], layers=["a/h.7.fc1"]).axes
    assert [line.get_label() for line in ax.get_lines()] == ["a/h.7.fc1"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"parameters": ["tail_index"]}, "no 'tail_index' of layers over steps"),
        ({"layers": ["c"]}, "no layer 'c'"),
        ({"layers": []}, "names no layer"),
    ],
)
def test_what_is_not_there_is_said(options, sentence):
    with pytest.raises(HTMPError, match=sentence):
        hb.plot_trajectories(trained(2), **options)


@pytest.mark.parametrize("picture", [hb.plot_depth, hb.plot_kappa_correlation, hb.plot_ridge, hb.plot_layers])
def test_the_other_pictures_are_of_the_last_step(picture):
    result = trained(3)
    last = result.copy()
    last["posterior"] = xr.DataTree(result["posterior"].to_dataset().isel(step=-1, drop=True))
    drawn, expected = (
        [line.get_xydata() for ax in picture(r).axes for line in ax.get_lines()] for r in (result, last)
    )
    assert len(drawn) == len(expected) > 0
    for one, other in zip(drawn, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_contrasts_are_of_the_last_step_or_the_one_that_is_named():
    result = trained(2, models=("a", "b"))
    for step in (None, 100):
        at = result["posterior"].to_dataset().sel(step=10000 if step is None else step)
        expected = (at["kappa"][..., 0] / at["kappa"][..., 1]).median()
        table = hb.compare_layers(result, "a/h.0.fc1", "a/h.1.fc1", parameters=["kappa"], step=step)
        assert table["median"][0] == pytest.approx(float(expected))
        expected = (at["model_kappa"][..., 0] / at["model_kappa"][..., 1]).median()
        assert hb.compare_models(result, parameters=["kappa"], step=step)["median"][0] == pytest.approx(
            float(expected)
        )
    with pytest.raises(HTMPError, match="no step 5 in the result; there are 0, 100"):
        hb.compare_layers(result, step=5)
