"""Is `fit_network` right? Calibration, shrinkage, false alarms and found differences, on simulated networks.

Each replication draws the eigenvalues of finite matrices (`sample_ensemble`), fits all together, and notes:

- ``calibration``: 8 layers of 64 eigenvalues, all parameters drawn from the model's prior: where the truth lies among
  the posterior's draws (Talts et al. 2018, arXiv 1804.06788), and the error of the layers' log kappa, pooled and by
  separate fits;
- ``alike``: two models of 8 layers of 64, simulated alike: whether the 90 % interval of the ratio of kappa holds 1;
- ``planted``: two models of 20 layers of 128, kappa of the second twice as large: the same.

    python -m studies.network --minutes 60 --jobs 2     # goes on where it stopped; studies/network.csv
    python -m studies.network --table docs/network_table.md
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.special import expit

from studies.rows import append_rows, read_rows

RESULTS = Path(__file__).with_name("network.csv")
DRAWS = {"draws": 250, "tune": 400, "chains": 2, "cores": 1}
COLUMNS = ("study", "replication", "quantity", "value")
GAMMA = 0.5

type Rows = list[dict[str, object]]


def calibration(replication: int, layers: int = 8, size: int = 64) -> dict[str, float]:
    """Ranks of the truth, and errors of log kappa, of a network drawn from the prior."""
    from htmp_bayes import estimate, fit_network
    from htmp_bayes.models import network

    rng = np.random.default_rng([1, replication])
    spread = network.LAYER_SPREAD * np.exp(network.SPREAD_LOG_SD * rng.normal(size=3))
    # The mean scale of the layers is what the prior of the scale is centred on, and any will do.
    typical = network.TYPICAL + network.TYPICAL_SD * rng.normal(size=3) * [1, 1, 0]
    theta = typical + spread * rng.normal(size=(layers, 3))
    kappa, correlation = np.exp(theta[:, 0]), network.CORRELATION_MAX * expit(theta[:, 1])
    temperature = np.exp(theta[:, 2]) * 2 * GAMMA / kappa
    spectra = [
        _spectrum(size, *parameters, name=f"layer.{letter}", rng=rng)
        for letter, *parameters in zip("abcdefghijklmnop", kappa, temperature, correlation, strict=False)
    ]
    posterior = fit_network(spectra, random_seed=replication, **DRAWS)["posterior"]
    found = {}
    truths = {"kappa": kappa, "temperature": temperature, "correlation": correlation}
    for name, truth in truths.items():
        below = (posterior[name].transpose("chain", "draw", "layer").values < truth).mean(axis=(0, 1))
        found |= {f"rank {name} {i}": float(rank) for i, rank in enumerate(below)}
    spreads = posterior["layer_spread"].transpose("chain", "draw", "parameter").values
    found["rank layer_spread"] = float((spreads[..., 0] < spread[0]).mean())
    found["rank typical"] = float((posterior["typical"].values[..., 0] < typical[0]).mean())
    pooled = np.log(posterior["kappa"]).median(("chain", "draw")).values
    alone = np.log([estimate(s, adjust=False).values["kappa"] for s in spectra])
    for label, values in (("pooled", pooled), ("separate", alone)):
        found[f"squared error {label}"] = float(np.mean((values - theta[:, 0]) ** 2))
    return found


def alike(replication: int, layers: int = 8, size: int = 64) -> dict[str, float]:
    """Quantiles of the ratio of kappa of two models that are simulated alike."""
    return _two_models(np.random.default_rng([2, replication]), replication, layers, size, 1.0)


def planted(replication: int, layers: int = 20, size: int = 128) -> dict[str, float]:
    """Quantiles of the ratio of kappa of two models, one of which has twice the other's."""
    return _two_models(np.random.default_rng([3, replication]), replication, layers, size, 2.0)


