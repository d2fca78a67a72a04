"""The contest of laws on the 37 layers of data/minilm.nc, a layer at a time into studies/contest.csv.

    nice -n 15 python3 -m uv run python studies/contest.py

takes about half a minute a layer on one core. Layers that the file holds are not fitted again, so that an interrupted
run goes on; delete the file to start over. The summary is printed at the end.
"""

import csv
from pathlib import Path

import htmp_bayes as hb
from htmp_bayes import _files
from htmp_bayes.contest import HTMP_LAWS, LAWS

HERE = Path(__file__).parent
TABLE = HERE / "contest.csv"
SEED = 1
ALL_HTMP = (*HTMP_LAWS, "inverse-htmp")


def main() -> None:
    """Fit what is missing, then print how HTMP fared."""
    rows = read_rows()
    done = {row["layer"] for row in rows}
    for spectrum in hb.read_spectra(HERE.parent / "data" / "minilm.nc"):
        if spectrum.name not in done:
            rows += layer_rows(hb.compare_laws(spectrum, random_seed=SEED))
            write_rows(rows)
            print(f"{len({row['layer'] for row in rows})} layers", flush=True)
    print(summary(rows))


def layer_rows(comparison: hb.LawComparison) -> list[dict[str, str]]:
    """Make a row for each law of a layer."""
    ranks = {"rank_htmp": comparison.rank(), "rank_htmp_family": comparison.rank(ALL_HTMP)}
    table = comparison.table
    return [
        {
            "layer": comparison.name,
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
            **{name: str(value) for name, value in ranks.items()},
        }
        for law, row in table.iterrows()
    ]


def read_rows() -> list[dict[str, str]]:
    """Rows of the file, if there is one."""
    if not TABLE.exists():
        return []
    with open(TABLE, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_rows(rows: list[dict[str, str]]) -> None:
    """Write all rows, whole or not at all."""
    with _files.replacing(TABLE) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def summary(rows: list[dict[str, str]]) -> str:
    """Say for how many layers HTMP is first, second or worse, and how often each law is first or near it."""
    layers = {row["layer"]: row for row in rows}
    lines = [f"{len(layers)} layers"]
    for column in ("rank_htmp", "rank_htmp_family"):
        ranks = [int(row[column]) for row in layers.values()]
        counts = (sum(rank == 1 for rank in ranks), sum(rank == 2 for rank in ranks))
        lines.append(f"{column}: first {counts[0]}, second {counts[1]}, worse {len(ranks) - sum(counts)}")
    for law in LAWS:
        own = [row for row in rows if row["law"] == law]
        first = sum(row["rank"] == "0" for row in own)
        near = sum(row["not_told_from_best"] == "1" for row in own)
        behind = sum(float(row["elpd_diff"]) for row in own) / len(own)
        lines.append(
            f"{law:18} highest elpd {first:2}, not told from it {near:2}, mean difference {behind:8.1f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
