"""What comes back when a network is trained again, beside what one spectrum says: the spread over runs of each layer.

    python -m studies.replicates data/training.nc admet_classification.nc ani_1x.nc    # prints a table of Markdown

For each layer that several runs have (`training.nc`: seeds at one batch size; else names that begin with ``run0.``,
``run1.``, ...), the standard deviation of the estimate of `htmp_bayes.estimate` over runs, divided by its standard
error: for log kappa/N, the correlation and the log temperature. 1 means that runs differ as other random matrices with
the same population would; more, that training moves the population, too.
"""

import argparse
import re
from pathlib import Path
from statistics import median

import numpy as np

import htmp_bayes as hb

_RUN = re.compile(r"^(?:run\d+\.|(?P<before>batch\d+\.)seed\d+\.)")
NAMES = ("dyson_index", "correlation", "temperature")


def layer_and_run(name: str) -> str:
    """Name without what tells runs apart."""
    match = _RUN.match(name)
    return (match["before"] or "") + name[match.end() :] if match else ""


def ratios(path: Path) -> dict[str, dict[str, float]]:
    """Spread over stated error of each layer and parameter, with the layer's median kappa/N."""
    groups: dict[str, list[hb.Estimate]] = {}
    for spectrum in hb.read_spectra(path, min_size=32):
        layer = layer_and_run(spectrum.name)
        if layer:
            groups.setdefault(layer, []).append(hb.estimate(spectrum))
    found = {}
    for layer, members in groups.items():
        if len(members) < 3:
            continue
        row = {"runs": float(len(members)), "index": median(m.values["dyson_index"] for m in members)}
        for name in NAMES:
            values = np.array([m.values[name] for m in members])
            errors = [m.standard_errors[name] for m in members]
            spread = np.std(values if name == "correlation" else np.log(values), ddof=1)
            row[name] = float(spread / median(errors))
        found[layer] = row
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path)
    print(
        "| file | layers | runs | κ/N | spread over stated: log κ | ρ | log T |\n|---|---|---|---|---|---|---|"
    )
    for path in parser.parse_args().files:
        found = list(ratios(path).values())
        cells = [path.stem, str(len(found)), f"{median(row['runs'] for row in found):.0f}"]
        cells.append(f"{median(row['index'] for row in found):.2g}")
        for name in NAMES:
            each = sorted(row[name] for row in found)
            cells.append(f"{median(each):.2f} ({each[0]:.2f}–{each[-1]:.2f})")
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
