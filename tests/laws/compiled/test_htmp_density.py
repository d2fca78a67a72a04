"""The density kernel: against arbitrary precision, the fast way against the slow, switches, norm."""

import json
from pathlib import Path

import numpy as np
import pytest

from htmp_bayes.laws.compiled import (
    bulk_point,
    exact_point,
    htmp_density,
    moments,
    population_sums,
    tail_point,
)
from htmp_bayes.laws.compiled.population_rule import population_rule
from htmp_bayes.laws.compiled.population_tail import population_constants

TABLE = json.loads((Path(__file__).parents[2] / "reference" / "htmp_reference.json").read_text())
CODES = {
    "point": htmp_density.LOG_NORMAL,
    "log-normal": htmp_density.LOG_NORMAL,
    "inverse-gamma": htmp_density.INVERSE_GAMMA,
}
# The range that is promised; the table goes beyond it.
PROMISED = [
    row
    for row in TABLE
    if 0.05 <= row["kappa"] <= 1000 and row["x"] > 1e-100 and row["cdf"] >= 1e-12 and row["sf"] >= 1e-12
]
KAPPAS = (0.05, 0.3, 2.0, 10.0, 100.0)
GAMMAS = (0.02, 0.25, 0.7, 0.98)
RHOS = (0.0, 0.3, 1.0, 2.0)


def _row(row, evaluate):
    log_y = np.array([np.log(row["x"])])
    return evaluate(log_y, row["kappa"], row["gamma"], row["correlation"], CODES[row["population"]])[0]


@pytest.mark.parametrize("evaluate", [htmp_density.exact_rows, htmp_density.fast_rows], ids=["exact", "fast"])
def test_agrees_with_arbitrary_precision(evaluate):
    assert len(PROMISED) > 150
    for row in PROMISED:
        got = _row(row, evaluate)
        uncorrelated = row["correlation"] == 0
        assert got[0] == pytest.approx(row["logpdf"], abs=1e-10 if uncorrelated else 1e-8, rel=1e-12), row
        assert got[5] == pytest.approx(row["cdf"], abs=1e-12 if uncorrelated else 1e-10), row
        assert got[6] == pytest.approx(row["sf"], abs=1e-12 if uncorrelated else 1e-10), row


def test_stays_right_beyond_the_promised_range():
    for row in TABLE:
        if row["x"] > 1e-250:
            got = _row(row, htmp_density.exact_rows)
            assert got[0] == pytest.approx(row["logpdf"], abs=1e-7, rel=1e-10), row
            assert got[5] == pytest.approx(row["cdf"], abs=1e-11), row


@pytest.mark.parametrize("evaluate", [htmp_density.exact_rows, htmp_density.fast_rows], ids=["exact", "fast"])
def test_keeps_twelve_digits_and_small_probabilities_over_the_whole_table(evaluate):
    for row in TABLE:
        got = _row(row, evaluate)
        assert got[0] == pytest.approx(row["logpdf"], abs=1e-12, rel=1e-12), row
        assert got[5] == pytest.approx(row["cdf"], rel=1e-8, abs=1e-300), row
        assert got[6] == pytest.approx(row["sf"], rel=1e-8), row


def test_gradient_over_the_whole_table():
    """Below 1e-9, where a derivative nearly vanishes, its rounding shows."""
    for row in TABLE:
        law = (row["kappa"], row["gamma"], row["correlation"], CODES[row["population"]])
        got = htmp_density.log_density(np.array([np.log(row["x"])]), *law)[0]
        assert got[1] == pytest.approx(row["d_x"] * row["x"], rel=1e-7, abs=1e-9), row
        for k, name in enumerate(("d_kappa", "d_gamma", "d_correlation")):
            assert got[2 + k] == pytest.approx(row[name], rel=1e-7, abs=1e-9), (name, row)


def test_tails_keep_relative_accuracy():
    checked = 0
    for row in PROMISED:
        got = _row(row, htmp_density.exact_rows)
        if row["sf"] < 1e-6 and row["correlation"] > 0:
            assert got[6] == pytest.approx(row["sf"], rel=1e-7), row
            checked += 1
    assert checked > 3


def test_gradient_agrees_with_arbitrary_precision():
    for row in PROMISED:
        log_y = np.array([np.log(row["x"])])
        got = htmp_density.log_density(
            log_y, row["kappa"], row["gamma"], row["correlation"], CODES[row["population"]]
        )[0]
        assert got[1] / row["x"] == pytest.approx(row["d_x"], rel=1e-7, abs=1e-7 / row["x"]), row
        assert got[2] == pytest.approx(row["d_kappa"], rel=1e-7, abs=1e-9), row
        assert got[3] == pytest.approx(row["d_gamma"], rel=1e-7, abs=1e-7), row
        assert got[4] == pytest.approx(row["d_correlation"], rel=1e-7, abs=1e-9), row


