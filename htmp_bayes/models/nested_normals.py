r"""Normal effects of three coordinates, one within another, integrated out level by level.

What is known of x is a quadratic form, :math:`-\tfrac12 x^\top P x + b^\top x`, the natural form of a normal
likelihood, with P singular where nothing is known. If x = y + e and the effect e is normal about 0 with standard
deviations s, what is known of y has the same form (the information form of Kalman's filter: Anderson & Moore 1979,
*Optimal Filtering*, section 6.3). With :math:`S = \mathrm{diag}(s)` and :math:`LL^\top = I + SPS`,

.. math:: P' = P - U^\top U,\quad b' = b - U^\top w,\quad U = L^{-1}SP,\quad w = L^{-1}Sb,

and the integral contributes :math:`\tfrac12 w^\top w - \log\det L`. Everything is written out for three coordinates, so
that the arrays may be NumPy's or PyTensor's, of any shape, and cost no call for each matrix.
"""

from typing import Any, NamedTuple

COORDINATES = 3
# Entries of a symmetric matrix that are kept, and where each entry is among them.
PACKED = ((0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2))
_WHERE = {pair: i for i, (a, b) in enumerate(PACKED) for pair in ((a, b), (b, a))}


class Known(NamedTuple):
    """What is known of three coordinates.

    Attributes
    ----------
    precision : list of array
        P, its six entries in the order of `PACKED`.
    linear : list of array
        b, its three entries.
    """

    precision: list[Any]
    linear: list[Any]

    def at(self, i: int, j: int) -> Any:
        """Entry of the precision."""
        return self.precision[_WHERE[i, j]]

    def summed(self, axis: int) -> "Known":
        """Put together what all along an axis say."""
        return Known([x.sum(axis=axis) for x in self.precision], [x.sum(axis=axis) for x in self.linear])

    def plus(self, other: "Known") -> "Known":
        """Put together what two say."""
        return Known(*([x + y for x, y in zip(a, b, strict=True)] for a, b in zip(self, other, strict=True)))

    def less(self, value: list[Any]) -> "Known":
        """Take `value` off: what is known of the rest of x."""
        return Known(self.precision, [b - p for b, p in zip(self.linear, self.times(value), strict=True)])

    def times(self, value: list[Any]) -> list[Any]:
        """Precision times a vector."""
        return [sum(self.at(i, j) * value[j] for j in range(COORDINATES)) for i in range(COORDINATES)]


def factor(known: Known, spread: list[Any]) -> list[list[Any]]:
    r"""Lower triangle of L, :math:`LL^\top = I + SPS`."""
    lower: list[list[Any]] = []
    for i in range(COORDINATES):
        row: list[Any] = []
        for j in range(i + 1):
            entry = known.at(i, j) * spread[i] * spread[j] + (1.0 if i == j else 0.0)
            entry = entry - sum(row[k] * (lower[j][k] if j < i else row[k]) for k in range(j))
            row.append(entry**0.5 if i == j else entry / lower[j][j])
        lower.append(row)
    return lower


def _solved(lower: list[list[Any]], right: list[Any]) -> list[Any]:
    found: list[Any] = []
    for i in range(COORDINATES):
        found.append((right[i] - sum(lower[i][k] * found[k] for k in range(i))) / lower[i][i])
    return found


def _solved_transposed(lower: list[list[Any]], right: list[Any]) -> list[Any]:
    found: dict[int, Any] = {}
    for i in reversed(range(COORDINATES)):
        rest = sum(lower[k][i] * found[k] for k in range(i + 1, COORDINATES))
        found[i] = (right[i] - rest) / lower[i][i]
    return [found[i] for i in range(COORDINATES)]


def integrated(known: Known, spread: list[Any], log: Any) -> tuple[Known, Any]:
    """Integrate an effect out: what is known of the sum's other part, and the integral's logarithm.

    Parameters
    ----------
    known : Known
        What is known of y + e.
    spread : list
        Standard deviations of e, each a number or an array that fits those of `known`.
    log : callable
        Natural logarithm of the arrays' library.
    """
    lower = factor(known, spread)
    w = _solved(lower, [spread[i] * known.linear[i] for i in range(COORDINATES)])
    columns = [
        _solved(lower, [spread[i] * known.at(i, j) for i in range(COORDINATES)]) for j in range(COORDINATES)
    ]
    precision = [known.at(i, j) - _dot(columns[i], columns[j]) for i, j in PACKED]
    linear = [known.linear[i] - _dot(columns[i], w) for i in range(COORDINATES)]
    value = 0.5 * _dot(w, w) - sum(log(lower[i][i]) for i in range(COORDINATES))
    return Known(precision, linear), value


def effect_draw(known: Known, spread: list[Any], normal: list[Any]) -> list[Any]:
    r"""Draw an effect, given what is known of it and standard normal numbers.

    Its covariance is :math:`S(I + SPS)^{-1}S` and its mean that times b.
    """
    lower = factor(known, spread)
    w = _solved(lower, [spread[i] * known.linear[i] for i in range(COORDINATES)])
    standard = _solved_transposed(lower, [w[i] + normal[i] for i in range(COORDINATES)])
    return [spread[i] * standard[i] for i in range(COORDINATES)]


def _dot(a: list[Any], b: list[Any]) -> Any:
    return sum(x * y for x, y in zip(a, b, strict=True))
