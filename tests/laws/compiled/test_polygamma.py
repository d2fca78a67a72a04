"""Polygamma functions against arbitrary precision."""

import mpmath
import pytest

from htmp_bayes.laws.compiled import polygamma

POINTS = [1e-3, 0.1, 0.5, 1.0, 2.3, 7.0, 13.9, 14.0, 30.0, 1e3, 1e6]


@pytest.mark.parametrize("x", POINTS)
def test_polygamma(x):
    with mpmath.workdps(40):
        exact = [mpmath.psi(order, mpmath.mpf(x)) for order in (0, 1, 2)]
        minus_log = exact[0] - mpmath.log(mpmath.mpf(x))
    assert polygamma.digamma(x) == pytest.approx(float(exact[0]), rel=5e-15)
    assert polygamma.trigamma(x) == pytest.approx(float(exact[1]), rel=5e-15)
    assert polygamma.tetragamma(x) == pytest.approx(float(exact[2]), rel=5e-15)
    assert polygamma.digamma_minus_log(x) == pytest.approx(float(minus_log), rel=2e-14)


@pytest.mark.parametrize("x", POINTS)
def test_inverse_trigamma_returns_its_argument(x):
    assert polygamma.inverse_trigamma(polygamma.trigamma(x)) == pytest.approx(x, rel=5e-15)
