"""Does the law's density integrate to 1? Random parameter sets over the whole range, a row each into a CSV file.

    nice -n 15 python3 -m uv run python studies/law_norm.py --sets 2000 --table law_norm.csv

takes about a second a set on one core. Sets that the file holds are not computed again, so that an interrupted run
goes on; every set has its own seed. The sets whose error is above 1e-9 are printed at the end.

The density is integrated in log y, adaptively, between the points where the distribution function is 1e-14 from 0 and
from 1; what lies outside is completed by the distribution function. In between the integral must reach each value
of the distribution function, too: the second number.
"""

import argparse
import csv
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from htmp_bayes.laws.compiled import htmp_density
from htmp_bayes.laws.parameters import CORRELATION_RANGE, GAMMA_RANGE, KAPPA_RANGE

NEGLIGIBLE = 1e-14
TARGET = 1e-9
# From the smallest double at the largest temperature (nearly) to the largest double.
LOWEST, HIGHEST = -1400.0, 700.0
PANELS = 16
NARROWEST = 1e-7
POPULATIONS = {"log-normal": htmp_density.LOG_NORMAL, "inverse-gamma": htmp_density.INVERSE_GAMMA}
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


class Errors(NamedTuple):
    """What the density of one parameter set misses."""

    norm: float
    """The integral of the density, less 1."""
    distribution: float
    """Largest difference between the running integral of the density and the distribution function."""
    where: float
    """log y at which that is."""


def random_parameters(seed: int) -> tuple[float, float, float, str]:
    """Draw kappa (log-uniform), gamma, rho (none in a fifth of the sets) and the population's name."""
    rng = np.random.default_rng(seed)
    kappa = float(np.exp(rng.uniform(*np.log(KAPPA_RANGE))))
    gamma = float(rng.uniform(*GAMMA_RANGE)) if rng.uniform() < 0.9 else 1.0
    rho = float(rng.uniform(*CORRELATION_RANGE)) if rng.uniform() < 0.8 else 0.0
    return kappa, gamma, rho, str(rng.choice(list(POPULATIONS)))


def errors(kappa: float, gamma: float, rho: float, population: str) -> Errors:
    """Compare the integral of the density with 1 and with the distribution function."""
    law = (kappa, gamma, rho, POPULATIONS[population])
    low, high = _ends(law)
    edges, masses = _panels(low, high, law)
    rows = htmp_density.fast_rows(edges, *law)
    running = rows[0, 5] + np.concatenate([[0.0], np.cumsum(masses)])
    off = np.where(rows[:, 5] < 0.5, running - rows[:, 5], running - 1.0 + rows[:, 6])
    worst = int(np.argmax(np.where(np.isnan(off), np.inf, np.abs(off))))
    return Errors(float(running[-1] + rows[-1, 6] - 1.0), float(off[worst]), float(edges[worst]))


def _ends(law: tuple) -> tuple[float, float]:
    """Points of log y beyond which the law has next to no mass, by bisection of the distribution function."""
    ends = []
    for column, outside, inside in ((5, LOWEST, HIGHEST), (6, HIGHEST, LOWEST)):
        while abs(inside - outside) > 0.01:
            middle = 0.5 * (inside + outside)
            beyond = htmp_density.exact_rows(np.array([middle]), *law)[0, column] < NEGLIGIBLE
            outside, inside = (middle, inside) if beyond else (outside, middle)
        ends.append(outside)
    return ends[0], ends[1]


def _masses(low: np.ndarray, high: np.ndarray, law: tuple) -> np.ndarray:
    half = 0.5 * (high - low)[:, None]
    log_y = low[:, None] + half * (1.0 + _NODES)
    log_f = htmp_density.fast_rows(log_y.ravel(), *law)[:, 0].reshape(log_y.shape)
    return np.sum(np.exp(log_f + log_y) * _WEIGHTS * half, axis=1)


def _panels(low: float, high: float, law: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Edges of panels that resolve the density, and the mass of each."""
    edges = np.linspace(low, high, PANELS + 1)
    lows, highs, whole = edges[:-1], edges[1:], _masses(edges[:-1], edges[1:], law)
    done: list[tuple[float, float]] = []
    while lows.size:
        middle = 0.5 * (lows + highs)
        left, right = np.split(_masses(np.append(lows, middle), np.append(middle, highs), law), 2)
        resolved = ~(np.abs(left + right - whole) > 1e-13) | (highs - lows < NARROWEST)
        done += zip(lows[resolved], left[resolved], strict=True)
        done += zip(middle[resolved], right[resolved], strict=True)
        again = ~resolved
        lows, highs = np.append(lows[again], middle[again]), np.append(middle[again], highs[again])
        whole = np.append(left[again], right[again])
    done.sort()
    return np.array([start for start, _ in done] + [high]), np.array([mass for _, mass in done])


def main() -> None:
    """Compute what the table does not hold yet, then print the failures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=200)
    parser.add_argument("--table", type=Path, default=Path("law_norm.csv"))
    arguments = parser.parse_args()
    done = {}
    if arguments.table.exists():
        with arguments.table.open() as file:
            done = {int(row["seed"]): row for row in csv.DictReader(file)}
    with arguments.table.open("a", newline="") as file:
        writer = csv.DictWriter(file, ["seed", "kappa", "gamma", "rho", "population", *Errors._fields])
        if not done:
            writer.writeheader()
        for seed in range(arguments.sets):
            if seed not in done:
                kappa, gamma, rho, population = random_parameters(seed)
                found = errors(kappa, gamma, rho, population)
                done[seed] = {
                    "seed": seed,
                    "kappa": kappa,
                    "gamma": gamma,
                    "rho": rho,
                    "population": population,
                }
                done[seed] |= found._asdict()
                writer.writerow(done[seed])
                file.flush()
    failed = [row for row in done.values() if not _passes(row)]
    for row in failed:
        print(", ".join(f"{name} {value}" for name, value in row.items()))
    print(f"{len(done)} sets, {len(failed)} with an error above {TARGET:g}")


def _passes(row: dict) -> bool:
    largest = max(abs(float(row["norm"])), abs(float(row["distribution"])))
    return math.isfinite(largest) and largest <= TARGET


if __name__ == "__main__":
    main()
