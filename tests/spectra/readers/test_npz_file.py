"""Archives and single arrays of NumPy."""

import zipfile

import h5py
import ml_dtypes
import numpy as np
import pytest

from htmp_bayes.spectra import Spectrum, SpectrumError, read_spectra
from htmp_bayes.spectra.readers import npy_file, npz_file


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_members_are_listed_and_loaded(tmp_path, save):
    arrays = {"b/w": np.arange(6.0).reshape(2, 3), "a": np.asfortranarray(np.ones((3, 2), np.float16))}
    save(tmp_path / "m.npz", **arrays)
    found = npz_file.tensors(tmp_path / "m.npz")
    assert [(t.name, t.shape, t.dtype) for t in found] == [
        ("b/w", (2, 3), "float64"),
        ("a", (3, 2), "float16"),
    ]
    for tensor in found:
        np.testing.assert_array_equal(tensor.load(), arrays[tensor.name])


def test_big_endian_arrays_are_read(tmp_path):
    W = np.random.default_rng(1).normal(size=(50, 60))
    np.save(tmp_path / "big.npy", W.astype(">f4"))
    np.save(tmp_path / "little.npy", W.astype("<f4"))
    big, little = read_spectra(tmp_path)
    np.testing.assert_array_equal(big.eigenvalues, little.eigenvalues)


def test_a_member_that_is_no_array(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.npz", "w") as archive:
        archive.writestr("w.npy", "no array")
    with pytest.raises(SpectrumError, match=r"m.npz: tensor w is damaged .* exclude"):
        read_spectra(tmp_path / "m.npz")


def test_a_member_whose_values_were_changed(tmp_path):
    W = np.random.default_rng(1).normal(size=(50, 60))
    np.savez(tmp_path / "m.npz", w=W)
    content = bytearray((tmp_path / "m.npz").read_bytes())
    content[5000] ^= 0xFF
    (tmp_path / "m.npz").write_bytes(content)
    with pytest.raises(SpectrumError, match=r"m.npz: w.npy is damaged"):
        read_spectra(tmp_path / "m.npz")


def claiming(side):
    """A .npy file whose header claims that many rows and columns, with no values."""
    header = str({"descr": "<f8", "fortran_order": False, "shape": (side, side)}).ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()


@pytest.mark.parametrize("side", [10**2, 10**7, 10**12])
def test_a_header_that_claims_more_than_the_file_holds(tmp_path, side):
    (tmp_path / "m.npy").write_bytes(claiming(side))
    with zipfile.ZipFile(tmp_path / "m.npz", "w") as archive:
        archive.writestr("w.npy", claiming(side))
    for name in ("m.npy is not a whole .npy file", "m.npz: tensor w is damaged"):
        with pytest.raises(SpectrumError, match=rf"{name} \(too short for an array"):
            read_spectra(tmp_path / name[:5])


def test_a_header_that_is_too_long_is_refused_in_one_line(tmp_path):
    header = "{" + " " * 20_000 + "}"
    start = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little")
    (tmp_path / "m.npy").write_bytes(start + header.encode())
    with pytest.raises(SpectrumError, match=r"not a whole \.npy file") as caught:
        read_spectra(tmp_path / "m.npy")
    assert "\n" not in str(caught.value)
    assert "allow_pickle" not in str(caught.value)


@pytest.mark.parametrize("garbage", ["'", "\x0f", "(", "\\"])
def test_a_header_that_does_not_parse(tmp_path, garbage):
    content = claiming(100).replace(b"'shape'", f"'sha{garbage}".encode().ljust(7)) + bytes(80_000)
    (tmp_path / "m.npy").write_bytes(content)
    with pytest.raises(SpectrumError, match=r"not a whole \.npy file"):
        read_spectra(tmp_path / "m.npy")


def test_versions_of_the_array_header(tmp_path):
    W = np.random.default_rng(1).normal(size=(50, 60))
    for version in ((1, 0), (2, 0), (3, 0)):
        with (tmp_path / f"v{version[0]}.npy").open("wb") as file:
            np.lib.format.write_array(file, W, version=version)
    for name in ("v1.npy", "v2.npy"):
        assert npy_file.tensors(tmp_path / name)[0].shape == (50, 60)
    with pytest.raises(SpectrumError, match=r"v3.npy is not a whole .npy file \(unknown version"):
        read_spectra(tmp_path / "v3.npy")


@pytest.mark.parametrize(
    "array", [np.zeros((500, 500)), np.zeros((4000, 64), np.int64), np.kron(np.eye(500), np.ones(4))]
)
def test_an_array_that_compresses_well_does_not_make_the_archive_unreadable(tmp_path, array):
    np.savez_compressed(tmp_path / "m.npz", mask=array, w=np.random.default_rng(1).normal(size=(50, 60)))
    assert [spectrum.name for spectrum in read_spectra(tmp_path / "m.npz", exclude="mask")] == ["w"]


def test_exclude_gets_past_bombs_and_members_that_are_no_arrays(tmp_path):
    W = np.random.default_rng(1).normal(size=(50, 60))
    np.savez_compressed(tmp_path / "m.npz", bomb=np.zeros((2000, 2000)), w=W)
    with zipfile.ZipFile(tmp_path / "m.npz", "a") as archive:
        archive.writestr("bad.npy", "no array")
    with pytest.raises(SpectrumError, match=r"tensor bad is damaged"):
        read_spectra(tmp_path / "m.npz", exclude="bomb")
    with pytest.raises(SpectrumError, match=r"tensor bomb would be 32000128 bytes long"):
        read_spectra(tmp_path / "m.npz", exclude="bad")
    assert [spectrum.name for spectrum in read_spectra(tmp_path / "m.npz", exclude="bad|bomb")] == ["w"]


def test_pickled_members_are_never_passed_over(tmp_path):
    np.savez(tmp_path / "m.npz", params=np.array({"a": 1}), w=np.random.default_rng(1).normal(size=(50, 60)))
    np.save(tmp_path / "m.npy", {"a": 1}, allow_pickle=True)
    for name in ("m.npz", "m.npy"):
        with pytest.raises(SpectrumError, match=r"holds pickled Python objects, which are never executed"):
            read_spectra(tmp_path / name)


def test_bfloat16_lost_its_name_and_is_read(tmp_path):
    W = np.random.default_rng(1).normal(size=(50, 60)).astype(ml_dtypes.bfloat16)
    np.savez(tmp_path / "m.npz", w=W)
    np.savez_compressed(tmp_path / "c.npz", w=W)
    np.save(tmp_path / "w.npy", W)
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["layers/dense/vars/0"] = W
        file.create_dataset("layers/other/vars/0", data=W, compression="gzip")
    expected = Spectrum.from_matrix(W).eigenvalues
    for name in ("m.npz", "c.npz", "w.npy", "m.h5"):
        for spectrum in read_spectra(tmp_path / name):
            np.testing.assert_allclose(spectrum.eigenvalues, expected, rtol=1e-10)
            assert spectrum.meta["dtype"] == "bfloat16"


def test_float8_without_its_name_is_explained(tmp_path):
    np.savez(tmp_path / "m.npz", w=np.ones((50, 60)).astype(ml_dtypes.float8_e4m3fn))
    with pytest.raises(SpectrumError, match=r"tensor w is of type \|V1, bytes without a name \(float8"):
        read_spectra(tmp_path / "m.npz")
