r"""The law at infinite repulsion of a population that is a list of values: compiled, with its derivatives.

The population has mass w_q at h_q, as that of a matrix with so many directions of each variance has. With t = log v the
root of the Silverstein equation (:mod:`htmp_bayes.laws.compiled.silverstein`), x = lambda/gamma,

    1 - F(lambda) = |Im(t/gamma - x v - sum_q w_q log(1 - v h_q))| / pi,

and as the phase is stationary in v at the root, the derivative of F by log h_q is what stands in it explicitly,

    dF/d(log h_q) = w_q Im(v h_q/(1 - v h_q)) / pi.

Loops over the values fill an array, which vector instructions do, and sums follow in their order: so the bits are the
same whether a process compiled these functions or loaded them.
"""

import math

import numpy as np

from htmp_bayes.laws.compiled.jit import jit

# Newton's step after which the next one would be below rounding, and its longest.
_LAST_STEP, _LONGEST_STEP = 1e-6, 0.5
_MOST_STEPS = 60
# Angles under the real axis: of a root that is certainly in the open half plane, and of one that is on the axis.
_COMPLEX, _REAL = 1e-6, 1e-9
# Angles from which the search starts anew where its neighbour's root is (nearly) real.
_ANGLES = (0.03, 0.5)
_TAN_8, _TAN_16 = math.tan(math.pi / 8.0), math.tan(math.pi / 16.0)
# Imaginary parts of x, relative to x, through which a root is followed to the axis where all else fails.
_DESCENT = 4.0 * 0.6 ** np.arange(70)


@jit
def upper_angle(x, y):
    """Angle of x + iy, not 0, for y >= 0: from 0 to pi.

    Turned back by multiples of pi/8 and then pi/16 (DLMF 4.21.2), after which the series of the arctangent (DLMF
    4.24.3) is that of at most tan(pi/16): its tenth term is below 1e-15 of the first.
    """
    steep = y > abs(x)
    along, across = (y, abs(x)) if steep else (abs(x), y)
    u, w = along + _TAN_8 * across, across - _TAN_8 * along
    above = w > 0.0
    w = abs(w)
    u, w = u + _TAN_16 * w, w - _TAN_16 * u
    r = w / u if u > 0.0 else 0.0
    z = r * r
    s = 1.0 / 21.0
    s = 1.0 / 19.0 - z * s
    s = 1.0 / 17.0 - z * s
    s = 1.0 / 15.0 - z * s
    s = 1.0 / 13.0 - z * s
    s = 1.0 / 11.0 - z * s
    s = 1.0 / 9.0 - z * s
    s = 1.0 / 7.0 - z * s
    s = 0.2 - z * s
    s = 1.0 / 3.0 - z * s
    s = 1.0 - z * s
    angle = math.pi / 16.0 + r * s
    angle = math.pi / 8.0 + (angle if above else -angle)
    angle = 0.5 * math.pi - angle if steep else angle
    return math.pi - angle if x < 0.0 else angle


@jit
def _sums(vr, vi, h, w, terms):
    """Return M(v) = sum_q w_q v h_q/(1 - v h_q) and its derivative by log v, as real and imaginary parts."""
    for q in range(h.size):
        ar, ai = vr * h[q], vi * h[q]
        d = 1.0 - ar
        scale = 1.0 / (d * d + ai * ai)
        pr, pi = d * scale, ai * scale
        ur, ui = w[q] * (ar * pr - ai * pi), w[q] * (ar * pi + ai * pr)
        terms[0, q], terms[1, q] = ur, ui
        terms[2, q], terms[3, q] = ur * pr - ui * pi, ur * pi + ui * pr
    m_r = m_i = s_r = s_i = 0.0
    for q in range(h.size):
        m_r += terms[0, q]
        m_i += terms[1, q]
        s_r += terms[2, q]
        s_i += terms[3, q]
    return m_r, m_i, s_r, s_i


@jit
def _newton(x, start, inverse_gamma, h, w):
    """Return the root t = log v of 1/gamma - x v + M(v), and the slope of that by t."""
    t, terms = start, np.empty((4, h.size))
    for _ in range(_MOST_STEPS):
        v = np.exp(t)
        m_r, m_i, s_r, s_i = _sums(v.real, v.imag, h, w, terms)
        xv = x * v
        slope = complex(m_r, m_i) + inverse_gamma - xv
        curvature = complex(s_r, s_i) - xv
        step = slope / curvature
        size = abs(step)
        if size > _LONGEST_STEP:
            step *= _LONGEST_STEP / size
        t -= step
        if t.imag > 0.0:
            t = complex(t.real, -0.5 * t.imag)
        if t.imag < -math.pi:
            t = complex(t.real, -2.0 * math.pi - t.imag)
        if size < _LAST_STEP:
            return t, curvature, True
    return t, curvature, False


