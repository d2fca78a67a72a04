"""`plot_layers`: the parameters of many layers side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes._arguments import as_results
from htmp_bayes._errors import HTMPError
from htmp_bayes._results import group
from htmp_bayes.drawing import canvas
from htmp_bayes.drawing.canvas import MODEL, OUTSIDE, SMALL, TEXT, ink, label_of, log_ticks, shown, tidy
from htmp_bayes.network_steps import at_step

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

Names = Sequence[str] | str | None
Results = xr.DataTree | Sequence[xr.DataTree] | Mapping[str, xr.DataTree]

_DEFAULT = ("kappa", "correlation")
_LOGARITHMIC = ("kappa", "temperature", "mean")
_ROW, _FRAME = 0.145, 0.95  # inches: of a layer, and of all around
_NAME_LENGTH = 30


@overload
def plot_layers(
    results: Results,
    parameters: Names = ...,
    *,
    var_names: Names = ...,
    figsize: tuple[float, float] | None = ...,
) -> "Figure": ...
@overload
def plot_layers(
    results: Results, parameters: Names = ..., *, figure: "FigureBase", var_names: Names = ...
) -> "FigureBase": ...
@overload
def plot_layers(
    results: Results, parameters: Names = ..., *, ax: "Axes", var_names: Names = ...
) -> "Axes": ...
def plot_layers(
    results: Results,
    parameters: Names = None,
    *,
    ax: "Axes | None" = None,
    figure: "FigureBase | None" = None,
    var_names: Names = None,
    figsize: tuple[float, float] | None = None,
) -> "FigureBase | Axes":
    """Draw medians and intervals of the parameters of many layers, a row for each layer.

    Parameters
    ----------
    results : sequence or mapping of xarray.DataTree, or xarray.DataTree
        What `htmp_bayes.fit` returned for each layer, in the order of the rows; a mapping gives them names. Or
        one result whose posterior has a dimension ``layer``; of several steps of training the last is drawn.
    parameters : str or sequence of str, optional
        Variables of the posterior, a panel for each; by default repulsion and, where there is one,
        correlation. A layer without one of them has an empty row there.
    ax : matplotlib.axes.Axes, optional
        Where to draw, if there is one parameter.
    figure : matplotlib.figure.Figure or SubFigure, optional
        An empty figure to fill. By default a new one, as wide as a column (8.5 cm) for up to two parameters, and
        high enough for the names of all layers.
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
        A ValueError, if a result has no posterior.
    HTMPError
        A ValueError, if there are no results, no layer has one of the parameters, or `ax` is given for more
        than one parameter.

    Notes
    -----
    The dot is the median, the thick and the thin line are the 50 % and 90 % equal-tailed intervals. Layers
    whose draws diverged are orange: see `htmp_bayes.check`.

    Examples
    --------
    >>> import htmp_bayes as hb, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> spectra = [hb.Spectrum.from_matrix(rng.normal(size=(40, n)), name=f"layer.{n}") for n in (80, 160)]
    >>> settings = {"draws": 20, "tune": 30, "chains": 1, "random_seed": 1, "predictive_draws": 0}
    >>> results = [hb.fit(spectrum, **settings) for spectrum in spectra]
    >>> [label.get_text() for label in plot_layers(results).axes[0].get_yticklabels()]
    ['layer.80', 'layer.160']
    """
    rows, wanted = _rows(results), canvas.names_of(parameters, var_names)
    available = [name for name in _DEFAULT if any(name in row.draws for row in rows)]
    names = available if wanted is None else wanted
    for name in names:
        if not any(name in row.draws for row in rows):
            known = sorted({parameter for row in rows for parameter in row.draws})
            raise HTMPError(
                f"no layer has a parameter {name!r} in its posterior; there are {', '.join(known)}."
            )
    if ax is not None:
        if len(names) != 1:
            raise HTMPError(f"ax takes one parameter, not {len(names)}; pass figure for more.")
        _draw(ax, rows, names[0], rows[0].label(names[0]))
        _name_rows(ax, rows)
        return ax
    filled = _new_figure(len(rows), len(names), figsize) if figure is None else figure
    panels = filled.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for panel, name in zip(panels, names, strict=True):
        _draw(panel, rows, name, rows[0].label(name))
    _name_rows(panels[0], rows)
    for panel in panels[1:]:
        panel.tick_params(left=False)
    return filled


@dataclass(frozen=True)
class _Row:
    """One layer: its name, its draws by parameter, and whether some of them diverged."""

    name: str
    draws: dict[str, NDArray[np.float64]]
    diverged: bool
    result: xr.DataTree

    def label(self, parameter: str) -> str:
        return "\n".join(label_of(parameter, self.result).split(maxsplit=1))


def _rows(results: Results) -> list[_Row]:
    named = as_results(results)
    if not named:
        raise HTMPError("There are no results to draw; pass at least one.")
    if isinstance(results, xr.DataTree):
        posterior = at_step(group(results, "posterior"))
        if "layer" in posterior.dims:
            names = posterior["layer"].to_numpy()
            return [_row(str(name), posterior.isel(layer=i), results) for i, name in enumerate(names)]
    return [
        _row(str(result.attrs.get("name", "")) if name is None else name, group(result, "posterior"), result)
        for name, result in named
    ]


def _row(name: str, posterior: xr.Dataset, result: Any) -> _Row:
    draws = {
        str(parameter): values.to_numpy().ravel()
        for parameter, values in posterior.data_vars.items()
        if set(values.dims) == {"chain", "draw"}
    }
    diverged = "sample_stats" in result.children and bool(result["sample_stats/diverging"].any())
    return _Row(shown(name, _NAME_LENGTH), draws, diverged, result)


def _new_figure(rows: int, parameters: int, figsize: tuple[float, float] | None) -> "Figure":
    width = canvas.COLUMN_WIDTH * max(1.0, 0.35 + 0.325 * parameters)
    return canvas.new_figure((_FRAME + _ROW * rows) / width, width, figsize)


def _draw(ax: "Axes", rows: Sequence[_Row], parameter: str, label: str) -> None:
    for height, row in enumerate(rows):
        if parameter not in row.draws:
            continue
        colour = OUTSIDE if row.diverged else MODEL
        q5, q25, middle, q75, q95 = np.quantile(row.draws[parameter], [0.05, 0.25, 0.5, 0.75, 0.95])
        ax.plot([q5, q95], [height, height], color=colour, lw=0.8)
        ax.plot([q25, q75], [height, height], color=colour, lw=2.4, solid_capstyle="butt")
        ax.plot(middle, height, "o", color=ink(), ms=2.4, mew=0)
    if parameter in _LOGARITHMIC:
        ax.set_xscale("log")
    ax.set_xlabel(label, fontsize=TEXT)
    tidy(ax)
    if parameter in _LOGARITHMIC:
        log_ticks(ax.xaxis, most=3)
    ax.grid(axis="y", lw=0.3)
    ax.set_axisbelow(True)


def _name_rows(ax: "Axes", rows: Sequence[_Row]) -> None:
    ax.set_yticks(range(len(rows)), [row.name for row in rows], fontsize=SMALL, parse_math=False)
    ax.set_ylim(len(rows) - 0.4, -0.6)  # the first layer on top
