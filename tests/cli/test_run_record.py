"""What a run takes from the folder in which it goes on: a record that may be changed, and files that may be lost."""

import json
import os

import numpy as np
import pytest

import htmp_bayes as hb
from htmp_bayes.cli.run_folder import RunFolder, folder_name
from htmp_bayes.cli.run_record import RunError


@pytest.fixture
def finished(run, collection, fits, tmp_path):
    """The folder of a run of three layers."""
    assert run("fit", collection, "--out", tmp_path / "run", "--seed", "3", "--quiet")[0] == 0
    fits.clear()
    return tmp_path / "run"


def spoilt(finished, change):
    record = json.loads((finished / "run.json").read_text())
    change(record)
    (finished / "run.json").write_text(json.dumps(record))


def first(record):
    return record["layers"]["layer.0"]


SHAPES = {
    "nothing": b"",
    "no text": b"\xff\xfe",
    "number": b"1",
    "null": b"null",
    "list": b"[]",
    "deep": b"[" * 100_000,
    "many digits": b'{"a": ' + b"9" * 5000 + b"}",
}
CHANGES = {
    "no version": lambda r: r.pop("htmp_bayes"),
    "version that is a list": lambda r: r.update(htmp_bayes=[1]),
    "no settings": lambda r: r.pop("settings"),
    "settings that are a list": lambda r: r.update(settings=[]),
    "no seed": lambda r: r["settings"].pop("seed"),
    "seed that is a text": lambda r: r["settings"].update(seed="3"),
    "setting that is a list": lambda r: r["settings"].update(draws=[1000]),
    "inputs that are a list": lambda r: r.update(inputs=[]),
    "digest that is a number": lambda r: r["inputs"].update({"layer.0": 3}),
    "files that are missing": lambda r: r.pop("files"),
    "command that is a text": lambda r: r.update(command="fit"),
    "command of numbers": lambda r: r.update(command=[1]),
    "layers that are a list": lambda r: r.update(layers=[]),
    "layer that is a text": lambda r: r["layers"].update({"layer.0": "done"}),
    "folder above": lambda r: first(r).update(folder=".."),
    "folder above, further": lambda r: first(r).update(folder="../x"),
    "folder of all": lambda r: first(r).update(folder="."),
    "absolute folder": lambda r: first(r).update(folder="/etc"),
    "no folder": lambda r: first(r).update(folder=""),
    "folder that is a number": lambda r: first(r).update(folder=3),
    "folder of another layer": lambda r: first(r).update(folder="Layer.1"),
    "no summary": lambda r: first(r).pop("summary"),
    "empty summary": lambda r: first(r).update(summary={}),
    "summary of another layer": lambda r: first(r)["summary"].update(layer="layer.1"),
    "text as a number": lambda r: first(r)["summary"].update(kappa_median="5"),
    "nothing as a number": lambda r: first(r)["summary"].update(kappa_median=None),
    "NaN": lambda r: first(r)["summary"].update(gamma=float("nan")),
    "number of 400 digits": lambda r: first(r)["summary"].update(gamma=10**400),
    "number as a verdict": lambda r: first(r)["summary"].update(usable=1),
    "list as reasons": lambda r: first(r)["summary"].update(reasons=["a"]),
    "unknown column": lambda r: first(r)["summary"].update(more=1),
    "half a parameter": lambda r: first(r)["summary"].pop("kappa_q5"),
}


def assert_damaged(ended):
    code, said, err = ended
    assert (code, said) == (2, "")
    assert "run.json is damaged" in err
    assert err.count("\n") == 1
    assert err.endswith(".\n")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("command", ["fit", "report"])
def test_a_record_of_any_other_shape_is_refused(run, collection, tmp_path, fits, shape, command):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_bytes(SHAPES[shape])
    where = [tmp_path / "run"] if command == "report" else [collection, "--out", tmp_path / "run"]
    assert_damaged(run(command, *where))


def test_a_record_with_a_wrong_entry_is_refused(run, collection, fits, finished):
    whole = (finished / "run.json").read_bytes()
    for name, change in CHANGES.items():
        (finished / "run.json").write_bytes(whole)
        spoilt(finished, change)
        written = (finished / "run.json").read_bytes()
        for command in (["report", finished], ["fit", collection, "--out", finished]):
            assert_damaged(run(*command)), name
        assert (finished / "run.json").read_bytes() == written
    assert not fits


def test_a_record_that_is_a_pipe_is_refused(run, collection, tmp_path):
    (tmp_path / "run").mkdir()
    os.mkfifo(tmp_path / "run" / "run.json")
    assert_damaged(run("fit", collection, "--out", tmp_path / "run"))


