"""Archives and single arrays of NumPy."""

import zipfile

import numpy as np
import pytest

from htmp_bayes.spectra import SpectrumError, read_spectra
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
    with pytest.raises(SpectrumError, match=r"m.npz is not a whole .npz archive"):
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
    for name in ("m.npy", "m.npz"):
        with pytest.raises(SpectrumError, match=rf"{name} is not a whole .* \(too short for an array"):
            read_spectra(tmp_path / name)


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
