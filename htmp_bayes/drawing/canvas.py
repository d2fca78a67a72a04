"""What all plots share: size, colours, titles and labels."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from htmp_bayes._seeds import one_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure, FigureBase

COLUMN_WIDTH = 8.5 / 2.54
"""Width of a column of a journal's page, in inches."""
# Okabe & Ito's colours (https://jfly.uni-koeln.de/color/), which the colour-blind tell apart.
MODEL, OUTSIDE, POINT_ESTIMATE = "#0072B2", "#D55E00", "#009E73"
# Theirs, grey, and two of Paul Tol's (https://sronpersonalpages.nl/~pault/), with a marker each, so that kinds are told
# apart without colour too; no orange, which says that something is amiss.
STYLES = (
    ("#0072B2", "o"), ("#009E73", "s"), ("#CC79A7", "D"), ("#56B4E9", "^"), ("#737373", "P"), ("#882255", "v"),
    ("#999933", "X"),
)  # fmt: skip
# Shares of the user's font size, which is 10 points unless a style or `rcParams["font.size"]` says otherwise.
TEXT, SMALL = "small", "x-small"
_FONT_SIZE = 10.0
LEGEND: dict[str, Any] = {"fontsize": SMALL, "frameon": False, "handlelength": 1.6, "labelspacing": 0.3}
TITLE_LENGTH = 34
# Share of the model's colour in the bands of each level; the rest is the background.
BANDS = {0.9: 0.19, 0.5: 0.5}
SYMBOLS = {
    "kappa": "κ",
    "dyson_index": "κ/N",
    "temperature": "T",
    "correlation": "ρ",
    "tail_index": "α",
    "lower_tail_index": "α low",
    "participation_ratio": "PR",
    "mean": "mean λ",
}
NAMES = {
    "kappa": "repulsion",
    "dyson_index": "Dyson index",
    "temperature": "temperature",
    "correlation": "correlation",
    "tail_index": "tail index",
    "lower_tail_index": "lower tail index",
    "participation_ratio": "participation ratio",
}
LOGARITHMIC = (
    "kappa",
    "dyson_index",
    "temperature",
    "scale",
    "mean",
    "quantile_10",
    "quantile_50",
    "quantile_90",
)
"""Parameters of a network's layers whose axis is logarithmic."""
_WITH_UNIT = ("temperature", "mean")


def new_figure(
    height: float, width: float = COLUMN_WIDTH, figsize: tuple[float, float] | None = None
) -> "Figure":
    """Make an empty figure, `height` times `width` high unless its size is given, that no registry knows of.

    It grows with the user's font size, so that there is room for the text.
    """
    import matplotlib as mpl

    from htmp_bayes.drawing.picture import Picture

    width *= max(1.0, mpl.rcParams["font.size"] / _FONT_SIZE)
    return Picture(figsize=figsize or (width, height * width), dpi=220, layout="constrained")


def names_of(
    parameters: Sequence[str] | str | None, var_names: Sequence[str] | str | None
) -> list[str] | None:
    """List the parameters that are asked for, by either name of the argument; None if all are.

    Examples
    --------
    >>> names_of("kappa", None), names_of(None, ["kappa", "mean"]), names_of(None, None)
    (['kappa'], ['kappa', 'mean'], None)
    """
    names = one_of(parameters=parameters, var_names=var_names)
    return [names] if isinstance(names, str) else names if names is None else list(names)


def ink() -> str:
    """Colour for data: that of the text in the style that is in use, which is light on dark backgrounds."""
    import matplotlib as mpl

    return str(mpl.rcParams["text.color"])


def faint() -> str:
    """Colour for what stands behind data and law: half-way between text and background."""
    return _mixed(ink(), 0.6)


def band_colour(share: float) -> str:
    """Tint of the model's colour for the band that holds this share of the predictive spectra."""
    return _mixed(MODEL, BANDS[share])


def _mixed(colour: str, weight: float) -> str:
    import matplotlib as mpl
    from matplotlib.colors import to_hex, to_rgb

    red, green, blue = (
        weight * ours + (1 - weight) * behind
        for ours, behind in zip(to_rgb(colour), to_rgb(mpl.rcParams["axes.facecolor"]), strict=True)
    )
    return to_hex((red, green, blue))


def unit(result: xr.DataTree) -> str:
    """Say in what units the eigenvalues of a result are: those of a kernel, or the square of the matrix's."""
    kind = result.attrs.get("kind", "weight")
    return "kernel" if kind == "kernel" else f"{kind}²"


