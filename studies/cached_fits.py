"""Fits that a study keeps in a folder, so that what was interrupted goes on."""

from pathlib import Path

import xarray as xr

import htmp_bayes as hb
from htmp_bayes._results import as_netcdf


def make_fit(spectrum: hb.Spectrum, file: Path, seed: int, cores: int | None = None) -> None:
    """Fit a spectrum with few draws and keep the result in the file, unless it is there."""
    if not file.exists():
        result = hb.fit(spectrum, random_seed=seed, draws=250, tune=300, predictive_draws=0, cores=cores)
        file.write_bytes(as_netcdf(result))


def load_fit(file: Path) -> xr.DataTree:
    """Read a fit into memory."""
    with xr.open_datatree(file, engine="h5netcdf") as tree:
        return tree.load()
