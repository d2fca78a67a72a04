"""Counts below a point: transforms, the first order in 1/kappa, and the structure factor of the log-gas."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.linalg import eigvalsh_tridiagonal

from htmp_bayes.laws import HTMP, MarchenkoPastur
from htmp_bayes.laws.compiled import counting_covariance, counting_mean, htmp_density
from htmp_bayes.laws.compiled.population_rule import population_rule

EULER = 0.5772156649015329


@pytest.mark.parametrize(
    "law",
    [
        (0.05, 0.25, 1.0, htmp_density.INVERSE_GAMMA),
        (2.0, 1.0, 0.0, htmp_density.LOG_NORMAL),
        (5.0, 0.3, 0.7, htmp_density.LOG_NORMAL),
        (300.0, 0.9, 0.4, htmp_density.INVERSE_GAMMA),
    ],
)
@pytest.mark.parametrize("rows", [htmp_density.exact_rows, htmp_density.fast_rows], ids=["exact", "fast"])
def test_real_part_of_the_transform(law, rows):
    """The rows' last column against the slow integral, from the closed form of the left tail to the right one."""
    kappa, gamma, rho, code = law
    population = "inverse-gamma" if code == htmp_density.INVERSE_GAMMA else "log-normal"
    exact = HTMP(kappa, gamma, 1.0, rho, population)
    inside = np.log(exact.ppf([0.05, 0.1, 0.5, 0.9, 0.999]))
    switch = htmp_density.left_switch(kappa, rho, code)
    log_y = np.concatenate([[switch - 40, switch - 1, switch + 1], inside, [inside[-1] + 3]])
    log_y.sort()
    y = np.exp(log_y)
    found = rows(log_y, *law)
    transform = counting_mean.finite_transform(found[:, 0], found[:, 7], log_y, kappa)
    assert_allclose(transform * 2 * gamma / kappa, gamma * exact.stieltjes(y) - (1 - gamma) / y, rtol=1e-9)


LIMITS = [(0.25, 0.0, "point"), (0.5, 0.7, "inverse-gamma"), (0.9, 1.5, "log-normal")]


@pytest.mark.parametrize(("gamma", "rho", "population"), LIMITS)
@pytest.mark.parametrize("points", [4, 60])
def test_columns_at_infinite_kappa(gamma, rho, population, points):
    """Near one another or far apart, where the root before is no guide."""
    law = MarchenkoPastur(gamma, 1 / gamma, rho, population)
    log_x = np.linspace(*np.log(law.ppf([1e-4, 0.9999])), points)
    rule = population_rule(
        rho, htmp_density.INVERSE_GAMMA if population == "inverse-gamma" else htmp_density.LOG_NORMAL
    )
    cdf, sf, transform, argument = counting_mean.limit_columns(log_x, gamma, rule)
    x = np.exp(log_x)
    assert_allclose(cdf, law.cdf(x), atol=1e-12)
    assert_allclose(sf, law.sf(x), atol=1e-12)
    assert_allclose(gamma * transform, gamma * law.stieltjes(x) - (1 - gamma) / x, rtol=1e-9)
    h = 1e-5
    slope = (law.stieltjes(x * (1 + h)) - law.stieltjes(x * (1 - h))) / (2 * h * x)
    by_differences = np.angle(transform**2 / (gamma * slope + (1 - gamma) / x**2))
    assert_allclose(argument[1:-1], by_differences[1:-1], atol=1e-4)


@pytest.mark.parametrize(("gamma", "rho", "population"), LIMITS)
def test_slopes_at_infinite_kappa(gamma, rho, population):
    code = htmp_density.INVERSE_GAMMA if population == "inverse-gamma" else htmp_density.LOG_NORMAL
    law = MarchenkoPastur(gamma, 1 / gamma, rho, population)
    log_x, h = np.log(law.ppf([0.01, 0.3, 0.8, 0.99])), 1e-5
    slopes = counting_mean.limit_slopes(log_x, gamma, population_rule(rho, code))

    def sf(shift, gamma, rho):
        return counting_mean.limit_columns(log_x + shift, gamma, population_rule(rho, code))[1]

    assert_allclose(slopes[0], (sf(0, gamma + h, rho) - sf(0, gamma - h, rho)) / (2 * h), atol=1e-7)
    assert_allclose(slopes[1], (sf(h, gamma, rho) - sf(-h, gamma, rho)) / (2 * h), atol=1e-7)
    if rho > 0:
        assert_allclose(slopes[2], (sf(0, gamma, rho + h) - sf(0, gamma, rho - h)) / (2 * h), atol=1e-7)


