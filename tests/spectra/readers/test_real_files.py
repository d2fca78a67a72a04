"""Checkpoints that the formats' own libraries wrote (files/make.py): the same model out of each."""

import numpy as np
import pytest

from htmp_bayes.spectra import SpectrumError, list_matrices, read_spectra, readers

from .files.make import HERE, arrays

WEIGHTS = arrays()
RENAMED = {
    "model.onnx": {"dense.weight": "encoder.dense.MatMul"},
    "external.onnx": {"dense.weight": "encoder.dense.MatMul"},
}


def loaded(file):
    return {tensor.name: tensor.load() for tensor in readers.tensors(HERE / file) if not tensor.obstacle}


@pytest.mark.parametrize("file", ["zip.pt", "legacy.pt", "model.onnx", "external.onnx", "model.gguf"])
def test_every_weight_comes_back_as_it_was_written(file):
    found = loaded(file)
    for name, values in WEIGHTS.items():
        np.testing.assert_array_equal(found[RENAMED.get(file, {}).get(name, name)], values)


@pytest.mark.parametrize("file", ["model.keras", "model.weights.h5", "legacy.h5"])
def test_keras_weights_come_back_with_their_outputs_first(file):
    found = loaded(file)
    shapes = {name: values.shape for name, values in found.items()}
    for layer, name in {"embed": "embedding", "dense": "dense", "conv": "conv"}.items():
        (key,) = (key for key in shapes if key.startswith(name) and len(shapes[key]) > 1)
        np.testing.assert_array_equal(found[key], WEIGHTS[f"{layer}.weight"])
    query = np.random.default_rng(2).normal(size=(24, 2, 11)).astype(np.float32)
    (key,) = (key for key in shapes if "query" in key and len(shapes[key]) == 2 and min(shapes[key]) > 2)
    np.testing.assert_array_equal(found[key], query.reshape(24, 22).T)


def test_types_and_views_of_torch():
    found, dense = loaded("types.pt"), WEIGHTS["dense.weight"]
    assert {name for name in found if np.array_equal(found[name], dense)} == {
        "float64",
        "parameter",
        "transposed",
        "slice",
    }
    for name, relative in {
        "float16": 5e-4,
        "bfloat16": 4e-3,
        "float8_e4m3fn": 0.07,
        "float8_e5m2": 0.13,
    }.items():
        np.testing.assert_allclose(found[name].astype(float), dense, rtol=relative, atol=0.01)


@pytest.mark.parametrize(
    ("file", "tensor", "obstacle"),
    [
        ("types.pt", "expanded", "repeats its entries"),
        ("types.pt", "int8", "no plain real numbers"),
        ("types.pt", "complex64", "no plain real numbers"),
        ("types.pt", "sparse", "no plain real numbers"),
        ("model.onnx", "int64", "no plain real numbers"),
        ("model.gguf", "quantised", "it is quantised.; convert"),
    ],
)
def test_what_holds_no_weights_is_refused_if_it_is_chosen(file, tensor, obstacle):
    with pytest.raises(SpectrumError, match=f"{file}: tensor {tensor} .*{obstacle}.*exclude"):
        read_spectra(HERE / file, include=f"^{tensor}$", min_size=20)


def test_a_pickled_module_is_read_without_executing_it():
    np.testing.assert_array_equal(loaded("module.pt")["0.weight"], WEIGHTS["dense.weight"])


def test_tied_weights_are_read_once_and_what_the_optimiser_keeps_is_left_out():
    listed = {matrix.name: matrix.left_out for matrix in list_matrices(HERE / "legacy.pt", min_size=20)}
    assert listed["head"] == "tied to embed"
    assert "head" not in [spectrum.name for spectrum in read_spectra(HERE / "zip.pt", min_size=20)]


def test_an_initialiser_with_typed_data_is_read():
    np.testing.assert_array_equal(loaded("model.onnx")["typed"], WEIGHTS["dense.weight"])


@pytest.mark.filterwarnings(
    "ignore:Validating sparse tensor invariants:UserWarning"
)  # torch 2.15, of types.pt
@pytest.mark.parametrize("file", ["zip.pt", "legacy.pt", "types.pt"])
def test_torch_itself_reads_the_same(file):
    torch = pytest.importorskip("torch")
    content = torch.load(HERE / file, weights_only=True)
    content = content.get("model", content)
    found = loaded(file)
    kept = {name for name in found if not name.startswith("optimizer.")}
    assert kept == {name for name in content if name not in ("expanded", "int8", "complex64", "sparse")}
    for name in kept:
        np.testing.assert_array_equal(found[name].astype(float), content[name].detach().double().numpy())


def test_constants_branches_and_gates_that_the_onnx_package_wrote():
    found = loaded("branches.onnx")
    np.testing.assert_array_equal(found["inner.MatMul"], WEIGHTS["dense.weight"])
    np.testing.assert_array_equal(found["table"], WEIGHTS["embed.weight"])
    names = [spectrum.name for spectrum in read_spectra(HERE / "branches.onnx", min_size=20)]
    gates = ["cell", "forget_gate", "input_gate", "output_gate"]
    assert names == [
        *(f"R.{gate}" for gate in gates),
        *(f"W.{gate}" for gate in gates),
        "inner.MatMul",
        "table",
    ]


@pytest.mark.parametrize("file", ["model.onnx", "external.onnx"])
def test_onnx_itself_reads_the_same(file):
    onnx = pytest.importorskip("onnx")
    found, model = loaded(file), onnx.load(HERE / file)
    for tensor in model.graph.initializer:
        name = RENAMED[file]["dense.weight"] if tensor.name == "onnx::MatMul_7" else tensor.name
        if name != "int64":
            np.testing.assert_array_equal(found[name], onnx.numpy_helper.to_array(tensor))
