"""Kill a run with two jobs at random moments, and see that the same command ends it with the same bits each time.

    python -m uv run python benchmarks/kills.py --kills 20 --seed 1

A run of four layers is left alone once, which says how long one takes. Then runs like it are killed (SIGKILL, to the
whole group of processes or to the first one alone) at a moment drawn uniformly from that time, and the same command is
given again. What counts as a failure: a posterior, picture or summary that differs in a bit of its values from that of
the run that was left alone, a file that does not belong there or is left in the temporary folder, an exit code other
than 0 and 1, anything on standard error but what `check` finds.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import xarray as xr

import htmp_bayes as hb
from htmp_bayes.laws.beforehand import compile_beforehand

LAYERS = [f"layer.{i}" for i in range(4)]
SETTINGS = ["--seed", "1", "--draws", "50", "--tune", "50", "--chains", "2", "--quiet", "--jobs", "2"]
PROGRAM = [sys.executable, "-c", "from htmp_bayes.cli import main; raise SystemExit(main())"]


def lay_spectra(folder: Path) -> Path:
    """Save the spectra of all runs."""
    spectra = [
        hb.Spectrum(hb.sample_ensemble(48, 3.0, 0.25, 0.2, 0.5, random_state=i), n=192, name=name)
        for i, name in enumerate(LAYERS)
    ]
    hb.save_spectra(spectra, folder / "layers.nc")
    return folder / "layers.nc"


def started(source: Path, out: Path) -> subprocess.Popen[str]:
    """Start a run, with a temporary folder of its own beside its results, in a group of processes of its own."""
    temporary = out.with_suffix(".tmp")
    temporary.mkdir(exist_ok=True)
    return subprocess.Popen(
        [*PROGRAM, "fit", str(source), *SETTINGS, "--out", str(out)],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def killed(source: Path, out: Path, after: float, whole_group: bool) -> None:
    """Start a run and kill it after so many seconds."""
    process = started(source, out)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL) if whole_group else process.kill()
    process.communicate()  # ends when the workers have ended, which hold the other end of the pipe


def ended(source: Path, out: Path) -> list[str]:
    """Run to the end: what is not as it should be."""
    process = started(source, out)
    said = process.communicate()[1]
    faults = [f"exit code {process.returncode}"] if process.returncode not in (0, 1) else []
    return faults + [f"said {line}" for line in said.splitlines() if not line.startswith("layer.")]


def differences(out: Path, alone: Path) -> list[str]:
    """Compare the files of a run with those of another, and look for what is left behind."""
    files, others = ({str(f.relative_to(run)) for f in run.rglob("*")} for run in (out, alone))
    faults = [f"{name} is in one run only" for name in files ^ others]
    faults += [f"left {name}" for run in (out, alone) for name in os.listdir(run.with_suffix(".tmp"))]
    for name in sorted(files & others):
        mine, other = out / name, alone / name
        if name.endswith(".nc"):
            with xr.open_datatree(mine) as one, xr.open_datatree(other) as two:
                same = one.identical(two)
        else:
            same = mine.is_dir() or name == "run.json" or mine.read_bytes() == other.read_bytes()
        faults += [] if same else [f"{name} differs"]
    return faults


def main() -> None:
    """Kill and go on as often as asked, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--together", type=int, default=1, help="runs that are killed and ended at a time")
    asked = parser.parse_args()
    rng = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, alone = lay_spectra(folder), folder / "alone"
        compile_beforehand()
        begun = time.monotonic()
        faults = ended(source, alone)
        seconds = time.monotonic() - begun
        print(f"left alone: {seconds:.0f} s; {'; '.join(faults) or 'well'}", flush=True)
        moments = [(rng.uniform(0, seconds), rng.random() < 0.5) for _ in range(asked.kills)]

        def one(number: int) -> bool:
            (after, whole_group), out = moments[number], folder / f"killed{number}"
            killed(source, out, after, whole_group)
            finished = len(list(out.glob("*/spectrum.png")))
            faults = ended(source, out) + differences(out, alone)
            who, what = "all" if whole_group else "the first", "; ".join(faults) or "same bits"
            print(f"{number}: {who} killed after {after:.0f} s, {finished} layers done; {what}", flush=True)
            return not faults

        with ThreadPoolExecutor(asked.together) as pool:
            well = sum(pool.map(one, range(asked.kills)))
    print(f"{well} of {asked.kills} runs ended with the same bits")


if __name__ == "__main__":
    main()
