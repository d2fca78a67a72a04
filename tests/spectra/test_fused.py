"""Fused tensors are cut as the architecture that config.json names lays them out, and else left whole."""

import numpy as np
import pytest

from htmp_bayes.spectra.matrices import matrices
from htmp_bayes.spectra.readers import StoredTensor

RNG = np.random.default_rng(1)
HIDDEN, HEADS = 48, 8
SIZE = HIDDEN // HEADS


def tensor(name, values):
    return StoredTensor(name, values.shape, "float64", lambda: values)


def found(name, values, **config):
    """Parts of a tensor, with their values."""
    settings = {"hidden_size": HIDDEN, "num_attention_heads": HEADS, **config}
    return {matrix.part: matrix.opened() for matrix in matrices(tensor(name, values), settings)}


def three(groups):
    return [RNG.normal(size=(count * SIZE, HIDDEN)) for count in (HEADS, groups, groups)]


def in_order(query, key, value, _):
    return np.concatenate([query, key, value])


def by_group(query, key, value, groups):
    parts = zip(*(np.split(part, groups) for part in (query, key, value)), strict=True)
    return np.concatenate([np.concatenate(part) for part in parts])


def codegen(query, key, value, _):
    parts = zip(*(np.split(part, 4) for part in (query, value, key)), strict=True)
    return np.concatenate([np.concatenate(part) for part in parts])


def side_by_side(query, key, value, _):
    return np.concatenate([query, key, value]).T


MULTI = {"multi_query": True}
NEW = {"new_decoder_architecture": True, "num_kv_heads": 2}


@pytest.mark.parametrize(
    ("model", "name", "layout", "groups", "config"),
    [
        ("bloom", "h.0.self_attention.query_key_value.weight", by_group, HEADS, {}),
        ("gpt_neox", "gpt_neox.layers.0.attention.query_key_value.weight", by_group, HEADS, {}),
        ("persimmon", "model.layers.0.self_attn.query_key_value.weight", by_group, HEADS, {}),
        ("falcon", "transformer.h.0.self_attention.query_key_value.weight", by_group, 2, NEW),
        ("falcon", "transformer.h.0.self_attention.query_key_value.weight", in_order, 1, MULTI),
        ("falcon", "transformer.h.0.self_attention.query_key_value.weight", by_group, 8, {"multi_query": False}),
        ("gpt_bigcode", "transformer.h.0.attn.c_attn.weight", in_order, 1, MULTI),
        ("gpt_bigcode", "transformer.h.0.attn.c_attn.weight", by_group, HEADS, {"multi_query": False}),
        ("codegen", "transformer.h.0.attn.qkv_proj.weight", codegen, HEADS, {}),
        ("phi3", "model.layers.0.self_attn.qkv_proj.weight", in_order, HEADS, {}),
        ("phi3", "model.layers.0.self_attn.qkv_proj.weight", in_order, 2, {"num_key_value_heads": 2}),
        ("glm", "transformer.layers.0.attention.query_key_value.weight", in_order, HEADS, {}),
        ("chatglm", "encoder.layers.0.self_attention.query_key_value.weight", in_order, 2,
         {"multi_query_attention": True, "multi_query_group_num": 2, "kv_channels": SIZE}),
        ("internlm2", "model.layers.0.attention.wqkv.weight", by_group, 2, {"num_key_value_heads": 2}),
        ("dbrx", "transformer.blocks.0.norm_attn_norm.attn.Wqkv.weight", in_order, 2,
         {"attn_config": {"kv_n_heads": 2}}),
        ("mpt", "transformer.blocks.0.attn.Wqkv.weight", in_order, HEADS, {}),
        ("qwen", "transformer.h.0.attn.c_attn.weight", in_order, HEADS, {}),
        ("gpt2", "h.0.attn.c_attn.weight", side_by_side, HEADS, {}),
        ("clip", "visual.transformer.resblocks.0.attn.in_proj_weight", in_order, HEADS, {}),
        ("None", "blocks.0.attn.qkv.weight", in_order, HEADS, {}),
        ("None", "blk.0.attn_qkv.weight", in_order, HEADS, {}),
        ("None", "layers.0.0.to_qkv.weight", in_order, HEADS, {}),
    ],
)  # fmt: skip
def test_each_architecture_has_its_layout(model, name, layout, groups, config):
    parts = three(groups)
    cut = found(name, layout(*parts, groups), model_type=model, **config)
    assert list(cut) == ["query", "key", "value"]
    for values, expected in zip(cut.values(), parts, strict=True):
        np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("attention.query_key_value.weight", {}),
        ("attn.c_attn.weight", {}),
        ("self_attn.qkv_proj.weight", {"model_type": "a new one"}),
        ("query_key_value.weight", {"model_type": "chatglm"}),
        ("query_key_value.weight", {"model_type": "bloom", "num_attention_heads": 7}),
        ("qkv_proj.weight", {"model_type": "phi3", "num_key_value_heads": 4}),
    ],
)
def test_what_is_not_certain_is_left_whole_with_the_reason(name, config):
    (whole,) = matrices(tensor(name, in_order(*three(HEADS), 0)), {"num_attention_heads": HEADS, **config})
    assert (whole.part, whole.sides) == ("", (3 * HIDDEN, HIDDEN))
    assert whole.note.startswith("left whole, for ")


@pytest.mark.parametrize("name", ["attn.to_kv.weight", "self_attn.kv_b_proj.weight", "attn.kv.weight"])
def test_key_and_value_in_one_are_said_to_be(name):
    (whole,) = matrices(tensor(name, RNG.normal(size=(96, 48))), {})
    assert (whole.type, whole.sides) == ("attention", (96, 48))
    assert "holds key and value" in whole.note


def test_a_part_of_a_model_may_have_settings_of_its_own():
    parts = three(2)
    nested = {"text_config": {"model_type": "phi3", "num_key_value_heads": 2}, "vision_config": {}}
    name = "model.layers.0.self_attn.qkv_proj.weight"
    assert list(found(name, in_order(*parts, 2), model_type="of both", **nested)) == ["query", "key", "value"]
    assert list(found(f"vision_{name}", in_order(*parts, 2), model_type="of both", **nested)) == [""]


def test_gate_and_up_are_cut_where_the_order_is_known():
    values = RNG.normal(size=(80, HIDDEN))
    cut = found("mlp.gate_up_proj.weight", values, model_type="phi3")
    assert list(cut) == ["gate", "up"]
    np.testing.assert_array_equal(cut["up"], values[40:])
    (whole,) = matrices(tensor("mlp.gate_up_proj.weight", values), {})
    assert "gate and up in one" in whole.note
