"""What comes back when a network is trained again: spreads over runs, halves of the same runs, and two recipes.

    python -m studies.replicates data/training.nc admet_classification.nc ani_1x.nc ani_1ccx.nc --cache fits
    python -m studies.replicates --halves ani_1x.nc --cache fits
    python -m studies.replicates --recipes ani_1x.nc ani_1ccx.nc --cache fits
    python -m studies.replicates --table docs/replicates_table.md

A row for each layer, run and quantity (replicates.csv): mean and standard deviation of its posterior on the scale on
which it is pooled. Halves: eight runs are split into two groups of four, all 35 ways, and `fit_network` compares the
groups, which differ by chance only. Recipes: the groups are two files of the same runs. Rows of both in
replicates_contrasts.csv. Fits are kept in the folder of the cache, so that what was interrupted goes on.
"""

import argparse
import csv
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from statistics import median

import numpy as np
import xarray as xr

import htmp_bayes as hb
from htmp_bayes.models.network.quantities import QUANTITIES, values_of
from studies.cached_fits import load_fit, make_fit
from studies.rows import Row, read_rows

SPREADS = Path(__file__).with_suffix(".csv")
CONTRASTS = Path(__file__).with_name("replicates_contrasts.csv")
SEED = 1
COMPARED = ("dyson_index", "correlation", "participation_ratio", "tail_index", "mean", "quantile_10", "quantile_50",
            "quantile_90")  # fmt: skip
_RUN = re.compile(r"^(?P<run>run\d+)\.|^(?P<group>batch\d+\.)(?P<seed>seed\d+)\.")


def layer_and_run(name: str) -> tuple[str, str]:
    """Name without what tells runs apart, and the run; empty where there is none."""
    match = _RUN.match(name)
    if match is None:
        return "", ""
    return (match["group"] or "") + name[match.end() :], match["run"] or match["seed"]


def fitted(path: Path, cache: Path) -> Iterator[tuple[hb.Spectrum, xr.DataTree]]:
    """Each replicated spectrum of a file with its fit, from the cache if it is there."""
    folder = cache / path.stem
    folder.mkdir(parents=True, exist_ok=True)
    for spectrum in hb.read_spectra(path, min_size=32):
        if not layer_and_run(spectrum.name)[0]:
            continue
        file = folder / f"{spectrum.name}.nc"
        make_fit(spectrum, file, SEED)
        yield spectrum, load_fit(file)


def write_spreads(files: list[Path], cache: Path) -> None:
    """Write mean and standard deviation of each layer's quantities in each run."""
    rows = [row for row in read_rows(SPREADS) if row["file"] not in {path.stem for path in files}]
    for path in files:
        for spectrum, result in fitted(path, cache):
            layer, run = layer_and_run(spectrum.name)
            drawn, fits = values_of(result, "posterior"), int(bool(hb.check(result).fits))
            for quantity in QUANTITIES:
                if quantity.name in drawn:
                    values = quantity.pooled(drawn[quantity.name])
                    own = {
                        "quantity": quantity.name,
                        "mean": f"{values.mean():.5g}",
                        "sd": f"{values.std():.4g}",
                    }
                    size = {"eigenvalues": str(len(spectrum)), "fits": str(fits)}
                    rows.append({"file": path.stem, "layer": layer, "run": run, **size, **own})
    _write(SPREADS, rows)


def contrasts(
    spectra: dict[str, list[hb.Spectrum]], fits: dict[str, xr.DataTree], groups: dict[str, str], name: str
) -> list[Row]:
    """Rows of the contrasts of two groups of runs."""
    runs = {model: model.rpartition("/")[2] for model in spectra}
    result = hb.fit_network(
        spectra, runs=runs, groups=groups, fits=fits, random_seed=SEED, draws=500, tune=500
    )
    table = hb.compare_models(result, parameters=COMPARED)
    verdict = hb.check(result)
    return [
        {"comparison": name, "parameter": row.parameter, "first": row.first, "second": row.second,
         "ratio": f"{row.median:.4f}", "q5": f"{row.q5:.4f}", "q95": f"{row.q95:.4f}", "p_less": f"{row.p_less:.4f}",
         "usable": str(int(verdict.usable))}
        for row in table.itertuples()
    ]  # fmt: skip


def _by_run(path: Path, cache: Path) -> tuple[dict[str, list[hb.Spectrum]], dict[str, xr.DataTree]]:
    spectra: dict[str, list[hb.Spectrum]] = {}
    fits = {}
    for spectrum, result in fitted(path, cache):
        layer, run = layer_and_run(spectrum.name)
        model = f"{path.stem}/{run}"
        spectra.setdefault(model, []).append(hb.Spectrum(spectrum.eigenvalues, spectrum.n, name=layer))
        fits[f"{model}/{layer}"] = result
    return spectra, fits


