"""Every float type of safetensors, decoded as written, and headers that lie."""

import gc
import json
import struct
import tracemalloc

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from htmp_bayes.spectra import SpectrumError, read_spectra
from htmp_bayes.spectra.readers.safetensors_file import FLOATS, tensors


def write(path, header, body):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return path


def entry(dtype, shape, start, stop):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


@pytest.mark.parametrize("code", FLOATS)
def test_every_float_type_is_decoded(tmp_path, code):
    values = np.random.default_rng(1).normal(size=(5, 7)).astype(FLOATS[code])
    file = write(tmp_path / "m.safetensors", {"w": entry(code, [5, 7], 0, values.nbytes)}, values.tobytes())
    (tensor,) = tensors(file)
    assert (tensor.name, tensor.shape, tensor.dtype, tensor.obstacle) == ("w", (5, 7), code, "")
    np.testing.assert_array_equal(tensor.load().astype(float), values.astype(float))


def test_bfloat16_is_the_upper_half_of_float32(tmp_path):
    values = np.random.default_rng(2).normal(size=(50, 60)).astype(ml_dtypes.bfloat16)
    bits = values.view(np.uint16).tobytes()
    file = write(tmp_path / "m.safetensors", {"w": entry("BF16", [50, 60], 0, len(bits))}, bits)
    decoded = (np.frombuffer(bits, np.uint16).astype(np.uint32) << 16).view(np.float32).reshape(50, 60)
    np.testing.assert_array_equal(tensors(file)[0].load().astype(np.float32), decoded)
    assert read_spectra(file)[0].meta["dtype"] == "bfloat16"


def test_metadata_and_several_tensors(tmp_path):
    arrays = {"b": np.arange(6.0).reshape(2, 3), "a": np.arange(4, dtype=np.float32)}
    save_file(arrays, tmp_path / "m.safetensors", metadata={"format": "np"})
    found = {tensor.name: tensor.load() for tensor in tensors(tmp_path / "m.safetensors")}
    assert found.keys() == arrays.keys()
    for name, values in arrays.items():
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.parametrize("code", ["I8", "U8", "I64", "BOOL"])
def test_integers_are_an_obstacle(tmp_path, code):
    size = 8 if code == "I64" else 1
    file = write(
        tmp_path / "m.safetensors", {"w": entry(code, [50, 50], 0, 2500 * size)}, b"\1" * 2500 * size
    )
    with pytest.raises(SpectrumError, match=f"tensor w is of type {code}, .*exclude"):
        read_spectra(file)


def test_float8_with_scales_is_an_obstacle(tmp_path):
    header = {"w": entry("F8_E4M3", [50, 50], 0, 2500), "w_scale_inv": entry("F32", [1, 1], 2500, 2504)}
    file = write(tmp_path / "m.safetensors", header, b"\1" * 2504)
    with pytest.raises(
        SpectrumError, match=r"tensor w is quantised in blocks \(its scales are in w_scale_inv\)"
    ):
        read_spectra(file)


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ({"w": entry("F32", [50, 50], 0, 10_000)}, b"\0" * 9_999),
        ({"w": entry("F32", [50, 50], 0, 100)}, b"\0" * 100),
        ({"w": entry("F32", [50, -50], 0, 100)}, b"\0" * 100),
        ({"w": entry("F32", [5, 5], 0, 100), "v": entry("F32", [5, 5], 50, 150)}, b"\0" * 150),
        ({"w": {"dtype": "F32"}}, b""),
        ([1, 2], b""),
    ],
    ids=["short body", "wrong shape", "negative side", "overlap", "no shape", "no table"],
)
def test_headers_that_lie(tmp_path, header, body):
    file = write(tmp_path / "m.safetensors", header, body)
    with pytest.raises(SpectrumError, match=r"m.safetensors is not a whole safetensors file \("):
        read_spectra(file)


def test_a_header_longer_than_the_file(tmp_path):
    file = tmp_path / "m.safetensors"
    file.write_bytes(struct.pack("<Q", 2**63) + b"{}")
    with pytest.raises(SpectrumError, match="not a whole safetensors file"):
        read_spectra(file)


def test_one_tensor_is_in_memory_at_a_time(tmp_path):
    arrays = {f"w{i}": np.random.default_rng(i).normal(size=(64, 16384)).astype(np.float32) for i in range(8)}
    save_file(arrays, tmp_path / "m.safetensors")
    one = arrays["w0"].nbytes
    del arrays
    gc.collect()
    tracemalloc.start()
    read_spectra(tmp_path / "m.safetensors")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The tensor, its float64 copy of twice the size, and what LAPACK needs for a moment; not all eight.
    assert peak < 5 * one
