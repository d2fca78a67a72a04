"""The table of the likelihood's stretch (`htmp_bayes.models.stretch_table`): simulated at every node of its grid.

python -m studies.stretches run/stretches.csv        # goes on where it stopped; about an hour on two cores
python -m studies.stretches run/stretches.csv --table htmp_bayes/models/stretch_table.npy
"""

import argparse
from pathlib import Path

import numpy as np

from htmp_bayes.models.adjustment import curvature_and_stretch, simulated_scores
from htmp_bayes.models.stretch_table import AXES, as_row
from studies.rows import append_rows, read_rows

# Matrices at each node, by their size: large ones take longer, and neighbouring nodes share their noise.
DRAWS = {24: 400, 96: 300, 384: 100}
COLUMNS = (*AXES, *(f"c{i}{j}" for i in range(1, 4) for j in range(1, i + 1)))


def rows_of(number: int) -> list[dict[str, float]]:
    """Simulate one node, by its number in the table's order, as the row of it."""
    place = np.unravel_index(number, [len(axis) for axis in AXES.values()])
    at = {name: axis[i] for (name, axis), i in zip(AXES.items(), place, strict=True)}
    size = int(at["size"])
    scores = simulated_scores(
        at["kappa"], at["gamma"], at["correlation"], int(at["population"]), size, DRAWS[size], [number]
    )
    row = as_row(curvature_and_stretch(scores)[1])
    return [dict(zip(COLUMNS, [*at.values(), *map(float, row)], strict=True))]


def run(results: Path) -> None:
    """Add the nodes that are missing to the results."""
    nodes = int(np.prod([len(axis) for axis in AXES.values()]))
    results.parent.mkdir(parents=True, exist_ok=True)
    append_rows(
        results, COLUMNS, rows_of, ((number,) for number in range(len(read_rows(results)), nodes)), jobs=2
    )


def table(results: Path) -> np.ndarray:
    """Make the array that the package holds: half precision is far below the simulation's noise."""
    rows = [[float(row[name]) for name in COLUMNS[len(AXES) :]] for row in read_rows(results)]
    return np.reshape(rows, (*(len(axis) for axis in AXES.values()), -1)).astype(np.float16)


def main() -> None:
    """Run or write the table, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="CSV file of the nodes")
    parser.add_argument("--table", type=Path, help="write the table to this file instead of running")
    arguments = parser.parse_args()
    if arguments.table:
        np.save(arguments.table, table(arguments.results))
    else:
        run(arguments.results)


if __name__ == "__main__":
    main()
