"""`plot_tail`: the upper tail of a spectrum, and what its exponent is."""

from typing import TYPE_CHECKING, overload

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes._numbers import short
from htmp_bayes._results import group
from htmp_bayes.drawing import canvas
from htmp_bayes.drawing.canvas import (
    LEGEND,
    MODEL,
    OUTSIDE,
    POINT_ESTIMATE,
    SMALL,
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
from htmp_bayes.laws.power_law import PowerLawFit, fit_power_law
from htmp_bayes.plots.result_values import observed_and_predicted, posterior_mean
from htmp_bayes.results.misfit import is_misfit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

type Array = NDArray[np.float64]

_POINTS = 100
_FROM_QUANTILE = 0.3


@overload
def plot_tail(result: xr.DataTree, *, figsize: tuple[float, float] | None = ...) -> "Figure": ...
@overload
def plot_tail(result: xr.DataTree, *, figure: "FigureBase") -> "FigureBase": ...
@overload
def plot_tail(result: xr.DataTree, ax: "Axes") -> "Axes": ...
def plot_tail(
    result: xr.DataTree,
    ax: "Axes | None" = None,
    *,
    figure: "FigureBase | None" = None,
    figsize: tuple[float, float] | None = None,
) -> "FigureBase | Axes":
    r"""Draw the survival function of a layer's upper tail beside what the fitted law predicts.

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
    The points are the share of eigenvalues that are at least as large as each, on log-log axes, from the 30 %
    quantile on. The blue bands hold the middle 50 % and 90 % of that share in posterior-predictive spectra,
    the blue line is the law's survival function averaged over the posterior. Points outside the 90 % band are
    orange. A power law :math:`\lambda^{-\alpha}` is a straight line of slope :math:`1 - \alpha`.

    The green line is what a point estimate by maximum likelihood says (Clauset, Shalizi & Newman 2009; see
    :func:`htmp_bayes.laws.power_law.fit_power_law`), from where its tail begins (dotted, x_min); the distance is that
    of Kolmogorov and Smirnov between the tail and the fit, as WeightWatcher has it. The inset has the posterior of
    the tail index :math:`\alpha` on a logarithmic axis, and the point estimate with two standard errors on
    either side. The two
    answer different questions: the fit takes the flank of the bulk for a power law, the posterior is about
    the tail far beyond it. A log-normal population has no tail index, and no inset.

    Examples
    --------
    >>> import htmp_bayes as hb, numpy as np
    >>> noise = hb.Spectrum.from_matrix(np.random.default_rng(1).normal(size=(40, 160)), name="noise")
    >>> result = hb.fit(noise, draws=20, tune=30, chains=1, random_seed=1, predictive_draws=20)
    >>> plot_tail(result).axes[0].get_yscale()
    'log'
    """
    observed, predicted = observed_and_predicted(result)
    if ax is not None:
        _draw(ax, result, observed, predicted)
        ax.legend(loc="upper right", **LEGEND)
        return ax
    filled = canvas.new_figure(1.05, figsize=figsize) if figure is None else figure
    axes = filled.subplots()
    _draw(axes, result, observed, predicted)
    legend_below(filled, axes)
    return filled


def _draw(ax: "Axes", result: xr.DataTree, observed: Array, predicted: Array) -> None:
    size = observed.size
    point_estimate = fit_power_law(observed)
    start, stop = np.quantile(observed, _FROM_QUANTILE), _end(observed, predicted)
    lambdas = np.geomspace(start, stop, _POINTS)
    shares = _survival(predicted, lambdas)
    for share in (0.9, 0.5):
        lower, upper = np.quantile(shares, [(1 - share) / 2, (1 + share) / 2], axis=0)
        label = f"{100 * share:.0f} % of predictive spectra"
        ax.fill_between(lambdas, lower, upper, color=band_colour(share), lw=0, label=label)
    survival = posterior_mean(result, "sf", lambdas)
    ax.plot(lambdas, survival, color=MODEL, lw=1.2, label="law, posterior mean")
    outside = _outside(observed, predicted)
    at_least = np.arange(size, 0, -1) / size
    off = OUTSIDE if is_misfit(result) else ink()
    for chosen, colour, label in ((~outside, ink(), "eigenvalues"), (outside, off, "")):
        ax.plot(observed[chosen], at_least[chosen], "o", color=colour, ms=1.8, mew=0, label=label)
    _draw_point_estimate(ax, point_estimate, size, observed[-1])
    ax.set(xscale="log", yscale="log", xlim=(start, stop), ylim=(0.35 / size, 1.3))
    ax.set_ylabel("survival function\n(share ≥ λ; slope 1 − α)", fontsize=TEXT)
    label_eigenvalues(ax, result)
    tidy(ax)
    title(ax, result, pad=14)
    in_view = observed >= start
    told = f"{outside[in_view].sum()} of {in_view.sum()} eigenvalues outside the 90 % band"
    verdict(ax, told, is_misfit(result))
    log_ticks(ax.xaxis)
    log_ticks(ax.yaxis)
    if "tail_index" in group(result, "posterior"):
        _draw_inset(ax, group(result, "posterior")["tail_index"].values.ravel(), point_estimate)


def _end(observed: Array, predicted: Array) -> float:
    """Right end of the picture: all that was observed, and predicted maxima that are not far off."""
    return 1.1 * float(np.quantile(predicted[:, -1], 0.9).clip(observed[-1], 3 * observed[-1]))


def _survival(predicted: Array, lambdas: Array) -> Array:
    """Share of each spectrum's eigenvalues that are at least each of `lambdas`, ``(spectra, points)``."""
    below = np.array([np.searchsorted(row, lambdas, side="left") for row in predicted])
    return 1 - below / predicted.shape[1]


def _outside(observed: Array, predicted: Array) -> NDArray[np.bool_]:
    """Find where the share of larger eigenvalues is not in the 90 % band, at each eigenvalue, shape ``(N,)``."""
    lower, upper = np.quantile(_survival(predicted, observed), [0.05, 0.95], axis=0)
    share = np.arange(observed.size, 0, -1) / observed.size
    # The survival function steps at an eigenvalue of the layer: both ends of the step have to be outside.
    return (share < lower) | (share - 1 / observed.size > upper)


def _draw_point_estimate(ax: "Axes", fit: PowerLawFit, size: int, largest: float) -> None:
    ends = np.array([fit.x_min, largest])
    line = fit.n_tail / size * (ends / fit.x_min) ** (1 - fit.alpha)
    label = f"power law, α = {short(fit.alpha)} ± {short(fit.standard_error, 2)}"
    ax.plot(ends, line, "--", color=POINT_ESTIMATE, lw=1.2, label=label)
    where = f"x_min {short(fit.x_min)}, distance {short(fit.distance, 2)}"
    ax.axvline(fit.x_min, color=POINT_ESTIMATE, lw=0.8, ls=":", label=where)


def _draw_inset(ax: "Axes", tail_index: Array, fit: PowerLawFit) -> None:
    inset = ax.inset_axes((0.1, 0.22, 0.36, 0.22))
    two_errors = fit.alpha + 2 * fit.standard_error * np.array([-1, 1])
    lower, upper = np.quantile(tail_index, [0.01, 0.97])
    ends = max(1.0, min(lower, two_errors[0]) / 1.1), max(upper, two_errors[1]) * 1.1
    counts, edges = np.histogram(tail_index, np.geomspace(*ends, 41))
    inset.stairs(counts, edges, fill=True, color=MODEL)
    inset.axvspan(*two_errors, color=POINT_ESTIMATE, alpha=0.35, lw=0)
    inset.axvline(fit.alpha, color=POINT_ESTIMATE, lw=1.0, ls="--")
    inset.set(yticks=[], xscale="log", xlim=ends)
    log_ticks(inset.xaxis, most=4)
    inset.set_facecolor("none")
    inset.tick_params(labelsize=SMALL, length=2, pad=1.5)
    inset.spines[["top", "right", "left"]].set_visible(False)
    inset.set_title("posterior of α", fontsize=SMALL, pad=2)
    inset.set_xlabel("tail index α", fontsize=SMALL, labelpad=1)
