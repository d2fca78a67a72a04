"""Files under a suffix that is read which are something else, by how they begin."""

import re
import zipfile
from pathlib import Path

from htmp_bayes.spectra.errors import SpectrumError

_BEGINNINGS = (
    (
        rb"version https://git-lfs",
        "is a pointer of Git LFS and not the file itself; fetch that with `git lfs pull`",
    ),
    (rb"\s*<(!doctype|html)", "is a page of HTML, as a download that failed leaves it; fetch the file again"),
    # CTranslate2, include/ctranslate2/models/model.h and the converters: version, length and name of the specification
    (
        rb"[\x01-\x14]\0\0\0..\w+Spec\0",
        "is a model of CTranslate2, which is not read; read the one it was converted from",
    ),
)
_ZIP = b"PK\x03\x04"


def refuse_foreign(path: Path) -> None:
    """Refuse a file that is none of the formats that are read, if it is one that can be told.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Raises
    ------
    SpectrumError
        With what the file is, and what to do.
    """
    with path.open("rb") as file:
        beginning = file.read(64)
    for pattern, what in _BEGINNINGS:
        if re.match(pattern, beginning, re.IGNORECASE | re.DOTALL):
            raise SpectrumError(f"{path} {what}.")
    if beginning.startswith(_ZIP) and not _is_archive(path):
        raise SpectrumError(
            f"{path} is not a whole archive (it begins as one of ZIP and is cut short); fetch it again."
        )


def _is_archive(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:  # one that says that its end is in another file
        return False
