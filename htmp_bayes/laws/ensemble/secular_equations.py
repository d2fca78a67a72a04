"""Eigenvalues of a non-negative diagonal matrix plus a rank-one term, each to high relative accuracy.

The eigenvalues of ``diag(d) + z z^T`` are the roots of the secular equation ``1 + sum_j z_j^2 / (d_j - x) =
0``: one between each two poles and one above the last. Each is found as a distance from its nearer pole, so
that a root that hugs a pole, or zero, keeps its leading digits (Gu & Eisenstat, SIAM J. Matrix Anal. Appl.
15 (1994) 1266), by the two-pole rational iteration of Bunch, Nielsen & Sorensen, Numer. Math. 31 (1978) 31,
inside a shrinking bracket.
"""

import math

import numpy as np

from htmp_bayes.laws.compiled.jit import jit_sum

# Reordered sums are vectorised; all terms of a sum have one sign, so the order moves it by rounding only.
_ITERATIONS = 80
_EPS = 2.3e-16
# Reciprocals of smaller numbers overflow: a smaller z^2, or distance to a pole, moves no eigenvalue that a
# double can hold, and smaller poles are taken for 0, so that two poles are 1e-286 apart at least.
_NEGLIGIBLE = 1e-300
_SMALLEST_POLE = 1e-270
# Leaving out a z_j^2 of less than this times its pole d_j changes each eigenvalue by less than 2 |z_j| / sqrt(d_j)
# = 6e-16 of itself: it multiplies the factor (D^(1/2), z) by a matrix that is so near to the identity (Eisenstat &
# Ipsen, SIAM J. Numer. Anal. 32 (1995) 1972). With a repulsion of some units most are smaller.
_WEAKEST = 1e-31
# A step of this share of the distance to the nearer pole is the last one: the iteration matches the value and slope
# of a function whose curvature is at most 2 / distance times its slope, so that it is then off by 2 * 1e-16.
_LAST_STEP = 1e-8
# Between these the products of two distances stay within the range of a double.
_SMALL, _LARGE = 1e-140, 1e140
# Vectors are filled up to a multiple of this with poles of no weight: the remainder of a loop is slow.
_BLOCK = 16


@jit_sum
def _sums_one_by_one(shifted: np.ndarray, squares: np.ndarray, x: float) -> tuple[float, float, float, float]:
    left = right = left_slope = right_slope = 0.0
    for j in range(shifted.size):
        inverse = 1.0 / (shifted[j] - x)
        term = squares[j] * inverse
        left += min(term, 0.0)
        right += max(term, 0.0)
        left_slope += min(term, 0.0) * inverse
        right_slope += max(term, 0.0) * inverse
    return left, right, left_slope, right_slope


@jit_sum
def _sums_in_pairs(shifted: np.ndarray, squares: np.ndarray, x: float) -> tuple[float, float, float, float]:
    left = right = left_slope = right_slope = 0.0
    half = shifted.size // 2
    for j in range(half):
        first, second = shifted[j] - x, shifted[half + j] - x
        # division is what takes the time, so that one serves two poles
        inverse = 1.0 / (first * second)
        of_first, of_second = inverse * second, inverse * first
        term = squares[j] * of_first
        left += min(term, 0.0)
        right += max(term, 0.0)
        left_slope += min(term, 0.0) * of_first
        right_slope += max(term, 0.0) * of_first
        term = squares[half + j] * of_second
        left += min(term, 0.0)
        right += max(term, 0.0)
        left_slope += min(term, 0.0) * of_second
        right_slope += max(term, 0.0) * of_second
    return left, right, left_slope, right_slope


@jit_sum
def _sums(
    shifted: np.ndarray, squares: np.ndarray, x: float, nearest: float
) -> tuple[float, float, float, float]:
    """Return the sums of z^2 / (d - x) over the poles below x and those above, and their derivatives by x.

    The nearest pole is at the distance `nearest`.
    """
    farthest = max(x - shifted[0], shifted[shifted.size - 1] - x)
    if nearest > _SMALL and farthest < _LARGE:
        return _sums_in_pairs(shifted, squares, x)
    return _sums_one_by_one(shifted, squares, x)


@jit_sum
def _two_pole_root(c: float, near: float, far: float, gap: float) -> float:
    """Root u in (0, gap) of ``c - near / u + far / (gap - u) = 0``, in the form that does not cancel."""
    a = c * gap + near + far
    root = math.sqrt((c * gap + far - near) ** 2 + 4.0 * near * far)
    if a > 0.0:
        return 2.0 * near * gap / (a + root)
    return (a - root) / (2.0 * c)


@jit_sum
def _shift(poles: np.ndarray, origin: int, shifted: np.ndarray) -> None:
    for j in range(poles.size):
        shifted[j] = poles[j] - poles[origin]


@jit_sum
def _inside(low: float, high: float) -> float:
    """Geometric bisection: the root may be many orders of magnitude nearer to its pole than to the next."""
    return math.sqrt(low) * math.sqrt(high) if low > 0.0 else 1e-3 * high


