"""What is read from the result of a fit, and the file that holds it."""

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from htmp_bayes._errors import HTMPError, reason

if TYPE_CHECKING:
    from htmp_bayes.laws import HTMP, InverseHTMP
    from htmp_bayes.laws.open_law import OpenLaw

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
    from htmp_bayes._arguments import check_result

    check_result(result)
    if name not in result.children:
        remedy = _REMEDIES.get(name, "pass what htmp_bayes.fit returned")
        raise ResultError(f"The result has no group {name!r}; {remedy}.")
    return result[name].to_dataset()


def law_of(
    kappa: Any, gamma: float, temperature: Any, correlation: Any, population: str, inverse: bool = False
) -> "HTMP | InverseHTMP":
    """Law of a posterior's draws.

    A posterior's kappa may be beyond the law's range, where the law no longer depends on it at the same kappa T: it is
    taken at the end of the range. The population "none" is a point mass.

    Examples
    --------
    >>> law_of(5.0, 0.25, 1.0, 0.0, "none")
    HTMP(kappa=5.0, gamma=0.25, temperature=1.0, correlation=0.0, population='point')
    """
    from htmp_bayes.laws import HTMP, InverseHTMP
    from htmp_bayes.laws.parameters import KAPPA_RANGE

    within = np.minimum(kappa, KAPPA_RANGE[1])
    family = InverseHTMP if inverse else HTMP
    named = "point" if population == "none" else population
    return family(within, gamma, temperature * (kappa / within), correlation, named)


def open_law(result: xr.DataTree, draws: int) -> "OpenLaw":
    """Laws of so many evenly thinned draws of an open population."""
    from htmp_bayes.laws.open_law import OpenLaw

    population, kappa = group(result, "population"), group(result, "posterior")["kappa"].to_numpy().ravel()
    values = population["log_values"].to_numpy().reshape(kappa.size, -1)
    kept = np.linspace(0, kappa.size - 1, min(kappa.size, draws)).round().astype(int)
    return OpenLaw(
        kappa[kept],
        float(group(result, "constant_data")["gamma"]),
        values[kept].astype(np.float64),
        population["share"].to_numpy(),
        bool(population.attrs["of_reciprocals"]),
    )


def as_netcdf(result: xr.DataTree) -> bytes:
    """Content of the netCDF file of a result, as `xarray.open_datatree` reads it.

    It is made in memory: where a disk is full, the HDF5 library fails again and again to write what it still
    holds, and ends the process when that ends.
    """
    with _without_cluster():
        return bytes(result.to_netcdf(engine="h5netcdf"))


def _without_cluster() -> AbstractContextManager[Any]:
    """In a worker of Dask xarray would ask the cluster for a lock on the file, and that is in this process's memory."""
    if "dask" not in sys.modules:
        return nullcontext()
    import dask

    return dask.config.set(scheduler="synchronous")


def opened_result(path: Path) -> xr.DataTree:
    """Open the netCDF file of a result; its values are read when they are asked for.

    Raises
    ------
    ResultError
        A ValueError, if it is not there or not whole, or if values of it are in another file.
    """
    from htmp_bayes.spectra.hdf5 import check_within

    try:
        check_within(path)
        return xr.open_datatree(path, engine="h5netcdf")
    except (OSError, ValueError, LookupError, RuntimeError, TypeError) as error:
        raise ResultError(f"{path} cannot be read ({reason(error)}); fit anew with another --out.") from error
