"""How the program ends where the world is against it: full disks, closed outputs, other encodings, its own mistakes."""

import os
import subprocess
import sys

import numpy as np
import pytest

import htmp_bayes as hb

PROGRAM = [sys.executable, "-c", "from htmp_bayes.cli import main; raise SystemExit(main())"]


def ended(*arguments, shell="", **environment):
    """Exit code, standard output and standard error of the program, run by a shell that does something first."""
    command = ["sh", "-c", f'{shell} exec "$@"', "sh", *PROGRAM, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, env={**os.environ, **environment}, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def assert_one_sentence(err, *words):
    assert err.count("\n") == 1
    assert err.endswith(".\n")
    for word in words:
        assert word in err


def test_what_nobody_foresaw_has_a_code_of_its_own_and_says_how_to_report_it(
    run, collection, monkeypatch, tmp_path
):
    def broken(*_, **__):
        return {}["weights"]

    monkeypatch.setattr("htmp_bayes.spectra.read_spectra", broken)
    code, said, err = run("spectra", collection, "--out", tmp_path / "out.nc")
    assert (code, said) == (70, "")
    assert_one_sentence(
        err, "KeyError: 'weights', in test_endings.py, line", "please report it", "--log debug"
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError("Unable to allocate 80 GiB"), "There is not enough memory (Unable to allocate 80 GiB)"),
        (OSError(28, "No space left on device"), "No place is left to write to (No space left on device)"),
    ],
)
def test_what_a_user_can_mend_has_the_code_of_wrong_input(
    run, collection, monkeypatch, tmp_path, error, words
):
    def broken(*_, **__):
        raise error

    monkeypatch.setattr("htmp_bayes.spectra.read_spectra", broken)
    code, _, err = run("spectra", collection, "--out", tmp_path / "out.nc")
    assert code == 2
    assert_one_sentence(err, words)


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on the size of files")
def test_a_disk_that_is_full_is_one_sentence_and_no_crash(tmp_path):
    rng = np.random.default_rng(1)
    spectra = [hb.Spectrum(rng.gamma(2.0, size=4000), n=5000, name=f"{i}") for i in range(20)]
    hb.save_spectra(spectra, tmp_path / "in.nc")
    code, out, err = ended(
        "spectra", tmp_path / "in.nc", "--out", tmp_path / "out.nc", shell="ulimit -f 100;"
    )
    assert (code, out) == (2, "")
    assert_one_sentence(err, "out.nc cannot be written (File too large)")
    assert [path.name for path in tmp_path.iterdir()] == ["in.nc"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
@pytest.mark.parametrize(
    ("shell", "words"),
    [("exec >/dev/full;", "cannot be written (No space left on device)"), ("exec >&-;", "is closed")],
)
def test_a_standard_output_that_takes_nothing_is_one_sentence_where_something_is_said(
    collection, shell, words
):
    code, _, err = ended("spectra", collection, "--list", shell=shell)
    assert code == 2
    assert_one_sentence(err, f"Standard output {words}")


def test_no_file_takes_the_place_of_a_closed_stream(collection, tmp_path):
    code, _, err = ended(
        "spectra", collection, "--out", tmp_path / "out.nc", "--quiet", shell="exec <&- >&- 2>&-;"
    )
    assert (code, err) == (0, "")
    assert hb.read_spectra(tmp_path / "out.nc") == hb.read_spectra(collection)


def test_an_encoding_without_the_characters_gets_escapes(collection):
    code, out, err = ended("spectra", collection, "--list", PYTHONIOENCODING="ascii")
    assert (code, err) == (0, "")
    assert r"40\xd7120" in out