def _two_models(
    rng: np.random.Generator, replication: int, layers: int, size: int, ratio: float
) -> dict[str, float]:
    from htmp_bayes import compare_models, fit_network

    models = {}
    for model, factor in (("a", 1.0), ("b", ratio)):
        kappa = factor * 6.0 * np.exp(0.4 * rng.normal(size=layers))
        correlation = 0.6 * np.exp(0.2 * rng.normal(size=layers))
        models[model] = [
            _spectrum(size, k, 2 * GAMMA / k, c, name=f"layer.{i}", rng=rng)
            for i, (k, c) in enumerate(zip(kappa, correlation, strict=True))
        ]
    result = fit_network(models, random_seed=replication, **DRAWS)
    row = compare_models(result, "b", "a", parameters=["kappa"]).iloc[0]
    return {name: float(row[name]) for name in ("q5", "median", "q95")}


def _spectrum(
    size: int, kappa: float, temperature: float, correlation: float, *, name: str, rng: np.random.Generator
) -> object:
    from htmp_bayes import Spectrum, sample_ensemble

    eigenvalues = sample_ensemble(size, kappa, GAMMA, temperature, correlation, random_state=rng)
    return Spectrum(eigenvalues, round(size / GAMMA), name=name)


STUDIES: dict[str, Callable[[int], dict[str, float]]] = {
    "calibration": calibration,
    "alike": alike,
    "planted": planted,
}


def rows_of(study: str, replication: int) -> Rows:
    """Run one replication, as rows of the results."""
    found = STUDIES[study](replication)
    return [dict(zip(COLUMNS, (study, replication, *item), strict=True)) for item in found.items()]


def run(replications: int, minutes: float, jobs: int, studies: list[str]) -> None:
    """Add replications to the results until all are there or the time is up."""
    done = {(row["study"], row["replication"]) for row in read_rows(RESULTS)}
    work = [(s, r) for r in range(replications) for s in studies if (s, str(r)) not in done]
    append_rows(RESULTS, COLUMNS, rows_of, work, jobs, minutes)


def table() -> str:
    """Write what has been found so far as Markdown."""
    values: dict[str, dict[str, list[float]]] = {study: {} for study in STUDIES}
    for row in read_rows(RESULTS):
        values[row["study"]].setdefault(row["quantity"], []).append(float(row["value"]))
    lines = ["| study | replications | found |", "|---|---|---|"]
    own = values["calibration"]
    if own:
        number = len(own["rank typical"])
        for name in ("kappa", "temperature", "correlation", "layer_spread", "typical"):
            ranks = np.concatenate([own[key] for key in own if key.startswith(f"rank {name}")])
            held = 100 * np.mean(np.abs(ranks - 0.5) <= 0.45)
            lines.append(
                f"| 90 % intervals of {name} | {number} | {held:.0f} % of {ranks.size} hold the truth |"
            )
        errors = [np.sqrt(np.mean(own[f"squared error {which}"])) for which in ("pooled", "separate")]
        lines.append(f"| error of log κ | {number} | {errors[0]:.2f} pooled, {errors[1]:.2f} separately |")
    for study, wording in (("alike", "two models alike"), ("planted", "a ratio of 2 in κ")):
        own = values[study]
        if own:
            low, high = np.array(own["q5"]), np.array(own["q95"])
            other = int(np.sum((low > 1) | (high < 1)))
            middle = np.median(own["median"])
            lines.append(
                f"| {wording} | {low.size} | 90 % interval leaves out 1 in {other}; median ratio {middle:.2f} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run or print, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replications", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=60.0, help="stop starting new ones after this time")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--studies", nargs="+", choices=list(STUDIES), default=list(STUDIES))
    parser.add_argument("--table", type=Path, help="write the table to this file instead of running")
    arguments = parser.parse_args()
    if arguments.table:
        arguments.table.write_text(table(), encoding="utf-8")
    else:
        run(arguments.replications, arguments.minutes, arguments.jobs, arguments.studies)


if __name__ == "__main__":
    main()
