"""Does the law fit real layers, and do fits with default settings work on them? Every layer of the files given.

    python -m studies.layers data/minilm.nc resnet20.npz    # goes on where it stopped; studies/layers.csv
    python -m studies.layers --table docs/layers_table.md

A row for each layer and population: what `check` says of the draws (divergences, R-hat, effective sample size) and of
the law (chi-squared over the number of counts, probabilities, Kolmogorov distance), the Dyson index by the posterior,
by gaps alone and by counts alone, the parameters, and the time; the first fit of a process also loads what is compiled.
"""

import time
from pathlib import Path
from statistics import median
from typing import Literal

import numpy as np

import htmp_bayes as hb
from htmp_bayes.results.misfit import law_fit
from studies.rows import Row, read_rows, run_or_print, write_rows

type Population = Literal["free", "inverse-gamma", "log-normal"]

TABLE = Path(__file__).with_name("layers.csv")
POPULATIONS: tuple[Population, ...] = ("free", "inverse-gamma", "log-normal")
MIN_SIZE = 32
SEED = 1


def fit_row(model: str, spectrum: hb.Spectrum, population: Population) -> Row:
    """Fit one layer with default settings, and note what `check` says and how long it took."""
    start = time.perf_counter()
    result = hb.fit(spectrum, population=population, random_seed=SEED, predictive_draws=0)
    seconds = time.perf_counter() - start
    verdict = hb.check(result)
    law = law_fit(result)
    assert law is not None
    draws = result["posterior"].to_dataset()
    numbers: dict[str, str] = {}
    for name in ("kappa", "dyson_index", "correlation", "temperature", "mean"):
        if name in draws:
            numbers |= {
                name: f"{float(draws[name].median()):.5g}",
                f"{name}_sd": f"{float(draws[name].std()):.4g}",
            }
        else:
            numbers |= {name: "", f"{name}_sd": ""}
    return {
        "model": model,
        "layer": spectrum.name,
        "population": population,
        "eigenvalues": str(len(spectrum)),
        "gamma": f"{spectrum.gamma:.4g}",
        "usable": str(int(verdict.usable)),
        "fits": str(int(bool(verdict.fits))),
        "chi_squared": f"{law.chi_squared:.1f}",
        "statistics": str(law.statistics),
        "p_counts": f"{law.probability_of_counts:.3g}",
        "p_gaps": f"{law.probability_of_gaps:.3g}",
        "distance": f"{law.kolmogorov_distance:.4f}",
        "by_gaps": f"{law.by_gaps[1]:.3f}",
        "by_counts": f"{law.by_counts[1]:.4f}",
        **numbers,
        "divergences": str(verdict.divergences),
        "r_hat": f"{max(verdict.r_hat.values()):.4f}",
        "ess": f"{min(*verdict.ess_bulk.values(), *verdict.ess_tail.values()):.0f}",
        "stand_in_error": f"{result.attrs.get('stand_in_error', np.nan):.3f}",
        "seconds": f"{seconds:.1f}",
    }


def run(files: list[Path]) -> None:
    """Fit what is missing, one fit at a time with all cores."""
    rows = read_rows(TABLE)
    done = {(row["model"], row["layer"], row["population"]) for row in rows}
    for population in POPULATIONS:
        for path in files:
            for spectrum in hb.read_spectra(path, min_size=MIN_SIZE):
                if (path.stem, spectrum.name, population) not in done:
                    rows.append(fit_row(path.stem, spectrum, population))
                    write_rows(TABLE, rows)
                    print(*list(rows[-1].values())[:14], sep=", ", flush=True)


def table(rows: list[Row]) -> str:
    """Sum up the layers of each model and population, as Markdown."""
    lines = [
        "| model | population | layers | usable | law fits | χ²/counts, median (range) | Kolmogorov distance "
        "| κ/N by the posterior | by gaps | largest R-hat | least ESS | divergences | median time |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for model in dict.fromkeys(row["model"] for row in rows):
        for population in POPULATIONS:
            own = [row for row in rows if (row["model"], row["population"]) == (model, population)]
            if own:
                lines.append("| " + " | ".join(_cells(model, population, own)) + " |")
    return "\n".join(lines) + "\n"


def _cells(model: str, population: str, own: list[Row]) -> list[str]:
    def middle(name: str) -> float:
        return median(float(row[name]) for row in own)

    ratios = sorted(float(row["chi_squared"]) / int(row["statistics"]) for row in own)
    return [
        model,
        population,
        str(len(own)),
        str(sum(row["usable"] == "1" for row in own)),
        str(sum(row["fits"] == "1" for row in own)),
        f"{median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})",
        f"{middle('distance'):.3f}",
        f"{middle('dyson_index'):.2g}",
        f"{middle('by_gaps'):.2f}",
        max(row["r_hat"] for row in own),
        min((row["ess"] for row in own), key=float),
        str(sum(int(row["divergences"]) for row in own)),
        f"{middle('seconds'):.1f} s",
    ]


if __name__ == "__main__":
    run_or_print(__doc__.splitlines()[0], TABLE, run, table)
