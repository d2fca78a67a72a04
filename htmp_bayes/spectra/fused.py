"""Query, key and value (and gate and up) that one tensor holds: who lays them out how, and how they are cut.

The order of the rows depends on the architecture and on nothing that the tensor itself shows, so it is taken from
``model_type`` in ``config.json``; without that only names that have one layout everywhere are cut.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from htmp_bayes.spectra.matrix import Matrix

THREE = ("query", "key", "value")

_FUSED = re.compile(
    r"(^|[._])(in_proj_weight|qkv|qkv_proj|to_qkv|w_?qkv|attn_qkv|query_key_value|c_attn|w_pack|att_proj)([._]weight)?$",
    re.I,
)
_TWO = re.compile(
    r"(^|[._])(kv|to_kv|w_?kv|kv_proj|kv_b_proj|kv_a_proj\w*|in_proj_qkvz|in_proj_ba)([._]weight)?$", re.I
)
_GATE_UP = re.compile(r"(^|[._])gate_up_proj([._]weight)?$")
# Names that hold the up projection alone or, where they are twice as long as config.json says, the gate too
_PERHAPS_GATE_UP = re.compile(r"(^|[._])(ffn_up|Wi|dense_h_to_4h|ff_proj)([._]weight)?$")
# DINOv2 and xformers, whose SwiGLU has the gate first
_ALWAYS_GATE_UP = re.compile(r"(^|[._])mlp[._](w12|weights_in)([._]weight)?$")

# Names of which every library that uses them lays out all queries, then all keys, then all values: torch's
# MultiheadAttention, timm, vit-pytorch, flash-attn, and llama.cpp, whose converter brings all models into that order.
_ALWAYS_THIRDS = re.compile(r"(^|[._])(in_proj_weight|qkv|to_qkv|Wqkv|attn_qkv)([._]weight)?$")

# model_type of Hugging Face's config.json, from the attention modules of transformers (models/*/modeling_*.py) and, of
# those that come with their own code, from that.
_IN_ORDER = {
    *("phi3", "phi4_multimodal", "phi-msft", "mixformer-sequential", "glm", "qwen", "mpt", "dbrx"),
    *("baichuan", "nomic_bert", "modernbert", "bark", "hf_olmo", "olmo"),
}
_BY_HEAD = {"bloom", "gpt_neox", "gpt_neox_japanese", "persimmon", "fuyu"}
_BY_GROUP = {"internlm2", "internlmxcomposer2"}
_SIDE_BY_SIDE = {"gpt2", "openai-gpt", "imagegpt", "decision_transformer"}
_CODEGEN_BLOCKS = 4  # CodeGen was trained on that many TPU cores, whose parts lie one after the other
_GATE_THEN_UP = {"phi3", "phi4_multimodal", "glm", "glm4", "chatglm", "modernbert"}
_UP_THEN_GATE = {"olmo", "hf_olmo"}

_UNKNOWN = "left whole, for config.json names no architecture whose order of query, key and value is known"
_PAIR = "left whole, though it holds key and value (and more), whose order is not known"
_MISFIT = "left whole, for its sides are not those of the query, key and value that config.json describes"
_GATE_UNKNOWN = "gate and up in one, for config.json names no architecture whose order of them is known"


class Sizes:
    """Numbers of attention heads and their size, as a model's settings have them under various names."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.heads = _first(config, "num_attention_heads", "n_head", "num_heads", "n_heads")
        self.hidden = _first(config, "hidden_size", "n_embd", "d_model")
        nested = config.get("attn_config")  # of MPT and DBRX
        self.key_value = _first(
            {**(nested if isinstance(nested, Mapping) else {}), **config},
            *(
                "num_key_value_heads",
                "n_head_kv",
                "num_kv_heads",
                "multi_query_group_num",
                "kv_n_heads",
                "n_kv_heads",
            ),
        )
        self.head = _first(config, "head_dim", "d_kv", "kv_channels")
        # OLMo's own count is of gate and up together
        self.inner = (
            _first(config, "intermediate_size", "ffn_hidden_size") or _first(config, "mlp_hidden_size") // 2
        )


def is_fused(name: str) -> bool:
    """Say whether a tensor of this name holds query, key and value, or gate and up."""
    of_gate = any(pattern.search(name) for pattern in (_GATE_UP, _PERHAPS_GATE_UP, _ALWAYS_GATE_UP))
    return is_attention(name) or of_gate


def is_attention(name: str) -> bool:
    """Say whether a tensor of this name holds query, key and value, or some of them."""
    return bool(_FUSED.search(name) or _TWO.search(name))


def unfused(whole: Matrix, config: Mapping[str, Any]) -> list[Matrix]:
    """Cut a fused matrix into its parts, or leave it whole with a note that says why.

    Parameters
    ----------
    whole : Matrix
        One of which `is_fused` is true: its name is one that fused matrices have.
    config : mapping
        Settings of the model; may be empty.

    Returns
    -------
    list of Matrix
        Query, key and value; gate and up; or the matrix itself.
    """
    if not is_attention(whole.tensor.name):
        return _gate_and_up(whole, config)
    if _TWO.search(whole.tensor.name):
        return [replace(whole, note=_PAIR)]
    layout = _layout(whole, config)
    if layout is None:
        return [replace(whole, note=_UNKNOWN)]
    return layout(whole, Sizes(config)) or [replace(whole, note=_MISFIT)]


