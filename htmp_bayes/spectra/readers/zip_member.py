"""Where a member of a ZIP archive lies that is stored as it is, without compression."""

import struct
import zipfile
from typing import IO

_LOCAL_HEADER = struct.Struct("<4s22xHH")  # APPNOTE.TXT 6.3.10, section 4.3.7
_ENCRYPTED = 0x1


def where_stored(file: IO[bytes], member: zipfile.ZipInfo) -> tuple[int, int]:
    """Find the bytes of a member in the file of the archive.

    Parameters
    ----------
    file : binary file
        The archive, open for reading.
    member : zipfile.ZipInfo
        What its directory says of the member.

    Returns
    -------
    start, size : int
        Both in bytes.

    Raises
    ------
    ValueError
        If the member is compressed or encrypted, or is not within the file.
    """
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & _ENCRYPTED:
        raise ValueError(
            f"{member.filename} is compressed or encrypted, which checkpoints of this format are not"
        )
    file.seek(member.header_offset)
    signature, name_length, extra_length = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    start = member.header_offset + _LOCAL_HEADER.size + name_length + extra_length
    if signature != b"PK\x03\x04" or start + member.file_size > file.seek(0, 2):
        raise ValueError(f"{member.filename} is not within the file")
    return start, member.file_size
