"""The joint density as a model: value and gradient through PyTensor."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from numpy.testing import assert_allclose

from htmp_bayes.laws import joint_logpdf
from htmp_bayes.laws.ensemble import sample_ensemble
from htmp_bayes.models.layer.data import layer_data
from htmp_bayes.models.layer.joint_density import (
    joint_data,
    joint_log_density,
    joint_log_likelihood,
    joint_model,
)
from htmp_bayes.models.layer.prior import expected_log, kappa_range, log_prior

EIGENVALUES = sample_ensemble(40, 3.0, 0.5, 0.2, random_state=1)


def test_value_and_gradient_of_the_op():
    data = joint_data(EIGENVALUES, 0.5)
    kappa, gamma, temperature = pt.dscalars("kappa", "gamma", "temperature")
    value = joint_log_density(data["statistics"], kappa, gamma, temperature)[0]
    compiled = pytensor.function(
        [kappa, gamma, temperature], [value, *pt.grad(value, [kappa, gamma, temperature])]
    )
    at = np.array([2.5, 0.4, 0.3])
    found = np.array(compiled(*at))
    assert_allclose(found[0], joint_logpdf(EIGENVALUES, *at), rtol=1e-12)
    for i, step in enumerate(1e-6 * np.eye(3)):
        rise = joint_logpdf(EIGENVALUES, *(at + step)) - joint_logpdf(EIGENVALUES, *(at - step))
        assert_allclose(found[1 + i], rise / 2e-6, rtol=1e-6)


def test_model_is_prior_times_joint_density():
    data = joint_data(EIGENVALUES, 0.5)
    kappa, location = 6.0, -0.3
    temperature = np.exp(data["log_mean"] + data["log_sd"] * location - expected_log(kappa, 0.5))
    by_hand = joint_logpdf(EIGENVALUES, kappa, 0.5, temperature)
    spectrum = layer_data(EIGENVALUES, 0.5, "none")
    by_hand += log_prior("kappa", kappa, spectrum) + log_prior("location", location, spectrum)
    low, high = kappa_range(40)
    start = np.log(kappa - low) - np.log(high - kappa)
    model = joint_model(data)
    found = model.compile_logp(jacobian=False)({"kappa_interval__": start, "location": location})
    assert_allclose(found, by_hand, rtol=1e-10)
    assert_allclose(
        joint_log_likelihood(data, np.array([[kappa]]), np.array([[temperature]])),
        [[joint_logpdf(EIGENVALUES, kappa, 0.5, temperature)]],
        rtol=1e-10,
    )


def test_equal_eigenvalues_are_refused():
    with pytest.raises(ValueError, match="two eigenvalues are equal"):
        joint_data([1.0, 1.0, 2.0], 0.5)
