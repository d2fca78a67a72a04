"""The density that nutpie walks on is that of the stand-in, with its gradient."""

import numpy as np
import pytest

from htmp_bayes.models.layer.polynomial_density import log_density_with_gradient, polynomial_model
from htmp_bayes.models.layer.stand_in import Box, StandIn, _orders_of_degree
from htmp_bayes.models.nuts import sample_compiled

RNG = np.random.default_rng(1)


def stand_in(dimensions, degree=4, residuals=5):
    orders = _orders_of_degree(degree, dimensions)
    coefficients = RNG.normal(size=(residuals + 1, len(orders)))
    return StandIn(coefficients, orders, Box(np.zeros(dimensions), np.eye(dimensions)), 0.0)


@pytest.mark.parametrize("dimensions", [1, 2, 3, 4])
def test_it_is_the_stand_in_on_the_whole_line(dimensions):
    found = stand_in(dimensions)
    for x in RNG.normal(scale=2.0, size=(20, dimensions)):
        z = np.tanh(x / 2)
        jacobian = np.log((1 - z**2) / 4).sum()  # of z, and the uniform density
        value, _ = log_density_with_gradient(x, found.coefficients, found.orders)
        assert value == pytest.approx(found.log_density(z[None])[0] + jacobian, rel=1e-10)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_the_gradient_is_its_derivative(dimensions):
    found, step = stand_in(dimensions), 1e-5
    for x in RNG.normal(scale=2.0, size=(10, dimensions)):
        _, gradient = log_density_with_gradient(x, found.coefficients, found.orders)
        for d, slope in enumerate(gradient):
            away = step * np.eye(dimensions)[d]
            high, low = (
                log_density_with_gradient(x + s * away, found.coefficients, found.orders)[0] for s in (1, -1)
            )
            assert slope == pytest.approx((high - low) / (2 * step), rel=1e-5, abs=1e-5)


def test_far_away_it_is_finite():
    found = stand_in(2)
    value, gradient = log_density_with_gradient(np.array([800.0, -800.0]), found.coefficients, found.orders)
    assert value < -1500
    np.testing.assert_allclose(gradient, [-1.0, 1.0])


def test_draws_have_the_moments_of_a_known_density():
    """One residual z/0.2: a normal density, hardly cut off by the box."""
    orders = np.array([[0], [1]])
    model = polynomial_model(np.array([[0.0, 5.0], [0.0, 0.0]]), orders, lambda seed: np.array([0.3]))
    tree = sample_compiled(model, draws=1000, tune=300, chains=2, random_seed=1)
    z = tree["posterior"]["z"].to_numpy()
    assert z.shape == (2, 1000, 1)
    assert abs(z.mean()) < 4 * 0.2 / np.sqrt(500)
    assert z.std() == pytest.approx(0.2, rel=0.15)
