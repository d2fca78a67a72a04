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

# Beyond so many widths of a cell the logarithm of A is taken to second order about the cells' middles: 1e-4 of it, at
# most, is lost.
FAR_WIDTHS = 3.0
# Variance of an average count below which no difference is believed: where no eigenvalue is expected, the position of
# an edge fluctuates all the same. A thousandth of the usual variance.
BLUR = 0.002
# A product of more factors may leave the range of a double; lengths and sizes below it are not divided by.
_LEAST_PRODUCT, _SHORTEST = 1e-150, 1e-300


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
def _run_ends(width, interval):
    """End, for each cell, of the run of cells of the same width and interval that it is part of."""
    ends = np.empty(width.size, np.int64)
    end = width.size
    for i in range(width.size - 1, -1, -1):
        if i + 1 < width.size and (interval[i + 1] != interval[i] or width[i + 1] != width[i]):
            end = i + 1
        ends[i] = end
    return ends


@jit
def _fill_sums(i, re, im, square, ends, far, sums):
    """Fill the sums, over each run, of what its cells up to i have in common with cell i; return that with itself.

    Parameters: the cell, the transform at the cells' middles, the squares of the cells' lengths there, the runs, from
    how many squared lengths on a cell is far, and the array to fill, of which the elements where runs start are set.
    Far away it is the logarithm at the middles, of which one is taken for a whole run, and its second derivative times
    the mean square of the distance from there.
    """
    own, start, re_i, im_i, square_i = 0.0, 0, re[i], im[i], square[i]
    while start <= i:
        total, product = 0.0, 1.0
        for j in range(start, min(ends[start], i + 1)):
            across, longer = 4.0 * im_i * im[j], max(square_i, square[j])
            apart = (re_i - re[j]) ** 2 + (im_i - im[j]) ** 2
            if across == 0.0:
                continue
            if apart > far * longer:
                share = apart / (apart + across)
                product *= share
                total += (1.0 - share) * (1.0 + 2.0 * share) * (square_i + square[j]) / (12.0 * apart)
                if product < _LEAST_PRODUCT:
                    total -= math.log(product)
                    product = 1.0
            else:
                lengths = max(math.sqrt(square_i), _SHORTEST), max(math.sqrt(square[j]), _SHORTEST)
                value = _cell_average(math.sqrt(apart), *lengths, math.sqrt(across))
                if i == j:
                    own = value
                else:
                    total += value
        sums[start] = total - math.log(product)
        start = ends[start]
    return own


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
    # A does not depend on the unit of m; in this one squares stay within the range of a double
    size = np.abs(m)
    unit = math.sqrt(size.max()) * math.sqrt(max(size.min(), _SHORTEST))
    re, im, square = m.real / unit, np.maximum(m.imag, 0.0) / unit, (speed * width / unit) ** 2
    ends, sums = _run_ends(width, interval), np.empty(m.size)
    for i in range(m.size):
        own, k, start = _fill_sums(i, re, im, square, ends, far * far, sums), interval[i], 0
        a[k, k] += own * width[i] ** 2
        while start <= i:
            times = 2.0 if interval[start] == k else 1.0
            a[k, interval[start]] += times * sums[start] * width[i] * width[start]
            start = ends[start]
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
