"""Rows and columns of a matrix that carry nothing, and what is said of them.

A dead row or column (an input that is always zero, a pruned channel, a filter that weight decay has shrunk to nothing)
is no part of what a law describes: it makes the aspect ratio wrong, and eigenvalues far below all others make any
spectrum look like one of small kappa.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from htmp_bayes.spectra.singular_values import Opened, blocks

DEAD = 1e-4
"""Norm of a row or column, relative to that of a typical one, up to which it is dead: its eigenvalue would be 1e-8 of
the others', and half precision, with a rounding of 5e-4, would not notice if it was gone."""

TYPICAL = 0.9
"""The typical norm is this quantile of those that are not zero: many may be dead, and a few may be very large."""

GAP = 1e3
"""Ratio of neighbouring eigenvalues below the median, with two or more below the gap, that noise never has."""

GAP_OF_ONE = 1e5
"""The same below the smallest eigenvalue alone, which in a square matrix can be next to nothing: 5 times in 1,000, and
with one more column never (4,000 matrices of 60 rows)."""


def squared_norms(opened: Opened) -> tuple[np.ndarray, np.ndarray, float]:
    """Squared norms of the rows and columns of a matrix that need not be in memory.

    Parameters
    ----------
    opened : callable
        ``opened() -> ndarray`` of shape (out, in).

    Returns
    -------
    rows, columns : ndarray, shapes (out,) and (in,)
        Not finite where an entry is not.
    largest : float
        Size of the largest entry; NaN or infinite if one is.

    Examples
    --------
    >>> rows, columns, largest = squared_norms(lambda: np.array([[3.0, 4.0], [0.0, 1.0]]))
    >>> rows.tolist(), columns.tolist(), largest
    ([25.0, 1.0], [9.0, 17.0], 4.0)
    """
    shape = opened().shape
    rows, columns, largest, start = np.zeros(shape[0]), np.zeros(shape[1]), [0.0], 0
    # a signalling NaN warns when it is converted, and squares leave the range of float64
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        for block in blocks(opened):
            values = block.astype(np.float64)
            largest.append(float(np.abs(values).max(initial=0.0)))
            np.square(values, out=values)
            rows[start : start + len(values)] = values.sum(axis=1)
            columns += values.sum(axis=0)
            start += len(values)
    return rows, columns, float(np.max(largest))


def live_lines(squares: np.ndarray) -> np.ndarray:
    """Say which rows (or columns) of a matrix are not dead.

    Parameters
    ----------
    squares : ndarray, shape (lines,)
        Squared norm of each.

    Returns
    -------
    ndarray of bool, shape (lines,)
        False where the norm is at most `DEAD` times the quantile `TYPICAL` of those that are not zero.

    Examples
    --------
    >>> live_lines(np.array([1.0, 2.0, 0.0, 1e-12, 1.5])).tolist()
    [True, True, False, False, True]
    """
    positive = squares[squares > 0]
    if not positive.size:
        return np.zeros(squares.shape, dtype=bool)
    return squares > DEAD**2 * np.quantile(positive, TYPICAL)


def live_part(opened: Opened, rows: np.ndarray, columns: np.ndarray) -> Opened:
    """Matrix without its dead rows and columns; where there are any, a copy of the rest is held.

    Parameters
    ----------
    opened : callable
        ``opened() -> ndarray`` of shape (out, in).
    rows, columns : ndarray of bool, shapes (out,) and (in,)
        Which are not dead.

    Returns
    -------
    callable
        As ``opened``.
    """
    if rows.all() and columns.all():
        return opened
    live = np.empty((int(rows.sum()), int(columns.sum())), opened().dtype)
    filled = start = 0
    for block in blocks(opened):
        kept = block[rows[start : start + len(block)]][:, columns]
        live[filled : filled + len(kept)] = kept
        filled, start = filled + len(kept), start + len(block)
    return lambda: live


