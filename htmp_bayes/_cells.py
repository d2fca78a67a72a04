"""Cells of CSV files, which people open in spreadsheets."""

from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_cell(value: Any) -> Any:
    r"""Put an apostrophe before a text that a spreadsheet would take for a formula, and run.

    Names of layers are whatever the author of a checkpoint wrote. Source: OWASP, CSV Injection.

    Examples
    --------
    >>> as_cell('=HYPERLINK("http://a.b")'), as_cell("layer.0"), as_cell(-1.5)
    ('\'=HYPERLINK("http://a.b")', 'layer.0', -1.5)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
