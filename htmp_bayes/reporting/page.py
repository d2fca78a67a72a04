"""The report as a whole."""

import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from htmp_bayes._arguments import as_results
from htmp_bayes._errors import HTMPError, reason
from htmp_bayes._files import replacing
from htmp_bayes._results import group
from htmp_bayes.checks import check
from htmp_bayes.drawing.canvas import SYMBOLS
from htmp_bayes.drawing.picture import hidden
from htmp_bayes.reporting.layer_page import PARAMETERS, LayerPage, Picture, encoded
from htmp_bayes.reporting.network_page import network_page
from htmp_bayes.reporting.template import rendered, versions_of

_MOST_LINKS = 8
# Layers whose plots are in a page: with 100 kB each, it stays below 10 MB.
_MOST_DRAWN = 60
_PARAMETERS_SHOWN = ("kappa", "correlation", "tail_index")

Results = xr.DataTree | Sequence[xr.DataTree] | Mapping[str, xr.DataTree]


class ReportError(HTMPError):
    """Results that no report can be made of, or a place where it cannot be written."""


def report(
    results: Results,
    path: str | os.PathLike[str],
    *,
    command: str | None = None,
    comparisons: Mapping[str, Sequence[Mapping[str, str]]] | None = None,
    settings: Mapping[str, Any] | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Path:
    """Write what one or many fits found as one HTML file.

    Parameters
    ----------
    results : xarray.DataTree, or sequence or mapping of them
        What `htmp_bayes.fit` returned for each layer, in the order of the report; a mapping gives names. Or what
        `htmp_bayes.fit_network` returned, by itself.
    path : path-like
        The file to write, with suffix ``.html``; it is written whole or not at all.
    command : str, optional
        What the results were made with; by default the command line of this process.
    comparisons : mapping of str to rows, optional
        For layers by name, a comparison of laws: a mapping of headings to texts for each law.
    settings : mapping, optional
        Anything else to record, such as the seed of a run.
    progress : callable, optional
        Called as ``progress(done, total, name)`` with the layer that is drawn next.

    Returns
    -------
    pathlib.Path
        The file that was written.

    Raises
    ------
    ReportError
        A ValueError, if there are no results or the file cannot be written.
    ResultError
        A ValueError, if a result lacks a group that every fit has.

    Notes
    -----
    The file holds everything, pictures included, and opens from disk without a network; a content security
    policy forbids it to load anything. It says first which posteriors can be used (`htmp_bayes.check`) and
    which layers the law describes, then has a
    table of layers that sorts by any column, then each layer's pictures and diagnostics, and last the command,
    the seed and the versions. Of more than 60 layers, the pictures of 60 are in it, and first of those that fail
    `htmp_bayes.check`; the page says so. It adapts to light and dark, to narrow screens and to paper.

    Examples
    --------
    >>> import htmp_bayes as hb, numpy as np, tempfile
    >>> noise = hb.Spectrum.from_matrix(np.random.default_rng(1).normal(size=(40, 160)), name="noise")
    >>> result = hb.fit(noise, draws=20, tune=30, chains=2, random_seed=1, predictive_draws=20)
    >>> path = report(result, tempfile.mkdtemp() + "/report.html")
    >>> path.read_text(encoding="utf-8")[:15]
    '<!doctype html>'
    """
    path, named = Path(path), _named(results)
    _check(path, named)
    tell = progress or (lambda done, total, name: None)
    made_with = shlex.join(sys.argv) if command is None else command
    with hidden():
        if _is_pooled(named):
            text = network_page(named[0], made_with, settings or {})
        else:
            pages = _layer_pages(named, comparisons or {}, tell)
            text = _render(pages, named, made_with, settings or {})
    try:
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ReportError(f"{path} cannot be written ({reason(error)}); choose another place.") from error
    return path


def _layer_pages(
    results: Sequence[xr.DataTree],
    comparisons: Mapping[str, Sequence[Mapping[str, str]]],
    tell: Callable[[int, int, str], None],
) -> list[LayerPage]:
    """Make the sections of the layers; of very many, only some are drawn, and first those with something to see."""
    verdicts = [check(result) for result in results]
    by_need = sorted(range(len(results)), key=lambda place: bool(verdicts[place]))
    drawn = set(by_need[:_MOST_DRAWN])
    pages = []
    for done, (result, verdict) in enumerate(zip(results, verdicts, strict=True)):
        name = str(result.attrs.get("name", ""))
        tell(done, len(results), name)
        pages.append(LayerPage.of(result, f"layer-{done}", comparisons.get(name, ()), verdict, done in drawn))
    return pages


def _is_pooled(results: Sequence[xr.DataTree]) -> bool:
    return len(results) == 1 and "layer" in group(results[0], "posterior").dims


def _named(results: Results) -> list[xr.DataTree]:
    return [result if name is None else _renamed(result, name) for name, result in as_results(results)]


def _renamed(result: xr.DataTree, name: str) -> xr.DataTree:
    renamed = result.copy()
    renamed.attrs = {**result.attrs, "name": name}
    return renamed


def _check(path: Path, results: Sequence[xr.DataTree]) -> None:
    if path.suffix.lower() not in (".html", ".htm"):
        raise ReportError(f"{path}: a report is an HTML file; give it a name with suffix .html.")
    if not path.parent.is_dir():
        raise ReportError(f"{path.parent} is not a folder; make it first, or choose another place.")
    if not results:
        raise ReportError("There are no results to report; pass at least one.")
    for result in results:
        if len(results) > 1 and "layer" in group(result, "posterior").dims:
            raise ReportError(
                "A report is of the fits of single layers, or of one pooled fit; pass the pooled one by itself."
            )


def _render(
    pages: Sequence[LayerPage], results: Sequence[xr.DataTree], command: str, settings: Mapping[str, Any]
) -> str:
    return rendered(
        "report.html.j2",
        pages=pages,
        overview=_overview(results),
        unusable=[page for page in pages if not page.verdict.usable],
        cautious=[page for page in pages if page.verdict.cautions],
        misfits=[page for page in pages if page.verdict.fits is False],
        judged=sum(page.verdict.fits is not None for page in pages),
        most_links=_MOST_LINKS,
        spiked=[page for page in pages if page.spikes],
        parameters=[(name, SYMBOLS[name]) for name in PARAMETERS if any(page.cells[name].value for page in pages)],
        undrawn=sum(not page.pictures for page in pages) if len(pages) > _MOST_DRAWN else 0,
        command=command,
        settings=settings,
        versions=versions_of(results),
    )  # fmt: skip


def _overview(results: Sequence[xr.DataTree]) -> Picture | None:
    """Draw the parameters of all layers side by side, if there are several."""
    from htmp_bayes.plots import plot_layers

    if not 2 <= len(results) <= _MOST_DRAWN:
        return None
    shown = [name for name in _PARAMETERS_SHOWN if any(name in result["posterior"] for result in results)]
    caption = "Medians, 50 % and 90 % intervals of the layers; orange where draws diverged."
    return encoded(plot_layers(results, shown), "layers", caption)
