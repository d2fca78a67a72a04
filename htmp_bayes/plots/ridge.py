"""`plot_ridge`: the posterior densities of a parameter of many layers, one above the other."""

from typing import TYPE_CHECKING

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
    label_of,
    log_ticks,
    new_figure,
    shown,
    tidy,
)
from htmp_bayes.network_steps import at_step
from htmp_bayes.plots.result_values import another_run, groups_of_layers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAME_LENGTH = 30
_ROW, _FRAME = 0.16, 1.1  # inches: of a layer, and of all around
# How many rows high the highest density is: neighbours overlap a little.
_HEIGHT = 1.8


def plot_ridge(
    result: xr.DataTree, parameter: str = "kappa", *, figsize: tuple[float, float] | None = None
) -> "Figure":
    """Draw the posterior density of a parameter for every layer, one above the other.

    ArviZ's ``plot_ridge`` draws the same on a linear axis, where one layer of large kappa leaves no room for the
    others; here kappa, temperature and scale have a logarithmic axis, and densities are those of the logarithm.

    Parameters
    ----------
    result : xarray.DataTree
        What `htmp_bayes.fit_network` returned.
    parameter : str
        Variable of the posterior with the dimension ``layer``.
    figsize : tuple of float, optional
        Width and height of the figure, in inches.

    Returns
    -------
    matplotlib.figure.Figure
        A density for each layer, in the colour of its kind and model, between its 0.5 % and 99.5 % quantiles, with a
        line at the median. All have the same area. Of a result with training runs it is that of what all runs have in
        common, and the dotted line that of another run.

    Raises
    ------
    HTMPError
        A ValueError, if the result has no such parameter of layers.

    Examples
    --------
    >>> draws = np.random.default_rng(1).lognormal(np.log([3.0, 30.0]), 0.2, (2, 200, 2))
    >>> posterior = xr.Dataset({"kappa": (("chain", "draw", "layer"), draws)}, coords={"layer": ["h.0", "h.1"]})
    >>> figure = plot_ridge(xr.DataTree.from_dict({"posterior": posterior}))
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['h.0', 'h.1']
    """
    posterior = at_step(group(result, "posterior"))
    if parameter not in posterior or "layer" not in posterior[parameter].dims:
        raise HTMPError(
            f"The result has no {parameter!r} of layers; pass what htmp_bayes.fit_network returned."
        )
    values = posterior[parameter].transpose("layer", "chain", "draw")
    names = [shown(str(name), _NAME_LENGTH) for name in values["layer"].to_numpy()]
    draws = values.to_numpy().reshape(len(names), -1)
    logarithmic = parameter in LOGARITHMIC
    curves = [_density(np.log(row) if logarithmic else row) for row in draws]
    scale = _HEIGHT / max(density.max() for _, density in curves)
    kinds = _groups(result, len(names))
    styles = {kind: STYLES[i % len(STYLES)][0] for i, kind in enumerate(dict.fromkeys(kinds))}
    others = _of_another_run(result, parameter, logarithmic, scale)
    figure = new_figure((_FRAME + _ROW * len(names)) / COLUMN_WIDTH, figsize=figsize)
    ax = figure.subplots()
    for i, ((grid, density), kind) in enumerate(zip(curves, kinds, strict=True)):
        x, top = np.exp(grid) if logarithmic else grid, i - scale * density
        label = kind if kind and kind not in kinds[:i] else None
        ax.fill_between(x, i, top, color=styles[kind], alpha=0.45, lw=0, zorder=2 * i + 2, label=label)
        ax.plot(x, top, color=styles[kind], lw=0.8, zorder=2 * i + 3)
        if others:
            place, height = others[i]
            own = "another run" if i == len(names) - 1 else None
            ax.plot(place, i - height, color=styles[kind], lw=0.7, ls=":", zorder=2 * i + 3, label=own)
        middle = np.median(draws[i])
        ax.vlines(
            middle, i - scale * np.interp(middle, x, density), i, color=styles[kind], lw=0.8, zorder=2 * i + 3
        )
    if logarithmic:
        ax.set_xscale("log")
    ax.set_yticks(range(len(names)), names, fontsize=SMALL, parse_math=False)
    ax.set_ylim(len(names) - 0.5, -_HEIGHT - 0.1)  # the first layer on top
    ax.set_xlabel(label_of(parameter, result), fontsize=TEXT)
    tidy(ax)
    if logarithmic:
        log_ticks(ax.xaxis)
    if len(styles) > 1 or others:
        figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4, **LEGEND)
    return figure


def _groups(result: xr.DataTree, layers: int) -> list[str]:
    if "constant_data" in result.children and "layer_kind" in result["constant_data"]:
        return list(map(str, groups_of_layers(group(result, "constant_data"))))
    return [""] * layers


def _density(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Kernel density estimate of draws, as ArviZ makes it, between their 0.5 % and 99.5 % quantiles."""
    from arviz_stats.base import array_stats

    grid, density, _ = array_stats.kde(values)
    low, high = np.quantile(values, [0.005, 0.995])
    x = np.linspace(low, high, 201)
    return x, np.interp(x, grid, density)


def _of_another_run(
    result: xr.DataTree, parameter: str, logarithmic: bool, scale: float
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Places and heights of each layer's density in another training run, if the fit knew of runs."""
    if not result.attrs.get("runs") or parameter not in group(result, "constant_data")["parameter"]:
        return []
    curves = [_density(np.log(row) if logarithmic else row) for row in another_run(result, parameter)]
    return [(np.exp(x) if logarithmic else x, scale * density) for x, density in curves]
