"""`plot_spectrum`: the density of a layer's eigenvalues beside what the fitted law predicts."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args, overload

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes._errors import HTMPError
from htmp_bayes._results import group
from htmp_bayes.drawing import canvas
from htmp_bayes.drawing.canvas import (
    LEGEND,
    MODEL,
    OUTSIDE,
    SMALL,
    TEXT,
    band_colour,
    faint,
    ink,
    label_eigenvalues,
    legend_below,
    log_ticks,
    tidy,
)
from htmp_bayes.plots.result_values import (
    gamma,
    is_inverse,
    median_and_interval,
    observed_and_predicted,
    posterior_mean,
    spikes,
)
from htmp_bayes.results.misfit import is_misfit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

type Array = NDArray[np.float64]

Shown = Literal["both", "histogram", "rug"]

_CURVE_POINTS = 120
_FEWEST_BINS, _MOST_BINS = 16, 60
_IN_HEAD = ("dyson_index", "correlation", "temperature", "tail_index")


@overload
def plot_spectrum(
    result: xr.DataTree, *, show: Shown = "both", figsize: tuple[float, float] | None = ...
) -> "Figure": ...
@overload
def plot_spectrum(result: xr.DataTree, *, figure: "FigureBase", show: Shown = "both") -> "FigureBase": ...
@overload
def plot_spectrum(
    result: xr.DataTree, ax: "Axes", residual_ax: "Axes | None" = None, *, show: Shown = "both"
) -> "Axes": ...
def plot_spectrum(
    result: xr.DataTree,
    ax: "Axes | None" = None,
    residual_ax: "Axes | None" = None,
    *,
    figure: "FigureBase | None" = None,
    show: Shown = "both",
    figsize: tuple[float, float] | None = None,
) -> "FigureBase | Axes":
    r"""Draw the eigenvalue density of a layer beside what the fitted law predicts, so that misfit is seen.

    Parameters
    ----------
    result : xarray.DataTree
        What `htmp_bayes.fit` returns, with posterior-predictive spectra.
    ax : matplotlib.axes.Axes, optional
        Where to draw the density.
    residual_ax : matplotlib.axes.Axes, optional
        Where to draw the residuals, if `ax` is given; without it they are left out.
    figure : matplotlib.figure.Figure or SubFigure, optional
        An empty figure to fill with both panels. By default a new one, as wide as a column (8.5 cm).
    show : {"both", "histogram", "rug"}
        How the layer's eigenvalues are drawn: as a histogram, as a tick for each, or as both.
    figsize : tuple of float, optional
        Width and height of the new figure, in inches.

    Returns
    -------
    matplotlib.figure.Figure, SubFigure or matplotlib.axes.Axes
        `ax` if it was given, and the figure otherwise.

    Raises
    ------
    ResultError
        A ValueError, if the result has no posterior-predictive spectra.
    HTMPError
        A ValueError, if `show` is none of the three.

    Notes
    -----
    The upper panel has log-log axes and the density of :math:`\log\lambda`, which is :math:`\lambda` times
    that of :math:`\lambda`: what is seen is where the eigenvalues are, and a power-law tail
    :math:`\lambda^{-\alpha}` is a straight line of slope :math:`1 - \alpha`. The bins are equally wide in
    :math:`\log\lambda` (Freedman & Diaconis 1981). The black steps are the layer's histogram. The blue bands
    hold the middle 50 % and 90 % of the histograms, in the same bins, of spectra of finite random matrices
    drawn from the posterior predictive distribution, and the blue line is the law's density, averaged over
    the posterior. The dashed line is the Marchenko-Pastur density of the same aspect ratio and mean: what
    noise of the same scale would show (left out for kernel matrices). The ticks below are the eigenvalues.
    Triangles mark spikes, eigenvalues that the fit set apart from the law's, where it did.

    The lower panel is a hanging rootogram (Tukey 1972; Kleiber & Zeileis 2016, Am. Stat. 70, 296): the
    square root of the number of eigenvalues in a bin minus that of its predictive mean, with the same bands.
    The root makes differences comparable between full bins and those of the tails. Bins outside the 90 %
    band are orange where the law does not fit by the rule of `htmp_bayes.check`; one in ten is what chance does.

    Examples
    --------
    >>> import htmp_bayes as hb, numpy as np
    >>> noise = hb.Spectrum.from_matrix(np.random.default_rng(1).normal(size=(40, 160)), name="noise")
    >>> result = hb.fit(noise, draws=20, tune=30, chains=1, random_seed=1, predictive_draws=20)
    >>> figure = plot_spectrum(result)
    >>> len(figure.axes)
    2
    """
    if show not in get_args(Shown):
        raise HTMPError(f"show is one of {', '.join(get_args(Shown))}, not {show!r}.")
    binned = _Binned.of(result)
    if ax is not None:
        _draw_density(ax, result, binned, show, label_x=residual_ax is None)
        _head(ax, result)
        ax.legend(**LEGEND)
        if residual_ax is not None:
            _draw_residuals(residual_ax, result, binned)
        return ax
    filled = canvas.new_figure(1.12, figsize=figsize) if figure is None else figure
    upper, lower = filled.subplots(2, 1, sharex=True, height_ratios=[2.6, 1])
    _draw_density(upper, result, binned, show, label_x=False)
    _head(upper, result)
    _draw_residuals(lower, result, binned)
    legend_below(filled, upper)
    return filled


@dataclass(frozen=True)
class _Binned:
    """Eigenvalues of a layer and of its predictive spectra, in the same bins of equal width in log λ."""

    edges: Array
    observed: NDArray[np.int64]
    predicted: NDArray[np.int64]  # shape (spectra, bins)

    @classmethod
    def of(cls, result: xr.DataTree) -> "_Binned":
        observed, predicted = map(np.log, observed_and_predicted(result))
        edges = _edges(observed, predicted)
        counts = [np.histogram(row, edges)[0] for row in (observed, *predicted)]
        return cls(edges, counts[0], np.array(counts[1:]))

    @property
    def centres(self) -> Array:
        return np.exp((self.edges[:-1] + self.edges[1:]) / 2)

    def density(self, counts: NDArray[np.int64] | Array) -> Array:
        """Density of log λ that corresponds to counts in the bins."""
        return counts / (self.observed.sum() * np.diff(self.edges))

    def band(self, share: float) -> Array:
        """Lower and upper count of the central share of the predictive spectra, shape ``(2, bins)``."""
        return np.quantile(self.predicted, [(1 - share) / 2, (1 + share) / 2], axis=0)

    @property
    def outside(self) -> NDArray[np.bool_]:
        """The bins whose count is not in the 90 % band."""
        lower, upper = self.band(0.9)
        return (self.observed < lower) | (self.observed > upper)


def _edges(observed: Array, predicted: Array) -> Array:
    """Edges in log λ of all that was observed, and of most of what was predicted if that is not far off."""
    room = 0.25 * np.ptp(observed)
    lower = np.quantile(predicted.min(axis=1), 0.1).clip(observed.min() - room, observed.min())
    upper = np.quantile(predicted.max(axis=1), 0.9).clip(observed.max(), observed.max() + room)
    quarters = np.quantile(observed, [0.25, 0.75])
    width = 2 * np.ptp(quarters) / np.cbrt(observed.size)
    number = np.ceil((upper - lower) / max(width, (upper - lower) / _MOST_BINS)).clip(_FEWEST_BINS)
    return np.linspace(lower - 1e-9, upper + 1e-9, int(number) + 1)


def _draw_density(ax: "Axes", result: xr.DataTree, binned: _Binned, show: Shown, label_x: bool) -> None:
    lambdas, edges = (
        np.exp(np.linspace(binned.edges[0], binned.edges[-1], _CURVE_POINTS)),
        np.exp(binned.edges),
    )
    eigenvalues = group(result, "observed_data")["eigenvalues"].to_numpy()
    for share in (0.9, 0.5):
        lower, upper = binned.density(binned.band(share))
        label = f"{100 * share:.0f} % of predictive spectra"
        ax.stairs(upper, edges, baseline=lower, fill=True, color=band_colour(share), label=label)
    density = lambdas * posterior_mean(result, "pdf", lambdas)
    ax.plot(lambdas, density, color=MODEL, lw=1.2, label="law, posterior mean")
    if not is_inverse(result):  # kernel matrices of noise have no such spectrum
        noise = _marchenko_pastur(eigenvalues, gamma(result))
        ax.plot(*noise, "--", color=faint(), lw=1.0, label="Marchenko–Pastur")
    if show != "rug":
        ax.stairs(binned.density(binned.observed), edges, color=ink(), lw=0.9, label="eigenvalues")
    if show != "histogram":
        _draw_ticks(ax, eigenvalues, None if show == "both" else "eigenvalues")
    one_eigenvalue = binned.density(np.array(1.0)).min()
    highest = binned.density(np.maximum(binned.observed, binned.band(0.9)[1])).max()
    ax.set(xscale="log", yscale="log", ylim=(0.4 * one_eigenvalue, 2 * highest))
    ax.set_xlim(_with_margin(edges[0], max(edges[-1], *spikes(result), 0.0)))
    log_ticks(ax.yaxis)
    ax.set_ylabel("density of log λ", fontsize=TEXT)
    _mark_spikes(ax, result)
    if label_x:
        label_eigenvalues(ax, result)
        log_ticks(ax.xaxis)
    tidy(ax)


def _draw_ticks(ax: "Axes", eigenvalues: Array, label: str | None) -> None:
    at_bottom = ax.get_xaxis_transform()
    height = np.full(eigenvalues.size, 0.025)
    ax.plot(eigenvalues, height, "|", color=ink(), ms=4, mew=0.3, transform=at_bottom, label=label)


def _mark_spikes(ax: "Axes", result: xr.DataTree) -> None:
    found = spikes(result)
    if found.size:
        label = f"{found.size} spike{'s' if found.size > 1 else ''}"
        height = np.full(found.size, 0.09)
        ax.plot(found, height, "v", color=MODEL, ms=3.2, transform=ax.get_xaxis_transform(), label=label)


def _draw_residuals(ax: "Axes", result: xr.DataTree, binned: _Binned) -> None:
    edges, expected = np.exp(binned.edges), np.sqrt(binned.predicted.mean(axis=0))
    for share in (0.9, 0.5):
        lower, upper = np.sqrt(binned.band(share)) - expected
        ax.stairs(upper, edges, baseline=lower, fill=True, color=band_colour(share))
    ax.axhline(0, color=MODEL, lw=0.8)
    residuals, outside = np.sqrt(binned.observed) - expected, binned.outside
    off = OUTSIDE if is_misfit(result) else ink()
    for chosen, colour in ((~outside, ink()), (outside, off)):
        ax.vlines(binned.centres[chosen], 0, residuals[chosen], color=colour, lw=0.9)
        ax.plot(binned.centres[chosen], residuals[chosen], "o", color=colour, ms=2.4)
    ax.set_xscale("log")
    ax.set_xlim(_with_margin(edges[0], max(edges[-1], *spikes(result), 0.0)))
    ax.use_sticky_edges = False
    ax.margins(y=0.08)
    log_ticks(ax.xaxis)
    ax.set_ylabel("√observed\n− √predicted", fontsize=SMALL)
    told = f"{outside.sum()} of {outside.size} bins outside the 90 % band"
    ax.set_title(
        told,
        fontsize=SMALL,
        loc="right",
        pad=2,
        color=off,
    )
    label_eigenvalues(ax, result)
    tidy(ax)


def _with_margin(lower: float, upper: float) -> tuple[float, float]:
    margin = (upper / lower) ** 0.02
    return lower / margin, upper * margin


def _head(ax: "Axes", result: xr.DataTree) -> None:
    """Title with the layer's name, its shape and the parameters with their 90 % intervals."""
    canvas.title(ax, result, pad=36)
    size, n = group(result, "observed_data").sizes["eigenvalue"], int(group(result, "constant_data")["n"])
    kappa, correlation, temperature, tail_index = (median_and_interval(result, name) for name in _IN_HEAD)
    lines = [
        f"N = {size}, n = {n}, medians and 90 % intervals:",
        f"{kappa}   {correlation}",
        f"{temperature}   {tail_index}",
    ]
    text = ax.annotate(
        "\n".join(lines), (0, 1), (0, 4), xycoords="axes fraction", textcoords="offset points",
        va="bottom", fontsize=SMALL, linespacing=1.3,
    )  # fmt: skip
    text.set_in_layout(False)  # the title's padding keeps its place; its length must not squeeze the panels


def _marchenko_pastur(eigenvalues: Array, aspect_ratio: float) -> tuple[Array, Array]:
    """Points of the Marchenko-Pastur density of log λ with the mean of the eigenvalues."""
    from htmp_bayes.laws import MarchenkoPastur

    law = MarchenkoPastur(aspect_ratio, scale=eigenvalues.mean())
    lower, upper = law.support()
    start, stop = np.log(max(lower, 0.5 * eigenvalues[0])), np.log(upper)
    # Points crowd at both edges, where the density falls to zero.
    steps = np.sin(np.linspace(0, np.pi / 2, _CURVE_POINTS)[1:-1]) ** 2
    lambdas = np.exp(start + (stop - start) * steps)
    return lambdas, lambdas * law.pdf(lambdas)