def _central_grid(kappa, gamma, rho, population, size, probability=1e-5):
    """Points of log y between two tail probabilities."""
    s = kappa / (2 * gamma)
    wide = np.linspace(np.log(s) - 12 / min(1, np.sqrt(s)) - 3 * rho, np.log(max(s, 1.0)) + 4 + 8 * rho, 150)
    rows = htmp_density.exact_rows(wide, kappa, gamma, rho, population)
    inside = (rows[:, 5] > probability) & (rows[:, 6] > probability)
    return np.linspace(wide[inside][0], wide[inside][-1], size)


@pytest.mark.parametrize(
    "rows", [htmp_density.exact_rows, htmp_density.fast_rows], ids=["own path", "shared path"]
)
def test_a_population_without_a_mean(rows):
    """As v goes to 0, M/v grows where the tail index of the population is below 1: paths must go far enough.

    Against the trapezoid rule along a ray, on which nothing cancels where kappa is small.
    """
    kappa, gamma, rho, log_y = 0.3, 1.0, 2.755, -4.7
    s, c, y = kappa / (2 * gamma), kappa / 2, np.exp(log_y)
    rule = population_rule(rho, htmp_density.INVERSE_GAMMA)
    t = np.arange(-150.0, 14.0, 0.05) - 0.7j
    m = np.array([population_sums.population_sums(x, rule)[0] for x in t])
    potential = np.array([population_sums.potentials(x, rule)[0] for x in t])
    weights = np.exp((s + 1) * t - y * np.exp(t) - c * potential)
    mu = np.sum(weights * m / np.exp(t)) / y / np.sum(weights)
    log_f = np.log(s / np.pi * abs(mu.imag) / abs(1 - c * mu) ** 2) - log_y
    points = np.linspace(log_y - 30.0, log_y, 12)
    assert rows(points, kappa, gamma, rho, htmp_density.INVERSE_GAMMA)[-1, 0] == pytest.approx(
        log_f, abs=2e-12
    )


@pytest.mark.parametrize(
    "population", [htmp_density.LOG_NORMAL, htmp_density.INVERSE_GAMMA], ids=["log-normal", "inv-gamma"]
)
@pytest.mark.parametrize("kappa", [0.01, 0.3, 3.0, 30.0, 1000.0])
def test_shared_paths_agree_with_own_paths(kappa, population):
    rng = np.random.default_rng([population, int(1000 * kappa)])
    # F is a phase divided by pi kappa/2, and a phase carries some 1e-14.
    for gamma in (rng.uniform(0.005, 0.5), rng.uniform(0.5, 1.0), 1.0):
        for rho in (0.0, rng.uniform(0.0, 1.0), rng.uniform(1.0, 3.0)):
            log_y = _central_grid(kappa, gamma, rho, population, 24)
            fast = htmp_density.fast_rows(log_y, kappa, gamma, rho, population)
            exact = htmp_density.exact_rows(log_y, kappa, gamma, rho, population)
            promised = 1e-10 if rho == 0 else 1e-8
            np.testing.assert_allclose(fast[:, 0], exact[:, 0], rtol=1e-12, atol=promised)
            np.testing.assert_allclose(fast[:, 1:5], exact[:, 1:5], rtol=1e-7, atol=1e-9)
            promised = 1e-12 + 5e-14 / kappa if rho == 0 else 1e-10
            np.testing.assert_allclose(fast[:, 5:7], exact[:, 5:7], rtol=0, atol=promised)
            np.testing.assert_allclose(fast[:, 7], exact[:, 7], rtol=1e-9)


@pytest.mark.parametrize("kappa", [0.05, 1.0, 5.0, 50.0])
@pytest.mark.parametrize("rho", [0.0, 0.2, 1.0])
def test_bulk_and_tail_routes_agree_where_they_meet(kappa, rho):
    gamma, population = 0.25, htmp_density.INVERSE_GAMMA
    s, c = kappa / (2 * gamma), kappa / 2
    rule, constants = population_rule(rho, population), population_constants(rho, population)
    bulk, tail = np.empty(moments.COLUMNS), np.empty(moments.COLUMNS)
    met = 0
    for log_y in _central_grid(kappa, gamma, rho, population, 150, probability=1e-11):
        ratio, t0, phase = bulk_point.bulk_row(log_y, s, c, population, rule, constants, bulk)
        by_ratio = 1e-5 < ratio < 1e-2 and bulk[6] > exact_point.TAIL_OF_DENSITY
        by_probability = 3e-7 < bulk[6] < 3e-6 and ratio > exact_point.TAIL_RATIO and -t0.imag < 0.02
        if by_ratio or by_probability:
            tail_point.tail_row(log_y, t0.real, phase < np.pi / 2, s, c, population, rule, constants, tail)
            np.testing.assert_allclose(tail[:5], bulk[:5], rtol=1e-8, atol=1e-8)
            np.testing.assert_allclose(tail[5:7], bulk[5:7], rtol=0, atol=1e-12 + 5e-14 / kappa)
            np.testing.assert_allclose(tail[7], bulk[7], rtol=1e-8)
            met += 1
    assert met > 0


