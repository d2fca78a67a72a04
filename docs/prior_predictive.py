"""Draw ``docs/prior_predictive.png``: spectra that the prior expects, and two posteriors of kappa beside it.

Run from the repository: ``python docs/prior_predictive.py``; takes about a minute.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import htmp_bayes as hb
from htmp_bayes.models.layer_data import layer_data
from htmp_bayes.models.prior import prior_draws

HERE = Path(__file__).parent
SIZE, DRAWS = 384, 150
LAYERS = {"layer.5.intermediate.dense": "C0", "layer.5.attention.self.key": "C1"}


def _example(gamma):
    """Return data of any spectrum: the prior of kappa and rho depends on its size alone."""
    return layer_data(np.linspace(0.5, 2.0, SIZE), gamma)


def prior_spectra(gamma):
    """Log-eigenvalues of matrices whose parameters are drawn from the prior, less their mean; and their kappa."""
    rng = np.random.default_rng(0)
    drawn = prior_draws(_example(gamma), DRAWS, rng)
    spectra = [
        np.log10(np.maximum(hb.sample_ensemble(SIZE, kappa, gamma, 1.0, rho, random_state=rng), 1e-300))
        for kappa, rho in zip(drawn["kappa"], drawn["correlation"], strict=True)
    ]
    return np.array([spectrum - spectrum.mean() for spectrum in spectra]), drawn["kappa"]


def draw_spectra(ax, gamma):
    """Draw the quantiles of each spectrum as a line, and those of real layers of this aspect ratio."""
    spectra, kappas = prior_spectra(gamma)
    probability = (np.arange(SIZE) + 0.5) / SIZE
    order = np.argsort(kappas)
    shades = np.linspace(0.85, 0.35, DRAWS)
    for shade, i in zip(shades, order, strict=True):
        ax.plot(spectra[i], probability, color=str(shade), lw=0.5)
    for spectrum in hb.read_spectra(HERE.parent / "data" / "minilm.nc"):
        if abs(spectrum.gamma - gamma) < 1e-6:
            logarithms = np.log10(spectrum.eigenvalues)
            ax.plot(
                logarithms - logarithms.mean(), (np.arange(len(spectrum)) + 0.5) / len(spectrum), "C3", lw=0.6
            )
    ax.set_xlim(-4.5, 3.0)
    ax.set_xlabel("log$_{10}$ λ less its mean")
    ax.set_title(f"γ = {gamma:g}: prior (grey, dark: large κ), layers (red)", fontsize=9)


def draw_posteriors(ax):
    """Draw the prior of kappa and the posterior of a layer that knows it and of one that does not."""
    edges = np.linspace(-1.0, 4.0, 61)

    def density(kappa):
        return np.histogram(np.log10(kappa), edges, density=True)[0]

    for name, color in LAYERS.items():
        (spectrum,) = hb.read_spectra(HERE.parent / "data" / "minilm.nc", include=f"{name}$")
        result = hb.fit(spectrum, random_seed=1)
        kappa = result["posterior"]["kappa"].to_numpy()
        label = f"{name}: 5 % below {np.quantile(kappa, 0.05):.2g}"
        ax.stairs(density(kappa), 10**edges, color=color, label=label)
    ax.stairs(
        density(prior_draws(_example(0.25), 20_000, np.random.default_rng(0))["kappa"]),
        10**edges,
        fill=True,
        color="0.85",
        label="prior",
        zorder=0,
    )
    ax.set_xscale("log")
    ax.set_yticks([])
    ax.set_ylim(0, 6.0)
    ax.set_xlabel("repulsion κ")
    ax.set_title("posterior of κ beside the prior", fontsize=9)
    ax.legend(fontsize=7)


def main():
    """Draw the three panels and write the picture."""
    figure = Figure(figsize=(12.0, 3.8), layout="constrained")
    axes = figure.subplots(1, 3)
    for ax, gamma in zip(axes[:2], (0.25, 1.0), strict=True):
        draw_spectra(ax, gamma)
    axes[0].set_ylabel("share of eigenvalues below")
    draw_posteriors(axes[2])
    figure.savefig(HERE / "prior_predictive.png", dpi=110)


if __name__ == "__main__":
    main()
