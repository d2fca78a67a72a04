"""Which files and tensors are read, under which names, and what is said when that cannot be."""

import logging
import pickle

import numpy as np
import pytest
from safetensors.numpy import save_file

from htmp_bayes.spectra import Spectrum, SpectrumError, read_spectra, readers, save_spectra

DEFAULT_NAMES = ["conv", "layer.2.dense", "layer.10.dense"]


def names(spectra):
    return [spectrum.name for spectrum in spectra]


@pytest.fixture
def checkpoint(tmp_path, weights):
    save_file(weights, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_matrices_of_50_eigenvalues_and_more_come_in_natural_order(checkpoint):
    assert names(read_spectra(checkpoint)) == DEFAULT_NAMES
    assert names(read_spectra(str(checkpoint))) == DEFAULT_NAMES


def test_a_layer_is_the_spectrum_of_its_tensor(checkpoint, weights):
    layer = read_spectra(checkpoint, include="layer.10")[0]
    expected = Spectrum.from_matrix(weights["layer.10.dense.weight"])
    np.testing.assert_array_equal(layer.eigenvalues, expected.eigenvalues)
    assert layer.n == 80
    assert layer.meta == {
        "shape": [60, 80],
        "dtype": "float32",
        "file": "model.safetensors",
        "tensor": "layer.10.dense.weight",
        "type": "linear",
    }


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"include": r"layer\.\d+"}, ["layer.2.dense", "layer.10.dense"]),
        ({"include": "dense$"}, ["layer.2.dense", "layer.10.dense"]),
        ({"include": "dense.weight$"}, ["layer.2.dense", "layer.10.dense"]),
        ({"exclude": "layer"}, ["conv"]),
        ({"include": "layer", "exclude": "10"}, ["layer.2.dense"]),
        ({"min_size": 60}, ["layer.2.dense", "layer.10.dense"]),
        ({"min_size": 30}, ["conv", "layer.2.dense", "layer.10.dense", "small"]),
    ],
)
def test_include_exclude_and_min_size_choose(checkpoint, choice, expected):
    assert names(read_spectra(checkpoint, **choice)) == expected


def test_progress_is_told_before_each_layer_and_at_the_end(checkpoint):
    told = []
    read_spectra(checkpoint, progress=lambda *step: told.append(step))
    assert told == [(0, 3, "conv"), (1, 3, "layer.2.dense"), (2, 3, "layer.10.dense"), (3, 3, "")]


def test_what_is_left_out_is_logged_with_the_reason(checkpoint, caplog):
    with caplog.at_level(logging.INFO, logger="htmp_bayes"):
        read_spectra(checkpoint, exclude="conv")
    assert "small left out: smaller than min_size=50" in caplog.messages
    assert "conv left out: matching exclude='conv'" in caplog.messages
    assert "layer.2.dense.bias left out: not matrices" in caplog.messages


def test_formats_agree(tmp_path, checkpoint, weights):
    np.savez_compressed(tmp_path / "model.npz", **weights)
    assert [s.eigenvalues.tolist() for s in read_spectra(tmp_path / "model.npz")] == [
        s.eigenvalues.tolist() for s in read_spectra(checkpoint)
    ]


def test_a_folder_is_read_file_by_file_in_natural_order(tmp_path):
    rng = np.random.default_rng(2)
    for layer in (10, 2):
        np.save(tmp_path / f"layer{layer}.npy", rng.normal(size=(50, 60)))
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / ".hidden.npy").write_text("half a download")
    assert names(read_spectra(tmp_path)) == ["layer2", "layer10"]


def test_layers_of_several_files_are_told_apart_by_the_file(tmp_path, weights):
    for step in (2, 10):
        np.savez(tmp_path / f"step{step}.npz", **weights)
    expected = [f"step{step}.{name}" for step in (2, 10) for name in DEFAULT_NAMES]
    assert names(read_spectra(tmp_path)) == expected
    assert names(read_spectra([tmp_path / "step2.npz", str(tmp_path / "step10.npz")])) == expected


def test_files_of_the_same_name_are_told_apart_by_their_folder(tmp_path, weights):
    files = [tmp_path / folder / "model.npz" for folder in ("a", "b")]
    for file in files:
        file.parent.mkdir()
        np.savez(file, **weights)
    assert names(read_spectra(files, include="conv")) == ["a.model.conv", "b.model.conv"]


def test_a_file_named_twice_is_read_once(checkpoint):
    assert names(read_spectra([checkpoint, checkpoint])) == DEFAULT_NAMES


def test_tensors_that_differ_only_by_weight_keep_their_full_names(tmp_path):
    rng = np.random.default_rng(3)
    np.savez(tmp_path / "m.npz", **{"a": rng.normal(size=(50, 60)), "a.weight": rng.normal(size=(50, 60))})
    assert names(read_spectra(tmp_path / "m.npz")) == ["a", "a.weight"]


def test_a_collection_is_read_whole_and_in_its_order_unless_chosen_from(tmp_path):
    spectra = [
        Spectrum(np.linspace(1, 2, size), n=100, name=name)
        for name, size in {"b": 30, "a": 60, "c": 25}.items()
    ]
    save_spectra(spectra, tmp_path / "spectra.nc")
    assert read_spectra(tmp_path / "spectra.nc") == spectra
    assert names(read_spectra(tmp_path / "spectra.nc", min_size=30)) == ["b", "a"]
    assert names(read_spectra(tmp_path / "spectra.nc", exclude="a|b")) == ["c"]


