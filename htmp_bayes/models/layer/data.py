"""What the likelihood of one spectrum needs of it: average counts over intervals, and the ratio of its gaps."""

import itertools
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from htmp_bayes.laws.compiled.htmp_density import INVERSE_GAMMA, LOG_NORMAL

type Array = NDArray[np.float64]

POPULATION_CODES = {"inverse-gamma": INVERSE_GAMMA, "log-normal": LOG_NORMAL, "none": LOG_NORMAL}
"""Codes of the populations; "none" is a point mass, a correlation of 0."""

FREE = "free"
"""Name of the open population (:mod:`htmp_bayes.models.free`)."""

# One interval for so many eigenvalues, and the fewest and most of them: see docs/likelihood.md for what that costs.
_EIGENVALUES_PER_INTERVAL = 5
_FEWEST, _MOST = 5, 60
# First step of log eigenvalue beyond the bulk's intervals, and how steps grow from one to the next.
_STEP, _GROWTH = 0.2, 1.2
# Length of an open population's last interval, above all eigenvalues: without it a direction might lie anywhere beyond
# the last one, and a short one would be as sharp as an edge that fluctuates.
_BEYOND = 3.0
# How many of the smallest eigenvalues lie below all intervals, by the aspect ratio: their count is far from normal, and
# for nearly square matrices the law does not hold for them at any finite N.
_LEFT_OUT = ((0.8, 2), (0.95, 4), (np.inf, 8))
_LARGEST_SHARE_LEFT_OUT = 0.1
# Cells of an interval, and their greatest length in log eigenvalue.
_CELLS, _CELL = 4, 0.04
# An open population's spikes have bands of their own, about 4/sqrt(n) long in log eigenvalue: cells are a seventh of
# that, within limits, as a likelihood of longer ones is not smooth where a band passes from one to the next. Long
# intervals, in which there is little, have so many.
_SHARE_OF_BAND, _SHORTEST_CELL, _MOST_CELLS = 0.6, 0.01, 40
# Gaps that are smaller than this share of their eigenvalues are ties, or rounding.
_TIE = 1e-9


@dataclass(frozen=True, eq=False)
class LayerData:
    """The spectrum of one layer, as its likelihood sees it.

    Attributes
    ----------
    size : int
        Number N of eigenvalues.
    gamma : float
        Aspect ratio N/n.
    population : str
        Name of the population, of `POPULATION_CODES`, or `FREE`.
    log_mean, log_sd : float
        Mean and standard deviation of the log-eigenvalues: the units of the prior.
    knots : ndarray
        Ends of the J intervals of log eigenvalue, ascending, shape ``(J + 1,)``.
    counts : ndarray
        Average of the number of eigenvalues up to x, over each interval of log x, shape ``(J,)``.
    gap_ratio : float
        Mean of min/max of successive gaps between eigenvalues.
    gap_ratios : int
        Of how many it is the mean.
    """

    size: int
    gamma: float
    population: str
    log_mean: float
    log_sd: float
    knots: Array
    counts: Array
    gap_ratio: float
    gap_ratios: int
    cell_middles: Array = field(repr=False)
    cell_widths: Array = field(repr=False)
    cell_intervals: NDArray[np.int64] = field(repr=False)

    @property
    def code(self) -> int:
        """Code of the population in :mod:`htmp_bayes.laws.compiled.htmp_density`."""
        return POPULATION_CODES[self.population]

    @property
    def in_long_intervals(self) -> NDArray[np.bool_]:
        """Which cells are part of an interval that has more of them than the least number."""
        return (np.bincount(self.cell_intervals) > _CELLS)[self.cell_intervals]

    @property
    def correlated(self) -> bool:
        """Whether the population has a spread."""
        return self.population != "none"


def layer_data(
    eigenvalues: ArrayLike, gamma: float, population: str = "inverse-gamma", knots: Array | None = None
) -> LayerData:
    """Reduce a spectrum to what its likelihood needs.

    Parameters
    ----------
    eigenvalues : array_like
        Positive eigenvalues, shape ``(N,)``, in any order, not all equal.
    gamma : float
        Aspect ratio of the matrix, known from its shape.
    population : {"inverse-gamma", "log-normal", "none", "free"}
        Law of the population spectrum.
    knots : ndarray, optional
        Ends of the intervals of log eigenvalue; by default those of :func:`interval_knots`.

    Raises
    ------
    ValueError
        If the population is unknown or the eigenvalues are not positive, finite and different.

    Examples
    --------
    >>> data = layer_data(np.linspace(0.5, 2.0, 50), gamma=0.25)
    >>> len(data.counts), round(data.log_sd, 3), round(data.gap_ratio, 6)
    (10, 0.391, 1.0)
    """
    if population not in (*POPULATION_CODES, FREE):
        raise ValueError(f"population must be one of {sorted((*POPULATION_CODES, FREE))}, got {population!r}")
    values = np.sort(_checked(eigenvalues))
    logarithms = np.log(values)
    if knots is None:
        knots = interval_knots(logarithms, gamma)
        knots = np.append(knots, knots[-1] + _BEYOND) if population == FREE else knots
    ratios = gap_ratios(values)
    return LayerData(
        len(values),
        float(gamma),
        population,
        float(logarithms.mean()),
        float(logarithms.std()),
        knots,
        average_counts(logarithms, knots),
        float(ratios.mean()) if len(ratios) else np.nan,
        len(ratios),
        *(_open_cells(knots, len(values), gamma) if population == FREE else cells(knots)),
    )


