"""Pictures of a fit, on figures of their own: nothing here touches pyplot or other global state."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes._numbers import interval
from htmp_bayes._results import group

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

COLUMN_WIDTH = 8.5 / 2.54
"""Width of a column of a journal's page, in inches."""

# Okabe & Ito's colours, which the colour-blind tell apart; the bands are tints of the same blue.
_MODEL, _BAND_50, _BAND_90 = "#0072B2", "#7FB8D8", "#CFE3F0"
_DATA, _REFERENCE, _OUTSIDE = "#000000", "#666666", "#D55E00"
_TEXT, _SMALL = 8.0, 6.8  # points
_TITLE_LENGTH = 34
_LEGEND = {"fontsize": _SMALL, "frameon": False, "handlelength": 1.6, "labelspacing": 0.3}
_CURVE_DRAWS, _CURVE_POINTS = 40, 120
_FEWEST_BINS, _MOST_BINS = 16, 60
_SYMBOLS = {"kappa": "κ", "temperature": "T", "correlation": "ρ", "tail_index": "α"}


@overload
def plot_spectrum(result: xr.DataTree) -> "Figure": ...
@overload
def plot_spectrum(result: xr.DataTree, *, figure: "FigureBase") -> "FigureBase": ...
@overload
def plot_spectrum(result: xr.DataTree, ax: "Axes", residual_ax: "Axes | None" = None) -> "Axes": ...
def plot_spectrum(
    result: xr.DataTree,
    ax: "Axes | None" = None,
    residual_ax: "Axes | None" = None,
    *,
    figure: "FigureBase | None" = None,
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

    Returns
    -------
    matplotlib.figure.Figure, SubFigure or matplotlib.axes.Axes
        `ax` if it was given, and the figure otherwise.

    Raises
    ------
    ResultError
        A ValueError, if the result has no posterior-predictive spectra.

    Notes
    -----
    The upper panel has log-log axes and the density of :math:`\log\lambda`, which is :math:`\lambda` times
    that of :math:`\lambda`: what is seen is where the eigenvalues are, and a power-law tail
    :math:`\lambda^{-\alpha}` is a straight line of slope :math:`1 - \alpha`. The bins are equally wide in
    :math:`\log\lambda` (Freedman & Diaconis 1981). The black steps are the layer's histogram. The blue bands
    hold the middle 50 % and 90 % of the histograms, in the same bins, of spectra of finite random matrices
    drawn from the posterior predictive distribution, and the blue line is the law's density, averaged over
    the posterior. The dashed line is the Marchenko-Pastur density of the same aspect ratio and mean: what
    noise of the same scale would show. The ticks below are the eigenvalues.

    The lower panel is a hanging rootogram (Tukey 1972; Kleiber & Zeileis 2016, Am. Stat. 70, 296): the
    square root of the number of eigenvalues in a bin minus that of its predictive mean, with the same bands.
    The root makes differences comparable between full bins and those of the tails. Bins outside the 90 %
    band are orange; one in ten is what chance does.

    Examples
    --------
    >>> import htmp_bayes as hb, numpy as np
    >>> noise = hb.Spectrum.from_matrix(np.random.default_rng(1).normal(size=(40, 160)), name="noise")
    >>> result = hb.fit(noise, draws=50, tune=100, chains=2, random_seed=1, predictive_draws=20)
    >>> figure = plot_spectrum(result)
    >>> len(figure.axes)
    2
    """
    binned = _Binned.of(result)
    if ax is not None:
        _draw_density(ax, result, binned, label_x=residual_ax is None)
        _head(ax, result)
        ax.legend(**_LEGEND)
        if residual_ax is not None:
            _draw_residuals(residual_ax, binned)
        return ax
    filled = _new_figure() if figure is None else figure
    upper, lower = filled.subplots(2, 1, sharex=True, height_ratios=[2.6, 1])
    _draw_density(upper, result, binned, label_x=False)
    _head(upper, result)
    _draw_residuals(lower, binned)
    filled.legend(*upper.get_legend_handles_labels(), loc="outside lower center", ncols=2, **_LEGEND)
    return filled


@dataclass(frozen=True)
class _Binned:
    """Eigenvalues of a layer and of its predictive spectra, in the same bins of equal width in log λ."""

    edges: NDArray[np.float64]
    observed: NDArray[np.int64]
    predicted: NDArray[np.int64]  # shape (spectra, bins)

    @classmethod
    def of(cls, result: xr.DataTree) -> "_Binned":
        observed = np.log(_eigenvalues(result, "observed_data"))
        predicted = np.log(_eigenvalues(result, "posterior_predictive").reshape(-1, observed.size))
        edges = _edges(observed, predicted)
        counts = [np.histogram(row, edges)[0] for row in (observed, *predicted)]
        return cls(edges, counts[0], np.array(counts[1:]))

    @property
    def centres(self) -> NDArray[np.float64]:
        return np.exp((self.edges[:-1] + self.edges[1:]) / 2)

    def density(self, counts: NDArray) -> NDArray[np.float64]:
        """Density of log λ that corresponds to counts in the bins."""
        return counts / (self.observed.sum() * np.diff(self.edges))

    def band(self, share: float) -> NDArray[np.float64]:
        """Lower and upper count of the central share of the predictive spectra, shape ``(2, bins)``."""
        return np.quantile(self.predicted, [(1 - share) / 2, (1 + share) / 2], axis=0)

    @property
    def outside(self) -> NDArray[np.bool_]:
        """The bins whose count is not in the 90 % band."""
        lower, upper = self.band(0.9)
        return (self.observed < lower) | (self.observed > upper)


def _edges(observed: NDArray, predicted: NDArray) -> NDArray[np.float64]:
    """Edges in log λ of all that was observed, and of most of what was predicted if that is not far off."""
    room = 0.25 * np.ptp(observed)
    lower = np.quantile(predicted.min(axis=1), 0.1).clip(observed.min() - room, observed.min())
    upper = np.quantile(predicted.max(axis=1), 0.9).clip(observed.max(), observed.max() + room)
    quarters = np.quantile(observed, [0.25, 0.75])
    width = 2 * np.ptp(quarters) / np.cbrt(observed.size)
    number = np.ceil((upper - lower) / max(width, (upper - lower) / _MOST_BINS)).clip(_FEWEST_BINS)
    return np.linspace(lower - 1e-9, upper + 1e-9, int(number) + 1)


def _draw_density(ax: "Axes", result: xr.DataTree, binned: _Binned, label_x: bool) -> None:
    lambdas = np.exp(np.linspace(binned.edges[0], binned.edges[-1], _CURVE_POINTS))
    edges = np.exp(binned.edges)
    for share, colour in ((0.9, _BAND_90), (0.5, _BAND_50)):
        lower, upper = binned.density(binned.band(share))
        ax.stairs(
            upper,
            edges,
            baseline=lower,
            fill=True,
            color=colour,
            label=f"{100 * share:.0f} % of predictive spectra",
        )
    ax.plot(
        lambdas, _posterior_mean_density(result, lambdas), color=_MODEL, lw=1.2, label="law, posterior mean"
    )
    eigenvalues = _eigenvalues(result, "observed_data")
    reference = _marchenko_pastur(eigenvalues, _gamma(result))
    ax.plot(*reference, "--", color=_REFERENCE, lw=1.0, label="Marchenko–Pastur")
    ax.stairs(binned.density(binned.observed), edges, color=_DATA, lw=0.9, label="eigenvalues")
    ax.plot(
        eigenvalues, np.full(eigenvalues.size, 0.025), "|", color=_DATA, ms=4, mew=0.3,
        transform=ax.get_xaxis_transform(),
    )  # fmt: skip
    one_eigenvalue = binned.density(np.array(1.0)).min()
    highest = binned.density(np.maximum(binned.observed, binned.band(0.9)[1])).max()
    ax.set(xscale="log", yscale="log", xlim=_with_margin(edges), ylim=(0.4 * one_eigenvalue, 2 * highest))
    ax.set_ylabel("density of log λ", fontsize=_TEXT)
    _style(ax, label_x)


def _draw_residuals(ax: "Axes", binned: _Binned) -> None:
    edges, expected = np.exp(binned.edges), np.sqrt(binned.predicted.mean(axis=0))
    for share, colour in ((0.9, _BAND_90), (0.5, _BAND_50)):
        lower, upper = np.sqrt(binned.band(share)) - expected
        ax.stairs(upper, edges, baseline=lower, fill=True, color=colour)
    ax.axhline(0, color=_MODEL, lw=0.8)
    residuals, outside = np.sqrt(binned.observed) - expected, binned.outside
    for chosen, colour in ((~outside, _DATA), (outside, _OUTSIDE)):
        ax.vlines(binned.centres[chosen], 0, residuals[chosen], color=colour, lw=0.9)
        ax.plot(binned.centres[chosen], residuals[chosen], "o", color=colour, ms=2.4)
    ax.set(xscale="log", xlim=_with_margin(edges))
    ax.use_sticky_edges = False
    ax.margins(y=0.08)
    ax.set_ylabel("√observed\n− √predicted", fontsize=_SMALL)
    told = f"{outside.sum()} of {outside.size} bins outside the 90 % band"
    ax.set_title(told, fontsize=_SMALL, loc="right", pad=2, color=_OUTSIDE if outside.any() else _DATA)
    _style(ax, label_x=True)


def _with_margin(edges: NDArray) -> NDArray[np.float64]:
    return edges[[0, -1]] * (edges[-1] / edges[0]) ** np.array([-0.02, 0.02])


def _style(ax: "Axes", label_x: bool) -> None:
    ax.tick_params(labelsize=_SMALL)
    ax.spines[["top", "right"]].set_visible(False)
    if label_x:
        ax.set_xlabel("eigenvalue λ (in units of weight²)", fontsize=_TEXT)


def _head(ax: "Axes", result: xr.DataTree) -> None:
    """Title with the layer's name, its shape and the parameters with their 90 % intervals."""
    name = "".join(c if c.isprintable() else "?" for c in str(result.attrs.get("name") or "spectrum"))
    if len(name) > _TITLE_LENGTH:
        name = f"{name[:12]}…{name[13 - _TITLE_LENGTH :]}"
    size, n = group(result, "observed_data").sizes["eigenvalue"], int(group(result, "constant_data")["n"])
    ax.set_title(name, fontsize=_TEXT + 0.5, loc="left", weight="bold", parse_math=False, pad=36)
    kappa, temperature, correlation, tail_index = (
        _interval(result, parameter, symbol) for parameter, symbol in _SYMBOLS.items()
    )
    lines = [
        f"N = {size}, n = {n}, medians and 90 % intervals:",
        f"{kappa}    {correlation}",
        f"{temperature}    {tail_index}",
    ]
    text = ax.annotate(
        "\n".join(lines), (0, 1), (0, 4), xycoords="axes fraction", textcoords="offset points",
        va="bottom", fontsize=_SMALL, linespacing=1.3,
    )  # fmt: skip
    text.set_in_layout(False)  # the title's padding keeps its place; its length must not squeeze the panels


def _interval(result: xr.DataTree, name: str, symbol: str) -> str:
    """Say the median and the 90 % interval of a parameter in three digits, or nothing if it was left out."""
    posterior = group(result, "posterior")
    if name not in posterior:
        return ""
    lower, median, upper = np.quantile(posterior[name].values, [0.05, 0.5, 0.95])
    return f"{symbol} = {interval(median, lower, upper)}"


def _posterior_mean_density(result: xr.DataTree, lambdas: NDArray[np.float64]) -> NDArray[np.float64]:
    """Density of log λ under the law, averaged over evenly thinned posterior draws."""
    from htmp_bayes.laws import HTMP

    posterior = group(result, "posterior")
    columns = [posterior[name].values.ravel() for name in ("kappa", "temperature", "correlation")]
    thinned = np.linspace(0, columns[0].size - 1, min(columns[0].size, _CURVE_DRAWS)).round().astype(int)
    kappa, temperature, correlation = (column[thinned, None] for column in columns)
    gamma, population = _gamma(result), result.attrs["population"]
    return lambdas * HTMP(kappa, gamma, temperature, correlation, population).pdf(lambdas).mean(axis=0)


def _marchenko_pastur(eigenvalues: NDArray[np.float64], gamma: float) -> tuple[NDArray, NDArray]:
    """Points of the Marchenko-Pastur density of log λ with the mean of the eigenvalues."""
    from htmp_bayes.laws import MarchenkoPastur

    law = MarchenkoPastur(gamma, scale=eigenvalues.mean())
    lower, upper = law.support()
    start, stop = np.log(max(lower, 0.5 * eigenvalues[0])), np.log(upper)
    # Points crowd at both edges, where the density falls to zero.
    steps = np.sin(np.linspace(0, np.pi / 2, _CURVE_POINTS)[1:-1]) ** 2
    lambdas = np.exp(start + (stop - start) * steps)
    return lambdas, lambdas * law.pdf(lambdas)


def _eigenvalues(result: xr.DataTree, name: str) -> NDArray[np.float64]:
    return group(result, name)["eigenvalues"].to_numpy()


def _gamma(result: xr.DataTree) -> float:
    return float(group(result, "constant_data")["gamma"])


def _new_figure() -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(COLUMN_WIDTH, 1.12 * COLUMN_WIDTH), dpi=220, layout="constrained")
