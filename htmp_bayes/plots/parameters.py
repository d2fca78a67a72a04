"""`plot_parameters`: the posterior of a layer's parameters beside the prior, in pairs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes._errors import HTMPError
from htmp_bayes._results import group
from htmp_bayes.drawing import canvas
from htmp_bayes.drawing.canvas import (
    LEGEND,
    MODEL,
    NAMES,
    SMALL,
    SYMBOLS,
    TEXT,
    faint,
    log_ticks,
    name_of,
    symbol_of,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

type Array = NDArray[np.float64]

Names = Sequence[str] | str | None
_DEFAULT = ("kappa", "temperature", "correlation")
_DOTS = 800
_BINS = 40
# On axes of such a width of the logarithm, or with such small numbers, labels are long.
_WIDE, _SMALL = 5.0, 1e-2
_LOGARITHMIC = ("kappa", "temperature", "mean", "tail_index")


@overload
def plot_parameters(
    result: xr.DataTree,
    parameters: Names = ...,
    *,
    zoom: bool = ...,
    var_names: Names = ...,
    figsize: tuple[float, float] | None = ...,
) -> "Figure": ...
@overload
def plot_parameters(
    result: xr.DataTree,
    parameters: Names = ...,
    *,
    figure: "FigureBase",
    zoom: bool = ...,
    var_names: Names = ...,
) -> "FigureBase": ...
@overload
def plot_parameters(
    result: xr.DataTree, parameters: Names = ..., *, ax: "Axes", zoom: bool = ..., var_names: Names = ...
) -> "Axes": ...
def plot_parameters(
    result: xr.DataTree,
    parameters: Names = None,
    *,
    ax: "Axes | None" = None,
    figure: "FigureBase | None" = None,
    zoom: bool = False,
    var_names: Names = None,
    figsize: tuple[float, float] | None = None,
) -> "FigureBase | Axes":
    """Draw the posterior of parameters and of each pair of them, with the prior behind.

    Parameters
    ----------
    result : xarray.DataTree
        What `htmp_bayes.fit` returns.
    parameters : str or sequence of str, optional
        Names of variables of the posterior; by default repulsion, temperature and, where there is one,
        correlation.
    ax : matplotlib.axes.Axes, optional
        Where to draw, if there are one parameter (its density) or two (their joint draws).
    figure : matplotlib.figure.Figure or SubFigure, optional
        An empty figure to fill. By default a new one, as wide as a column (8.5 cm).
    zoom : bool
        Let the axes span the posterior alone.
    var_names : str or sequence of str, optional
        Another name of `parameters`, that of ArviZ.
    figsize : tuple of float, optional
        Width and height of the new figure, in inches.

    Returns
    -------
    matplotlib.figure.Figure, SubFigure or matplotlib.axes.Axes
        `ax` if it was given, and the figure otherwise.

    Raises
    ------
    ResultError
        A ValueError, if the result has no groups ``posterior`` and ``prior``.
    HTMPError
        A ValueError, if a parameter is not in the posterior, or `ax` is given for more than two.

    Notes
    -----
    On the diagonal are the densities of posterior (blue) and prior (grey), each with area 1 over its whole range;
    where the grey line is out of sight the prior is flat on this scale. Below it are draws of both. Repulsion,
    temperature, mean and tail index have logarithmic axes, and densities are those of the logarithm. The axes
    span the posterior and as much on either side, or with `zoom` the posterior alone. Where the two densities agree,
    the layer said nothing about the parameter.

    Examples
    --------
    >>> import htmp_bayes as hb, numpy as np
    >>> noise = hb.Spectrum.from_matrix(np.random.default_rng(1).normal(size=(40, 160)), name="noise")
    >>> result = hb.fit(noise, draws=20, tune=30, chains=1, random_seed=1, predictive_draws=0)
    >>> len(plot_parameters(result).axes)
    6
    """
    available = [name for name in _DEFAULT if name in group(result, "posterior")]
    wanted = canvas.names_of(parameters, var_names)
    names = available if wanted is None else wanted
    _check(result, names, ax is not None)
    if ax is not None:
        columns = [_Draws(result, name, zoom) for name in names]
        _draw_density(ax, columns[0]) if len(names) == 1 else _draw_pair(ax, *columns)
        ax.legend(**LEGEND)
        return ax
    filled = canvas.new_figure(0.98, figsize=figsize) if figure is None else figure
    _draw_triangle(filled, result, names, zoom)
    return filled


class _Draws:
    """Draws of one parameter, on the scale of its axis, with the ends of that axis."""

    def __init__(self, result: xr.DataTree, name: str, zoom: bool) -> None:
        self.label = symbol_of(name, result)
        self.logarithmic = name in _LOGARITHMIC
        self.posterior = self._on_scale(group(result, "posterior")[name])
        self.prior = self._on_scale(group(result, "prior")[name])
        lower, upper = np.quantile(self.posterior, [0.001, 0.999])
        width = (0.05 if zoom else 1.0) * (upper - lower)
        floor, ceiling = self.prior.min(), self.prior.max()
        self.ends = np.array([max(lower - width, min(floor, lower)), min(upper + width, max(ceiling, upper))])

    def _on_scale(self, draws: xr.DataArray) -> Array:
        values = draws.to_numpy().ravel()
        return np.log(values) if self.logarithmic else values

    def shown(self, values: Array) -> Array:
        """Values as the axis shows them."""
        return np.exp(values) if self.logarithmic else values

    @property
    def scale(self) -> dict[str, Any]:
        return {"scale": "log" if self.logarithmic else "linear", "lim": tuple(self.shown(self.ends))}

    def density(self, draws: Array) -> tuple[Array, Array]:
        """Heights and edges of a histogram of area 1 over all draws, those out of sight included."""
        edges = np.linspace(self.ends[0], self.ends[1], _BINS + 1)
        return np.histogram(draws, edges)[0] / (draws.size * np.diff(edges)), self.shown(edges)


def _check(result: xr.DataTree, names: list[str], one_ax: bool) -> None:
    known = [str(name) for name in group(result, "posterior").data_vars]
    group(result, "prior")
    missing = [name for name in names if name not in known or name not in result["prior"]]
    if missing or not names:
        raise HTMPError(
            f"parameters are some of {', '.join(known)}, not {', '.join(map(repr, missing)) or 'none'}."
        )
    if one_ax and len(names) > 2:
        raise HTMPError(f"ax takes one parameter or a pair of them, not {len(names)}; pass figure for more.")


def _draw_triangle(figure: "FigureBase", result: xr.DataTree, names: list[str], zoom: bool) -> None:
    columns, last = [_Draws(result, name, zoom) for name in names], len(names) - 1
    grid = figure.subplots(len(names), len(names), squeeze=False)
    for row, vertical in enumerate(columns):
        for column, horizontal in enumerate(columns):
            ax = grid[row, column]
            if column > row:
                ax.remove()
                continue
            if column == row:
                _draw_density(ax, vertical, label=row == last)
            else:
                _draw_pair(ax, horizontal, vertical)
            if row < last:
                ax.set_xlabel("")
                ax.tick_params(labelbottom=False)
            if column > 0:
                ax.set_ylabel("")
                ax.tick_params(labelleft=False)
    figure.suptitle(name_of(result), fontsize=TEXT, x=0.02, ha="left", weight="bold", parse_math=False)
    handles = grid[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="upper right", bbox_to_anchor=(0.98, 0.93), **LEGEND)
    spelled_out = [f"{SYMBOLS[name]}  {NAMES[name]}" for name in names if name in NAMES]
    figure.text(0.97, 0.8, "\n".join(spelled_out), fontsize=SMALL, va="top", ha="right")
    figure.align_labels()


def _draw_density(ax: "Axes", draws: _Draws, label: bool = True) -> None:
    ax.stairs(*draws.density(draws.posterior), fill=True, color=MODEL, label="posterior")
    ax.stairs(*draws.density(draws.prior), color=faint(), lw=1.2, label="prior")
    ax.set(xscale=draws.scale["scale"], xlim=draws.scale["lim"], yticks=[])
    if label:
        ax.set_xlabel(draws.label, fontsize=TEXT)
    tidy(ax)
    ax.spines["left"].set_visible(False)
    _few_ticks(ax.xaxis, draws)


def _draw_pair(ax: "Axes", horizontal: _Draws, vertical: _Draws) -> None:
    for part, colour, size, label in (
        ("prior", faint(), 1.6, "prior"),
        ("posterior", MODEL, 1.2, "posterior"),
    ):
        x, y = (draws.shown(_thinned(getattr(draws, part))) for draws in (horizontal, vertical))
        ax.plot(x, y, "o", color=colour, ms=size, mew=0, alpha=0.6, label=label, rasterized=True)
    ax.set(xscale=horizontal.scale["scale"], xlim=horizontal.scale["lim"])
    ax.set(yscale=vertical.scale["scale"], ylim=vertical.scale["lim"])
    ax.set_xlabel(horizontal.label, fontsize=TEXT)
    ax.set_ylabel(vertical.label, fontsize=TEXT)
    tidy(ax)
    _few_ticks(ax.xaxis, horizontal)
    _few_ticks(ax.yaxis, vertical)


def _thinned(draws: Array) -> Array:
    return draws[np.linspace(0, draws.size - 1, min(draws.size, _DOTS)).round().astype(int)]


def _few_ticks(axis: Any, draws: _Draws) -> None:
    """Label two or three places: the axes are short."""
    from matplotlib.ticker import MaxNLocator

    if draws.logarithmic:
        log_ticks(axis, most=2 if np.ptp(draws.ends) > _WIDE or draws.shown(draws.ends)[0] < _SMALL else 3)
    else:
        axis.set_major_locator(MaxNLocator(3))
