"""Marchenko-Pastur against quadrature and against the eigenvalues of noise."""

import numpy as np
import pytest
from scipy.integrate import quad

from htmp_bayes.laws import MarchenkoPastur


@pytest.mark.parametrize("gamma", [0.01, 0.25, 0.9, 1.0])
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_distribution_function_is_the_integral_of_the_density(gamma, scale):
    law = MarchenkoPastur(gamma, scale)
    low, high = law.support()
    for q in (0.1, 0.5, 0.99):
        x = law.ppf(q)
        assert quad(law.pdf, low, x, epsabs=1e-11, limit=200)[0] == pytest.approx(q, abs=1e-7)
        assert law.cdf(x) == pytest.approx(q, rel=1e-9)
        assert law.sf(law.isf(q)) == pytest.approx(q, rel=1e-9)
    assert law.cdf(high * 1.01) == 1.0
    assert law.cdf(low * 0.99) == 0.0
    assert law.logpdf(high * 1.01) == -np.inf


def test_describes_noise():
    noise = np.random.default_rng(5).normal(size=(600, 2000))
    eigenvalues = np.linalg.svd(noise, compute_uv=False) ** 2 / 2000
    law = MarchenkoPastur(0.3)
    uniform = law.cdf(np.sort(eigenvalues))
    assert np.abs(uniform - (np.arange(600) + 0.5) / 600).max() < 0.01
    assert law.mean() == 1.0
    assert law.var() == pytest.approx(0.3)
    assert np.isinf(law.tail_index())


def test_outside_the_range():
    with pytest.raises(ValueError, match=r"gamma must be in .*1"):
        MarchenkoPastur(1.5)
    with pytest.raises(ValueError, match="scale"):
        MarchenkoPastur(0.5, -1.0)