@pytest.mark.parametrize(
    ("gamma", "rho", "population"),
    [(0.25, 0.3, "log-normal"), (0.5, 0.7, "inverse-gamma"), (1.0, 0.5, "log-normal")],
)
def test_first_order_in_one_over_kappa(gamma, rho, population):
    """Its error in F falls as 1/kappa^2."""
    code = htmp_density.INVERSE_GAMMA if population == "inverse-gamma" else htmp_density.LOG_NORMAL
    log_x = np.log(MarchenkoPastur(gamma, 1 / gamma, rho, population).ppf(np.linspace(0.05, 0.95, 30)))
    cdf, _, _, argument = counting_mean.limit_columns(log_x, gamma, population_rule(rho, code))
    errors = []
    for kappa in (100.0, 200.0, 400.0, 800.0):
        exact = htmp_density.fast_rows(log_x + np.log(kappa / 2), kappa, gamma, rho, code)[:, 5]
        errors.append(np.abs(cdf - argument / (np.pi * kappa) - exact).max())
    assert errors[0] < 2e-3
    ratios = np.array(errors[:-1]) / errors[1:]
    assert np.all((ratios > 3.3) & (ratios < 4.7))


def test_limits_of_the_structure_factor():
    x = np.array([1e-6, 0.3, 0.999, 1.5, 40.0, 1e4])
    by = {
        beta: np.array([counting_covariance.structure_factor(one, beta) for one in x])
        for beta in (0.0, 1.0, 2.0, 4.0)
    }
    assert_allclose(by[0.0], x / (1 + x), rtol=1e-14)
    assert_allclose(by[2.0], np.minimum(x, 1), rtol=1e-14)
    assert_allclose(by[4.0], by[2.0])
    for values in by.values():
        assert values[0] == pytest.approx(x[0], rel=1e-5)
        assert values[-1] == pytest.approx(1, abs=2e-4)
    # Mehta 2004, 7.2.46, at k = 1/2 and 2 (x = 2 k)
    assert counting_covariance.structure_factor(1.0, 1.0) == pytest.approx(1 - 0.5 * np.log(2))
    assert counting_covariance.structure_factor(4.0, 1.0) == pytest.approx(2 - 2 * np.log(5 / 3))


def number_variance(beta, length):
    """Variance of the number of points in an interval, by the structure factor; length in mean gaps."""

    def integrand(k):
        return (
            counting_covariance.structure_factor(2 * k / beta, beta)
            * (np.sin(np.pi * k * length) / (np.pi * k)) ** 2
        )

    edges = np.arange(0, 40.1, 0.5)
    inside = sum(quad(integrand, a, b)[0] for a, b in itertools.pairwise(edges))
    return 2 * (inside + 0.5 / (np.pi**2 * edges[-1]))


def test_number_variance_of_the_classical_ensembles():
    """Their asymptotes (Mehta 2004, section 16.1), right to 1/L^2."""
    logarithm = np.log(2 * np.pi * 20) + EULER + 1
    assert number_variance(1.0, 20) == pytest.approx(2 / np.pi**2 * (logarithm - np.pi**2 / 8), abs=2e-3)
    assert number_variance(2.0, 20) == pytest.approx(1 / np.pi**2 * logarithm, abs=2e-3)


