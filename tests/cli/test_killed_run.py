"""A run of eight layers that is killed: the same command goes on, to the results of a run that was left alone."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import xarray as xr

import htmp_bayes as hb

LAYERS = [f"layer.{i}" for i in range(8)]
SETTINGS = ["--seed", "1", "--draws", "50", "--tune", "50", "--chains", "2", "--quiet"]
PROGRAM = [sys.executable, "-c", "from htmp_bayes.cli import main; raise SystemExit(main())"]


@pytest.fixture
def layers(tmp_path):
    spectra = [
        hb.Spectrum(hb.sample_ensemble(64, 3.0, 0.25, 0.2, 0.5, random_state=i), n=256, name=name)
        for i, name in enumerate(LAYERS)
    ]
    hb.save_spectra(spectra, tmp_path / "layers.nc")
    return tmp_path / "layers.nc"


def recorded(out):
    """Layers that the record of a run calls finished."""
    file = out / "run.json"
    return list(json.loads(file.read_text())["layers"]) if file.exists() else []


def rows(out):
    return (out / "summary.csv").read_text().splitlines()


def written(out, layers):
    return {name: (out / name / "posterior.nc").stat().st_mtime_ns for name in layers}


def gone(process):
    """Whether a process is gone, or waits for nothing but its parent's notice of that."""
    status = Path(f"/proc/{process}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"


def wait_until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are found through /proc")
def test_a_killed_run_goes_on_and_ends_as_one_that_was_left_alone(run, layers, tmp_path):
    killed, alone = tmp_path / "killed", tmp_path / "alone"
    started = subprocess.Popen(
        [*PROGRAM, "fit", str(layers), *SETTINGS, "--jobs", "2", "--out", str(killed)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: len(recorded(killed)) >= 3, 500)
    children = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
    os.kill(started.pid, signal.SIGKILL)
    assert started.wait() == -signal.SIGKILL
    wait_until(lambda: all(map(gone, children)), 60)

    finished = recorded(killed)
    assert 3 <= len(finished) < len(LAYERS)
    before = written(killed, finished)
    assert run("fit", layers, *SETTINGS, "--out", killed)[0] == 1  # so few draws pass no check
    assert sorted(recorded(killed)) == sorted(LAYERS)
    assert written(killed, finished) == before

    some = [finished[0], finished[-1], next(name for name in LAYERS if name not in finished)]
    run("fit", layers, *SETTINGS, "--include", f"^({'|'.join(some)})$", "--out", alone)
    assert set(rows(alone)) < set(rows(killed))
    assert len(rows(killed)) == 1 + len(LAYERS)
    for name in some:
        one, other = (xr.load_datatree(out / name / "posterior.nc") for out in (killed, alone))
        assert one.identical(other)
    files = {str(file.relative_to(killed)) for file in killed.rglob("*") if file.is_file()}
    of_layers = {f"{name}/{file}" for name in LAYERS for file in ("posterior.nc", "spectrum.png")}
    assert files == of_layers | {"run.json", "summary.csv"}