def label_of(parameter: str, result: xr.DataTree) -> str:
    """Name, symbol and unit of a parameter, for an axis."""
    return f"{NAMES.get(parameter, '')} {symbol_of(parameter, result)}".lstrip()


def symbol_of(parameter: str, result: xr.DataTree) -> str:
    """Symbol and unit of a parameter, where there is no room for its name."""
    symbol = SYMBOLS.get(parameter, parameter)
    if parameter not in _WITH_UNIT:
        return symbol
    # The inverse law's temperature is that of the reciprocals.
    of_reciprocal = parameter == "temperature" and result.attrs.get("law") == "inverse-htmp"
    return f"{symbol} ({'1/' if of_reciprocal else ''}{unit(result)})"


def label_eigenvalues(ax: "Axes", result: xr.DataTree) -> None:
    """Label the horizontal axis as that of the eigenvalues."""
    ax.set_xlabel(f"eigenvalue λ (in units of {unit(result)})", fontsize=TEXT)


def tidy(ax: "Axes") -> None:
    """Small tick labels, and no lines where nothing is measured."""
    ax.tick_params(labelsize=SMALL)
    ax.spines[["top", "right"]].set_visible(False)


def log_ticks(axis: "Axis", most: int = 6) -> None:
    """Label a few places of a logarithmic axis: powers of ten, or rounder numbers where these are few.

    Parameters
    ----------
    axis : matplotlib.axis.Axis
        The axis, with its limits set.
    most : int
        How many labels there is room for.
    """
    from matplotlib.ticker import FixedLocator, NullLocator

    lower, upper = axis.get_view_interval()
    decades = np.arange(np.floor(np.log10(lower)), np.ceil(np.log10(upper)) + 1)
    for steps in ((1, 1.5, 2, 3, 4, 5, 7), (1, 2, 5), (1, 3), (1,)):
        places = np.outer(10.0**decades, steps).ravel()
        places = places[(places >= lower) & (places <= upper)]
        if places.size <= most:
            break
    places = places[:: -(-places.size // most) or 1]
    axis.set_major_locator(FixedLocator(list(places)))
    plain = places.size and places.min() >= 1e-2 and places.max() <= 1e3
    axis.set_major_formatter("{x:g}" if plain else lambda x, _: in_powers(x))
    axis.set_minor_locator(NullLocator())


def in_powers(number: float) -> str:
    """Write a positive number of one or two digits with a power of ten.

    Mathtext would look the same, and its parser takes half of the time that a picture takes.

    Examples
    --------
    >>> in_powers(0.001), in_powers(2e-4), in_powers(1.5e12)
    ('10⁻³', '2×10⁻⁴', '1.5×10¹²')
    """
    digits, _, exponent = f"{number:.1e}".partition("e")
    power = "10" + str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return power if digits == "1.0" else f"{digits.removesuffix('.0')}×{power}"


def legend_below(figure: "FigureBase", ax: "Axes") -> None:
    """Put the legend of the axes under the picture, where it hides nothing."""
    figure.legend(
        *ax.get_legend_handles_labels(), loc="outside lower center", ncols=2, columnspacing=1.2, **LEGEND
    )


def title(ax: "Axes", result: xr.DataTree, pad: float = 6.0) -> None:
    """Put the layer's name over the axes."""
    ax.set_title(name_of(result), fontsize=TEXT, loc="left", weight="bold", parse_math=False, pad=pad)


def verdict(ax: "Axes", words: str, misfit: bool) -> None:
    """Say below the title what the picture shows, in the colour of what is outside if it is a misfit."""
    ax.annotate(
        words, (0, 1), (0, 3), xycoords="axes fraction", textcoords="offset points", va="bottom",
        fontsize=SMALL, color=OUTSIDE if misfit else ink(),
    ).set_in_layout(False)  # fmt: skip


def shown(name: str, length: int = TITLE_LENGTH) -> str:
    """Name of a layer as a picture can show it: printable, and with both ends if it is long.

    Examples
    --------
    >>> shown("model.layers.31.block_sparse_moe.experts.7.w1")
    'model.layers…arse_moe.experts.7.w1'
    """
    name = "".join(c if c.isprintable() else "?" for c in name or "spectrum")
    if len(name) <= length:
        return name
    head = length // 3 + 1
    return f"{name[:head]}…{name[head + 1 - length :]}"


def name_of(result: xr.DataTree) -> str:
    """Name of a result's layer, as a title can show it."""
    return shown(str(result.attrs.get("name", "")))
