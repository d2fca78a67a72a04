"""The joint density against quadrature, the direct sum in arbitrary precision and its differences."""

import math

import numpy as np
import pytest
from flint import arb, ctx
from numba import njit
from scipy import integrate, special

from htmp_bayes.laws.ensemble import joint_density
from htmp_bayes.laws.ensemble.joint_density import JointStatistics, joint_logpdf, joint_value_and_gradient

RNG = np.random.default_rng(20)
SPECTRUM = RNG.gamma(2.0, size=7)


def exact_logpdf(x, kappa, gamma, temperature, bits=160):
    """The formula as it stands, every sum written out, in balls."""
    ctx.prec = bits
    n, kappa, gamma, t = len(x), arb(kappa), arb(gamma), arb(temperature)
    x = [arb(float(v)) for v in x]
    delta, q = kappa / (2 * n), kappa / 2 * (1 / gamma - 1)
    log_z = n * kappa / (2 * gamma) * t.log()
    for j in range(1, n + 1):
        log_z += (q + j * delta).lgamma() + (1 + j * delta).lgamma() - (1 + delta).lgamma()
    log_f = (q + delta - 1) * sum((v.log() for v in x), arb(0)) - sum(x, arb(0)) / t - log_z
    for i in range(n):
        for j in range(i):
            log_f += 2 * delta * abs(x[i] - x[j]).log()
    return log_f


def direct_constant(n, kappa, gamma, temperature):
    """log Z and its derivatives by kappa, gamma, temperature: the sum over j, added without rounding."""
    j = np.arange(1, n + 1)
    delta, excess = kappa / (2 * n), 1 / gamma - 1
    a, b, log_t = kappa / 2 * excess + j * delta, 1 + j * delta, math.log(temperature)
    value = math.fsum(special.gammaln(a)) + math.fsum(special.gammaln(b)) - n * special.gammaln(1 + delta)
    slope_q = math.fsum(special.psi(a)) + n * log_t
    slope_d = math.fsum(j * special.psi(a)) + math.fsum(j * special.psi(b)) - n * special.psi(1 + delta)
    slope_d += n * n * log_t
    by_kappa = excess / 2 * slope_q + slope_d / (2 * n)
    s = kappa / (2 * gamma)
    return value + n * s * log_t, by_kappa, -kappa / (2 * gamma**2) * slope_q, n * s / temperature


@pytest.mark.parametrize("kappa", [0.7, 6.0])
@pytest.mark.parametrize("inverse", [False, True])
def test_two_eigenvalues_integrate_to_one(kappa, inverse):
    def density(u, v):  # in log x, over ordered pairs; the Jacobian is exp(u + v)
        x = np.exp([u, v])
        return 2 * math.exp(joint_logpdf(x, kappa, 0.4, 1.3, inverse=inverse) + u + v)

    low, high = (-5.0, 45.0) if inverse else (-45.0, 5.0)
    total = integrate.dblquad(density, low, high, low, lambda v: v - 1e-300, epsabs=1e-8)[0]
    assert total == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("kappa", [1e-6, 1e-3, 0.5, 8.0, 300.0, 1e4, 1e6])
@pytest.mark.parametrize("gamma", [1e-4, 0.005, 0.33, 1.0])
def test_value_against_arbitrary_precision(kappa, gamma):
    value = joint_logpdf(SPECTRUM * kappa / gamma, kappa, gamma, 0.7)
    assert value == pytest.approx(float(exact_logpdf(SPECTRUM * kappa / gamma, kappa, gamma, 0.7)), rel=1e-12)


@pytest.mark.parametrize(
    ("kappa", "gamma"), [(1e-3, 0.005), (0.5, 1.0 - 1e-9), (8.0, 0.3), (1e4, 0.9), (1e4, 0.005)]
)
def test_gradient_against_differences_in_arbitrary_precision(kappa, gamma):
    _, gradient = JointStatistics.of(SPECTRUM).logpdf_and_gradient(kappa, gamma, 0.7)
    at = {"kappa": kappa, "gamma": gamma, "temperature": 0.7}
    step = 2.0**-60
    for name, slope in gradient.items():
        ctx.prec = 400
        up, down = ({**at, name: arb(at[name]) * (1 + sign * arb(step))} for sign in (1, -1))
        exact = (exact_logpdf(SPECTRUM, **up, bits=400) - exact_logpdf(SPECTRUM, **down, bits=400)) / (
            2 * arb(step) * at[name]
        )
        assert slope == pytest.approx(float(exact), rel=1e-11)


