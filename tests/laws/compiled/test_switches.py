"""Walks across the kernel's switches that other tests do not cross: small kappa, lifted imaginary parts."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from htmp_bayes.laws.compiled import bulk_point, exact_point, htmp_density, left_tail, moments, tail_point
from htmp_bayes.laws.compiled.population_rule import population_rule
from htmp_bayes.laws.compiled.population_tail import population_constants

DEEP = [
    (2.0, 0.25, 0.1, htmp_density.LOG_NORMAL),
    (2.0, 0.25, 0.1, htmp_density.INVERSE_GAMMA),
    (0.5, 0.5, 0.05, htmp_density.LOG_NORMAL),
    (20.0, 0.1, 0.1, htmp_density.LOG_NORMAL),
    (0.01, 0.3, 0.006, htmp_density.INVERSE_GAMMA),
]
DEEP_LEFT = [(1e4, 0.5, 0.3, htmp_density.INVERSE_GAMMA), (300.0, 0.3, 0.1, htmp_density.LOG_NORMAL)]


# Laws whose left, or right, tail route begins inside the range of probabilities.
WALKS = [
    (0.04, 0.3, 0.0, htmp_density.LOG_NORMAL),
    (0.5, 0.05, 1.5, htmp_density.INVERSE_GAMMA),
    (3.0, 0.25, 0.7, htmp_density.LOG_NORMAL),
    (60.0, 0.5, 0.3, htmp_density.INVERSE_GAMMA),
    (2000.0, 0.1, 1.0, htmp_density.LOG_NORMAL),
    (9532.0, 0.9086, 0.0, htmp_density.LOG_NORMAL),
]


def _setup(law):
    kappa, gamma, rho, population = law
    rule, constants = population_rule(rho, population), population_constants(rho, population)
    return kappa / (2 * gamma), kappa / 2, population, rule, constants


def _switches(law, predicate, log_y):
    """Points at which the predicate changes along ``log_y``, by bisection."""
    states = [predicate(point) for point in log_y]
    for low, high, a, b in zip(log_y[:-1], log_y[1:], states[:-1], states[1:], strict=True):
        if a != b:
            for _ in range(44):
                middle = 0.5 * (low + high)
                low, high = (middle, high) if predicate(middle) == a else (low, middle)
            yield low, high


@pytest.mark.parametrize("law", WALKS, ids=str)
@pytest.mark.parametrize("evaluate", [htmp_density.exact_rows, htmp_density.fast_rows], ids=["exact", "fast"])
def test_nothing_jumps_where_the_tails_begin(law, evaluate):
    s, c, population, rule, constants = _setup(law)

    def tail(log_y):
        row = np.empty(moments.COLUMNS)
        ratio, t0, _ = bulk_point.bulk_row(log_y, s, c, population, rule, constants, row)
        nearly_real = -t0.imag < exact_point._NEARLY_REAL
        return ratio < exact_point.TAIL_RATIO or (nearly_real and exact_point.in_tail(ratio, row, True))

    wide = np.log(s) + np.linspace(-40.0, 12.0, 300) * (1.0 if s < 1 else 0.4 + law[2])
    rows = htmp_density.exact_rows(wide, *law)
    inside = wide[(rows[:, 5] > 1e-12) & (rows[:, 6] > 1e-12)]
    switches = list(_switches(law, tail, np.linspace(inside[0], inside[-1], 120)))
    assert switches
    for ends in switches:
        before, after = evaluate(np.array(ends), *law)
        assert_allclose(before[:2], after[:2], rtol=1e-9, atol=1e-9)
        assert_allclose(before[2:5], after[2:5], rtol=1e-7, atol=1e-9)
        assert_allclose(before[5:], after[5:], rtol=1e-8)


@pytest.mark.parametrize("rho", [0.0, 0.5])
@pytest.mark.parametrize("power", [left_tail._SMALL_POWER, left_tail.FAR])
def test_nothing_jumps_between_the_closed_forms(power, rho):
    """Far to the left there are three, by the size of p log(1/y0), p = (kappa/2)(1/gamma - 1)."""
    c = 2.5
    low = left_tail.left_end(c, population_rule(rho, htmp_density.LOG_NORMAL))
    log_y = low - np.array([1e-3, 5.0, 100.0])
    gammas = c / (c + power / -low * (1 + np.array([-1e-13, 1e-13])))
    below, above = (
        htmp_density.exact_rows(log_y, 2 * c, gamma, rho, htmp_density.LOG_NORMAL) for gamma in gammas
    )
    assert_allclose(below[:, :5], above[:, :5], rtol=1e-9, atol=1e-9)
    assert_allclose(below[:, 5:], above[:, 5:], rtol=1e-8)


def test_nothing_jumps_where_a_point_leaves_the_shared_path():
    """A call of one point walks its own curve of saddle points; one among many may need a path of its own."""
    law = (300.0, 1.0, 0.7, htmp_density.INVERSE_GAMMA)
    log_y = np.linspace(-25.0, 6.5, 400)
    together = htmp_density.fast_rows(log_y, *law)
    alone = np.concatenate([htmp_density.fast_rows(log_y[i : i + 1], *law) for i in range(0, 400, 7)])
    assert_allclose(together[::7, :2], alone[:, :2], rtol=1e-9, atol=1e-9)
    assert_allclose(together[::7, 2:5], alone[:, 2:5], rtol=1e-7, atol=1e-9)
    assert_allclose(together[::7, 5:], alone[:, 5:], rtol=1e-8)


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_distribution_function_where_kappa_becomes_small(rho):
    """Below, F comes from the difference to no repulsion; above, from the phase itself."""
    log_y = np.linspace(-8.0, 1.5, 24)
    kappas = 2 * moments.SMALL_C * (1 + np.array([-1e-12, 1e-12]))
    for evaluate in (htmp_density.exact_rows, htmp_density.fast_rows):
        below, above = (evaluate(log_y, kappa, 0.4, rho, htmp_density.INVERSE_GAMMA) for kappa in kappas)
        assert np.abs(below[:, 5] - above[:, 5]).max() < 1e-12
        assert np.abs(below[:, 6] - above[:, 6]).max() < 1e-12
        assert_allclose(below[:, :5], above[:, :5], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("law", DEEP + DEEP_LEFT, ids=str)
def test_slopes_far_out_where_imaginary_parts_are_lifted(law):
    """Log f stays finite below exp(-700), and is the integral of its slope across the switch."""
    centre = np.log(law[0] / (2 * law[1]))
    log_y = centre + np.linspace(2.0, 15.0, 27) * (-0.45 if law in DEEP_LEFT else 1.0)
    step = 1e-3
    rows = htmp_density.exact_rows((log_y[:, None] + step * np.arange(-2, 3)).ravel(), *law).reshape(
        27, 5, -1
    )
    values, slopes = rows[:, :, 0], rows[:, 2, 1]
    lifted = np.log(tail_point.LIFTED)
    assert values.min() < 2 * lifted
    assert values.max() > lifted
    assert np.isfinite(rows).all()
    differences = (8 * (values[:, 3] - values[:, 1]) - (values[:, 4] - values[:, 0])) / (12 * step)
    # The five-point formula's own error: step^4 / 30 times the fifth derivative, and rounding of log f.
    assert_allclose(differences, slopes, rtol=1e-7, atol=1e-7 + 2e-15 * np.abs(values).max() / step)
