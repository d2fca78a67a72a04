"""Tensors that are a weight together, several weights, or none: each is taken for what it is."""

import h5py
import numpy as np
import pytest
from safetensors.numpy import save_file

from htmp_bayes.layer_names import kind_of
from htmp_bayes.spectra import Spectrum, SpectrumError, list_matrices, read_spectra
from tests.spectra.writers import Tensor, onnx_node, onnx_tensor, save_gguf, save_onnx, save_torch

RNG = np.random.default_rng(1)


def noise(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def words(*shape):
    return RNG.integers(0, 2**31 - 1, shape).astype(np.int32)


def octets(*shape):
    return RNG.integers(0, 255, shape).astype(np.uint8)


def read(path, **choice):
    return {spectrum.name: spectrum for spectrum in read_spectra(path, **choice)}


def fates(path, **choice):
    return {matrix.name: matrix.left_out or matrix.obstacle for matrix in list_matrices(path, **choice)}


def safetensors(folder, **tensors):
    save_file(tensors, folder / "m.safetensors")
    return folder / "m.safetensors"


def assert_same(found, matrix):
    np.testing.assert_allclose(found.eigenvalues, Spectrum.from_matrix(matrix).eigenvalues, rtol=1e-5)


# Stacks


@pytest.mark.parametrize("experts", [64, 3])
@pytest.mark.parametrize(
    "name",
    [
        "model.layers.0.mlp.experts.gate_up_proj",
        "model.layers.0.block_sparse_moe.input_linear.weight",
        "model.layers.0.moe.w1",
        "model.layers.0.mlp.switch_mlp.up_proj.weight",
    ],
)
def test_stacked_experts_are_a_matrix_each(tmp_path, name, experts):
    values = noise(experts, 60, 128)
    found = read(safetensors(tmp_path, **{name: values}))
    assert list(found) == [f"{name.removesuffix('.weight')}.{index}" for index in range(experts)]
    assert {(s.n, s.meta["type"]) for s in found.values()} == {(128, "experts")}
    assert_same(found[f"{name.removesuffix('.weight')}.2"], values[2])


def test_experts_of_gguf(tmp_path):
    path = save_gguf(tmp_path / "m.gguf", {"blk.0.ffn_down_exps.weight": noise(6, 60, 70)})
    assert {s.meta["type"] for s in read(path).values()} == {"experts"}


def test_experts_below_one_another_are_a_matrix_each(tmp_path):
    values = {name: noise(4 * 60, 70) for name in ("w1", "v1", "w2")}
    names = {name: f"transformer.blocks.0.ffn.experts.mlp.{name}" for name in values}  # of DBRX
    path = safetensors(tmp_path, **{names[name]: stack for name, stack in values.items()})
    assert {(s.name, s.n, s.meta["note"][:10]) for s in read_spectra(path)} == {
        (name, 240, "left whole") for name in names.values()
    }
    (tmp_path / "config.json").write_text('{"model_type": "dbrx", "ffn_config": {"moe_num_experts": 4}}')
    found = read(path)
    assert len(found) == 12
    for name, stack in values.items():
        assert_same(found[f"{names[name]}.2"], stack[120:180])
    kinds = {name: kind_of(found[f"{names[name]}.3"]) for name in values}
    assert kinds == {"w1": "gate", "v1": "up", "w2": "down"}


def test_a_transposed_convolution_is_read_as_the_one_whose_adjoint_it_is(tmp_path):
    torch_order = noise(60, 20, 4)  # (in, out, kernel), as torch and ONNX keep it
    keras_order = torch_order.transpose(2, 1, 0)  # (kernel, out, in)
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        file["layers/conv1d_transpose/vars/0"] = keras_order
    flax_order = torch_order.transpose(2, 0, 1)  # (kernel, in, out)
    np.savez(tmp_path / "m.npz", **{"params/ConvTranspose_0/kernel": flax_order})
    safetensors(tmp_path, **{"ups.0.weight": torch_order})
    for name in ("m.safetensors", "m.weights.h5", "m.npz"):
        (spectrum,) = read_spectra(tmp_path / name)
        assert_same(spectrum, torch_order.reshape(60, 80))


def test_a_stack_of_which_nothing_is_known_is_no_convolution(tmp_path):
    path = safetensors(tmp_path, **{"q_einsum.w": noise(4, 60, 70), "a.weight": noise(60, 16, 9)})
    found = {matrix.name: matrix.type for matrix in list_matrices(path)}
    assert found == {"a": "convolution", **{f"q_einsum.w.{index}": "linear" for index in range(4)}}


LSTM = ["input_gate", "forget_gate", "cell", "output_gate"]


def test_gates_of_torch_are_taken_apart(tmp_path):
    weights = {
        "rnn.weight_ih_l0": noise(240, 70),
        "rnn.weight_hh_l0": noise(240, 60),
        "rnn.weight_ih_l0_reverse": noise(240, 70),
        "rnn.weight_hh_l0_reverse": noise(240, 60),
        "gru.weight_ih": noise(180, 70),
        "gru.weight_hh": noise(180, 60),
        "plain.weight_ih_l0": noise(60, 70),
        "plain.weight_hh_l0": noise(60, 60),
        "small.weight_ih_l0": noise(400, 70),  # of an LSTM with proj_size
        "small.weight_hh_l0": noise(400, 50),
        "small.weight_hr_l0": noise(50, 100),
    }
    found = read(safetensors(tmp_path, **weights))
    assert {name.rsplit(".", 1)[1] for name in found if name.startswith("rnn.weight_hh_l0_reverse")} == {
        *LSTM
    }
    assert {name for name in found if name.startswith("gru.weight_hh")} == {
        f"gru.weight_hh.{gate}" for gate in ("reset_gate", "update_gate", "new")
    }
    assert_same(found["rnn.weight_ih_l0.cell"], weights["rnn.weight_ih_l0"][120:180])
    assert_same(found["small.weight_hh_l0.output_gate"], weights["small.weight_hh_l0"][300:])
    assert_same(found["plain.weight_hh_l0"], weights["plain.weight_hh_l0"])
    assert {s.meta["type"] for s in found.values()} == {"recurrent"}


def test_gates_and_directions_of_onnx_are_taken_apart(tmp_path):
    weights = {"W": noise(2, 180, 70), "R": noise(2, 180, 60)}
    node = onnx_node("GRU", ["x", "W", "R"], ["y"])
    path = save_onnx(tmp_path / "m.onnx", [node], [onnx_tensor(*item) for item in weights.items()])
    found = read(path)
    assert list(found) == [
        f"{name}.{direction}.{gate}"
        for name in "RW"
        for direction in ("backward", "forward")
        for gate in ("new", "reset_gate", "update_gate")
    ]
    assert_same(found["R.backward.reset_gate"], weights["R"][1, 60:120])


@pytest.mark.parametrize("names", [("lstm/lstm_cell/kernel:0", "lstm/lstm_cell/recurrent_kernel:0"),
                                   ("layers/lstm/cell/vars/0", "layers/lstm/cell/vars/1")])  # fmt: skip
def test_gates_of_keras_are_taken_apart(tmp_path, names):
    weights = dict(zip(names, (noise(70, 240), noise(60, 240)), strict=True))
    with h5py.File(tmp_path / "m.h5", "w") as file:
        for name, values in weights.items():
            file[name] = values
    found = list(read(tmp_path / "m.h5").values())
    assert len(found) == 8
    assert {s.meta["part"] for s in found} == {*LSTM}
    assert {(len(s), s.n) for s in found} == {(60, 70), (60, 60)}


# Names that mislead


def test_a_dense_layer_is_no_embedding_because_of_its_name(tmp_path):
    weights = {
        "features.edge_embedding.weight": noise(128, 416),  # ProteinMPNN, without a bias
        "time_embedding.weight": noise(300, 60),
        "time_embedding.bias": noise(300),
        "token_embedding.weight": noise(60, 300),
        "region_embedding.weight": noise(300, 60),
        "pos_embed": noise(1, 197, 64),
    }
    types = {matrix.name: matrix.type for matrix in list_matrices(safetensors(tmp_path, **weights))}
    assert types == {
        "features.edge_embedding": "linear",
        "time_embedding": "linear",
        "time_embedding.bias": "vector",
        "token_embedding": "embedding",
        "region_embedding": "embedding",
        "pos_embed": "embedding",
    }


# Weights that are kept in several tensors

V, G, MASK = noise(64, 128), np.exp(noise(64, 1)), (RNG.random((64, 128)) < 0.5).astype(np.float32)
NORMED = G * V / np.linalg.norm(V, axis=1, keepdims=True)
LEFT, RIGHT = noise(64), noise(128)
KERNEL, SCALE = noise(60, 16, 5), np.exp(noise(1, 1, 5))


@pytest.mark.parametrize(
    ("name", "tensors", "weight"),
    [
        ("c", {"c.weight_g": G, "c.weight_v": V}, NORMED),
        ("c", {"c.weight_g": np.float32(2), "c.weight_v": V}, 2 * V / np.linalg.norm(V)),
        (
            "c",
            {"c.parametrizations.weight.original0": G, "c.parametrizations.weight.original1": V},
            NORMED,
        ),
        (
            "conv",  # wav2vec's positional convolution is normed over all but its last axis
            {"conv.weight_g": SCALE, "conv.weight_v": KERNEL},
            SCALE * KERNEL / np.sqrt(np.sum(KERNEL**2, axis=(0, 1), keepdims=True)),
        ),
        ("fc", {"fc.weight_orig": V, "fc.weight_mask": MASK}, V * MASK),
        ("fc", {"fc.weight_orig": V, "fc.weight_u": LEFT, "fc.weight_v": RIGHT}, V / (LEFT @ V @ RIGHT)),
        (
            "fc",
            {
                "fc.parametrizations.weight.original": V,
                "fc.parametrizations.weight.0._u": LEFT,
                "fc.parametrizations.weight.0._v": RIGHT,
            },
            V / (LEFT @ V @ RIGHT),
        ),
    ],
)
def test_reparametrised_weights_are_put_together(tmp_path, name, tensors, weight):
    path = save_torch({key: Tensor(values) for key, values in tensors.items()}, tmp_path / "m.pt")
    found = read(path)
    assert list(found) == [name]
    assert_same(found[name], weight)
    parts = fates(path)
    assert parts.pop(name) == ""
    assert set(parts.values()) == {"parts of a weight that is put together"}


@pytest.mark.parametrize(
    "tensors",
    [
        {"fc.weight_orig": V, "fc.weight_u": LEFT},
        {"fc.parametrizations.weight.original": V, "fc.parametrizations.weight.0.base": noise(64, 64)},
    ],
)
def test_what_is_reparametrised_in_another_way_is_refused(tmp_path, tensors):
    with pytest.raises(
        SpectrumError, match=r"tensor fc.weight is reparametrised in a way that is not known .* exclude"
    ):
        read(safetensors(tmp_path, **tensors))


def test_parts_that_do_not_fit_together_are_refused(tmp_path):
    path = safetensors(tmp_path, **{"fc.weight_orig": V, "fc.weight_mask": MASK[:, :5]})
    with pytest.raises(SpectrumError, match=r"the parts of fc\.weight do not fit together"):
        read(path)


def test_matrices_that_are_just_called_so_are_read(tmp_path):
    assert list(read(safetensors(tmp_path, w_g=noise(60, 60), w_v=noise(60, 60)))) == ["w_g", "w_v"]


A, B = noise(24, 90), noise(80, 24)


@pytest.mark.parametrize(
    ("first", "second", "halves"),
    [
        ("q_proj.lora_A.weight", "q_proj.lora_B.weight", (A, B)),
        ("q_proj.lora_A.default.weight", "q_proj.lora_B.default.weight", (A, B)),
        ("q_proj.lora_down.weight", "q_proj.lora_up.weight", (A, B)),
        ("q_proj.lora.down.weight", "q_proj.lora.up.weight", (A, B)),
        ("q_proj.lora_a", "q_proj.lora_b", (A.T.copy(), B.T.copy())),
    ],
)
def test_adapters_are_read_as_products_on_request(tmp_path, first, second, halves):
    path = safetensors(tmp_path, **{first: halves[0], second: halves[1], "fc.weight": noise(60, 60)})
    assert list(read(path, min_size=20)) == ["fc"]
    assert sum("adapters=True" in why for why in fates(path).values()) == 2
    found = read(path, adapters=True)
    assert list(found) == ["fc", "q_proj.lora"]
    assert_same(found["q_proj.lora"], B @ A)
    assert (found["q_proj.lora"].zeros, found["q_proj.lora"].meta["type"]) == (56, "attention")


def test_a_file_of_adapters_says_so(tmp_path):
    path = safetensors(tmp_path, **{"x.lora_A.weight": A, "x.lora_B.weight": B})
    with pytest.raises(
        SpectrumError, match=r"2 halves of low-rank adapters, whose products adapters=True reads"
    ):
        read(path)


# What is no layer, or cannot be read

HEAD = {"lm_head.weight": noise(200, 64)}


@pytest.mark.parametrize(
    ("tensors", "quantised"),
    [
        ({"e.up_blocks": octets(8, 60, 2, 16), "e.up_scales": octets(8, 60, 2)}, "e.up_blocks"),
        ({"k.qweight": words(256, 32), "k.qzeros": words(2, 32), "k.scales": noise(2, 256)}, "k.qweight"),
        ({"k.qweight": words(96, 256), "k.qzeros": words(56, 60), "k.scales": noise(56, 256)}, "k.qweight"),
        ({"q.weight": words(512, 64).astype(np.uint32), "q.scales": noise(512, 64), "q.biases": noise(512, 64)}, "q"),
        ({"q.weight": octets(5000, 1), "q.weight.absmax": noise(60, 60), "q.weight.quant_map": noise(16)}, "q"),
        ({"q.weight_packed": words(64, 8), "q.weight_scale": noise(64, 60)}, "q.weight_packed"),
        ({"q.codes": words(64, 8, 2).astype(np.int16), "q.codebooks": noise(2, 64, 1, 60)}, "q.codes"),
        ({"q.weight": octets(64, 64).astype(np.int8), "q.weight_scale_inv": noise(60, 60)}, "q"),
    ],
    ids=["MXFP4", "AWQ", "GPTQ", "MLX", "bitsandbytes", "compressed-tensors", "AQLM", "int8"],
)  # fmt: skip
def test_quantised_weights_are_said_to_be_whatever_their_shape_and_what_they_keep_is_no_layer(
    tmp_path, tensors, quantised, caplog
):
    path = safetensors(tmp_path, **tensors, **HEAD)
    with pytest.raises(SpectrumError, match=r"it is quantised\); leave it out with exclude"):
        read(path)
    assert list(read(path, include="lm_head")) == ["lm_head"]
    (said,) = caplog.messages
    assert said.startswith(f"{path} can be read in part only: {quantised} is of type")
    with pytest.raises(SpectrumError, match=r"can be read in part only: .*without strict"):
        read(path, include="lm_head", strict=True)
    kept = fates(path)
    assert "it is quantised" in kept.pop(quantised)
    assert kept.pop("lm_head") == ""
    assert set(kept.values()) <= {"bookkeeping of quantisation"}


def test_scales_are_layers_where_nothing_is_quantised(tmp_path):
    found = read(safetensors(tmp_path, **{"mixer.scales": noise(60, 60), "mixer.weight": noise(60, 60)}))
    assert list(found) == ["mixer", "mixer.scales"]


def test_biases_of_stacked_experts_and_masks_are_no_matrices(tmp_path):
    weights = {
        "experts.gate_up_proj_bias": noise(64, 128),
        "h.0.attn.bias": octets(1, 1, 100, 100),
        "relative_position_index": words(144, 144).astype(np.int64),
        **HEAD,
    }
    path = safetensors(tmp_path, **weights)
    assert list(read(path, strict=True)) == ["lm_head"]
    assert fates(path)["relative_position_index"] == "masks and indices"


def test_quantised_weights_of_keras_and_gguf(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["layers/dense/vars/0"] = octets(32, 128).astype(np.int8)
        file["layers/dense_1/vars/0"] = noise(128, 128)
    save_gguf(
        tmp_path / "m.gguf",
        {"blk.0.ffn_gate_exps.weight": noise(8, 64, 64)},
        {"blk.0.ffn_gate_exps.weight": 12},
    )
    for name, of_type in (("m.h5", "type int8"), ("m.gguf", "type Q4_K")):
        with pytest.raises(
            SpectrumError, match=rf"{of_type}, which holds no plain real numbers \(it is quantised\)"
        ):
            read(tmp_path / name)


def test_names_are_said_so_that_a_terminal_does_not_act_on_them(tmp_path, caplog):
    read(safetensors(tmp_path, **{"a\x1b[2J\nb.weight": octets(64, 64), **HEAD}), include="lm_head")
    (said,) = caplog.messages
    assert r"a\x1b[2J\nb is of type U8" in said


def test_nothing_is_said_of_a_file_that_is_read_whole(tmp_path, caplog):
    weights = {
        "fc.weight": noise(60, 70),
        "fc.bias": noise(60),
        "small.weight": noise(4, 4),
        "step": words(1),
    }
    assert list(read(safetensors(tmp_path, **weights), exclude="nothing", strict=True)) == ["fc"]
    assert caplog.messages == []


# Optimisers and second networks


def optimiser():
    moments = {"step": Tensor(np.ones((), np.float32)), "slot": Tensor(noise(64, 128))}
    return {"state": {0: moments}, "param_groups": [{"lr": 1e-3, "params": [0]}]}


def network():
    return {"conv.weight": Tensor(noise(64, 128))}


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ({"state_dict": network(), "optimizer_states": [optimiser()]}, ["conv"]),
        ({"g": network(), "g_ema": network(), "whatever": optimiser()}, ["g.conv", "g_ema.conv"]),
        ({"encoder": network(), "opt": optimiser(), "scaler": None}, ["encoder.conv"]),
        ({"model": network(), "head": {"weight": Tensor(noise(100, 64))}, "epoch": 1}, ["conv", "head"]),
        ({"net": network(), "discriminator": network()}, ["conv", "discriminator.conv"]),
        ({"module": network(), "prototypes.weight": Tensor(noise(99, 64))}, ["conv", "prototypes"]),
        ({"module": network(), "conv.weight": Tensor(noise(99, 64))}, ["conv", "module.conv"]),
    ],
)
def test_networks_of_a_checkpoint_are_all_read_and_optimisers_never(tmp_path, content, names):
    assert sorted(read(save_torch(content, tmp_path / "m.pt"))) == names


