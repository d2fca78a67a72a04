"""Draw ``docs/numerics_error.png``: the kernel's error at the points of the reference table.

Run from the repository: ``python docs/numerics_error.py``.
"""

import json
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from htmp_bayes.laws.compiled import htmp_density

HERE = Path(__file__).parent
TABLE = HERE.parent / "tests" / "reference" / "htmp_reference.json"
CODES = {
    "point": htmp_density.LOG_NORMAL,
    "log-normal": htmp_density.LOG_NORMAL,
    "inverse-gamma": htmp_density.INVERSE_GAMMA,
}
PROMISE = {True: 1e-10, False: 1e-8}


def errors(rows):
    """Error of log f, relative to 1 + |log f|, of each row."""
    found = []
    for row in rows:
        law = (row["kappa"], row["gamma"], row["correlation"], CODES[row["population"]])
        value = htmp_density.fast_rows(np.array([np.log(row["x"])]), *law)[0, 0]
        found.append(abs(value - row["logpdf"]) / (1 + abs(row["logpdf"])))
    return np.maximum(found, 1e-16)


def main():
    """Draw both panels and write the picture."""
    rows = json.loads(TABLE.read_text())
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for ax, plain in zip(axes, (True, False), strict=True):
        chosen = [row for row in rows if (row["correlation"] == 0) == plain]
        error = errors(chosen)
        kappa = np.array([row["kappa"] for row in chosen])
        place = np.array([np.log10(row["cdf"] / row["sf"]) for row in chosen])
        jitter = np.exp(0.25 * np.random.default_rng(0).uniform(-1, 1, len(chosen)))
        points = ax.scatter(
            kappa * jitter,
            np.clip(place, -14, 14),
            c=np.log10(error),
            s=14,
            cmap="viridis",
            vmin=-16,
            vmax=-8,
        )
        ax.set_xscale("log")
        ax.set_xlabel("repulsion κ")
        kind = "no correlation" if plain else "with correlation"
        ax.set_title(f"{kind}: largest error {error.max():.0e} (promise {PROMISE[plain]:.0e})", fontsize=9)
    axes[0].set_ylabel("place of y: log$_{10}$ F / (1 − F)")
    figure.colorbar(points, ax=axes, label="log$_{10}$ error of log f")
    figure.savefig(HERE / "numerics_error.png", dpi=130)


if __name__ == "__main__":
    main()
