"""Weights of ONNX models, wherever in the graph they are."""

import numpy as np
import pytest

from htmp_bayes.spectra import SpectrumError, read_spectra
from htmp_bayes.spectra.readers import onnx_file
from tests.spectra.writers import field, onnx_constant, onnx_graph, onnx_node, onnx_tensor, save_onnx

RNG = np.random.default_rng(1)
A, B = (RNG.normal(size=(60, 70)).astype(np.float32) for _ in range(2))


def loaded(path):
    return {tensor.name: tensor.load() for tensor in onnx_file.tensors(path) if not tensor.obstacle}


def test_constants_are_weights(tmp_path):
    nodes = [onnx_constant("a.weight", A), onnx_node("MatMul", ["x", "a.weight"], ["h"])]
    found = loaded(save_onnx(tmp_path / "m.onnx", nodes, [onnx_tensor("b.weight", B)]))
    assert list(found) == ["a.weight", "b.weight"]
    np.testing.assert_array_equal(found["a.weight"], A)
    assert list(loaded(save_onnx(tmp_path / "m.onnx", nodes))) == ["a.weight"]


@pytest.mark.parametrize("name", ["onnx::MatMul_7", "/block/Constant_3_output_0", "Constant_3", "17"])
def test_a_tensor_without_a_name_of_its_own_is_called_after_the_node_that_takes_it(tmp_path, name):
    nodes = [onnx_constant(name, A), onnx_node("MatMul", ["x", name], ["h"], name="/block/dense/MatMul")]
    assert list(loaded(save_onnx(tmp_path / "m.onnx", nodes))) == ["block.dense.MatMul"]


def branches(then, otherwise):
    return onnx_node(
        "If", ["c"], ["y"], [("then_branch", 6, then), ("else_branch", 6, otherwise)], name="If_0"
    )


def test_branches_within_branches_are_read(tmp_path):
    inner = branches(onnx_graph([], [onnx_tensor("b", B)]), onnx_graph([]))
    outer = branches(onnx_graph([onnx_constant("a", A)]), onnx_graph([inner]))
    found = loaded(save_onnx(tmp_path / "m.onnx", [outer]))
    np.testing.assert_array_equal(found["a"], A)
    np.testing.assert_array_equal(found["b"], B)


def test_tensors_of_two_branches_with_one_name_are_told_apart(tmp_path):
    node = branches(*(onnx_graph([], [onnx_tensor("w", values)]) for values in (A, B)))
    found = loaded(save_onnx(tmp_path / "m.onnx", [node], [onnx_tensor("v", A)]))
    np.testing.assert_array_equal(found["If_0.then_branch.w"], A)
    np.testing.assert_array_equal(found["If_0.else_branch.w"], B)
    assert len(found) == 3


def test_functions_of_a_model_are_read(tmp_path):
    path = save_onnx(tmp_path / "m.onnx", [])
    path.write_bytes(path.read_bytes() + field(25, field(1, b"f") + field(7, onnx_constant("a", A))))
    assert list(loaded(path)) == ["a"]


def test_sparse_and_quantised_tensors_are_listed(tmp_path):
    sparse = field(1, onnx_tensor("s", A[0])) + field(3, 60) + field(3, 70)
    graph = onnx_graph([], [onnx_tensor("q", A[:, :15].view(np.int8), 3)]) + field(15, sparse)
    path = tmp_path / "m.onnx"
    path.write_bytes(field(1, 10) + field(7, graph))
    listed = {tensor.name: (tensor.shape, tensor.dtype) for tensor in onnx_file.tensors(path)}
    assert listed == {"q": ((60, 60), "int8"), "s": ((60, 70), "sparse")}
    with pytest.raises(SpectrumError, match="tensor s is of ONNX's type sparse"):
        read_spectra(path, include="s")


def test_a_model_without_weights_says_so(tmp_path):
    with pytest.raises(
        SpectrumError, match=r"m.onnx is an ONNX model without initialisers and constants; it has no"
    ):
        read_spectra(save_onnx(tmp_path / "m.onnx", [onnx_node("Relu", ["x"], ["y"])]))


def test_graphs_without_end_are_refused(tmp_path):
    graph = onnx_graph([])
    for _ in range(200):
        graph = onnx_graph([onnx_node("If", ["c"], ["y"], [("then_branch", 6, graph)])])
    (tmp_path / "m.onnx").write_bytes(field(7, graph))
    with pytest.raises(SpectrumError, match="its graphs lie within one another without end"):
        read_spectra(tmp_path / "m.onnx")
