"""Pictures of a network's layers together: parameters against depth, and repulsion against correlation."""

from typing import TYPE_CHECKING, Any

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
    new_figure,
    shown,
    tidy,
)
from htmp_bayes.layer_names import common_prefix
from htmp_bayes.network_steps import at_step
from htmp_bayes.plots.result_values import groups_of_layers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Least share of the posterior's mass that an outline of a layer holds, of a normal in both logarithms.
_REGION = 0.5
# Share of the depths by which kinds stand beside each other, so that their intervals are told apart.
_BESIDE = 0.008
# Up to so many layers are named in the map; of more, those at its ends.
_MOST_NAMED = 12
_NAME_LENGTH = 24
_ANGLES = np.linspace(0, 2 * np.pi, 61)


def plot_depth(
    result: xr.DataTree, parameter: str = "kappa", *, figsize: tuple[float, float] | None = None
) -> "Figure":
    """Draw a parameter of all layers against their depth, in the colour of their kind and model.

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
        Medians joined through the layers of a kind and model (their mean where a depth has several), with upright lines
        between the 5 % and 95 % quantiles; kinds stand a little beside each other.

    Raises
    ------
    HTMPError
        A ValueError, if the result has no such parameter.
    """
    values, kinds, depth = _by_layer(result, parameter)
    figure = new_figure(0.85, figsize=figsize)
    ax = figure.subplots()
    lower, median, upper = np.quantile(values, [0.05, 0.5, 0.95], axis=0)
    styles = _styles(kinds)
    steps = _BESIDE * np.ptp(depth) * (np.arange(len(styles)) - (len(styles) - 1) / 2)
    for (kind, (colour, marker)), beside in zip(styles.items(), steps, strict=True):
        places = np.unique(depth[kinds == kind])
        rows = np.array([_centre(row, kinds, depth, kind, places) for row in (lower, median, upper)])
        ax.vlines(places + beside, rows[0], rows[2], color=colour, lw=0.8, alpha=0.7)
        ax.plot(places + beside, rows[1], color=colour, marker=marker, ms=3, lw=1.0, label=kind)
    if parameter in LOGARITHMIC:
        ax.set_yscale("log")
        log_ticks(ax.yaxis)
    ax.set_xlabel("relative depth", fontsize=TEXT)
    ax.set_ylabel(label_of(parameter, result), fontsize=TEXT)
    return _finished(figure, ax)


def plot_kappa_correlation(result: xr.DataTree, *, figsize: tuple[float, float] | None = None) -> "Figure":
    """Draw each layer on the map of repulsion and correlation, with an outline of its posterior.

    Parameters
    ----------
    result : xarray.DataTree
        What `htmp_bayes.fit_network` returned.
    figsize : tuple of float, optional
        Width and height of the figure, in inches.

    Returns
    -------
    matplotlib.figure.Figure
        Medians, in the colour of the layer's kind, and ellipses of the mean and covariance of log kappa and
        correlation, which hold half of a normal posterior. Up to twelve layers are named; of more, those at the ends of
        the map.

    Raises
    ------
    HTMPError
        A ValueError, if the result is not that of a network.
    """
    kappa, kinds, _ = _by_layer(result, "kappa")
    correlation = _by_layer(result, "correlation")[0]
    figure = new_figure(0.95, figsize=figsize)
    ax = figure.subplots()
    for kind, (colour, marker) in _styles(kinds).items():
        for k in np.flatnonzero(kinds == kind):
            x, y = _outline(np.log(kappa[:, k]), correlation[:, k])
            ax.fill(np.exp(x), y, color=colour, alpha=0.1, lw=0)
            ax.plot(np.exp(x), y, color=colour, alpha=0.45, lw=0.5)
        middle = [np.median(v[:, kinds == kind], axis=0) for v in (kappa, correlation)]
        ax.plot(*middle, marker, color=colour, ms=3, label=kind)
    ax.set_xscale("log")
    ax.margins(0.08)
    log_ticks(ax.xaxis)
    names = at_step(group(result, "posterior"))["layer"].to_numpy().astype(str)
    _name_layers(ax, names, np.median(kappa, axis=0), np.median(correlation, axis=0))
    ax.set_xlabel(label_of("kappa", result), fontsize=TEXT)
    ax.set_ylabel(label_of("correlation", result), fontsize=TEXT)
    return _finished(figure, ax)


def _name_layers(ax: "Axes", names: NDArray[Any], kappa: NDArray[Any], correlation: NDArray[Any]) -> None:
    """Name layers beside their medians, without what all names begin with."""
    named = set(range(len(names)))
    if len(names) > _MOST_NAMED:
        named = {int(end(values)) for values in (kappa, correlation) for end in (np.argmin, np.argmax)}
    begin = len(common_prefix(names.tolist()))
    middle = np.sqrt(kappa.min() * kappa.max())
    for k in sorted(named):
        left = kappa[k] > middle  # names stand towards the middle, where there is room
        ax.annotate(
            shown(names[k][begin:], _NAME_LENGTH), (kappa[k], correlation[k]), (-4 if left else 4, 2),
            textcoords="offset points", ha="right" if left else "left", fontsize="xx-small", parse_math=False,
        )  # fmt: skip


def _by_layer(result: xr.DataTree, parameter: str) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Draws of a parameter after the last step, shape (draws, layers), and groups and depths of the layers."""
    posterior, constant = at_step(group(result, "posterior")), group(result, "constant_data")
    if parameter not in posterior or "layer" not in posterior[parameter].dims or "layer_kind" not in constant:
        raise HTMPError(
            f"The result has no {parameter!r} of layers; pass what htmp_bayes.fit_network returned."
        )
    values = posterior[parameter].transpose("chain", "draw", "layer").to_numpy()
    return (
        values.reshape(-1, values.shape[-1]),
        groups_of_layers(constant),
        constant["layer_depth"].to_numpy(),
    )


def _styles(kinds: NDArray[Any]) -> dict[str, tuple[str, str]]:
    names = list(dict.fromkeys(kinds.tolist()))
    return {name: STYLES[i % len(STYLES)] for i, name in enumerate(names)}


def _centre(
    row: NDArray[Any], kinds: NDArray[Any], depth: NDArray[Any], kind: str, places: NDArray[Any]
) -> NDArray[Any]:
    return np.array([row[(kinds == kind) & (depth == place)].mean() for place in places])


def _outline(x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    """Ellipse of the mean and covariance of draws that holds `_REGION` of a normal distribution."""
    values, vectors = np.linalg.eigh(np.cov(x, y))
    radius = np.sqrt(-2 * np.log(1 - _REGION) * np.maximum(values, 0))
    circle = np.array([np.cos(_ANGLES), np.sin(_ANGLES)])
    return np.array([[x.mean()], [y.mean()]]) + vectors @ (radius[:, None] * circle)


def _finished(figure: "Figure", ax: "Axes") -> "Figure":
    tidy(ax)
    ax.tick_params(labelsize=SMALL)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4, **LEGEND)
    return figure
