"""Files that mean harm: nothing is executed, nothing outside the folder is read, nothing grows without bound."""

import io
import json
import os
import pickle
import pickletools
import struct
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from htmp_bayes.spectra import SpectrumError, read_spectra
from htmp_bayes.spectra.readers.inert_pickle import BrokenPickle, Call, Global, read_pickle

REAL = Path(__file__).parent / "readers" / "files"


def refusal(path):
    """The one sentence with which a file is refused."""
    with pytest.raises(SpectrumError) as caught:
        read_spectra(path, min_size=20)
    said = str(caught.value)
    assert said.endswith(".")
    assert "\n" not in said
    return said


# Pickles


class Explosive:
    """Leaves a file behind if its pickle is executed."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def torch_archive(path, content, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/data/0", np.ones(900, np.float32).tobytes())
    return path


def tensor_pickle(start=0, shape=(30, 30), stride=(30, 1)):
    """The pickle of {"w": tensor}, as torch writes it."""
    storage = (
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuM\x84\x03tQ"
    )
    numbers = b"".join(pickle.dumps(item, 2)[2:-1] for item in (start, shape, stride))
    return (
        b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n(" + storage + numbers + b"\x89NtRs."
    )


def test_an_archive_by_hand_is_read(tmp_path):
    file = torch_archive(tmp_path / "m.pt", tensor_pickle())
    assert "only 1 eigenvalues are positive" in refusal(file)  # its entries are all the same


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        ({"start": 1}, "w is not within its storage"),
        ({"shape": (30, 2**40)}, "w is not within its storage"),
        ({"stride": (2**40, 1)}, "w is not within its storage"),
        ({"start": -1}, "a shape that is none"),
        ({"stride": (30, -1)}, "a shape that is none"),
        ({"shape": (30, 2**70)}, "a shape that is none"),
        ({"shape": (3000, 3000), "stride": (0, 0)}, "repeats its entries"),
    ],
)
def test_tensors_beyond_their_storage_are_refused(tmp_path, tensor, words):
    assert words in refusal(torch_archive(tmp_path / "m.pt", tensor_pickle(**tensor)))


@pytest.mark.parametrize("suffix", ["pt", "bin", "ckpt"])
def test_code_in_an_archive_is_not_executed(tmp_path, suffix):
    content = pickle.dumps({"w": Explosive(tmp_path / "executed"), "v": np.ones((30, 30))}, 2)
    (tmp_path / "executed").unlink(missing_ok=True)
    assert "v is an array of NumPy within the pickle" in refusal(
        torch_archive(tmp_path / f"m.{suffix}", content)
    )
    assert not (tmp_path / "executed").exists()


def test_what_would_be_called_is_only_named():
    content = read_pickle(io.BytesIO(pickle.dumps(Explosive("executed"), 4)))
    assert isinstance(content, Call)
    assert content.function in (Global("io.open"), Global("_io.open"))
    assert not Path("executed").exists()


def test_a_string_with_escapes_that_there_are_not_is_data():
    assert read_pickle(io.BytesIO(b"S'a\\q'\n.")) == "a\\q"


def test_a_compressed_archive_is_refused(tmp_path):
    file = torch_archive(tmp_path / "m.pt", tensor_pickle() + bytes(10**6), zipfile.ZIP_DEFLATED)
    assert "compressed or encrypted" in refusal(file)


def nested(depth):
    return b"\x80\x02}" + b"(" + b")" + b"\x85" * depth + b"K\x01u."


HARMFUL = {
    "a huge place in the memo": b"\x80\x02}r\xff\xff\xff\x7f.",
    "a deep tuple as a key": nested(200_000),
    "a long string that is not there": b"\x80\x04\x8d" + struct.pack("<Q", 2**62),
    "a stack that is empty": b"\x80\x02R.",
    "a mark that is not there": b"\x80\x02t.",
    "an opcode of no checkpoint": b"\x80\x02\x82\x01.",
    "no end": b"\x80\x02}",
    "nothing": b"",
}


@pytest.mark.parametrize("harm", HARMFUL)
def test_harmful_pickles_end_soon(tmp_path, harm):
    said = refusal(torch_archive(tmp_path / "m.pt", HARMFUL[harm]))
    assert "is not a whole PyTorch checkpoint" in said or "holds no tensors" in said


def test_lists_that_double_are_searched_once(tmp_path):
    laughs = b"\x80\x02]q\x00" + b"".join(
        b"](h" + bytes([i]) + b"h" + bytes([i]) + b"eq" + bytes([i + 1]) for i in range(40)
    )
    assert "holds no tensors" in refusal(torch_archive(tmp_path / "m.pt", laughs + b"."))


@settings(max_examples=100)
@given(st.lists(st.sampled_from(pickletools.opcodes), max_size=30), st.binary(max_size=200))
def test_any_sequence_of_opcodes_is_data_or_broken(opcodes, arguments):
    stream = b"".join(op.code.encode("latin-1") + arguments[i : i + 5] for i, op in enumerate(opcodes)) + b"."
    try:
        read_pickle(io.BytesIO(stream))
        said = ""
    except BrokenPickle as error:
        said = str(error)
    assert "\n" not in said


# Files that name others


def sharded(folder, weight_map):
    folder.mkdir(exist_ok=True)
    save_file({"w": np.random.default_rng(1).normal(size=(30, 40))}, folder / "one.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return folder


def test_a_model_in_shards_is_read_by_its_folder_or_its_index(tmp_path):
    folder = sharded(tmp_path / "model", {"w": "one.safetensors", "v": "two.safetensors"})
    save_file({"v": np.random.default_rng(2).normal(size=(30, 40))}, folder / "two.safetensors")
    save_file({"u": np.ones((30, 40))}, folder / "unused.safetensors")
    names = [spectrum.name for spectrum in read_spectra(folder, min_size=20)]
    assert names == ["v", "w"]
    assert [s.name for s in read_spectra(folder / "model.safetensors.index.json", min_size=20)] == names


@pytest.mark.parametrize(
    ("weight_map", "words"),
    [
        ({"w": "/etc/passwd"}, "names '/etc/passwd', which is outside its folder"),
        ({"w": "../one.safetensors"}, "which is outside its folder"),
        ({"w": "absent.safetensors"}, "names 'absent.safetensors', which is not there"),
        ({"v": "one.safetensors"}, "says that one.safetensors holds v, which it does not"),
        ({"w": 3}, "is not an index of shards"),
        ({}, "names no files"),
        ([1], "is not an index of shards"),
        ({"w": "config.json"}, "which is not there"),
    ],
)
def test_an_index_that_names_what_it_must_not_is_refused(tmp_path, weight_map, words):
    assert words in refusal(sharded(tmp_path / "model", weight_map))


def test_links_out_of_the_folder_are_refused_but_for_the_cache_of_hugging_face(tmp_path):
    save_file({"w": np.random.default_rng(1).normal(size=(30, 40))}, tmp_path / "elsewhere.safetensors")
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "one.safetensors").symlink_to(tmp_path / "elsewhere.safetensors")
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"w": "one.safetensors"}}')
    assert "a link to a file outside the folder" in refusal(folder)
    (folder / "model.safetensors.index.json").unlink()
    assert "a link to a file outside the folder" in refusal(folder)
    (folder / "one.safetensors").unlink()
    (folder / "one.safetensors").symlink_to("one.safetensors")
    assert refusal(folder)

    snapshot, blobs = tmp_path / "models--a--b" / "snapshots" / "rev", tmp_path / "models--a--b" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (tmp_path / "elsewhere.safetensors").rename(blobs / "123")
    (snapshot / "model.safetensors").symlink_to("../../blobs/123")
    assert [spectrum.name for spectrum in read_spectra(snapshot, min_size=20)] == ["w"]


def test_onnx_values_outside_the_folder_are_refused(tmp_path):
    content = (REAL / "external.onnx").read_bytes()
    (tmp_path / "secret").write_bytes(bytes(20_000))
    (tmp_path / "model").mkdir()
    for place in (b"/////tmp/xxxx", b"../../secret0"):
        assert len(place) == len(b"external.data")
        (tmp_path / "model" / "m.onnx").write_bytes(content.replace(b"external.data", place))
        assert "outside its folder" in refusal(tmp_path / "model" / "m.onnx")


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_names_that_no_file_keeps_are_refused(tmp_path, name):
    header = json.dumps({name: {"dtype": "F64", "shape": [30, 40], "data_offsets": [0, 9600]}}).encode()
    body = np.random.default_rng(1).normal(size=(30, 40)).tobytes()
    (tmp_path / "m.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + body)
    assert refusal(tmp_path / "m.safetensors")


# Bombs and lies


def test_a_bomb_in_an_archive_of_numpy_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "m.npz", w=np.zeros((2000, 2000)))
    assert "32000128 bytes long, of which" in refusal(tmp_path / "m.npz")


def test_a_bomb_in_hdf5_is_refused(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("w", (2000, 2000), "f8", chunks=(2000, 2000), compression="gzip")
        file["w"][...] = 0
        file.create_dataset("v", (10**4, 10**6), "f8", chunks=(1000, 1000))
    said = refusal(tmp_path / "m.h5")
    assert "would be 80000000000 bytes long, of which 0 are stored" in said


def of_external(file, name):
    file.create_dataset("name", (1,), "S120", external=[(str(name), 0, 120)])


def of_virtual(file, name):
    layout = h5py.VirtualLayout((3,), "S120")
    layout[:] = h5py.VirtualSource(str(name), "text", shape=(3,))
    file.create_virtual_dataset("name", layout)


def of_virtual_without_end(file, name):
    """Its length depends on how many files there are: to ask for its shape opens them."""
    layout = h5py.VirtualLayout((3,), "S120", maxshape=(None,))
    layout[:] = h5py.VirtualSource(str(name), "text", shape=(3,), maxshape=(None,))
    file.create_virtual_dataset("name", layout)


@pytest.mark.parametrize("suffix", ["nc", "h5"])
@pytest.mark.parametrize("point", [of_external, of_virtual, of_virtual_without_end])
@pytest.mark.parametrize("relative", [False, True])
def test_hdf5_that_points_outside_is_refused_before_that_is_opened(tmp_path, suffix, point, relative):
    """What it points to is a pipe: to open that would wait without end."""
    os.mkfifo(tmp_path / "outside.h5")
    with h5py.File(tmp_path / f"m.{suffix}", "w") as file:
        file.attrs["format"] = "htmp_bayes spectra, version 1"
        point(file, "outside.h5" if relative else tmp_path / "outside.h5")
    assert "/name has its values in another file, which is not opened" in refusal(tmp_path / f"m.{suffix}")


def test_numbers_of_hdf5_outside_are_refused_and_links_are_not_followed(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("w", (100, 100), "f8", external=[("/etc/passwd", 0, 80_000)])
    assert "has its values in another file" in refusal(tmp_path / "m.h5")
    with h5py.File(tmp_path / "n.h5", "w") as file:
        file["w"] = h5py.ExternalLink("m.h5", "w")
    assert "no tensors at all" in refusal(tmp_path / "n.h5")


def test_hdf5_does_not_look_for_code_that_a_file_asks_for(tmp_path):
    """A filter that the library does not know would be looked for in folders of plug-ins, and run."""
    with h5py.File(tmp_path / "m.h5", "w") as file:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((30, 40))
        plan.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple((30, 40))
        h5py.h5d.create(file.id, b"w", h5py.h5t.IEEE_F64LE, space, plan)
        file["w"].id.write_direct_chunk((0, 0), bytes(9600))
    said = refusal(tmp_path / "m.h5")
    assert "filter" in said
    assert "lib/plugin" not in said


@pytest.mark.parametrize(
    "name", ["model.safetensors", "weights.npz", "model.safetensors.index.json", "spectra.nc"]
)
def test_pipes_are_refused(tmp_path, name):
    os.mkfifo(tmp_path / name)
    assert "is no regular file" in refusal(tmp_path / name)
    assert "is no regular file" in refusal(tmp_path)


def test_settings_of_a_model_outside_of_its_folder_are_not_read(tmp_path, caplog):
    (tmp_path / "outside.json").write_text('{"num_attention_heads": 2}')
    (tmp_path / "model").mkdir()
    save_file(
        {"q_proj": np.random.default_rng(1).normal(size=(60, 80))}, tmp_path / "model" / "m.safetensors"
    )
    (tmp_path / "model" / "config.json").symlink_to(tmp_path / "outside.json")
    names = [spectrum.name for spectrum in read_spectra(tmp_path / "model", min_size=20, heads="auto")]
    assert names == ["q_proj"]
    assert "'config.json', a link to a file outside the folder" in caplog.text


def test_a_compressed_keras_archive_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", bytes(10**6))
    assert "compressed or encrypted" in refusal(tmp_path / "m.keras")


def gguf(*fields):
    return b"GGUF" + b"".join(fields)


@pytest.mark.parametrize(
    "content",
    [
        gguf(struct.pack("<IQQ", 3, 2**63, 0)),
        gguf(struct.pack("<IQQ", 3, 0, 2**63)),
        gguf(struct.pack("<IQQQ", 3, 0, 1, 2**62), b"key"),
        gguf(struct.pack("<IQQQ", 3, 0, 1, 1), b"k", struct.pack("<IIQ", 9, 4, 2**62)),
        gguf(struct.pack("<IQQQ", 3, 1, 0, 1), b"w", struct.pack("<IQQIQ", 2, 2**40, 2**40, 0, 0)),
        gguf(struct.pack("<IQQQ", 3, 1, 0, 1), b"w", struct.pack("<I", 2**31)),
        gguf(struct.pack("<IQQ", 1, 0, 0)),
    ],
)
def test_gguf_headers_that_lie_are_refused(tmp_path, content):
    (tmp_path / "m.gguf").write_bytes(content)
    assert "m.gguf is not a whole GGUF file" in refusal(tmp_path / "m.gguf")


@pytest.mark.parametrize(
    "content",
    [
        b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x3a\x05\x2a\x03\x08\x02",
        b"\xff" * 30,
        b"\x3a\x06\x2a\x04\x08\x80\x80\x80",
        b"\x0b",
    ],
)
def test_onnx_messages_that_lie_are_refused(tmp_path, content):
    (tmp_path / "m.onnx").write_bytes(content)
    assert "m.onnx is not a whole ONNX model" in refusal(tmp_path / "m.onnx")


# Damage of any kind; thousands of inputs of every format are in benchmarks/fuzz.py


@pytest.mark.parametrize(
    "file",
    ["zip.pt", "legacy.pt", "module.pt", "model.onnx", "external.onnx", "branches.onnx", "model.gguf"],
)
@settings(max_examples=30)
@given(data=st.data())
def test_changed_bytes_give_spectra_or_a_sentence(tmp_path_factory, file, data):
    content = bytearray((REAL / file).read_bytes())
    changes = st.tuples(
        st.integers(0, len(content) - 1) | st.integers(0, 2000), st.binary(min_size=1, max_size=8)
    )
    for place, new in data.draw(st.lists(changes, min_size=1, max_size=4)):
        content[place : place + len(new)] = new
    damaged = tmp_path_factory.mktemp("damaged") / file
    damaged.write_bytes(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))])
    try:
        read_spectra(damaged, min_size=20, exclude="int64|quantised")
        said = "."
    except SpectrumError as error:
        said = str(error)
    assert said.endswith(".")
    assert "\n" not in said
    assert [path.name for path in damaged.parent.iterdir()] == [file]
