"""The closed form far to the left: against arbitrary precision, at the switch, and where most of the mass is there."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from htmp_bayes.laws import HTMP, Atoms
from htmp_bayes.laws.compiled import htmp_density
from htmp_bayes.laws.compiled.atoms_point import atoms_rows, atoms_rule
from htmp_bayes.laws.compiled.left_tail import left_end
from htmp_bayes.laws.compiled.population_rule import population_rule

TABLE = json.loads((Path(__file__).parents[2] / "reference" / "htmp_reference.json").read_text())
CODES = {
    "point": htmp_density.LOG_NORMAL,
    "log-normal": htmp_density.LOG_NORMAL,
    "inverse-gamma": htmp_density.INVERSE_GAMMA,
}
LAWS = [
    (0.09, 0.9, 2.2, htmp_density.INVERSE_GAMMA),
    (5.0, 1.0, 0.0, htmp_density.LOG_NORMAL),
    (0.001, 1.0, 0.0, htmp_density.LOG_NORMAL),
    (0.5, 0.9, 1.0, htmp_density.LOG_NORMAL),
    (50.0, 0.7, 0.3, htmp_density.LOG_NORMAL),
    (20.0, 1.0, 0.5, htmp_density.INVERSE_GAMMA),
]


def switch(law):
    kappa, _, rho, population = law
    return left_end(kappa / 2, population_rule(rho, population))


def test_agrees_with_arbitrary_precision_below_the_smallest_doubles_powers():
    far = [row for row in TABLE if row["x"] <= 1e-250]
    assert len(far) >= 10
    for row in far:
        law = (row["kappa"], row["gamma"], row["correlation"], CODES[row["population"]])
        log_y = np.array([np.log(row["x"])])
        got, gradient = htmp_density.exact_rows(log_y, *law)[0], htmp_density.log_density(log_y, *law)[0]
        assert got[0] == pytest.approx(row["logpdf"], abs=1e-10, rel=1e-12), row
        assert got[5] == pytest.approx(row["cdf"], abs=1e-12), row
        assert gradient[2] == pytest.approx(row["d_kappa"], rel=1e-7, abs=1e-9), row
        assert gradient[3] == pytest.approx(row["d_gamma"], rel=1e-7, abs=1e-9), row


@pytest.mark.parametrize("law", LAWS)
def test_nothing_jumps_at_the_switch(law):
    ends = switch(law) + np.array([-1e-7, 1e-7])
    below, above = htmp_density.exact_rows(ends, *law)
    assert below[0] + 2e-7 * below[1] == pytest.approx(above[0], abs=1e-10, rel=1e-13)
    # Over 2e-7 of log y the rest moves by some 1e-8 of itself.
    assert_allclose(below[1:5], above[1:5], rtol=1e-7, atol=1e-7)
    assert below[5] == pytest.approx(above[5], rel=1e-5, abs=1e-300)
    assert below[5] == pytest.approx(above[5], abs=1e-8)


@pytest.mark.parametrize("law", LAWS)
def test_the_density_is_the_slope_of_the_distribution_function(law):
    nodes, weights = np.polynomial.legendre.leggauss(20)
    low, high = switch(law) - 9.0, switch(law) - 1.0
    log_y = low + 0.5 * (high - low) * (1 + nodes)
    mass = 0.5 * (high - low) * weights @ np.exp(htmp_density.exact_rows(log_y, *law)[:, 0] + log_y)
    first, last = htmp_density.exact_rows(np.array([low, high]), *law)[:, 5]
    assert mass == pytest.approx(last - first, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("law", [(3.0, 1.0), (0.01, 0.9), (1e4, 1.0), (20.0, 0.97), (5.0, 0.2)])
def test_a_single_atom_has_the_closed_form(law):
    rule = population_rule(0.0, htmp_density.LOG_NORMAL)
    log_y = left_end(law[0] / 2, rule) - np.array([1e-6, 10.0, 200.0, 600.0])
    ours = atoms_rows(log_y, *law, rule)
    theirs = htmp_density.exact_rows(log_y, *law, 0.0, htmp_density.LOG_NORMAL)
    assert_allclose(ours[:, :4], theirs[:, :4], rtol=1e-9, atol=1e-9)
    assert_allclose(ours[:, 5:], theirs[:, 5:], rtol=1e-9)


@pytest.mark.parametrize("law", [(3.0, 1.0), (0.01, 0.9), (20.0, 0.97)])
def test_atoms_beyond_the_smallest_double(law):
    """Their distribution function is the integral of their density from there on."""
    atoms = Atoms([0.0, 1.0, 3.0], [0.5, 0.3, 0.2])
    rule = atoms_rule(0.8, np.array(atoms.positions), np.array(atoms.weights))
    low = left_end(law[0] / 2, rule)
    nodes, weights = np.polynomial.legendre.leggauss(60)
    log_y = low - 40.0 + 40.0 * nodes
    mass = 40.0 * weights @ np.exp(atoms_rows(log_y, *law, rule)[:, 0] + log_y)
    before, after = atoms_rows(np.array([low - 80.0, low]), *law, rule)[:, 5]
    assert mass == pytest.approx(after - before, rel=1e-9)
    assert np.isfinite(atoms_rows(np.array([-720.0, -5000.0]), *law, rule)).all()


def test_mass_below_the_smallest_double_is_counted():
    """The case that once missed 0.003 of its mass: kappa = 0.09, gamma = 0.9, rho = 2.2."""
    law = HTMP(0.09, 0.9, correlation=2.2)
    low, high = law.cdf(5e-324), law.cdf(1e-250)
    assert 0 < low < high < 0.1
    ratio = htmp_density.exact_rows(np.array([-1400.0, -1300.0]), 0.09, 0.9, 2.2, htmp_density.INVERSE_GAMMA)[
        :, 5
    ]
    # F falls like y^p there, p = (kappa/2)(1/gamma - 1).
    assert np.log(ratio[1] / ratio[0]) / 100 == pytest.approx(0.005, rel=0.05)