@jit_sum
def _inner_root(poles: np.ndarray, squares: np.ndarray, i: int, shifted: np.ndarray) -> float:
    """Root between poles i and i + 1."""
    gap = poles[i + 1] - poles[i]
    _shift(poles, i, shifted)
    middle = 0.5 * gap
    left, right, _, _ = _sums(shifted, squares, middle, middle)
    f = 1.0 + left + right
    # all but the two poles beside the root, at the middle
    c = f + squares[i] / middle - squares[i + 1] / middle
    from_left = f >= 0.0
    if from_left:
        sign, near, u = 1.0, i, _two_pole_root(c, squares[i], squares[i + 1], gap)
    else:
        sign, near, u = -1.0, i + 1, _two_pole_root(-c, squares[i + 1], squares[i], gap)
        _shift(poles, i + 1, shifted)
    low, high = 0.0, middle
    for _ in range(_ITERATIONS):
        if not low < u <= high:  # also where an overflow made u not a number
            u = _inside(low, high)
        u = max(u, _NEGLIGIBLE)
        left, right, left_slope, right_slope = _sums(shifted, squares, sign * u, u)
        f = 1.0 + left + right
        if (f < 0.0) == from_left:
            low = u
        else:
            high = u
        if abs(f) <= _EPS * (1.0 - left + right) or high <= _NEGLIGIBLE:
            break
        from_i, to_next = (u, gap - u) if from_left else (gap - u, u)
        q, s = left_slope * from_i * from_i, right_slope * to_next * to_next
        c = 1.0 + (left + left_slope * from_i) + (right - right_slope * to_next)
        new = _two_pole_root(c, q, s, gap) if from_left else _two_pole_root(-c, s, q, gap)
        if abs(new - u) <= _LAST_STEP * u:
            u = min(max(new, low), high)
            break
        u = new
    if not low <= u <= high:  # the last proposal, which no iteration looked at
        u = _inside(low, high)
    return poles[near] + sign * u


@jit_sum
def _last_root(poles: np.ndarray, squares: np.ndarray, shifted: np.ndarray) -> float:
    """Root above the last pole, at most trace away."""
    n = poles.size
    _shift(poles, n - 1, shifted)
    low, high = 0.0, np.sum(squares)
    u = high
    for _ in range(_ITERATIONS):
        if not low < u <= high:
            u = _inside(low, high)
        u = max(u, _NEGLIGIBLE)
        value, _, slope, _ = _sums(shifted, squares, u, u)
        f = 1.0 + value
        if f < 0.0:
            low = u
        else:
            high = u
        if abs(f) <= _EPS * (1.0 - value) or high <= _NEGLIGIBLE:
            break
        c = f + slope * u
        new = slope * u * u / c if c > 0.0 else -1.0
        if abs(new - u) <= _LAST_STEP * u:
            u = min(max(new, low), high)
            break
        u = new
    if not low <= u <= high:
        u = _inside(low, high)
    return poles[n - 1] + u


@jit_sum
def rank_one_eigenvalues(diagonal: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Return the eigenvalues of ``diag(d) + z z^T``, ascending.

    Parameters
    ----------
    diagonal : ndarray, shape (k,)
        d, ascending and non-negative; equal entries are welcome, entries below 1e-270 are taken for 0.
    squares : ndarray, shape (k,)
        The squares of z, non-negative.

    Returns
    -------
    ndarray, shape (k,)

    Examples
    --------
    >>> import numpy as np
    >>> rank_one_eigenvalues(np.array([0.0, 1.0]), np.array([1.0, 1.0])).round(6)
    array([0.381966, 2.618034])
    """
    k = diagonal.size
    size = k + (-k) % _BLOCK
    result, poles, weights = np.empty(k), np.empty(size), np.zeros(size)
    kept = done = 0
    for j in range(k):
        pole = diagonal[j] if diagonal[j] > _SMALLEST_POLE else 0.0
        if squares[j] < max(_NEGLIGIBLE, _WEAKEST * pole):
            result[done] = pole
            done += 1
        elif kept > 0 and poles[kept - 1] == pole:  # a rotation moves the whole weight to one of the two
            weights[kept - 1] += squares[j]
            result[done] = pole
            done += 1
        else:
            poles[kept], weights[kept] = pole, squares[j]
            kept += 1
    if kept > 0:
        size = kept + (-kept) % _BLOCK
        poles[kept:size] = poles[kept - 1]
        poles, weights, shifted = poles[:size], weights[:size], np.empty(size)
        for i in range(kept - 1):
            result[done + i] = _inner_root(poles, weights, i, shifted)
        result[k - 1] = _last_root(poles, weights, shifted)
    result.sort()
    return result


@jit_sum
def growing_eigenvalues(scales: np.ndarray, new: np.ndarray, old: np.ndarray) -> np.ndarray:
    """Return the eigenvalues of a matrix that grows by one row and a rank-one term at a time, ascending.

    Parameters
    ----------
    scales : ndarray, shape (k,)
        Factor of each rank-one term.
    new : ndarray, shape (k,)
        Square of each term's component in the direction that is new with it.
    old : ndarray, shape (k (k - 1) / 2,)
        Squares of its components in the directions that are there: none of the first, one of the second, ...

    Returns
    -------
    ndarray, shape (k,)

    Examples
    --------
    >>> import numpy as np
    >>> growing_eigenvalues(np.ones(2), np.ones(2), np.ones(1)).round(6)
    array([0.381966, 2.618034])
    """
    eigenvalues = np.empty(0)
    used = 0
    for i in range(scales.size):
        diagonal, squares = np.empty(i + 1), np.empty(i + 1)
        diagonal[0], squares[0] = 0.0, scales[i] * new[i]
        diagonal[1:], squares[1:] = eigenvalues, scales[i] * old[used : used + i]
        used += i
        eigenvalues = rank_one_eigenvalues(diagonal, squares)
    return eigenvalues
