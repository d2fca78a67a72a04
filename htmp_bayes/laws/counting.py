"""How many eigenvalues lie below a point, on average and jointly: compiled functions of a law on a row of cells.

Let N(x) be the number of eigenvalues up to x, f the law's density, F its distribution function, gamma = N/n and

    m(x) = -(1 - gamma)/x + gamma s(x),    s(x) = lim int f(t)/(t - x - i0) dt        (companion transform)

For matrices whose population values are a fixed list and whose Dyson index is beta = kappa/N,

    E N(x)  = N F(x) + arg(m^2/m') / (2 pi)
    A(x, y) = log(|m(x) - conj m(y)|^2 / |m(x) - m(y)|^2) / (2 pi^2),    B(x, y) = N (F(min) - F(x) F(y))
    Cov     = B^(1/2) S(B^(-1/2) A B^(-1/2) / beta) B^(1/2)              of averages of N over intervals

A and the second term of the mean are the central limit theorem of Bai & Silverstein (Ann. Probab. 32, 2004, theorem
1.1, real case) for the indicator of (0, x]: sums of f(lambda) are integrals of -f' against N(x). The law at a finite
kappa holds twice the correction already, hence its sign. A is what repulsion allows, that of beta = 1, and scales as
1/beta; B is what independent points have. Which of them holds depends on the scale: S is the structure factor of the
log-gas as a function of its own long-wave limit, A/(beta B), locally that of the eigenvalues (`structure_factor`).
With S(t) = t/(1 + t) the precisions of the two would add (random-phase approximation), which is right for
kappa fixed and N to infinity, and at beta = 1 too small by a tenth for intervals of four eigenvalues.

At kappa = infinity everything follows from the root of the Silverstein equation; to first order in 1/kappa

    N F(x) = N F_inf(x) - (N/kappa) arg(m^2/m') / pi.
"""

import math

import numba
import numpy as np

from htmp_bayes.laws.contour import path_slope, point_mass_saddle, potentials
from htmp_bayes.laws.silverstein import followed_root, root_at

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")

# Beyond so many widths of a cell the logarithm of A is taken at the cells' middles: less than 0.1 % of it is lost.
FAR = 8.0
# Variance of an average count below which no difference is believed: where no eigenvalue is expected, the position of
# an edge fluctuates all the same. A thousandth of the usual variance.
BLUR = 0.002
# Roots nearer to the real axis than this angle mean no density worth mentioning.
_SMALLEST_ANGLE = 1e-9
# Longest step of log x over which Newton's method may start from the root before.
_LONGEST_STEP = 0.5


@_jit
def finite_transform(log_density, mean, log_y, kappa):
    """Companion transform, up to a positive factor, from log f and Re <g> of the kernel's rows at ``log_y``."""
    m = np.empty(log_y.size, np.complex128)
    c = 0.5 * kappa
    for i in range(log_y.size):
        m[i] = complex(-mean[i] * math.exp(-log_y[i]), math.pi * c * math.exp(log_density[i]))
    return m


@_jit
def arguments_by_differences(m, u):
    """Argument of m^2/m' from the transform at ascending ``u = log x``."""
    size = u.size
    out = np.empty(size)
    for i in range(size):
        low, high = max(i - 1, 0), min(i + 1, size - 1)
        if low == i or high == i:
            slope = (m[high] - m[low]) / (u[high] - u[low])
        else:
            before, after = u[i] - u[low], u[high] - u[i]
            slope = ((m[high] - m[i]) / after * before + (m[i] - m[low]) / before * after) / (before + after)
        out[i] = np.angle(m[i] * m[i] / slope) if slope != 0j else 0.0
    return out


@_jit
def _limit_roots(log_x, gamma, rule):
    """Root t = log v of the Silverstein equation at each point; ``log_x`` ascending, x = y/c.

    A point starts from the root of its neighbour above, unless that is far away or nearly real.
    """
    size = log_x.size
    roots = np.empty(size, np.complex128)
    single = rule.shape[1] == 1
    for i in range(size - 1, -1, -1):
        x = math.exp(log_x[i])
        if single:
            roots[i] = point_mass_saddle(x, 1.0 / gamma, 1.0)
        elif i == size - 1 or roots[i + 1].imag > -1e-3 or log_x[i + 1] - log_x[i] > _LONGEST_STEP:
            roots[i] = followed_root(complex(x, 0.0), 1.0 / gamma, 1.0, rule)
        else:
            roots[i] = root_at(complex(x, 0.0), roots[i + 1], 1.0 / gamma, 1.0, rule)
    for i in range(size):
        if roots[i].imag > -_SMALLEST_ANGLE:
            roots[i] = complex(roots[i].real, 0.0)
    return roots


