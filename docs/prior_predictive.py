"""Draw ``docs/prior_predictive.png``: populations and spectra that the prior expects, and what three layers say.

Run from the repository: ``python docs/prior_predictive.py``; takes about a minute.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import htmp_bayes as hb
from htmp_bayes.models.free.curve import curve
from htmp_bayes.models.free.prior import prior_draws
from htmp_bayes.models.layer.data import layer_data
from htmp_bayes.results.predictive import open_matrices

HERE = Path(__file__).parent
SIZE, GAMMA, DRAWS = 384, 0.25, 150
LAYERS = {
    "layer.5.intermediate.dense": "C0",
    "pooler.dense": "C1",
    "layer.5.attention.self.key": "C2",
}
LOG_10 = np.log(10.0)


def spectrum_of(name):
    """Read the spectrum of one layer of the sentence-embedding transformer."""
    (spectrum,) = hb.read_spectra(HERE.parent / "data" / "minilm.nc", include=f"{name}$")
    return spectrum


def prior_of_example(size):
    """Draw log population values and kappa/N from the prior; but for their scale they depend on the shape alone."""
    data = layer_data(np.linspace(0.5, 2.0, SIZE), GAMMA, "free")
    theta, _, log_index = prior_draws(data, curve(SIZE, GAMMA), size, np.random.default_rng(0))
    return curve(SIZE, GAMMA).log_values(theta), np.exp(log_index)


def draw_populations(ax, values, results):
    """Draw the list of each draw of the prior as a line, less its median, and the posterior medians of layers."""
    population = curve(SIZE, GAMMA)
    shares = (np.arange(SIZE) + 0.5) / SIZE
    for row in population.directions(values[:DRAWS]):
        ax.plot((row - np.median(row)) / LOG_10, shares, color="0.6", lw=0.5)
    for name, result in results.items():
        if abs(float(result["constant_data/gamma"]) - GAMMA) < 1e-6:
            rows = result["population/log_values"].median(("chain", "draw")).to_numpy()
            row = population.directions(rows)
            ax.plot((row - np.median(row)) / LOG_10, shares, LAYERS[name], lw=1.4)
    ax.set(xlim=(-4.5, 4.5), xlabel="log$_{10}$ h less its median", ylabel="share of directions below")
    ax.set_title("populations: prior (grey), a layer (blue)", fontsize=9)


def draw_spectra(ax, values, index):
    """Draw the quantiles of a matrix of each draw of the prior as a line, and those of layers of this shape."""
    matrix = open_matrices(curve(SIZE, GAMMA), GAMMA, values[0])
    rng = np.random.default_rng(0)
    shares = (np.arange(SIZE) + 0.5) / SIZE
    for row, dyson_index in zip(values[:DRAWS], index[:DRAWS], strict=True):
        logarithms = np.log10(np.maximum(np.sort(matrix(row, dyson_index, rng)), 1e-300))
        ax.plot(logarithms - np.median(logarithms), shares, color="0.6", lw=0.5)
    for spectrum in hb.read_spectra(HERE.parent / "data" / "minilm.nc"):
        if abs(spectrum.gamma - GAMMA) < 1e-6:
            logarithms = np.log10(spectrum.eigenvalues)
            ax.plot(logarithms - np.median(logarithms), shares, "C3", lw=0.6)
    ax.set(xlim=(-4.5, 4.5), xlabel="log$_{10}$ λ less its median", ylabel="share of eigenvalues below")
    ax.set_title("spectra, γ = 0.25: prior (grey), 12 layers (red)", fontsize=9)


def draw_posteriors(ax, results, name, edges):
    """Draw the prior of what has this name, and the posterior of three layers."""

    def density(values):
        return np.histogram(np.log10(values), np.log10(edges), density=True)[0]

    for layer, result in results.items():
        values = result["posterior"][name].to_numpy().ravel()
        low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
        label = f"{layer}: {middle:.3g} [{low:.3g}, {high:.3g}]"
        ax.stairs(density(values), edges, color=LAYERS[layer], label=label)
    prior = next(iter(results.values()))["prior"][name].to_numpy().ravel()
    ax.stairs(density(prior), edges, fill=True, color="0.85", label="prior", zorder=0)
    ax.set(xscale="log", yscale="log", ylim=(0.05, None), ylabel="density of log$_{10}$")
    ax.legend(fontsize=7, loc="upper left", bbox_to_anchor=(0.0, -0.2), frameon=False)


def main():
    """Draw the four panels and write the picture."""
    results = {name: hb.fit(spectrum_of(name), random_seed=1, progressbar=False) for name in LAYERS}
    values, index = prior_of_example(DRAWS)
    figure = Figure(figsize=(9.6, 8.0), layout="constrained")
    axes = figure.subplots(2, 2)
    draw_populations(axes[0, 0], values, results)
    draw_spectra(axes[0, 1], values, index)
    draw_posteriors(axes[1, 0], results, "dyson_index", np.geomspace(0.008, 25.0, 61))
    axes[1, 0].set_xlabel("repulsion κ/N")
    draw_posteriors(axes[1, 1], results, "correlation", np.geomspace(0.004, 20.0, 61))
    axes[1, 1].set_xlabel("correlation ρ, the standard deviation of log h")
    for ax, title in zip(axes[1], ("κ/N", "ρ"), strict=True):
        ax.set_title(f"posteriors of {title} beside the prior", fontsize=9)
    figure.savefig(HERE / "prior_predictive.png", dpi=110)


if __name__ == "__main__":
    main()
