r"""Normal effects, one within another, integrated out level by level.

What is known of x is a quadratic form, :math:`-\tfrac12 p x^2 + b x`, the natural form of a normal likelihood, with
p = 0 where nothing is known. If x = y + e and the effect e is normal about 0 with standard deviation s, what is known
of y has the same form (the information form of Kalman's filter: Anderson & Moore 1979, *Optimal Filtering*, section
6.3),

.. math:: p' = \frac{p}{1 + s^2 p},\quad b' = \frac{b}{1 + s^2 p},

and the integral contributes :math:`\tfrac12 s^2 b^2/(1 + s^2 p) - \tfrac12\log(1 + s^2 p)`. Arrays may be NumPy's or
PyTensor's, of any shape.
"""

from typing import Any, NamedTuple


class Known(NamedTuple):
    """What is known of numbers: precision p and linear term b, arrays of one shape."""

    precision: Any
    linear: Any

    def summed(self, axis: int) -> "Known":
        """Put together what all along an axis say."""
        return Known(self.precision.sum(axis=axis), self.linear.sum(axis=axis))

    def plus(self, other: "Known") -> "Known":
        """Put together what two say."""
        return Known(self.precision + other.precision, self.linear + other.linear)

    def less(self, value: Any) -> "Known":
        """Take `value` off: what is known of the rest of x."""
        return Known(self.precision, self.linear - self.precision * value)

    def of(self, part: Any) -> "Known":
        """Take a part of both arrays."""
        return Known(self.precision[part], self.linear[part])

    def log_density(self, value: Any) -> Any:
        """Quadratic form at a value."""
        return value * (self.linear - 0.5 * self.precision * value)


def integrated(known: Known, spread: Any, log: Any) -> tuple[Known, Any]:
    """Integrate an effect out: what is known of the sum's other part, and the integral's logarithm.

    Parameters
    ----------
    known : Known
        What is known of y + e.
    spread : array
        Standard deviation of e, of a shape that fits those of `known`.
    log : callable
        Natural logarithm of the arrays' library.
    """
    variance = spread**2
    shrunk = 1.0 + variance * known.precision
    value = 0.5 * variance * known.linear**2 / shrunk - 0.5 * log(shrunk)
    return Known(known.precision / shrunk, known.linear / shrunk), value


def effect_draw(known: Known, spread: Any, normal: Any) -> Any:
    """Draw an effect, given what is known of it and standard normal numbers."""
    shrunk = 1.0 + spread**2 * known.precision
    return spread**2 * known.linear / shrunk + spread * normal / shrunk**0.5
