"""Arrays of an ``.npz`` archive, one at a time. Pickles are refused."""

import zipfile
import zlib
from functools import partial
from pathlib import Path

import numpy as np
from numpy.lib import format as npy_format

from htmp_bayes._errors import reason
from htmp_bayes.spectra.errors import SpectrumError
from htmp_bayes.spectra.readers import npy_file
from htmp_bayes.spectra.readers.limits import check_name, check_tensors, opened_archive
from htmp_bayes.spectra.readers.raw_values import no_values
from htmp_bayes.spectra.readers.stored_tensor import StoredTensor

MOST_COMPRESSED = 20
"""An array beyond `SURELY_READ` is at most this many times longer than what is stored of it: more is a bomb.

Float32 weights of which 95 % are zero come to 20, and weights as they are to 1.1.
"""

SURELY_READ = 16 * 2**20
"""Bytes up to which an array may be compressed in any proportion: one of zeros, or a mask, harms nobody."""

# RuntimeError is zipfile's word for encryption, NotImplementedError for a compression it does not know.
BROKEN = (*npy_file.BROKEN, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError)


def tensors(path: Path) -> list[StoredTensor]:
    """List the arrays of an ``.npz`` archive.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    list of StoredTensor
        In the order of the archive.

    Raises
    ------
    SpectrumError
        If the file is truncated or is no archive of arrays. A member that is damaged has that as its obstacle.
    """
    try:
        with opened_archive(path) as archive:
            members = [member for member in archive.namelist() if member.endswith(".npy")]
            check_tensors(members)
            return [_describe(path, archive, check_name(member)) for member in members]
    except BROKEN as error:
        raise SpectrumError(
            f"{path} is not a whole .npz archive ({reason(error)}); save it again with numpy.savez."
        ) from error


def _describe(path: Path, archive: zipfile.ZipFile, member: str) -> StoredTensor:
    info, name = archive.getinfo(member), member.removesuffix(".npy")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        obstacle = "is compressed in a way that NumPy does not; save it again with numpy.savez"
        return StoredTensor(name, (), "unknown", no_values, obstacle, opaque=True)
    try:
        with archive.open(member) as stream:
            shape, dtype = npy_file.read_header(stream, info.file_size)
    except BROKEN as error:
        return StoredTensor(name, (), "unknown", no_values, f"is damaged ({reason(error)})", opaque=True)
    obstacle = npy_file.obstacle(dtype)
    if info.file_size > max(MOST_COMPRESSED * info.compress_size, SURELY_READ):
        obstacle = f"would be {info.file_size} bytes long, of which {info.compress_size} are stored"
    return StoredTensor(
        name, shape, str(dtype), partial(_load, path, member, dtype), obstacle, opaque=dtype.hasobject
    )


def _load(path: Path, member: str, dtype: np.dtype) -> np.ndarray:
    try:
        with opened_archive(path) as archive, archive.open(member) as stream:
            return npy_format.read_array(stream, allow_pickle=False).view(dtype)
    except BROKEN as error:
        raise SpectrumError(f"{path}: {member} is damaged ({reason(error)}); save the file again.") from error
