"""The walk that all layers have in common starts at 0 and spreads as a random walk does."""

import numpy as np
import pymc as pm
import pytest

from htmp_bayes.models.network.common_walk import common_walk


def test_the_common_walk_starts_at_zero_and_spreads_like_one():
    median = np.array([0.15, 0.1, 0.1])
    with pm.Model(coords={"parameter": range(3), "step": range(9)}):
        trend, spread = common_walk(9, median, 1.0), pm.modelcontext(None)["trend_spread"]
        ends, spreads = pm.draw([trend, spread], draws=400, random_seed=1, mode="FAST_COMPILE")
    assert np.all(ends[:, :, 0] == 0)
    standard = ends[:, :, -1] / (spreads * np.sqrt(8))
    assert standard.var() == pytest.approx(1.0, abs=3 * np.sqrt(2 / standard.size))
    assert np.median(spreads, axis=0) == pytest.approx(median, rel=3 * 1.2533 / np.sqrt(400))
