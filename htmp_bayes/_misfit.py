"""Where a spectrum and the predictive spectra of its posterior differ: bulk, lower edge, upper tail, spikes."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes._results import group

type Array = NDArray[np.float64]

# Share of the eigenvalues that make up an edge, and the fewest.
_EDGE = 0.02
_FEWEST = 2
# A statistic that so small a share of predictive spectra exceeds is a misfit; the smallest share is 1/(draws + 1).
LEVEL = 0.02
# With fewer predictive spectra no share is that small.
FEWEST_SPECTRA = 60
# Spikes are looked for among this many of the largest eigenvalues.
_MOST_SPIKES = 10


class Misfit(NamedTuple):
    """A statistic of the spectrum beside its values for the predictive spectra.

    Attributes
    ----------
    probability : float
        Share of predictive spectra (and the observed one) whose statistic is as extreme; two-sided for edges.
    observed, predicted : float
        The statistic of the spectrum, and its median over the predictive spectra.
    """

    probability: float
    observed: float
    predicted: float


def bulk(observed: Array, predicted: Array) -> Misfit:
    """Largest distance between an ECDF of log-eigenvalues and the average predictive ECDF, in the middle 90 %.

    Parameters
    ----------
    observed : ndarray
        Eigenvalues, shape ``(N,)``, ascending.
    predicted : ndarray
        Predictive spectra, shape ``(S, N)``, ascending in the last dimension.
    """
    grid = np.quantile(predicted, np.linspace(0.05, 0.95, 91))
    ecdfs = np.array([np.searchsorted(row, grid, side="right") for row in predicted]) / predicted.shape[1]
    total, count = ecdfs.sum(axis=0), len(ecdfs)
    own = np.abs(np.searchsorted(observed, grid, side="right") / len(observed) - total / count).max()
    # each predictive spectrum beside the average of the others
    others = np.abs(ecdfs - (total - ecdfs) / (count - 1)).max(axis=1)
    return Misfit(_upper_share(own, others), float(own), float(np.median(others)))


def lower_edge(observed: Array, predicted: Array) -> Misfit:
    """Mean logarithm of the smallest 2 % of the eigenvalues, two of them at least."""
    count = _edge_count(len(observed))
    return _two_sided(np.log(observed[:count]).mean(), np.log(predicted[:, :count]).mean(axis=1))


def upper_tail(observed: Array, predicted: Array) -> Misfit:
    """Mean logarithm of the largest 2 % of the eigenvalues, two of them at least."""
    count = _edge_count(len(observed))
    return _two_sided(np.log(observed[-count:]).mean(), np.log(predicted[:, -count:]).mean(axis=1))


def spikes(observed: Array, predicted: Array) -> tuple[Misfit, int]:
    """Widest gap in log-eigenvalue among the largest ones, and the number j of eigenvalues above it.

    The gaps are compared after multiplication by the root of j. In a power-law tail the gap below the j-th largest is
    1/j of the first on average (Renyi 1953, Acta Math. Acad. Sci. Hung. 4, 191): as they are, the gap below several
    spikes would be lost beside the first gap of a law that reaches for them; times j, that below a single spike.
    """
    gaps, usual = (np.diff(np.log(each[..., -_MOST_SPIKES - 1 :])) for each in (observed, predicted))
    above = np.arange(gaps.size, 0, -1)
    weighted = np.sqrt(above) * gaps
    place = int(np.argmax(weighted))
    share = _upper_share(weighted[place], (np.sqrt(above) * usual).max(axis=1))
    return Misfit(share, float(gaps[place]), float(np.median(usual[:, place]))), int(above[place])


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


def _edge_count(size: int) -> int:
    return max(_FEWEST, round(_EDGE * size))


def _upper_share(observed: float, predicted: Array) -> float:
    return float((1 + np.sum(predicted >= observed)) / (1 + len(predicted)))


def _two_sided(observed: float, predicted: Array) -> Misfit:
    above, below = _upper_share(observed, predicted), _upper_share(-observed, -predicted)
    return Misfit(min(1.0, 2 * min(above, below)), float(observed), float(np.median(predicted)))
