"""Fused tensors are cut as the architecture that config.json names lays them out, and else left whole."""

import numpy as np
import pytest

from htmp_bayes.spectra import Spectrum, read_spectra
from htmp_bayes.spectra.matrices import matrices
from htmp_bayes.spectra.readers import StoredTensor
from tests.spectra.writers import save_gguf

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


PHI3_MEDIUM = {  # as llama.cpp's converter writes them, with small numbers
    "phi3.attention.head_count": HEADS,
    "phi3.attention.head_count_kv": 2,
    "phi3.embedding_length": HIDDEN,
    "phi3.feed_forward_length": 60,
    "general.architecture": "phi3",
}


def test_a_file_of_gguf_has_its_settings_in_itself(tmp_path):
    parts, gate, up, down = three(2), *(RNG.normal(size=(60, HIDDEN)) for _ in "gud")
    arrays = {
        "blk.0.attn_qkv.weight": in_order(*parts, 2),
        "blk.0.ffn_up.weight": np.concatenate([gate, up]),
        "blk.0.ffn_down.weight": down.T,
    }
    kinds = dict.fromkeys(arrays, 28)
    path = save_gguf(tmp_path / "phi3.gguf", arrays, kinds, PHI3_MEDIUM)
    (tmp_path / "config.json").write_text('{"model_type": "bloom"}')  # of whatever else is in the folder
    made = dict(zip(["attn_qkv.query", "ffn_up.gate", "ffn_up.up"], [parts[0], gate, up], strict=True))
    found = {spectrum.name: spectrum for spectrum in read_spectra(path, min_size=20)}
    for name, values in made.items():
        expected = Spectrum.from_matrix(values).eigenvalues
        np.testing.assert_allclose(found[f"blk.0.{name}"].eigenvalues, expected)
    assert list(found) == [f"blk.0.{name}" for name in (*list(made)[:1], "ffn_down", *list(made)[1:])]


def test_up_alone_is_not_cut(tmp_path):
    arrays = {"blk.0.ffn_up.weight": RNG.normal(size=(60, HIDDEN)).astype(np.float32)}
    path = save_gguf(tmp_path / "llama.gguf", arrays, None, PHI3_MEDIUM)
    assert [spectrum.name for spectrum in read_spectra(path, min_size=20)] == ["blk.0.ffn_up"]


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


@pytest.mark.parametrize(
    ("name", "config", "parts"),
    [
        ("layers.0.mlp.Wi.weight", {"model_type": "modernbert", "intermediate_size": 40}, ["gate", "up"]),
        ("layers.0.mlp.Wi.weight", {"model_type": "modernbert", "intermediate_size": 80}, [""]),
        ("layers.0.mlp.dense_h_to_4h.weight", {"model_type": "chatglm", "ffn_hidden_size": 40}, ["gate", "up"]),
        ("layers.0.mlp.dense_h_to_4h.weight", {"model_type": "bloom"}, [""]),
        ("blocks.0.mlp.w12.weight", {}, ["gate", "up"]),
        ("blocks.0.ff_proj.weight", {"model_type": "hf_olmo", "mlp_hidden_size": 80}, ["up", "gate"]),
    ],
)  # fmt: skip
def test_gate_and_up_under_other_names(name, config, parts):
    cut = found(name, RNG.normal(size=(80, HIDDEN)), **config)
    assert list(cut) == parts
    assert {values.shape[0] for values in cut.values()} == {80 // len(parts)}


def test_gate_and_up_in_one_are_said_to_be_where_their_order_is_not_known():
    settings = {"model_type": "a new one", "intermediate_size": 40}
    (whole,) = matrices(tensor("mlp.Wi.weight", RNG.normal(size=(80, HIDDEN))), settings)
    assert "gate and up in one" in whole.note
