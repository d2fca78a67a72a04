"""Versions of what a result depends on, for the outputs."""

from importlib.metadata import version

__version__ = version("htmp-bayes")
"""Version of this package, which stands in pyproject.toml alone."""

_PACKAGES = ("htmp-bayes", "pymc", "pytensor", "nutpie", "arviz", "numpy", "scipy", "numba")


def versions() -> dict[str, str]:
    """Versions of this package and of those that take part in a fit, by their names.

    Examples
    --------
    >>> sorted(versions())[:3]
    ['arviz', 'htmp-bayes', 'numba']
    """
    return {package: version(package) for package in _PACKAGES}