def test_layers_whose_files_are_not_what_was_written_are_fitted_again(run, collection, fits, finished):
    whole = {path: path.read_bytes() for path in finished.rglob("*.*") if path.is_file()}
    posterior, picture, gone = (
        finished / name for name in ("layer.0/posterior.nc", "layer.1/spectrum.png", "layer.2/posterior.nc")
    )
    untouched = (finished / "layer.1" / "posterior.nc").stat().st_ino
    posterior.write_bytes(whole[posterior][:1000])
    picture.write_bytes(b"\0" + whole[picture][1:])
    gone.unlink()
    code, _, err = run("fit", collection, "--include", "layer.[02]", "--out", finished, "--quiet")
    assert code == 0
    assert err.splitlines() == [
        "layer.0: layer.0/posterior.nc is not what was written; the layer is fitted again.",
        "layer.2: layer.2/posterior.nc is gone; the layer is fitted again.",
    ]
    assert [asked["name"] for asked in fits] == ["layer.0", "layer.2"]
    assert (finished / "layer.1" / "posterior.nc").stat().st_ino == untouched
    posterior.write_bytes(b"")
    err = run("fit", collection, "--out", finished, "--quiet")[2]
    assert err.count("is not what was written; the layer is fitted again.") == 2
    assert len(fits) == 4
    assert picture.read_bytes() == whole[picture]
    assert (finished / "summary.csv").read_bytes() == whole[finished / "summary.csv"]
    assert run("fit", collection, "--out", finished, "--quiet") == (0, "", "")
    assert len(fits) == 4


def test_a_summary_that_is_gone_is_written_again(run, collection, fits, finished):
    before = (finished / "summary.csv").read_bytes()
    (finished / "summary.csv").unlink()
    assert run("fit", collection, "--out", finished, "--quiet") == (0, "", "")
    assert (finished / "summary.csv").read_bytes() == before
    assert not fits


def test_a_folder_with_nothing_but_a_fragment_can_be_gone_on_in(run, collection, fits, tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    (out / ".run.0123abcd.part.json").write_text("{")
    assert run("fit", collection, "--include", "layer.0", "--out", out, "--quiet") == (0, "", "")
    assert [path.name for path in out.glob(".*")] == []


def test_fragments_of_every_kind_are_removed(run, collection, fits, finished):
    fragments = [
        ".network.0123abcd.part.nc",
        ".report.0123abcd.part.html",
        "layer.0/.compare_laws.0123abcd.part.csv",
    ]
    for name in fragments:
        (finished / name).write_text("half")
    run("fit", collection, "--out", finished, "--quiet")
    assert [name for name in fragments if (finished / name).exists()] == []


def test_a_run_that_was_started_before_another_ended_reads_the_record_again(tmp_path):
    """Both looked into the empty folder; the second writes when the first is done."""
    runs = [RunFolder(tmp_path / "run", {"seed": seed, "draws": 1000}, []) for seed in (1, 2, 1, None)]
    with runs[0].writing({"a": "digest"}):
        pass
    with pytest.raises(RunError, match="was fitted with seed = 1, not 2"), runs[1].writing({"a": "digest"}):
        pass
    with pytest.raises(RunError, match="another spectrum of the layer 'a'"), runs[2].writing({"a": "other"}):
        pass
    with runs[3].writing({"b": "digest"}):
        assert runs[3].settings["seed"] == 1
        assert runs[3].inputs == {"a": "digest", "b": "digest"}
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["inputs"] == {"a": "digest", "b": "digest"}


@pytest.mark.parametrize("names", [("a_b-c14cddc0", "a/b"), ("a/b", "a_b-c14cddc0")])
def test_no_two_layers_share_a_folder_whoever_comes_first(run, tmp_path, fits, names):
    assert folder_name("a/b") == "a_b-c14cddc0"
    for name in names:
        hb.save_spectra([hb.Spectrum(np.linspace(0.5, 2, 40), n=120, name=name)], tmp_path / "one.nc")
        assert run("fit", tmp_path / "one.nc", "--seed", "1", "--out", tmp_path / "run", "--quiet")[0] == 0
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert len({entry["folder"] for entry in record["layers"].values()}) == 2
    assert len(list((tmp_path / "run").glob("*/posterior.nc"))) == 2


def test_a_folder_that_cannot_be_locked_is_written_to_with_a_word(
    run, collection, tmp_path, fits, monkeypatch, caplog
):
    fcntl = pytest.importorskip("fcntl")

    def no_locks(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert run("fit", collection, "--out", tmp_path / "run", "--quiet")[0] == 0
    assert "cannot be locked (No locks available)" in caplog.text


def test_names_that_a_spreadsheet_would_run_are_texts_in_the_summary(run, tmp_path, fits):
    names = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "plain"]
    spectra = [hb.Spectrum(np.linspace(0.5, 2, 40), n=120, name=name) for name in names]
    hb.save_spectra(spectra, tmp_path / "names.nc")
    assert run("fit", tmp_path / "names.nc", "--out", tmp_path / "run", "--quiet")[0] == 0
    lines = (tmp_path / "run" / "summary.csv").read_text().splitlines()[1:]
    assert [line.split(",")[0].strip('"') for line in lines] == [f"'{name}" for name in names[:-1]] + [
        "plain"
    ]


def test_a_posterior_that_points_outside_is_not_opened(run, finished, tmp_path):
    h5py = pytest.importorskip("h5py")
    os.mkfifo(tmp_path / "outside")
    with h5py.File(finished / "layer.0" / "posterior.nc", "a") as file:
        file.create_dataset("name", (1,), "S120", external=[(str(tmp_path / "outside"), 0, 120)])
    code, _, err = run("report", finished)
    assert code == 2
    assert "has its values in another file, which is not opened" in err


def test_a_fit_leaves_nothing_in_the_temporary_folder_and_needs_no_room_there(
    run, collection, tmp_path, fits, monkeypatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    assert run("fit", collection, "--include", "layer.0", "--out", tmp_path / "run", "--quiet")[0] == 0
