"""What the sentences of `check` have in common: lists of names and numbers, and the parameters of a result."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from htmp_bayes._errors import printable
from htmp_bayes._results import group

# Its draws are independent, and often all the same: there is no convergence to judge.
NUMBER = "n_spikes"
NUMBERS = (NUMBER, "n_low_spikes")
# Layers that a sentence names.
_MOST_NAMED = 6


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


def of_spectra(result: xr.DataTree) -> xr.Dataset | None:
    """Take what is known of the spectra of a network, if it is one."""
    if "constant_data" not in result.children or "spectrum_fits" not in result["constant_data"]:
        return None
    return group(result, "constant_data")


def layers_named(constant: xr.Dataset, chosen: NDArray[np.bool_]) -> str:
    """Name the layers of spectra, of many the first ones."""
    names = list(dict.fromkeys(constant["spectrum_layer"].to_numpy()[chosen].astype(str)))
    shown = [repr(printable(name)) for name in names[:_MOST_NAMED]]
    return (
        named(shown)
        if len(names) <= _MOST_NAMED
        else f"{', '.join(shown)} and {len(names) - _MOST_NAMED} more"
    )