@pytest.mark.parametrize("n", [2, 64, 65, 384, 4096, 100_000])
def test_constant_and_its_gradient_agree_with_the_direct_sum(n):
    """1e-10 relative, over the whole box and on gamma = 1; statistics set to 0 leave -log Z alone."""
    rng = np.random.default_rng(n)
    for trial in range(60):
        kappa = 10 ** rng.uniform(-3, 4)
        gamma = 1.0 if trial % 6 == 0 else 10 ** rng.uniform(math.log10(0.005), 0)
        temperature = 10 ** rng.uniform(-2, 2)
        found = -np.array(joint_value_and_gradient(n, 0.0, 0.0, 0.0, kappa, gamma, temperature))
        np.testing.assert_allclose(found, direct_constant(n, kappa, gamma, temperature), rtol=1e-10)


def test_direct_and_summed_branch_meet():
    """The switch from the direct sum (N <= 64) is in N, which no parameter crosses; values go on smoothly."""
    values = [joint_value_and_gradient(n, 0.0, 0.0, 0.0, 3.0, 0.3, 1.2)[0] for n in range(60, 70)]
    assert np.abs(np.diff(values, 6)).max() < 1e-9


def test_inverse_ensemble_is_the_change_of_variable():
    mu = 1 / SPECTRUM
    direct = joint_logpdf(SPECTRUM, 3.0, 0.4, 1.3) + 2 * np.log(SPECTRUM).sum()
    assert joint_logpdf(mu, 3.0, 0.4, 1.3, inverse=True) == pytest.approx(direct, rel=1e-13)


def test_gaps_of_extreme_spectra():
    x = np.array([1e-290, 3e-290, 1e-200, 1e-50, 1.0, 1.0 + 1e-15, 1e30])
    exact = sum(math.log(x[i] - x[j]) for i in range(7) for j in range(i))
    assert JointStatistics.of(x).sum_log_gaps == pytest.approx(exact, rel=1e-14)
    large = RNG.gamma(2.0, size=600)
    pairs = np.abs(large[:, None] - large)[np.triu_indices(600, 1)]
    assert JointStatistics.of(large).sum_log_gaps == pytest.approx(math.fsum(np.log(pairs)), rel=1e-12)


def test_order_does_not_matter_and_input_is_left_alone():
    x = SPECTRUM.copy()
    assert joint_logpdf(x, 2.0, 0.5) == joint_logpdf(np.sort(x)[::-1], 2.0, 0.5)
    np.testing.assert_array_equal(x, SPECTRUM)


def test_outside_the_support_the_density_is_zero():
    assert joint_logpdf([1.0, 1.0], 2.0, 0.5) == -math.inf
    assert joint_logpdf([1.0, -1.0], 2.0, 0.5) == -math.inf
    assert joint_logpdf([1.0, 0.0], 2.0, 0.5, inverse=True) == -math.inf


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([1.0, np.nan], 1.0, 0.5), "finite numbers"),
        (([], 1.0, 0.5), "one entry"),
        (([[1.0]], 1.0, 0.5), "one-dimensional"),
        (([1.0], 0.0, 0.5), r"kappa must lie in \[1e-06, 1e\+06\]"),
        (([1.0], np.nan, 0.5), "kappa must lie"),
        (([1.0], 1.0, 1.5), r"gamma must lie in \[0.0001, 1\]"),
        (([1.0], 1.0, 0.5, 0.0), "temperature must be"),
    ],
)
def test_bad_input(arguments, words):
    with pytest.raises(ValueError, match=words):
        joint_logpdf(*arguments)


def test_statistics_refuse_zeros():
    with pytest.raises(ValueError, match="positive eigenvalues"):
        JointStatistics.of([0.0, 1.0])


def test_kernel_is_callable_from_compiled_code():
    @njit
    def doubled(kappa):
        return 2 * joint_value_and_gradient(100, 0.0, 0.0, 0.0, kappa, 0.5, 1.0)[0]

    assert doubled(3.0) == 2 * joint_value_and_gradient(100, 0.0, 0.0, 0.0, 3.0, 0.5, 1.0)[0]
    assert joint_density.joint_value_and_gradient is joint_value_and_gradient
