"""What of a checkpoint is a weight matrix, and how it is cut out of the tensor that holds it."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any, Literal

import numpy as np

from htmp_bayes.spectra.readers import StoredTensor

Heads = int | Literal["auto"] | None

MOST_PARTS = 10_000
"""Matrices that a tensor is taken apart into: experts are hundreds, positions of a kernel dozens."""

TYPES = ("attention", "linear", "convolution", "embedding", "experts")
"""Types of weight matrices."""

_NORM = re.compile(r"(norm\w*+|(^|[._])(ln(_\w++)?|bn\d*))([._](weight|gamma|scale))?$", re.IGNORECASE)
_EMBEDDING = re.compile(
    r"(^|[._])(emb|embed|embedding|wte|wpe|wtt|token_embd|tok_embeddings|embed_tokens|shared|embeddings?"
    r"|embed_positions|relative_attention_bias)([._](weight|kernel))?$"
)
_FUSED = re.compile(
    r"(^|[._])(in_proj_weight|qkv|qkv_proj|wqkv|attn_qkv|query_key_value|c_attn)([._]weight)?$", re.I
)
_BY_HEAD = re.compile(r"query_key_value([._]weight)?$")
_QUERY = re.compile(r"(^|[._])(q|wq|query|q_proj|q_lin|to_q|attn_q|queries)([._](weight|kernel))?$", re.I)
_KEY_VALUE = re.compile(
    r"(^|[._])(k|v|wk|wv|key|value|[kv]_proj|[kv]_lin|to_[kv]|attn_[kv]|keys|values)([._](weight|kernel))?$",
    re.I,
)
_OUTPUT = re.compile(
    r"(attn|attention)\w*[._](o|wo|o_proj|out_proj|out_lin|output|to_out[._]0|proj|dense|output[._]dense)"
    r"([._](weight|kernel))?$|(^|[._])(attn_output|attention_output)([._](weight|kernel))?$",
    re.I,
)
_EXPERTS = re.compile(r"experts?[._]")


@dataclass(frozen=True)
class Matrix:
    """A weight matrix in a checkpoint: a tensor, or a part of it.

    Attributes
    ----------
    tensor : StoredTensor
        The tensor that holds it.
    type : str
        One of `TYPES`; of what is no matrix "norm", "vector" or "optimiser state".
    part : str
        Which part of the tensor it is ("query", "head2", "at.0.1"), or empty.
    sides : tuple of int
        (out, in) of the matrix; (0, 0) of what is none.
    cut : callable
        Takes the matrix out of the tensor's values: of shape (out, in) but for further axes that are flattened.
    """

    tensor: StoredTensor
    type: str
    part: str
    sides: tuple[int, int]
    cut: Callable[[np.ndarray], np.ndarray]

    @property
    def name(self) -> str:
        """The tensor's name without a final ``.weight``, with the part."""
        layer = self.tensor.name.removesuffix(".weight")
        return f"{layer}.{self.part}" if self.part else layer

    @property
    def full_name(self) -> str:
        """The tensor's name, with the part."""
        return f"{self.tensor.name}.{self.part}" if self.part else self.tensor.name

    def opened(self) -> np.ndarray:
        """Open the matrix, of shape (out, in): mapped from the file where that is possible."""
        return self.cut(self.tensor.load()).reshape(self.sides)


def matrices(
    tensor: StoredTensor,
    config: Mapping[str, Any],
    heads: Heads = None,
    positions: bool = False,
    split_fused: bool = True,
) -> list[Matrix]:
    """List the matrices that a tensor holds.

    Parameters
    ----------
    tensor : StoredTensor
        The tensor.
    config : mapping
        Settings of the model as Hugging Face's ``config.json`` has them; may be empty.
    heads : int, "auto" or None
        Number of attention heads to take apart; "auto" takes it from ``config``.
    positions : bool
        Make a matrix of each position of a convolution's kernel, in place of one with all of them side by side.
    split_fused : bool
        Take query, key and value apart where one tensor holds them.

    Returns
    -------
    list of Matrix
        At least one; what is no matrix is one without sides.
    """
    whole = Matrix(tensor, _type(tensor), "", tensor.sides, _all)
    if whole.type not in TYPES:
        return [replace(whole, sides=(0, 0))]
    if whole.type == "convolution":
        too_many = math.prod(tensor.shape[2:]) > MOST_PARTS
        return [whole] if not positions else [_not_apart(whole)] if too_many else list(_positions(whole))
    if whole.type == "experts":
        if tensor.shape[0] > MOST_PARTS:
            return [_not_apart(whole)]
        return [
            _part(whole, f"{index}", tensor.shape[1:], partial(_item, index))
            for index in range(tensor.shape[0])
        ]
    if len(tensor.shape) != 2:
        return [whole]
    dimensions = _Attention(config, heads)
    parts = dimensions.unfused(whole) if split_fused and _FUSED.search(tensor.name) else [whole]
    return [head for part in parts for head in dimensions.heads_of(part)]


def _not_apart(whole: Matrix) -> Matrix:
    """Say why a tensor is not taken apart."""
    obstacle = f"would be taken apart into more than {MOST_PARTS} matrices"
    return replace(whole, tensor=replace(whole.tensor, obstacle=whole.tensor.obstacle or obstacle))


