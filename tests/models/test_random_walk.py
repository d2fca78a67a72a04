"""Random walks over steps: what is sampled has the density that is meant, however far it is centred."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from scipy.stats import norm

from htmp_bayes.models.random_walk import common_walk, partly_centred_walks, walk_density

LAYERS, STEPS = 3, 4
SPREAD, STEP_SPREAD = 0.7, 0.2
TREND = np.array([0.0, -0.5, -0.4, 0.3])


def density(path, mean):
    """By its definition, with the mean of each layer at its first step."""
    total = norm.logpdf(path[:, 0], mean[:, 0], SPREAD).sum()
    for k in range(1, STEPS):
        total += norm.logpdf(path[:, k], path[:, k - 1] + TREND[k] - TREND[k - 1], STEP_SPREAD).sum()
    return total


@pytest.mark.parametrize("centred", ["not", "wholly", "partly"])
def test_walks_have_their_density_however_far_they_are_centred(centred):
    rng = np.random.default_rng(1)
    mean = np.repeat(rng.normal(2.0, 1.0, (LAYERS, 1)), STEPS, axis=1)
    share = {"not": np.zeros, "wholly": np.ones, "partly": rng.random}[centred](LAYERS * STEPS)
    sampled = rng.normal(size=LAYERS * STEPS)
    with pm.Model(coords={"layer": range(LAYERS * STEPS)}) as model:
        walks = partly_centred_walks(
            "x", pt.as_tensor(mean.ravel()), SPREAD, STEP_SPREAD, TREND, pt.as_tensor(share), STEPS
        )
        meant = walk_density(walks, pt.as_tensor(mean.ravel()), SPREAD, STEP_SPREAD, TREND, STEPS)
    outputs = model.replace_rvs_by_values([walks, model.logp(), meant])
    evaluate = pytensor.function(model.value_vars, outputs, mode="FAST_COMPILE")
    values, found, of_values = evaluate(sampled)
    path = values.reshape(LAYERS, STEPS)
    expected = density(path, mean)
    assert of_values == pytest.approx(expected, rel=1e-12)
    width = np.tile([SPREAD] + [STEP_SPREAD] * (STEPS - 1), LAYERS)
    assert found == pytest.approx(expected + np.sum((1 - share) * np.log(width)), rel=1e-12)


def test_the_common_walk_starts_at_zero_and_spreads_like_one():
    median = np.array([0.15, 0.1, 0.1])
    coords = {"parameter": range(3), "step": range(9)}
    for share in (np.zeros(3), np.ones(3)):
        with pm.Model(coords=coords):
            trend, spread = common_walk(9, median, 1.0, share), pm.modelcontext(None)["trend_spread"]
            ends, spreads = pm.draw([trend, spread], draws=400, random_seed=1, mode="FAST_COMPILE")
        assert np.all(ends[:, :, 0] == 0)
        standard = ends[:, :, -1] / (spreads * np.sqrt(8))
        assert standard.var() == pytest.approx(1.0, abs=3 * np.sqrt(2 / standard.size))
        assert np.median(spreads, axis=0) == pytest.approx(median, rel=3 * 1.2533 / np.sqrt(400))
