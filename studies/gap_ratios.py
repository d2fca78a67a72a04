"""Mean ratio of neighbouring gaps by the Dyson index: the table of `htmp_bayes.laws.gap_ratio`.

    python studies/gap_ratios.py [processes]

Draws matrices of the Gaussian beta ensemble (Dumitriu & Edelman, J. Math. Phys. 43 (2002) 5830, theorem 2.1) and takes
the gaps in the middle half of their spectra, where the density hardly bends. For each Dyson index the mean of
min/max of successive gaps, its Monte-Carlo error, and the variance of the mean times the number of ratios. Rows that
are there are not drawn again.
"""

import csv
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from scipy.linalg import eigvalsh_tridiagonal

TABLE = Path(__file__).with_suffix(".csv")
INDICES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0)
SIZE, MATRICES = 1000, 4000


def mean_ratios(beta: float, seed: int) -> np.ndarray:
    """Mean ratio of the gaps in the middle half of each of `MATRICES` spectra."""
    rng = np.random.default_rng([seed, int(1000 * beta)])
    means = np.empty(MATRICES)
    for k in range(MATRICES):
        diagonal = rng.normal(scale=np.sqrt(2.0), size=SIZE)
        beside = np.sqrt(rng.chisquare(beta * np.arange(SIZE - 1, 0, -1)))
        eigenvalues = eigvalsh_tridiagonal(diagonal, beside)
        gaps = np.diff(eigenvalues[SIZE // 4 : 3 * SIZE // 4])
        means[k] = np.mean(np.minimum(gaps[1:], gaps[:-1]) / np.maximum(gaps[1:], gaps[:-1]))
    return means


def row(beta: float) -> list[float]:
    """One row of the table."""
    means = mean_ratios(beta, seed=1)
    ratios = SIZE // 2 - 2
    return [beta, means.mean(), means.std() / np.sqrt(MATRICES), ratios * means.var()]


def main(processes: int) -> None:
    """Append the rows that are missing."""
    known = set()
    if TABLE.exists():
        with TABLE.open() as file:
            known = {float(entry["dyson_index"]) for entry in csv.DictReader(file)}
    else:
        TABLE.write_text("dyson_index,mean_ratio,standard_error,variance_per_ratio\n")
    with ProcessPoolExecutor(processes) as pool:
        for found in pool.map(row, [beta for beta in INDICES if beta not in known]):
            with TABLE.open("a") as file:
                file.write(",".join(f"{number:.6g}" for number in found) + "\n")
            print(*found, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
