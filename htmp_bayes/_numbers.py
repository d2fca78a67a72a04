"""Numbers in words, tables and pictures."""


def short(value: float, digits: int = 3) -> str:
    """Write a number in a few significant digits, without an exponent where it can be helped.

    Examples
    --------
    >>> short(683.2, 2), short(0.4751), short(9.05e-05)
    ('680', '0.475', '9.05e-05')
    """
    return f"{float(f'{value:.{digits}g}'):g}"


def interval(median: float, lower: float, upper: float, separator: str = " ") -> str:
    """Write a median with the ends of its interval.

    Examples
    --------
    >>> interval(5.67, 4.12, 8.04)
    '5.67 [4.1, 8]'
    """
    return f"{short(median)}{separator}[{short(lower, 2)}, {short(upper, 2)}]"
