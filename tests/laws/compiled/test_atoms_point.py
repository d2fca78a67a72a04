"""The law of a population of atoms: arbitrary precision, the point mass, gaps of the spectrum, norm, gradients."""

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose

from htmp_bayes.laws import HTMP, Atoms, MarchenkoPastur
from htmp_bayes.laws.compiled.atoms_point import atoms_rows, atoms_rule
from htmp_bayes.laws.compiled.htmp_density import LOG_NORMAL, exact_rows
from htmp_bayes.laws.compiled.population_rule import population_rule

ATOMS = Atoms([0.0, 1.0, 3.0], [0.5, 0.3, 0.2])
POSITIONS, WEIGHTS = np.array(ATOMS.positions), np.array(ATOMS.weights)


def reference(y, kappa, gamma, rho):
    """Log f and the phase of Phi over pi c, by adaptive quadrature along the ray arg v = -1/2 in 25 digits."""
    with mpmath.workdps(25):
        c, y = mpmath.mpf(kappa) / 2, mpmath.mpf(y)
        s = c / mpmath.mpf(gamma)
        h = [mpmath.exp(mpmath.mpf(float(rho * z))) for z in POSITIONS]

        def integral(k):
            def integrand(t):
                v = mpmath.exp(mpmath.mpc(t, -0.5))
                powers = mpmath.fprod((1 - v * a) ** (-c * w) for a, w in zip(h, WEIGHTS, strict=True))
                return v ** (s + k) * mpmath.exp(-y * v) * powers

            high = mpmath.log((s + 100 + 20 * mpmath.sqrt(s)) / y) + 1
            return mpmath.quad(integrand, mpmath.linspace(-50 / s, high, 12))

        first, second = integral(0), integral(1)
        log_f = mpmath.log(abs((second / first).imag) / (mpmath.pi * c))
        return float(log_f), float(abs(mpmath.arg(first)) / (mpmath.pi * c))


@pytest.mark.parametrize(("kappa", "gamma", "rho"), [(1.0, 1.0, 1.5), (3.0, 0.3, 0.8)])
def test_agrees_with_arbitrary_precision(kappa, gamma, rho):
    mean = kappa / (2 * gamma) * (WEIGHTS @ np.exp(rho * POSITIONS))
    for share in (0.05, 2.0):
        row = atoms_rows(np.log([share * mean]), kappa, gamma, atoms_rule(rho, POSITIONS, WEIGHTS))[0]
        log_f, phase = reference(share * mean, kappa, gamma, rho)
        assert row[0] == pytest.approx(log_f, abs=1e-12)
        turns = row[6] * kappa / 2 / 2
        assert abs(turns - round(turns)) == pytest.approx(phase * kappa / 4, abs=1e-12)


@pytest.mark.parametrize(
    ("kappa", "gamma"), [(0.05, 0.5), (3.0, 0.25), (3.0, 1.0), (100.0, 0.3), (3000.0, 0.3)]
)
def test_a_single_atom_is_the_law_without_correlation(kappa, gamma):
    log_y = np.log(kappa / 2 / gamma) + np.linspace(-6, 2, 30)
    ours = atoms_rows(log_y, kappa, gamma, population_rule(0.0, LOG_NORMAL))
    theirs = exact_rows(log_y, kappa, gamma, 0.0, LOG_NORMAL)
    assert_allclose(ours[:, :5], theirs[:, :5], rtol=1e-9, atol=1e-9)
    assert_allclose(ours[:, 5:7], theirs[:, 5:7], rtol=0, atol=1e-13)
    assert_allclose(ours[:, 7], theirs[:, 7], rtol=1e-9)


@pytest.mark.parametrize(("kappa", "gamma", "rho"), [(4.0, 0.9, 1.5), (60.0, 0.05, 2.5), (400.0, 0.1, 1.2)])
def test_mass_and_derivatives(kappa, gamma, rho):
    """At large kappa the bands are disjoint: the density falls to e^-500 between them."""
    rule = atoms_rule(rho, POSITIONS, WEIGHTS)
    nodes, weights = np.polynomial.legendre.leggauss(20)
    centre = np.log(kappa / 2 / gamma)
    edges = np.linspace(centre + rho * POSITIONS[0] - 4, centre + rho * POSITIONS[-1] + 2, 101)
    half = np.diff(edges)[:, None] / 2
    log_y = (edges[:-1, None] + half * (1 + nodes)).ravel()
    rows = atoms_rows(log_y, kappa, gamma, rule)
    ends = atoms_rows(edges[[0, -1]], kappa, gamma, rule)
    mass = np.sum(np.exp(rows[:, 0] + log_y).reshape(half.shape[0], -1) * half * weights)
    assert np.all(np.isfinite(rows))
    assert np.all(np.diff(rows[:, 5]) > -1e-13)
    assert mass + ends[0, 5] + ends[1, 6] == pytest.approx(1.0, abs=1e-9)
    chosen = log_y[::97]
    for column, at in [
        (1, lambda d: atoms_rows(chosen + d, kappa, gamma, rule)),
        (4, lambda d: atoms_rows(chosen, kappa, gamma, atoms_rule(rho + d, POSITIONS, WEIGHTS))),
    ]:
        low2, low1, high1, high2 = (at(k * 1e-4)[:, 0] for k in (-2, -1, 1, 2))
        slope = (low2 - 8 * low1 + 8 * high1 - high2) / 12e-4
        assert_allclose(rows[::97, column], slope, rtol=1e-6, atol=2e-6)


def test_as_a_distribution():
    law = HTMP(8.0, 0.3, 2.0, 0.7, ATOMS)
    q = np.array([1e-8, 0.1, 0.5, 0.9, 1 - 1e-8])
    assert_allclose(law.cdf(law.ppf(q)), q, rtol=1e-9)
    log_x = np.linspace(np.log(law.ppf(1e-12)), np.log(law.isf(1e-13)), 801)
    density = np.exp(law.logpdf(np.exp(log_x)) + log_x) * (log_x[1] - log_x[0])
    assert law.mean() == pytest.approx(density @ np.exp(log_x), rel=1e-8)
    assert law.moment(2) == pytest.approx(density @ np.exp(2 * log_x), rel=1e-8)


def test_its_limit_of_strong_repulsion():
    gamma, rho = 0.3, 0.7
    limit = MarchenkoPastur(gamma, 1.0, rho, ATOMS)
    x = limit.ppf([0.1, 0.5, 0.9])
    near, nearer = (HTMP(k, gamma, 2 * gamma / k, rho, ATOMS) for k in (2e3, 4e3))
    assert_allclose(2 * nearer.cdf(x) - near.cdf(x), limit.cdf(x), atol=1e-6)
