"""Do the open population's intervals hold the truth? Rows for docs/population.md.

    python -m studies.open_population [--replications 200] [--jobs 2] [--minutes 60]
    python -m studies.open_population --table docs/open_population_table.md

Real matrices W = Sigma^(1/2) Z that NumPy makes, Sigma's eigenvalues one fixed list: a point, a log-normal and an
inverse-gamma law, two bulks, a bulk and 12 spikes, powers at both ends; N from 64 to 256 and the aspect ratio of 1/4,
1/2 and 1 at random. And draws of the ensemble with kappa = N/10 (``weak``). A row for each spectrum: the rank of each
true value among the draws, and of the true quantile function at 21 places. Rows that are there are not made again.
"""

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np

from studies.rows import Row, append_rows, read_rows

RESULTS = Path(__file__).with_suffix(".csv")
POPULATIONS = ("point", "log-normal", "inverse-gamma", "two bulks", "12 spikes", "powers", "weak")
MEASURED = ("dyson_index", "mean", "correlation", "participation_ratio", "q10", "q50", "q90", "n_spikes")
COLUMNS = ("population", "replication", "size", "gamma", *MEASURED, "band", "fits", "r_hat", "ess", "divergences",
           "accepted")  # fmt: skip
_GAMMAS = (0.25, 0.5, 1.0)
_BAND_LEVELS = np.linspace(0.05, 0.95, 21)


def listed(population: str, size: int) -> np.ndarray:
    """List the population values of all directions."""
    from htmp_bayes.laws.populations import population_quantiles

    u = (np.arange(size) + 0.5) / size
    values = {
        "point": np.ones(size),
        "two bulks": np.where(u < 0.5, 1.0, 4.0),
        "12 spikes": np.concatenate([np.ones(size - 12), np.linspace(5.0, 30.0, 12)]),
        "powers": (u / (1 - u)) ** 0.4,
    }
    name = "log-normal" if population == "weak" else population
    return values[name] if name in values else population_quantiles(name, 0.8, size)


def one_spectrum(population: str, replication: int) -> list[dict[str, Any]]:
    """Make a spectrum and fit it."""
    from htmp_bayes import sample_ensemble

    rng = np.random.default_rng([POPULATIONS.index(population), replication])
    size, gamma = int(rng.integers(64, 257)), float(rng.choice(_GAMMAS))
    h, index = listed(population, size), 0.1 if population == "weak" else 1.0
    if population == "weak":
        kappa = size / 10
        eigenvalues = sample_ensemble(
            size, kappa, gamma, 2 * gamma / kappa, random_state=rng, population_values=h
        )
    else:
        weights = np.sqrt(h)[:, None] * rng.standard_normal((size, round(size / gamma)))
        eigenvalues = np.linalg.svd(weights, compute_uv=False)[::-1] ** 2 / weights.shape[1]
    return [_row(population, replication, gamma, h, index, eigenvalues)]


def _row(
    population: str, replication: int, gamma: float, h: np.ndarray, index: float, eigenvalues: np.ndarray
) -> dict[str, Any]:
    import arviz as az
    import xarray as xr

    from htmp_bayes.models.free.draws import sample_free
    from htmp_bayes.models.free.posterior import FreePosterior
    from htmp_bayes.models.free.reported import functionals
    from htmp_bayes.models.layer.data import layer_data
    from htmp_bayes.models.layer.law_test import examine_law
    from htmp_bayes.models.layer.sampling import Sampling

    posterior = FreePosterior(layer_data(eigenvalues, gamma, "free"))
    drawn = sample_free(posterior, Sampling(250, 300, 4, replication, cores=1))
    log_values, log_h = posterior.curve.log_values(drawn.theta), np.log(np.sort(h))
    found = functionals(posterior.curve, log_values, np.exp(drawn.log_index), gamma)
    places = (np.arange(len(h)) + 0.5) / len(h)
    truth = {
        "dyson_index": index,
        "mean": h.mean(),
        "correlation": log_h.std(),
        "participation_ratio": h.mean() ** 2 / np.mean(h**2),
        "n_spikes": 12 if population == "12 spikes" else 0,
    }
    for name, level in (("q10", 0.1), ("q50", 0.5), ("q90", 0.9)):
        truth[name] = np.interp(level, places, log_h)
        found[name] = posterior.curve.quantiles(log_values, np.array([level]))[..., 0]
    band = np.quantile(posterior.curve.quantiles(log_values, _BAND_LEVELS), [0.05, 0.95], axis=(0, 1))
    true_band = np.interp(_BAND_LEVELS, places, log_h)
    reported = xr.Dataset({name: (("chain", "draw"), found[name]) for name in MEASURED[:-1]})
    fit = examine_law(posterior.data, found["dyson_index"].ravel(), drawn.residuals.reshape(1000, -1))
    return {
        "population": population,
        "replication": replication,
        "size": len(h),
        "gamma": gamma,
        **{name: f"{_rank(found[name], truth[name]):.4f}" for name in MEASURED},
        "band": f"{np.mean((band[0] <= true_band) & (true_band <= band[1])):.3f}",
        "fits": int(min(fit.probability_of_counts, fit.probability_of_gaps) >= 0.01),
        "r_hat": f"{float(az.rhat(reported).to_dataarray().max()):.4f}",
        "ess": f"{float(az.ess(reported).to_dataarray().min()):.0f}",
        "divergences": int(drawn.sample_stats["diverging"].sum()),
        "accepted": f"{drawn.attributes['accepted']:.3f}",
    }


def _rank(draws: np.ndarray, truth: float) -> float:
    """Share of the draws below the truth, and half of those that are equal to it."""
    return float(np.mean(draws < truth) + 0.5 * np.mean(draws == truth))


def run(replications: int, jobs: int, minutes: float) -> None:
    """Make the rows that are missing."""
    done = {(row["population"], int(row["replication"])) for row in read_rows(RESULTS)}
    work = [(p, k) for k in range(replications) for p in POPULATIONS if (p, k) not in done]
    append_rows(RESULTS, COLUMNS, one_spectrum, work, jobs, minutes)


def table(rows: list[Row]) -> str:
    """Shares of 90 % intervals that hold the truth, in per cent, as a table of Markdown."""
    heads = ["population", "matrices", "κ/N", "mean", "ρ", "PR", "log h 10 %", "50 %", "90 %", "spikes", "band",
             "law fits", "R-hat ≤ 1.01", "least ESS, median"]  # fmt: skip
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for population in POPULATIONS:
        own = [row for row in rows if row["population"] == population]
        if not own:
            continue
        inside = [100 * np.mean([abs(float(row[name]) - 0.5) <= 0.45 for row in own]) for name in MEASURED]
        others = [
            100 * np.mean([float(row["band"]) for row in own]),
            100 * np.mean([int(row["fits"]) for row in own]),
            100 * np.mean([float(row["r_hat"]) <= 1.01 for row in own]),
            np.median([float(row["ess"]) for row in own]),
        ]
        lines.append(
            f"| {population} | {len(own)} | " + " | ".join(f"{x:.0f}" for x in inside + others) + " |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Go on with the study, or write its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replications", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--table", type=Path)
    arguments = parser.parse_args()
    if arguments.table:
        arguments.table.write_text(table(read_rows(RESULTS)), encoding="utf-8")
    else:
        run(arguments.replications, arguments.jobs, arguments.minutes)


if __name__ == "__main__":
    main()
