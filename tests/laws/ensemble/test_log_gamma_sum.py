"""The fast sum of log Gamma against the direct one in arbitrary precision, over the ensemble's range."""

import numpy as np
import pytest
from flint import acb, arb, ctx

from htmp_bayes.laws.ensemble.log_gamma_sum import log_gamma_sum, polygamma_to_order_5


@pytest.mark.parametrize("x", [1e-9, 1e-3, 0.3, 1.0, 1.5, 5.0, 15.999, 16.0, 100.0, 1e6])
def test_polygamma(x):
    out = np.empty(6)
    polygamma_to_order_5(x, out)
    exact = [acb(x).digamma()] + [acb(x).polygamma(n) for n in range(1, 6)]
    np.testing.assert_allclose(out, [float(e.real) for e in exact], rtol=3e-14)


def direct(q, d, n):
    """In balls of 100 bits: value and derivatives, and the sums of absolute values to measure rounding by."""
    ctx.prec = 100
    sums, sizes = [arb(0)] * 3, [0.0] * 3
    for j in range(1, n + 1):
        x = arb(q) + j * arb(d)
        psi = x.digamma()
        for k, term in enumerate((x.lgamma(), psi, j * psi)):
            sums[k] += term
            sizes[k] += abs(float(term))
    return [float(s) for s in sums], sizes


@pytest.mark.parametrize("kappa", [1e-6, 1e-3, 0.3, 10.0, 1e4, 1e6])
@pytest.mark.parametrize("gamma", [1e-4, 0.005, 0.3, 1.0])
@pytest.mark.parametrize("n", [1, 64, 65, 700])
def test_against_the_direct_sum(kappa, gamma, n):
    for q in (kappa / 2 * (1 / gamma - 1), 1.0):
        d = kappa / (2 * n)
        found = log_gamma_sum(q, d, n)
        exact, sizes = direct(q, d, n)
        for value, reference, size in zip(found, exact, sizes, strict=True):
            # rounding q + j d alone moves log Gamma near its zero at 1 by 1e-16, however small the sum
            assert value == pytest.approx(reference, rel=0, abs=3e-13 * size + 3e-16 * n * n)
