"""The walk that all layers of a network have in common over the steps of training, as a part of a PyMC model."""

from typing import Any


def common_walk(steps: int, median: Any, log_sd: float) -> Any:
    """Sample the movement of all layers together since the first step, shape ``(P, S)``: ``step_trend``.

    Its increments are normal with the standard deviation ``trend_spread``, which is log-normal (a first-order random
    walk: Rue & Held 2005, *Gaussian Markov Random Fields*, section 3.3.1).
    """
    import pymc as pm
    import pytensor.tensor as pt

    spread = pm.LogNormal("trend_spread", pt.log(median), log_sd, dims="parameter")
    unit = pm.Normal("trend_increment", 0.0, spread[:, None], shape=(median.shape[0], steps - 1))
    moved = pt.concatenate([pt.zeros_like(unit[:, :1]), pt.cumsum(unit, axis=1)], axis=1)
    return pm.Deterministic("step_trend", moved, dims=("parameter", "step"))
