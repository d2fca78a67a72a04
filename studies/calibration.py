"""Does a 90 % interval hold the truth in 90 % of cases? Simulation-based calibration of `fit`.

Each replication draws kappa and the correlation from the prior and an aspect ratio in turn, draws the eigenvalues of
one finite matrix (`sample_ensemble`: they repel, and are not independent draws of the density), fits it, and notes
where the truth lies among the posterior's draws (Talts et al. 2018, arXiv 1804.06788).

    python -m studies.calibration --minutes 60 --jobs 2     # goes on where it stopped; studies/calibration.csv
    python -m studies.calibration --replications 600 --likelihoods adjusted --sizes 384
    python -m studies.calibration --table docs/calibration_table.md
"""

import argparse
import itertools
from pathlib import Path
from typing import NamedTuple

import numpy as np

from studies.rows import append_rows, read_rows

RESULTS = Path(__file__).with_name("calibration.csv")
GAMMAS = (0.1, 0.25, 0.5, 0.75, 1.0)
SIZES = (32, 64, 384)
DRAWS = {"draws": 250, "tune": 300, "chains": 2, "cores": 1}
PARAMETERS = ("kappa", "temperature", "correlation")
# Smaller eigenvalues, as of gamma = 1 and small kappa, a double does not hold.
_SMALLEST = 1e-290


class Setting(NamedTuple):
    """One row of the table: how the spectra are drawn and fitted."""

    likelihood: str  # "adjusted", "composite" (the same without adjustment) or "joint"
    population: str
    size: int


SETTINGS = [
    *(
        Setting("adjusted", population, size)
        for population in ("inverse-gamma", "log-normal")
        for size in SIZES
    ),
    *(Setting("composite", "inverse-gamma", size) for size in SIZES),
    *(Setting("joint", "none", size) for size in SIZES),
]
LIKELIHOODS = tuple(dict.fromkeys(setting.likelihood for setting in SETTINGS))
# Without the adjustment, for comparison: it is not what `fit` does.
COMPOSITE_REPLICATIONS = 100
COLUMNS = (*Setting._fields, "replication", "gamma", "true_kappa", "true_correlation", *PARAMETERS)


def replicate(setting: Setting, replication: int) -> dict[str, object]:
    """Draw a spectrum, fit it, and return the share of posterior draws below each true parameter."""
    gamma = GAMMAS[replication % len(GAMMAS)]
    truth, eigenvalues = _truth_and_spectrum(setting, gamma, replication)
    draws = _posterior_draws(setting, eigenvalues, gamma, replication)
    ranks = {name: float(np.mean(draws[name] < truth[name])) for name in PARAMETERS if name in draws}
    known = {"true_kappa": truth["kappa"], "true_correlation": truth["correlation"]}
    return {**setting._asdict(), "replication": replication, "gamma": gamma, **known, **ranks}


def _truth_and_spectrum(
    setting: Setting, gamma: float, replication: int
) -> tuple[dict[str, float], np.ndarray]:
    """Draw both together, and again where a double cannot hold an eigenvalue.

    What is drawn again depends on the spectrum only, so the posteriors of those that are kept are as right as before.
    """
    from htmp_bayes import sample_ensemble
    from htmp_bayes.models.layer import layer_data, prior_draws

    # the same truths and spectra for both ways to fit them
    rng = np.random.default_rng([replication, setting.size, len(setting.population)])
    joint = setting.likelihood == "joint"
    while True:
        prior = prior_draws(layer_data(np.linspace(0.5, 2.0, 50), gamma), 1, rng)
        kappa, correlation = float(prior["kappa"][0]), 0.0 if joint else float(prior["correlation"][0])
        population = "inverse-gamma" if joint else setting.population
        eigenvalues = sample_ensemble(setting.size, kappa, gamma, 1.0, correlation, population, rng)
        if eigenvalues[0] > _SMALLEST:
            return {"kappa": kappa, "temperature": 1.0, "correlation": correlation}, eigenvalues


