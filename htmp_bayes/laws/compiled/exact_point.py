"""One point of the HTMP density and distribution function, on its own path.

Two routes, both exact: through the complex saddle point (`bulk_point`), and, where f is so small that Im mu would be a
difference of near-equal numbers, along the real axis (`tail_point`).
"""

import math

from htmp_bayes.laws.compiled.bulk_point import bulk_row
from htmp_bayes.laws.compiled.jit import jit
from htmp_bayes.laws.compiled.tail_point import fill_nothing, tail_row

# Below this |Im mu| / |mu| the bulk route loses more than 5 digits to cancellation and the tail route takes over.
TAIL_RATIO = 2e-5
# Below this 1 - F so it does too: the rule of a heavy-tailed population has an absolute error of 1e-16.
TAIL_OF_DENSITY = 1e-6
# Where probabilities are asked for, below this F or 1 - F: the smaller of them keeps its relative accuracy.
TAIL_PROBABILITY = 1e-5
# With a saddle point further from the real axis, as of a small F for gamma near 1 and a small 1 - F for kappa near 0,
# there is no real one and no way along the axis.
_NEARLY_REAL = 0.02
# An eigenvalue above is beyond the doubles.
LARGEST_LOG = 709.0


@jit
def in_tail(ratio, row, probabilities):
    """Whether a row from a complex saddle point, with this |Im mu|/|mu|, is less accurate than one in the tails."""
    small = min(row[5], row[6]) < TAIL_PROBABILITY if probabilities else row[6] < TAIL_OF_DENSITY
    return small or ratio < TAIL_RATIO


@jit
def exact_point(log_y, s, c, population, rule, constants, row):
    """Fill ``row`` (length 8): log f, its derivatives by log y, s, c and rho, F, 1 - F, Re <g>."""
    if not log_y < LARGEST_LOG:
        fill_nothing(True, s, row)
        return
    ratio, t0, phase = bulk_row(log_y, s, c, population, rule, constants, row)
    if ratio < TAIL_RATIO or (-t0.imag < _NEARLY_REAL and in_tail(ratio, row, True)):
        tail_row(log_y, t0.real, phase < 0.5 * math.pi, s, c, population, rule, constants, row)
