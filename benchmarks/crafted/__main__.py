"""Make some 500 files that mean harm, and see that each is refused by a sentence, soon and in little memory.

    python -m uv run python -m benchmarks.crafted

They are made at the structures of their formats, where `benchmarks/fuzz.py` changes bytes of whole files: pickles whose
keys are deep tuples, headers of a million entries, datasets whose values are in another file, indices that name
/etc/hostname. Each is read by `htmp-bayes spectra` in a process of its own. What counts as a failure: an exit
code other than 0 and 2, no sentence of one line on standard error with 2, a traceback or a crash, 10 s of processor
time, 1 GB of memory in any process, anything that is executed or opened outside of its folder (by Python's audit hooks
and, for C libraries and other processes, by inotify), and a file that ought to be read or refused and is not.
"""

import argparse
import contextlib
import multiprocessing
import os
import resource
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path

from htmp_bayes.spectra import readers

from .case import Case
from .cases import all_cases
from .watch import Seen, lay_outside, read

SECONDS, BYTES = 10, 2**30


def apart(function: Callable[..., object], *arguments: object) -> object:
    """Call a function in a process of its own; what it returns, or None if it crashed or went on for a minute."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_send, args=(sender, function, arguments))
    process.start()
    sender.close()
    try:
        return receiver.recv() if receiver.poll(6 * SECONDS) else None
    except EOFError:
        return None
    finally:
        process.kill()
        process.join()


def _send(sender: Connection, function: Callable[..., object], arguments: tuple) -> None:
    sender.send(function(*arguments))


def measured(path: Path, root: Path) -> tuple[Seen, float, int]:
    """Read a file, and say what was seen, how long it took and the most memory of a process."""
    seen = read(path, root)
    used = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return seen, sum(os.times()[:4]), used * 1024


def tried(case: Case, root: Path) -> tuple[list[str], str, float, int]:
    """Make a case and read it: its faults, what was said, seconds and bytes."""
    folder = root / "case"
    folder.mkdir()
    try:
        path = apart(case.make, folder)
        if not isinstance(path, Path):
            return ["could not be made"], "", 0.0, 0
        outcome = apart(measured, path, root)
        if not isinstance(outcome, tuple):
            return ["crashed or hung"], "", 0.0, 0
        seen, seconds, used = outcome
        faults = seen.faults(case)
        faults += [f"took {seconds:.1f} s"] * (seconds > SECONDS) + [f"took {used / 2**20:.0f} MiB"] * (
            used > BYTES
        )
        return faults, seen.said, seconds, used
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Try all, print each failure, and what the most costly ones took."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="cases with this in their name, with what is said of each")
    asked = parser.parse_args()
    for needed in (*set(readers.MODULES.values()), "htmp_bayes.cli.listing", "rich"):
        import_module(needed)  # once, and not in each process
    rows, counts, started = [], Counter[str](), time.monotonic()
    with contextlib.suppress(ImportError):
        import_module("pyarrow.parquet")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        lay_outside(root)
        for case in all_cases():
            if asked.only not in case.name:
                continue
            faults, said, seconds, used = tried(case, root)
            rows.append((seconds, used, case.name))
            counts["failed" if faults else "refused" if said else "read"] += 1
            for fault in faults:
                print(f"FAILED {case.name}: {fault}", flush=True)
            if asked.only:
                print(f"{case.name} ({seconds:.1f} s, {used / 2**20:.0f} MiB): {said or 'read'}")
    print(f"{len(rows)} files in {time.monotonic() - started:.0f} s: {dict(counts)}")
    print("longest:", *(f"{seconds:.1f} s {what}" for seconds, _, what in sorted(rows)[:-6:-1]), sep="\n  ")
    print(
        "most memory:",
        *(f"{used / 2**20:.0f} MiB {what}" for used, what in sorted((u, w) for _, u, w in rows)[:-6:-1]),
        sep="\n  ",
    )


if __name__ == "__main__":
    main()
