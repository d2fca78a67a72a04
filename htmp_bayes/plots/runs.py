"""`plot_runs`: what training again changes, apart from what another random matrix would."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes._errors import HTMPError
from htmp_bayes._results import group
from htmp_bayes.drawing.canvas import (
    COLUMN_WIDTH,
    LEGEND,
    LOGARITHMIC,
    SMALL,
    STYLES,
    TEXT,
    faint,
    label_of,
    log_ticks,
    new_figure,
    shown,
    tidy,
)
from htmp_bayes.plots.result_values import another_run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches: of a layer of a group, of each of its runs beside that, and of all around.
_ROW, _RUN, _FRAME = 0.1, 0.035, 1.1
_NAME_LENGTH = 30


def plot_runs(
    result: xr.DataTree,
    parameter: str = "correlation",
    layers: Sequence[str] | None = None,
    *,
    figsize: tuple[float, float] | None = None,
) -> "Figure":
    r"""Draw each run of each layer with its matrix noise, in front of what another training run would give.

    Parameters
    ----------
    result : xarray.DataTree
        What `htmp_bayes.fit_network` returned, with ``runs``.
    parameter : str
        A quantity that was pooled: ``dyson_index``, ``correlation``, ``participation_ratio``, ``tail_index``, ``mean``,
        ...
    layers : sequence of str, optional
        Layers to draw, by their names in all groups (without ``group/``); by default all.
    figsize : tuple of float, optional
        Width and height of the figure, in inches.

    Returns
    -------
    matplotlib.figure.Figure
        For each layer a row for each group of runs, in its colour. Dots are the runs, each with the 90 % interval of
        its own fit: what another matrix of the same population would give. The dark bar is the 90 % interval of what
        all runs have in common, the light one that of another run: where it is much wider than the lines of the dots,
        training again changes more than matrix noise does.

    Raises
    ------
    HTMPError
        A ValueError, if the result has no runs, no such quantity, or no such layer.

    Examples
    --------
    >>> import htmp_bayes as hb
    >>> spectra = hb.load_example("training")
    >>> result = hb.fit_network(spectra, runs=r"batch(?P<group>\d+)\.seed(?P<run>\d+)")  # doctest: +SKIP
    >>> hb.plot_runs(result, "correlation", ["layer0"])  # doctest: +SKIP
    """
    rows = _rows(result, parameter, layers)
    groups = list(dict.fromkeys(row.group for row in rows.values()))
    styles = {name: STYLES[i % len(STYLES)] for i, name in enumerate(groups)}
    names = list(dict.fromkeys(row.layer for row in rows.values()))
    heights = {label: _ROW + _RUN * len(row.own) for label, row in rows.items()}
    figure = new_figure((_FRAME + sum(heights.values()) + _ROW * len(names)) / COLUMN_WIDTH, figsize=figsize)
    ax = figure.subplots()
    top, ticks = 0.0, []
    for name in names:
        start = top
        for label, row in rows.items():
            if row.layer == name:
                row.draw(ax, top, heights[label], *styles[row.group])
                top += heights[label]
        ticks.append((start + top) / 2)
        top += _ROW
        ax.axhline(top - _ROW / 2, color=faint(), lw=0.3)
    ax.set_yticks(ticks, [shown(name, _NAME_LENGTH) for name in names], fontsize=SMALL, parse_math=False)
    ax.set_ylim(top - _ROW / 2, -_ROW / 2)
    ax.set_xlabel(label_of(parameter, result), fontsize=TEXT)
    if parameter in LOGARITHMIC:
        ax.set_xscale("log")
    tidy(ax)
    if parameter in LOGARITHMIC:
        log_ticks(ax.xaxis)
    _explain(figure, ax, styles)
    return figure


class _Row:
    """A layer of a group: its name, the runs' own intervals, and the draws of what they share and of another run."""

    def __init__(
        self,
        label: str,
        group: str,
        own: NDArray[np.float64],
        common: NDArray[np.float64],
        other: NDArray[np.float64],
    ) -> None:
        self.layer = label.removeprefix(f"{group}/")
        self.group, self.own = group, own
        self.common, self.other = (np.quantile(draws, [0.05, 0.95]) for draws in (common, other))

    def draw(self, ax: "Axes", top: float, height: float, colour: str, marker: str) -> None:
        """Draw it between two heights."""
        low, high = top + 0.1 * height, top + 0.9 * height
        ax.fill_betweenx([low, high], *self.other, color=colour, alpha=0.16, lw=0)
        ax.fill_betweenx([low, high], *self.common, color=colour, alpha=0.4, lw=0)
        places = np.linspace(low, high, len(self.own) + 2)[1:-1]
        lower, middle, upper = self.own.T
        ax.hlines(places, lower, upper, color=colour, lw=0.6)
        ax.plot(middle, places, marker, color=colour, ms=2, lw=0)


def _rows(result: xr.DataTree, parameter: str, layers: Sequence[str] | None) -> dict[str, _Row]:
    posterior, constant = group(result, "posterior"), group(result, "constant_data")
    if not result.attrs.get("runs"):
        raise HTMPError("The result has no training runs; fit_network takes them by runs=.")
    if parameter not in (pooled := constant["parameter"].to_numpy().tolist()):
        raise HTMPError(f"There is no {parameter!r} of the runs; there are {', '.join(pooled)}.")
    own = constant["spectrum_interval"].sel(parameter=parameter).to_numpy()
    rows = {}
    labels, groups = (constant[name].to_numpy().astype(str) for name in ("layer", "layer_model"))
    for label, of_group, other in zip(labels, groups, another_run(result, parameter), strict=True):
        common = posterior[parameter].sel(layer=label).to_numpy().ravel()
        runs = own[constant["spectrum_layer"].to_numpy() == label]
        rows[str(label)] = _Row(str(label), str(of_group), runs, common, other)
    if layers is not None:
        missing = set(layers) - {row.layer for row in rows.values()}
        if missing:
            raise HTMPError(f"There is no layer {min(missing)!r} in the result.")
        rows = {label: row for label, row in rows.items() if row.layer in layers}
    return rows


def _explain(figure: "Figure", ax: "Axes", styles: dict[str, tuple[str, str]]) -> None:
    """Say which colour is which group, and what dots and bars are."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    any_group = faint()
    handles: list[Any] = [
        Line2D([], [], color=c, marker=m, ms=3, lw=0.8, label=name) for name, (c, m) in styles.items() if name
    ]
    handles += [
        Line2D([], [], color=any_group, marker=".", ms=3, lw=0.6, label="a run, and its matrix noise"),
        Patch(color=any_group, alpha=0.4, lw=0, label="what runs have in common"),
        Patch(color=any_group, alpha=0.16, lw=0, label="another run"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, **LEGEND)
