"""Tensors of a PyTorch checkpoint (``.pt``, ``.pth``, ``.bin``, ``.ckpt``), without torch and without executing it.

The pickle inside is read as data (`inert_pickle`), and the values are mapped from where they lie in the file. Both
formats of `torch.save` are read: the ZIP archive (torch/serialization.py, `_save`) and the older plain one
(`_legacy_save`). A pickled module or a checkpoint with other objects in it is searched for its tensors.

Torch's own loader (`torch.load` with ``weights_only=True``) is not used where torch is installed, for what this package
promises of any file it does not keep. Seen with torch 2.15: an archive of 1.5 MB whose pickle was compressed took it
3.5 GB and 32 s, and was not refused (here: one sentence, at once); a file of 800 MB in the older format, with a largest
matrix of 100 MB, is read as a whole, 1.3 GB, as ``mmap`` is for the newer format only (here: no more than for an empty
file). And a spectrum must not depend on which extras are installed. Tests compare the values with those of torch's.
"""

import io
import math
import mmap
import struct
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from htmp_bayes._errors import reason
from htmp_bayes.spectra.errors import NoTensors, SpectrumError
from htmp_bayes.spectra.readers.inert_pickle import Call, Global, Persistent, read_pickle
from htmp_bayes.spectra.readers.limits import (
    LONGEST_NAME,
    MOST_AXES,
    MOST_TENSORS,
    check_name,
    check_sides,
    opened_archive,
)
from htmp_bayes.spectra.readers.raw_values import (
    BFLOAT16,
    FLOAT8_E4M3,
    FLOAT8_E5M2,
    NO_REALS,
    mapped,
    no_values,
)
from htmp_bayes.spectra.readers.stored_tensor import StoredTensor
from htmp_bayes.spectra.readers.zip_member import where_stored

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
FLOATS: dict[str, np.dtype] = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": BFLOAT16,
    "float64": np.dtype("<f8"),
    "float32": np.dtype("<f4"),
    "float16": np.dtype("<f2"),
    "bfloat16": BFLOAT16,
    "float8_e4m3fn": FLOAT8_E4M3,
    "float8_e5m2": FLOAT8_E5M2,
}
_SIZES = {name: dtype.itemsize for name, dtype in FLOATS.items()} | {
    "LongStorage": 8,
    "IntStorage": 4,
    "ShortStorage": 2,
    "CharStorage": 1,
    "ByteStorage": 1,
    "BoolStorage": 1,
    "ComplexFloatStorage": 8,
    "ComplexDoubleStorage": 16,
    "UntypedStorage": 1,
    "QInt8Storage": 1,
    "QUInt8Storage": 1,
    "QInt32Storage": 4,
}
_REBUILDS = {f"torch._utils._rebuild_tensor{version}" for version in ("", "_v2", "_v3")}
_WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "net", "weights", "params")
_INSIDE_MODULES = {"_parameters", "_buffers", "_modules"}
_OF_OPTIMISERS = {"state", "param_groups"}
"""Keys of the state of any optimiser of torch (torch/optim/optimizer.py, `state_dict`)."""
_PICKLED_ARRAY = "is an array of NumPy within the pickle, which is not read; save it as a tensor"
_DEEPEST = 100
_FEW = 1000  # steps of the pickles that hold a number or three settings
_BROKEN = (
    *(ValueError, LookupError, TypeError, AttributeError, OverflowError, EOFError, struct.error),
    *(zipfile.BadZipFile, NotImplementedError, RuntimeError),
)


@dataclass(frozen=True)
class _Storage:
    """Where the values of one or more tensors lie."""

    offset: int
    size: int
    """In bytes."""


def tensors(path: Path) -> list[StoredTensor]:
    """List the tensors of a PyTorch checkpoint.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    list of StoredTensor
        In the order of the checkpoint. What is nested is named with dots; a wrapper such as ``state_dict`` is left
        out of the names, and what is beside it comes after it.

    Raises
    ------
    SpectrumError
        If the file is truncated or is no such checkpoint.
    NoTensors
        If it is whole and holds none.
    """
    try:
        return _from_archive(path) if zipfile.is_zipfile(path) else _from_legacy(path)
    except NoTensors:
        raise
    except _BROKEN as error:
        raise SpectrumError(
            f"{path} is not a whole PyTorch checkpoint ({reason(error)}; it was not executed, for a pickle may run "
            "any code); save the state_dict again with torch.save or as .safetensors."
        ) from error


