"""`htmp-bayes report`: from the folder of a run to one file."""

import json

import pytest


@pytest.fixture
def finished(run, collection, fits, tmp_path):
    """The folder of a run of three layers."""
    assert run("fit", collection, "--out", tmp_path / "run", "--seed", "3", "--quiet")[0] == 0
    return tmp_path / "run"


def test_the_report_of_a_run_holds_its_layers_its_command_and_its_seed(run, finished, monkeypatch):
    code, out, err = run("report", finished)
    assert (code, err) == (0, "")
    assert out.strip() == str(finished / "report.html")
    text = (finished / "report.html").read_text(encoding="utf-8")
    for words in (
        "layer.0",
        "layer.1",
        "layer.2",
        "Spectral report of 3 layers",
        "<dt>run: seed</dt><dd>3</dd>",
    ):
        assert words in text
    assert "Comparison of laws" not in text


def test_a_comparison_of_laws_beside_a_posterior_is_shown(run, finished, tmp_path):
    (finished / "layer.1" / "compare_laws.csv").write_text("law,elpd\nHTMP,10.5\n", encoding="utf-8")
    out = tmp_path / "elsewhere.html"
    assert run("report", finished, "--out", out, "--quiet") == (0, "", "")
    text = out.read_text(encoding="utf-8")
    assert text.count("Comparison of laws") == 1
    assert "<td>10.5</td>" in text


def test_a_run_goes_on_after_its_report_was_written(run, collection, finished):
    assert run("report", finished, "--quiet")[0] == 0
    assert run("fit", collection, "--out", finished, "--quiet")[0] == 0


def spoil(finished, change):
    record = json.loads((finished / "run.json").read_text())
    change(record)
    (finished / "run.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda run: (run / "run.json").unlink(), "is not the folder of a run"),
        (lambda run: (run / "run.json").write_text("{"), "is damaged"),
        (lambda run: spoil(run, lambda r: r.pop("layers")), "is damaged"),
        (lambda run: spoil(run, lambda r: r["layers"].clear()), "no finished layer"),
        (lambda run: spoil(run, lambda r: r["layers"]["layer.0"].update(folder="../x")), "'../x'"),
        (lambda run: (run / "layer.1" / "posterior.nc").write_bytes(b"CDF"), "posterior.nc cannot be read"),
        (lambda run: (run / "layer.1" / "posterior.nc").unlink(), "posterior.nc cannot be read"),
    ],
)
def test_a_damaged_run_is_one_sentence_and_writes_nothing(run, finished, damage, words):
    damage(finished)
    code, out, err = run("report", finished)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1
    assert not (finished / "report.html").exists()


def test_a_place_that_cannot_be_written_is_one_sentence(run, finished):
    code, _, err = run("report", finished, "--out", finished / "absent" / "report.html")
    assert code == 2
    assert "is not a folder" in err