@pytest.mark.parametrize(
    "population", [htmp_density.LOG_NORMAL, htmp_density.INVERSE_GAMMA], ids=["log-normal", "inv-gamma"]
)
@pytest.mark.parametrize("kappa", KAPPAS)
def test_integrates_to_one_over_the_box(kappa, population):
    """The norm from the density alone, beyond two quantiles completed by the distribution function."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    for gamma in GAMMAS:
        for rho in RHOS:
            edges = np.linspace(*_central_grid(kappa, gamma, rho, population, 2), 17)
            half = np.diff(edges)[:, None] / 2
            log_y = (edges[:-1, None] + half * (1 + nodes)).ravel()
            rows = htmp_density.fast_rows(log_y, kappa, gamma, rho, population)
            inside = np.sum((np.exp(rows[:, 0] + log_y)).reshape(half.shape[0], -1) * half * weights)
            ends = htmp_density.exact_rows(edges[[0, -1]], kappa, gamma, rho, population)
            assert inside + ends[0, 5] + ends[1, 6] == pytest.approx(1.0, abs=1e-9), (gamma, rho)


@pytest.mark.parametrize(
    "law",
    [
        (0.0012, 0.33, 0.0, htmp_density.LOG_NORMAL),
        (1e-3, 1.0, 3.0, htmp_density.LOG_NORMAL),
        (1e4, 1.0, 2.6, htmp_density.LOG_NORMAL),
        (5.0, 0.25, 3.0, htmp_density.INVERSE_GAMMA),
    ],
)
@pytest.mark.parametrize("evaluate", [htmp_density.exact_rows, htmp_density.fast_rows], ids=["exact", "fast"])
def test_up_to_the_largest_double_and_beyond(law, evaluate):
    """A search may ask for any point: -inf where nothing is left that a double can hold, and never NaN."""
    rows = evaluate(np.array([50.0, 300.0, 601.0, 700.0, 708.9, 710.0, 800.0]), *law)
    assert not np.isnan(rows).any()
    assert np.all(np.diff(rows[np.isfinite(rows[:, 0]), 0]) < 0)
    np.testing.assert_array_equal(rows[-1, :7], [-np.inf, 0, 0, 0, 0, 1, 0])
    if law[3] == htmp_density.INVERSE_GAMMA:
        # nu = 0.3551: log y f falls like -nu log y
        slopes = np.diff(rows[:5, 0]) / np.diff([50.0, 300.0, 601.0, 700.0, 708.9])
        np.testing.assert_allclose(slopes, -1.35514689, rtol=1e-6)


def test_no_points_at_all():
    for evaluate in (
        htmp_density.exact_rows,
        htmp_density.fast_rows,
        htmp_density.log_density,
        htmp_density.log_density_and_slope,
    ):
        assert len(evaluate(np.empty(0), 5.0, 0.25, 0.7, htmp_density.INVERSE_GAMMA)) == 0


def test_deep_tails_stay_finite_and_smooth():
    log_y = np.array([8.0, 8.001, 12.0, 12.001])
    rows = htmp_density.exact_rows(log_y, 2447.0, 0.01933, 0.0, htmp_density.LOG_NORMAL)
    assert np.all(rows[:, 0] < -1000)
    assert np.all(np.isfinite(rows))
    slope = (rows[1::2, 0] - rows[::2, 0]) / 0.001
    np.testing.assert_allclose(slope, rows[::2, 1], rtol=0.01)


@pytest.mark.parametrize("population", [htmp_density.INVERSE_GAMMA, htmp_density.LOG_NORMAL])
@pytest.mark.parametrize("kappa", [0.05, 2.0, 50.0, 3000.0])
def test_correlations_next_to_none(kappa, population):
    """The law is even in rho: its slope falls with rho, which a sampler takes down to 1e-300."""
    log_y = np.linspace(-3, 5, 30)
    without = htmp_density.log_density(log_y, kappa, 0.25, 0.0, population)
    curvature = np.abs(htmp_density.log_density(log_y, kappa, 0.25, 1e-3, population)[:, 4]).max() / 1e-3
    for rho in (1.01e-4, 0.99e-4, 1.01e-6, 0.99e-6, 1e-30, 5e-324):
        rows = htmp_density.log_density(log_y, kappa, 0.25, rho, population)
        assert np.abs(rows - without)[:, 0].max() < 1e-8 + curvature * rho**2
        assert np.abs(rows[:, 4]).max() < 2 * curvature * rho + 1e-12
