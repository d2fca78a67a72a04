"""Are the counts of an ensemble's eigenvalues distributed as the likelihood says? Means and covariances against draws.

For each setting matrices with one fixed population are drawn (`htmp_bayes.laws.ensemble.sample_ensembles`), intervals
are placed by their median spectrum as the likelihood would place them, and the average counts over these are compared
with their stated law, by the law alone (`laws.counting`) and as the likelihood has it (`models.counts`, with the sum of
logarithms put right):

    p         number of intervals
    bias      root mean square of the whitened means, in standard deviations, without what their noise adds
    chi2      mean of chi^2 / p of the draws about their own mean; 1 if the covariance is right
    log_det   log-determinant of the draws' covariance minus the stated one, by p; its sampling bias taken out

    python -m studies.covariance --minutes 30 --jobs 2      # goes on where it stopped; studies/covariance.csv
    python -m studies.covariance --table docs/covariance_table.md
"""

import argparse
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import digamma

from studies.rows import Row, append_rows, read_rows

RESULTS = Path(__file__).with_suffix(".csv")
GAMMAS = (0.05, 0.25, 0.5, 0.8, 1.0)
KAPPAS = {32: (1, 3, 10, 32, 64), 64: (1, 3, 10, 64, 128), 384: (1, 2, 5, 20, 100, 384, 768)}
# Draws with a correlation take long where N is large.
CORRELATED_KAPPAS = {32: (1, 3, 10, 32, 64), 64: (3, 10, 64), 384: (2, 20, 384)}
MATRICES, CORRELATION = 400, 0.7
# Smaller eigenvalues, as of gamma = 1 and small kappa, a double does not hold; they are below all intervals.
SMALLEST = 1e-290
SETTING = ("population", "size", "kappa", "gamma")
MEASURED = ("p", "bias", "chi2", "log_det", "chi2_likelihood", "log_det_likelihood")


def settings() -> list[tuple[str, int, int, float]]:
    """All settings: the quick ones first."""
    without = [("none", n, k, g) for n in KAPPAS for k, g in itertools.product(KAPPAS[n], GAMMAS)]
    with_one = [
        (population, n, k, g)
        for n in CORRELATED_KAPPAS
        for k, g, population in itertools.product(
            CORRELATED_KAPPAS[n], GAMMAS, ("inverse-gamma", "log-normal")
        )
    ]
    return without + with_one


def measure(
    population: str, size: int, kappa: float, gamma: float, matrices: int, seed: int
) -> dict[str, float]:
    """Compare stated and drawn counts of one setting."""
    from threadpoolctl import threadpool_limits

    from htmp_bayes.laws.compiled import counting_covariance
    from htmp_bayes.laws.ensemble import sample_ensembles
    from htmp_bayes.models.layer import likelihood
    from htmp_bayes.models.layer.data import average_counts, interval_knots, layer_data

    rho = 0.0 if population == "none" else CORRELATION
    law = "point" if population == "none" else population
    with threadpool_limits(1, user_api="blas"):
        drawn = sample_ensembles(
            matrices, size, kappa, gamma, correlation=rho, population=law, random_state=seed
        )
        logs = np.log(np.maximum(drawn, SMALLEST))
        typical = np.median(logs, axis=0)
        knots = interval_knots(typical, gamma)
        data = layer_data(np.exp(typical), gamma, population, knots)
        counted = average_counts(logs, knots)
        found = likelihood.moments(data, float(kappa), rho, 0.0)
        factor, _ = counting_covariance.precision_factor(found.repulsion, found.independent, kappa / size)
        likelihood = likelihood.precision(data, found, float(kappa)).factor
        off = factor.T @ (counted.mean(axis=0) - found.mean)
        p = len(off)
        chi2, log_det = _against(counted @ factor)
        chi2_likelihood, log_det_likelihood = _against(counted @ likelihood)
    bias = math.sqrt(max(float(off @ off) / p - 1 / matrices, 0.0))
    measured = (p, bias, chi2, log_det, chi2_likelihood, log_det_likelihood)
    return dict(zip(MEASURED, measured, strict=True))


def _against(white: np.ndarray) -> tuple[float, float]:
    """Mean chi^2 and log-determinant, by the dimension, of draws whose covariance should be the unit matrix."""
    count, p = white.shape
    covariance = np.cov(white.T)
    # E log det of a Wishart matrix of count - 1 degrees of freedom (Muirhead 1982, theorem 3.2.15)
    expected = float(np.sum(digamma((count - 1 - np.arange(p)) / 2))) + p * math.log(2 / (count - 1))
    return float(np.trace(covariance)) / p, (float(np.linalg.slogdet(covariance)[1]) - expected) / p


def _rows_of(*setting: Any) -> list[dict[str, Any]]:
    measured = measure(*setting, matrices=MATRICES, seed=1)
    return [dict(zip(SETTING, setting, strict=True)) | {k: f"{v:.4g}" for k, v in measured.items()}]


def run(minutes: float, jobs: int) -> None:
    """Add settings to the results until all are there or the time is up."""
    done = {tuple(row[name] for name in SETTING) for row in read_rows(RESULTS)}
    work = [setting for setting in settings() if tuple(map(str, setting)) not in done]
    append_rows(RESULTS, (*SETTING, *MEASURED), _rows_of, work, jobs, minutes)


def table(rows: list[Row]) -> str:
    """Markdown: a row for each population, size and kappa, the aspect ratios beside one another."""
    head = " | ".join(f"γ = {gamma:g}" for gamma in GAMMAS)
    lines = [f"| population | N | κ | {head} |", "|---" * (3 + len(GAMMAS)) + "|"]
    groups: dict[tuple[str, ...], dict[float, Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in SETTING[:3]), {})[float(row["gamma"])] = row
    for key, own in groups.items():
        cells = [_cell(own[gamma]) if gamma in own else "" for gamma in GAMMAS]
        lines.append("| " + " | ".join([*key, *cells]) + " |")
    return "\n".join(lines) + "\n"


def _cell(row: Row) -> str:
    return f"{float(row['chi2_likelihood']):.2f}, {float(row['log_det_likelihood']):+.2f}, {float(row['bias']):.2f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after so long")
    parser.add_argument("--jobs", type=int, default=2, help="settings at a time")
    parser.add_argument("--table", type=Path, help="write the table to this file instead of running")
    arguments = parser.parse_args()
    if arguments.table:
        arguments.table.write_text(table(read_rows(RESULTS)), encoding="utf-8")
    else:
        run(arguments.minutes, arguments.jobs)
