"""A spectrum in the size of a word."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes._results import group

type Array = NDArray[np.float64]

_WIDTH, _HEIGHT, _BINS = 120, 28, 24


def sparkline(result: xr.DataTree) -> str:
    """Draw the histogram of the log-eigenvalues, with the mean predicted one as a line, as SVG.

    Parameters
    ----------
    result : xarray.DataTree
        What `htmp_bayes.fit` returns; without predictive spectra the line is left out.

    Returns
    -------
    str
        An ``svg`` element of numbers only, coloured by the classes ``data`` and ``law`` of the page.
    """
    observed = np.log(group(result, "observed_data")["eigenvalues"].to_numpy())
    edges = np.linspace(observed.min(), observed.max(), _BINS + 1)
    counts = np.histogram(observed, edges)[0].astype(float)
    shapes, highest = "", counts.max()
    if "posterior_predictive" in result.children:
        predicted = np.log(group(result, "posterior_predictive")["eigenvalues"].to_numpy().ravel())
        expected = np.histogram(predicted, edges)[0] * observed.size / predicted.size
        highest = max(highest, expected.max())
        places = (np.arange(_BINS) + 0.5) * _WIDTH / _BINS
        shapes = f'<path class="law" d="M{_points(places, _up(expected, highest))}"/>'
    steps = np.repeat(np.arange(_BINS + 1) * _WIDTH / _BINS, 2)
    heights = np.concatenate([[_HEIGHT], np.repeat(_up(counts, highest), 2), [_HEIGHT]])
    outline = f'<path class="data" d="M{_points(steps, heights)}"/>'
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" aria-hidden="true">{outline}{shapes}</svg>'


def _up(counts: Array, highest: float) -> Array:
    return (_HEIGHT - 1) * (1 - counts / highest) + 1


def _points(x: Array, y: Array) -> str:
    return " ".join(f"{a:.4g},{b:.3g}" for a, b in zip(x, y, strict=True))
