"""`plot_ecdf`: where a spectrum as a whole departs from what the law predicts."""

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
    label_eigenvalues,
    legend_below,
    log_ticks,
    tidy,
    title,
    verdict,
)
from htmp_bayes.plots._envelope import global_envelope
from htmp_bayes.plots.result_values import observed_and_predicted
from htmp_bayes.results.misfit import is_misfit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

type Array = NDArray[np.float64]

_POINTS = 200


@overload
def plot_ecdf(result: xr.DataTree, *, figsize: tuple[float, float] | None = ...) -> "Figure": ...
@overload
def plot_ecdf(result: xr.DataTree, *, figure: "FigureBase") -> "FigureBase": ...
@overload
def plot_ecdf(result: xr.DataTree, ax: "Axes") -> "Axes": ...
def plot_ecdf(
    result: xr.DataTree,
    ax: "Axes | None" = None,
    *,
    figure: "FigureBase | None" = None,
    figsize: tuple[float, float] | None = None,
) -> "FigureBase | Axes":
    """Draw a layer's empirical distribution function minus its prediction, with a simultaneous band.

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
    The line is the share of eigenvalues up to λ, minus the mean of that share over the posterior-predictive
    spectra. The band holds 90 % of whole curves: a layer that follows the law leaves it anywhere with a
    probability of at most 10 %. It comes from ranks of the predictive spectra themselves
    (Myllymäki et al. 2017, J. R. Stat. Soc. B 79, 381), which are those of finite random matrices. The usual
    bands for independent data (Säilynoja, Bürkner & Vehtari 2022, Stat. Comput. 32, 32) would be wrong here:
    eigenvalues repel each other, so that their distribution function fluctuates much less. As the posterior
    has seen the same eigenvalues, the band errs on the wide side.

    Examples
    --------
    >>> import htmp_bayes as hb, numpy as np
    >>> noise = hb.Spectrum.from_matrix(np.random.default_rng(1).normal(size=(40, 160)), name="noise")
    >>> result = hb.fit(noise, draws=20, tune=30, chains=1, random_seed=1, predictive_draws=20)
    >>> plot_ecdf(result).axes[0].get_ylabel()
    'ECDF − prediction'
    """
    observed, predicted = observed_and_predicted(result)
    if ax is not None:
        _draw(ax, result, observed, predicted)
        ax.legend(**LEGEND)
        return ax
    filled = canvas.new_figure(0.8, figsize=figsize) if figure is None else figure
    axes = filled.subplots()
    _draw(axes, result, observed, predicted)
    legend_below(filled, axes)
    return filled


def _compared(observed: Array, predicted: Array) -> tuple[Array, Array, tuple[Array, Array]]:
    """Eigenvalues, the difference of the distribution functions there, and the ends of the band."""
    lambdas = _places(observed, predicted)
    ecdfs = _ecdf(np.vstack([observed, predicted]), lambdas)
    difference, curves = ecdfs[0] - ecdfs[1:].mean(axis=0), ecdfs[1:] - ecdfs[1:].mean(axis=0)
    return lambdas, difference, global_envelope(difference, curves, 0.9)


def _draw(ax: "Axes", result: xr.DataTree, observed: Array, predicted: Array) -> None:
    lambdas, difference, (lower, upper) = _compared(observed, predicted)
    label = "90 % of predictive spectra, as whole curves"
    ax.fill_between(lambdas, lower, upper, color=band_colour(0.9), lw=0, label=label)
    ax.axhline(0, color=MODEL, lw=0.8)
    outside = (difference < lower) | (difference > upper)
    ax.plot(lambdas, difference, color=ink(), lw=1.0, label="eigenvalues")
    ax.plot(
        lambdas, np.where(outside, difference, np.nan), color=OUTSIDE if is_misfit(result) else ink(), lw=2.0
    )
    ax.set(xscale="log", xlim=lambdas[[0, -1]])
    ax.set_ylabel("ECDF − prediction", fontsize=TEXT)
    label_eigenvalues(ax, result)
    tidy(ax)
    title(ax, result, pad=14)
    told = "leaves" if outside.any() else "stays within"
    verdict(ax, f"{told} the simultaneous 90 % band", is_misfit(result))
    log_ticks(ax.xaxis)


def _places(observed: Array, predicted: Array) -> Array:
    """Eigenvalues at which the curves are compared: as dense as both kinds of spectra are."""
    probabilities = np.linspace(0, 1, _POINTS // 2)
    common = np.quantile(predicted, probabilities.clip(0.5 / observed.size, 1 - 0.5 / observed.size))
    return np.unique(np.concatenate([np.quantile(observed, probabilities), common]))


def _ecdf(spectra: Array, lambdas: Array) -> Array:
    """Share of each spectrum's eigenvalues that are at most each of `lambdas`, ``(spectra, points)``."""
    return np.array([np.searchsorted(row, lambdas, side="right") for row in spectra]) / spectra.shape[1]
