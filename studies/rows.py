"""The results of a study: a CSV file that is whole at any time, so that an interrupted study goes on."""

import argparse
import csv
import itertools
import math
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from htmp_bayes import _files

type Row = dict[str, str]


def read_rows(table: Path) -> list[Row]:
    """Rows of the file, if there is one."""
    if not table.exists():
        return []
    with open(table, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_rows(table: Path, rows: list[Row]) -> None:
    """Write all rows, whole or not at all."""
    with _files.replacing(table) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def append_rows(
    table: Path,
    columns: Sequence[str],
    rows_of: Callable[..., list[dict[str, Any]]],
    work: Iterable[tuple[Any, ...]],
    jobs: int,
    minutes: float = math.inf,
) -> None:
    """Append what `rows_of` returns for each piece of work, in order, until all is done or the time is up.

    All rows of a piece at once, so that a killed study leaves no half of one. What runs when the time is up is waited
    for: the next piece for each job, too.
    """
    end = time.monotonic() + 60 * minutes
    new = not table.exists()
    with open(table, "a", newline="", encoding="utf-8") as file, ProcessPoolExecutor(jobs) as pool:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        if new:
            writer.writeheader()
        queue = iter(work)
        running = [pool.submit(rows_of, *piece) for piece in itertools.islice(queue, 2 * jobs)]
        while running:
            writer.writerows(running.pop(0).result())
            file.flush()
            if time.monotonic() < end and (piece := next(queue, None)):
                running.append(pool.submit(rows_of, *piece))


def run_or_print(
    description: str, results: Path, run: Callable[[list[Path]], None], table: Callable[[list[Row]], str]
) -> None:
    """Go on with a study of the files on the command line, or write its table, as the command line says."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "files", nargs="*", type=Path, help="checkpoints or spectra, named after their models"
    )
    parser.add_argument("--table", type=Path, help="write the table to this file instead of running")
    arguments = parser.parse_args()
    if arguments.table:
        arguments.table.write_text(table(read_rows(results)), encoding="utf-8")
    else:
        run(arguments.files)
