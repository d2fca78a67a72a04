"""Numbers in words, tables and pictures."""

from collections.abc import Iterable
from math import floor, isfinite, log10

# Numbers outside of these powers of ten are written with one.
_PLAIN = range(-3, 6)
# Ends of an interval whose ratio is above this have digits of their own.
_FAR_APART = 30.0
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def short(value: float, digits: int = 3) -> str:
    """Write a number in a few significant digits, without an exponent where it can be helped.

    Examples
    --------
    >>> short(683.2, 2), short(0.4751), short(9.05e-05)
    ('680', '0.475', '9.05e-05')
    """
    return f"{float(f'{value:.{digits}g}'):g}"


def interval(
    median: float, lower: float, upper: float, separator: str = " ", exponent: int | None = None
) -> str:
    """Write a median with the ends of its interval: all to the same digit, by the interval's width.

    Parameters
    ----------
    median, lower, upper : float
        The three numbers.
    separator : str
        What stands between the median and the interval.
    exponent : int, optional
        Power of ten that the numbers are divided by and that is said elsewhere, as in the heading of a column. Without
        it, very small and very large numbers have their own.

    Examples
    --------
    >>> interval(5.67, 4.12, 8.04), interval(0.5751, 0.5409, 0.612)
    ('5.7 [4.1, 8.0]', '0.575 [0.541, 0.612]')
    >>> interval(9.05e-05, 8.1e-05, 9.96e-05), interval(9.05e-05, 8.1e-05, 9.96e-05, exponent=-5)
    ('9.1 [8.1, 10.0] ×10⁻⁵', '9.1 [8.1, 10.0]')
    """
    power = shared_exponent([median]) if exponent is None else exponent
    scaled = [value / 10.0**power for value in (median, lower, upper)]
    middle, low, high = _decades(scaled) if 0 < _FAR_APART * lower < upper else _to_width(scaled)
    written = "" if exponent is not None or power == 0 else f" {times_ten_to(power)}"
    return f"{middle}{separator}[{low}, {high}]{written}"


def _decades(three: list[float]) -> list[str]:
    """Write each in digits of its own, where the ends are far apart."""
    return [short(value, 2) for value in three]


def _to_width(three: list[float]) -> list[str]:
    """Write two digits of twice the distance to the nearer end, and four of the median at most."""
    width = 2 * min(three[0] - three[1], three[2] - three[0])
    decimals = max(0, 1 - _power(width)) if width > 0 else 3
    decimals = min(decimals, 3 + max(0, -_power(three[0])))
    return [f"{value:.{decimals}f}" for value in three]


def shared_exponent(values: Iterable[float]) -> int:
    """Power of ten for the heading of a column of numbers: 0 where all can be written without one.

    Examples
    --------
    >>> shared_exponent([0.02, 5.0]), shared_exponent([9.05e-05, 2e-4]), shared_exponent([2e7])
    (0, -4, 7)
    """
    powers = [_power(value) for value in values if value and isfinite(value)]
    if (
        not powers
        or (min(powers) in _PLAIN and max(powers) in _PLAIN)
        or max(powers) - min(powers) > len(_PLAIN)
    ):
        return 0
    return max(powers)


def times_ten_to(power: int) -> str:
    """Write a power of ten as a factor.

    Examples
    --------
    >>> times_ten_to(-5)
    '×10⁻⁵'
    """
    return f"×10{str(power).translate(_SUPERSCRIPTS)}"


def _power(value: float) -> int:
    return floor(log10(abs(value))) if value and isfinite(value) else 0
