"""The population laws against their definition: E[log h] = 0, sd(log h) = rho, and one another's inverses."""

import numpy as np
import pytest
from flint import acb
from scipy import integrate, special

from htmp_bayes.laws.compiled.population_rule import INVERSE_GAMMA
from htmp_bayes.laws.compiled.population_tail import lifted_population_tail, population_constants
from htmp_bayes.laws.populations import (
    Atoms,
    InverseGamma,
    LogNormal,
    PointMass,
    get_population,
    inverse_gamma_shape,
    population_quantiles,
)

RHOS = [1e-3, 0.05, 0.3, 0.7, 1.2, 2.0, 3.0]
CONTINUOUS = [LogNormal(), InverseGamma()]
ATOMS = Atoms([0.0, 0.5, 3.0], [0.5, 0.3, 0.2])
LAWS = [*CONTINUOUS, ATOMS]


def name_of(law):
    return law.name


@pytest.mark.parametrize("rho", [1e-60, 1e-6, *RHOS, 10.0, 1e4])
def test_shape_solves_the_trigamma_equation_and_knows_its_slope(rho):
    nu, slope = inverse_gamma_shape(rho)
    exact = acb(float(nu))
    # The condition number of rho(nu) is at most 1, so an error of 1e-14 in nu shows as 2e-14 in rho^2.
    assert float(exact.polygamma(1).real) == pytest.approx(rho**2, rel=2e-14)
    assert float(slope) == pytest.approx(2 * rho / float(exact.polygamma(2).real), rel=1e-12)


def test_shape_is_vectorised_and_states_its_range():
    nu, slope = inverse_gamma_shape([[0.3, 0.7], [1.2, 3.0]])
    assert nu.shape == slope.shape == (2, 2)
    for bad in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="1e-100, 1e100"):
            inverse_gamma_shape(bad)


@pytest.mark.parametrize("law", CONTINUOUS, ids=name_of)
@pytest.mark.parametrize("rho", RHOS)
def test_log_has_mean_zero_and_standard_deviation_rho(law, rho):

    def moment(k):
        def half(quantile):
            return integrate.quad(
                lambda t: np.log(quantile(t**4, rho)) ** k * 4 * t**3, 0, 0.5**0.25, limit=400
            )[0]

        return half(law.quantile) + half(law.isf)

    assert moment(1) == pytest.approx(0, abs=1e-7 * rho)
    assert moment(2) == pytest.approx(rho**2, rel=1e-7)


@pytest.mark.parametrize("law", CONTINUOUS, ids=name_of)
@pytest.mark.parametrize("rho", RHOS)
def test_quantiles_invert_both_tails(law, rho):
    q = np.array([1e-12, 1e-6, 0.01, 0.5, 0.99])
    np.testing.assert_allclose(law.cdf(law.quantile(q, rho), rho), q, rtol=1e-9)
    np.testing.assert_allclose(law.sf(law.isf(q, rho), rho), q, rtol=1e-9)
    h = law.quantile(q, rho)
    np.testing.assert_allclose(law.cdf(h, rho) + law.sf(h, rho), 1.0, rtol=1e-13)


@pytest.mark.parametrize("law", LAWS, ids=name_of)
@pytest.mark.parametrize("rho", [0.1, 0.3])
def test_moments_and_cdf_of_draws(law, rho):
    draws = law.sample(100_000, rho, np.random.default_rng(7))
    mu1, mu2 = law.moments(rho)
    assert draws.mean() == pytest.approx(float(mu1), abs=5 * draws.std() / 300)
    assert (draws**2).mean() == pytest.approx(float(mu2), abs=5 * (draws**2).std() / 300)
    for h in (0.8, 1.0, 1.3):
        assert (draws <= h).mean() == pytest.approx(float(law.cdf(h, rho)), abs=5 * 0.5 / 300)


def test_inverse_gamma_moments_turn_infinite_where_the_tail_says_so():
    law = InverseGamma()
    rho = np.array([0.3, 0.75, 0.9, 1.5])
    nu = inverse_gamma_shape(rho)[0]
    mu1, mu2 = law.moments(rho)
    assert np.array_equal(np.isinf(mu1), nu <= 1)
    assert np.array_equal(np.isinf(mu2), nu <= 2)
    np.testing.assert_allclose(law.tail_index(rho), nu + 1)
    # sf(h) ~ (g/h)^nu / Gamma(nu + 1) far out (DLMF 8.7.1): the density's exponent is nu + 1
    ratio = law.sf(1e9, rho) / law.sf(1e10, rho)
    np.testing.assert_allclose(np.log10(ratio), nu, rtol=1e-8)


