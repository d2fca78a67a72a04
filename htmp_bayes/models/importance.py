"""Importance weights whose largest do not rest on a few draws."""

import numpy as np
from numpy.typing import NDArray

type Array = NDArray[np.float64]

# The tail is the largest fifth of the weights, and has five of them at least.
_FEWEST_SMOOTHED = 25
# Weights that are smaller than the largest by so many nats are none.
_NO_WEIGHT = 500.0


def smoothed_log_weights(log_weights: Array) -> tuple[Array, float]:
    """Smooth the largest weights, by the generalised Pareto distribution that describes them, and find its shape k.

    Vehtari, Simpson, Gelman, Yao & Gabry (2024), J. Mach. Learn. Res. 25, 72. Weights of a few draws
    stay as they are, and their k is not a number.

    Parameters
    ----------
    log_weights : ndarray
        Log weights, but for a constant; minus infinity where the weight is 0, but not all of them.

    Returns
    -------
    ndarray, float
        Log weights, but for a constant, and k.

    Examples
    --------
    >>> log_weights = np.random.default_rng(1).standard_normal(1000)
    >>> log_weights[0] = 20.0
    >>> smoothed, k = smoothed_log_weights(log_weights)
    >>> bool(smoothed.max() - np.median(smoothed) < 10), k > 0.7
    (True, True)
    """
    from arviz_stats.base import array_stats

    finite = np.maximum(log_weights, log_weights.max() - _NO_WEIGHT)
    if finite.size < _FEWEST_SMOOTHED:
        return finite - finite.max(), np.nan
    # it takes the logarithms of reciprocal weights
    smoothed, pareto_k = array_stats.psislw(-finite.ravel())
    return np.reshape(smoothed, finite.shape), float(pareto_k)
