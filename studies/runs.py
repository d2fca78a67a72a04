"""Do contrasts of groups of training runs hold the truth? Rows for docs/calibration.md.

    python -m studies.runs --cache build/runs [--comparisons 40] [--jobs 2]
    python -m studies.runs --table docs/runs_table.md

Networks of three layers whose populations differ from run to run by a known amount: W = Sigma^(1/2) Z by NumPy,
Sigma's eigenvalues log-normal quantiles, the logarithms of whose mean and spread are normal over the runs. Two groups
of 60 runs each; those of the second have both moved by two run-to-run standard deviations. Each spectrum is fitted once
and kept in the folder of the cache; then groups of 2, 3 and 5 runs are drawn from them and compared by `fit_network`
and `compare_models`: two groups of the first (``alike``), and one of each (``planted``). A row for each comparison and
quantity. Rows that are there are not made again.
"""

import argparse
import math
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import htmp_bayes as hb
from studies.cached_fits import load_fit, make_fit
from studies.rows import Row, append_rows, read_rows

RESULTS = Path(__file__).with_suffix(".csv")
COLUMNS = ("kind", "runs", "replication", "parameter", "truth", "median", "q5", "q95", "usable")
KINDS, RUNS = ("alike", "planted"), (2, 3, 5)
GROUPS, POOL = ("first", "second"), 60
# Of each layer: eigenvalues, aspect ratio, and the spread of log h.
LAYERS = {"a": (64, 0.5, 0.6), "b": (96, 0.5, 0.9), "c": (96, 0.25, 0.7)}
# Standard deviations over runs, of the logarithms; the second group is moved by so many of them.
RUN_SD = {"mean": 0.08, "correlation": 0.1}
PLANTED = 2.0


def spectra_of(group: str, run: int) -> list[hb.Spectrum]:
    """Make the spectra of a run."""
    from scipy.special import ndtri

    rng = np.random.default_rng([20261128, GROUPS.index(group), run])
    moved = PLANTED * GROUPS.index(group)
    found = []
    for name, (size, gamma, spread) in LAYERS.items():
        mean = math.exp(RUN_SD["mean"] * (moved + rng.standard_normal()))
        of_run = spread * math.exp(RUN_SD["correlation"] * (moved + rng.standard_normal()))
        h = np.exp(of_run * ndtri((np.arange(size) + 0.5) / size))
        weights = np.sqrt(mean * h / h.mean())[:, None] * rng.standard_normal((size, round(size / gamma)))
        found.append(hb.Spectrum.from_matrix(weights / math.sqrt(weights.shape[1]), name=name))
    return found


def fit_run(group: str, run: int, cache: Path) -> None:
    """Fit the spectra of a run, as far as that has not been done."""
    for spectrum in spectra_of(group, run):
        make_fit(spectrum, cache / f"{group}-{run}-{spectrum.name}.nc", run, 1)


def compared(kind: str, runs: int, replication: int, cache: Path) -> list[dict[str, Any]]:
    """Compare two groups of runs."""
    rng = np.random.default_rng([20261129, KINDS.index(kind), runs, replication])
    if kind == "alike":
        taken = rng.choice(POOL, 2 * runs, replace=False)
        chosen = [(GROUPS[0], taken[:runs]), (GROUPS[0], taken[runs:])]
    else:
        chosen = [(group, rng.choice(POOL, runs, replace=False)) for group in GROUPS]
    spectra, fits, group_of = {}, {}, {}
    for side, (group, numbers) in zip(("one", "other"), chosen, strict=True):
        for number in map(int, numbers):
            model = f"{side}/{number}"
            spectra[model], group_of[model] = spectra_of(group, number), side
            for spectrum in spectra[model]:
                fits[f"{model}/{spectrum.name}"] = load_fit(cache / f"{group}-{number}-{spectrum.name}.nc")
    result = hb.fit_network(
        spectra, runs={model: model.rpartition("/")[2] for model in spectra}, groups=group_of, fits=fits,
        random_seed=replication, draws=500, tune=500, cores=1,
    )  # fmt: skip
    usable = int(hb.check(result).usable)
    table = hb.compare_models(result, "one", "other", parameters=(*RUN_SD, "dyson_index"))
    moved = {name: math.exp(-PLANTED * sd) if kind == "planted" else 1.0 for name, sd in RUN_SD.items()}
    return [
        {"kind": kind, "runs": runs, "replication": replication, "parameter": row.parameter,
         "truth": f"{moved.get(row.parameter, 1.0):.4f}", "median": f"{row.median:.4f}", "q5": f"{row.q5:.4f}",
         "q95": f"{row.q95:.4f}", "usable": usable}
        for row in table.itertuples()
    ]  # fmt: skip


def run(comparisons: int, jobs: int, cache: Path) -> None:
    """Fit all runs and compare groups of them, as far as that has not been done."""
    cache.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(jobs) as pool:
        for done in [pool.submit(fit_run, group, k, cache) for group, k in product(GROUPS, range(POOL))]:
            done.result()
    known = {(row["kind"], int(row["runs"]), int(row["replication"])) for row in read_rows(RESULTS)}
    wanted = [(kind, runs, k) for k, kind, runs in product(range(comparisons), KINDS, RUNS)]
    append_rows(RESULTS, COLUMNS, compared, [(*piece, cache) for piece in wanted if piece not in known], jobs)


def as_table(rows: list[Row]) -> str:
    """How often the 90 % interval holds the truth, and how often it leaves out that there is no difference."""
    lines = [
        "| groups | runs in each | parameter | comparisons | true ratio | holds it, % | a difference is found, % |"
    ]
    lines.append("|---" * 7 + "|")
    for kind, runs in product(KINDS, RUNS):
        for parameter in dict.fromkeys(row["parameter"] for row in rows):
            own = [
                {name: float(row[name]) for name in ("truth", "q5", "q95")}
                for row in rows
                if (row["kind"], row["runs"], row["parameter"]) == (kind, str(runs), parameter)
            ]
            if not own:
                continue
            holds = np.mean([row["q5"] <= row["truth"] <= row["q95"] for row in own])
            found = np.mean([not row["q5"] <= 1 <= row["q95"] for row in own])
            lines.append(
                f"| {kind} | {runs} | {parameter} | {len(own)} | {own[0]['truth']:.2f} | {100 * holds:.0f} "
                f"| {100 * found:.0f} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Go on with the study, or write its table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--comparisons", type=int, default=40, help="of each kind and number of runs")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--cache", type=Path, default=Path("build/runs"), help="folder of the fits")
    parser.add_argument("--table", type=Path, help="write the table to this file instead of running")
    arguments = parser.parse_args()
    if arguments.table:
        arguments.table.write_text(as_table(read_rows(RESULTS)), encoding="utf-8")
    else:
        run(arguments.comparisons, arguments.jobs, arguments.cache)


if __name__ == "__main__":
    main()
