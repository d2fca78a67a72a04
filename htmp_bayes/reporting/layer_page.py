"""What the report says of one layer."""

import base64
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr
from markupsafe import Markup
from numpy.typing import NDArray

from htmp_bayes._numbers import interval, short
from htmp_bayes._results import group
from htmp_bayes.checks import ESS_MIN, R_HAT_MAX, Verdict, check
from htmp_bayes.drawing.canvas import OUTSIDE, STYLES, ink, label_of
from htmp_bayes.plots import (
    plot_ecdf,
    plot_parameters,
    plot_population,
    plot_quantiles,
    plot_spectrum,
    plot_tail,
)
from htmp_bayes.plots.result_values import spikes
from htmp_bayes.reporting.sparkline import sparkline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PARAMETERS = ("kappa", "dyson_index", "temperature", "correlation", "tail_index", "mean")
_SHADES, _DPI = 16, 144
_PREDICTIVE: dict[str, tuple[Callable[[xr.DataTree], "Figure"], str]] = {
    "spectrum": (
        plot_spectrum,
        "Density of the eigenvalues beside predictive spectra; below, the residuals by bin.",
    ),
    "tail": (
        plot_tail,
        "Share of eigenvalues at least as large, a power-law fit, and the posterior of the exponent.",
    ),
    "ecdf": (plot_ecdf, "Distribution function minus its prediction; a layer of this law stays in the band."),
    "quantiles": (plot_quantiles, "Each ordered eigenvalue over the median of its prediction."),
}
_POPULATION_CAPTION = "Density of the variances of the layer's directions, beside its eigenvalues."
_PARAMETERS_CAPTION = "Posterior and prior of repulsion, temperature and correlation, and their pairs."


class Cell(NamedTuple):
    """What a cell of the table shows, and the number that it is sorted by (None for unknown)."""

    text: str
    value: float | None
    interval: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture as the page holds it."""

    kind: str
    caption: str
    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class LayerPage:
    """One layer's row in the table and its section of the report."""

    name: str
    anchor: str
    verdict: Verdict
    spikes: int
    cells: dict[str, Cell]
    sparkline: Markup
    pictures: tuple[Picture, ...]
    diagnostics: tuple[dict[str, str], ...]
    facts: dict[str, str]
    comparison: tuple[Mapping[str, str], ...]

    @classmethod
    def of(
        cls,
        result: xr.DataTree,
        anchor: str,
        comparison: Sequence[Mapping[str, str]] = (),
        verdict: Verdict | None = None,
        drawn: bool = True,
    ) -> "LayerPage":
        """Draw and say everything of one layer.

        Parameters
        ----------
        result : xarray.DataTree
            What `htmp_bayes.fit` returns.
        anchor : str
            Where links in the page find the layer.
        comparison : sequence of mapping of str to str
            Rows of a comparison of laws.
        verdict : Verdict, optional
            What `htmp_bayes.check` says, if that is known.
        drawn : bool
            Draw the pictures.

        Raises
        ------
        ResultError
            A ValueError, if a group is missing that every fit has.
        """
        verdict = check(result) if verdict is None else verdict
        predictive = "posterior_predictive" in result.children
        return cls(
            name=_printable(str(result.attrs.get("name") or "spectrum")),
            anchor=anchor,
            verdict=verdict,
            spikes=int(spikes(result).size),
            cells=_cells(result, verdict),
            sparkline=Markup(sparkline(result)),
            pictures=tuple(_pictures(result, predictive)) if drawn else (),
            diagnostics=tuple(_diagnostics(result, verdict)),
            facts=_facts(result, verdict),
            comparison=tuple(comparison),
        )


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def _cells(result: xr.DataTree, verdict: Verdict) -> dict[str, Cell]:
    constant, posterior = group(result, "constant_data"), group(result, "posterior")
    size, n = group(result, "observed_data").sizes["eigenvalue"], int(constant["n"])
    cells: dict[str, Cell] = {"size": Cell(f"{size} × {n}", size)}
    for name in PARAMETERS:
        if name in posterior:
            lower, median, upper = np.quantile(posterior[name].values, [0.05, 0.5, 0.95])
            text, _, ends = interval(median, lower, upper).partition(" ")
            cells[name] = Cell(text, float(median), ends)
        elif name in str(posterior.attrs.get("infinite", "")).split():
            cells[name] = Cell("infinite", math.inf, _how_likely(posterior) if name == "mean" else "")
        else:
            cells[name] = Cell("–", None)
    cells["r_hat"] = _worst(max(verdict.r_hat.values()), ".3f")
    cells["ess"] = _worst(min([*verdict.ess_bulk.values(), *verdict.ess_tail.values()]), ".0f")
    return cells