@_jit
def limit_columns(log_x, gamma, rule):
    """F, 1 - F, companion transform (up to a factor) and arg(m^2/m') at kappa = infinity; x = y/c, ascending."""
    size = log_x.size
    cdf = np.empty(size)
    sf = np.empty(size)
    m = np.empty(size, np.complex128)
    argument = np.empty(size)
    roots = _limit_roots(log_x, gamma, rule)
    for i in range(size):
        t, x = roots[i], math.exp(log_x[i])
        v = np.exp(t)
        level, _, _ = potentials(t, rule)
        sf[i] = min(max(-(t / gamma - x * v - level).imag / math.pi, 0.0), 1.0)
        cdf[i] = 1.0 - sf[i]
        m[i] = -v
        _, curvature = path_slope(t, x, 1.0 / gamma, 1.0, rule)
        argument[i] = np.angle(-curvature)
    return cdf, sf, m, argument


@_jit
def limit_slopes(log_x, gamma, rule):
    """Differentiate 1 - F at kappa = infinity by gamma, log x and the population's rho, shape ``(3, K)``.

    At the root the phase of which 1 - F is made is stationary in v: only what stands in it explicitly counts.
    """
    slopes = np.empty((3, log_x.size))
    roots = _limit_roots(log_x, gamma, rule)
    for i in range(log_x.size):
        t = roots[i]
        _, _, change = potentials(t, rule)
        slopes[0, i] = t.imag / (math.pi * gamma**2)
        slopes[1, i] = (math.exp(log_x[i]) * np.exp(t)).imag / math.pi
        slopes[2, i] = change.imag / math.pi
    return slopes


@_jit
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


@_jit
def _cell_average(distance, first, second, a):
    """Mean of log(1 + a^2/t^2) over two cells of lengths ``first`` and ``second`` whose middles are so far apart."""
    scale = max(distance, max(first, second))
    t, h, g, a = distance / scale, first / scale, second / scale, a / scale
    outer, inner = 0.5 * (h + g), 0.5 * (h - g)
    total = _second_integral(t + outer, a) - _second_integral(t + inner, a)
    total += _second_integral(t - outer, a) - _second_integral(t - inner, a)
    return total / (h * g)


@_jit
def repulsion_covariance(m, speed, width, interval, count, far):
    """Compute A of the averages of N(x) over intervals, shape ``(count, count)``.

    Parameters: the transform at the cells' middles, |dm/du| there, the cells' widths in u = log x, and the interval
    that each cell is part of, ascending. Along a cell m is taken to be linear. With ``far`` infinite no logarithm is
    taken at the middles (`FAR` is usual), and the error falls as the square of the cells' widths.
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


@_jit
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


@_jit
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


@_jit
def structure_factors(ratios, beta):
    """Structure factors of p ratios A/B at K Dyson indices, shape ``(K, p)``."""
    out = np.empty((beta.size, ratios.size))
    for k in range(beta.size):
        for j in range(ratios.size):
            out[k, j] = structure_factor(ratios[j] / beta[k], beta[k])
    return out


@_jit
def _shares(a, b, beta):
    """Return L, V and S: b is L L^T, V orthogonal, and the covariance L V diag(S) V^T L^T."""
    lower = np.linalg.cholesky(b)
    left = np.linalg.solve(lower, a)
    ratios, vectors = np.linalg.eigh(np.linalg.solve(lower, left.T))
    shares = np.empty(len(a))
    for k in range(len(a)):
        shares[k] = structure_factor(max(ratios[k], 1e-12) / beta, beta)
    return lower, vectors, shares


@_jit
def joint_covariance(a, b, beta):
    """Compute the covariance of sums over the spectrum whose A and B these are; B has to be positive definite."""
    lower, vectors, shares = _shares(a, b, beta)
    root = lower @ (vectors * np.sqrt(shares))
    return root @ root.T


@_jit
def precision_factor(a, b, beta):
    """Lower triangular L with L L^T the precision of averages of N(x), and its log-determinant.

    Parameters: A and B of the averages and the Dyson index. `BLUR` is added to both covariances.
    """
    blur = BLUR * np.eye(len(a))
    lower, vectors, shares = _shares(a + beta * blur, b + blur, beta)
    rows = np.linalg.solve(lower.T, vectors / np.sqrt(shares))
    factor = np.linalg.cholesky(rows @ rows.T)
    return factor, 2.0 * np.log(np.diag(factor)).sum()
