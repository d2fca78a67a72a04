"""The report of a pooled fit, and of very many layers."""

import base64
import io
import re

import numpy as np
import pytest
import xarray as xr
from PIL import Image

import htmp_bayes as hb
from htmp_bayes.cli.report_run import report_run
from htmp_bayes.drawing.canvas import MODEL, OUTSIDE
from tests.reporting.results import layer_result


def pooled(layers=4):
    rng, shape, dims = np.random.default_rng(1), (4, 400, layers), ("chain", "draw", "layer")
    draws = {
        "kappa": rng.lognormal(3, 0.1, shape),
        "dyson_index": rng.lognormal(0, 0.1, shape),
        "correlation": rng.uniform(0.4, 0.5, shape),
        **{
            f"model_{name}": rng.lognormal([0.0, 1.0], 0.1, (4, 400, 2))
            for name in ("dyson_index", "correlation")
        },
    }
    models = [("a", "b")[i % 2] for i in range(layers)]
    coords = {"layer": [f"{model}/<h>.{i}" for i, model in enumerate(models)], "model": ["a", "b"]}
    posterior = {
        name: (dims if name[:5] != "model" else (*dims[:2], "model"), d) for name, d in draws.items()
    }
    constant = {"layer_kind": ("layer", ["up"] * layers), "layer_depth": ("layer", np.linspace(0, 1, layers))}
    statistics = {
        "diverging": (dims[:2], np.zeros(shape[:2], bool)),
        "energy": (dims[:2], rng.normal(size=shape[:2])),
    }
    result = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(posterior, coords),
            "constant_data": xr.Dataset(constant | {"layer_model": ("layer", models)}),
            "sample_stats": xr.Dataset(statistics),
        }
    )
    result.attrs = {"kind": "network", "random_seed": 7}
    return result


def test_a_pooled_fit_has_a_report(tmp_path):
    text = hb.report(pooled(), tmp_path / "report.html").read_text("utf-8")
    assert "4 layers, fitted together" in text
    assert "The posterior can be used." in text
    assert "a/&lt;h&gt;.0" in text
    assert "<h>" not in text
    assert text.count("<img") == 4
    assert "P(first &lt; second)" in text
    assert re.search("random_seed</dt><dd>7", text)


def test_so_has_a_pooled_run(tmp_path, monkeypatch):
    monkeypatch.setattr("htmp_bayes.network.fit_network", lambda spectra, **settings: pooled())
    from htmp_bayes.cli import main

    folder = tmp_path / "run"
    few = ["--population", "log-normal", "--draws", "20", "--tune", "20", "--chains", "1"]
    main(
        ["fit", "data/minilm.nc", "--include", "[01].output", "--pool", *few, "--out", str(folder), "--quiet"]
    )
    assert "fitted together" in report_run(folder).read_text("utf-8")


def colours(uri):
    image = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB")
    return {"#{:02X}{:02X}{:02X}".format(*colour) for _, colour in image.getcolors(100_000)}


def test_a_plot_keeps_the_colours_of_the_design_however_rare(tmp_path):
    text = hb.report(layer_result("a", misfit=True), tmp_path / "report.html").read_text("utf-8")
    for uri in re.findall(r'src="(data:image/png[^"]+)"', text)[:4]:
        assert {MODEL, OUTSIDE} <= colours(uri)


@pytest.fixture
def few_drawn(monkeypatch):
    monkeypatch.setattr("htmp_bayes.reporting.page._MOST_DRAWN", 2)


def test_of_very_many_layers_some_are_drawn_and_first_those_that_fail(tmp_path, few_drawn):
    results = {f"layer.{i}": layer_result(f"layer.{i}", misfit=i == 3) for i in range(5)}
    text = hb.report(results, tmp_path / "report.html").read_text("utf-8")
    assert "The plots of 2 layers are in this page" in text
    assert "the other 3" in text.replace("\n", " ")
    sections = re.split('<section class="layer" id=', text)[1:6]
    assert [("<img" in section) for section in sections] == [True, False, False, True, False]


def test_a_thousand_layers_stay_below_ten_megabytes(tmp_path, monkeypatch):
    """By what one more layer without plots, and one with plots, takes."""
    from htmp_bayes.reporting import page

    most, sizes = page._MOST_DRAWN, []
    for drawn, number in ((0, 1), (0, 2), (2, 2)):
        monkeypatch.setattr(page, "_MOST_DRAWN", drawn)
        results = [layer_result(f"layer.{i}", misfit=True) for i in range(number)]
        sizes.append(hb.report(results, tmp_path / "report.html").stat().st_size)
    row, plots = sizes[1] - sizes[0], (sizes[2] - sizes[1]) / 2
    assert 1000 * row + most * plots < 10e6
