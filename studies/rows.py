"""The results of a study: a CSV file that is whole at any time, so that an interrupted study goes on."""

import csv
from pathlib import Path

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
