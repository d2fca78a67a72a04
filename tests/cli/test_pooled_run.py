"""`fit --pool` and `compare`: what they write and say, with independent draws in place of the sampler's."""

import json
from typing import NamedTuple

import numpy as np
import pytest
import xarray as xr

import htmp_bayes as hb
from tests.cli.conftest import fitted


def pooled(spectra, random_seed, draws, chains, diverging=0, pareto_k=0.1):
    models = spectra if isinstance(spectra, dict) else {"network": spectra}
    layers = [
        f"{m}/{s.name}" if len(models) > 1 else s.name for m, members in models.items() for s in members
    ]
    rng, dims = np.random.default_rng(random_seed), ("chain", "draw")
    variables = {}
    for name in ("kappa", "dyson_index", "correlation", "tail_index", "mean"):
        variables[name] = ((*dims, "layer"), rng.uniform(1, 2, (chains, draws, len(layers))))
        variables[f"model_{name}"] = ((*dims, "model"), rng.uniform(1, 2, (chains, draws, len(models))))
    flags = np.arange(chains * draws).reshape(chains, draws) < diverging
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(variables, coords={"layer": layers, "model": list(models)}),
            "sample_stats": xr.Dataset(
                {"diverging": (dims, flags), "energy": (dims, rng.normal(size=flags.shape))}
            ),
            "constant_data": xr.Dataset(
                {
                    "layer_kind": ("layer", ["up"] * len(layers)),
                    "layer_depth": ("layer", np.linspace(0.0, 1.0, len(layers))),
                }
            ),
        }
    )
    made_by = {"random_seed": random_seed, "htmp_bayes_version": hb.__version__}
    tree.attrs = {"name": "network", **made_by, "correction_pareto_k": pareto_k, "correction_counting": 0.9}
    return tree


class Fits(NamedTuple):
    """What the networks and the layers were that were fitted."""

    networks: list
    layers: list


@pytest.fixture
def fits(monkeypatch):
    asked = []

    def fit_network(spectra, *, random_seed, draws, chains, progress, tune, population, fits, runs=None):
        asked.append((spectra, runs, sorted(fits)))
        return pooled(spectra, random_seed, draws, chains)

    def fit(spectrum, *, random_seed, draws, chains, **settings):
        own.append(spectrum.name)
        return fitted(spectrum, random_seed, 500, chains)

    own = []
    monkeypatch.setattr("htmp_bayes.network.fit_network", fit_network)
    monkeypatch.setattr("htmp_bayes.fitting.fit", fit)
    return Fits(asked, own)


@pytest.fixture
def two_models(tmp_path):
    rng = np.random.default_rng(2)
    for model in ("a", "b"):
        spectra = [hb.Spectrum.from_matrix(rng.normal(size=(30, 90)), name=f"h.{i}") for i in range(2)]
        hb.save_spectra(spectra, tmp_path / f"{model}.nc")
    return [tmp_path / "a.nc", tmp_path / "b.nc"]


SHORT = ("--draws", "4000", "--chains", "2", "--seed", "1")


def test_each_file_is_a_model_and_all_is_written(run, fits, two_models, tmp_path):
    code, out, err = run("fit", *two_models, "--out", tmp_path / "run", "--pool", *SHORT)
    assert (code, err) == (0, "")
    names = ["a/h.0", "a/h.1", "b/h.0", "b/h.1"]
    assert (sorted(fits.networks[0][0]), *fits.networks[0][1:]) == (["a", "b"], None, names)
    assert fits.layers == names
    assert out.index("a/h.0") < out.index("Another matrix")
    assert "Another matrix of the same population" in out
    assert "P(first" in out
    assert "tail index" in out
    written = {file.name for file in (tmp_path / "run").iterdir()}
    assert written >= {"network.nc", "compare_models.csv", "compare_layers.csv", "run.json", "summary.csv"}
    made = hb.read_run(tmp_path / "run")
    assert (len(made), made.network.attrs["name"]) == (4, "network")
    assert written >= {"layers.png", "ridge.png", "depth.png", "map.png"}


def test_a_second_run_does_not_fit_again(run, fits, two_models, tmp_path):
    for _ in range(2):
        assert run("fit", *two_models, "--out", tmp_path / "run", "--pool", *SHORT)[0] == 0
    assert (len(fits.networks), len(fits.layers)) == (1, 4)


