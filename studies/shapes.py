"""The table of the law's shape that searches for a mode start from: quantiles and densities at the nodes of a grid.

python -m studies.shapes htmp_bayes/models/shape_table.npy        # some minutes on two cores
"""

import argparse
import itertools
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from htmp_bayes import HTMP
from htmp_bayes.models.layer import POPULATIONS, expected_log
from htmp_bayes.models.shape_table import AXES, PROBABILITIES, Shape


def row(node: tuple[float, float, float, float]) -> np.ndarray:
    """Tabulate one law."""
    population, gamma, kappa, correlation = node
    name = next(name for name, code in POPULATIONS.items() if code == population)
    law = HTMP(kappa, gamma, 1.0, correlation, population=name)
    x = law.ppf(PROBABILITIES)
    log_x, log_density = (np.full(len(x), -np.inf) for _ in range(2))
    log_x[x > 0] = np.log(x[x > 0])
    log_density[x > 0] = law.logpdf(x[x > 0]) + log_x[x > 0]
    log_x = _continued(log_x)
    # what a double does not hold follows the power law of the others
    unknown = ~np.isfinite(log_density)
    log_density[unknown] = np.log(np.gradient(PROBABILITIES, log_x))[unknown]
    return Shape(log_x - expected_log(kappa, gamma), log_density).as_rows()


def _continued(log_x: np.ndarray) -> np.ndarray:
    """Continue the left tail, a power law, where its quantiles are below the smallest double."""
    first = int(np.argmax(np.isfinite(log_x)))
    log_p = np.log(PROBABILITIES)
    slope = (log_x[first + 1] - log_x[first]) / (log_p[first + 1] - log_p[first])
    continued = log_x[first] + slope * (log_p - log_p[first])
    return np.where(np.arange(len(log_x)) < first, continued, log_x)


def main() -> None:
    """Write the table, in half precision, which is more than enough for starts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path, help="file to write")
    arguments = parser.parse_args()
    with ProcessPoolExecutor() as pool:
        rows = list(pool.map(row, itertools.product(*AXES.values()), chunksize=8))
    shape = tuple(len(axis) for axis in AXES.values())
    np.save(arguments.table, np.reshape(rows, (*shape, -1)).astype(np.float16))


if __name__ == "__main__":
    main()
