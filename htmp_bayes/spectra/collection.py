"""Saved collections of spectra: a netCDF file with a table of layers and a ragged array of eigenvalues."""

import io
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np

from htmp_bayes._errors import reason
from htmp_bayes._files import replacing
from htmp_bayes._versions import versions
from htmp_bayes.spectra.errors import SpectrumError
from htmp_bayes.spectra.hdf5 import Dataset, Hdf5File
from htmp_bayes.spectra.readers.limits import check_name
from htmp_bayes.spectra.spectrum import Spectrum

FORMAT = "htmp_bayes spectra, version 1"


_COMPUTED_BY = ("htmp-bayes", "numpy", "scipy")
"""Packages that the eigenvalues depend on, of which the file names the versions."""


def save_spectra(
    spectra: Iterable[Spectrum], path: str | os.PathLike[str], settings: Mapping[str, Any] | None = None
) -> None:
    """Save spectra in one netCDF file, without loss.

    Parameters
    ----------
    spectra : iterable of Spectrum, or Spectrum
        At least one.
    path : str or path-like
        The file, with suffix ``.nc``. It is written under another name first, so that it is whole or not
        there.
    settings : mapping, optional
        How the spectra came about, as JSON can hold it: what `read_spectra` was called with, or the seed of a
        simulation. It is kept in the file, for its reader.

    Raises
    ------
    SpectrumError
        A ValueError, if there is nothing to save, JSON cannot hold the settings or the file cannot be written.

    Notes
    -----
    The layout is the contiguous ragged array of the CF conventions (version 1.11, section 9.3.3): the
    eigenvalues of all layers one after the other in ``eigenvalue``, with their number for each layer in
    ``row_size``. Any netCDF reader opens it, for example `xarray.open_dataset`. Attributes of the file are
    ``<package>_version`` of this package, NumPy and SciPy, the ``settings`` and, as nothing is drawn by chance when
    eigenvalues are computed, ``random_seed`` = "none" unless the settings name one.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> spectrum = Spectrum(np.linspace(0.5, 2.0, 64), n=256, name="layer.0")
    >>> path = Path(tempfile.mkdtemp()) / "spectra.nc"
    >>> save_spectra([spectrum], path)
    >>> from htmp_bayes.spectra import read_spectra
    >>> read_spectra(path) == [spectrum]
    True
    """
    collected, path = _listed(spectra), Path(path)
    if path.suffix != ".nc":
        raise SpectrumError(f"{path}: a collection of spectra has the suffix .nc.")
    if not collected:
        raise SpectrumError(f"{path}: there are no spectra to save.")
    origin = _origin(settings or {}, path)
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(_content(collected, origin))
    except OSError as error:
        raise SpectrumError(f"{path} cannot be written ({reason(error)}); choose another place.") from error


def load_spectra(path: Path) -> list[Spectrum]:
    """Read back all that `save_spectra` wrote, in the same order.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    list of Spectrum
        Equal to what was saved.

    Raises
    ------
    SpectrumError
        A ValueError, if the file is no such collection or is damaged.
    """
    try:
        attributes, datasets = Hdf5File(path).contents()
        known = attributes.get("format") == FORMAT
        spectra = _read({dataset.name.strip("/"): dataset for dataset in datasets}) if known else []
    except SpectrumError as error:
        raise SpectrumError(f"{path}: {error}") from error
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise SpectrumError(f"{path} is not a whole netCDF file ({reason(error)}); make it again.") from error
    if not known:
        raise SpectrumError(f"{path} is not a collection of spectra; make one with `htmp-bayes spectra`.")
    return spectra


def _listed(spectra: Any) -> list[Spectrum]:
    if isinstance(spectra, Spectrum):
        return [spectra]
    collected = list(spectra) if isinstance(spectra, Iterable) and not isinstance(spectra, str) else [spectra]
    for each in collected:
        if not isinstance(each, Spectrum):
            raise SpectrumError(
                f"save_spectra takes spectra, not a {type(each).__name__}; make one of each matrix by "
                "Spectrum.from_matrix(W, name=...)."
            )
    return collected


def _content(spectra: list[Spectrum], origin: Mapping[str, str]) -> bytes:
    """Content of the file, made in memory: where a disk is full, the HDF5 library ends the process when that ends."""
    held = io.BytesIO()
    with h5netcdf.File(held, "w") as file:
        _write(file, spectra)
        file.attrs.update(origin)
    return held.getvalue()


def _origin(settings: Mapping[str, Any], path: Path) -> dict[str, str]:
    """Attributes that say what the spectra were made with."""
    known = versions()
    by = {f"{package.replace('-', '_')}_version": known[package] for package in _COMPUTED_BY}
    try:
        text = json.dumps(dict(settings), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise SpectrumError(f"{path}: settings must hold what JSON can hold ({reason(error)}).") from error
    return {**by, "random_seed": str(settings.get("random_seed", "none")), "settings": text}


def _write(file: h5netcdf.File, spectra: list[Spectrum]) -> None:
    file.attrs.update(
        {"format": FORMAT, "Conventions": "CF-1.11", "title": "Eigenvalue spectra of neural-network layers"}
    )
    file.dimensions = {"layer": len(spectra), "eigenvalue_index": sum(len(spectrum) for spectrum in spectra)}
    columns: dict[str, tuple[Any, list[Any], str]] = {
        "name": (h5py.string_dtype(), [s.name for s in spectra], "name of the layer"),
        "kind": (h5py.string_dtype(), [s.kind for s in spectra], "weight, jacobian or kernel"),
        "n": ("i8", [s.n for s in spectra], "longer side of the matrix, without what is dead of it"),
        "zeros": ("i8", [s.zeros for s in spectra], "zero eigenvalues, left out"),
        "dead": (
            "i8",
            [s.dead for s in spectra],
            "directions of the longer side that carry nothing, left out",
        ),
        "row_size": ("i8", [len(s) for s in spectra], "number of positive eigenvalues of the layer"),
        "meta": (h5py.string_dtype(), [json.dumps(dict(s.meta)) for s in spectra], "details, as JSON"),
    }
    for column, (dtype, values, meaning) in columns.items():
        variable = file.create_variable(column, ("layer",), dtype, data=np.array(values, dtype=dtype))
        variable.attrs["long_name"] = meaning
    file["row_size"].attrs["sample_dimension"] = "eigenvalue_index"
    eigenvalues = np.concatenate([spectrum.eigenvalues for spectrum in spectra])
    variable = file.create_variable("eigenvalue", ("eigenvalue_index",), "f8", data=eigenvalues)
    variable.attrs["long_name"] = "positive eigenvalues, ascending within a layer"


def _read(columns: Mapping[str, Dataset]) -> list[Spectrum]:
    names, kinds, metas = (columns[column].text or [] for column in ("name", "kind", "meta"))
    ns, zeros, sizes = (columns[column].load().tolist() for column in ("n", "zeros", "row_size"))
    dead = (
        columns["dead"].load().tolist() if "dead" in columns else [0] * len(ns)
    )  # collections of before have none
    eigenvalues = columns["eigenvalue"].load()
    if min(sizes, default=-1) < 0 or sum(sizes) != eigenvalues.size:
        raise ValueError("its eigenvalues are not as many as it says")
    rows = np.split(eigenvalues, np.cumsum(sizes)[:-1])
    return [
        Spectrum(row, n, name=check_name(name), kind=kind, zeros=zero, dead=gone, meta=json.loads(meta))
        for row, n, name, kind, zero, gone, meta in zip(
            rows, ns, names, kinds, zeros, dead, metas, strict=True
        )
    ]
