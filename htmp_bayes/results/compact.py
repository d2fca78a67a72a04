"""Numbers rounded to the digits that are used of them, and compressed, so that files of them are small."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

_COMPRESSED = {"zlib": True, "shuffle": True, "complevel": 4}


def compacted(dataset: xr.Dataset, digits: dict[str, int]) -> xr.Dataset:
    """Round variables to so many binary digits, and have them compressed when they are saved.

    Parameters
    ----------
    dataset : xarray.Dataset
        Floating-point variables, single or double precision.
    digits : dict
        Binary digits of each variable that is rounded.

    Returns
    -------
    xarray.Dataset
        The same with rounded values: relative errors of 2^-(digits + 1) at most.

    Examples
    --------
    >>> thirds = xr.Dataset({"x": ("draw", [1 / 3, -2 / 3])})
    >>> compacted(thirds, {"x": 6})["x"].values.tolist()
    [0.33203125, -0.6640625]
    """
    rounded = {}
    for name, kept in digits.items():
        rounded[name] = dataset[name].copy(data=_shortened(dataset[name].to_numpy(), kept))
        rounded[name].encoding = dict(_COMPRESSED)
    return dataset.assign(rounded)


def with_integers_compressed(dataset: xr.Dataset) -> xr.Dataset:
    """Have integers compressed when they are saved, those of coordinates among them: most repeat or count up."""
    found = dataset.copy()
    for variable in found.variables.values():
        if variable.dtype.kind in "iu" and variable.ndim:
            variable.encoding = {**variable.encoding, **_COMPRESSED}
    return found


def _shortened(values: NDArray[np.floating], digits: int) -> NDArray[np.floating]:
    bits = np.ascontiguousarray(values).view(f"u{values.itemsize}")
    dropped = bits.dtype.type(np.finfo(values.dtype).nmant - digits)
    half = bits.dtype.type(1) << (dropped - bits.dtype.type(1))
    return (((bits + half) >> dropped) << dropped).view(values.dtype)