_Layout = Callable[[Matrix, Sizes], list[Matrix]]


def _layout(whole: Matrix, config: Mapping[str, Any]) -> _Layout | None:
    model, out, across = str(config.get("model_type")), *whole.sides
    if config.get("format") == "gguf":
        return _in_order  # llama.cpp's converter brings all models into it
    if _ALWAYS_THIRDS.search(whole.tensor.name) and out == 3 * across:
        return _in_thirds
    if "c_attn" in whole.tensor.name and across == 3 * out and model in {*_SIDE_BY_SIDE, "None"}:
        return _side_by_side
    if model in _IN_ORDER or (model == "chatglm" and config.get("multi_query_attention")):
        return _in_order
    if model in _BY_HEAD:
        return _by_head
    if model in _BY_GROUP:
        return _by_group
    if model == "gpt_bigcode":
        return _one_key if config.get("multi_query", True) else _by_head
    if model in ("falcon", "RefinedWeb", "RefinedWebModel"):
        return _falcon(config)
    return _codegen if model == "codegen" else None


def _falcon(config: Mapping[str, Any]) -> _Layout:
    if config.get("new_decoder_architecture") or config.get("model_type") == "RefinedWeb":
        return _by_group
    return _one_key if config.get("multi_query", True) else _by_head


def _in_thirds(whole: Matrix, _: Sizes) -> list[Matrix]:
    third = whole.sides[0] // 3
    return [whole.rows(part, index * third, third) for index, part in enumerate(THREE)]


def _side_by_side(whole: Matrix, sizes: Sizes) -> list[Matrix]:
    """GPT-2 keeps its matrices as (in, out)."""
    return _in_thirds(whole.turned(), sizes) if whole.sides[1] == 3 * whole.sides[0] else []


def _in_order(whole: Matrix, sizes: Sizes) -> list[Matrix]:
    out, across = whole.sides
    groups = sizes.key_value or sizes.heads
    if not groups:
        return _in_thirds(whole, sizes) if out == 3 * across else []
    head = sizes.head or (sizes.hidden or across) // sizes.heads if sizes.heads else 0
    query, key = sizes.heads * head, groups * head
    if not head or query + 2 * key != out:
        return []
    return [
        whole.rows("query", 0, query),
        whole.rows("key", query, key),
        whole.rows("value", query + key, key),
    ]


def _one_key(whole: Matrix, sizes: Sizes) -> list[Matrix]:
    """All queries, and then the one key and the one value that they share."""
    sizes.key_value = 1
    return _in_order(whole, sizes)


def _by_head(whole: Matrix, sizes: Sizes) -> list[Matrix]:
    """Query, key and value of the first head, then those of the second, ..."""
    sizes.key_value = sizes.heads
    return _by_group(whole, sizes)


def _by_group(whole: Matrix, sizes: Sizes) -> list[Matrix]:
    """For each key: the queries that share it, the key, its value."""
    out, across = whole.sides
    groups = sizes.key_value or sizes.heads
    if not groups or sizes.heads % groups or out % (sizes.heads + 2 * groups):
        return []
    queries, head = sizes.heads // groups, out // (sizes.heads + 2 * groups)
    spans = {"query": (0, queries), "key": (queries, queries + 1), "value": (queries + 1, queries + 2)}
    return [
        whole.take(
            part,
            (groups * (stop - start) * head, across),
            partial(_interleaved, groups, head, start, stop),
        )
        for part, (start, stop) in spans.items()
    ]


def _codegen(whole: Matrix, _: Sizes) -> list[Matrix]:
    """Four blocks of queries, values and keys, in that order."""
    out, across = whole.sides
    if out != 3 * across or out % (3 * _CODEGEN_BLOCKS):
        return []
    size = out // (3 * _CODEGEN_BLOCKS)
    return [
        whole.take(
            part,
            (out // 3, across),
            partial(_interleaved, _CODEGEN_BLOCKS, size, place, place + 1),
        )
        for part, place in {"query": 0, "key": 2, "value": 1}.items()
    ]


def _gate_and_up(whole: Matrix, config: Mapping[str, Any]) -> list[Matrix]:
    name, model, out = whole.tensor.name, str(config.get("model_type")), whole.sides[0]
    if _PERHAPS_GATE_UP.search(name) and out != 2 * Sizes(config).inner:
        return [whole]
    gate_first = (
        model in _GATE_THEN_UP or config.get("format") == "gguf" or bool(_ALWAYS_GATE_UP.search(name))
    )
    if out % 2 or not (gate_first or model in _UP_THEN_GATE):
        return [replace(whole, note=_GATE_UNKNOWN)]
    parts = ("gate", "up") if gate_first else ("up", "gate")
    return [whole.rows(part, index * (out // 2), out // 2) for index, part in enumerate(parts)]


def _interleaved(groups: int, size: int, start: int, stop: int, values: np.ndarray) -> np.ndarray:
    across = values.shape[1]
    return values.reshape(groups, -1, size, across)[:, start:stop].reshape(-1, across)


def _first(config: Mapping[str, Any], *keys: str) -> int:
    """First of several settings that is there and makes sense, or 0."""
    values = (config.get(key) for key in keys)
    return next((value for value in values if isinstance(value, int) and value > 0), 0)
