"""Which matrices a tensor holds: types, fused weights, heads, experts, positions of a kernel."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from htmp_bayes.spectra import SpectrumError, list_matrices, read_spectra
from htmp_bayes.spectra.matrices import matrices
from htmp_bayes.spectra.readers import StoredTensor

RNG = np.random.default_rng(1)


def tensor(name, *shape, values=None):
    values = RNG.normal(size=shape) if values is None else values
    return StoredTensor(name, values.shape, "float64", lambda: values)


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("model.embed_tokens.weight", (100, 24), "embedding"),
        ("bert.embeddings.word_embeddings.weight", (100, 24), "embedding"),
        ("transformer.wte.weight", (100, 24), "embedding"),
        ("token_embd.weight", (100, 24), "embedding"),
        ("patch_embed.proj.weight", (24, 3, 4, 4), "convolution"),
        ("conv1.weight", (24, 3, 4), "convolution"),
        ("model.layers.0.self_attn.q_proj.weight", (24, 24), "attention"),
        ("encoder.layer.0.attention.self.value.weight", (24, 24), "attention"),
        ("encoder.layer.0.attention.output.dense.weight", (24, 24), "attention"),
        ("encoder.layer.0.output.dense.weight", (24, 96), "linear"),
        ("blk.0.attn_output.weight", (24, 24), "attention"),
        ("blk.0.ffn_up.weight", (96, 24), "linear"),
        ("lm_head.weight", (100, 24), "linear"),
        ("blocks.0.norm1.linear.weight", (48, 24), "linear"),
        ("model.layers.0.mlp.experts.gate_up_proj", (4, 24, 48), "experts"),
        ("model.norm.weight", (24,), "norm"),
        ("h.0.ln_1.weight", (24,), "norm"),
        ("bn1.weight", (24,), "norm"),
        ("LayerNorm.gamma", (24,), "norm"),
        ("fc.bias", (24,), "vector"),
    ],
)
def test_types_are_recognised(name, shape, expected):
    assert matrices(tensor(name, *shape), {})[0].type == expected


def parts(found):
    return {matrix.part: matrix.opened() for matrix in found}


@pytest.mark.parametrize(
    "name", ["attn.in_proj_weight", "attn.qkv.weight", "blk.0.attn_qkv.weight", "Wqkv.weight"]
)
def test_fused_rows_are_taken_apart(name):
    W = RNG.normal(size=(72, 24))
    found = parts(matrices(tensor(name, values=W), {}))
    assert list(found) == ["query", "key", "value"]
    np.testing.assert_array_equal(np.concatenate(list(found.values())), W)
    assert [matrix.part for matrix in matrices(tensor(name, values=W), {}, split_fused=False)] == [""]


def test_gpt2_keeps_query_key_and_value_side_by_side():
    W = RNG.normal(size=(24, 72))
    found = parts(matrices(tensor("h.0.attn.c_attn.weight", values=W), {}))
    np.testing.assert_array_equal(found["key"], W[:, 24:48].T)


def test_fewer_keys_than_queries_are_known_from_the_config():
    W = RNG.normal(size=(24 + 12 + 12, 24))
    fused = tensor("self_attn.qkv_proj.weight", values=W)
    config = {"model_type": "phi3", "hidden_size": 24, "num_attention_heads": 4, "num_key_value_heads": 2}
    found = parts(matrices(fused, config))
    assert {part: values.shape for part, values in found.items()} == {
        "query": (24, 24),
        "key": (12, 24),
        "value": (12, 24),
    }
    np.testing.assert_array_equal(found["value"], W[36:])
    assert [matrix.part for matrix in matrices(fused, {})] == [""]  # whole, where the sizes are not known


def test_bloom_keeps_the_three_of_each_head_together():
    heads = RNG.normal(size=(4, 3, 6, 24))
    fused = tensor("attention.query_key_value.weight", values=heads.reshape(72, 24))
    found = parts(matrices(fused, {"model_type": "bloom", "n_head": 4}))
    np.testing.assert_array_equal(found["key"], heads[:, 1].reshape(24, 24))
    assert [matrix.part for matrix in matrices(fused, {})] == [""]


def test_heads_apart_are_rows_of_query_and_columns_of_output():
    W = RNG.normal(size=(24, 32))
    query = parts(matrices(tensor("self_attn.q_proj.weight", values=W), {"hidden_size": 24}, heads=4))
    assert list(query) == ["head0", "head1", "head2", "head3"]
    np.testing.assert_array_equal(query["head1"], W[6:12])
    config = {"num_attention_heads": 4, "head_dim": 8}
    output = parts(matrices(tensor("self_attn.o_proj.weight", values=W), config, heads="auto"))
    np.testing.assert_array_equal(output["head3"], W[:, 24:])
    fused = parts(matrices(tensor("attn.in_proj_weight", values=RNG.normal(size=(72, 24))), {}, heads=4))
    assert list(fused)[:5] == ["query.head0", "query.head1", "query.head2", "query.head3", "key.head0"]
    assert [matrix.part for matrix in matrices(tensor("mlp.fc.weight", values=W), {}, heads=4)] == [""]


def test_experts_are_a_matrix_each():
    W = RNG.normal(size=(3, 24, 30))
    found = parts(matrices(tensor("mlp.experts.down_proj", values=W), {}))
    np.testing.assert_array_equal(found["2"], W[2])


@pytest.mark.parametrize("obstacle", ["", "is quantised"])
def test_stacks_without_end_are_left_whole(obstacle):
    values = np.zeros((1, 24, 30))
    for name in ("mlp.experts.down_proj", "q_einsum.w"):
        stack = StoredTensor(name, (2**60, 24, 30), "float64", lambda: values, obstacle)
        assert [matrix.part for matrix in matrices(stack, {})] == [""]
    kernel = StoredTensor("conv.weight", (24, 30, 2**60), "float64", lambda: values, obstacle)
    (whole,) = matrices(kernel, {}, positions=True)
    assert whole.tensor.obstacle == (obstacle or "would be taken apart into more than 100000 matrices")
    kernel = StoredTensor("conv.weight", (24, 30, 2**60), "float64", lambda: values, obstacle)
    assert [matrix.part for matrix in matrices(kernel, {}, positions=True)] == [""]


def test_a_convolution_is_flattened_or_taken_apart_by_position():
    W = RNG.normal(size=(24, 30, 2, 3))
    (whole,) = matrices(tensor("conv.weight", values=W), {})
    np.testing.assert_array_equal(whole.opened(), W.reshape(24, -1))
    found = parts(matrices(tensor("conv.weight", values=W), {}, positions=True))
    assert len(found) == 6
    np.testing.assert_array_equal(found["at.1.2"], W[:, :, 1, 2])


@pytest.fixture
def model(tmp_path):
    """A Hugging Face folder with a bit of everything."""
    embedding = RNG.normal(size=(90, 60)).astype(np.float32)
    weights = {
        "lm_head.weight": embedding,
        "model.embed_tokens.weight": embedding.copy(),
        "model.layers.0.self_attn.qkv_proj.weight": RNG.normal(size=(180, 60)).astype(np.float32),
        "model.layers.0.mlp.up.weight": RNG.normal(size=(120, 60)).astype(np.float32),
        "model.layers.0.mlp.like_up.weight": RNG.normal(size=(120, 60)).astype(np.float32),
        "model.norm.weight": np.ones(60, np.float32),
    }
    save_file(weights, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "phi3", "num_attention_heads": 2, "hidden_size": 60})
    )
    return tmp_path


def fates(model, **choice):
    return {matrix.name: matrix.left_out or matrix.obstacle for matrix in list_matrices(model, **choice)}


def test_the_list_says_what_is_read_and_why_the_rest_is_not(model):
    listed = fates(model, max_size=60)
    assert listed.pop("model.embed_tokens") == "tied to lm_head"
    assert listed.pop("model.norm") == "norms"
    assert set(listed.values()) == {""}
    assert list(listed) == [spectrum.name for spectrum in read_spectra(model)]


def test_tied_weights_come_back_if_the_first_is_left_out(model):
    assert fates(model, exclude="lm_head")["model.embed_tokens"] == ""


def test_types_sizes_and_heads_choose(model):
    only = fates(model, types=["embedding", "attention"])
    assert only["model.layers.0.mlp.up"] == "not of type embedding or attention"
    assert fates(model, max_size=50)["model.layers.0.mlp.up"] == "larger than max_size=50"
    names = [s.name for s in read_spectra(model, include="attn", heads="auto", min_size=20)]
    assert names[:2] == [f"model.layers.0.self_attn.qkv_proj.key.head{index}" for index in (0, 1)]
    assert len(names) == 6


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"types": ["dense"]}, "types are of attention, linear, .*not 'dense'"),
        ({"heads": "two"}, "heads is a number of attention heads or 'auto', not 'two'"),
        ({"heads": 0}, "heads is a number"),
        ({"convolutions": "apart"}, "convolutions is one of flattened, positions"),
        ({"max_size": 10}, "max_size=10 is less than"),
    ],
)
def test_choices_that_there_are_not(model, choice, message):
    with pytest.raises(SpectrumError, match=message):
        list_matrices(model, **choice)


def test_a_matrix_beyond_the_limit_is_refused_with_a_reason(tmp_path):
    header = {"descr": "<f2", "fortran_order": False, "shape": (20_001, 20_001)}
    with (tmp_path / "w.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + 2 * 20_001**2)  # a file with a hole: it takes no room
    with pytest.raises(
        SpectrumError, match=r"tensor w has a shorter side of 20001, and beyond 20000 .* exclude"
    ):
        read_spectra(tmp_path / "w.npy")
    assert fates(tmp_path / "w.npy", max_size=20_001) == {"w": ""}
    assert fates(tmp_path / "w.npy", max_size=100) == {"w": "larger than max_size=100"}
