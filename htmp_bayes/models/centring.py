"""How the layers and effects of a network's model are best sampled: centred, non-centred, or in between.

An effect with prior N(mean, s²) that its data determine with error e mixes best if it is centred to the share
s²/(s² + e²): Papaspiliopoulos, Roberts & Sköld (2007), Statist. Sci. 22, 59, section 4. Neither s nor e is known
beforehand, and neither has to be exact: whatever the share, the posterior is the same.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from htmp_bayes.models.adjustment import Adjustment
from htmp_bayes.models.layer import CORRELATION_MAX, log_temperature
from htmp_bayes.models.layer_likelihood import CORRELATION_KNEE, KAPPA_KNEE, LikelihoodSurrogate

type Array = NDArray[np.float64]

# The expected spread counts as that of so many effects, beside those that are estimated.
_PRIOR_WEIGHT = 4.0
# Smaller correlations are as good as none; log kappa and logit correlation end where the likelihood has long been flat.
_LEAST_CORRELATION = 3e-3


class LayerSummary(NamedTuple):
    """Where a layer's adjusted likelihood is, in log kappa, logit(correlation / 3) and location.

    Attributes
    ----------
    peak : ndarray
        Place of the maximum, shape ``(3,)``.
    sd : ndarray
        Standard deviations under likelihood and weak prior, shape ``(3,)``.
    log_scale : float
        Logarithm of kappa T / (2 gamma) at the maximum.
    """

    peak: Array
    sd: Array
    log_scale: float


def summarise(
    surrogate: LikelihoodSurrogate,
    adjustment: Adjustment,
    layer: dict[str, Any],
    typical: Array,
    typical_sd: Array,
) -> LayerSummary:
    """Find maximum and standard deviations of a layer's adjusted likelihood.

    Parameters
    ----------
    surrogate : LikelihoodSurrogate
        The likelihood.
    adjustment : Adjustment
        The correction of its curvature.
    layer : dict
        What :func:`~htmp_bayes.models.layer.layer_data` returns.
    typical, typical_sd : ndarray
        A weak normal prior of log kappa and logit correlation, which keeps both finite where the likelihood is flat.
    """
    (kappa, correlation, location), likelihoods = surrogate.weighted_points()
    expected = layer["log_mean"] + layer["log_sd"] * location
    evaluated = np.stack([np.log(kappa), correlation, expected], axis=-1)
    away = adjustment.straightened(evaluated) - adjustment.centre
    straight = adjustment.straightened(adjustment.origin) + np.linalg.solve(adjustment.stretch, away.T).T
    points = adjustment.bent(straight)
    share = np.clip(np.abs(points[:, 1]) / CORRELATION_MAX, _LEAST_CORRELATION / CORRELATION_MAX, 1 - 1e-3)
    points[:, 1] = logit(share)
    points[:, 2] = (points[:, 2] - layer["log_mean"]) / layer["log_sd"]
    away = (points[:, :2] - typical) / typical_sd
    weights = likelihoods * _volume(kappa, correlation) * np.exp(-0.5 * np.sum(away**2, axis=1))
    weights /= weights.sum()
    peak = points[likelihoods.argmax()]
    sd = np.sqrt(weights @ (points - weights @ points) ** 2)
    log_t = log_temperature(np.exp(peak[0]), peak[2], layer)
    return LayerSummary(peak, sd, float(peak[0] + log_t - np.log(2 * layer["gamma"])))


def _volume(kappa: Array, correlation: Array) -> Array:
    """Volume in log kappa and logit correlation of a unit of the polynomial's coordinates, but for a factor."""
    rho = np.clip(correlation, _LEAST_CORRELATION, (1 - 1e-3) * CORRELATION_MAX)
    by_logit = (rho**2 + CORRELATION_KNEE**2) / (rho**2 * (CORRELATION_MAX - rho))
    return (1 + kappa / KAPPA_KNEE) * by_logit


def layer_shares(residuals: Array, errors: Array, expected_spread: Array) -> Array:
    """Share to which each layer is centred, 0 (not at all) to 1.

    Parameters
    ----------
    residuals : ndarray
        Estimates of the layers less what their group explains, shape ``(L, P)``.
    errors : ndarray
        Standard errors of the estimates, the same shape.
    expected_spread : ndarray
        Prior median of the layers' spread, shape ``(P,)``.

    Examples
    --------
    >>> layer_shares(np.array([[0.5], [-0.5]]), np.array([[0.1], [2.0]]), np.array([0.5])).round(2).ravel()
    array([0.95, 0.05])
    """
    spread = _spread_squared(residuals, errors**2, expected_spread)
    return spread / (spread + errors**2)


def effect_shares(means: Array, errors: Array, counts: Array, layer_spread: Array, expected: Array) -> Array:
    """Share to which the effects of groups of layers are centred, one for each of P parameters.

    Parameters
    ----------
    means : ndarray
        Mean residual of each of G groups, shape ``(G, P)``.
    errors : ndarray
        Root mean square of the standard errors of a group's layers, shape ``(G, P)``.
    counts : ndarray
        Number of layers of each group, shape ``(G,)``.
    layer_spread, expected : ndarray
        Prior medians of the spread of layers within a group, and of the groups, shape ``(P,)``.
    """
    variances = (errors**2 + layer_spread**2) / counts[:, None]
    spread = _spread_squared(means, variances, expected)
    return np.mean(spread / (spread + variances), axis=0)


def _spread_squared(effects: Array, variances: Array, expected: Array) -> Array:
    excess = np.maximum(effects**2 - variances, 0.0).sum(axis=0)
    return (_PRIOR_WEIGHT * expected**2 + excess) / (_PRIOR_WEIGHT + len(effects))
