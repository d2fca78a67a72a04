"""Whether a result's law fits its spectrum, where it does not, and by how much: the one rule for all that says so."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes._results import group

type Array = NDArray[np.float64]

LEVEL = 0.01
"""A law fits if neither its counts nor its gaps have a probability below this."""

# A cell whose number of eigenvalues is so many standard deviations of a real matrix's off is named.
_FAR = 3.0
# At most so many stretches of the spectrum are named.
_MOST_NAMED = 3
# Cells at either end that are an edge or a tail.
_EDGE_CELLS = 3
# A gap that so small a share of predictive spectra exceeds is suspected to be that below a spike; the smallest share is
# 1/(draws + 1), so that with fewer predictive spectra none is that small.
SPIKE_LEVEL = 0.02
FEWEST_SPECTRA = 60
# Spikes are looked for among this many of the largest eigenvalues.
_MOST_SPIKES = 10


@dataclass(frozen=True)
class LawFit:
    """What counts and gaps of a spectrum say of the law: see :class:`htmp_bayes.models.layer.law_test.LawTest`."""

    chi_squared: float
    statistics: int
    probability_of_counts: float
    probability_of_gaps: float
    by_gaps: Array
    by_counts: Array
    kolmogorov_distance: float

    @property
    def counts_fit(self) -> bool:
        """Whether the counts are those of the law."""
        return self.probability_of_counts >= LEVEL

    @property
    def gaps_fit(self) -> bool:
        """Whether the gaps are those of the posterior's repulsion."""
        return not self.probability_of_gaps < LEVEL

    @property
    def fits(self) -> bool:
        """Whether the law fits."""
        return self.counts_fit and self.gaps_fit


def law_fit(result: xr.DataTree) -> LawFit | None:
    """Read what a result knows of its law's fit, or None if it is of another kind."""
    if "constant_data" not in result.children:
        return None
    constant = group(result, "constant_data")
    if "probability_of_counts" not in constant:
        return None
    return LawFit(
        float(constant["chi_squared"]),
        int(constant["statistics"]),
        float(constant["probability_of_counts"]),
        float(constant["probability_of_gaps"]),
        constant["dyson_index_by_gaps"].to_numpy(),
        constant["dyson_index_by_counts"].to_numpy(),
        float(constant["kolmogorov_distance"]),
    )


def is_misfit(result: xr.DataTree) -> bool:
    """Whether the law is known not to fit."""
    found = law_fit(result)
    return found is not None and not found.fits


class Stretch(NamedTuple):
    """A part of the spectrum with too many or too few eigenvalues.

    Attributes
    ----------
    place : str
        ``"bulk"``, ``"lower edge"`` or ``"upper tail"``.
    low, high : float
        Its ends, eigenvalues.
    excess : float
        Eigenvalues observed beyond those expected.
    """

    place: str
    low: float
    high: float
    excess: float


def stretches(result: xr.DataTree) -> list[Stretch]:
    """Where the number of eigenvalues is more than three standard deviations of a real matrix's off, worst first."""
    constant = group(result, "constant_data")
    excess, spread, low, high = (
        constant[name].to_numpy() for name in ("excess", "excess_sd", "cell_low", "cell_high")
    )
    far = np.abs(excess) > _FAR * spread
    inverse = result.attrs.get("law") == "inverse-htmp"
    found = [_stretch(run, excess, low, high, inverse) for run in _runs(far, np.sign(excess))]
    return sorted(found, key=lambda stretch: -abs(stretch.excess))[:_MOST_NAMED]


def _runs(far: NDArray[np.bool_], sign: Array) -> list[NDArray[np.int64]]:
    """Group the indices of neighbouring cells that are off on the same side."""
    runs: list[list[int]] = []
    for k in np.flatnonzero(far).tolist():
        if runs and runs[-1][-1] == k - 1 and sign[k] == sign[k - 1]:
            runs[-1].append(k)
        else:
            runs.append([k])
    return [np.array(run) for run in runs]


def _stretch(run: NDArray[np.int64], excess: Array, low: Array, high: Array, inverse: bool) -> Stretch:
    at_low, at_high = run[0] < _EDGE_CELLS, run[-1] >= len(excess) - _EDGE_CELLS
    ends = np.exp([low[run[0]], high[run[-1]]])
    if inverse:
        at_low, at_high, ends = at_high, at_low, 1 / ends[::-1]
    place = "lower edge" if at_low and not at_high else "upper tail" if at_high and not at_low else "bulk"
    return Stretch(place, float(ends[0]), float(ends[1]), float(excess[run].sum()))


class Gap(NamedTuple):
    """The widest gap below large eigenvalues.

    Attributes
    ----------
    probability : float
        Share of predictive spectra (and the observed one) with as wide a gap.
    observed, predicted : float
        Its width in log eigenvalue, and the median of the predictive spectra.
    above : int
        Number of eigenvalues above it.
    """

    probability: float
    observed: float
    predicted: float
    above: int


def widest_gap(observed: Array, predicted: Array) -> Gap:
    """Widest gap in log-eigenvalue among the largest ones, and the number j of eigenvalues above it.

    The gaps are compared after multiplication by the root of j. In a power-law tail the gap below the j-th largest is
    1/j of the first on average (Renyi 1953, Acta Math. Acad. Sci. Hung. 4, 191): as they are, the gap below several
    spikes would be lost beside the first gap of a law that reaches for them; times j, that below a single spike.

    Parameters
    ----------
    observed : ndarray
        Eigenvalues, shape ``(N,)``, ascending.
    predicted : ndarray
        Predictive spectra, shape ``(S, N)``, ascending in the last dimension.
    """
    gaps, usual = (np.diff(np.log(each[..., -_MOST_SPIKES - 1 :])) for each in (observed, predicted))
    above = np.arange(gaps.size, 0, -1)
    weighted, largest = np.sqrt(above) * gaps, (np.sqrt(above) * usual).max(axis=1)
    place = int(np.argmax(weighted))
    share = float((1 + np.sum(largest >= weighted[place])) / (1 + len(predicted)))
    return Gap(share, float(gaps[place]), float(np.median(usual[:, place])), int(above[place]))


def spectra(result: xr.DataTree) -> tuple[Array, Array] | None:
    """Observed and predictive spectra of a result, or None if there are too few of the latter."""
    if "posterior_predictive" not in result.children:
        return None
    predicted = group(result, "posterior_predictive")["eigenvalues"].to_numpy()
    predicted = predicted.reshape(-1, predicted.shape[-1])
    predicted = predicted[np.all(predicted > 0, axis=1)]
    if len(predicted) < FEWEST_SPECTRA:
        return None
    return group(result, "observed_data")["eigenvalues"].to_numpy(), predicted