@jit
def _phase(vr, vi, h, w):
    """Minus the imaginary part of sum_q w_q log(1 - v h_q), v in the lower half plane."""
    angles = np.empty(h.size)
    for q in range(h.size):
        angles[q] = w[q] * upper_angle(1.0 - vr * h[q], abs(vi * h[q]))
    phase = 0.0
    for q in range(h.size):
        phase += angles[q]
    return phase


@jit
def _is_root(t, curvature, converged):
    """Whether it is the one root in the open half plane, or a real one at which x rises: outside of the support."""
    return converged and (t.imag < -_COMPLEX or (t.imag > -_REAL and curvature.real < 0.0))


@jit
def _followed(x, inverse_gamma, h, w):
    t = np.log(inverse_gamma / complex(x, _DESCENT[0] * x))
    for height in _DESCENT:
        t, _, _ = _newton(complex(x, height * x), t, inverse_gamma, h, w)
    t, curvature, _ = _newton(complex(x, 0.0), t, inverse_gamma, h, w)
    return t, curvature


@jit
def _root(x, guess, above, inverse_gamma, h, w):
    """Return the root at x, from a guess (0 for none) or the root above it (0 for none)."""
    if guess.imag < -0.01:
        t, curvature, converged = _newton(complex(x, 0.0), guess, inverse_gamma, h, w)
        if _is_root(t, curvature, converged):
            return t, curvature
    if above != 0j:
        if above.imag < -1e-3:
            t, curvature, converged = _newton(complex(x, 0.0), above, inverse_gamma, h, w)
            if _is_root(t, curvature, converged):
                return t, curvature
        for angle in _ANGLES:
            start = complex(above.real, min(above.imag, -angle))
            t, curvature, converged = _newton(complex(x, 0.0), start, inverse_gamma, h, w)
            if _is_root(t, curvature, converged):
                return t, curvature
    return _followed(x, inverse_gamma, h, w)


@jit
def listed_columns(log_eigenvalue, gamma, log_h, w, guesses):
    """F, 1 - F, companion transform (up to a factor), arg(m^2/m') and the roots, at ascending points.

    Parameters: log eigenvalues, shape ``(K,)``; aspect ratio; log population values and their masses, ``(Q,)``; and
    roots of a law nearby at the same points, or zeros.
    """
    size = log_eigenvalue.size
    h = np.exp(log_h)
    cdf, sf, argument = np.empty(size), np.empty(size), np.empty(size)
    m, roots = np.empty(size, np.complex128), np.empty(size, np.complex128)
    above = 0j
    for i in range(size - 1, -1, -1):
        x = math.exp(log_eigenvalue[i]) / gamma
        t, curvature = _root(x, guesses[i], above, 1.0 / gamma, h, w)
        if t.imag > -_REAL:
            t, curvature = complex(t.real, 0.0), complex(curvature.real, 0.0)
        above = roots[i] = t
        v = np.exp(t)
        phase = _phase(v.real, v.imag, h, w)
        sf[i] = min(max((phase - (t / gamma - x * v).imag) / math.pi, 0.0), 1.0)
        cdf[i] = 1.0 - sf[i]
        m[i] = -v
        argument[i] = np.angle(-curvature)
    return cdf, sf, m, argument, roots


@jit
def average_slopes(m, log_h, w, width, interval, count):
    """Differentiate averages of F over intervals by each log h, shape ``(count, Q)``.

    Parameters: the transform at the cells' middles, the population, the cells' widths and intervals.
    """
    h = np.exp(log_h)
    slopes = np.zeros((count, h.size))
    weight = np.zeros(count)
    for i in range(m.size):
        k = interval[i]
        weight[k] += width[i]
        vr, vi = -m[i].real, -m[i].imag
        for q in range(h.size):
            d, e = 1.0 - vr * h[q], vi * h[q]
            slopes[k, q] += width[i] * e / (d * d + e * e)
    for k in range(count):
        for q in range(h.size):
            slopes[k, q] *= w[q] / (math.pi * weight[k])
    return slopes
