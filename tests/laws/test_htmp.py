"""HTMP and its inverse as distributions: face, limits, errors."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from htmp_bayes.laws import HTMP, InverseHTMP, MarchenkoPastur

QUANTILES = np.array([1e-12, 1e-6, 0.01, 0.3, 0.5, 0.9, 1 - 1e-6, 1 - 1e-12])


@pytest.mark.parametrize("rho", [0.0, 0.7])
@pytest.mark.parametrize("law", [HTMP, InverseHTMP])
def test_quantiles_invert_the_distribution_function(law, rho):
    law = law(kappa=5.0, gamma=0.25, temperature=2.0, correlation=rho)
    x = law.ppf(QUANTILES)
    np.testing.assert_allclose(law.cdf(x), QUANTILES, rtol=1e-9)
    np.testing.assert_allclose(law.ppf(law.cdf(x[:-2])), x[:-2], rtol=1e-9)
    np.testing.assert_allclose(law.sf(law.isf([1e-12, 0.5])), [1e-12, 0.5], rtol=1e-9)


@pytest.mark.parametrize("seed", range(16))
def test_quantiles_of_random_laws_come_back(seed):
    """Over the whole range of parameters, in both tails, as far as quantiles are doubles."""
    rng = np.random.default_rng(seed)
    kappa = np.exp(rng.uniform(np.log(1e-3), np.log(1e4)))
    gamma = 1.0 if seed % 4 == 0 else np.exp(rng.uniform(np.log(0.005), 0.0))
    rho = 0.0 if seed % 5 == 0 else rng.uniform(0.01, 3.0)
    law = (HTMP, InverseHTMP)[seed % 2](
        kappa, gamma, 2.0, rho, ("log-normal", "inverse-gamma")[seed // 2 % 2]
    )
    probabilities = np.array([1e-12, 1e-6, 1e-3, 0.3, 0.9])
    for quantile, probability in ((law.ppf, law.cdf), (law.isf, law.sf)):
        x = quantile(probabilities)
        x = x[(x > 1e-300) & (x < 1e300)]
        np.testing.assert_allclose(quantile(probability(x)), x, rtol=1e-9)


def test_a_quantile_beyond_the_doubles_is_zero_or_infinite():
    law = HTMP(1e-3, 1.0)
    assert law.cdf(5e-324) > 0.5
    np.testing.assert_array_equal(law.ppf([0.1, 0.5]), [0.0, 0.0])
    np.testing.assert_array_equal(InverseHTMP(1e-3, 1.0).isf([0.1, 0.5]), [np.inf, np.inf])


def test_density_is_the_derivative_and_integrates():
    law = HTMP(5.0, 0.25, 2.0, 0.7)
    mass, _ = quad(law.pdf, law.ppf(0.05), law.ppf(0.8), epsabs=1e-10)
    assert mass == pytest.approx(0.75, abs=1e-8)


@pytest.mark.parametrize("population", ["log-normal", "inverse-gamma"])
@pytest.mark.parametrize(("kappa", "gamma", "rho"), [(0.5, 0.3, 0.0), (4.0, 0.6, 0.4), (50.0, 0.1, 0.5)])
def test_moments_agree_with_the_density(kappa, gamma, rho, population):
    law = HTMP(kappa, gamma, 3.0, rho, population)
    log_x = np.linspace(np.log(law.ppf(1e-6)), np.log(law.isf(1e-12)), 401)
    density = np.exp(law.logpdf(np.exp(log_x)) + log_x)
    for order in (1, 2):
        integral = np.trapezoid(density * np.exp(order * log_x), log_x)
        assert law.moment(order) == pytest.approx(integral, rel=3e-5)
    assert law.mean() == law.moment(1)
    assert law.var() == pytest.approx(law.moment(2) - law.mean() ** 2)


@pytest.mark.parametrize("population", ["log-normal", "inverse-gamma"])
@pytest.mark.parametrize(("kappa", "gamma", "rho"), [(4.0, 0.2, 0.0), (9.0, 0.4, 0.4)])
def test_moments_of_the_inverse_agree_with_its_density(kappa, gamma, rho, population):
    law = InverseHTMP(kappa, gamma, 3.0, rho, population)
    log_x = np.linspace(np.log(law.ppf(1e-11)), np.log(law.isf(1e-11)) + 10 / (law.tail_index() - 2), 401)
    density = np.exp(law.logpdf(np.exp(log_x)) + log_x)
    for order in (1, 2):
        integral = np.trapezoid(density * np.exp(order * log_x), log_x)
        assert law.moment(order) == pytest.approx(integral, rel=1e-9)
    assert law.mean() == law.moment(1)
    assert law.var() == pytest.approx(law.moment(2) - law.mean() ** 2)
    # E[1/x] is the Stieltjes transform of the law of x at 0.
    near_zero = -1e-7 * law.reciprocal.ppf(0.5)
    assert law.mean() == pytest.approx(law.reciprocal.stieltjes(near_zero).real, rel=1e-5)


def test_infinite_moments_of_the_inverse():
    """The tail index 1 + (kappa/2)(1/gamma - 1) is 2 and 3 where they become infinite."""
    assert np.isinf(InverseHTMP(2.0, 0.5).mean())
    assert np.isfinite(InverseHTMP(2.01, 0.5).mean())
    assert np.isinf(InverseHTMP(4.0, 0.5).var())
    assert np.isfinite(InverseHTMP(4.01, 0.5).var())


def test_infinite_moments_are_infinite():
    heavy = HTMP(5.0, 0.25, correlation=1.5)
    assert np.isinf(heavy.mean())
    assert np.isinf(heavy.var())
    assert np.isfinite(HTMP(5.0, 0.25, correlation=1.0).mean())


def test_limit_of_strong_repulsion_is_marchenko_pastur():
    gamma, kappa = 0.3, 1e4
    law = HTMP(kappa, gamma, temperature=2 * gamma / kappa)
    limit = MarchenkoPastur(gamma)
    x = limit.ppf([0.1, 0.5, 0.9])
    np.testing.assert_allclose(law.pdf(x), limit.pdf(x), rtol=1e-3)


def test_limit_of_no_repulsion_is_gamma():
    kappa = 1e-3
    gamma = kappa / (2 * 2.5) * 25  # aspect ratio 0.005
    law = HTMP(kappa, gamma)
    x = np.array([1e-3, 0.1, 1.0])
    np.testing.assert_allclose(law.logpdf(x), stats.gamma(kappa / (2 * gamma)).logpdf(x), atol=5e-3)


def test_upper_tail_has_the_tail_index():
    law = HTMP(5.0, 0.25, correlation=0.8)
    x = law.isf([1e-9, 1e-10])
    slope = np.diff(law.logpdf(x)) / np.diff(np.log(x))
    assert -slope[0] == pytest.approx(law.tail_index(), abs=1e-3)
    inverse = InverseHTMP(5.0, 0.25)
    x = inverse.isf([1e-40, 1e-41])
    slope = np.diff(inverse.logpdf(x)) / np.diff(np.log(x))
    assert -slope[0] == pytest.approx(inverse.tail_index(), abs=1e-3)
    assert np.isinf(HTMP(5.0, 0.25, correlation=0.8, population="log-normal").tail_index())


def test_parameters_and_argument_broadcast():
    law = HTMP([[1.0], [5.0]], [0.25, 0.5, 1.0])
    assert law.shape == (2, 3)
    assert law.logpdf(1.0).shape == (2, 3)
    x = np.array([0.5, 1.0, 2.0])
    expected = [[HTMP(k, g).logpdf(v) for g, v in zip((0.25, 0.5, 1.0), x, strict=True)] for k in (1.0, 5.0)]
    np.testing.assert_allclose(law.logpdf(x), expected, rtol=1e-12)
    column = HTMP([[1.0], [5.0]], 0.25)
    np.testing.assert_allclose(column.cdf(column.ppf([0.1, 0.5, 0.9])), [[0.1, 0.5, 0.9]] * 2, rtol=1e-9)


def test_outside_the_support():
    law = HTMP(5.0, 0.25)
    np.testing.assert_array_equal(law.logpdf([-1.0, 0.0, np.inf]), [-np.inf] * 3)
    np.testing.assert_array_equal(law.cdf([-1.0, np.inf]), [0.0, 1.0])
    assert np.isnan(law.logpdf(np.nan))
    assert np.isnan(law.ppf(1.5))
    np.testing.assert_array_equal(law.ppf([0.0, 1.0]), [0.0, np.inf])


def test_draws_follow_the_law_and_the_seed():
    law = HTMP(5.0, 0.25, 2.0, 0.7)
    draws = law.rvs(2000, random_state=3)
    np.testing.assert_array_equal(draws, law.rvs(2000, random_state=3))
    assert stats.kstest(draws, law.cdf).pvalue > 1e-3


@pytest.mark.parametrize(
    ("name", "value", "stated"),
    [
        ("kappa", 0.0, "[0.001, 10000]"),
        ("kappa", np.nan, "[0.001, 10000]"),
        ("kappa", np.inf, "MarchenkoPastur"),
        ("kappa", 0.0, "GammaLimit"),
        ("gamma", 0.001, "[0.005, 1]"),
        ("gamma", 1.5, "[0.005, 1]"),
        ("correlation", -0.1, "[0, 3]"),
        ("correlation", 3.5, "[0, 3]"),
        ("temperature", 0.0, "(0, inf)"),
    ],
)
@pytest.mark.parametrize("law", [HTMP, InverseHTMP])
def test_outside_the_range_is_an_error_that_states_it(law, name, value, stated):
    parameters = {"kappa": 5.0, "gamma": 0.5, name: value}
    with pytest.raises(ValueError, match=name) as error:
        law(**parameters)
    assert stated in str(error.value)


def test_unknown_population():
    with pytest.raises(ValueError, match="inverse-gamma"):
        HTMP(5.0, 0.5, population="cauchy")
