"""`phase_probabilities`: in which phase of training a layer is, by stated conventions on its posterior."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes._arguments import check_result
from htmp_bayes._errors import HTMPError
from htmp_bayes._results import group, law_of, open_law

type Array = NDArray[np.float64]

PHASES = (
    "random-like",
    "bleeding-out",
    "bulk-plus-spikes",
    "bulk-decay",
    "heavy-tailed",
    "rank-collapse",
)
# Quantile 0.999 of the Tracy-Widom law of order 1 (tables of Bejan 2005): noise is beyond once in a thousand matrices.
_TRACY_WIDOM = 3.27
_DRAWS = 400
_TOP = 10


class PhaseError(HTMPError):
    """A result that has no phase: of a kernel matrix."""


@dataclass(frozen=True)
class PhaseConventions:
    """Where one phase ends and the next begins: choices, and not facts about networks.

    Attributes
    ----------
    collapsed : float
        Share of zero eigenvalues from which on a layer has collapsed.
    heavy_tail : float
        Largest tail index of a heavy tail. At 4 the third moment of the eigenvalues is infinite.
    decaying : float
        Share of the law beyond the edge of noise from which on the bulk is not that of noise.
    separated : float
        A spike is separated if the largest eigenvalue is more than so many times the edge of noise.
    """

    collapsed: float = 0.1
    heavy_tail: float = 4.0
    decaying: float = 0.04
    separated: float = 1.5


def phase_probabilities(result: xr.DataTree, conventions: PhaseConventions | None = None) -> dict[str, float]:
    r"""Posterior probability of each of the 5+1 phases of training (Martin & Mahoney 2021).

    Each of up to 400 evenly thinned posterior draws is put into one phase; the share of draws is its
    probability. With :math:`\lambda_+ = m (1 + \sqrt\gamma)^2` the edge of noise of the draw's mean m, a draw is

    1. ``rank-collapse``, if one eigenvalue in ten or more is zero; else
    2. ``heavy-tailed``, if the tail index is 4 or less; else
    3. ``bulk-plus-spikes``, if there are spikes and the largest eigenvalue is beyond
       :math:`1.5\,\lambda_+`; else
    4. ``bulk-decay``, if 4 % or more of the draw's law lie beyond :math:`\lambda_+`, which at a small
       correlation is a small repulsion kappa, and at a large one is the correlation; else
    5. ``bleeding-out``, if the largest eigenvalue is larger than that of noise is once in a thousand times
       (``bulk-plus-spikes``, if it is beyond :math:`1.5\,\lambda_+`); else
    6. ``random-like``.

    Parameters
    ----------
    result : xarray.DataTree
        What `htmp_bayes.fit` returns, of a weight matrix. There are spikes in the draws in which
        ``posterior["n_spikes"]`` is positive. A result without it has spikes if one of the ten largest
        eigenvalues is further from the next (as a ratio) than in 99 of 100 posterior-predictive spectra; a fit that
        has not separated the spikes takes some of them for a tail, so separate them first where it
        matters.
    conventions : PhaseConventions, optional
        Other numbers than these.

    Returns
    -------
    dict of str to float
        Probabilities of the phases, in the order of training, with sum 1.

    Raises
    ------
    PhaseError
        A ValueError, if the result is one of the inverse law: the phases are those of weights.
    ResultError
        A ValueError, if the result lacks a group.

    Notes
    -----
    Martin & Mahoney tell the phases apart by eye, from the same features; the numbers are this package's. A
    log-normal population has no power law, whatever its width, and is never heavy-tailed. The phase describes a
    spectrum and is no verdict on the layer.

    References
    ----------
    Martin & Mahoney (2021), J. Mach. Learn. Res. 22 (165): section 4. Johnstone (2001), Ann. Stat. 29, 295:
    largest eigenvalue of noise, theorem 1.1.

    Examples
    --------
    >>> import htmp_bayes as hb
    >>> noise = hb.Spectrum.from_matrix(np.random.default_rng(1).normal(size=(60, 240)), name="noise")
    >>> probabilities = phase_probabilities(hb.fit(noise, draws=200, tune=200, random_seed=1))
    >>> max(probabilities, key=probabilities.get)
    'random-like'
    """
    limits = conventions or PhaseConventions()
    check_result(result)
    if result.attrs.get("law") == "inverse-htmp":
        raise PhaseError(
            "The phases of training are those of weight matrices, and this is a fit of the inverse law; pass "
            "the fit of a layer's weights."
        )
    posterior, constant = group(result, "posterior"), group(result, "constant_data")
    eigenvalues = np.sort(group(result, "observed_data")["eigenvalues"].to_numpy())
    zeros = float(constant["zeros"])
    if zeros >= limits.collapsed * (zeros + eigenvalues.size):
        return {phase: float(phase == "rank-collapse") for phase in PHASES}
    draws = _thinned(posterior)
    means, beyond = _of_open_law(result) if "population" in result.children else _of_law(result, draws)
    root = np.sqrt(float(constant["gamma"]))
    separated = eigenvalues[-1] > limits.separated * means * (1 + root) ** 2
    outlying = eigenvalues[-1] > means * _largest_of_noise(eigenvalues.size, int(constant["n"]))
    spikes = draws["n_spikes"] > 0 if "n_spikes" in draws else _has_gap(result, eigenvalues)
    phases = np.select(
        [
            draws["tail_index"] <= limits.heavy_tail,
            spikes & separated,
            beyond >= limits.decaying,
            outlying & separated,
            outlying,
        ],
        ["heavy-tailed", "bulk-plus-spikes", "bulk-decay", "bulk-plus-spikes", "bleeding-out"],
        "random-like",
    )
    return {phase: float(np.mean(phases == phase)) for phase in PHASES}


def _thinned(posterior: xr.Dataset) -> dict[str, Array]:
    """Evenly thinned draws; a correlation that is left out is 0, and a tail index that is left out infinite."""
    size = posterior["kappa"].size
    kept = np.linspace(0, size - 1, min(size, _DRAWS)).round().astype(int)
    draws = {str(name): values.to_numpy().reshape(-1)[kept] for name, values in posterior.items()}
    return {"correlation": np.zeros(len(kept)), "tail_index": np.full(len(kept), np.inf)} | draws


def _of_open_law(result: xr.DataTree) -> tuple[Array, Array]:
    """Find as much of the laws of an open population."""
    law = open_law(result, _DRAWS)
    means = law.mean()
    edges = means * (1 + np.sqrt(law.gamma)) ** 2
    return means, law.sf_at_own(edges)


def _of_law(result: xr.DataTree, draws: dict[str, Array]) -> tuple[Array, Array]:
    """Mean of each draw's law, and its share beyond the edge of noise of that mean.

    Where the mean is infinite, so is the tail's weight: it is heavy before it comes to this.
    """
    gamma, population = float(group(result, "constant_data")["gamma"]), str(result.attrs["population"])
    law = law_of(draws["kappa"], gamma, draws["temperature"], draws["correlation"], population)
    means = np.asarray(law.mean())
    finite = np.isfinite(means)
    edges = np.where(finite, means, 1.0) * (1 + np.sqrt(gamma)) ** 2
    return means, np.where(finite, law.sf(edges), 1.0)


def _largest_of_noise(size: int, n: int) -> float:
    """Quantile 0.999 of the largest eigenvalue of noise of mean 1 (Johnstone 2001, theorem 1.1)."""
    centre = np.sqrt(n - 1) + np.sqrt(size)
    scale = centre * (1 / np.sqrt(n - 1) + 1 / np.sqrt(size)) ** (1 / 3)
    return float(centre**2 + _TRACY_WIDOM * scale) / n


def _has_gap(result: xr.DataTree, eigenvalues: Array) -> bool:
    predicted = group(result, "posterior_predictive")["eigenvalues"].to_numpy()
    gaps = _widest_gap(predicted.reshape(-1, eigenvalues.size))
    return bool(_widest_gap(eigenvalues[None])[0] > np.quantile(gaps, 0.99))


def _widest_gap(spectra: Array) -> Array:
    """Largest ratio of neighbours among the largest eigenvalues, in the logarithm, for each row."""
    return np.diff(np.log(spectra[:, -_TOP - 1 :]), axis=1).max(axis=1)
