"""Random walks of layers' parameters over the steps of a training run, as parts of a PyMC model.

The spectra are those of L / S layers, each at all S steps in turn: first-order random walks (Rue & Held 2005,
*Gaussian Markov Random Fields*, section 3.3.1) of each layer about a walk that all layers have in common.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def common_walk(steps: int, median: NDArray[np.float64], log_sd: float, share: NDArray[np.float64]) -> Any:
    """Sample the movement of all layers together since the first step, shape ``(3, S)``: ``step_trend``.

    Its increments are normal with the standard deviation ``trend_spread``, which is log-normal; they are
    non-centred where `share` is 0 and centred where it is 1.
    """
    import pymc as pm
    import pytensor.tensor as pt

    spread = pm.LogNormal("trend_spread", np.log(median), log_sd, dims="parameter")[:, None]
    share = share[:, None]
    sampled = pm.Normal("sampled_trend", 0.0, spread**share, shape=(len(median), steps - 1))
    moved = pt.cumsum(spread ** (1 - share) * sampled, axis=1)
    start = pt.zeros((len(median), 1))
    return pm.Deterministic("step_trend", pt.concatenate([start, moved], axis=1), dims=("parameter", "step"))


def partly_centred_walks(
    name: str, mean: Any, spread: Any, step_spread: Any, trend: Any, share: Any, steps: int
) -> Any:
    """Sample walks of one parameter, shape ``(L,)``: non-centred where `share` is 0 and centred where it is 1.

    The first value of a layer is normal about its `mean` with standard deviation `spread`; each other one is
    normal about the one before, moved as the common `trend` ``(S,)`` is, with `step_spread`.
    """
    import pymc as pm
    import pytensor.tensor as pt

    sampled = pm.Flat(f"sampled_{name}", dims="layer")
    columns, shares = (x.reshape((-1, steps)) for x in (sampled, share))
    middle, width = mean.reshape((-1, steps))[:, 0], spread
    values, densities = [], []
    for k in range(steps):
        column, weight = columns[:, k], shares[:, k]
        densities.append(pm.logp(pm.Normal.dist(weight * middle, width**weight), column))
        values.append(middle + width ** (1 - weight) * (column - weight * middle))
        if k + 1 < steps:
            middle, width = values[-1] + trend[k + 1] - trend[k], step_spread
    pm.Potential(f"{name}_prior", pt.stack(densities))
    return pm.Deterministic(name, pt.stack(values, axis=1).ravel(), dims="layer")


def walk_density(values: Any, mean: Any, spread: Any, step_spread: Any, trend: Any, steps: int) -> Any:
    """Return the log-density of such walks whose values, shape ``(L,)``, are sampled in another way."""
    import pymc as pm
    import pytensor.tensor as pt

    path, means = (x.reshape((-1, steps)) for x in (values, mean))
    first = pm.logp(pm.Normal.dist(means[:, 0], spread), path[:, 0])
    increments = path[:, 1:] - path[:, :-1] - (trend[1:] - trend[:-1])
    return pt.sum(first) + pt.sum(pm.logp(pm.Normal.dist(0.0, step_spread), increments))
