"""What is read from the result of a fit."""

import xarray as xr

from htmp_bayes._errors import HTMPError

_REMEDIES = {"posterior_predictive": "fit with predictive_draws = 100"}


class ResultError(HTMPError):
    """A result that lacks what is asked of it."""


def group(result: xr.DataTree, name: str) -> xr.Dataset:
    """Group of a result, or a sentence that says what to do if it is not there.

    Examples
    --------
    >>> group(xr.DataTree(), "posterior")
    Traceback (most recent call last):
    htmp_bayes._results.ResultError: The result has no group 'posterior'; pass what htmp_bayes.fit returned.
    """
    if name not in result.children:
        remedy = _REMEDIES.get(name, "pass what htmp_bayes.fit returned")
        raise ResultError(f"The result has no group {name!r}; {remedy}.")
    return result[name].to_dataset()
