"""HTMP and InverseHTMP behave as PyMC's own distributions do."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from numpy.testing import assert_allclose
from pymc.logprob.utils import ParameterValueError
from scipy.stats import kstest

from htmp_bayes import laws
from htmp_bayes.models import HTMP, InverseHTMP
from htmp_bayes.models.distributions.draws import quantiles

LAW = {"kappa": 4.0, "gamma": 0.5, "temperature": 0.25, "correlation": 0.5}
VALUES = np.array([0.05, 0.4, 1.0, 3.0])


def law_of(distribution, **parameters):
    return {HTMP: laws.HTMP, InverseHTMP: laws.InverseHTMP}[distribution](**parameters)


@pytest.fixture(scope="module", params=[HTMP, InverseHTMP], ids=lambda d: d.__name__)
def distribution(request):
    return request.param


@pytest.mark.parametrize("population", ["inverse-gamma", "log-normal"])
def test_logp_and_logcdf_are_the_laws(distribution, population):
    ours = distribution.dist(**LAW, population=population)
    law = law_of(distribution, **LAW, population=population)
    assert_allclose(pm.logp(ours, VALUES).eval(), law.logpdf(VALUES), rtol=1e-12)
    assert_allclose(pm.logcdf(ours, VALUES).eval(), law.logcdf(VALUES), rtol=1e-10)


def test_density_integrates_to_one(distribution):
    log_x = np.linspace(-16, 16, 401)
    density = np.exp(pm.logp(distribution.dist(**LAW), np.exp(log_x)).eval())
    assert_allclose(np.trapezoid(density * np.exp(log_x), log_x), 1, atol=1e-6)


def test_outside_of_the_support(distribution):
    outside = np.array([-1.0, 0.0])
    law = distribution.dist(**LAW)
    assert np.all(pm.logp(law, outside).eval() == -np.inf)
    assert np.all(pm.logcdf(law, outside).eval() == -np.inf)
    assert pm.logcdf(law, np.inf).eval() == 0


def test_parameters_of_any_shape_broadcast(distribution):
    kappa = np.array([[1.0], [4.0], [9.0]])
    for value in (VALUES, VALUES[0]):
        ours = pm.logp(distribution.dist(**{**LAW, "kappa": kappa}), value).eval()
        assert ours.shape == np.broadcast_shapes(np.shape(value), kappa.shape)
        for row, one in zip(ours, kappa[:, 0], strict=True):
            assert_allclose(row, law_of(distribution, **{**LAW, "kappa": one}).logpdf(np.atleast_1d(value)))
    by_column = pm.logp(
        distribution.dist(**{**LAW, "correlation": np.array([0.0, 0.5, 1.0, 1.5])}), VALUES
    ).eval()
    assert_allclose(by_column[1], law_of(distribution, **LAW).logpdf(VALUES[1]))


def test_gradients_agree_with_differences(distribution):
    names = list(LAW)
    scalars = pt.dscalars(*names)
    value = pt.dvector("value")
    total = pm.logp(distribution.dist(**dict(zip(names, scalars, strict=True))), value).sum()
    compiled = pytensor.function([value, *scalars], [total, *pt.grad(total, [value, *scalars])])
    point = np.array(list(LAW.values()))
    gradients = compiled(VALUES, *point)[2:]
    for gradient, unit in zip(gradients, 1e-5 * np.diag(point), strict=True):
        rise = compiled(VALUES, *(point + unit))[0] - compiled(VALUES, *(point - unit))[0]
        assert_allclose(gradient, rise / (2 * unit.sum()), rtol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [{"kappa": 0.0}, {"kappa": 1e5}, {"gamma": 1.5}, {"temperature": -1.0}, {"correlation": 4.0}],
)
def test_parameters_out_of_range(distribution, wrong):
    with pytest.raises(ParameterValueError, match="kappa <= 10000"):
        pm.logp(distribution.dist(**{**LAW, **wrong}), 1.0).eval()


def test_unknown_population(distribution):
    with pytest.raises(ValueError, match="population must be one of"):
        distribution.dist(**LAW, population="cauchy")


def test_draws_follow_the_distribution_function(distribution):
    draws = pm.draw(distribution.dist(**LAW, size=4000), random_seed=1)
    assert kstest(draws, law_of(distribution, **LAW).cdf).pvalue > 0.01


def test_the_same_seed_draws_the_same_in_both_backends():
    law = HTMP.dist(**LAW, size=(2, 3))
    numba_draws = pm.draw(law, draws=2, random_seed=3)
    assert numba_draws.shape == (2, 2, 3)
    assert_allclose(numba_draws, pm.draw(law, draws=2, random_seed=3))
    assert_allclose(numba_draws, pm.draw(law, draws=2, random_seed=3, mode="FAST_COMPILE"))


def test_draws_of_parameters_of_any_shape():
    temperature = np.array([1e-3, 1.0, 1e3])
    draws = pm.draw(HTMP.dist(4.0, np.array([[0.3], [0.9]]), temperature), draws=500, random_seed=1)
    assert draws.shape == (500, 2, 3)
    assert_allclose(np.median(np.log(draws), axis=0)[0] - np.log(temperature), np.log(5.2), atol=0.25)


@pytest.mark.parametrize(
    ("kappa", "gamma", "correlation", "code", "population"),
    [
        (0.3, 0.3, 0.5, 0, "log-normal"),
        (2.0, 0.3, 1.5, 1, "inverse-gamma"),
        (100.0, 0.3, 0.7, 1, "inverse-gamma"),
    ],
)
def test_quantile_table(kappa, gamma, correlation, code, population):
    probability = np.random.default_rng(1).random(500)
    law = laws.HTMP(kappa, gamma, correlation=correlation, population=population)
    assert_allclose(law.cdf(quantiles(probability, kappa, gamma, correlation, code)), probability, atol=2e-6)


def test_mixture():
    component = HTMP.dist(**LAW)
    mixture = pm.Mixture.dist(w=[0.3, 0.7], comp_dists=[component, pm.Exponential.dist(1.0)])
    expected = np.logaddexp(
        np.log(0.3) + laws.HTMP(**LAW).logpdf(VALUES),
        np.log(0.7) + pm.logp(pm.Exponential.dist(1.0), VALUES).eval(),
    )
    assert_allclose(pm.logp(mixture, VALUES).eval(), expected)
    assert np.all(pm.draw(mixture, draws=5, random_seed=1) > 0)


def test_truncated():
    law = laws.HTMP(**LAW)
    truncated = pm.Truncated.dist(HTMP.dist(**LAW), lower=0.3, upper=2.0)
    mass = law.cdf(2.0) - law.cdf(0.3)
    inside = np.array([0.4, 1.0])
    assert_allclose(pm.logp(truncated, inside).eval(), law.logpdf(inside) - np.log(mass))
    draws = pm.draw(truncated, draws=50, random_seed=1)
    assert np.all((draws > 0.3) & (draws < 2.0))


def test_in_a_model_with_predictive_sampling():
    observed = laws.HTMP(**LAW).ppf(np.linspace(0.05, 0.95, 20))
    with pm.Model() as model:
        kappa = pm.LogNormal("kappa", 1.0, 0.5)
        HTMP("eigenvalues", kappa, LAW["gamma"], LAW["temperature"], LAW["correlation"], observed=observed)
        draws = pm.sample(
            20,
            tune=50,
            chains=1,
            random_seed=1,
            progressbar=False,
            quiet=True,
            compute_convergence_checks=False,
        )
        pm.compute_log_likelihood(draws, progressbar=False)
        pm.sample_posterior_predictive(draws, random_seed=1, progressbar=False, extend_inferencedata=True)
    assert np.isfinite(model.compile_logp()(model.initial_point()))
    kappas = draws["posterior"]["kappa"].values[0]
    log_likelihood = draws["log_likelihood"]["eigenvalues"].values[0]
    for one, row in zip(kappas[:3], log_likelihood[:3], strict=True):
        assert_allclose(row, laws.HTMP(**{**LAW, "kappa": one}).logpdf(observed), rtol=1e-10)
    assert draws["posterior_predictive"]["eigenvalues"].shape == (1, 20, 20)


def test_support_point_is_in_the_bulk():
    with pm.Model() as model:
        HTMP("x", **{**LAW, "correlation": 2.5}, size=3)
        InverseHTMP("inverse", **LAW)
    point = model.initial_point()
    assert_allclose(np.exp(point["x_log__"]), [1.0, 1.0, 1.0])
    assert_allclose(np.exp(point["inverse_log__"]), 1.0)
