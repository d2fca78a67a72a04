"""The summary of a run: one row for each layer, as a CSV file and as a table to read."""

import csv
import io
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from htmp_bayes._cells import as_cell
from htmp_bayes._misfit import law_fit
from htmp_bayes._numbers import interval
from htmp_bayes._results import group
from htmp_bayes.cli.terminal import printable

if TYPE_CHECKING:
    import xarray as xr
    from rich.table import Table

    from htmp_bayes.checks import Verdict

PARAMETERS = ("kappa", "dyson_index", "temperature", "correlation", "tail_index", "mean")
_STATISTICS = ("mean", "median", "q5", "q95", "r_hat", "ess_bulk")
_OF_PARAMETERS = tuple(f"{name}_{statistic}" for name in PARAMETERS for statistic in _STATISTICS)
_OF_LAYER = (
    "probability_infinite_mean",
    "n_spikes",
    "n_spikes_probability",
    "chi_squared",
    "statistics",
    "probability_of_counts",
    "probability_of_gaps",
    "dyson_index_by_gaps",
    "dyson_index_by_counts",
    "kolmogorov_distance",
    "divergences",
    "usable",
    "fits",
    "reasons",
    "misfits",
    "cautions",
    "seed",
    "htmp_bayes",
)
COLUMNS = ("layer", "n_eigenvalues", "n", "gamma", *_OF_PARAMETERS, *_OF_LAYER)
_TEXTS = ("layer", "reasons", "misfits", "cautions", "htmp_bayes")
_NEEDED = ("layer", "n_eigenvalues", "gamma", "kappa_median", "divergences", "usable", "fits", *_TEXTS[1:4])
_MAY_BE_UNKNOWN = ("_r_hat", "_ess_bulk", "_by_gaps", "_of_gaps")

Row = Mapping[str, Any]


def summary_row(result: "xr.DataTree", verdict: "Verdict") -> dict[str, Any]:
    """Summarise one layer's posterior.

    Parameters
    ----------
    result : xarray.DataTree
        What `htmp_bayes.fit` returns.
    verdict : Verdict
        What `htmp_bayes.check` says of it.

    Returns
    -------
    dict
        A value for each of `COLUMNS`, without those of a parameter that the posterior leaves out: q5 and q95
        are the ends of the 90 % equal-tailed interval. ``n_spikes`` is the most probable number of spikes; a fit
        that separates none leaves it out, with its probability.
    """
    posterior, constant = group(result, "posterior"), group(result, "constant_data")
    row: dict[str, Any] = {
        "layer": verdict.name,
        "n_eigenvalues": group(result, "observed_data").sizes["eigenvalue"],
        "n": int(constant["n"]),
        "gamma": float(constant["gamma"]),
    }
    for name in PARAMETERS:
        if name in posterior:
            values: dict[str, float | None] = _statistics(posterior[name].values)
            values |= {"r_hat": _known(verdict.r_hat[name]), "ess_bulk": _known(verdict.ess_bulk[name])}
            row |= {f"{name}_{statistic}": values[statistic] for statistic in _STATISTICS}
    return row | {
        "probability_infinite_mean": float(posterior.attrs.get("probability_infinite_mean", 0.0)),
        **_spikes(constant),
        **_law(result),
        "divergences": verdict.divergences,
        "usable": verdict.usable,
        "fits": verdict.fits,
        "reasons": " ".join(verdict.reasons),
        "misfits": " ".join(verdict.misfits),
        "cautions": " ".join(verdict.cautions),
    }


def _law(result: "xr.DataTree") -> dict[str, Any]:
    found = law_fit(result)
    if found is None:
        return {}
    return {
        "chi_squared": found.chi_squared,
        "statistics": found.statistics,
        "probability_of_counts": found.probability_of_counts,
        "probability_of_gaps": _known(found.probability_of_gaps),
        "dyson_index_by_gaps": _known(float(found.by_gaps[1])),
        "dyson_index_by_counts": float(found.by_counts[1]),
        "kolmogorov_distance": found.kolmogorov_distance,
    }


