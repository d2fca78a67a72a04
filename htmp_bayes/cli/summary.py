"""The summary of a run: one row for each layer, as a CSV file and as a table to read."""

import csv
import io
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from htmp_bayes._cells import as_cell
from htmp_bayes._numbers import interval, shared_exponent, times_ten_to
from htmp_bayes._results import group
from htmp_bayes.cli.terminal import printable
from htmp_bayes.layer_names import common_prefix
from htmp_bayes.results.misfit import law_fit

if TYPE_CHECKING:
    import xarray as xr
    from rich.table import Table

    from htmp_bayes.checks import Verdict

HEADINGS = {
    "kappa": "κ",
    "dyson_index": "κ/N",
    "temperature": "T",
    "correlation": "correlation",
    "tail_index": "tail index",
    "lower_tail_index": "lower tail index",
    "participation_ratio": "participation ratio",
    "mean": "mean",
}
PARAMETERS = tuple(HEADINGS)
_WORDS = ("draws", "law", "type", "kind")
SHOWN = ("dyson_index", "correlation", "tail_index")
"""Parameters that the table of a terminal has room for."""
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


def as_table(rows: Iterable[Row], width: int, wide: bool = False) -> "Table":
    """Table of the layers with a verdict on draws and law, and the median and 90 % interval of what matters most.

    Parameters
    ----------
    rows : iterable of mapping
        What `summary_row` returns for each layer.
    width : int
        Columns of the terminal: if a row does not fit on a line, names lose what all begin with, and then intervals
        stand below the medians.
    wide : bool
        All parameters, sizes and diagnostics, for a terminal of some 200 columns.
    """
    rows = list(rows)
    prefix = common_prefix([row["layer"] for row in rows])
    for separator, cut in ((" ", ""), (" ", prefix), ("\n", prefix)):
        table = _table(rows, separator, wide, cut)
        if _natural_width(table) <= width:
            break
    return table


def _table(rows: list[Row], separator: str, wide: bool, prefix: str) -> "Table":
    """Make the table: medians and intervals on one line, or on two."""
    from rich.text import Text

    columns: list[Column] = [
        *([_plain("N", "n_eigenvalues", "d"), _plain("gamma", "gamma", ".3f")] if wide else []),
        *_verdicts(rows, separator),
        *(_parameter(name, rows, separator) for name in _known_names(rows, wide)),
        *([_spikes_column(separator)] if any("n_spikes" in row for row in rows) else []),
        *([_worst("R-hat", "r_hat", max, ".3f"), _worst("bulk ESS", "ess_bulk", min, ".0f")] if wide else []),
        *([_plain("diverging", "divergences", "d")] if wide else []),
    ]
    cells = [(heading, column if isinstance(column, list) else [column(row) for row in rows])
             for heading, column in columns]  # fmt: skip
    table = empty_table(
        *(heading for heading, _ in cells), layer=f"layer ({printable(prefix)}…)" if prefix else "layer"
    )
    for number, row in enumerate(rows):
        name = printable(row["layer"].removeprefix(prefix))
        table.add_row(Text(name), *(Text(column[number]) for _, column in cells))
    return table


def _known_names(rows: list[Row], wide: bool) -> list[str]:
    """Name the parameters to show that some layer has, or of which it says that they are infinite."""
    known = {name for name in PARAMETERS if any(f"{name}_median" in row for row in rows)} | {"mean"}
    return [name for name in (PARAMETERS if wide else SHOWN) if name in known]


def _natural_width(table: "Table") -> int:
    from rich.console import Console

    console = Console(width=10_000)
    return console.measure(table).maximum


def empty_table(*headings: str, layer: str = "layer") -> "Table":
    """Make a table with a column for the layer and one for each of the headings."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    table.add_column(layer, overflow="fold", min_width=12)
    for heading in headings:
        words = heading.partition("\n")[0] in _WORDS
        table.add_column(heading, justify="left" if words else "right", no_wrap=True)
    return table


Column = tuple[str, Callable[[Row], str] | list[str]]


def _plain(heading: str, name: str, number: str) -> Column:
    return heading, lambda row: f"{row[name]:{number}}"


def _parameter(name: str, rows: list[Row], separator: str) -> Column:
    """Heading with the power of ten that the column has in common, and its cells."""
    power = shared_exponent(row[f"{name}_median"] for row in rows if f"{name}_median" in row)
    heading = f"{HEADINGS[name]} {times_ten_to(power)}" if power else HEADINGS[name]
    return heading, [_interval(row, name, separator, power) for row in rows]


def _spikes_column(separator: str) -> Column:
    return (
        "spikes",
        lambda row: (
            f"{row['n_spikes']}{separator}(p = {row['n_spikes_probability']:.2g})"
            if "n_spikes" in row
            else "-"
        ),
    )


def _worst(heading: str, statistic: str, worst: Callable[[list[float]], float], number: str) -> Column:
    def cell(row: Row) -> str:
        values = [row[f"{name}_{statistic}"] for name in PARAMETERS if f"{name}_{statistic}" in row]
        return "-" if None in values else f"{worst(values):{number}}"

    return heading, cell


def _verdicts(rows: list[Row], separator: str) -> list[Column]:
    """Say what draws and law are worth: in two columns, or in one where a row has two lines."""
    draws, law = [_of_draws(row) for row in rows], [_of_law(row) for row in rows]
    if separator == "\n":
        return [("draws\nlaw", list(map("\n".join, zip(draws, law, strict=True))))]
    return [("draws", draws), ("law", law)]


def _of_draws(row: Row) -> str:
    if not row["usable"]:
        return "NOT USABLE"
    return "with care" if row["cautions"] else "usable"


def _of_law(row: Row) -> str:
    return "-" if row["fits"] is None else "fits" if row["fits"] else "MISFIT"


def why(rows: Iterable[Row]) -> Iterator[str]:
    """Say why layers are not usable, do not fit or want care: a line for each."""
    for row in rows:
        sentences = [row[kind] for kind in ("reasons", "misfits", "cautions") if row[kind]]
        if sentences:
            yield f"{row['layer']}: {' '.join(sentences)}"


def _interval(row: Row, name: str, separator: str, power: int) -> str:
    if f"{name}_median" not in row:
        return f"infinite{separator}(p = {row['probability_infinite_mean']:.2g})" if name == "mean" else "-"
    return interval(row[f"{name}_median"], row[f"{name}_q5"], row[f"{name}_q95"], separator, power)


def _known(value: float) -> float | None:
    """Keep NaN, which neither JSON nor a reader of the table knows what to do with, out of the row."""
    return value if math.isfinite(value) else None


def _statistics(draws: np.ndarray) -> dict[str, float | None]:
    lower, median, upper = np.quantile(draws, [0.05, 0.5, 0.95])
    return {"mean": float(draws.mean()), "median": float(median), "q5": float(lower), "q95": float(upper)}
