"""The contest of laws on real layers, a layer at a time into studies/contest.csv.

    python -m studies.contest data/minilm.nc data/training.nc     # goes on where it stopped
    python -m studies.contest --table docs/contest_table.md

Layers that the file holds are not fitted again.
"""

import statistics
from pathlib import Path

import htmp_bayes as hb
from htmp_bayes.comparison.contest import HTMP_LAWS, LAWS
from studies.rows import Row, read_rows, run_or_print, write_rows

TABLE = Path(__file__).with_name("contest.csv")
MIN_SIZE = 32
SETTINGS = {"draws": 250, "tune": 500, "random_seed": 1}


def layer_rows(model: str, spectrum: hb.Spectrum) -> list[Row]:
    """Compare all laws on one layer, and make a row for each of them."""
    comparison = hb.compare_laws(spectrum, **SETTINGS)
    return [
        {
            "model": model,
            "layer": spectrum.name,
            "law": str(law),
            "rank": str(row["rank"]),
            "elpd": f"{row['elpd']:.2f}",
            "elpd_diff": f"{row['elpd_diff']:.2f}",
            "dse": f"{row['dse']:.2f}",
            "weight": f"{row['weight']:.3f}",
            "p": f"{row['p']:.2f}",
            "high_pareto_k": str(row["high_pareto_k"]),
            "r_hat": f"{row['r_hat']:.3f}",
            "divergences": str(row["divergences"]),
            "not_told_from_best": str(int(law in comparison.best)),
            "rank_htmp": str(comparison.rank(HTMP_LAWS)),
        }
        for law, row in comparison.table.iterrows()
    ]


def run(files: list[Path]) -> None:
    """Compare the laws on the layers that are missing, with all cores."""
    rows = read_rows(TABLE)
    done = {(row["model"], row["layer"]) for row in rows}
    for path in files:
        for spectrum in hb.read_spectra(path, min_size=MIN_SIZE):
            if (path.stem, spectrum.name) not in done:
                rows += layer_rows(path.stem, spectrum)
                write_rows(TABLE, rows)
                print(path.stem, spectrum.name, f"HTMP is number {rows[-1]['rank_htmp']}", flush=True)


def tables(rows: list[Row]) -> str:
    """Say how HTMP ranks in each model, and how each law fares in all of them, as Markdown."""
    models = list(dict.fromkeys(row["model"] for row in rows))
    lines = ["| model | layers | HTMP first | second | worse |", "|---|---|---|---|---|"]
    for model in [*models, "all"]:
        own = {
            (row["model"], row["layer"]): int(row["rank_htmp"])
            for row in rows
            if model in (row["model"], "all")
        }
        ranks = list(own.values())
        first, second = ranks.count(1), ranks.count(2)
        lines.append(f"| {model} | {len(ranks)} | {first} | {second} | {len(ranks) - first - second} |")
    lines += [
        "",
        "| law | best | not told from the best | median elpd behind the best |",
        "|---|---|---|---|",
    ]
    for law in LAWS:
        own_rows = [row for row in rows if row["law"] == law]
        best = sum(row["rank"] == "0" for row in own_rows)
        near = sum(row["not_told_from_best"] == "1" for row in own_rows)
        behind = statistics.median(float(row["elpd_diff"]) for row in own_rows)
        lines.append(f"| {law} | {best} | {near} | {behind:.1f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_or_print(__doc__.splitlines()[0], TABLE, run, tables)
