"""What of a checkpoint is a weight matrix, and how it is cut out of the tensor that holds it."""

import re
from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Any, Literal

from htmp_bayes.spectra.fused import THREE, Sizes, is_attention, is_fused, unfused
from htmp_bayes.spectra.matrix import Matrix, whole_of
from htmp_bayes.spectra.readers import StoredTensor
from htmp_bayes.spectra.stacks import (
    MOST_PARTS,
    at_positions,
    experts_below_one_another,
    gates_of,
    is_stack_on_one_axis,
    matrices_of_stack,
    type_of_stack,
)

Heads = int | Literal["auto"] | None

TYPES = ("attention", "linear", "convolution", "embedding", "experts", "recurrent")
"""Types of weight matrices."""

UNKNOWN = "unknown"
"""Type of a tensor that may hold weights, though its shape and name do not say so."""

_NORM = re.compile(r"(norm\w*+|(^|[._])(ln(_\w++)?|bn\d*))([._](weight|gamma|scale))?$", re.IGNORECASE)
_NO_MATRIX = re.compile(r"(^|[._/])(bias|biases|masked_bias)$")  # those of stacked experts have two axes
_TABLE = re.compile(
    r"(^|[./])(emb|embed|embeddings?|wte|wpe|wtt|token_embd|position_embd|tok_embeddings|shared|embed_(tokens|positions)"
    r"|(word|token|tok|positions?|positional|pos|token_type|type|segment|class|char|speaker|label|task|vocab|input|item|user)"
    r"_emb(ed|eddings?)?|relative_attention_bias|relative_position_bias_table)([._](weight|kernel))?$"
)
_PERHAPS_TABLE = re.compile(r"(^|[./])\w+_(embeddings?|emb)([._](weight|kernel))?$")
_QUERY = re.compile(
    r"((^|[./])q|(^|[._])(wq|query|q_proj|q_lin|to_q|attn_q|queries))([._](weight|kernel))?$", re.I
)
_KEY_VALUE = re.compile(
    r"((^|[./])[kv]|(^|[._])(wk|wv|key|value|[kv]_proj|[kv]_lin|to_[kv]|attn_[kv]|keys|values))([._](weight|kernel))?$",
    re.I,
)
_OUTPUT = re.compile(
    r"(attn|attention)\w*[._](o|wo|o_proj|out_proj|out_lin|output|to_out[._]0|proj|dense|output[._]dense)"
    r"([._](weight|kernel))?$|(^|[._])(attn_output|attention_output)([._](weight|kernel))?$",
    re.I,
)


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
        Take query, key and value apart where one tensor holds them, and gate and up.

    Returns
    -------
    list of Matrix
        At least one; what is no matrix is one without sides.
    """
    whole = whole_of(tensor, _type(tensor))
    if whole.type not in TYPES or tensor.opaque:
        return [replace(whole, sides=(0, 0))]
    if tensor.obstacle:
        return [whole]  # shapes of which no values are read may be anything
    if whole.type == "recurrent":
        return list(gates_of(whole))
    if len(tensor.shape) > 2 and whole.type == "convolution":
        too_many = prod(tensor.shape[2:]) > MOST_PARTS
        return [whole] if not positions else [_not_apart(whole)] if too_many else list(at_positions(whole))
    if len(tensor.shape) > 2:
        return [_not_apart(whole)] if prod(tensor.shape[:-2]) > MOST_PARTS else list(matrices_of_stack(whole))
    config = _settings_of(tensor.name, config)
    if whole.type == "experts":
        return list(experts_below_one_another(whole, config))
    parts = unfused(whole, config) if split_fused and is_fused(tensor.name) else [whole]
    attention = _Heads(config, heads)
    return [head for part in parts for head in attention.of(part)]


def _not_apart(whole: Matrix) -> Matrix:
    """Say why a tensor is not taken apart."""
    obstacle = f"would be taken apart into more than {MOST_PARTS} matrices"
    return replace(whole, tensor=replace(whole.tensor, obstacle=whole.tensor.obstacle or obstacle))


def _type(tensor: StoredTensor) -> str:
    kind = tensor.type if tensor.type not in ("", "dense") else _type_by_name(tensor)
    if tensor.opaque and kind not in TYPES:
        return UNKNOWN
    return kind


def _type_by_name(tensor: StoredTensor) -> str:
    name = tensor.name.replace(
        ".lora.weight", ".weight"
    )  # the product of an adapter is of the type of its layer
    if _NORM.search(name):
        return "norm"
    if len(tensor.shape) < 2 or 0 in tensor.shape or _NO_MATRIX.search(name):
        return "vector"
    if tensor.type != "dense" and _is_table(name, tensor.shape):
        return "embedding"
    if len(tensor.shape) > 2:
        return type_of_stack(tensor)
    if is_stack_on_one_axis(name):
        return "experts"
    attention = is_attention(name) or any(pattern.search(name) for pattern in (_QUERY, _KEY_VALUE, _OUTPUT))
    return "attention" if attention else "linear"


def _is_table(name: str, shape: tuple[int, ...]) -> bool:
    if any(side > 1 for side in shape[:-2]):
        return False
    return bool(_TABLE.search(name) or (_PERHAPS_TABLE.search(name) and shape[-2] > shape[-1]))


def _settings_of(name: str, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Find the settings of the part of a model that a tensor belongs to: some models have a config for each."""
    key = "vision_config" if re.search(r"(^|[._])(vision|visual)", name) else "text_config"
    nested = config.get(key)
    return {**config, **nested} if isinstance(nested, Mapping) else config


class _Heads:
    """How many heads there are, and how large one is."""

    def __init__(self, config: Mapping[str, Any], heads: Heads) -> None:
        sizes = Sizes(config)
        self.apart = heads is not None
        self.count = heads if isinstance(heads, int) else sizes.heads
        self.hidden, self.size = sizes.hidden, sizes.head

    def of(self, matrix: Matrix) -> list[Matrix]:
        """Take the heads of a query, key, value or output matrix apart, if that is wanted; else give the matrix."""
        out, across = matrix.sides
        by_rows = matrix.part in THREE or (_QUERY.search(matrix.name) or _KEY_VALUE.search(matrix.name))
        if not (self.apart and self.count and matrix.type == "attention"):
            return [matrix]
        size = self.size or (self.hidden or (across if by_rows else out)) // self.count
        length = out if by_rows else across
        if not size or length % size or (not by_rows and not _OUTPUT.search(matrix.name)):
            return [matrix]
        if length // size > MOST_PARTS:
            return [_not_apart(matrix)]
        cut = matrix.rows if by_rows else matrix.columns
        return [cut(f"head{index}", index * size, size) for index in range(length // size)]
