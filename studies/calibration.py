"""Do intervals hold the truth as often as they say? Rows for docs/calibration.md.

    python studies/calibration.py prior|matrices [--replications 300] [--jobs 2] [--minutes 60]
    python studies/calibration.py --table docs/calibration_table.md

``prior``: parameters from the prior, spectra from `sample_ensemble` with a fixed population (simulation-based
calibration: Talts et al. 2018, arXiv 1804.06788). ``matrices``: real matrices W = Sigma^(1/2) Z that NumPy makes, the
eigenvalues of Sigma the quantiles of a population law. A row for each spectrum: the truth and its rank among the draws.
Rows that are there are not made again.
"""

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np

from studies.rows import Row, append_rows, read_rows

RESULTS = Path(__file__).with_suffix(".csv")
COLUMNS = ("study", "population", "size", "gamma", "replication", "kappa", "correlation", "kappa_rank",
           "temperature_rank", "correlation_rank", "r_hat", "stand_in_error", "fits")  # fmt: skip
POPULATIONS = ("inverse-gamma", "log-normal", "none")
PRIOR_SIZES = (32, 64, 384)
# Sizes and correlations of the real matrices.
MATRIX_SIZE, MATRIX_CORRELATION = 128, 0.6
MATRIX_GAMMAS = (0.25, 0.5, 1.0)
PARAMETERS = ("kappa", "temperature", "correlation")


def from_the_prior(population: str, size: int, replication: int) -> list[dict[str, Any]]:
    """Draw parameters from the prior and a spectrum from them, and fit it."""
    from htmp_bayes import sample_ensemble
    from htmp_bayes.models.layer import prior

    rng = np.random.default_rng([1, POPULATIONS.index(population), size, replication])
    while True:
        gamma = float(np.exp(rng.uniform(np.log(0.05), 0.0)))
        kappa = float(np.exp(prior.log_kappa_prior(size).rvs(random_state=rng)))
        rho = 0.0 if population == "none" else float(prior.correlation_prior().rvs(random_state=rng))
        law = "inverse-gamma" if population == "none" else population
        eigenvalues = sample_ensemble(size, kappa, gamma, 1.0, rho, law, rng)
        if eigenvalues[0] > 0:  # a double holds them
            break
    truth = {"kappa": kappa, "temperature": 1.0, "correlation": rho}
    return [_row("prior", population, gamma, replication, eigenvalues, truth)]


def from_a_matrix(population: str, gamma: float, replication: int) -> list[dict[str, Any]]:
    """Make a real matrix with a fixed covariance, and fit its eigenvalues."""
    from htmp_bayes.laws.populations import population_quantiles

    rng = np.random.default_rng([2, POPULATIONS.index(population), round(100 * gamma), replication])
    size = MATRIX_SIZE
    values = population_quantiles(population, MATRIX_CORRELATION, size)
    noise = rng.standard_normal((size, round(size / gamma)))
    weights = np.sqrt(values)[:, None] * noise
    eigenvalues = np.linalg.svd(weights, compute_uv=False)[::-1] ** 2 / noise.shape[1]
    # T kappa / (2 gamma) = 1 with kappa = N
    truth = {"kappa": float(size), "temperature": 2 * gamma / size, "correlation": MATRIX_CORRELATION}
    return [_row("matrices", population, gamma, replication, eigenvalues, truth)]


def _row(
    study: str, population: str, gamma: float, replication: int, eigenvalues: Any, truth: dict[str, float]
) -> dict[str, Any]:
    import arviz as az

    from htmp_bayes.models.layer.data import layer_data
    from htmp_bayes.models.layer.law_test import examine_law
    from htmp_bayes.models.layer.posterior import LayerPosterior
    from htmp_bayes.models.layer.sampling import Sampling, sample_layer

    posterior = LayerPosterior(layer_data(eigenvalues, gamma, population))
    drawn = sample_layer(posterior, Sampling(500, 500, 2, replication, cores=1))
    parameters = drawn.parameters
    ranks = {
        f"{name}_rank": float((parameters[name] < truth[name]).mean())
        for name in PARAMETERS
        if name in parameters
    }
    index = parameters["kappa"].to_numpy().ravel() / posterior.data.size
    found = examine_law(posterior.data, index, drawn.residuals.reshape(index.size, -1))
    return {
        "study": study,
        "population": population,
        "size": len(eigenvalues),
        "gamma": f"{gamma:.6g}",
        "replication": replication,
        "kappa": f"{truth['kappa']:.6g}",
        "correlation": f"{truth['correlation']:.6g}",
        **{name: f"{rank:.4f}" for name, rank in ranks.items()},
        "r_hat": f"{float(az.rhat(parameters).to_dataarray().max()):.4f}",
        "stand_in_error": f"{drawn.attributes.get('stand_in_error', math.nan):.3g}",
        "fits": int(min(found.probability_of_counts, found.probability_of_gaps) >= 0.01),
    }


def run(study: str, replications: int, jobs: int, minutes: float) -> None:
    """Make the rows that are missing."""
    rows = read_rows(RESULTS)
    if study == "prior":
        settings: list[tuple[str, Any]] = [(p, size) for size in PRIOR_SIZES for p in POPULATIONS]
        done = {(r["population"], int(r["size"]), int(r["replication"])) for r in rows if r["study"] == study}
        rows_of: Any = from_the_prior
    else:
        settings = [(p, gamma) for gamma in MATRIX_GAMMAS for p in POPULATIONS[:2]]
        done = {
            (r["population"], float(r["gamma"]), int(r["replication"])) for r in rows if r["study"] == study
        }
        rows_of = from_a_matrix
    work = [(*setting, k) for k in range(replications) for setting in settings if (*setting, k) not in done]
    append_rows(RESULTS, COLUMNS, rows_of, work, jobs, minutes)


def table(rows: list[Row]) -> str:
    """Shares of intervals that hold the truth, as a table of Markdown."""
    lines = [
        "| spectra | population | N | γ | fits | κ/N 50 % | 90 % | T 50 % | 90 % | ρ 50 % | 90 % | law fits |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        gamma = row["gamma"] if row["study"] == "matrices" else "0.05–1"
        groups.setdefault((row["study"], row["population"], row["size"], gamma), []).append(row)
    for (study, population, size, gamma), members in sorted(groups.items()):
        cells = [
            "ensemble" if study == "prior" else "NumPy", population, size, gamma, str(len(members)),
        ]  # fmt: skip
        for name in PARAMETERS:
            ranks = np.array([float(m[f"{name}_rank"]) for m in members if m[f"{name}_rank"]])
            for share in (0.5, 0.9):
                inside = np.abs(ranks - 0.5) < share / 2
                cells.append(f"{100 * inside.mean():.0f}" if len(ranks) else "–")
        cells.append(f"{100 * np.mean([int(m['fits']) for m in members]):.0f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Go on with a study, or write its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", nargs="?", choices=["prior", "matrices"])
    parser.add_argument("--replications", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--table", type=Path)
    arguments = parser.parse_args()
    if arguments.table:
        arguments.table.write_text(table(read_rows(RESULTS)), encoding="utf-8")
    elif arguments.study:
        run(arguments.study, arguments.replications, arguments.jobs, arguments.minutes)


if __name__ == "__main__":
    main()