def _open_cells(knots: Array, size: int, gamma: float) -> tuple[Array, Array, NDArray[np.int64]]:
    longest = np.clip(_SHARE_OF_BAND / np.sqrt(size / gamma), _SHORTEST_CELL, _CELL)
    return cells(knots, float(longest), _MOST_CELLS)


def of_reciprocals(data: LayerData) -> LayerData:
    """See the same counts from the other side, as those of the reciprocal eigenvalues.

    A count of eigenvalues up to x is N less one of reciprocals up to 1/x: densities of the one are densities of the
    other, in the opposite order. The gaps are those of the eigenvalues.

    Examples
    --------
    >>> data = layer_data(np.linspace(0.5, 2.0, 50), gamma=0.25)
    >>> of_reciprocals(data).counts[0] == 50 - data.counts[-1]
    np.True_
    """
    knots = -data.knots[::-1]
    middles, widths, intervals = cells(knots)
    return replace(
        data, log_mean=-data.log_mean, knots=knots, counts=data.size - data.counts[::-1],
        cell_middles=middles, cell_widths=widths, cell_intervals=intervals,
    )  # fmt: skip


def _checked(eigenvalues: ArrayLike) -> Array:
    values = np.asarray(eigenvalues, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"eigenvalues must be a non-empty vector, got an array of shape {values.shape}")
    if not np.all(np.isfinite(values) & (values > 0)):
        raise ValueError("eigenvalues must be positive and finite: leave zeros out and count them separately")
    if values.min() == values.max():
        raise ValueError("all eigenvalues are equal: there is nothing to fit")
    return values


def interval_knots(logarithms: Array, gamma: float) -> Array:
    """Place the ends of the intervals: quantiles in the bulk, and growing steps beyond, up to the last eigenvalue.

    Parameters
    ----------
    logarithms : ndarray
        Log-eigenvalues, ascending, shape ``(N,)``.
    gamma : float
        Aspect ratio.

    Examples
    --------
    >>> interval_knots(np.linspace(0.0, 1.0, 40), gamma=0.5).round(2)
    array([0.11, 0.22, 0.33, 0.44, 0.56, 0.67, 0.78, 0.89, 1.09])
    """
    size = len(logarithms)
    intervals = int(np.clip(size // _EIGENVALUES_PER_INTERVAL, _FEWEST, _MOST))
    bulk = np.unique(np.quantile(logarithms, np.arange(1, intervals + 1) / (intervals + 1)))
    left_out = next(count for ratio, count in _LEFT_OUT if gamma <= ratio)
    lowest = logarithms[min(left_out, int(_LARGEST_SHARE_LEFT_OUT * size))]
    below = -_steps(-bulk[0], -lowest)[::-1]
    above = _steps(bulk[-1], logarithms[-1])
    knots = np.concatenate([below, bulk, above])
    knots = knots[knots >= lowest]
    # ties make intervals without length
    return knots[np.append(True, np.diff(knots) > 1e-6 * (knots[-1] - knots[0]))]


def _steps(start: float, end: float) -> Array:
    """Growing steps from `start`, without it, until `end` is passed."""
    places, step = [], _STEP
    while start < end:
        start += step
        step *= _GROWTH
        places.append(start)
    return np.array(places)


def average_counts(logarithms: Array, knots: Array) -> Array:
    """Average over each interval of the number of eigenvalues up to x; of spectra, shape ``(..., N)``.

    Examples
    --------
    >>> average_counts(np.array([0.0, 0.5, 2.0]), np.array([0.0, 1.0, 3.0]))
    array([1.5, 2.5])
    """
    low, high = knots[:-1], knots[1:]
    shares = np.stack(
        [np.clip((b - logarithms) / (b - a), 0.0, 1.0).sum(axis=-1) for a, b in zip(low, high, strict=True)]
    )
    return np.moveaxis(shares, 0, -1)


def cells(
    knots: Array, longest: float = _CELL, most: float = np.inf
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Cells of equal length in each interval: their middles and lengths, and the interval of each."""
    middles, widths, intervals = [], [], []
    for j, (low, high) in enumerate(itertools.pairwise(knots)):
        count = int(np.clip(np.ceil((high - low) / longest), _CELLS, most))
        middles.append(low + (high - low) * (np.arange(count) + 0.5) / count)
        widths.append(np.full(count, (high - low) / count))
        intervals.append(np.full(count, j))
    return np.concatenate(middles), np.concatenate(widths), np.concatenate(intervals)


def gap_ratios(eigenvalues: Array) -> Array:
    """Smaller over larger of each two successive gaps, without ties; eigenvalues ascending.

    Examples
    --------
    >>> gap_ratios(np.array([1.0, 2.0, 4.0, 4.0, 5.0]))
    array([0.5])
    """
    gaps = np.diff(eigenvalues)
    apart = gaps > _TIE * eigenvalues[1:]
    both = apart[1:] & apart[:-1]
    first, second = gaps[:-1][both], gaps[1:][both]
    return np.minimum(first, second) / np.maximum(first, second)