def _how_likely(posterior: xr.Dataset) -> str:
    """Say how likely it is that the mean is infinite: one such draw is enough to leave it out."""
    return f"p = {short(posterior.attrs.get('probability_infinite_mean', 1.0), 2)}"


def _worst(value: float, number: str) -> Cell:
    return Cell(f"{value:{number}}", float(value)) if math.isfinite(value) else Cell("unknown", None)


def _diagnostics(result: xr.DataTree, verdict: Verdict) -> Iterator[dict[str, str]]:
    for name, r_hat in verdict.r_hat.items():
        bulk, tail = verdict.ess_bulk[name], verdict.ess_tail[name]
        yield {
            "parameter": label_of(name, result),
            "R-hat": _worst(r_hat, ".3f").text,
            "bulk ESS": _worst(bulk, ".0f").text,
            "tail ESS": _worst(tail, ".0f").text,
            "": "" if r_hat <= R_HAT_MAX and min(bulk, tail) >= ESS_MIN else "not enough",
        }


def _facts(result: xr.DataTree, verdict: Verdict) -> dict[str, str]:
    """Collect what else there is to know, as it was recorded."""
    attributes: dict[str, Any] = {str(key): value for key, value in result.attrs.items()}
    draws = group(result, "posterior").sizes
    facts = {
        "draws": f"{draws['chain']} chains of {draws['draw']}, after {attributes.get('tune', 'unknown')} tuning steps",
        "divergences": str(verdict.divergences),
        "E-BFMI": short(verdict.e_bfmi, 2),
        "seed": str(attributes.get("random_seed", "unknown")),
        "law": ", ".join(
            str(attributes[key]) for key in ("law", "population", "likelihood") if key in attributes
        ),
    }
    zeros = int(group(result, "constant_data").get("zeros", 0))
    if zeros:
        facts["zero or dead eigenvalues"] = f"{zeros}, left out"
    dead = int(group(result, "constant_data").get("dead", 0))
    if dead:
        facts["dead directions of the longer side"] = f"{dead}, left out"
    infinite = float(group(result, "posterior").attrs.get("probability_infinite_mean", 0.0))
    if infinite:
        facts["mean"] = f"infinite with probability {short(infinite, 2)}"
    return {key: _printable(value) for key, value in facts.items()}


def _pictures(result: xr.DataTree, predictive: bool) -> Iterator[Picture]:
    if predictive:
        for kind, (draw, caption) in _PREDICTIVE.items():
            yield encoded(draw(result), kind, caption)
    if "population" in result.children:
        yield encoded(plot_population(result), "population", _POPULATION_CAPTION)
    if "prior" in result.children:
        yield encoded(plot_parameters(result), "parameters", _PARAMETERS_CAPTION)


def encoded(figure: "Figure", kind: str, caption: str) -> Picture:
    """Draw a figure as a PNG of the design's colours alone, which takes a quarter of the room, in a data URI."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure.set_dpi(_DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    palette = Image.new("P", (1, 1))
    palette.putpalette(_palette(figure.get_facecolor()).ravel().tolist())
    small = io.BytesIO()
    image.quantize(palette=palette, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    uri = "data:image/png;base64," + base64.b64encode(small.getvalue()).decode()
    return Picture(kind, caption, uri, image.width * 96 // _DPI, image.height * 96 // _DPI)


def _palette(background: Any) -> NDArray[np.uint8]:
    """Shades from the background to each colour of the design, shape ``(colours, 3)``.

    Colours that a program picks by what is frequent lose what is rare, and a warning is.
    """
    from matplotlib.colors import to_rgb

    design = dict.fromkeys([ink(), OUTSIDE, *(colour for colour, _ in STYLES)])
    ends = np.array([to_rgb(colour) for colour in design])
    shades = np.linspace(0, 1, _SHADES)[:, None, None]
    mixed = (1 - shades) * np.array(to_rgb(background)) + shades * ends
    return np.round(255 * mixed.reshape(-1, 3)).astype(np.uint8)