def _from_archive(path: Path) -> list[StoredTensor]:
    with opened_archive(path) as archive, path.open("rb") as file:
        members = {info.filename: info for info in archive.infolist()}
        pickles = [name for name in members if name.rpartition("/")[2] == "data.pkl"]
        if len(pickles) != 1:
            raise ValueError(f"it has {len(pickles) or 'no'} data.pkl, where one is wanted")
        root = pickles[0].removesuffix("data.pkl")
        order = members.get(f"{root}byteorder")
        if order and _content(file, order) != b"little":
            raise ValueError("it is not little-endian")
        content = read_pickle(io.BytesIO(_content(file, members[pickles[0]])))

        def storage(key: str) -> _Storage:
            return _Storage(*where_stored(file, members[f"{root}data/{key}"]))

        return _Listing(path, storage).of(content)


def _content(file: IO[bytes], member: zipfile.ZipInfo) -> bytes:
    start, size = where_stored(file, member)
    file.seek(start)
    return file.read(size)


def _from_legacy(path: Path) -> list[StoredTensor]:
    """Read the format before torch 1.6: pickles (magic number, version, system, content, keys), then storages."""
    if path.stat().st_size == 0:
        raise ValueError("it is empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        if read_pickle(whole, most=_FEW) != LEGACY_MAGIC:
            raise ValueError("it does not start as one")
        read_pickle(whole, most=_FEW)
        if read_pickle(whole, most=_FEW).get("little_endian") is not True:
            raise ValueError("it is not little-endian")
        persistent: list[Persistent] = []
        content = read_pickle(whole, persistent)
        sizes = {_storage_key(entry): _SIZES[_class_name(entry.key[1])] for entry in persistent}
        storages = {}
        for key in map(_checked_key, read_pickle(whole)):
            (count,) = struct.unpack("<q", whole.read(8))
            storages[key] = _Storage(whole.tell(), count * sizes[key])
            if not 0 <= storages[key].size <= len(whole) - whole.tell():
                raise ValueError("it is too short for its values")
            whole.seek(storages[key].size, 1)
        return _Listing(path, storages.__getitem__).of(content)


class _Listing:
    """The tensors of a checkpoint's content, which was read as data."""

    def __init__(self, path: Path, storage: Callable[[str], _Storage]) -> None:
        self.path, self.storage = path, storage
        self.found: list[StoredTensor] = []
        self.seen: set[int] = set()

    def of(self, content: Any) -> list[StoredTensor]:
        wrapper = _wrapper(content)
        if wrapper:
            self._search(content[wrapper], ())
            self._search({key: value for key, value in content.items() if key != wrapper}, ())
        names = {tensor.name for tensor in self.found}
        if not wrapper or len(names) < len(self.found):  # what is beside the wrapper has names that are in it
            self.found, self.seen = [], set()
            self._search(content, ())
        if not self.found:
            raise NoTensors(
                f"{self.path} holds no tensors (it was not executed, for a pickle may run any code); name the file "
                "that holds the weights."
            )
        return self.found

    def _search(self, value: Any, names: tuple[str, ...], kind: str = "", depth: int = 0) -> None:
        """Search dictionaries, lists and the states of objects; each once, for they may hold one another."""
        if isinstance(value, Call) and (arguments := _tensor_arguments(value)):
            self._add(self._describe(check_name(".".join(names)), kind, *arguments))
            return
        if id(value) in self.seen:
            return
        if depth > _DEEPEST and isinstance(value, dict | list | tuple | Call):
            raise ValueError(f"its objects are nested more than {_DEEPEST} levels deep")
        if isinstance(value, dict | list | tuple | Call):
            self.seen.add(id(value))
        if isinstance(value, Call) and (array := _numpy_array(value)):
            name = check_name(".".join(names))
            self._add(StoredTensor(name, *array, no_values, _PICKLED_ARRAY, type=kind))
            return
        if isinstance(value, dict) and value.keys() >= _OF_OPTIMISERS:
            kind = "optimiser state"
        for key, inside in _inside(value):
            inner = names if key in _INSIDE_MODULES else (*names, str(key))
            self._search(inside, inner, kind, depth + 1)

    def _add(self, tensor: StoredTensor) -> None:
        self.found.append(tensor)
        if len(self.found) > MOST_TENSORS:
            raise ValueError(f"it has more than the {MOST_TENSORS} tensors that are read")

    def _describe(
        self,
        name: str,
        kind: str,
        place: Any,
        start: int,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        dtype: str,
    ) -> StoredTensor:
        if dtype not in FLOATS:
            obstacle = f"is of type {dtype}, {NO_REALS}"
            return StoredTensor(name, shape, dtype, no_values, obstacle, type=kind)
        storage, itemsize = self.storage(_storage_key(place)), FLOATS[dtype].itemsize
        capacity = storage.size // itemsize
        last = start + sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True))
        if 0 not in shape and not (0 <= start <= last < capacity and min(strides, default=0) >= 0):
            raise ValueError(f"{name} is not within its storage")
        obstacle = "repeats its entries (it is expanded)" if math.prod(shape) > capacity else ""
        load = partial(
            _load, self.path, storage.offset + start * itemsize, last + 1 - start, shape, strides, dtype
        )
        return StoredTensor(
            name, shape, str(FLOATS[dtype]), load, obstacle, (storage.offset, start, shape, strides), kind
        )