def test_layers_that_a_run_holds_are_pooled_later(run, fits, two_models, tmp_path):
    out = tmp_path / "run"
    assert run("fit", two_models[0], "--out", out, *SHORT)[0] == 0
    assert run("fit", two_models[0], "--out", out, "--pool", *SHORT)[0] == 0
    assert (len(fits.networks), len(fits.layers)) == (1, 2)
    assert run("fit", two_models[0], "--out", out, "--pool", "--runs", "h.(?P<run>.)", *SHORT)[0] == 0
    assert (len(fits.networks), len(fits.layers)) == (2, 2)


def test_a_network_that_is_damaged_is_pooled_again(run, fits, two_models, tmp_path):
    out = tmp_path / "run"
    assert run("fit", *two_models, "--out", out, "--pool", *SHORT)[0] == 0
    (out / "network.nc").write_bytes(b"CDF")
    code, _, err = run("fit", *two_models, "--out", out, "--pool", *SHORT)
    assert code == 0
    assert "network.nc is not what was written; the layers are pooled again" in err
    assert (len(fits.networks), len(fits.layers)) == (2, 4)


def test_what_is_written_and_json_name_seed_and_versions(run, fits, two_models, tmp_path):
    out = tmp_path / "run"
    said = run("fit", *two_models, "--out", out, "--pool", *SHORT, "--json")[1]
    content = json.loads(said)
    assert (content["seed"], content["versions"]) == (1, {"htmp-bayes": hb.__version__})
    assert (content["usable"], content["reasons"]) == (True, [])
    assert {row["parameter"] for row in content["contrasts"]} >= {"dyson_index", "tail_index"}
    assert run("compare", out, "--json")[1] == said
    assert run("compare", out, "--quiet")[1] == ""
    for name in ("compare_models.csv", "compare_layers.csv"):
        header, first, *_ = (out / name).read_text().splitlines()
        assert header.endswith(",seed,htmp_bayes")
        assert first.endswith(f",1,{hb.__version__}")
    for name in ("layers.png", "depth.png", "map.png"):
        assert b"seed 1" in (out / name).read_bytes()


def test_runs_are_told_by_a_pattern(run, fits, two_models, tmp_path):
    pattern = "(?P<run>[ab])"
    assert run("fit", *two_models, "--out", tmp_path / "run", "--pool", "--runs", pattern, *SHORT)[0] == 0
    assert fits.networks[0][1] == pattern


def test_other_settings_in_the_same_folder_are_refused_and_other_layers_added(
    run, fits, two_models, tmp_path
):
    out = tmp_path / "run"
    assert run("fit", *two_models, "--out", out, "--pool", *SHORT)[0] == 0
    code, _, err = run("fit", *two_models, "--pool", "--population", "inverse-gamma", "--out", out, *SHORT)
    assert (code, err.count("\n"), len(fits.networks)) == (2, 1, 1)
    assert "was fitted with population = free, not inverse-gamma" in err
    assert run("fit", *two_models, "--pool", "--include", "h.0", "--out", out, *SHORT)[0] == 0
    assert fits.networks[1][2] == ["a/h.0", "b/h.0"]
    assert len(fits.layers) == 4


def test_compare_says_the_same_and_can_name_a_layer(run, fits, two_models, tmp_path):
    said = run("fit", *two_models, "--out", tmp_path / "run", "--pool", *SHORT)[1]
    assert run("compare", tmp_path / "run")[1] == said
    code, out, _ = run("compare", tmp_path / "run", "--layer", "b/h.1")
    assert code == 0
    assert out.count("b/h.1") == 3 * 4 + 1


def test_what_is_wrong_is_said_in_one_sentence(run, fits, two_models, tmp_path):
    code, _, err = run("compare", tmp_path / "nothing")
    assert (code, err.count("\n")) == (2, 1)
    assert "holds no pooled fit" in err
    code, _, err = run("fit", *two_models, "--out", tmp_path / "run", "--runs", "seed(?P<run>.)")
    assert (code, err.count("\n")) == (2, 1)
    assert "add --pool" in err
    code, _, err = run("fit", *two_models, "--out", tmp_path / "run", "--pool", "--spikes", "auto")
    assert (code, err.count("\n")) == (2, 1)
    assert "--pool does not separate spikes" in err


def test_a_posterior_that_fails_is_told_by_the_exit_code(run, fits, monkeypatch, two_models, tmp_path):
    def fit_network(spectra, *, random_seed, draws, chains, **settings):
        return pooled(spectra, random_seed, draws, chains, diverging=3, pareto_k=1.2)

    monkeypatch.setattr("htmp_bayes.network.fit_network", fit_network)
    code, _, err = run("fit", *two_models, "--out", tmp_path / "run", "--pool", *SHORT)
    assert code == 1
    assert "3 of 8000 draws diverged" in err
    assert "Pareto's k of the correction 1.20" in err
