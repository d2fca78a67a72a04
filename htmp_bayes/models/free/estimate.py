"""Mode and standard errors of what is reported of the open population, without sampling."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from htmp_bayes.models.free.posterior import FreePosterior
from htmp_bayes.models.free.reported import functionals

type Array = NDArray[np.float64]

ESTIMATED = (
    "kappa", "dyson_index", "correlation", "temperature", "tail_index", "lower_tail_index", "participation_ratio",
)  # fmt: skip
"""Names of what is estimated, in this order."""

_PLAIN = ("correlation", "lower_tail_index")
"""Their standard errors are their own; of the others, those of the logarithm."""

_STEP = 1e-4


def estimated(posterior: FreePosterior, inverse: bool) -> tuple[dict[str, float], dict[str, float]]:
    """Values at the mode, and their standard errors by the delta method.

    Parameters
    ----------
    posterior : FreePosterior
        The posterior.
    inverse : bool
        Whether the reciprocals of the eigenvalues follow the law.
    """
    mode = posterior.mode
    steps = np.zeros((2 * len(mode.theta) + 1, len(mode.theta)))
    steps[1::2], steps[2::2] = _STEP * np.eye(len(mode.theta)), -_STEP * np.eye(len(mode.theta))
    log_values = posterior.curve.log_values(mode.theta + steps)
    index = np.full(len(steps), np.exp(mode.log_index))
    found = functionals(posterior.curve, log_values, index, posterior.data.gamma, inverse)
    covariance = np.linalg.inv(mode.precision)
    values, errors = {}, {}
    for name in ESTIMATED:
        on_scale: Any = found[name] if name in _PLAIN else np.log(found[name])
        slopes = (on_scale[1::2] - on_scale[2::2]) / (2 * _STEP)
        values[name] = float(found[name][0])
        errors[name] = float(np.sqrt(max(slopes @ covariance @ slopes, 0.0)))
    for name in ("kappa", "dyson_index"):
        errors[name] = mode.log_index_sd
    errors["temperature"] = float(np.hypot(errors["temperature"], mode.log_index_sd))
    return values, errors
