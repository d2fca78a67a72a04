"""Arrays of an ``.npz`` archive, one at a time. Pickles are refused."""

import zipfile
import zlib
from functools import partial
from pathlib import Path

import numpy as np
from numpy.lib import format as npy_format

from htmp_bayes._errors import reason
from htmp_bayes.spectra.readers import npy_file
from htmp_bayes.spectra.readers.limits import check_name, check_tensors, opened_archive
from htmp_bayes.spectra.readers.stored_tensor import StoredTensor
from htmp_bayes.spectra.spectrum import SpectrumError

MOST_COMPRESSED = 20
"""An array is at most this many times longer than what is stored of it: more is a decompression bomb.

Float32 weights of which 95 % are zero come to 20, and weights as they are to 1.1.
"""

_HEADER = 2**16  # headers are padded, and compress better than that

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
        If the file is truncated or is no archive of arrays.
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
    info = archive.getinfo(member)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{member} is compressed in a way that NumPy does not")
    if info.file_size > MOST_COMPRESSED * info.compress_size + _HEADER:
        raise ValueError(
            f"{member} would be {info.file_size} bytes long, of which {info.compress_size} are stored"
        )
    with archive.open(member) as stream:
        shape, dtype = npy_file.read_header(stream, info.file_size)
    name = member.removesuffix(".npy")
    return StoredTensor(name, shape, str(dtype), partial(_load, path, member), npy_file.obstacle(dtype))


def _load(path: Path, member: str) -> np.ndarray:
    try:
        with opened_archive(path) as archive, archive.open(member) as stream:
            return npy_format.read_array(stream, allow_pickle=False)
    except BROKEN as error:
        raise SpectrumError(f"{path}: {member} is damaged ({reason(error)}); save the file again.") from error
