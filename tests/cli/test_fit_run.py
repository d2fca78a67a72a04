"""A run of fits: what it writes, how it goes on after an interrupt, and what it refuses."""

import csv
import json
import os
import signal

import numpy as np
import pytest
import xarray as xr

import htmp_bayes as hb
from htmp_bayes.cli.summary import COLUMNS

from .conftest import LAYERS, fitted


def seeds(fits):
    return {asked["name"]: asked["random_seed"] for asked in fits}


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def rows_of(folder):
    with open(folder / "summary.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_run_writes_posterior_picture_summary_and_record(run, collection, tmp_path, fits):
    out = tmp_path / "run"
    code, said, err = run("fit", collection, "--include", "layer.[01]", "--seed", "7", "--out", out)
    assert (code, err) == (0, "")
    assert files_in(out) == [
        "layer.0/posterior.nc",
        "layer.0/spectrum.png",
        "layer.1/posterior.nc",
        "layer.1/spectrum.png",
        "run.json",
        "summary.csv",
    ]
    with xr.open_datatree(out / "layer.0" / "posterior.nc") as result:
        kappa = result["posterior/kappa"].values
        assert result.attrs["name"] == "layer.0"
    (row, _) = rows_of(out)
    assert list(row) == list(COLUMNS)
    assert float(row["kappa_q5"]) == pytest.approx(np.quantile(kappa, 0.05))
    assert float(row["kappa_mean"]) == pytest.approx(kappa.mean())
    assert float(row["kappa_r_hat"]) <= 1.01
    assert (row["layer"], row["n"], row["divergences"], row["usable"]) == ("layer.0", "120", "0", "True")
    assert (row["mean_median"], row["probability_infinite_mean"]) == ("", "0.25")
    assert [line.split()[:3] for line in said.splitlines()[-2:]] == [
        ["layer.0", "usable", "-"],
        ["layer.1", "usable", "-"],
    ]
    wide = run("fit", collection, "--include", "layer.[01]", "--seed", "7", "--out", out, "--wide")[1]
    assert wide.splitlines()[-2].split()[:2] == ["layer.0", "40"]
    assert "infinite (p = 0.25)" in wide.splitlines()[-2]


def test_a_layers_seed_depends_on_its_name_and_the_runs_seed_and_on_no_other_layer(
    run, collection, tmp_path, fits
):
    run("fit", collection, "--seed", "7", "--out", tmp_path / "all", "--quiet")
    together = seeds(fits)
    fits.clear()
    run("fit", collection, "--include", "layer.2", "--seed", "7", "--out", tmp_path / "one", "--quiet")
    assert seeds(fits) == {"layer.2": together["layer.2"]}
    assert len(set(together.values())) == 3
    fits.clear()
    run("fit", collection, "--include", "layer.2", "--seed", "8", "--out", tmp_path / "other", "--quiet")
    assert seeds(fits)["layer.2"] != together["layer.2"]


def test_without_a_seed_one_is_drawn_recorded_and_used_again(run, collection, tmp_path, fits):
    out = tmp_path / "run"
    run("fit", collection, "--include", "layer.0", "--out", out, "--quiet")
    seed = json.loads((out / "run.json").read_text())["settings"]["seed"]
    run("fit", collection, "--include", "layer.1", "--out", out, "--quiet")
    record = json.loads((out / "run.json").read_text())
    assert record["settings"]["seed"] == seed
    assert record["htmp_bayes"] == hb.__version__
    assert [asked["name"] for asked in fits] == ["layer.0", "layer.1"]


def test_what_is_finished_is_not_fitted_again(run, collection, tmp_path, fits):
    out = tmp_path / "run"
    first = run("fit", collection, "--seed", "1", "--out", out)
    written = (out / "layer.0" / "posterior.nc").stat().st_mtime_ns
    assert run("fit", collection, "--seed", "1", "--out", out) == first
    assert len(fits) == 3
    assert (out / "layer.0" / "posterior.nc").stat().st_mtime_ns == written


def test_a_run_says_all_as_json_with_versions_and_seeds(run, collection, tmp_path, fits):
    code, said, err = run("fit", collection, "--seed", "1", "--out", tmp_path / "run", "--json")
    content = json.loads(said)
    assert (code, err) == (0, "")
    assert content["settings"]["seed"] == 1
    assert {"htmp-bayes", "pymc", "numpy"} <= content["versions"].keys()
    assert {row["layer"]: row["seed"] for row in content["layers"]} == seeds(fits)
    assert {row["htmp_bayes"] for row in rows_of(tmp_path / "run")} == {hb.__version__}


def test_fragments_of_a_killed_run_are_removed_and_nothing_else(run, collection, tmp_path, fits):
    out = tmp_path / "run"
    run("fit", collection, "--include", "layer.0", "--seed", "1", "--out", out)
    for name in (".run.0123abcd.part.json", "layer.0/.posterior.0123abcd.part.nc", "layer.0/.notes.txt"):
        (out / name).write_text("half")
    run("fit", collection, "--include", "layer.0", "--seed", "1", "--out", out)
    hidden = [file for file in files_in(out) if "/." in f"/{file}"]
    assert hidden == ["layer.0/.notes.txt"]


def test_a_folder_that_another_run_writes_to_is_refused(run, collection, tmp_path, fits):
    fcntl = pytest.importorskip("fcntl")
    out = tmp_path / "run"
    run("fit", collection, "--include", "layer.0", "--seed", "1", "--out", out)
    descriptor = os.open(out, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    code, _, err = run("fit", collection, "--seed", "1", "--out", out)
    os.close(descriptor)
    assert (code, len(fits)) == (2, 1)
    assert "Another run is writing to" in err


def test_no_dask_scheduler_is_one_sentence(run, collection, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("htmp_bayes.cli.layer_jobs._DASK_SECONDS", 1)
    code, _, err = run("fit", collection, "--out", tmp_path / "run", "--dask", "tcp://127.0.0.1:9")
    assert code == 2
    assert "No Dask scheduler answers at 'tcp://127.0.0.1:9'" in err


def test_layers_are_fitted_on_a_dask_cluster(run, collection, tmp_path, fits):
    distributed = pytest.importorskip("distributed")
    run("fit", collection, "--seed", "1", "--out", tmp_path / "here")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address
        code, _, err = run("fit", collection, "--seed", "1", "--out", tmp_path / "there", "--dask", address)
    assert (code, err) == (0, "")
    assert rows_of(tmp_path / "there") == rows_of(tmp_path / "here")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (["--seed", "2"], "seed = 1, not 2"),
        (["--seed", "1", "--draws", "800"], "draws = 1000, not 800"),
        (["--seed", "1", "--population", "log-normal"], "population = free, not log-normal"),
        (
            ["--seed", "1", "--spikes", "auto"],
            "population = free, not inverse-gamma and spikes = None, not auto",
        ),
    ],
)
def test_other_settings_are_refused(run, collection, tmp_path, fits, changed, words):
    out = tmp_path / "run"
    run("fit", collection, "--include", "layer.0", "--seed", "1", "--out", out, "--quiet")
    before = files_in(out)
    code, said, err = run("fit", collection, *changed, "--out", out)
    assert (code, said, len(fits)) == (2, "", 1)
    assert f"was fitted with {words}; choose another --out" in err
    assert files_in(out) == before


def test_spikes_are_asked_for_and_their_number_is_in_the_summary(
    run, collection, tmp_path, fits, monkeypatch
):
    def fit(spectrum, *, random_seed, draws, chains, spikes, **settings):
        assert spikes == "auto"
        result = fitted(spectrum, random_seed, draws, chains)
        result["constant_data/spike_number_probability"] = xr.DataArray([0.1, 0.2, 0.7], dims="number")
        return result

    arguments = ("fit", collection, "--include", "layer.0", "--seed", "1", "--out")
    assert "spikes" not in run(*arguments, tmp_path / "off")[1]
    assert "spikes" not in fits[0]
    assert rows_of(tmp_path / "off")[0]["n_spikes"] == ""
    monkeypatch.setattr("htmp_bayes.fitting.fit", fit)
    code, said, _ = run(*arguments, tmp_path / "auto", "--spikes", "auto")
    assert code == 0
    assert "2 (p = 0.7)" in said
    (row,) = rows_of(tmp_path / "auto")
    assert (row["n_spikes"], row["n_spikes_probability"]) == ("2", "0.7")
    record = json.loads((tmp_path / "auto" / "run.json").read_text())
    assert record["settings"]["spikes"] == "auto"


def test_a_layer_of_the_same_name_with_other_eigenvalues_is_refused(run, collection, tmp_path, fits):
    out, other = tmp_path / "run", tmp_path / "other.nc"
    run("fit", collection, "--seed", "1", "--out", out, "--quiet")
    was = hb.read_spectra(collection, include="layer.1")[0]
    for changed in (
        hb.Spectrum(np.linspace(0.5, 2, 40), n=120, name="layer.1"),
        hb.Spectrum(was.eigenvalues, n=was.n + 1, name="layer.1"),
    ):
        hb.save_spectra([changed], other)
        code, _, err = run("fit", other, "--seed", "1", "--out", out)
        assert code == 2
        assert "was begun with another spectrum of the layer 'layer.1'; choose another --out" in err


@pytest.mark.parametrize("content", ["{", "[]", '{"layers": {}}'])
def test_a_damaged_record_is_refused(run, collection, tmp_path, fits, content):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text(content)
    code, _, err = run("fit", collection, "--out", tmp_path / "run")
    assert code == 2
    assert "run.json is damaged" in err


def test_a_folder_of_other_things_is_left_alone(run, collection, tmp_path, fits):
    code, _, err = run("fit", collection, "--out", tmp_path)
    assert (code, files_in(tmp_path)) == (2, ["spectra.nc"])
    assert "holds other files and no run" in err


def test_a_posterior_that_fails_the_check_is_written_and_said_to_fail(run, collection, tmp_path, monkeypatch):
    def fit(spectrum, *, random_seed, draws, chains, **settings):
        return fitted(spectrum, random_seed, draws, chains, diverging=5 * (spectrum.name == "layer.1"))

    monkeypatch.setattr("htmp_bayes.fitting.fit", fit)
    code, said, err = run("fit", collection, "--out", tmp_path / "run")
    assert code == 1
    assert [line.split()[1] for line in said.splitlines()[-3:]] == ["usable", "NOT", "usable"]
    assert err.startswith("layer.1: 5 of 4000 draws diverged")
    assert err.count("\n") == 1
    assert [row["usable"] for row in rows_of(tmp_path / "run")] == ["True", "False", "True"]


def test_an_interrupt_leaves_finished_layers_whole_and_the_command_goes_on(
    run, collection, tmp_path, monkeypatch
):
    """The sampler takes the interrupt as a wish for the draws that it has, and returns them."""
    interrupted = []

    def fit(spectrum, *, random_seed, draws, chains, **settings):
        if spectrum.name == "layer.1" and not interrupted:
            interrupted.append(spectrum.name)
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                return fitted(spectrum, random_seed, draws // 2, chains)
        return fitted(spectrum, random_seed, draws, chains)

    monkeypatch.setattr("htmp_bayes.fitting.fit", fit)
    out = tmp_path / "run"
    handler = signal.getsignal(signal.SIGINT)
    code, said, err = run("fit", collection, "--seed", "1", "--out", out)
    assert (code, said) == (130, "")
    assert err.count("\n") == 1
    assert "the same command goes on from there" in err
    assert files_in(out) == ["layer.0/posterior.nc", "layer.0/spectrum.png", "run.json", "summary.csv"]
    assert signal.getsignal(signal.SIGINT) is handler
    code, _, _ = run("fit", collection, "--seed", "1", "--out", out)
    assert code == 0
    assert [row["layer"] for row in rows_of(out)] == list(LAYERS)


def test_layers_that_would_stop_the_run_later_are_found_before_the_first_fit(run, tmp_path, fits):
    eigenvalues = np.linspace(0.5, 2, 40)
    good = hb.Spectrum(eigenvalues, n=120, name="good")
    for bad, words in [
        (hb.Spectrum(eigenvalues, n=100_000, name="thin"), "thin: the aspect ratio 0.0004 is below 0.0005"),
        (hb.Spectrum(eigenvalues, n=80, name="good"), "2 spectra have the name 'good'"),
    ]:
        hb.save_spectra([good, bad], tmp_path / "bad.nc")
        code, _, err = run("fit", tmp_path / "bad.nc", "--out", tmp_path / "run")
        assert (code, len(fits)) == (2, 0)
        assert words in err
        assert not (tmp_path / "run").exists()


def test_names_from_a_checkpoint_stay_inside_the_run_and_apart(run, tmp_path, fits):
    names = ["../../escaped", "/absolute", "a/b", "a_b", "A_b", "run.json", "", "ends.", "\x1b[2J"]
    spectra = [hb.Spectrum(np.linspace(0.5, 2, 40), n=120, name=name) for name in names]
    hb.save_spectra(spectra, tmp_path / "names.nc")
    code, said, _ = run("fit", tmp_path / "names.nc", "--seed", "1", "--out", tmp_path / "run")
    assert code == 0
    assert "\x1b" not in said
    folders = {path.name.casefold() for path in (tmp_path / "run").iterdir() if path.is_dir()}
    assert len(folders) == len(names)
    assert {path.name for path in tmp_path.iterdir()} == {"names.nc", "run"}
    assert len(list((tmp_path / "run").glob("*/posterior.nc"))) == len(names)


def test_a_real_fit_of_few_draws_ends_with_what_to_do_and_repeats_itself(
    run, collection, tmp_path, monkeypatch
):
    """The one test here that samples; it leaves nothing in the folder for temporary files either."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    settings = ["--include", "layer.0", "--seed", "3", "--draws", "60", "--tune", "100", "--chains", "2"]
    for out in ("a", "b"):
        code, said, err = run("fit", collection, *settings, "--out", tmp_path / out)
        assert code == 1
        assert "NOT USABLE" in said.splitlines()[-1]
        assert "fit with more draws (draws = " in err
    first, second = (xr.load_datatree(tmp_path / out / "layer.0" / "posterior.nc") for out in ("a", "b"))
    assert first.identical(second)
    assert (tmp_path / "a" / "layer.0" / "spectrum.png").stat().st_size > 10_000
    assert list((tmp_path / "temporary").iterdir()) == []
