"""The covariance of the numbers of eigenvalues below points: compiled functions of a law on a row of cells.

With N(x), F and the companion transform m as in `htmp_bayes.laws.compiled.counting_mean`, for matrices whose population
values are a fixed list and whose Dyson index is beta = kappa/N,

    A(x, y) = log(|m(x) - conj m(y)|^2 / |m(x) - m(y)|^2) / (2 pi^2),    B(x, y) = N (F(min) - F(x) F(y))
    Cov     = B^(1/2) S(B^(-1/2) A B^(-1/2) / beta) B^(1/2)              of averages of N over intervals

A is the central limit theorem of Bai & Silverstein (Ann. Probab. 32, 2004, theorem 1.1, real case) for the indicator of
(0, x]: what repulsion allows, that of beta = 1, and it scales as 1/beta; B is what independent points have. Which of
them holds depends on the scale: S is the structure factor of the log-gas as a function of its own long-wave limit,
A/(beta B), locally that of the eigenvalues (`structure_factor`). With S(t) = t/(1 + t) the precisions of the two would
add (random-phase approximation), which is right for kappa fixed and N to infinity, and at beta = 1 too small by a tenth
for intervals of four eigenvalues.
"""

import math

import numpy as np

from htmp_bayes.laws.compiled.jit import jit

# Beyond so many widths of a cell the logarithm of A is taken at the cells' middles: less than 0.1 % of it is lost.
FAR_WIDTHS = 8.0
# Variance of an average count below which no difference is believed: where no eigenvalue is expected, the position of
# an edge fluctuates all the same. A thousandth of the usual variance.
BLUR = 0.002


@jit
def _second_integral(t, a):
    """Even function of t whose second derivative is log(1 + a^2/t^2)."""
    t = abs(t)
    if t == 0.0:
        return -a * a * math.log(a) if a > 0.0 else 0.0
    square = a * a
    return (
        0.5 * t * t * math.log1p(square / (t * t))
        - 0.5 * square * math.log(t * t + square)
        + 2.0 * a * t * math.atan2(t, a)
    )


@jit
def _cell_average(distance, first, second, a):
    """Mean of log(1 + a^2/t^2) over two cells of lengths ``first`` and ``second`` whose middles are so far apart."""
    scale = max(distance, max(first, second))
    t, h, g, a = distance / scale, first / scale, second / scale, a / scale
    outer, inner = 0.5 * (h + g), 0.5 * (h - g)
    total = _second_integral(t + outer, a) - _second_integral(t + inner, a)
    total += _second_integral(t - outer, a) - _second_integral(t - inner, a)
    return total / (h * g)


@jit
def repulsion_covariance(m, speed, width, interval, count, far):
    """Compute A of the averages of N(x) over intervals, shape ``(count, count)``.

    Parameters: the transform at the cells' middles, |dm/du| there, the cells' widths in u = log x, and the interval
    that each cell is part of, ascending. Along a cell m is taken to be linear. With ``far`` infinite no logarithm is
    taken at the middles (`FAR_WIDTHS` is usual), and the error falls as the square of the cells' widths.
    """
    a = np.zeros((count, count))
    weight = np.zeros(count)
    for i in range(m.size):
        weight[interval[i]] += width[i]
    for i in range(m.size):
        own = speed[i] * width[i]
        im = max(m[i].imag, 0.0)
        for j in range(i + 1):
            other = max(m[j].imag, 0.0)
            product = 4.0 * im * other
            if product == 0.0:
                continue
            # in units of |m|, of which products may leave the range of a double
            length = speed[j] * width[j]
            apart = abs(m[i] - m[j])
            if apart > far * max(own, length):
                value = math.log1p(product / (apart * apart))
            else:
                value = _cell_average(apart, max(own, 1e-300), max(length, 1e-300), math.sqrt(product))
            value *= width[i] * width[j]
            a[interval[i], interval[j]] += value if i == j or interval[i] != interval[j] else 2.0 * value
    for k in range(count):
        for j in range(k + 1):
            a[k, j] /= 2.0 * math.pi**2 * weight[k] * weight[j]
            a[j, k] = a[k, j]
    return a


