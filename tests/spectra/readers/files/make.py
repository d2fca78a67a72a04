"""Make the checkpoints beside this script, each with the library whose format it is: one small model in all formats.

    python make.py torch      # torch 2.13.0: zip.pt, legacy.pt, module.pt, types.pt
    python make.py onnx       # onnx 1.23.2: model.onnx, external.onnx with external.data
    python make.py branches   # onnx 1.23.2: branches.onnx
    python make.py gguf       # gguf 0.19.0: model.gguf
    python make.py keras      # keras 3.15.1 (KERAS_BACKEND=jax): model.keras, weights.h5, legacy.h5

None of the libraries is needed to run the tests.
"""

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def arrays():
    """Weights of the model, as (out, in, ...): what every format has to give back."""
    rng = np.random.default_rng(1)
    return {
        "embed.weight": rng.normal(size=(30, 24)).astype(np.float32),
        "attn.in_proj_weight": rng.normal(size=(72, 24)).astype(np.float32),
        "conv.weight": rng.normal(size=(22, 3, 2, 4)).astype(np.float32),
        "norm.weight": np.ones(24, np.float32),
        "dense.weight": rng.normal(size=(26, 24)).astype(np.float32),
    }


def make_torch():
    """A state dict in both formats of torch.save, a pickled module, and many types."""
    import torch

    weights = {name: torch.from_numpy(array) for name, array in arrays().items()}
    weights["head.weight"] = weights["embed.weight"]
    torch.save(weights, HERE / "zip.pt")
    torch.save(
        {"epoch": 3, "model": weights, "optimizer": {"state": {0: {"exp_avg": torch.ones(30, 24)}}}},
        HERE / "legacy.pt",
        _use_new_zipfile_serialization=False,
    )
    module = torch.nn.Sequential(torch.nn.Linear(24, 26), torch.nn.LayerNorm(26))
    module[0].weight.data = weights["dense.weight"]
    torch.save(module, HERE / "module.pt")
    dense = weights["dense.weight"]
    types = {
        "float64": dense.double(),
        "float16": dense.half(),
        "bfloat16": dense.bfloat16(),
        "float8_e4m3fn": dense.to(torch.float8_e4m3fn),
        "float8_e5m2": dense.to(torch.float8_e5m2),
        "parameter": torch.nn.Parameter(dense.clone()),
        "transposed": dense.t().contiguous().t(),
        "slice": torch.nn.functional.pad(dense, (3, 2, 4, 1))[4:-1, 3:-2],
        "expanded": torch.ones(26, 1).expand(26, 24),
        "int8": torch.ones(26, 24, dtype=torch.int8),
        "complex64": torch.ones(26, 24, dtype=torch.complex64),
        "sparse": torch.eye(26).to_sparse(),
    }
    torch.save(types, HERE / "types.pt")


def make_onnx():
    """Initialisers within the model and in a file beside it."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    named = {name.replace("dense.weight", "onnx::MatMul_7"): array for name, array in arrays().items()}
    tensors = [numpy_helper.from_array(array, name) for name, array in named.items()]
    tensors.append(helper.make_tensor("typed", TensorProto.FLOAT, [26, 24], arrays()["dense.weight"].ravel()))
    tensors.append(numpy_helper.from_array(np.ones((26, 24), np.int64), "int64"))
    node = helper.make_node("MatMul", ["x", "onnx::MatMul_7"], ["y"], name="/encoder/dense/MatMul")
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy")
    model = helper.make_model(helper.make_graph([node], "model", [x], [y], tensors))
    onnx.save(model, HERE / "model.onnx")
    onnx.save(
        model,
        HERE / "external.onnx",
        save_as_external_data=True,
        location="external.data",
        size_threshold=100,
    )


def make_branches():
    """Weights in a Constant node, in the branches of an If, and of a recurrent layer."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def value(name):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, None)

    weights, rng = arrays(), np.random.default_rng(3)
    constant = numpy_helper.from_array(weights["dense.weight"], "value")
    inner = [
        helper.make_node("Constant", [], ["onnx::MatMul_1"], value=constant),
        helper.make_node("MatMul", ["x", "onnx::MatMul_1"], ["y"], name="/inner/MatMul"),
    ]
    table = numpy_helper.from_array(weights["embed.weight"], "table")
    branches = {
        "then_branch": helper.make_graph(inner, "then", [], [value("y")]),
        "else_branch": helper.make_graph(
            [helper.make_node("Identity", ["table"], ["y"])], "else", [], [value("y")], [table]
        ),
    }
    recurrent = {name: rng.normal(size=(1, 88, 22)).astype(np.float32) for name in ("W", "R")}
    nodes = [
        helper.make_node("If", ["c"], ["y"], **branches),
        helper.make_node("LSTM", ["x", "W", "R"], ["h"], hidden_size=22),
    ]
    tensors = [numpy_helper.from_array(array, name) for name, array in recurrent.items()]
    graph = helper.make_graph(nodes, "branches", [value("x"), value("c")], [value("y"), value("h")], tensors)
    onnx.save(helper.make_model(graph), HERE / "branches.onnx")


def make_gguf():
    """Floats of three types, and a quantised tensor."""
    import gguf

    writer = gguf.GGUFWriter(HERE / "model.gguf", "llama")
    writer.add_array("tokenizer.ggml.tokens", ["a", "bc"])
    writer.add_array("numbers", [1, 2, 3])
    writer.add_float32("scale", 0.5)
    for name, array in arrays().items():
        writer.add_tensor(name, array)
    writer.add_tensor("half", arrays()["dense.weight"].astype(np.float16))
    blocks = gguf.quants.quantize(np.ones((26, 32), np.float32), gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("quantised", blocks, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def make_keras():
    """A model in the three files that Keras writes or has written."""
    import keras

    weights = arrays()
    tokens = keras.Input((5,))
    embedded = keras.layers.Embedding(30, 24, name="embedding")(tokens)
    attended = keras.layers.MultiHeadAttention(2, 11, name="attention")(embedded, embedded)
    dense = keras.layers.Dense(26, use_bias=False, name="dense")(attended)
    image = keras.Input((6, 6, 3))
    conv = keras.layers.Conv2D(22, (2, 4), use_bias=False, name="conv")(image)
    model = keras.Model([tokens, image], [dense, conv])
    model.get_layer("embedding").set_weights([weights["embed.weight"]])
    model.get_layer("dense").set_weights([weights["dense.weight"].T])
    model.get_layer("conv").set_weights([weights["conv.weight"].transpose(2, 3, 1, 0)])
    query = np.random.default_rng(2).normal(size=(24, 2, 11))
    model.get_layer("attention").query_dense.set_weights([query, np.zeros((2, 11))])
    model.save(HERE / "model.keras")
    model.save_weights(HERE / "model.weights.h5")
    model.save(HERE / "legacy.h5")


if __name__ == "__main__":
    globals()[f"make_{sys.argv[1]}"]()