def test_an_optimiser_alone_is_said_to_be_one(tmp_path):
    path = save_torch(optimiser(), tmp_path / "optimizer.pt")
    with pytest.raises(SpectrumError, match=r"no weight matrix to read \(2 of the optimiser\)"):
        read(path)


@pytest.mark.parametrize(
    "name",
    [
        "state/0/exp_avg",
        "state.3.momentum_buffer",
        "opt_state/0/mu/Dense_0/kernel",
        "optimizer_state.fc.weight",
        "g_optim.x",
        "bert/encoder/layer_0/output/dense/kernel/adam_m",
        "conv1/weights/Adam_1",
    ],
)
def test_moments_are_known_in_every_format(tmp_path, name):
    np.savez(tmp_path / "m.npz", **{name: noise(64, 64), "state.0.weight": noise(64, 64)})
    assert list(read(tmp_path / "m.npz")) == ["state.0"]


def test_arrays_of_numpy_within_a_pickle_are_listed(tmp_path):
    path = save_torch({"model": network(), "means": noise(60, 60)}, tmp_path / "m.pt")
    assert "array of NumPy within the pickle" in fates(path)["means"]
    assert list(read(path, exclude="means")) == ["conv"]


# Kernels with their outputs last


@pytest.mark.parametrize(
    ("name", "shape", "axes"),
    [
        ("params/Conv_0/kernel", (3, 3, 20, 64), (3, 2, 0, 1)),  # Flax
        ("params/Conv_0/kernel", (5, 30, 64), (2, 1, 0)),
        ("params/Dense_0/kernel", (70, 60), (1, 0)),
        ("params/ConvTranspose_0/kernel", (3, 3, 64, 20), (2, 3, 0, 1)),  # inputs first, as torch has them
        ("conv3_1_W", (3, 3, 64, 70), (3, 2, 0, 1)),  # weights of VGG for TensorFlow, by their shape
    ],
)
def test_outputs_that_are_last_come_first(tmp_path, name, shape, axes):
    values = noise(*shape)
    np.savez(tmp_path / "m.npz", **{name: values})
    (spectrum,) = read_spectra(tmp_path / "m.npz")
    turned = values.transpose(axes)
    assert_same(spectrum, turned)
    assert spectrum.meta["shape"] == list(turned.shape)


def test_heads_of_flax_are_side_by_side(tmp_path):
    query, out = noise(60, 4, 15), noise(4, 15, 60)
    weights = {"layers_0/attention/query/kernel": query, "layers_0/attention/out/kernel": out}
    np.savez(tmp_path / "m.npz", **weights)
    found = read(tmp_path / "m.npz")
    assert_same(found["layers_0/attention/query/kernel"], query.reshape(60, 60))
    assert_same(found["layers_0/attention/out/kernel"], out.reshape(60, 60))