def note_of(opened: Opened) -> str:
    """Say how many rows and columns of a matrix are dead, or that it is not finite; nothing if neither is so.

    Parameters
    ----------
    opened : callable
        ``opened() -> ndarray`` of shape (out, in).

    Examples
    --------
    >>> note_of(lambda: np.eye(60, 70))
    '10 of 70 columns are dead'
    """
    *norms, largest = squared_norms(opened)
    if not np.isfinite(largest):
        return "it has entries that are not finite"
    lines = zip(("rows", "columns"), map(live_lines, norms), strict=True)
    found = [f"{(~live).sum()} of {live.size} {name}" for name, live in lines if not live.all()]
    return f"{' and '.join(found)} are dead" if found else ""


def cautions_of(eigenvalues: np.ndarray, known: Mapping[Any, Any]) -> Iterator[str]:
    """Say what was left out of the spectra of a fit as zero or dead, and what may yet be dead in them.

    Parameters
    ----------
    eigenvalues : ndarray, shape (..., N)
        Ascending, those of one layer or of many, then filled up with NaN.
    known : mapping
        ``n``, ``zeros`` and ``dead`` of the layer, or of each; of results of before without ``dead``.

    Yields
    ------
    str
        A sentence for each.

    Examples
    --------
    >>> bulk = np.linspace(1, 2, 100)
    >>> print(*cautions_of(bulk, {"n": 150, "zeros": 0, "dead": 250}))
    250 of 400 directions of the longer side are zero or dead; they are left out, and gamma is 100/150.
    """
    layers = [row[~np.isnan(row)] for row in eigenvalues.reshape(-1, eigenvalues.shape[-1])]
    n, zeros, dead = (
        np.broadcast_to(np.ravel(known.get(key, 0)), len(layers)) for key in ("n", "zeros", "dead")
    )
    if len(layers) > 1:
        if count := int(np.sum(zeros + dead > 0)):
            yield f"{count} of {len(layers)} layers have directions that are zero or dead; they are left out."
        if count := sum(gap_below(row) is not None for row in layers):
            yield f"{count} of {len(layers)} layers have {_GAP}."
        return
    (row,) = layers
    left_out = [f"{zeros[0]} of {zeros[0] + row.size} directions of the shorter side"] if zeros[0] else []
    left_out += [f"{dead[0]} of {dead[0] + n[0]} directions of the longer side"] if dead[0] else []
    if left_out:
        yield f"{' and '.join(left_out)} are zero or dead; they are left out, and gamma is {row.size}/{n[0]}."
    if (gap := gap_below(row)) is not None:
        yield f"The {gap[0]} smallest eigenvalues are {gap[1]:.1g} times smaller than the next: {_GAP}."


_GAP = (
    "a gap of many decades below the bulk, which decides kappa; if these directions are dead, fit the others "
    "without them (n too is then smaller)"
)


def gap_below(eigenvalues: np.ndarray) -> tuple[int, float] | None:
    """Find the widest gap among the eigenvalues below the median, if it is one of many decades.

    Parameters
    ----------
    eigenvalues : ndarray, shape (N,)
        Positive, ascending.

    Returns
    -------
    number : int
        Eigenvalues below the gap.
    ratio : float
        Of its two ends, `GAP` or more, or `GAP_OF_ONE` below one eigenvalue. Without such a gap there is nothing in
        place of both.

    Examples
    --------
    >>> gap_below(np.array([1e-14, 1e-12, 0.1, 0.5, 1.0, 2.0, 3.0]))
    (2, 100000000000.0)
    """
    lower = eigenvalues[: eigenvalues.size // 2 + 1]
    ratios = lower[1:] / lower[:-1]
    wide = ratios >= GAP
    wide[0] = ratios[0] >= GAP_OF_ONE
    place = int(np.where(wide, ratios, 0).argmax())
    return (place + 1, float(ratios[place])) if wide[place] else None
