"""Sums over the eigenvalues: exact variances and means, derivatives, laws on a grid, classical Wishart matrices."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import digamma, polygamma

from htmp_bayes.laws import (
    HTMP,
    Atoms,
    GammaLimit,
    GridLaw,
    InverseHTMP,
    LinearStatistics,
    MarchenkoPastur,
    companion_transform,
    linear_statistics,
    mean_derivatives,
)

ATOMS = Atoms([0.0, 1.0, 3.0], [0.5, 0.3, 0.2])
POPULATIONS = ["point", "inverse-gamma", "log-normal", ATOMS]
FUNCTIONS = [np.log, np.sqrt, lambda x: 1 / (1 + x**2)]


def random_limits(count, seed):
    """Limiting laws of all populations."""
    rng = np.random.default_rng(seed)
    for i in range(count):
        population = POPULATIONS[i % 4]
        rho = 0.0 if population == "point" else rng.uniform(0.1, 1.5)
        yield MarchenkoPastur(rng.uniform(0.02, 0.95), np.exp(rng.normal()), rho, population)


def random_laws(count, seed):
    """Laws of all populations, kappa from 1 to 1,000."""
    rng = np.random.default_rng(seed)
    for i in range(count):
        population = POPULATIONS[i % 4]
        rho = 0.0 if population == "point" else rng.uniform(0.1, 1.5)
        kappa = np.exp(rng.uniform(0, np.log(1000)))
        yield HTMP(kappa, rng.uniform(0.02, 0.9), np.exp(rng.normal()), rho, population)


def of_log(law, cells):
    return linear_statistics(law, 100, [np.log], cells=cells).repulsion[0, 0]


@pytest.mark.parametrize("law", list(random_limits(50, seed=1)), ids=repr)
def test_variance_of_the_log_determinant(law):
    """Of a real matrix with any fixed population (Bai & Silverstein 2004, theorem 1.1 and section 1)."""
    assert of_log(law, 160) == pytest.approx(-2 * np.log(1 - law.gamma), abs=1e-4)


def check_log_at_a_finite_kappa(law, cells, tolerance):
    found = linear_statistics(law, 100, [np.log], cells=cells)
    assert found.repulsion[0, 0] == pytest.approx(-2 * np.log(1 - law.gamma), abs=tolerance)
    assert found.dyson_index == law.kappa / 100


@pytest.mark.parametrize("law", list(random_laws(4, seed=2)), ids=repr)
def test_variance_of_the_log_determinant_by_the_transform_of_a_finite_kappa(law):
    """The same double integral, of the same value for every transform that takes no value twice off the axis."""
    check_log_at_a_finite_kappa(law, 250, 1e-4)


@pytest.mark.study
@pytest.mark.parametrize("law", list(random_laws(50, seed=3)), ids=repr)
def test_variance_of_the_log_determinant_by_the_transforms_of_many_laws(law):
    check_log_at_a_finite_kappa(law, 400, 1e-4)


@pytest.mark.parametrize("gamma", [0.05, 0.25, 0.5, 0.9])
def test_variance_of_the_trace_of_marchenko_and_pastur(gamma):
    """It is 2 gamma scale^2: the trace is the mean of N n squares of normal variables."""
    found = linear_statistics(MarchenkoPastur(gamma, 1.5), 100, [np.asarray], cells=1000)
    assert found.repulsion[0, 0] == pytest.approx(2 * gamma * 1.5**2, rel=1e-6)


@pytest.mark.parametrize(("kappa", "gamma"), [(1.0, 0.25), (5.0, 0.25), (50.0, 0.8)])
def test_variance_of_the_trace_by_the_transform_of_a_finite_kappa(kappa, gamma):
    """By the expansion of m at infinity it is 2 (gamma E[x^2] - gamma^2 E[x]^2), whatever the law."""
    found = linear_statistics(HTMP(kappa, gamma), 100, [np.asarray])
    law = HTMP(kappa, gamma)
    expected = 2 * (gamma * law.moment(2) - gamma**2 * law.moment(1) ** 2)
    assert found.repulsion[0, 0] == pytest.approx(expected, rel=1e-5)


def log_determinant(size, kappa, gamma):
    """E sum log lambda at temperature 1 of a population with E log h = 0."""
    return digamma(kappa / (2 * size) * (size / gamma - np.arange(size))).sum()


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("gamma", [0.25, 0.8])
def test_mean_of_the_log_determinant_to_the_next_order(beta, gamma):
    """What is left of it falls as 1/N, with the law of a finite kappa and with its limit."""
    for rho in (0.0, 0.7):
        left = []
        for size in (40, 160):
            kappa = beta * size
            exact = log_determinant(size, kappa, gamma)
            law = HTMP(kappa, gamma, 1.0, rho, "log-normal")
            limit = MarchenkoPastur(gamma, kappa / (2 * gamma), rho, "log-normal")
            means = [
                linear_statistics(law, size, [np.log], cells=150).mean[0],
                linear_statistics(limit, size, [np.log], dyson_index=beta, cells=150).mean[0],
            ]
            left.append(np.array(means) - exact)
        assert np.abs(left[0]).max() < 0.1
        assert np.all(np.abs(left[1]) < 0.35 * np.abs(left[0]) + 1e-4)


@pytest.mark.parametrize(
    "law",
    [
        MarchenkoPastur(0.5, 2.0),
        MarchenkoPastur(0.25, 2.0, 0.7),
        MarchenkoPastur(0.5, 1.0, 1.5, ATOMS),
        HTMP(3.0, 0.8, 1.0, 0.0),
        pytest.param(HTMP(5.0, 0.25, 3.0, 0.7), marks=pytest.mark.slow),
        pytest.param(HTMP(50.0, 0.6, 1.0, 0.7, ATOMS), marks=pytest.mark.slow),
    ],
    ids=repr,
)
def test_derivatives_of_the_mean(law):
    size, beta = 384, 0.5
    slopes = mean_derivatives(law, size, FUNCTIONS, beta, cells=200)
    kind = type(law)
    names = ("kappa", "gamma", "temperature") if kind is HTMP else ("gamma", "scale")
    assert set(slopes) == {*names, "correlation"}
    values = {name: float(getattr(law, name)) for name in slopes}
    for name, value in values.items():
        if value == 0:
            assert_allclose(slopes[name], 0, atol=1e-9)
            continue
        h = 1e-3 * value
        ends = [
            linear_statistics(
                kind(**(values | {name: value + step}), population=law.population), size, FUNCTIONS, beta, 200
            ).mean
            for step in (-h, h)
        ]
        assert_allclose(slopes[name], (ends[1] - ends[0]) / (2 * h), rtol=2e-5, atol=1e-3)
    unit = "temperature" if kind is HTMP else "scale"
    assert slopes[unit][0] == pytest.approx(size / values[unit], rel=1e-5)


LAWS = [
    HTMP(0.05, 0.3, 2.0, 0.5, "log-normal"),
    HTMP(2.0, 1.0, 2.0, 0.0),
    HTMP(5.0, 0.25, 2.0, 1.5),
    HTMP(300.0, 0.9, 2.0, 0.7, "log-normal"),
    HTMP(8.0, 0.3, 2.0, 0.7, ATOMS),
    MarchenkoPastur(0.3, 2.0),
    MarchenkoPastur(0.3, 2.0, 0.7, "log-normal"),
    MarchenkoPastur(0.1, 2.0, 1.5, ATOMS),
]


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_companion_transform_is_that_of_the_slow_exact_one(law):
    """In the bulk, in both tails, in gaps; the points may come in any order and far apart."""
    inside = law.ppf([0.9, 0.05, 0.5, 0.1, 0.999])
    x = np.concatenate([inside, inside[1] * np.array([1e-30, 1e-3]), 30 * inside[-1:]])
    expected = -(1 - law.gamma) / x + law.gamma * law.stieltjes(x)
    found = companion_transform(law, x)
    # at kappa = infinity an imaginary part below 1e-9 is taken as none
    assert_allclose(found, expected, rtol=1e-7 if isinstance(law, MarchenkoPastur) else 1e-9)
    if isinstance(law, HTMP):
        assert_allclose(found.imag, np.pi * law.gamma * law.pdf(x), rtol=1e-7)


def grid_of(law):
    low, high = law.support()
    edges = (law.ppf(1e-9), law.isf(1e-9)) if high == np.inf else (low, high)
    cosine = -np.cos(np.linspace(0, np.pi, 3001))
    log_x = (np.log(edges[0]) * (1 - cosine) + np.log(edges[1]) * (1 + cosine)) / 2
    x = np.exp(log_x)
    return GridLaw(x, np.nan_to_num(law.pdf(x)), float(law.gamma))


@pytest.mark.parametrize("law", [MarchenkoPastur(0.25), HTMP(20.0, 0.5, 1.0, 0.7, "log-normal")], ids=repr)
def test_a_density_on_a_grid(law):
    grid = grid_of(law)
    x = law.ppf([0.01, 0.3, 0.5, 0.95])
    assert_allclose(grid.cdf(x), law.cdf(x), atol=1e-5)
    assert_allclose(grid.sf(x), law.sf(x), atol=1e-5)
    assert_allclose(grid.ppf(law.cdf(x)), x, rtol=1e-4)
    assert_allclose(grid.pdf(x), law.pdf(x), rtol=1e-4)
    points = np.concatenate([x, grid.x[[900, 1500]], [-1.0, 1 + 0.3j]])
    assert_allclose(grid.stieltjes(points), law.stieltjes(points), rtol=1e-4)
    beta = 20.0 / 384
    exact, found = (linear_statistics(one, 384, FUNCTIONS, beta, cells=200) for one in (law, grid))
    assert_allclose(found.repulsion, exact.repulsion, rtol=1e-3)
    assert_allclose(found.independent, exact.independent, rtol=1e-4)
    if isinstance(law, MarchenkoPastur):
        assert_allclose(found.mean, exact.mean, rtol=1e-4)
    assert repr(grid).startswith("GridLaw(3001 points")


def test_without_repulsion_precisions_add_and_functions_may_be_mixed():
    law, mix = HTMP(5.0, 0.4), np.array([[1.0, 2.0, 0.0], [0.0, 1.0, -1.0], [0.5, 0.0, 2.0]])
    found = linear_statistics(law, 10**6, FUNCTIONS, cells=100)
    added = found.dyson_index * np.linalg.inv(found.repulsion) + np.linalg.inv(found.independent)
    assert_allclose(found.covariance(), np.linalg.inv(added), rtol=1e-4)
    assert_allclose(found.precision() @ found.covariance(), np.eye(3), atol=1e-6)
    mixed = [lambda x, row=row: sum(w * f(x) for w, f in zip(row, FUNCTIONS, strict=True)) for row in mix]
    other = linear_statistics(law, 10**6, mixed, cells=100)
    assert_allclose(other.covariance(), mix @ found.covariance() @ mix.T, rtol=1e-6)


@pytest.mark.parametrize("kappa", [2.0, 5.0, 20.0])
def test_long_waves_at_small_kappa(kappa):
    """The variance of the log-determinant is that of a log-gas on the whole half-line; what A and B make of it is less.

    The secant of the likelihood puts this right.
    """
    size, gamma = 384, 0.25
    law, half_beta = HTMP(kappa, gamma), kappa / (2 * size)
    exact = polygamma(1, half_beta * (size / gamma - np.arange(size))).sum()
    ends = np.exp(np.linspace(*np.log([law.ppf(1e-7), law.isf(1e-9)]), 301))
    x, width, mass = (ends[1:] + ends[:-1]) / 2, np.diff(ends), np.diff(law.cdf(ends))
    distance = np.abs(x[:, None] - x)
    # the mean of log(1/t) between two points of one cell
    np.fill_diagonal(distance, width * np.exp(-1.5))
    covariance = np.linalg.inv(-2 * half_beta * np.log(distance) + np.diag(1 / (size * mass)))
    of_number = covariance.sum(axis=1)
    covariance -= np.outer(of_number, of_number) / of_number.sum()
    assert np.log(x) @ covariance @ np.log(x) == pytest.approx(exact, rel=0.01)
    stated = linear_statistics(law, size, [np.log], cells=100).covariance()[0, 0]
    assert 0.55 * exact < stated < 0.95 * exact


def test_the_classical_wishart_matrix():
    """Real matrices made by NumPy alone: means and covariances within Monte-Carlo error."""
    size, gamma, count = 60, 0.5, 1500
    rng = np.random.default_rng(1)
    root = np.exp(0.35 * rng.standard_normal(size))
    values = []
    for _ in range(count):
        matrix = root[:, None] * rng.standard_normal((size, int(size / gamma))) * np.sqrt(gamma / size)
        eigenvalues = np.linalg.eigvalsh(matrix @ matrix.T)
        values.append([function(eigenvalues).sum() for function in FUNCTIONS])
    logs = np.log(root**2)
    law = MarchenkoPastur(gamma, np.exp(logs.mean()), logs.std(), Atoms(logs))
    found = linear_statistics(law, size, FUNCTIONS)
    white = np.linalg.solve(np.linalg.cholesky(found.covariance()), (np.array(values) - found.mean).T)
    assert_allclose(white.mean(axis=1), 0, atol=0.15)
    assert_allclose(np.cov(white), np.eye(3), atol=0.15)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"law": InverseHTMP(5.0, 0.5)}, "the law of 1/x"),
        ({"law": GammaLimit(0.5)}, "GridLaw"),
        ({"law": HTMP([1.0, 2.0], 0.5)}, "one set of parameters"),
        ({"size": 0}, "positive integer"),
        ({"dyson_index": 0.0}, "dyson_index must be positive"),
        ({"cells": 3}, "cells must be an integer of 32"),
        ({"functions": [lambda x: x[:3]]}, "a finite number for each"),
        ({"functions": [lambda x: np.log(x - x)]}, "a finite number for each"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_bad_input(change, words):
    right = {"law": MarchenkoPastur(0.5), "size": 10, "functions": [np.log]}
    with pytest.raises(ValueError, match=words):
        linear_statistics(**(right | change))


def test_more_bad_input():
    law = MarchenkoPastur(0.5)
    with pytest.raises(ValueError, match="linearly dependent"):
        linear_statistics(law, 10, [np.log, lambda x: 2 * np.log(x)], cells=40).covariance()
    with pytest.raises(ValueError, match="positive and finite"):
        companion_transform(law, 0.0)
    grid = GridLaw([1.0, 2.0, 3.0], [0.0, 1.0, 0.0], 0.5)
    with pytest.raises(ValueError, match="no parameters"):
        mean_derivatives(grid, 10, [np.log])
    for x, density, gamma, words in [
        ([1.0, 2.0], [1.0], 0.5, "one length"),
        ([2.0, 1.0], [1.0, 1.0], 0.5, "ascending"),
        ([1.0, 2.0], [-1.0, 1.0], 0.5, "not negative"),
        ([1.0, 2.0], [1.0, 1.0], 1.5, "gamma must be"),
    ]:
        with pytest.raises(ValueError, match=words):
            GridLaw(x, density, gamma)
    assert isinstance(linear_statistics(grid, 10, [np.log]), LinearStatistics)
