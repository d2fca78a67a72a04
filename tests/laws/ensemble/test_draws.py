"""Draws of the finite ensemble: exact moments, classical Wishart matrices, the limiting law of the table.

Every tolerance is a multiple of a Monte-Carlo standard error: 5 of them, or a Kolmogorov-Smirnov p-value of
1e-4.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from htmp_bayes.laws.ensemble import draws as ensemble_draws
from htmp_bayes.laws.ensemble import sample_ensemble, sample_ensembles
from htmp_bayes.laws.populations import Atoms, get_population, population_quantiles

TABLE = json.loads((Path(__file__).parents[2] / "reference" / "htmp_reference.json").read_text())


def draws(count, seed, *args, **kwargs):
    rng = np.random.default_rng(seed)
    return np.array([sample_ensemble(*args, random_state=rng, **kwargs) for _ in range(count)])


def assert_mean(values, expected):
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert values.mean() == pytest.approx(expected, abs=5 * error)


@pytest.mark.parametrize(
    ("kappa", "gamma", "rho", "population"),
    [
        (0.5, 0.3, 0.0, "point"),
        (6.0, 0.3, 0.0, "point"),
        (80.0, 1.0, 0.0, "point"),
        (0.5, 0.9, 0.3, "inverse-gamma"),
        (6.0, 0.3, 0.4, "log-normal"),
        (50.0, 0.3, 0.5, Atoms([0.0, 1.0, 3.0])),
    ],
)
def test_first_two_moments(kappa, gamma, rho, population):
    """E[y] = s mu1, E[y^2] = mu2 (s^2 + s) + (1 - 1/N) (kappa/2) s mu1^2 with s = kappa/(2 gamma), exactly.

    Each column adds to tr L^2 the terms 2 sum_j L_jj z_j^2 and (sum z^2)^2, sum z^2 being h times a Gamma(s)
    variable; N -> infinity gives the moments of the limiting law.
    """
    n, temperature = 30, 1.7
    y = draws(400, 5, n, kappa, gamma, temperature, rho, population) / temperature
    mu1, mu2 = get_population(population).moments(rho)
    s = kappa / (2 * gamma)
    assert_mean(y.mean(axis=1), s * mu1)
    assert_mean((y**2).mean(axis=1), mu2 * (s**2 + s) + (1 - 1 / n) * kappa / 2 * s * mu1**2)


def table_rows(correlated):
    """Groups of the reference table with two rows at least between the 2 % and the 98 % quantile."""
    groups = {}
    for row in TABLE:
        if 0.02 < row["cdf"] < 0.98 and row["kappa"] >= 0.05 and (row["correlation"] > 0) == correlated:
            key = (row["kappa"], row["gamma"], row["correlation"], row["population"])
            groups.setdefault(key, []).append((row["x"], row["cdf"]))
    return [(*key, points) for key, points in groups.items() if len(points) >= 2]


@pytest.mark.parametrize(("kappa", "gamma", "rho", "population", "points"), table_rows(False))
def test_distribution_function_without_correlation(kappa, gamma, rho, population, points):
    check_cdf(draws(6, 1, 1000, kappa, gamma, 1.0, rho, population), points)


@pytest.mark.slow
@pytest.mark.parametrize(("kappa", "gamma", "rho", "population", "points"), table_rows(True))
def test_distribution_function_with_correlation(kappa, gamma, rho, population, points):
    check_cdf(draws(12, 2, 400, kappa, gamma, 1.0, rho, population), points)


@pytest.mark.parametrize(("kappa", "gamma", "rho", "population", "points"), table_rows(True)[::6])
def test_distribution_function_with_correlation_quickly(kappa, gamma, rho, population, points):
    check_cdf(draws(6, 3, 250, kappa, gamma, 1.0, rho, population), points)


def check_cdf(samples, points):
    """Counts fluctuate less than independent draws, whose error is the bound; N moves F by O(1/N)."""
    for x, cdf in points:
        error = np.sqrt(cdf * (1 - cdf) / samples.size)
        assert (samples <= x).mean() == pytest.approx(cdf, abs=4.5 * error + 1 / samples.shape[1])


def test_smallest_eigenvalue_of_a_square_complex_wishart_matrix():
    """beta = 2 is kappa = 2 N; N times the smallest eigenvalue is exponential (Edelman, SIMAX 9, 1988)."""
    n = 12
    smallest = draws(500, 4, n, 2 * n, 1.0)[:, 0]
    assert stats.kstest(n * smallest, "expon").pvalue > 1e-4


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_real_wishart_matrix(rho):
    """beta = 1 is kappa = N: eigenvalues of h^(1/2) G G^T h^(1/2) / 2 with G a real N x n Gaussian matrix."""
    n, longer, count = 8, 14, 600
    rng = np.random.default_rng(6)
    classical = []
    for _ in range(count):
        root = np.exp(rho * rng.standard_normal(n) / 2)
        matrix = root[:, None] * rng.standard_normal((n, longer))
        classical.append(np.linalg.svd(matrix, compute_uv=False)[::-1] ** 2 / 2)
    ours = draws(
        count,
        7,
        n,
        float(n),
        n / longer,
        correlation=rho,
        population="log-normal",
        population_values="random",
    )
    for column in (0, n // 2, n - 1):
        assert stats.ks_2samp(ours[:, column], np.array(classical)[:, column]).pvalue > 1e-4


@pytest.mark.parametrize("values", ["quantiles", "given"])
def test_real_wishart_matrix_of_a_fixed_population(values):
    """The same list in each matrix, here and by NumPy: means and variances of sums over the spectrum."""
    n, longer, count = 10, 16, 800
    listed = (
        population_quantiles("inverse-gamma", 0.8, n) if values == "quantiles" else np.linspace(0.2, 6, n)
    )
    rng = np.random.default_rng(16)
    classical = []
    for _ in range(count):
        matrix = np.sqrt(listed)[:, None] * rng.standard_normal((n, longer))
        classical.append(np.linalg.svd(matrix, compute_uv=False)[::-1] ** 2 / 2)
    wanted = {} if values == "quantiles" else {"population_values": listed}
    ours = sample_ensembles(count, n, float(n), n / longer, 1.0, 0.8, "inverse-gamma", 17, **wanted)
    for statistic in (np.log, np.sqrt, lambda x: 1 / (1 + x)):
        one, other = (statistic(np.array(spectra)).sum(axis=1) for spectra in (classical, ours))
        error = np.sqrt((one.var() + other.var()) / count)
        assert one.mean() == pytest.approx(other.mean(), abs=5 * error)
        assert one.var() == pytest.approx(other.var(), rel=5 * np.sqrt(4 / count))
        assert stats.ks_2samp(one, other).pvalue > 1e-4


def test_a_population_drawn_anew_adds_its_own_scatter():
    law = (40, 40.0, 0.25, 1.0, 0.7, "log-normal")
    fixed = np.log(sample_ensembles(300, *law, random_state=1)).sum(axis=1)
    anew = np.log(sample_ensembles(300, *law, random_state=1, population_values="random")).sum(axis=1)
    assert fixed.var() == pytest.approx(-2 * np.log(0.75), rel=0.45)
    # sum log h has the variance N rho^2
    assert anew.var() == pytest.approx(40 * 0.7**2 - 2 * np.log(0.75), rel=0.45)


def test_values_of_the_population_that_are_all_equal_are_a_scale():
    one = sample_ensemble(20, 3.0, 0.5, random_state=1)
    np.testing.assert_allclose(
        sample_ensemble(20, 3.0, 0.5, random_state=1, population_values=np.full(20, 2.5)), 2.5 * one
    )


@pytest.mark.parametrize(("kappa", "gamma"), [(0.5, 0.3), (8.0, 0.9), (60.0, 1.0)])
def test_both_samplers_agree_without_correlation(kappa, gamma):
    bidiagonal = draws(400, 8, 20, kappa, gamma)
    recursive = draws(400, 9, 20, kappa, gamma, correlation=1e-12, population="log-normal")
    for statistic in (lambda y: y[:, 10], lambda y: y[:, -1], lambda y: y.std(axis=1), lambda y: y[:, 2]):
        assert stats.ks_2samp(statistic(bidiagonal), statistic(recursive)).pvalue > 1e-4


def test_small_singular_values_keep_their_digits():
    """A graded bidiagonal matrix: the product of its singular values is that of its diagonal."""
    d, e = 10.0 ** -np.arange(0, 120, 10), np.full(11, 1e-3)
    found = ensemble_draws._singular_values(d, e * np.sqrt(d[:-1] * d[1:]))
    assert np.log10(found).sum() == pytest.approx(np.log10(d).sum(), abs=1e-13 * 660)
    np.testing.assert_allclose(found, d, rtol=1e-2)


@pytest.mark.parametrize("kappa", [1e-6, 1e-3, 1.0, 1e4, 1e6])
@pytest.mark.parametrize("gamma", [1e-4, 0.005, 0.5, 1.0])
@pytest.mark.parametrize("rho", [0.0, 1e-8, 0.5, 3.0, 10.0])
def test_extremes_are_finite_and_sorted(kappa, gamma, rho):
    for n in (1, 2, 60):
        x = sample_ensemble(n, kappa, gamma, correlation=rho, random_state=3)
        assert x.shape == (n,)
        assert np.all(np.isfinite(x))
        assert np.all(x >= 0)
        assert np.all(np.diff(x) >= 0)


def test_pole_so_small_that_reciprocals_would_overflow():
    x = sample_ensemble(300, 0.05, 1.0, correlation=3.0, random_state=1)
    assert np.all(np.isfinite(x))


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_random_state_as_in_scipy(rho):
    first = sample_ensemble(50, 3.0, 0.5, correlation=rho, random_state=7)
    np.testing.assert_array_equal(first, sample_ensemble(50, 3.0, 0.5, correlation=rho, random_state=7))
    generator = np.random.default_rng(7)
    np.testing.assert_array_equal(
        first, sample_ensemble(50, 3.0, 0.5, correlation=rho, random_state=generator)
    )
    assert not np.array_equal(first, sample_ensemble(50, 3.0, 0.5, correlation=rho, random_state=generator))
    legacy = [
        sample_ensemble(5, 3.0, 0.5, correlation=rho, random_state=np.random.RandomState(1)) for _ in range(2)
    ]
    np.testing.assert_array_equal(*legacy)


@pytest.mark.parametrize("rho", [0.0, 0.7])
@pytest.mark.parametrize("generator", [np.random.default_rng, np.random.RandomState])
def test_several_matrices_are_those_drawn_one_by_one(rho, generator):
    together = sample_ensembles(3, 20, 5.0, 0.5, 2.0, rho, random_state=generator(1))
    one_by_one = generator(1)
    for eigenvalues in together:
        np.testing.assert_array_equal(
            eigenvalues, sample_ensemble(20, 5.0, 0.5, 2.0, rho, random_state=one_by_one)
        )


def test_temperature_is_a_scale():
    one, five = (sample_ensemble(20, 3.0, 0.5, t, 0.5, random_state=1) for t in (1.0, 5.0))
    np.testing.assert_allclose(five, 5 * one, rtol=1e-15)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"N": 0}, "N, the number of eigenvalues"),
        ({"N": 2.5}, "N, the number of eigenvalues"),
        ({"N": True}, "N, the number of eigenvalues"),
        ({"kappa": 0.0}, "kappa must lie"),
        ({"gamma": 1.2}, "gamma must lie"),
        ({"temperature": -1.0}, "temperature must be"),
        ({"correlation": -0.1}, "correlation"),
        ({"correlation": 0.5, "population": "point"}, "no spread"),
        ({"population": "cauchy"}, "is not known"),
        ({"population_values": "drawn"}, "'quantiles', 'random' or an array"),
        ({"population_values": [1.0, 2.0]}, "10 positive finite numbers"),
        ({"population_values": [0.0] * 10}, "10 positive finite numbers"),
    ],
)
def test_bad_input(change, words):
    with pytest.raises(ValueError, match=words):
        sample_ensemble(**({"N": 10, "kappa": 1.0, "gamma": 0.5} | change))


def test_square_matrices_of_weak_repulsion_have_eigenvalues_only():
    """Their smallest eigenvalues lie hundreds of orders of magnitude below the largest."""
    for seed in range(12):
        eigenvalues = sample_ensemble(128, 1.0, 1.0, 1.0, 0.02, random_state=seed)
        assert np.all(np.isfinite(eigenvalues))
        assert np.all(eigenvalues >= 0)
    assert np.all(np.isfinite(sample_ensemble(256, 1.0, 1.0, 1.0, 0.02, random_state=1)))
