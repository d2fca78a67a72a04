"""`read_run`: what the command line wrote, read in Python."""

import pytest

import htmp_bayes as hb
from htmp_bayes.cli import main

from .cli.conftest import fitted


@pytest.fixture
def folder(tmp_path, monkeypatch):
    def fit(spectrum, *, random_seed, draws, chains, **settings):
        return fitted(spectrum, random_seed, draws, chains)

    monkeypatch.setattr("htmp_bayes.fitting.fit", fit)
    monkeypatch.setattr("htmp_bayes.plots.result_values._CURVE_DRAWS", 2)
    out = tmp_path / "run"
    main(["fit", "data/minilm.nc", "--include", "output.dense", "--out", str(out), "--seed", "1", "--quiet"])
    return out


def test_a_run_is_a_mapping_of_layers_to_results(folder):
    run = hb.read_run(folder)
    assert "layer.0.output.dense" in run
    assert len(run) == len(list(run)) == 12
    assert run["layer.0.output.dense"].attrs["name"] == "layer.0.output.dense"
    assert repr(run) == f"Run({str(folder)!r}, 12 layers, seed 1)"
    assert run.summary.loc["layer.0.output.dense", "n_eigenvalues"] == 384
    assert run.settings["seed"] == 1
    assert "<td" in run._repr_html_()
    with pytest.raises(KeyError, match="no layer 'x'"):
        run["x"]


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(hb.HTMPError, match="not the folder of a run"):
        hb.read_run(tmp_path)


def test_examples_are_those_of_the_folder_data():
    assert hb.load_example() == hb.read_spectra("data/minilm.nc")
    assert len(hb.load_example("training")) > 10