def _type(tensor: StoredTensor) -> str:
    if tensor.type:
        return tensor.type
    name = tensor.name
    if _NORM.search(name):
        return "norm"
    if len(tensor.shape) < 2 or 0 in tensor.shape:
        return "vector"
    if len(tensor.shape) > 2:
        return "experts" if len(tensor.shape) == 3 and _EXPERTS.search(name) else "convolution"
    if _EMBEDDING.search(name):
        return "embedding"
    attention = (_FUSED, _QUERY, _KEY_VALUE, _OUTPUT)
    return "attention" if any(pattern.search(name) for pattern in attention) else "linear"


def _positions(whole: Matrix) -> Iterator[Matrix]:
    kernel = whole.tensor.shape[2:]
    for position in product(*map(range, kernel)):
        part = "at." + ".".join(map(str, position))
        yield _part(whole, part, whole.tensor.shape[:2], partial(_at, position))


class _Attention:
    """How many heads there are, and how large one is."""

    def __init__(self, config: Mapping[str, Any], heads: Heads) -> None:
        self.apart = heads is not None
        self.count = (
            heads if isinstance(heads, int) else _first(config, "num_attention_heads", "n_head", "num_heads")
        )
        self.hidden = _first(config, "hidden_size", "n_embd", "d_model")
        self.key_value = _first(config, "num_key_value_heads", "n_head_kv")
        self.size = _first(config, "head_dim", "d_kv")

    def unfused(self, whole: Matrix) -> list[Matrix]:
        """Query, key and value of a tensor that holds all three; the tensor itself if their sizes are not known."""
        out, across = whole.sides
        if across == 3 * out:  # GPT-2 keeps its matrices as (in, out)
            turned = replace(whole, sides=(across, out), cut=_turned)
            return [self._rows(turned, part, index * out, out) for index, part in enumerate(_THREE)]
        if _BY_HEAD.search(whole.tensor.name):
            return self._unfused_by_head(whole)
        if self.count and self.key_value:
            size = self.size or (self.hidden or across) // self.count
            sizes = [self.count * size, self.key_value * size, self.key_value * size]
        else:
            sizes = [out // 3] * 3 if out == 3 * across or "in_proj" in whole.tensor.name else [0]
        if sum(sizes) != out:
            return [whole]
        starts = [0, sizes[0], sizes[0] + sizes[1]]
        return [self._rows(whole, *row) for row in zip(_THREE, starts, sizes, strict=True)]

    def _unfused_by_head(self, whole: Matrix) -> list[Matrix]:
        """BLOOM and GPT-NeoX keep query, key and value of the first head, then those of the second, ..."""
        out, across = whole.sides
        if not self.count or out != 3 * across or out % (3 * self.count):
            return [whole]
        size = out // (3 * self.count)
        return [
            _part(whole, part, (out // 3, across), partial(_interleaved, index, size))
            for index, part in enumerate(_THREE)
        ]

    def heads_of(self, matrix: Matrix) -> list[Matrix]:
        """Take the heads of a query, key, value or output matrix apart, if that is wanted; else give the matrix."""
        out, across = matrix.sides
        by_rows = matrix.part in _THREE or (_QUERY.search(matrix.name) or _KEY_VALUE.search(matrix.name))
        if not (self.apart and self.count and matrix.type == "attention"):
            return [matrix]
        size = self.size or (self.hidden or (across if by_rows else out)) // self.count
        length = out if by_rows else across
        if not size or length % size or (not by_rows and not _OUTPUT.search(matrix.name)):
            return [matrix]
        if length // size > MOST_PARTS:
            return [_not_apart(matrix)]
        cut = self._rows if by_rows else self._columns
        return [cut(matrix, f"head{index}", index * size, size) for index in range(length // size)]

    @staticmethod
    def _rows(matrix: Matrix, part: str, start: int, count: int) -> Matrix:
        return _part(matrix, part, (count, matrix.sides[1]), partial(_rows, start, start + count))

    @staticmethod
    def _columns(matrix: Matrix, part: str, start: int, count: int) -> Matrix:
        return _part(matrix, part, (matrix.sides[0], count), partial(_columns, start, start + count))


_THREE = ("query", "key", "value")


def _part(
    whole: Matrix, part: str, sides: tuple[int, ...], cut: Callable[[np.ndarray], np.ndarray]
) -> Matrix:
    name = f"{whole.part}.{part}" if whole.part else part
    return replace(whole, part=name, sides=(sides[0], sides[1]), cut=partial(_after, whole.cut, cut))


def _first(config: Mapping[str, Any], *keys: str) -> int:
    """First of several settings that is there and makes sense, or 0."""
    values = (config.get(key) for key in keys)
    return next((value for value in values if isinstance(value, int) and value > 0), 0)


def _all(values: np.ndarray) -> np.ndarray:
    return values


def _turned(values: np.ndarray) -> np.ndarray:
    return values.T


def _after(
    first: Callable[[np.ndarray], np.ndarray], then: Callable[[np.ndarray], np.ndarray], values: np.ndarray
) -> np.ndarray:
    return then(first(values))


def _item(index: int, values: np.ndarray) -> np.ndarray:
    return values[index]


def _at(position: tuple[int, ...], values: np.ndarray) -> np.ndarray:
    index: tuple[Any, ...] = (slice(None), slice(None), *position)
    return values[index]


def _rows(start: int, stop: int, values: np.ndarray) -> np.ndarray:
    return values[start:stop]


def _columns(start: int, stop: int, values: np.ndarray) -> np.ndarray:
    return values[:, start:stop]


def _interleaved(index: int, size: int, values: np.ndarray) -> np.ndarray:
    return values.reshape(-1, 3, size, values.shape[1])[:, index].reshape(-1, values.shape[1])
