"""All crafted files."""

from . import folders, hdf5_files, headers, lists, numpy_files, onnx_files, pickles
from .case import Case

_MODULES = (numpy_files, pickles, headers, hdf5_files, onnx_files, lists, folders)


def all_cases() -> list[Case]:
    """List all of them, one format after the other."""
    found = [case for module in _MODULES for case in module.cases()]
    assert len({case.name for case in found}) == len(found)
    return found
