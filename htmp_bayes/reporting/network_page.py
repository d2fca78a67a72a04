"""The report of a pooled fit."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

from htmp_bayes._errors import printable
from htmp_bayes._numbers import interval
from htmp_bayes._results import group
from htmp_bayes.checks import check
from htmp_bayes.drawing.canvas import SYMBOLS
from htmp_bayes.reporting.layer_page import PARAMETERS, Cell, Picture, encoded
from htmp_bayes.reporting.template import rendered, versions_of

_MOST_ROWS_DRAWN = 120


def network_page(result: xr.DataTree, command: str, settings: Mapping[str, Any]) -> str:
    """Write the page: the verdict, the contrasts of models, a table of layers, and the plots.

    Parameters
    ----------
    result : xarray.DataTree
        What `htmp_bayes.fit_network` returned.
    command : str
        What it was made with.
    settings : mapping
        Anything else to record.
    """
    from htmp_bayes.network_steps import at_step

    posterior = at_step(group(result, "posterior"))
    names = [name for name in PARAMETERS if name in posterior and "layer" in posterior[name].dims]
    layers = [printable(str(name)) for name in posterior["layer"].to_numpy()]
    of_fit = {
        key: result.attrs[key]
        for key in ("population", "draws", "tune", "chains", "random_seed")
        if key in result.attrs
    }
    return rendered(
        "network.html.j2",
        verdict=check(result),
        layers=layers,
        parameters=[(name, SYMBOLS[name]) for name in names],
        cells=[_cells(posterior, names, place) for place in range(len(layers))],
        contrasts=list(_contrasts(result, posterior)),
        pictures=list(_pictures(result, len(layers))),
        command=command,
        settings={**of_fit, **settings},
        versions=versions_of([result]),
    )


def _cells(posterior: xr.Dataset, names: list[str], place: int) -> dict[str, Cell]:
    cells = {}
    for name in names:
        lower, median, upper = np.quantile(posterior[name].isel(layer=place).to_numpy(), [0.05, 0.5, 0.95])
        text, _, ends = interval(median, lower, upper).partition(" ")
        cells[name] = Cell(text, float(median), ends)
    return cells


def _contrasts(result: xr.DataTree, posterior: xr.Dataset) -> Iterator[dict[str, str]]:
    from htmp_bayes.comparison.contrasts import compare_models

    if posterior.sizes.get("model", 1) < 2:
        return
    for row in compare_models(result).itertuples():
        yield {
            "first": printable(str(row.first)),
            "second": printable(str(row.second)),
            "parameter": SYMBOLS.get(str(row.parameter), str(row.parameter)),
            "ratio": interval(row.median, row.q5, row.q95),
            "P(first < second)": f"{row.p_less:.3f}",
            "P(within 10 %)": f"{row.p_rope:.3f}",
        }


def _pictures(result: xr.DataTree, layers: int) -> Iterator[Picture]:
    from htmp_bayes.plots import plot_depth, plot_kappa_correlation, plot_layers, plot_ridge, plot_runs

    if layers <= _MOST_ROWS_DRAWN:
        caption = "Medians, 50 % and 90 % intervals of the layers."
        yield encoded(plot_layers(result, ("dyson_index", "correlation")), "layers", caption)
        yield encoded(
            plot_ridge(result, "correlation"), "ridge", "Posterior density of each layer's correlation."
        )
        if result.attrs.get("runs"):
            caption = "Correlation of each run with its matrix noise, and what another run would give."
            yield encoded(plot_runs(result, "correlation"), "runs", caption)
    yield encoded(
        plot_depth(result, "correlation"), "depth", "Correlation against depth, with 90 % intervals."
    )
    yield encoded(plot_kappa_correlation(result), "map", "Each layer by repulsion and correlation.")
