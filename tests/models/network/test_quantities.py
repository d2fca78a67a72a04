"""Scales on which quantities are pooled, and what is taken of a layer's fit."""

import numpy as np
import pytest
import xarray as xr

from htmp_bayes.models.network.quantities import QUANTITIES, named, typical_prior, values_of

RANGES = {
    "participation_ratio": (0.01, 0.99),
    "tail_index": (1.5, 30.0),
    "lower_tail_index": (-0.5, 30.0),
}


@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda quantity: quantity.name)
def test_scales_lead_back(quantity):
    values = np.linspace(*RANGES.get(quantity.name, (0.05, 20.0)), 50)
    pooled = quantity.pooled(values)
    assert np.all(np.isfinite(pooled))
    assert quantity.natural(pooled) == pytest.approx(values, rel=1e-12)


def test_limits_of_noise_are_finite():
    by_name = {quantity.name: quantity for quantity in QUANTITIES}
    assert np.isfinite(by_name["participation_ratio"].pooled(np.ones(1))).all()
    assert np.isfinite(by_name["correlation"].pooled(np.zeros(1))).all()


def test_the_prior_of_the_mean_moves_with_the_eigenvalues_and_that_of_the_correlation_does_not():
    quantities = named(["correlation", "mean"])
    first, second = (typical_prior(quantities, np.array([0.3, mean]), [100, 200])[0] for mean in (0.0, 5.0))
    assert (second - first).tolist() == [0.0, 5.0]


def test_kappa_over_n_has_the_prior_of_a_single_layer():
    mean, sd = typical_prior(named(["dyson_index"]), np.zeros(1), [100, 400])
    ends = np.exp(mean + np.array([-1.96, 1.96]) * sd) * 200  # kappa at N = 200, the geometric mean
    assert ends == pytest.approx([0.5, 4 * 200], rel=0.05)


def fit_of(posterior, population="inverse-gamma"):
    dims = ("chain", "draw")
    draws = {name: (dims, np.atleast_2d(values)) for name, values in posterior.items()}
    prior = {name: values for name, values in draws.items() if name != "mean"}
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(draws),
            "prior": xr.Dataset(prior),
            "constant_data": xr.Dataset({"gamma": 0.5}),
        }
    )
    tree.attrs["population"] = population
    return tree


def test_scale_and_mean_are_made_of_the_draws():
    result = fit_of(
        {"kappa": [2.0, 4.0], "temperature": [1.0, 1.0], "correlation": [0.3, 0.5], "mean": [1.0, 1.0]}
    )
    assert values_of(result, "posterior")["scale"].tolist() == [2.0, 4.0]
    means = values_of(result, "prior")["mean"]
    assert means[0] > 2.0
    assert means[1] / 4.0 > means[0] / 2.0  # the wider population has the larger mean


def test_what_is_infinite_in_a_draw_is_left_out_of_the_posterior_but_not_of_the_prior():
    result = fit_of(
        {"kappa": [2.0, 4.0], "temperature": [1.0, 1.0], "correlation": [0.3, 2.0], "mean": [1.0, np.inf]}
    )
    assert "mean" not in values_of(result, "posterior")
    assert len(values_of(result, "prior")["mean"]) == 1
