"""`plot_eigenvalues`: a spectrum by itself, before anything is fitted."""

from typing import TYPE_CHECKING

import numpy as np

from htmp_bayes.drawing import canvas
from htmp_bayes.drawing.canvas import LEGEND, SMALL, TEXT, faint, ink, legend_below, log_ticks, tidy
from htmp_bayes.laws.marchenko_pastur import MarchenkoPastur

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from htmp_bayes.spectra import Spectrum

_FEWEST_BINS, _MOST_BINS, _POINTS = 10, 60, 200


def plot_eigenvalues(
    spectrum: "Spectrum", ax: "Axes | None" = None, *, figsize: tuple[float, float] | None = None
) -> "Figure | Axes":
    """Draw the density of a spectrum's log-eigenvalues on log-log axes, beside that of noise with the same mean.

    Parameters
    ----------
    spectrum : Spectrum
        The eigenvalues.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.
    figsize : tuple of float, optional
        Width and height of the new figure, in inches.

    Returns
    -------
    matplotlib.figure.Figure or matplotlib.axes.Axes
        `ax` if it was given, and the figure otherwise.

    Examples
    --------
    >>> import htmp_bayes as hb
    >>> noise = hb.Spectrum.from_matrix(np.random.default_rng(1).normal(size=(60, 200)), name="noise")
    >>> plot_eigenvalues(noise).axes[0].get_xscale()
    'log'
    """
    if ax is not None:
        _draw(ax, spectrum)
        ax.legend(**LEGEND)
        return ax
    figure = canvas.new_figure(0.8, figsize=figsize)
    axes = figure.subplots()
    _draw(axes, spectrum)
    legend_below(figure, axes)
    return figure


def _draw(ax: "Axes", spectrum: "Spectrum") -> None:
    edges = np.exp(_edges(np.log(spectrum.eigenvalues)))
    counts = np.histogram(spectrum.eigenvalues, edges)[0]
    density = counts / (len(spectrum) * np.diff(np.log(edges)))
    ax.stairs(density, edges, color=ink(), lw=0.9, label="eigenvalues")
    ticks = np.full(len(spectrum), 0.025)
    ax.plot(spectrum.eigenvalues, ticks, "|", color=ink(), ms=4, mew=0.3, transform=ax.get_xaxis_transform())
    lowest = 0.4 / (len(spectrum) * np.diff(np.log(edges)).min())
    highest = density.max()
    if spectrum.kind != "kernel":  # kernel matrices of noise have no such spectrum
        noise = MarchenkoPastur(spectrum.gamma, float(spectrum.eigenvalues.mean()))
        points = np.geomspace(*noise.interval(0.999), _POINTS)
        of_noise = points * noise.pdf(points)
        highest = max(highest, of_noise.max())
        ax.plot(points, of_noise, "--", color=faint(), lw=1.0, label="Marchenko–Pastur, same mean")
    ax.set(xscale="log", yscale="log", ylim=(lowest, 2 * highest))
    unit = "kernel" if spectrum.kind == "kernel" else f"{spectrum.kind}²"
    ax.set_xlabel(f"eigenvalue λ (in units of {unit})", fontsize=TEXT)
    ax.set_ylabel("density of log λ", fontsize=TEXT)
    log_ticks(ax.xaxis)
    log_ticks(ax.yaxis)
    name = canvas.shown(spectrum.name)
    ax.set_title(name, fontsize=TEXT, loc="left", weight="bold", parse_math=False)
    ax.set_title(f"{len(spectrum)} × {spectrum.n}", fontsize=SMALL, loc="right")
    tidy(ax)


def _edges(values: np.ndarray) -> np.ndarray:
    """Edges of equal width by Freedman & Diaconis (1981), not too few and not too many."""
    quarters = np.ptp(np.quantile(values, [0.25, 0.75]))
    wanted = np.ptp(values) / max(2 * quarters / np.cbrt(values.size), 1e-12)
    number = int(np.clip(np.ceil(wanted), _FEWEST_BINS, _MOST_BINS))
    return np.linspace(values.min() - 1e-9, values.max() + 1e-9, number + 1)
