"""What training does to the spectra: contrasts of recipes, each trained several times. Rows for docs/training.md.

    python -m studies.claims data/recipes.nc --cache build/recipes [--jobs 2]
    python -m studies.claims --table docs/training_table.md

Each spectrum is fitted once and kept in the folder of the cache. For each knob `fit_network` takes the recipes for
groups and the seeds for runs, and every two neighbouring values and the two ends are compared, layer by layer: a row of
claims.csv for each contrast and quantity, with the spread from run to run on the scale on which the quantity is pooled.
And one for each layer and quantity of all networks together: whether it goes with the test accuracy, by Spearman's
rank correlation, over draws of the posteriors and bootstrap samples of the networks.
"""

import argparse
import csv
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from scipy.stats import spearmanr

import htmp_bayes as hb
from htmp_bayes.models.network.quantities import QUANTITIES, named, values_of
from studies.cached_fits import load_fit, make_fit
from studies.rows import Row, read_rows, write_rows

RESULTS = Path(__file__).with_suffix(".csv")
COMPARED = ("tail_index", "dyson_index", "correlation", "participation_ratio", "mean")
_SEED, _SAMPLES = 1, 500
_NO_VALUES = "–"


def contrasts(knob: str, spectra: list[hb.Spectrum], fits: dict[str, xr.DataTree]) -> list[dict[str, Any]]:
    """Rows of a knob: neighbouring values and both ends."""
    values = sorted({float(spectrum.meta["value"]) for spectrum in spectra})
    by_run: dict[str, list[hb.Spectrum]] = defaultdict(list)
    own = {}
    for spectrum in spectra:
        recipe, seed, layer = spectrum.name.rsplit(".", 2)
        by_run[f"{recipe}/{seed}"].append(hb.Spectrum(spectrum.eigenvalues, spectrum.n, name=layer))
        own[f"{recipe}/{seed}/{layer}"] = fits[spectrum.name]
    result = hb.fit_network(
        by_run, runs={model: model.rpartition("/")[2] for model in by_run},
        groups={model: model.partition("=")[2].partition("/")[0] for model in by_run}, fits=own, random_seed=_SEED,
    )  # fmt: skip
    spread = result["posterior/run_spread"].median(("chain", "draw"))
    usable, layers = int(hb.check(result).usable), sorted({s.name.rpartition(".")[2] for s in spectra})
    rows = []
    for first, second in dict.fromkeys([*pairwise(values), (values[0], values[-1])]):
        for layer in layers:
            table = hb.compare_layers(
                result, f"{second:g}/{layer}", f"{first:g}/{layer}", parameters=COMPARED
            )
            for row in table.itertuples():
                numbers = {"ratio": row.median, "q5": row.q5, "q95": row.q95, "p_less": row.p_less}
                of_both = spread.sel(parameter=row.parameter, model=[f"{second:g}", f"{first:g}"])
                of_runs = float(np.sqrt((of_both**2).mean()))
                apart = _apart(result, row.parameter, row.first, row.second) / of_runs
                rows.append(
                    {"knob": knob, "layer": layer, "first": f"{second:g}", "second": f"{first:g}",
                     "parameter": row.parameter, **{name: f"{value:.4f}" for name, value in numbers.items()},
                     "run_spread": f"{of_runs:.4f}", "run_sds": f"{apart:.2f}", "usable": str(usable)}
                )  # fmt: skip
    return rows


def _apart(result: xr.DataTree, parameter: str, first: str, second: str) -> float:
    """Median of the difference of two layers on the scale on which the quantity is pooled."""
    (quantity,) = named([parameter])
    draws = result["posterior"][parameter]
    one, other = (quantity.pooled(draws.sel(layer=layer).to_numpy()) for layer in (first, second))
    return float(np.median(one - other))


