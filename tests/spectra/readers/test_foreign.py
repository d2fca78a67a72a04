"""What is none of the formats, or only begins as one, is told for what it is."""

import pickle
import struct
import zipfile

import numpy as np
import pytest

from htmp_bayes.spectra import SpectrumError, read_spectra
from tests.spectra.writers import Tensor, save_torch

W = np.random.default_rng(1).normal(size=(60, 70)).astype(np.float32)


def refusal(path):
    with pytest.raises(SpectrumError) as caught:
        read_spectra(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_model_of_ctranslate2(tmp_path):
    name = b"WhisperSpec\0"
    (tmp_path / "model.bin").write_bytes(struct.pack("<IH", 6, len(name)) + name + struct.pack("<II", 3, 300))
    assert "is a model of CTranslate2, which is not read" in refusal(tmp_path / "model.bin")


@pytest.mark.parametrize("suffix", ["safetensors", "onnx", "h5", "bin"])
def test_a_pointer_and_a_page_in_place_of_the_file(tmp_path, suffix):
    file = tmp_path / f"m.{suffix}"
    file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    assert "is a pointer of Git LFS" in refusal(file)
    file.write_text("<!DOCTYPE html><html>Not found</html>")
    assert "is a page of HTML" in refusal(file)


@pytest.mark.parametrize("suffix", ["pt", "npz", "keras"])
def test_an_archive_that_is_cut_short(tmp_path, suffix):
    whole = save_torch({"w": Tensor(W)}, tmp_path / "m.pt").read_bytes()
    for kept in (0.1, 0.5, 0.999):
        (tmp_path / f"m.{suffix}").write_bytes(whole[: int(kept * len(whole))])
        assert "it begins as one of ZIP and is cut short" in refusal(tmp_path / f"m.{suffix}")


def test_an_archive_that_says_that_it_goes_on_elsewhere(tmp_path):
    content = bytearray(save_torch({"w": Tensor(W)}, tmp_path / "m.pt").read_bytes())
    locator = struct.pack(
        "<4sIQI", b"PK\x06\x07", 1, 0, 2
    )  # of the end record of ZIP64, on the second of two disks
    (tmp_path / "m.pt").write_bytes(content[:-22] + locator + content[-22:])
    assert refusal(tmp_path / "m.pt").endswith(".")


def test_an_archive_of_stable_baselines(tmp_path):
    with zipfile.ZipFile(tmp_path / "agent.zip", "w") as archive:
        archive.writestr("policy.pth", b"")
    assert "is an archive of files; unpack it and read the checkpoint in it (policy.pth" in refusal(
        tmp_path / "agent.zip"
    )


def test_a_torchscript_archive_is_read(tmp_path):
    """Its pickle has the model as an object with a state, its code and constants beside it."""
    path = save_torch({"w": Tensor(W)}, tmp_path / "m.pt")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/constants.pkl", pickle.dumps((), 2))
        archive.writestr("archive/code/__torch__.py", "def forward(self): ...")
    assert [spectrum.name for spectrum in read_spectra(path)] == ["w"]


def test_what_a_trainer_keeps_beside_the_model_is_passed_over_with_a_word(tmp_path, caplog):
    save_torch({"fc.weight": Tensor(W)}, tmp_path / "best_model.pt")
    save_torch({"lr": 1.0}, tmp_path / "training_args.bin")
    assert [spectrum.name for spectrum in read_spectra(tmp_path)] == ["fc"]
    assert caplog.messages == [
        f"{tmp_path / 'training_args.bin'} holds no tensors and is passed over; the rest is read."
    ]
    with pytest.raises(
        SpectrumError, match=r"training_args.bin holds no tensors and is passed over; without strict"
    ):
        read_spectra(tmp_path, strict=True)
    assert "holds no tensors (it was not executed" in refusal(tmp_path / "training_args.bin")


def test_exclude_gets_past_a_file_of_a_folder_that_cannot_be_read(tmp_path, caplog):
    save_torch({"fc.weight": Tensor(W)}, tmp_path / "model.pt")
    (tmp_path / "vocabulary.bin").write_bytes(b"words")
    assert "vocabulary.bin is not a whole PyTorch checkpoint" in refusal(tmp_path)
    assert [spectrum.name for spectrum in read_spectra(tmp_path, exclude="vocab")] == ["fc"]
    assert caplog.messages == [
        f"{tmp_path / 'vocabulary.bin'} cannot be read and is passed over; the rest is read."
    ]
    with pytest.raises(SpectrumError, match=r"vocabulary.bin is not a whole"):
        read_spectra([tmp_path / "model.pt", tmp_path / "vocabulary.bin"], exclude="vocab")


def test_models_that_accelerate_numbers_are_read_and_others_are_named(tmp_path, caplog):
    save_torch({"conv.weight": Tensor(W)}, tmp_path / "pytorch_model.bin")
    save_torch({"fc.weight": Tensor(W + 1)}, tmp_path / "pytorch_model_1.bin")
    (tmp_path / "tf_model.h5").write_bytes(b"the same in another format")
    assert [spectrum.name for spectrum in read_spectra(tmp_path)] == ["conv", "fc"]
    assert caplog.messages == []
    save_torch({"fc.weight": Tensor(W)}, tmp_path / "discriminator.pt")
    read_spectra(tmp_path)
    assert caplog.messages == [
        f"{tmp_path / 'pytorch_model.bin'} is read, and discriminator.pt beside it not; name them to read them."
    ]
