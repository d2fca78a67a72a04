"""What each benchmark took in each release, in measured.csv: seconds, its peer's in the same run, and the ratio."""

import csv
import os
import platform
from pathlib import Path

import htmp_bayes as hb
from htmp_bayes import _files

TABLE = Path(__file__).with_suffix(".csv")
COLUMNS = ("version", "python", "cores", "benchmark", "what", "seconds", "peer", "peer_seconds", "ratio")
_KEY = ("version", "benchmark", "what", "peer")


def record(
    benchmark: str, what: str, seconds: float, peer: str = "", peer_seconds: float | None = None
) -> str:
    """Put a row in the place of an earlier one of this version, and return it as a line to print."""
    row = {
        "version": hb.__version__,
        "python": platform.python_version(),
        "cores": str(os.cpu_count()),
        "benchmark": benchmark,
        "what": what,
        "seconds": f"{seconds:.4g}",
        "peer": peer,
        "peer_seconds": "" if peer_seconds is None else f"{peer_seconds:.4g}",
        "ratio": "" if peer_seconds is None else f"{peer_seconds / seconds:.3g}",
    }
    rows = []
    if TABLE.exists():
        with open(TABLE, newline="", encoding="utf-8") as file:
            rows = [old for old in csv.DictReader(file) if any(old[name] != row[name] for name in _KEY)]
    rows = sorted([*rows, row], key=lambda row: [row[name] for name in _KEY])
    with _files.replacing(TABLE) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    line = f"{what}: {row['seconds']} s"
    return (
        line
        if peer_seconds is None
        else f"{line}; {peer} {row['peer_seconds']} s, {row['ratio']} times as long"
    )