def _wrapper(content: Any) -> str:
    """Key under which a training framework keeps the weights, if there is one."""
    for wrapper in _WRAPPERS:
        inside = content.get(wrapper) if isinstance(content, dict) else None
        if isinstance(inside, dict | Call) and not (isinstance(inside, Call) and _tensor_arguments(inside)):
            return wrapper
    return ""


def _numpy_array(call: Call) -> tuple[tuple[int, ...], str] | None:
    """Shape and type of an array of NumPy (whose ``__reduce__`` keeps version, shape, type, order and values)."""
    made = call.function.name if isinstance(call.function, Global) else ""
    if not (made.startswith("numpy.") and made.endswith("multiarray._reconstruct")):
        return None
    state = (
        call.state if isinstance(call.state, tuple) and len(call.state) == 5 else ((), (), None, None, None)
    )
    shape, dtype = state[1], state[2]
    sides = tuple(shape) if isinstance(shape, tuple) and all(isinstance(side, int) for side in shape) else ()
    check_sides(sides, "an array")
    _check_whole_numbers(*sides)
    of = dtype.arguments[0] if isinstance(dtype, Call) and dtype.arguments else "unknown"
    return sides, f"numpy {of[:20] if isinstance(of, str) else 'unknown'}"


def _inside(value: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, dict):
        return value.items()
    if isinstance(value, list | tuple):
        return enumerate(value)
    if isinstance(value, Call):
        state = value.state if isinstance(value.state, dict) else {}
        return [*state.items(), *value.items.items()]
    return ()


def _tensor_arguments(call: Call) -> tuple[Any, ...]:
    """Storage, first entry, shape, strides and type of a tensor; nothing if the call makes none.

    The functions are those of torch/_utils.py: what `torch.Tensor.__reduce_ex__` writes.
    """
    function = call.function.name if isinstance(call.function, Global) else ""
    arguments = call.arguments
    if function.startswith("torch._utils._rebuild_parameter"):
        return _tensor_arguments(arguments[0]) if isinstance(arguments[0], Call) else ()
    if function == "torch._tensor._rebuild_from_type_v2":
        return _tensor_arguments(Call(arguments[0], arguments[2]))
    if function not in _REBUILDS:
        return _other_tensor(function, arguments)
    place, start, shape, strides = arguments[:4]
    dtype = _class_name(arguments[6] if function.endswith("_v3") else place.key[1])
    check_sides(shape, "a tensor")
    check_sides(strides, "a tensor")
    _check_whole_numbers(start, *shape, *strides)
    return place, start, tuple(shape), tuple(strides), dtype


def _other_tensor(function: str, arguments: Any) -> tuple[Any, ...]:
    """Shape of a tensor that is quantised or sparse, so that it can be said why it is not read."""
    module, _, maker = function.rpartition(".")
    if module != "torch._utils" or not maker.startswith("_rebuild"):
        return ()
    arguments = arguments[1] if "sparse" in maker else arguments
    check_sides(arguments, "a call")
    plain = [item.arguments[0] if isinstance(item, Call) and item.arguments else item for item in arguments]
    shapes = [item for item in plain if isinstance(item, list | tuple) and 0 < len(item) <= MOST_AXES]
    shape = next((tuple(item) for item in shapes if all(isinstance(side, int) for side in item)), ())
    _check_whole_numbers(*shape)
    return None, 0, shape, (), maker.removeprefix("_rebuild_")


def _check_whole_numbers(*numbers: Any) -> None:
    if not all(isinstance(number, int) and 0 <= number < 2**63 for number in numbers):
        raise ValueError("a tensor has a shape that is none")


def _storage_key(place: Persistent) -> str:
    return _checked_key(place.key[2])


def _checked_key(key: Any) -> str:
    """Refuse what torch does not write: to hash or print a deep or doubled tuple ends in a crash or never."""
    if not isinstance(key, str) or len(key) > LONGEST_NAME:
        raise ValueError("the key of a storage is no short text")
    return key


def _class_name(value: Any) -> str:
    return value.name.rpartition(".")[2]


def _load(
    path: Path, offset: int, count: int, shape: tuple[int, ...], strides: tuple[int, ...], dtype: str
) -> np.ndarray:
    bits = mapped(
        path, offset, (count,), np.dtype(f"<u{FLOATS[dtype].itemsize}")
    )  # NumPy knows no strided float8
    steps = tuple(stride * bits.itemsize for stride in strides)
    return np.lib.stride_tricks.as_strided(bits, shape, steps, subok=True, writeable=False).view(
        FLOATS[dtype]
    )
