"""Walks across the kernel's switches that other tests do not cross: small kappa, lifted imaginary parts."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from htmp_bayes.laws import exact_point, kernel

DEEP = [
    (2.0, 0.25, 0.1, kernel.LOG_NORMAL),
    (2.0, 0.25, 0.1, kernel.INVERSE_GAMMA),
    (0.5, 0.5, 0.05, kernel.LOG_NORMAL),
    (20.0, 0.1, 0.1, kernel.LOG_NORMAL),
    (0.01, 0.3, 0.006, kernel.INVERSE_GAMMA),
]


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_distribution_function_where_kappa_becomes_small(rho):
    """Below, F comes from the difference to no repulsion; above, from the phase itself."""
    log_y = np.linspace(-8.0, 1.5, 24)
    kappas = 2 * exact_point.SMALL_C * (1 + np.array([-1e-12, 1e-12]))
    for evaluate in (kernel.exact_rows, kernel.fast_rows):
        below, above = (evaluate(log_y, kappa, 0.4, rho, kernel.INVERSE_GAMMA) for kappa in kappas)
        assert np.abs(below[:, 5] - above[:, 5]).max() < 1e-12
        assert np.abs(below[:, 6] - above[:, 6]).max() < 1e-12
        assert_allclose(below[:, :5], above[:, :5], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("law", DEEP, ids=str)
def test_slopes_far_out_where_imaginary_parts_are_lifted(law):
    """Log f stays finite below exp(-700), and is the integral of its slope across the switch."""
    centre = np.log(law[0] / (2 * law[1]))
    log_y = centre + np.linspace(2.0, 15.0, 27)
    step = 1e-3
    rows = kernel.exact_rows((log_y[:, None] + step * np.arange(-2, 3)).ravel(), *law).reshape(27, 5, 7)
    values, slopes = rows[:, :, 0], rows[:, 2, 1]
    lifted = np.log(exact_point.LIFTED)
    assert values.min() < 2 * lifted
    assert values.max() > lifted
    assert np.isfinite(rows).all()
    differences = (8 * (values[:, 3] - values[:, 1]) - (values[:, 4] - values[:, 0])) / (12 * step)
    # The five-point formula's own error: step^4 / 30 times the fifth derivative, and rounding of log f.
    assert_allclose(differences, slopes, rtol=1e-7, atol=1e-7 + 2e-15 * np.abs(values).max() / step)
