"""Does a fit with default settings work on real layers? Every layer of the files given, with both populations.

    python -m studies.layers data/minilm.nc resnet20.npz resnet32.npz    # goes on where it stopped; studies/layers.csv
    python -m studies.layers --table docs/layers_table.md

A layer passes if `check` finds nothing wrong with the sampler: no divergence, R-hat at most 1.01, effective sample
sizes of at least 400 in bulk and tail, E-BFMI of at least 0.3. What `check` says of the law is counted beside it, and
how many fits took less than five seconds; the first one of a process also loads what is compiled.
"""

import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Literal

import htmp_bayes as hb
from studies.rows import Row, read_rows, run_or_print, write_rows

type Population = Literal["inverse-gamma", "log-normal"]

TABLE = Path(__file__).with_name("layers.csv")
POPULATIONS: tuple[Population, ...] = ("inverse-gamma", "log-normal")
MIN_SIZE = 32
SEED = 1
QUICK = 5.0
# The beginnings of the sentences of `check` about the law, and what they are called in the table.
CAUTIONS = {
    "The spectrum says little about": "prior",
    "Both the prior and the spectrum bear": "prior and spectrum",
    "The law does not fit the bulk": "bulk",
    "The law does not fit the lower edge": "lower edge",
    "The law does not fit the upper tail": "upper tail",
    "Spikes are suspected": "spikes",
}


def fit_row(model: str, spectrum: hb.Spectrum, population: Population) -> Row:
    """Fit one layer with default settings, and note what `check` says and how long it took."""
    start = time.perf_counter()
    result = hb.fit(spectrum, population=population, random_seed=SEED)
    seconds = time.perf_counter() - start
    verdict = hb.check(result)
    quantiles = result["posterior"].to_dataset().quantile([0.05, 0.5, 0.95], ("chain", "draw"))
    return {
        "model": model,
        "layer": spectrum.name,
        "population": population,
        "eigenvalues": str(len(spectrum)),
        "gamma": f"{spectrum.gamma:.4g}",
        "passes": str(int(verdict.ok)),
        "divergences": str(verdict.divergences),
        "r_hat": f"{max(verdict.r_hat.values()):.4f}",
        "ess": f"{min(*verdict.ess_bulk.values(), *verdict.ess_tail.values()):.0f}",
        "e_bfmi": f"{verdict.e_bfmi:.2f}",
        "cautions": "; ".join(name for start, name in CAUTIONS.items() if _begins(verdict.cautions, start)),
        **{name: " ".join(f"{q:.3g}" for q in quantiles[name].values) for name in ("kappa", "correlation")},
        "seconds": f"{seconds:.1f}",
    }


def _begins(sentences: tuple[str, ...], start: str) -> bool:
    return any(sentence.startswith(start) for sentence in sentences)


def run(files: list[Path]) -> None:
    """Fit what is missing, one fit at a time with all cores."""
    rows = read_rows(TABLE)
    done = {(row["model"], row["layer"], row["population"]) for row in rows}
    for path in files:
        for spectrum in hb.read_spectra(path, min_size=MIN_SIZE):
            for population in POPULATIONS:
                if (path.stem, spectrum.name, population) not in done:
                    rows.append(fit_row(path.stem, spectrum, population))
                    write_rows(TABLE, rows)
                    print(*rows[-1].values(), sep=", ", flush=True)


def table(rows: list[Row]) -> str:
    """Count, for each model and population, the layers that pass and what is said of the law, as Markdown."""
    lines = [
        "| model | population | layers | pass | divergences | largest R-hat | least ESS | median time | in 5 s "
        "| `check` says of the law |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for model in dict.fromkeys(row["model"] for row in rows):
        for population in POPULATIONS:
            own = [row for row in rows if (row["model"], row["population"]) == (model, population)]
            seconds = [float(row["seconds"]) for row in own]
            said = Counter(name for row in own for name in row["cautions"].split("; ") if name)
            cells = (
                model,
                population,
                len(own),
                sum(row["passes"] == "1" for row in own),
                sum(int(row["divergences"]) for row in own),
                max(row["r_hat"] for row in own),
                min((row["ess"] for row in own), key=float),
                f"{median(seconds):.1f} s",
                sum(took < QUICK for took in seconds),
                ", ".join(f"{name} {said[name]}" for name in CAUTIONS.values() if said[name]),
            )
            lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_or_print(__doc__.splitlines()[0], TABLE, run, table)