@pytest.mark.parametrize("law", [PointMass(), *LAWS], ids=name_of)
def test_no_correlation_is_the_point_mass(law):
    assert law.tail_index(0.0) == np.inf
    np.testing.assert_array_equal(law.sample(5, 0.0, np.random.default_rng(1)), np.ones(5))
    np.testing.assert_array_equal(law.cdf([0.5, 1.0, 2.0], 0.0), [0, 1, 1])
    np.testing.assert_array_equal(law.sf([-1.0, 0.5, 1.0], 0.0), [1, 1, 0])
    np.testing.assert_array_equal(law.quantile([0.1, 0.9], 0.0), [1, 1])
    np.testing.assert_array_equal(law.isf([0.1, 0.9], 0.0), [1, 1])
    np.testing.assert_array_equal(law.moments(0.0), (1, 1))


@pytest.mark.parametrize("law", LAWS, ids=name_of)
def test_broadcasting(law):
    rho = np.array([[0.0], [0.5]])
    h = np.array([0.5, 1.0, 2.0])
    for result in (law.cdf(h, rho), law.sf(h, rho), law.quantile([0.1, 0.5, 0.9], rho)):
        assert result.shape == (2, 3)
    np.testing.assert_allclose(law.cdf(h, rho)[1], law.cdf(h, 0.5))


def test_atoms_are_standardised_and_remember_their_spread():
    law = Atoms([3.0, 1.0], [1.0, 3.0])
    z, w = np.array(law.positions), np.array(law.weights)
    assert w @ z == pytest.approx(0, abs=1e-15)
    assert w @ z**2 == pytest.approx(1)
    np.testing.assert_allclose(law.values(law.spread), np.exp([1.0 - 1.5, 3.0 - 1.5]))
    assert law.isf(0.2, 0.5) == law.values(0.5)[1]
    assert law.isf(0.3, 0.5) == law.values(0.5)[0]
    assert law.quantile(0.7, 0.5) == law.values(0.5)[0]


@pytest.mark.parametrize(
    ("positions", "weights"),
    [([1.0], None), ([1.0, 1.0], None), ([0.0, np.nan], None), ([0.0, 1.0], [1.0]), ([0.0, 1.0], [1.0, 0.0])],
)
def test_bad_atoms(positions, weights):
    with pytest.raises(ValueError, match="atoms need"):
        Atoms(positions, weights)


def test_names():
    assert get_population("log-normal") == LogNormal()
    law = Atoms([0.0, 1.0])
    assert get_population(law) is law
    with pytest.raises(ValueError, match="'point', 'log-normal', 'inverse-gamma'"):
        get_population("cauchy")
    with pytest.raises(ValueError, match="not known"):
        get_population(3)


def test_ranges():
    for bad in (-0.1, np.nan, 11.0):
        with pytest.raises(ValueError, match="must be 0 or lie in"):
            LogNormal().cdf(1.0, bad)
    with pytest.raises(ValueError, match="no spread"):
        PointMass().sample(3, 0.5, np.random.default_rng(1))
    with pytest.raises(ValueError, match="probabilities"):
        InverseGamma().quantile(1.5, 0.5)
    with pytest.raises(ValueError, match="order"):
        InverseGamma().log_moment(0, 0.5)


@pytest.mark.parametrize("rho", [0.05, 0.3, 1.0, 2.2, 3.0])
@pytest.mark.parametrize("upper", [True, False])
def test_inverse_gamma_tails_of_the_kernel(rho, upper):
    """On either side of the peak: P(h > exp(-tau)) is the lower incomplete gamma ratio at exp(psi(nu) + tau)."""
    constants = population_constants(rho, INVERSE_GAMMA)
    ratio = special.gammainc if upper else special.gammaincc
    for tau in np.linspace(-12.0, 12.0, 25) * max(rho, 0.3):
        probability, density, *_, lift = lifted_population_tail(tau, upper, INVERSE_GAMMA, constants)
        x = np.exp(constants[3] + tau)
        if (expected := ratio(constants[1], x)) > 1e-250:
            assert probability * np.exp(-lift) == pytest.approx(expected, rel=1e-10)
            log_density = constants[1] * np.log(x) - x - constants[4]
            assert density * np.exp(-lift) == pytest.approx(np.exp(log_density), rel=1e-10, abs=1e-18)


@pytest.mark.parametrize("law", CONTINUOUS, ids=name_of)
@pytest.mark.parametrize("rho", [0.05, 0.7, 3.0])
def test_quantiles_stand_at_the_middles_of_equal_shares(law, rho):
    values = population_quantiles(law, rho, 101)
    shares = (np.arange(101) + 0.5) / 101
    np.testing.assert_allclose(law.cdf(values, rho), shares, rtol=1e-10)
    np.testing.assert_allclose(law.sf(values, rho), shares[::-1], rtol=1e-10)
    np.testing.assert_array_equal(values, population_quantiles(law.name, rho, 101))


def test_quantiles_of_discrete_populations():
    values = population_quantiles(ATOMS, 0.7, 10)
    np.testing.assert_array_equal(np.unique(values, return_counts=True)[1], [5, 3, 2])
    np.testing.assert_array_equal(population_quantiles("inverse-gamma", 0.0, 3), np.ones(3))
    with pytest.raises(ValueError, match="is not known"):
        population_quantiles("cauchy", 0.5, 3)
