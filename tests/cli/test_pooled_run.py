"""`fit --pool` and `compare`: what they write and say, with independent draws in place of the sampler's."""

import json

import numpy as np
import pytest
import xarray as xr

import htmp_bayes as hb


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
                    "layer_depth": ("layer", [0.0, 1.0] * len(models)),
                }
            ),
        }
    )
    made_by = {"random_seed": random_seed, "htmp_bayes_version": hb.__version__}
    tree.attrs = {"name": "network", **made_by, "correction_pareto_k": pareto_k, "correction_counting": 0.9}
    return tree


@pytest.fixture
def fits(monkeypatch):
    asked = []

    def fit_network(spectra, *, random_seed, draws, chains, progress, tune, population, runs=None):
        asked.append((spectra, runs))
        return pooled(spectra, random_seed, draws, chains)

    monkeypatch.setattr("htmp_bayes.network.fit_network", fit_network)
    return asked


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
    assert (sorted(fits[0][0]), fits[0][1]) == (["a", "b"], None)
    assert "Another matrix of the same population" in out
    assert "P(first" in out
    assert "tail index" in out
    written = {file.name for file in (tmp_path / "run").iterdir()}
    assert written >= {"network.nc", "compare_models.csv", "compare_layers.csv", "run.json"}
    assert written >= {"layers.png", "ridge.png", "depth.png", "map.png"}
    assert json.loads((tmp_path / "run" / "run.json").read_text())["settings"]["pool"] is True


def test_a_second_run_does_not_fit_again(run, fits, two_models, tmp_path):
    for _ in range(2):
        assert run("fit", *two_models, "--out", tmp_path / "run", "--pool", *SHORT)[0] == 0
    assert len(fits) == 1


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
    assert fits[0][1] == pattern
    settings = json.loads((tmp_path / "run" / "run.json").read_text())["settings"]
    assert settings["runs"] == pattern


def test_other_layers_or_single_fits_in_the_same_folder_are_refused(run, fits, two_models, tmp_path):
    out = tmp_path / "run"
    assert run("fit", *two_models, "--out", out, "--pool", *SHORT)[0] == 0
    for changed, words in (
        ([*two_models, "--pool", "--include", "h.0"], "holds a pooled fit of other layers"),
        ([two_models[0], "--pool"], "holds a pooled fit of other layers"),
        ([*two_models, "--population", "inverse-gamma"], "was fitted with pool = True, not None"),
    ):
        code, _, err = run("fit", *changed, "--out", out, *SHORT)
        assert (code, err.count("\n"), len(fits)) == (2, 1, 1)
        assert words in err


def test_compare_says_the_same_and_can_name_a_layer(run, fits, two_models, tmp_path):
    said = run("fit", *two_models, "--out", tmp_path / "run", "--pool", *SHORT)[1]
    assert run("compare", tmp_path / "run")[1] == said
    code, out, _ = run("compare", tmp_path / "run", "--layer", "b/h.1")
    assert code == 0
    assert out.count("b/h.1") == 3 * 4


def test_what_is_wrong_is_said_in_one_sentence(run, fits, two_models, tmp_path):
    code, _, err = run("compare", tmp_path / "nothing")
    assert (code, err.count("\n")) == (2, 1)
    assert "holds no pooled fit" in err
    code, _, err = run("fit", *two_models, "--out", tmp_path / "run", "--pool", "--jobs", "2")
    assert code == 2
    assert "leave --jobs" in err
    code, _, err = run("fit", *two_models, "--out", tmp_path / "run", "--runs", "seed(?P<run>.)")
    assert (code, err.count("\n")) == (2, 1)
    assert "add --pool" in err
    code, _, err = run("fit", *two_models, "--out", tmp_path / "run", "--pool", "--spikes", "auto")
    assert (code, err.count("\n")) == (2, 1)
    assert "--pool does not separate spikes" in err


def test_a_posterior_that_fails_is_told_by_the_exit_code(run, monkeypatch, two_models, tmp_path):
    def fit_network(spectra, *, random_seed, draws, chains, **settings):
        return pooled(spectra, random_seed, draws, chains, diverging=3, pareto_k=1.2)

    monkeypatch.setattr("htmp_bayes.network.fit_network", fit_network)
    code, _, err = run("fit", *two_models, "--out", tmp_path / "run", "--pool", *SHORT)
    assert code == 1
    assert "3 of 8000 draws diverged" in err
    assert "Pareto's k of the correction 1.20" in err