def check_row(row: Row, layer: str) -> None:
    """Raise ValueError if a row that was read is not one that `summary_row` makes for that layer."""
    for column in _NEEDED:
        if column not in row:
            raise ValueError(f"the summary of the layer {layer[:100]!r} has no {column}")
    for name in PARAMETERS:
        of_parameter = [f"{name}_{statistic}" in row for statistic in _STATISTICS]
        if any(of_parameter) and not all(of_parameter):
            raise ValueError(f"the summary of the layer {layer[:100]!r} has only a part of {name}")
    for column, value in row.items():
        if column not in COLUMNS or not _may_hold(column, value):
            raise ValueError(f"the summary of the layer {layer[:100]!r} has a wrong entry {column[:100]!r}")
    if row["layer"] != layer:
        raise ValueError(f"the summary of the layer {layer[:100]!r} is that of another one")


def _may_hold(column: str, value: Any) -> bool:
    if column in _TEXTS:
        return isinstance(value, str)
    if column in ("usable", "fits"):
        return isinstance(value, bool) or (column == "fits" and value is None)
    if value is None:
        return column.endswith(_MAY_BE_UNKNOWN)
    return is_number(value)


def is_number(value: Any) -> bool:
    """Whether a value is a finite number that float64 can hold.

    Examples
    --------
    >>> is_number(10**400), is_number(1e308), is_number(True)
    (False, True, False)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max


def _spikes(constant: "xr.Dataset") -> dict[str, Any]:
    if "spike_number_probability" not in constant:
        return {}
    probability = constant["spike_number_probability"].to_numpy()
    return {"n_spikes": int(probability.argmax()), "n_spikes_probability": float(probability.max())}


def as_csv(rows: Iterable[Row]) -> str:
    """Text of the CSV file with a header and a line for each layer; what a layer leaves out is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({column: as_cell(value) for column, value in row.items()} for row in rows)
    return text.getvalue()


def as_table(rows: Iterable[Row], one_line: bool) -> "Table":
    """Table of the layers with the median and the 90 % interval of each parameter, on one line or on two.

    Where spikes were set apart, with their most probable number and its probability too.
    """
    rows, separator = list(rows), " " if one_line else "\n"
    spikes = ["spikes"] if any("n_spikes" in row for row in rows) else []
    table = empty_table("N", "gamma", *PARAMETERS, *spikes, "R-hat", "bulk ESS", "diverging", "verdict")
    for row in rows:
        table.add_row(*_cells(row, separator, bool(spikes)))
    return table


def empty_table(*headings: str) -> "Table":
    """Make a table with a column for the layer and one for each of the headings."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("layer", overflow="fold", min_width=12)
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def _cells(row: Row, separator: str, with_spikes: bool) -> list[Any]:
    from rich.text import Text

    return [
        Text(printable(row["layer"])),
        str(row["n_eigenvalues"]),
        f"{row['gamma']:.3g}",
        *(Text(_interval(row, name, separator)) for name in PARAMETERS),
        *([_number_of_spikes(row, separator)] if with_spikes else []),
        _worst(row, "r_hat", max, ".3f"),
        _worst(row, "ess_bulk", min, ".0f"),
        str(row["divergences"]),
        _verdict(row),
    ]


def _verdict(row: Row) -> str:
    if not row["usable"]:
        return "NOT USABLE"
    if row["fits"] is False:
        return "LAW DOES NOT FIT"
    return "with care" if row["cautions"] else "usable"


def _interval(row: Row, name: str, separator: str) -> str:
    if f"{name}_median" not in row:
        return f"infinite{separator}(p = {row['probability_infinite_mean']:.2g})" if name == "mean" else "-"
    return interval(row[f"{name}_median"], row[f"{name}_q5"], row[f"{name}_q95"], separator)


def _number_of_spikes(row: Row, separator: str) -> str:
    return (
        f"{row['n_spikes']}{separator}(p = {row['n_spikes_probability']:.2g})" if "n_spikes" in row else "-"
    )


def _worst(row: Row, statistic: str, worst: Callable[[list[float]], float], number: str) -> str:
    values = [row[f"{name}_{statistic}"] for name in PARAMETERS if f"{name}_{statistic}" in row]
    return "-" if None in values else f"{worst(values):{number}}"


def _known(value: float) -> float | None:
    """Keep NaN, which neither JSON nor a reader of the table knows what to do with, out of the row."""
    return value if math.isfinite(value) else None


def _statistics(draws: np.ndarray) -> dict[str, float | None]:
    lower, median, upper = np.quantile(draws, [0.05, 0.5, 0.95])
    return {"mean": float(draws.mean()), "median": float(median), "q5": float(lower), "q95": float(upper)}