@jit
def independent_covariance(cdf, sf, width, interval, count):
    """B/N of the averages of N(x) over intervals, shape ``(count, count)``."""
    below = np.zeros(count)
    above = np.zeros(count)
    weight = np.zeros(count)
    b = np.zeros((count, count))
    for i in range(cdf.size):
        k = interval[i]
        below[k] += cdf[i] * width[i]
        above[k] += sf[i] * width[i]
        weight[k] += width[i]
    below /= weight
    above /= weight
    for i in range(cdf.size):
        k = interval[i]
        for j in range(i + 1):
            if interval[j] == k:
                value = cdf[j] * sf[i] * width[i] * width[j] / weight[k] ** 2
                b[k, k] += value if i == j else 2.0 * value
    for k in range(count):
        for j in range(k):
            b[k, j] = b[j, k] = below[j] * above[k]
    return b


@jit
def structure_factor(x, beta):
    """Structure factor of the log-gas, by its long-wave limit ``x`` = A/(beta B) > 0.

    Of x = |k|/(pi beta), k in units of the density: beta -> 0: x/(1 + x) (Debye & Hueckel); beta = 1: Mehta, Random
    Matrices (3rd ed. 2004), equation 7.2.46 (1 - b(k)); beta = 2: min(x, 1), ibid. 6.2.14. Between them the quadratic
    in beta through the three: that is right to order x^3 (Forrester, Jancovici & McAnally, J. Stat. Phys. 102 (2001)
    737, equation 1.16). Above 2 it is taken as at 2.
    """
    half = min(0.5 * beta, 1.0)
    classical = x / (1.0 + x)
    tau = 0.5 * x
    real = x - tau * math.log1p(x) if tau <= 1.0 else 2.0 - tau * math.log1p(2.0 / (x - 1.0))
    unitary = min(x, 1.0)
    return (
        2.0 * (half - 0.5) * (half - 1.0) * classical
        - 4.0 * half * (half - 1.0) * real
        + 2.0 * half * (half - 0.5) * unitary
    )


@jit
def structure_factors(ratios, beta):
    """Structure factors of p ratios A/B at K Dyson indices, shape ``(K, p)``."""
    out = np.empty((beta.size, ratios.size))
    for k in range(beta.size):
        for j in range(ratios.size):
            out[k, j] = structure_factor(ratios[j] / beta[k], beta[k])
    return out


@jit
def _shares(a, b, beta):
    """Return L, V and S: b is L L^T, V orthogonal, and the covariance L V diag(S) V^T L^T."""
    lower = np.linalg.cholesky(b)
    left = np.linalg.solve(lower, a)
    ratios, vectors = np.linalg.eigh(np.linalg.solve(lower, left.T))
    shares = np.empty(len(a))
    for k in range(len(a)):
        shares[k] = structure_factor(max(ratios[k], 1e-12) / beta, beta)
    return lower, vectors, shares


@jit
def joint_covariance(a, b, beta):
    """Compute the covariance of sums over the spectrum whose A and B these are; B has to be positive definite."""
    lower, vectors, shares = _shares(a, b, beta)
    root = lower @ (vectors * np.sqrt(shares))
    return root @ root.T


@jit
def precision_factor(a, b, beta):
    """Lower triangular L with L L^T the precision of averages of N(x), and its log-determinant.

    Parameters: A and B of the averages and the Dyson index. `BLUR` is added to both covariances.
    """
    blur = BLUR * np.eye(len(a))
    lower, vectors, shares = _shares(a + beta * blur, b + blur, beta)
    rows = np.linalg.solve(lower.T, vectors / np.sqrt(shares))
    factor = np.linalg.cholesky(rows @ rows.T)
    return factor, 2.0 * np.log(np.diag(factor)).sum()