def with_accuracy(
    spectra: list[hb.Spectrum], fits: dict[str, xr.DataTree], accuracies: dict[tuple[str, str, str], float]
) -> list[dict[str, Any]]:
    """Rows of all trained networks together: how far a layer's quantity goes with the test accuracy."""
    rng = np.random.default_rng(_SEED)
    rows = []
    for layer in sorted({s.name.rpartition(".")[2] for s in spectra}):
        own = [s for s in spectra if s.name.endswith(layer) and not s.name.startswith("epochs=0.")]
        accuracy = np.array(
            [accuracies[s.meta["knob"], f"{float(s.meta['value']):g}", str(s.meta["seed"])] for s in own]
        )
        draws = [values_of(fits[s.name], "posterior") for s in own]
        for quantity in (q for q in QUANTITIES if q.name in COMPARED and all(q.name in d for d in draws)):
            table = np.stack([rng.choice(d[quantity.name], _SAMPLES) for d in draws])
            found = []
            for drawn in table.T:
                sample = rng.integers(0, len(own), len(own))
                found.append(float(spearmanr(drawn[sample], accuracy[sample]).statistic))
            low, middle, high = np.quantile(found, [0.05, 0.5, 0.95])
            numbers = {"ratio": middle, "q5": low, "q95": high, "p_less": np.mean(np.array(found) < 0)}
            rows.append(
                {"knob": "test accuracy", "layer": layer, "first": f"{len(own)} networks", "second": "",
                 "parameter": quantity.name, **{name: f"{value:.4f}" for name, value in numbers.items()},
                 "run_spread": "", "run_sds": "", "usable": "1"}
            )  # fmt: skip
    return rows


def run(path: Path, cache: Path, jobs: int) -> None:
    """Fit what has not been fitted, and write all rows anew."""
    cache.mkdir(parents=True, exist_ok=True)
    spectra = hb.read_spectra(path)
    with ProcessPoolExecutor(jobs) as pool:
        for done in [
            pool.submit(make_fit, spectrum, cache / f"{spectrum.name}.nc", _SEED, 1) for spectrum in spectra
        ]:
            done.result()
    fits = {spectrum.name: load_fit(cache / f"{spectrum.name}.nc") for spectrum in spectra}
    by_knob: dict[str, list[hb.Spectrum]] = defaultdict(list)
    for spectrum in spectra:
        by_knob[str(spectrum.meta["knob"])].append(spectrum)
    rows = [row for knob, own in by_knob.items() for row in contrasts(knob, own, fits)]
    with path.with_suffix(".csv").open(newline="", encoding="utf-8") as file:
        accuracies = {
            (row["knob"], row["value"], row["seed"]): float(row["test_accuracy"])
            for row in csv.DictReader(file)
        }
    write_rows(RESULTS, rows + with_accuracy(spectra, fits, accuracies))


def as_table(rows: list[Row]) -> str:
    """Contrasts of both ends of each knob, with the spread from run to run."""
    lines = ["| knob | layer | compared | " + " | ".join(COMPARED) + " |", "|---" * (3 + len(COMPARED)) + "|"]
    ends: dict[tuple[str, str], tuple[str, str]] = {}
    for row in rows:  # the ends come last
        ends[row["knob"], row["layer"]] = row["first"], row["second"]
    for (knob, layer), (first, second) in ends.items():
        own = {
            row["parameter"]: row
            for row in rows
            if (row["knob"], row["layer"], row["first"], row["second"]) == (knob, layer, first, second)
        }
        compared = f"{first} / {second}" if second else first
        cells = [_cell(own[name]) if name in own else _NO_VALUES for name in COMPARED]
        lines.append(f"| {knob.replace('_', ' ')} | {layer} | {compared} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(row: Row) -> str:
    ratio, low, high = (float(row[name]) for name in ("ratio", "q5", "q95"))
    told = high < 1 or low > 1 if row["run_spread"] else high < 0 or low > 0
    text = f"{ratio:.2f} [{low:.2f}, {high:.2f}]"
    text = f"**{text}**" if told else text
    return f"{text} ± {100 * np.expm1(float(row['run_spread'])):.1f} %" if row["run_spread"] else text


def main() -> None:
    """Go on with the study, or write its table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", nargs="?", type=Path, default=Path("data/recipes.nc"))
    parser.add_argument("--cache", type=Path, default=Path("build/recipes"), help="folder of the fits")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--table", type=Path, help="write the table to this file instead of running")
    arguments = parser.parse_args()
    if arguments.table:
        arguments.table.write_text(as_table(read_rows(RESULTS)), encoding="utf-8")
    else:
        run(arguments.file, arguments.cache, arguments.jobs)


if __name__ == "__main__":
    main()
