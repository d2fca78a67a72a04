"""The Stieltjes transform: against Tricomi's function in ball arithmetic, the density, and its symmetries."""

import numpy as np
import pytest
from flint import acb, arb, ctx
from numpy.testing import assert_allclose

from htmp_bayes.laws import HTMP, Atoms, InverseHTMP, MarchenkoPastur

ATOMS = Atoms([0.0, 1.0, 3.0], [0.5, 0.3, 0.2])


def by_tricomi(z, kappa, gamma):
    """U(b+1, 1-a, -z) / U(b, -a, -z) with b = kappa/2, a = b (1/gamma - 1) - 1 (law of Allez et al., 1209.6171)."""
    for bits in (300, 3000):
        ctx.prec = bits
        b = arb(kappa) / 2
        a = b * (1 / arb(gamma) - 1) - 1
        minus_z = acb(-z.real, -z.imag)
        ratio = minus_z.hypgeom_u(acb(b + 1), acb(1 - a)) / minus_z.hypgeom_u(acb(b), acb(-a))
        if float(ratio.rad()) < 1e-15 * abs(complex(ratio)):  # false while the ball is infinite
            return complex(ratio)
    raise ArithmeticError(f"not enough bits at z = {z}")


@pytest.mark.parametrize(
    ("kappa", "gamma"), [(0.001, 0.5), (0.05, 1.0), (1.0, 0.25), (5.0, 0.25), (30.0, 1.0), (100.0, 0.3)]
)
def test_agrees_with_tricomis_function(kappa, gamma):
    unit = kappa / (2 * gamma)
    z = unit * np.array(
        [1j, 1 + 0.01j, 2 - 0.1j, -1.0, -0.1 + 0.01j, 1e-3 + 1e-3j, -1e-6, 1e-9j, 1e4 + 1e3j, 1e3 - 1e3j]
    )
    expected = [by_tricomi(complex(point), kappa, gamma) for point in z]
    assert_allclose(HTMP(kappa, gamma).stieltjes(z), expected, rtol=1e-12)


LAWS = [
    HTMP(3.0, 0.4, 2.0, 0.7, "log-normal"),
    HTMP(50.0, 0.3, 2.0, 1.5),
    HTMP(8.0, 0.3, 2.0, 0.7, ATOMS),
    MarchenkoPastur(0.3, 2.0, 0.7),
    MarchenkoPastur(0.3, 2.0),
    InverseHTMP(5.0, 0.25, 2.0, 0.5),
]


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_is_the_integral_of_the_density(law):
    edges = np.log(law.support() if np.isfinite(law.support()[1]) else (law.ppf(1e-11), 10 * law.isf(1e-11)))
    # Chebyshev-Gauss nodes: the square-root edges of Marchenko-Pastur are integrated exactly.
    angle = np.pi * (np.arange(400) + 0.5) / 400
    log_x = edges.mean() + np.diff(edges) / 2 * np.cos(angle)
    weight = np.diff(edges) / 2 * np.sin(angle) * np.pi / 400
    mass = np.exp(law.logpdf(np.exp(log_x)) + log_x) * weight
    z = law.ppf(0.5) * np.array([1j, 1 + 0.3j, -1.0, -0.01 - 0.01j, 3 + 1j])
    expected = [np.sum(mass / (np.exp(log_x) - point)) for point in z]
    assert_allclose(law.stieltjes(z), expected, rtol=1e-8)


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_its_boundary_value_is_the_density_and_it_is_symmetric(law):
    x = law.ppf([0.1, 0.5, 0.9])
    assert_allclose(law.stieltjes(x).imag / np.pi, law.pdf(x), rtol=1e-7)
    assert_allclose(law.stieltjes(x - 1j), np.conj(law.stieltjes(x + 1j)), rtol=1e-14)


def test_broadcasts_and_refuses_zero():
    law = HTMP([[1.0], [5.0]], [0.25, 0.5, 1.0])
    assert law.stieltjes(1j).shape == (2, 3)
    assert_allclose(law.stieltjes(1j)[1, 2], HTMP(5.0, 1.0).stieltjes(1j), rtol=1e-13)
    with pytest.raises(ValueError, match="finite and not 0"):
        law.stieltjes(0.0)