# Bad input: one sentence that names the file, and the tensor where there is one


def assert_refused(message, path, **choice):
    with pytest.raises(SpectrumError, match=message) as caught:
        read_spectra(path, **choice)
    assert "\n" not in str(caught.value)
    assert caught.value.args[0].endswith(".")
    return str(caught.value)


@pytest.mark.parametrize("suffix", ["safetensors", "npz", "npy", "nc", "pt", ""])
def test_a_path_that_is_not_there(tmp_path, suffix):
    assert_refused(r"absent\S* does not exist", tmp_path / f"absent.{suffix}")


def test_a_folder_without_checkpoints(tmp_path):
    assert_refused("has no checkpoint in it", tmp_path)


@pytest.mark.parametrize("name", ["model.pkl", "model.msgpack", "model"])
def test_a_format_that_is_not_read(tmp_path, name):
    (tmp_path / name).write_bytes(pickle.dumps({"a": 1}))
    assert_refused("not of a format that is read .*pickles never", tmp_path / name)


class Explosive:
    """Leaves a file behind if its pickle is executed."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("suffix", ["nc", "csv", "json", *(suffix[1:] for suffix in readers.MODULES)])
def test_a_pickle_under_another_name_is_not_executed(tmp_path, suffix):
    file = tmp_path / f"model.{suffix}"
    file.write_bytes(pickle.dumps(Explosive(tmp_path / "executed")))
    assert_refused(f"model.{suffix} is not a (whole|list)", file)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("suffix", ["npz", "npy"])
def test_arrays_of_pickled_objects_are_not_executed(tmp_path, suffix):
    array = np.full((50, 60), None)
    array[0, 0] = Explosive(tmp_path / "executed")
    file = tmp_path / f"model.{suffix}"
    np.save(file, array, allow_pickle=True) if suffix == "npy" else np.savez(file, model=array)
    (tmp_path / "executed").unlink(missing_ok=True)
    assert_refused("tensor model holds pickled Python objects, which are never executed", file)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.999])
@pytest.mark.parametrize("suffix", ["safetensors", "npz", "npy", "nc"])
def test_truncated_files(tmp_path, weights, suffix, kept):
    file = tmp_path / f"model.{suffix}"
    match suffix:
        case "safetensors":
            save_file(weights, file)
        case "npz":
            np.savez(file, **weights)
        case "npy":
            np.save(file, weights["layer.2.dense.weight"])
        case "nc":
            save_spectra([Spectrum.from_matrix(weights["conv.weight"], name="conv")], file)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(kept * len(whole))])
    assert_refused(rf"model.{suffix}.* is (not a whole|damaged)", file)


@pytest.mark.parametrize(
    ("value", "message"),
    [(np.nan, "1 NaN"), (np.inf, "1 infinite values")],
)
def test_weights_that_are_not_finite_are_refused_unless_excluded(tmp_path, weights, value, message):
    weights["conv.weight"][3, 2, 1, 0] = value
    save_file(weights, tmp_path / "model.safetensors")
    refusal = assert_refused(message, tmp_path / "model.safetensors")
    assert "model.safetensors: tensor conv.weight" in refusal
    assert names(read_spectra(tmp_path, exclude="conv")) == ["layer.2.dense", "layer.10.dense"]


@pytest.mark.parametrize("dtype", [np.complex64, np.int8, np.bool_, "U3"])
def test_matrices_that_are_no_real_numbers_are_refused_unless_excluded(tmp_path, weights, dtype):
    weights["conv.weight"] = weights["conv.weight"].astype(dtype)
    np.savez(tmp_path / "model.npz", **weights)
    assert_refused(r"model.npz: tensor conv.weight is of type .* exclude", tmp_path / "model.npz")
    assert names(read_spectra(tmp_path, exclude="conv")) == ["layer.2.dense", "layer.10.dense"]


def test_a_matrix_of_low_rank_is_refused(tmp_path):
    np.save(tmp_path / "model.npy", np.ones((50, 60)))
    assert_refused(r"tensor model .* only 1 eigenvalues are positive \(49 are zero\)", tmp_path / "model.npy")


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"include": "absent"}, r"4 not matching include='absent'.*mend include"),
        ({"exclude": "e"}, "matching exclude='e'"),
        ({"min_size": 1000}, "4 smaller than min_size=1000"),
        ({"include": "("}, r"include='\(' is not a regular expression"),
        ({"min_size": 19}, "min_size=19 is less than 20"),
    ],
)
def test_choices_that_leave_nothing(checkpoint, choice, message):
    assert_refused(message, checkpoint, **choice)


def refuse(*_):
    raise PermissionError(13, "Permission denied")


def test_a_file_that_may_not_be_read(checkpoint, monkeypatch):
    monkeypatch.setattr("htmp_bayes.spectra.readers.tensors", refuse)
    assert_refused(r"model.safetensors cannot be read \(Permission denied\)", checkpoint)


def test_a_file_that_can_no_longer_be_read(checkpoint, monkeypatch):
    monkeypatch.setattr("htmp_bayes.spectra.readers.safetensors_file._load", refuse)
    assert_refused(r"tensor conv.weight cannot be read \(Permission denied\)", checkpoint)
