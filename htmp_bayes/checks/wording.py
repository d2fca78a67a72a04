"""What the sentences of `check` have in common: lists of names and numbers, and the parameters of a result."""

from collections.abc import Mapping
from types import MappingProxyType

import xarray as xr

from htmp_bayes._results import group

# Its draws are independent, and often all the same: there is no convergence to judge.
NUMBER = "n_spikes"
NUMBERS = (NUMBER, "n_low_spikes")


def parameters(result: xr.DataTree) -> xr.Dataset:
    """Draws of what has a convergence to judge."""
    return group(result, "posterior").drop_vars(NUMBERS, errors="ignore")


def named(names: list[str]) -> str:
    """Join names as a sentence does."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def listed(values: Mapping[str, float], number: str) -> str:
    """Join numbers, each with its name."""
    return ", ".join(f"{value:{number}} for {name}" for name, value in values.items())


def by_parameter(values: xr.Dataset) -> Mapping[str, float]:
    """Make a read-only mapping of a number for each parameter."""
    return MappingProxyType({str(name): float(value) for name, value in values.data_vars.items()})
