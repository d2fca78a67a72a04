"""The curve of all saddle points, traced once for many y.

It is the curve in the lower half plane on which

    Y(v) = ((s + 1) + (c + 1) M(v)) / v

is real (the Silverstein equation). Along it the exponent changes by (Y - y) dv, so that the integrand of every y has
its one maximum where Y = y.
"""

import math

import numpy as np

from htmp_bayes.laws.compiled.jit import jit
from htmp_bayes.laws.compiled.population_rule import mean_inverse
from htmp_bayes.laws.compiled.population_sums import population_sums
from htmp_bayes.laws.compiled.steepest_descent import MAX_STEP, reach

MOST_PANELS = 160
# Largest change of the exponent, over a panel of the curve, of the integrand whose saddle point is at its start: more
# than that, and the panel cuts off a corner of the curve, as where it leaves the real axis at an edge of the spectrum.
LARGEST_CHANGE = 20.0
# Terms this far below the largest one are left out of a sum.
NEGLIGIBLE = 38.0


@jit
def _curve_angle(tau, theta, s1, c1, rule):
    """One or a few Newton steps for the angle at which Y is real; the path need not be exact."""
    theta = max(theta, 1e-3)
    for _ in range(5):
        t = complex(tau, -theta)
        _m, m_slope, _, one_plus_m = population_sums(t, rule)
        over_v = np.exp(-t)
        value = ((s1 - c1) + c1 * one_plus_m) * over_v
        slope = -1j * (c1 * m_slope * over_v - value)
        sine = math.sin(theta)
        # Divided by sin(theta), the imaginary part is monotone in theta and does not vanish at 0.
        g = value.imag / sine
        g_slope = (slope.imag - g * math.cos(theta)) / sine
        step = g / g_slope if g_slope != 0.0 else 0.0
        step = min(max(step, -0.5), 0.5)
        theta = min(max(theta - step, 0.3 * theta), 2.6)
        theta = max(theta, 1e-3)
        if abs(step) < 0.02 * theta:
            break
    return theta


@jit
def path_range(y_low, y_high, s1):
    """Interval of log|v| outside of which no integrand of y in [y_low, y_high] matters."""
    left = math.log(s1 / y_high) - (math.sqrt(2.0 * NEGLIGIBLE / s1) + (NEGLIGIBLE + 2.0) / s1)
    right = math.log((s1 + math.sqrt(2.0 * NEGLIGIBLE * s1) + NEGLIGIBLE + 5.0) / y_low)
    return left, right


@jit
def _panel_length(t, y_low, s1, c1, rho, rule):
    """Length of a panel at ``t``: 3.2 widths of the integrand that peaks there, or of the lowest y beyond all peaks."""
    m, m_slope, _, _ = population_sums(t, rule)
    curvature = max(abs(-(s1 + c1 * m) + c1 * m_slope), y_low * math.exp(t.real))
    return min(3.2 / math.sqrt(curvature + 1e-300), reach(t, rho, rule))


@jit
def _y_at(t, s1, c1, rule):
    _, _, _, one_plus_m = population_sums(t, rule)
    return ((s1 - c1) + c1 * one_plus_m) * np.exp(-t)


@jit
def _resolved_for_its_own(t, following, s1, c1, rule):
    """Whether one panel resolves the integrand whose saddle point is at t, its start."""
    y = _y_at(t, s1, c1, rule).real
    size = abs(following - t)
    for share in (0.5, 1.0):
        there = t + share * (following - t)
        if abs((_y_at(there, s1, c1, rule) - y) * np.exp(there)) * size > LARGEST_CHANGE:
            return False
    return True


@jit
def trace_curve(left, right, y_low, s1, c1, rho, rule, vertices):
    """Fill ``vertices`` along the curve; returns the number of panels, 0 if there are too many."""
    tau = left
    theta = _curve_angle(tau, 0.5, s1, c1, rule)
    vertices[0] = complex(tau, -theta)
    length = MAX_STEP
    # Beyond, the population no longer matters: integrands have a real saddle point there, or none.
    far = math.log(c1 * mean_inverse(rule)) + 1.0
    bent = False
    for count in range(MOST_PANELS):
        t = vertices[count]
        # Near an edge of the spectrum the curvature passes through 0 and says nothing about the next panel.
        length = min(1.5 * length, _panel_length(t, y_low, s1, c1, rho, rule))
        ahead = complex(tau + length, -_curve_angle(tau + length, theta, s1, c1, rule))
        length = min(length, 1.5 * _panel_length(ahead, y_low, s1, c1, rho, rule))
        bent = bent or tau > far or _y_at(t, s1, c1, rule).real < y_low
        for _ in range(8):
            # Behind the last saddle point the path bends to where exp(-y v) decays (for gamma = 1 the curve does not).
            on_curve = _curve_angle(tau + length, theta, s1, c1, rule)
            angle = min(on_curve, max(theta - 0.9 * length, 0.0)) if bent else on_curve
            following = complex(min(tau + length, right), -angle)
            if bent or _resolved_for_its_own(t, following, s1, c1, rule):
                break
            length *= 0.7
        tau, theta = following.real, angle
        vertices[count + 1] = following
        if tau >= right:
            return count + 1
    return 0