def _posterior_draws(
    setting: Setting, eigenvalues: np.ndarray, gamma: float, seed: int
) -> dict[str, np.ndarray]:
    from htmp_bayes.models.joint import joint_data
    from htmp_bayes.models.layer import layer_data
    from htmp_bayes.models.posterior import LayerPosterior, adjusted_posterior
    from htmp_bayes.models.sampling import sample_joint, sample_layer

    settings = {**DRAWS, "random_seed": seed, "progressbar": False}
    if setting.likelihood == "joint":
        parameters = sample_joint(joint_data(eigenvalues, gamma), **settings).parameters
    else:
        data = layer_data(eigenvalues, gamma, setting.population)
        adjusted = setting.likelihood == "adjusted"
        posterior = adjusted_posterior(data, seed) if adjusted else LayerPosterior(data)
        parameters = sample_layer(posterior, **settings).parameters
    return {name: parameters[name].to_numpy().ravel() for name in parameters.data_vars}


def missing(replications: int, settings: list[Setting]) -> list[tuple[Setting, int]]:
    """Replications that the results do not hold yet, all settings in turn."""
    done = {
        (row["likelihood"], row["population"], row["size"], row["replication"]) for row in read_rows(RESULTS)
    }
    return [
        (s, r)
        for r, s in itertools.product(range(replications), settings)
        if (s.likelihood != "composite" or r < COMPOSITE_REPLICATIONS)
        and (s.likelihood, s.population, str(s.size), str(r)) not in done
    ]


def run(replications: int, minutes: float, jobs: int, settings: list[Setting]) -> None:
    """Add replications to the results until all are there or the time is up."""
    append_rows(RESULTS, COLUMNS, _rows_of, missing(replications, settings), jobs, minutes)


def _rows_of(setting: Setting, replication: int) -> list[dict[str, object]]:
    row = replicate(setting, replication)
    return [{name: f"{x:.6g}" if isinstance(x, float) else x for name, x in row.items()}]


def table() -> str:
    """Coverage of the intervals, as Markdown."""
    rows = read_rows(RESULTS)
    lines = [
        "| likelihood | population | N | replications | parameter | 50 % interval | 90 % interval | mean rank |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for setting in SETTINGS:
        own = [
            r
            for r in rows
            if (r["likelihood"], r["population"], r["size"]) == (*setting[:2], str(setting.size))
        ]
        for name in PARAMETERS:
            ranks = np.array([float(row[name]) for row in own if row[name]])
            if ranks.size:
                half, most = (_coverage(ranks, level) for level in (0.5, 0.9))
                cells = (*setting, ranks.size, name, half, most, f"{ranks.mean():.2f}")
                lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def _coverage(ranks: np.ndarray, level: float) -> str:
    """Share of replications whose central interval holds the truth, with its standard error, in percent."""
    held = np.mean(np.abs(ranks - 0.5) <= level / 2)
    return f"{100 * held:.0f} ± {100 * np.sqrt(level * (1 - level) / ranks.size):.0f}"


def main() -> None:
    """Run or print, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replications", type=int, default=300)
    parser.add_argument("--minutes", type=float, default=60.0, help="stop starting new ones after this time")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--likelihoods", nargs="+", choices=LIKELIHOODS, default=LIKELIHOODS)
    parser.add_argument("--sizes", nargs="+", type=int, choices=SIZES, default=SIZES)
    parser.add_argument("--table", type=Path, help="write the table to this file instead of running")
    arguments = parser.parse_args()
    if arguments.table:
        arguments.table.write_text(table())
    else:
        chosen = [s for s in SETTINGS if s.likelihood in arguments.likelihoods and s.size in arguments.sizes]
        run(arguments.replications, arguments.minutes, arguments.jobs, chosen)


if __name__ == "__main__":
    main()
