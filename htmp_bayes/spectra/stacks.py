"""Several matrices in one tensor: experts, the directions and gates of a recurrent layer, positions of a kernel."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

from htmp_bayes.spectra.matrix import Matrix, item, position
from htmp_bayes.spectra.readers import StoredTensor
from htmp_bayes.spectra.spectrum import MIN_EIGENVALUES

MOST_PARTS = 100_000
"""Matrices that a tensor is taken apart into: experts are hundreds, those of stacked layers thousands."""

LARGEST_KERNEL = 32
"""Side of a kernel up to which a tensor with three axes or more is a convolution, whatever it is called."""

_EXPERTS = re.compile(r"(^|[._/])(experts?|moe|(?<=\w_)exps|switch_mlp|switch_glu)([._/]|$)")
_ON_ONE_AXIS = re.compile(r"(^|[._/])experts[._/]mlp[._/](w1|v1|w2)([._/]weight)?$")  # DBRX and MegaBlocks
_NO_COUNT = "left whole, though it holds many experts, for config.json does not say how many"
_CONVOLUTION = re.compile(r"conv|patch_emb", re.I)

# torch.nn.LSTM and GRU, their cells, and layers beyond the first; the order of the gates is in their documentation.
_RECURRENT = re.compile(r"^(?P<before>(.*[./])?)weight_(ih|hh|hr)(?P<after>(_l\d+)?(_reverse)?)$")
_TORCH_GATES = {
    4: ("input_gate", "forget_gate", "cell", "output_gate"),
    3: ("reset_gate", "update_gate", "new"),
}
_KERAS_GATES = {
    4: ("input_gate", "forget_gate", "cell", "output_gate"),
    3: ("update_gate", "reset_gate", "new"),
}
_KERAS_RECURRENT = ("recurrent_kernel", "1")  # in files of Keras 2, and of Keras 3, where they are numbered
_KERAS_CELL = re.compile(r"(^|[./_])(cell|lstm|gru)\w*$", re.I)


def type_of_stack(tensor: StoredTensor) -> str:
    """Type of a tensor with three axes or more: "experts", "convolution", or "linear" of another stack of matrices."""
    if len(tensor.shape) == 3 and _EXPERTS.search(tensor.name):
        return "experts"
    small = all(side <= LARGEST_KERNEL for side in tensor.shape[2:])
    if small or _CONVOLUTION.search(tensor.name) or min(tensor.shape[-2:]) < MIN_EIGENVALUES:
        return "convolution"
    return "linear"


def is_stack_on_one_axis(name: str) -> bool:
    """Say whether a matrix of this name holds experts below one another."""
    return bool(_ON_ONE_AXIS.search(name))


def experts_below_one_another(whole: Matrix, config: Mapping[str, Any]) -> Iterator[Matrix]:
    """Yield the matrix of each expert that one of two axes holds, or it whole with a note that says why."""
    nested = config.get("ffn_config")
    count = nested.get("moe_num_experts") if isinstance(nested, Mapping) else None
    rows, _ = whole.sides
    if not isinstance(count, int) or not 0 < count <= min(rows, MOST_PARTS) or rows % count:
        yield replace(whole, note=_NO_COUNT)
        return
    for index in range(count):
        part = whole.rows(str(index), index * (rows // count), rows // count)
        yield (
            part.turned() if re.search(r"w2([._/]weight)?$", whole.tensor.name) else part
        )  # that of the way down


def matrices_of_stack(whole: Matrix) -> Iterator[Matrix]:
    """Yield the matrices of the last two axes, named by their places on the others."""
    *outer, rows, columns = whole.tensor.shape
    for place in product(*map(range, outer)):
        many = any(side > 1 for side in outer)
        part = whole.take(".".join(map(str, place)), (rows, columns), item(*place))
        yield part if many else replace(part, part=whole.part)


def at_positions(whole: Matrix) -> Iterator[Matrix]:
    """Yield the matrix of each position of a convolution's kernel."""
    for place in product(*map(range, whole.tensor.shape[2:])):
        yield whole.take("at." + ".".join(map(str, place)), whole.tensor.shape[:2], position(*place))


def gates_of(whole: Matrix) -> Iterator[Matrix]:
    """Yield the matrix of each gate of a recurrent layer, in each of its directions."""
    tensor = whole.tensor
    directions = [whole]
    if len(tensor.shape) == 3:
        names = ("forward", "backward") if tensor.shape[0] > 1 else ("",)
        directions = [whole.take(name, tensor.shape[1:], item(index)) for index, name in enumerate(names)]
    for direction in directions:
        size = direction.sides[0] // max(len(tensor.gates), 1)
        gates = [direction.rows(gate, index * size, size) for index, gate in enumerate(tensor.gates)]
        yield from gates or [direction]


def with_gates(tensors: list[StoredTensor]) -> list[StoredTensor]:
    """Say of each weight of a recurrent layer how many gates it stacks, which the recurrent one of the two shows.

    Parameters
    ----------
    tensors : list of StoredTensor
        Those of a checkpoint.

    Returns
    -------
    list of StoredTensor
        The same, those of a recurrent layer with type "recurrent" and their gates.
    """
    named = {tensor.name: tensor for tensor in tensors}
    return [_with_gates(tensor, named) for tensor in tensors]


def _with_gates(tensor: StoredTensor, named: dict[str, StoredTensor]) -> StoredTensor:
    if tensor.type or len(tensor.shape) != 2:
        return tensor
    if match := _RECURRENT.match(tensor.name):
        before, after = match["before"], match["after"]
        recurrent = named.get(f"{before}weight_hh{after}")
        projection = named.get(f"{before}weight_hr{after}")  # of an LSTM with a smaller output
        hidden = projection.shape[-1] if projection else recurrent.shape[-1] if recurrent else 0
        return _recurrent(tensor, hidden, _TORCH_GATES)
    for suffix in _KERAS_RECURRENT:
        base = tensor.name.removesuffix(f".{suffix}")
        recurrent = named.get(f"{base}.{suffix}")
        if recurrent and base in named and _KERAS_CELL.search(base) and len(recurrent.shape) == 2:
            return _recurrent(tensor, recurrent.shape[1], _KERAS_GATES)
    return tensor


def _recurrent(tensor: StoredTensor, hidden: int, names: dict[int, tuple[str, ...]]) -> StoredTensor:
    number, rest = divmod(tensor.shape[0], hidden) if hidden else (0, 1)
    gates = names.get(number, ()) if not rest else ()
    return replace(tensor, type="recurrent", gates=gates)
