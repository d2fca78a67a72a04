"""The Ops on JAX: values and gradients of the default backend, batches, and NumPyro's sampler."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from numpy.testing import assert_allclose

jax = pytest.importorskip("jax")

from htmp_bayes.laws.compiled.htmp_density import INVERSE_GAMMA, LOG_NORMAL  # noqa: E402
from htmp_bayes.models import HTMP, InverseHTMP  # noqa: E402
from htmp_bayes.models import jax_ops as jax_ops  # noqa: E402
from htmp_bayes.models.distributions.ops import log_cdf, log_density, log_sf  # noqa: E402

LOG_Y = np.array([-2.5, -0.7, 0.9, 2.4])


@pytest.mark.parametrize("op", [log_density, log_cdf, log_sf], ids=lambda op: type(op).__name__)
def test_values_and_gradients_are_the_default_backends(op):
    log_y, population = pt.dvector("log_y"), pt.lscalar("population")
    scalars = pt.dscalars("kappa", "gamma", "correlation")
    total = pt.sum(op(log_y, *scalars, population)[0] * np.arange(1.0, 5.0))
    outputs = [total, *pt.grad(total, [log_y, *scalars])]
    both = [pytensor.function([log_y, *scalars, population], outputs, mode=mode) for mode in (None, "JAX")]
    for law in [(4.0, 0.5, 0.6, INVERSE_GAMMA), (3.0, 1.0, 0.0, LOG_NORMAL)]:
        for ours, theirs in zip(*(function(LOG_Y, *law) for function in both), strict=True):
            assert_allclose(ours, theirs, rtol=1e-12)


def test_jax_differentiates_once_and_maps():
    law = jax_ops.jax_funcify(log_density)

    def total(kappa, gamma):
        return law(LOG_Y, kappa, gamma, 0.6, INVERSE_GAMMA)[0].sum()

    kappas = np.array([2.0, 4.0, 8.0])
    mapped = jax.jit(jax.vmap(jax.value_and_grad(total, argnums=(0, 1)), in_axes=(0, None)))(kappas, 0.5)
    for i, kappa in enumerate(kappas):
        columns = log_density.columns(LOG_Y, *map(np.asarray, (kappa, 0.5, 0.6)), np.asarray(INVERSE_GAMMA))
        expected = [columns[0].sum(), columns[2].sum(), columns[3].sum()]
        assert_allclose([mapped[0][i], mapped[1][0][i], mapped[1][1][i]], expected, rtol=1e-12)
    twice = jax.grad(lambda kappa: law(LOG_Y, kappa, 0.5, 0.6, INVERSE_GAMMA)[2].sum())
    assert np.isnan(twice(4.0))


@pytest.mark.parametrize("distribution", [HTMP, InverseHTMP], ids=lambda d: d.__name__)
def test_distributions_have_the_same_logp(distribution):
    kappa = np.array([[1.0], [4.0]])
    value = np.array([0.05, 0.4, 1.0])
    logp = pm.logp(distribution.dist(kappa, 0.5, 0.25, 0.5), value)
    assert_allclose(logp.eval(mode="JAX"), logp.eval(), rtol=1e-12)


@pytest.mark.filterwarnings("ignore")  # NumPyro, JAX and PyMC warn of one another's changes
def test_numpyro_samples_it():
    pytest.importorskip("numpyro")
    with pm.Model():
        kappa = pm.LogNormal("kappa", 1.0, 0.5)
        HTMP("x", kappa, 0.5, 0.25, 0.5, observed=np.array([0.2, 0.5, 0.9, 1.4]))
        draws = pm.sample(
            50, tune=50, chains=2, nuts_sampler="numpyro", random_seed=1, progressbar=False,
            nuts_sampler_kwargs={"chain_method": "vectorized"}, compute_convergence_checks=False,
        )  # fmt: skip
    assert draws["posterior"]["kappa"].shape == (2, 50)
    assert np.all(np.isfinite(draws["posterior"]["kappa"]))
    assert float(draws["posterior"]["kappa"].std()) > 0.1
