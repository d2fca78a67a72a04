"""A place for compiled code where neither the package nor the home can be written to."""

import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from htmp_bayes.laws.compiled import cache_place


@pytest.fixture(autouse=True)
def as_started(monkeypatch):
    """Neither Numba nor PyTensor was told a place."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    for told in ("NUMBA_CACHE_DIR", "PYTENSOR_FLAGS", "MPLCONFIGDIR"):
        monkeypatch.setenv(told, "")  # is put back after the test, whatever that sets
        monkeypatch.delenv(told)
    monkeypatch.setattr("atexit.register", lambda *_: None)


def test_a_temporary_folder_is_taken_and_told_where_there_is_no_other(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("HOME", "/proc/nowhere")
    monkeypatch.setattr(cache_place, "_numbas_places", lambda: [Path("/proc/nowhere")])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    cache_place.find_cache_place()
    (folder,) = tmp_path.iterdir()
    assert numba.config.CACHE_DIR == os.environ["NUMBA_CACHE_DIR"] == str(folder)
    assert os.environ["PYTENSOR_FLAGS"] == f"base_compiledir={folder}"
    assert "cannot be written to" in caplog.text
    cache_place.find_cache_place()  # what is told is kept to
    assert list(tmp_path.iterdir()) == [folder]
    cache_place._remove(str(folder), os.getpid() + 1)
    assert folder.exists()
    cache_place._remove(str(folder), os.getpid())
    assert not folder.exists()


def test_places_that_can_be_written_to_are_left_as_they_are(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("HOME", str(tmp_path))
    cache_place.find_cache_place()
    assert not numba.config.CACHE_DIR
    assert "PYTENSOR_FLAGS" not in os.environ
    assert not caplog.text


@pytest.mark.skipif(not Path("/proc").exists(), reason="a folder that even root cannot write to")
def test_models_are_imported_without_a_home(tmp_path):
    """PyTensor alone ends in a traceback there."""
    program = "import os; from htmp_bayes.models import layer_model; print(os.environ['PYTENSOR_FLAGS'])"
    environment = {**os.environ, "HOME": "/proc/nowhere", "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"base_compiledir={tmp_path}")
    assert list(tmp_path.iterdir()) == []