@pytest.mark.parametrize("beta", [0.2, 0.5, 1.5])
def test_number_variance_between_the_classical_ensembles(beta):
    """Against the middle of matrices of the Gaussian beta ensemble (Dumitriu & Edelman 2002)."""
    size, matrices, length = 100, 400, 3.0
    rng = np.random.default_rng(int(10 * beta))
    counts = []
    for _ in range(matrices):
        diagonal = rng.normal(scale=np.sqrt(2.0), size=size)
        beside = np.sqrt(rng.chisquare(beta * np.arange(size - 1, 0, -1)))
        share = eigvalsh_tridiagonal(diagonal, beside)[size // 6 : -size // 6] / (2 * np.sqrt(beta * size))
        place = size / np.pi * (share * np.sqrt(1 - share**2) + np.arcsin(share))
        windows = np.arange(np.ceil(place[0]), place[-1] - length, length)
        counts.append(np.searchsorted(place, windows + length) - np.searchsorted(place, windows))
    found = np.var(np.concatenate(counts))
    assert found == pytest.approx(
        number_variance(beta, length), rel=5 * np.sqrt(2 / len(np.concatenate(counts)))
    )


def test_repulsion_of_averages_over_intervals():
    """With no cell far away the quick way at a distance is right to 1e-4, and intervals are sums of cells."""
    law, count = (5.0, 0.25, 0.5, htmp_density.LOG_NORMAL), 10
    u = np.linspace(0.5, 4.0, 201)
    log_y, width = (u[1:] + u[:-1]) / 2, np.diff(u)
    found = htmp_density.fast_rows(log_y, *law)
    transform = counting_mean.finite_transform(found[:, 0], found[:, 7], log_y, law[0])
    speed = np.abs(np.gradient(transform, log_y))
    intervals = np.arange(200) // 20
    quick = counting_covariance.repulsion_covariance(
        transform, speed, width, intervals, count, counting_covariance.FAR_WIDTHS
    )
    exact = counting_covariance.repulsion_covariance(transform, speed, width, intervals, count, np.inf)
    assert_allclose(quick, exact, rtol=1e-4)
    cells = counting_covariance.repulsion_covariance(transform, speed, width, np.arange(200), 200, np.inf)
    assert_allclose(cells.reshape(count, 20, count, 20).mean(axis=(1, 3)), exact, rtol=1e-10)
    assert np.linalg.eigvalsh(exact).min() > 0


def test_precision_is_the_inverse_of_the_covariance():
    rng = np.random.default_rng(3)
    a, b = (matrix @ matrix.T for matrix in rng.standard_normal((2, 6, 8)))
    for beta in (0.01, 0.7, 1.5):
        factor, log_determinant = counting_covariance.precision_factor(a, b, beta)
        blur = counting_covariance.BLUR * np.eye(6)
        covariance = counting_covariance.joint_covariance(a + beta * blur, b + blur, beta)
        assert_allclose(factor @ factor.T @ covariance, np.eye(6), atol=1e-8)
        assert log_determinant == pytest.approx(-np.linalg.slogdet(covariance)[1])
        assert_allclose(np.triu(factor, 1), 0, atol=0)


def test_repulsion_does_not_depend_on_the_unit_nor_on_how_long_runs_are():
    """Runs of equal cells have one logarithm, and a product of thousands of factors must not leave a double's range."""
    x = np.linspace(0.01, 1.0, 3000)
    transform, width = 1e3 * (1 - x) + 1j * np.sqrt(x), np.full(3000, 1e-3)
    speed = np.abs(np.gradient(transform, 1e-3))
    far, together = counting_covariance.FAR_WIDTHS, np.zeros(3000, np.int64)
    uneven = width * (1 + 1e-12 * (np.arange(3000) % 2))  # so that each cell is a run of its own
    whole = counting_covariance.repulsion_covariance(transform, speed, width, together, 1, far)
    alone = counting_covariance.repulsion_covariance(transform, speed, uneven, together, 1, far)
    small = counting_covariance.repulsion_covariance(
        1e-140 * transform, 1e-140 * speed, width, together, 1, far
    )
    assert_allclose(whole, alone, rtol=1e-9)
    assert_allclose(whole, small, rtol=1e-12)
    assert 0 < whole[0, 0] < np.inf
