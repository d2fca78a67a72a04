"""Interpolation of the log-density at many points, against the kernel at each of them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from htmp_bayes.laws import HTMP, InverseHTMP
from htmp_bayes.laws.compiled import htmp_density
from htmp_bayes.laws.interpolation import many_points

LAWS = [
    (1.0, 0.25, 0.0, htmp_density.LOG_NORMAL),
    (0.05, 0.5, 0.0, htmp_density.LOG_NORMAL),
    (5.0, 1.0, 0.0, htmp_density.LOG_NORMAL),
    (2000.0, 0.3, 0.0, htmp_density.LOG_NORMAL),
    (5.0, 0.25, 0.7, htmp_density.INVERSE_GAMMA),
    (0.3, 0.9, 1.5, htmp_density.LOG_NORMAL),
    (300.0, 0.25, 0.1, htmp_density.INVERSE_GAMMA),
]


@pytest.mark.parametrize("law", LAWS)
def test_agrees_with_the_kernel(law):
    rng = np.random.default_rng(1)
    centre = np.log(law[0] / (2 * law[1]))
    wide = np.append(centre + rng.normal(scale=1.0, size=2000), centre + np.array([-25.0, 6.0]))
    values = many_points.log_density_at(wide, *law)
    chosen = np.append(np.arange(0, 2000, 40), [2000, 2001])
    exact = htmp_density.fast_rows(wide[chosen], *law)[:, 0]
    tolerance = 1e-10 if law[2] == 0 else 1e-8
    assert_allclose(values[chosen], exact, rtol=tolerance, atol=tolerance)


def test_few_points_are_the_kernels_own():
    log_y = np.linspace(-1, 2, 20)
    assert_allclose(
        many_points.log_density_at(log_y, *LAWS[0]), htmp_density.fast_rows(log_y, *LAWS[0])[:, 0], rtol=0
    )


@pytest.mark.parametrize("law", [HTMP(5.0, 0.25, 2.0, 0.7), InverseHTMP(5.0, 0.25, 2.0, 0.7)], ids=repr)
def test_the_laws_use_it(law):
    x = law.ppf(np.linspace(1e-4, 1 - 1e-4, 501))
    together = law.logpdf(np.concatenate([x, [np.nan, 0.0, -1.0, np.inf]]))
    assert_allclose(together[:501:25], [law.logpdf(one) for one in x[::25]], rtol=1e-9, atol=1e-9)
    assert np.isnan(together[501])
    assert np.all(together[502:] == -np.inf)


def test_all_points_alike():
    assert_allclose(HTMP(5.0, 0.25).logpdf(np.full(500, 3.0)), HTMP(5.0, 0.25).logpdf(3.0), rtol=1e-13)
