"""`plot_population`: what an open population is, with how sure that is."""

from typing import TYPE_CHECKING, overload

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes._numbers import short
from htmp_bayes._results import ResultError, group
from htmp_bayes.drawing import canvas
from htmp_bayes.drawing.canvas import (
    LEGEND,
    MODEL,
    SMALL,
    TEXT,
    band_colour,
    faint,
    legend_below,
    log_ticks,
    tidy,
    title,
    unit,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

# The log-axis ends this far below the highest density.
_DEPTH = 1e-3
# An exponent's interval that is longer than this factor is bounded on one side only.
_ONE_SIDED = 3.0
# With a smaller spread the population is that of noise, and its density only says how narrow it may be.
_NARROW = 0.15


@overload
def plot_population(result: xr.DataTree, *, figsize: tuple[float, float] | None = ...) -> "Figure": ...
@overload
def plot_population(result: xr.DataTree, *, figure: "FigureBase") -> "FigureBase": ...
@overload
def plot_population(result: xr.DataTree, ax: "Axes") -> "Axes": ...
def plot_population(
    result: xr.DataTree,
    ax: "Axes | None" = None,
    *,
    figure: "FigureBase | None" = None,
    figsize: tuple[float, float] | None = None,
) -> "FigureBase | Axes":
    r"""Draw the posterior of a layer's population: how its directions' variances h are distributed.

    Parameters
    ----------
    result : xarray.DataTree
        What `htmp_bayes.fit` returns for the open population.
    ax : matplotlib.axes.Axes, optional
        Where to draw.
    figure : matplotlib.figure.Figure or SubFigure, optional
        An empty figure to fill. By default a new one, as wide as a column (8.5 cm).
    figsize : tuple of float, optional
        Width and height of the new figure, in inches.

    Returns
    -------
    matplotlib.figure.Figure, SubFigure or matplotlib.axes.Axes
        `ax` if it was given, and the figure otherwise.

    Raises
    ------
    ResultError
        A ValueError, if the result's population was not inferred.

    Notes
    -----
    The blue line is the median of the density of log h over the posterior, the bands hold its middle 50 % and 90 % at
    each place; both axes are logarithmic, so that a power of h is a straight line. The grey line is the density of log
    eigenvalue: noise alone makes it wider than the population, which for a matrix of noise is one value. Triangles mark
    the directions that are spikes, and the exponents are those of the tails (:mod:`htmp_bayes.models.free.reported`).
    The density is that of the directions there are: it ends at the largest and the smallest.

    Examples
    --------
    >>> import htmp_bayes as hb, numpy as np
    >>> noise = hb.Spectrum.from_matrix(np.random.default_rng(1).normal(size=(40, 160)), name="noise")
    >>> result = hb.fit(noise, draws=20, tune=30, chains=1, random_seed=1, predictive_draws=0)
    >>> plot_population(result).axes[0].get_ylabel()
    'density of log h'
    """
    if "population" not in result.children:
        raise ResultError(
            "The result has no group 'population', for its population is a law of one parameter; fit with "
            "population='free'."
        )
    if ax is not None:
        _draw(ax, result)
        ax.legend(**LEGEND)
        return ax
    filled = canvas.new_figure(0.92, figsize=figsize) if figure is None else figure
    axes = filled.subplots()
    _draw(axes, result)
    legend_below(filled, axes)
    return filled


def _draw(ax: "Axes", result: xr.DataTree) -> None:
    population = group(result, "population")
    h = np.exp(population["log_h"].to_numpy())
    draws = population["density"].to_numpy().reshape(-1, h.size)
    middle = np.median(draws, axis=0)
    floor = _DEPTH * max(middle.max(), np.quantile(draws, 0.95, axis=0).max())
    for share in (0.9, 0.5):
        lower, upper = np.quantile(draws, [(1 - share) / 2, (1 + share) / 2], axis=0)
        label = f"{100 * share:.0f} % of the posterior"
        low, high = np.maximum(lower, floor), np.maximum(upper, floor)
        ax.fill_between(h, low, high, color=band_colour(share), lw=0, label=label)
    ax.plot(h, np.maximum(middle, floor), color=MODEL, lw=1.2, label="population, median")
    _draw_eigenvalues(ax, result, floor)
    _mark_spikes(ax, result)
    ax.set(xscale="log", yscale="log")
    ax.set_ylim(floor, None)
    ax.set_xlabel(f"variance h of a direction (in units of {unit(result)})", fontsize=TEXT)
    ax.set_ylabel("density of log h", fontsize=TEXT)
    log_ticks(ax.xaxis)
    log_ticks(ax.yaxis)
    tidy(ax)
    title(ax, result, pad=35)
    ax.annotate(
        "\n".join(_told(result)), (0, 1), (0, 3), xycoords="axes fraction", textcoords="offset points", va="bottom",
        fontsize=SMALL, linespacing=1.3,
    ).set_in_layout(False)  # fmt: skip


def _draw_eigenvalues(ax: "Axes", result: xr.DataTree, floor: float) -> None:
    logarithms = np.log(group(result, "observed_data")["eigenvalues"].to_numpy())
    if bool(group(result, "population").attrs["of_reciprocals"]):
        logarithms = -logarithms
    heights, edges = np.histogram(logarithms, bins="fd", density=True)
    ax.stairs(
        np.maximum(heights, floor), np.exp(edges), baseline=floor, color=faint(), lw=0.9, label="eigenvalues"
    )


def _mark_spikes(ax: "Axes", result: xr.DataTree) -> None:
    posterior, population = group(result, "posterior"), group(result, "population")
    values = np.median(population["log_values"].to_numpy().reshape(posterior["kappa"].size, -1), axis=0)
    # directions near the ends are listed one by one
    single = population["share"].to_numpy() < 1.5 * population["share"].to_numpy().min()
    above, below = (int(posterior[name].median()) for name in ("n_spikes", "n_low_spikes"))
    if bool(population.attrs["of_reciprocals"]):
        above, below = below, above
    marked = [*values[-above:][single[-above:]]] if above else []
    marked += [*values[:below][single[:below]]] if below else []
    if marked:
        places = np.exp(np.array(marked))
        trans = ax.get_xaxis_transform()
        ax.plot(places, np.full(places.size, 0.03), "v", color=MODEL, ms=4, transform=trans, label="spikes")


def _told(result: xr.DataTree) -> list[str]:
    posterior = group(result, "posterior")
    spread = posterior["correlation"].to_numpy()
    low, middle, high = np.quantile(spread, [0.05, 0.5, 0.95])
    if high < _NARROW:
        return [f"sd of log h at most {short(high, 2)}: one variance, as of noise"]
    first = f"sd of log h {short(middle)} [{short(low)}, {short(high)}]"
    tails = [
        f"{words} tail h^{sign}{_exponent(posterior[name].to_numpy().ravel() + shift)}"
        for words, name, shift, sign in (
            ("upper", "tail_index", -1, "−"),
            ("lower", "lower_tail_index", 1, ""),
        )
    ]
    return [first, *tails]


def _exponent(draws: NDArray[np.float64]) -> str:
    """Exponent of a tail, 'at least' where it is bounded on one side only."""
    low, middle, high = np.quantile(draws, [0.05, 0.5, 0.95])
    if high > _ONE_SIDED * max(low, 1e-9):
        return f"{short(low)} at least"
    return f"{short(middle)} [{short(low)}, {short(high)}]"
