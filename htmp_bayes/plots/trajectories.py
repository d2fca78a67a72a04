"""`plot_trajectories`: how the parameters of layers move over the steps of training."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes._errors import HTMPError
from htmp_bayes._results import group
from htmp_bayes.drawing.canvas import (
    LEGEND,
    LOGARITHMIC,
    SMALL,
    STYLES,
    TEXT,
    label_of,
    log_ticks,
    names_of,
    new_figure,
    shown,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

type Array = NDArray[np.float64]

_DEFAULT = ("kappa", "temperature", "correlation")
_NAME_LENGTH = 24
# Up to so many layers have a band each; of more, only the typical layer of each model has one.
_MOST_BANDS = len(STYLES)
# Steps that span more than this factor above the first after 0 are drawn on a logarithmic axis.
_WIDE = 30.0


def plot_trajectories(
    result: xr.DataTree,
    parameters: Sequence[str] | str | None = None,
    layers: Sequence[str] | None = None,
    *,
    var_names: Sequence[str] | str | None = None,
    figsize: tuple[float, float] | None = None,
) -> "Figure":
    """Draw parameters of layers against the step of training.

    Parameters
    ----------
    result : xarray.DataTree
        What `htmp_bayes.fit_network` returned for spectra of several steps.
    parameters : str or sequence of str, optional
        Variables of the posterior with the dimensions ``layer`` and ``step``, a panel for each; by default ``"kappa"``,
        ``"temperature"`` and ``"correlation"``.
    layers : sequence of str, optional
        Names of the layers to draw; by default all.
    var_names : str or sequence of str, optional
        Another name of `parameters`, that of ArviZ.
    figsize : tuple of float, optional
        Width and height of the figure, in inches.

    Returns
    -------
    matplotlib.figure.Figure
        Medians, with bands between the 5 % and 95 % quantiles at each step. Of more than seven layers the
        medians are thin lines in the colour of their model, and the band is that of each model's typical layer.

    Raises
    ------
    HTMPError
        A ValueError, if the result has no steps, or lacks a parameter or layer that is asked for.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> kappa = np.exp(rng.normal(np.log([[9.0, 5.0, 3.0]]), 0.1, (2, 200, 1, 3)))
    >>> posterior = xr.Dataset({"kappa": (("chain", "draw", "layer", "step"), kappa)},
    ...                        coords={"layer": ["h.0"], "step": [0, 100, 200]})
    >>> figure = plot_trajectories(xr.DataTree.from_dict({"posterior": posterior}), ["kappa"])
    >>> print(figure.axes[0].get_lines()[0].get_ydata().round(0))
    [9. 5. 3.]
    """
    posterior = group(result, "posterior")
    parameters = names_of(parameters, var_names) or list(_DEFAULT)
    for name in parameters:
        if name not in posterior or not {"layer", "step"} <= set(posterior[name].dims):
            raise HTMPError(
                f"The result has no {name!r} of layers over steps; pass what htmp_bayes.fit_network returned for "
                "spectra of several steps."
            )
    chosen = _chosen(posterior, layers)
    figure = new_figure(0.25 + 0.42 * len(parameters), figsize=figsize)
    panels = figure.subplots(len(parameters), 1, sharex=True, squeeze=False)[:, 0]
    for ax, name in zip(panels, parameters, strict=True):
        _draw(ax, posterior, result, name, chosen)
        if name in LOGARITHMIC:
            ax.set_yscale("log")
            log_ticks(ax.yaxis, most=5)
        ax.set_ylabel("\n".join(label_of(name, result).split(maxsplit=1)), fontsize=TEXT)
        tidy(ax)
    _scale_steps(panels[-1], posterior["step"].to_numpy())
    panels[-1].set_xlabel("step of training", fontsize=TEXT)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, **LEGEND)
    return figure


def _chosen(posterior: xr.Dataset, layers: Sequence[str] | None) -> list[str]:
    known = [str(name) for name in posterior["layer"].to_numpy()]
    if layers is None:
        return known
    for name in layers:
        if name not in known:
            raise HTMPError(f"There is no layer {name!r} in the result; the first is {known[0]!r}.")
    if not layers:
        raise HTMPError("layers names no layer; leave it out to draw all.")
    return list(layers)


def _draw(ax: "Axes", posterior: xr.Dataset, result: xr.DataTree, name: str, layers: Sequence[str]) -> None:
    steps = posterior["step"].to_numpy()
    values = posterior[name].transpose("chain", "draw", "layer", "step")
    draws = {layer: _flat(values.sel(layer=layer)) for layer in layers}
    if len(layers) <= _MOST_BANDS:
        for (layer, own), style in zip(draws.items(), STYLES, strict=False):
            _line_and_band(ax, steps, own, style, shown(layer, _NAME_LENGTH))
        return
    typical = posterior[f"model_{name}"].transpose("chain", "draw", "model", "step")
    models = [str(model) for model in typical["model"].to_numpy()]
    of_layer = {
        str(layer): str(model)
        for layer, model in group(result, "constant_data")["layer_model"].to_series().items()
    }
    for i, model in enumerate(models):
        style = STYLES[i % len(STYLES)]
        for layer, own in draws.items():
            if of_layer[layer] == model:
                ax.plot(steps, np.median(own, axis=0), color=style[0], lw=0.5, alpha=0.45)
        label = "typical layer" if len(models) == 1 else f"typical layer, {shown(model, _NAME_LENGTH)}"
        _line_and_band(ax, steps, _flat(typical.sel(model=model)), style, label)


def _flat(values: xr.DataArray) -> Array:
    return values.to_numpy().reshape(-1, values.sizes["step"])


def _line_and_band(ax: "Axes", steps: Array, draws: Array, style: tuple[str, str], label: str) -> None:
    colour, marker = style
    lower, median, upper = np.quantile(draws, [0.05, 0.5, 0.95], axis=0)
    ax.fill_between(steps, lower, upper, color=colour, alpha=0.15, lw=0)
    ax.plot(steps, median, color=colour, marker=marker, ms=2.6, lw=1.0, label=label)


def _scale_steps(ax: "Axes", steps: Array) -> None:
    """Spread out steps that are close together at the start of training, 0 among them."""
    positive = steps[steps > 0]
    if (steps < 0).any() or positive.size < 3 or positive[-1] < _WIDE * positive[0]:
        return
    ax.set_xscale("symlog", linthresh=float(positive[0]), linscale=0.5)
    ax.tick_params(labelsize=SMALL)
