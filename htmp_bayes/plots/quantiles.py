"""`plot_quantiles`: each ordered eigenvalue against what is predicted for it."""

from typing import TYPE_CHECKING, overload

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes.drawing import canvas
from htmp_bayes.drawing.canvas import (
    LEGEND,
    MODEL,
    OUTSIDE,
    TEXT,
    band_colour,
    ink,
    legend_below,
    log_ticks,
    tidy,
    title,
    unit,
    verdict,
)
from htmp_bayes.plots.result_values import observed_and_predicted
from htmp_bayes.results.misfit import is_misfit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

type Array = NDArray[np.float64]


@overload
def plot_quantiles(result: xr.DataTree, *, figsize: tuple[float, float] | None = ...) -> "Figure": ...
@overload
def plot_quantiles(result: xr.DataTree, *, figure: "FigureBase") -> "FigureBase": ...
@overload
def plot_quantiles(result: xr.DataTree, ax: "Axes") -> "Axes": ...
def plot_quantiles(
    result: xr.DataTree,
    ax: "Axes | None" = None,
    *,
    figure: "FigureBase | None" = None,
    figsize: tuple[float, float] | None = None,
) -> "FigureBase | Axes":
    """Draw each ordered eigenvalue of a layer against its posterior-predictive interval.

    Parameters
    ----------
    result : xarray.DataTree
        What `htmp_bayes.fit` returns, with posterior-predictive spectra.
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
        A ValueError, if the result has no posterior-predictive spectra.

    Notes
    -----
    A quantile-quantile plot that is turned to the horizontal: the smallest eigenvalue against the smallest ones
    of the predictive spectra, the second against the second, and so on. The vertical axis is the ratio of the
    observed eigenvalue to the median of its prediction, the horizontal axis is that median, both
    logarithmic. The bands hold the middle 50 % and 90 % of the predictions of each eigenvalue. Neighbours
    move together, so a run of orange points is one departure and not many; see `plot_ecdf` for a band that
    holds for the whole.

    Examples
    --------
    >>> import htmp_bayes as hb, numpy as np
    >>> noise = hb.Spectrum.from_matrix(np.random.default_rng(1).normal(size=(40, 160)), name="noise")
    >>> result = hb.fit(noise, draws=20, tune=30, chains=1, random_seed=1, predictive_draws=20)
    >>> plot_quantiles(result).axes[0].get_ylabel()
    'observed λ / predicted λ'
    """
    observed, predicted = observed_and_predicted(result)
    if ax is not None:
        _draw(ax, result, observed, predicted)
        ax.legend(**LEGEND)
        return ax
    filled = canvas.new_figure(0.85, figsize=figsize) if figure is None else figure
    axes = filled.subplots()
    _draw(axes, result, observed, predicted)
    legend_below(filled, axes)
    return filled


def _draw(ax: "Axes", result: xr.DataTree, observed: Array, predicted: Array) -> None:
    middle = np.median(predicted, axis=0)
    for share in (0.9, 0.5):
        lower, upper = _interval(predicted, share) / middle
        label = f"{100 * share:.0f} % of predictions"
        ax.fill_between(middle, lower, upper, color=band_colour(share), lw=0, label=label)
    ax.axhline(1, color=MODEL, lw=0.8)
    lower, upper = _interval(predicted, 0.9)
    outside = (observed < lower) | (observed > upper)
    off = OUTSIDE if is_misfit(result) else ink()
    for chosen, colour, label in ((~outside, ink(), "eigenvalues"), (outside, off, "")):
        ax.plot(middle[chosen], (observed / middle)[chosen], "o", color=colour, ms=1.8, mew=0, label=label)
    ax.set(xscale="log", yscale="log")
    ax.set_xlabel(f"predicted λ, median (in units of {unit(result)})", fontsize=TEXT)
    ax.set_ylabel("observed λ / predicted λ", fontsize=TEXT)
    log_ticks(ax.xaxis)
    log_ticks(ax.yaxis)
    tidy(ax)
    title(ax, result, pad=14)
    told = f"{outside.sum()} of {outside.size} eigenvalues outside their 90 % interval"
    verdict(ax, told, is_misfit(result))


def _interval(predicted: Array, share: float) -> Array:
    """Find the ends of the middle share of the predictions of each ordered eigenvalue, shape ``(2, N)``."""
    return np.quantile(predicted, [(1 - share) / 2, (1 + share) / 2], axis=0)