def write_halves(path: Path, cache: Path) -> None:
    """Compare halves of eight runs, all 35 ways."""
    spectra, fits = _by_run(path, cache)
    models = sorted(spectra)
    rows = read_rows(CONTRASTS)
    for half in combinations(models[1:], len(models) // 2 - 1):
        first = {models[0], *half}
        name = f"{path.stem}: {' '.join(sorted(model.rpartition('run')[2] for model in first))}"
        if any(row["comparison"] == name for row in rows):
            continue
        groups = {model: "first" if model in first else "second" for model in models}
        rows += contrasts(spectra, fits, groups, name)
        _write(CONTRASTS, rows)


def write_recipes(files: list[Path], cache: Path) -> None:
    """Compare two files of the same runs."""
    read = [_by_run(path, cache) for path in files]
    spectra = {model: own for of_file, _ in read for model, own in of_file.items()}
    fits = {name: result for _, of_file in read for name, result in of_file.items()}
    groups = {model: model.partition("/")[0] for model in spectra}
    name = " against ".join(path.stem for path in files)
    rows = [row for row in read_rows(CONTRASTS) if row["comparison"] != name]
    _write(CONTRASTS, rows + contrasts(spectra, fits, groups, name))


def _write(path: Path, rows: list[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def spread_table(rows: list[Row]) -> str:
    """Spread over runs divided by the stated standard deviation: median and range over layers, as Markdown."""
    lines = ["| file | layers | runs | law fits | " + " | ".join(q.name for q in QUANTITIES) + " |"]
    lines.append("|---" * (4 + len(QUANTITIES)) + "|")
    for file in dict.fromkeys(row["file"] for row in rows):
        own = [row for row in rows if row["file"] == file]
        layers = dict.fromkeys(row["layer"] for row in own)
        runs = [len({row["run"] for row in own if row["layer"] == layer}) for layer in layers]
        fits = np.mean([int(row["fits"]) for row in own])
        cells = [file, str(len(layers)), str(int(median(runs))), f"{100 * fits:.0f} %"]
        for quantity in QUANTITIES:
            found = []
            for layer in layers:
                members = [row for row in own if (row["layer"], row["quantity"]) == (layer, quantity.name)]
                if len(members) >= 3:
                    stated = median(float(row["sd"]) for row in members)
                    found.append(float(np.std([float(row["mean"]) for row in members], ddof=1)) / stated)
            cells.append(f"{median(found):.2f} ({min(found):.2f}–{max(found):.2f})" if found else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def contrast_table(rows: list[Row]) -> str:
    """Of halves, how many intervals of 90 % leave out 1; of recipes, the ratios, as Markdown."""
    lines = ["| comparison | " + " | ".join(COMPARED) + " |", "|---" * (1 + len(COMPARED)) + "|"]
    halves = [row for row in rows if ": " in row["comparison"]]
    for file in dict.fromkeys(row["comparison"].partition(":")[0] for row in halves):
        cells = [f"halves of {file} called different"]
        for name in COMPARED:
            own = [r for r in halves if r["parameter"] == name and r["comparison"].startswith(f"{file}:")]
            different = sum(not float(row["q5"]) < 1 < float(row["q95"]) for row in own)
            cells.append(f"{different} of {len(own)}")
        lines.append("| " + " | ".join(cells) + " |")
    for comparison in dict.fromkeys(row["comparison"] for row in rows if row not in halves):
        own = {row["parameter"]: row for row in rows if row["comparison"] == comparison}
        cells = [f"{own[n]['ratio']} [{own[n]['q5']}, {own[n]['q95']}]" for n in COMPARED]
        lines.append("| " + " | ".join([comparison, *cells]) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Go on with the study, or write its tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--halves", action="store_true")
    parser.add_argument("--recipes", action="store_true")
    parser.add_argument("--cache", type=Path, default=Path("build/replicates"))
    parser.add_argument("--table", type=Path)
    arguments = parser.parse_args()
    if arguments.table:
        tables = [spread_table(read_rows(SPREADS))]
        if compared := read_rows(CONTRASTS):
            tables.append(contrast_table(compared))
        arguments.table.write_text("\n".join(tables), encoding="utf-8")
    elif arguments.halves:
        write_halves(arguments.files[0], arguments.cache)
    elif arguments.recipes:
        write_recipes(arguments.files, arguments.cache)
    else:
        write_spreads(arguments.files, arguments.cache)


if __name__ == "__main__":
    main()
