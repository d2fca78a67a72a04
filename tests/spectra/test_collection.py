"""Collections come back as they were saved, and are whole or not there."""

import json

import h5netcdf
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import htmp_bayes
from htmp_bayes.spectra import Spectrum, SpectrumError, read_spectra, save_spectra

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
EIGENVALUES = hnp.arrays(
    np.float64, st.integers(20, 40), elements=st.floats(1e-300, 1e300), unique=True
).filter(lambda values: np.ptp(values) > 1e-3 * values.max())
SPECTRA = st.builds(
    Spectrum,
    EIGENVALUES,
    n=st.integers(60, 10**6),
    name=TEXT,
    kind=st.sampled_from(["weight", "jacobian", "kernel"]),
    zeros=st.integers(0, 20),
    meta=st.dictionaries(TEXT, JSON, max_size=3),
)


@settings(max_examples=8)  # reading starts a process each time
@given(st.lists(SPECTRA, min_size=1, max_size=3))
def test_what_is_saved_is_read_back(tmp_path_factory, spectra):
    path = tmp_path_factory.mktemp("collection") / "spectra.nc"
    save_spectra(spectra, path)
    assert read_spectra(path) == spectra


@pytest.fixture
def spectra():
    rng = np.random.default_rng(1)
    return [Spectrum.from_matrix(rng.normal(size=(size, 70)), name=f"layer.{size}") for size in (60, 30)]


def test_other_netcdf_readers_open_it(tmp_path, spectra):
    save_spectra(spectra, tmp_path / "spectra.nc")
    with xr.open_dataset(tmp_path / "spectra.nc") as table:
        assert table["name"].values.tolist() == ["layer.60", "layer.30"]
        assert table["row_size"].values.tolist() == [60, 30]
        np.testing.assert_array_equal(table["eigenvalue"][60:], spectra[1].eigenvalues)


def test_the_same_spectra_make_the_same_file(tmp_path, spectra):
    for name in ("a.nc", "b.nc"):
        save_spectra(spectra, tmp_path / name)
    assert (tmp_path / "a.nc").read_bytes() == (tmp_path / "b.nc").read_bytes()


def test_the_file_says_with_which_versions_and_settings_it_was_made(tmp_path, spectra):
    save_spectra(spectra, tmp_path / "a.nc")
    save_spectra(spectra, tmp_path / "b.nc", {"include": "layer", "random_seed": 7})
    with xr.open_dataset(tmp_path / "a.nc") as plain, xr.open_dataset(tmp_path / "b.nc") as told:
        assert plain.attrs["htmp_bayes_version"] == htmp_bayes.__version__
        assert plain.attrs["numpy_version"] == np.__version__
        assert (plain.attrs["random_seed"], plain.attrs["settings"]) == ("none", "{}")
        assert json.loads(told.attrs["settings"]) == {"include": "layer", "random_seed": 7}
        assert told.attrs["random_seed"] == "7"
    assert read_spectra(tmp_path / "b.nc") == spectra


def test_settings_that_json_cannot_hold_are_refused(tmp_path, spectra):
    with pytest.raises(SpectrumError, match="settings must hold what JSON can hold"):
        save_spectra(spectra, tmp_path / "a.nc", {"model": object()})
    assert list(tmp_path.iterdir()) == []


def test_any_iterable_is_saved(tmp_path, spectra):
    save_spectra(iter(spectra), str(tmp_path / "spectra.nc"))
    assert read_spectra(tmp_path / "spectra.nc") == spectra


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, spectra, monkeypatch):
    path = tmp_path / "spectra.nc"
    save_spectra(spectra, path)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("htmp_bayes.spectra.collection._write", fail)
    with pytest.raises(SpectrumError, match=r"spectra.nc cannot be written \(No space left on device\)"):
        save_spectra(spectra[:1], path)
    assert [file.name for file in tmp_path.iterdir()] == ["spectra.nc"]
    assert read_spectra(path) == spectra


@pytest.mark.parametrize("place", ["absent/spectra.nc", "file/spectra.nc"])
def test_a_place_that_cannot_be_written(tmp_path, spectra, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(SpectrumError, match=r"spectra.nc cannot be written \("):
        save_spectra(spectra, tmp_path / place)


def test_nothing_to_save_and_another_suffix(tmp_path, spectra):
    with pytest.raises(SpectrumError, match="no spectra to save"):
        save_spectra([], tmp_path / "spectra.nc")
    with pytest.raises(SpectrumError, match=r"has the suffix \.nc"):
        save_spectra(spectra, tmp_path / "spectra.h5")
    assert list(tmp_path.iterdir()) == []


def test_other_netcdf_files_are_refused(tmp_path):
    path = tmp_path / "posterior.nc"
    xr.Dataset({"kappa": ("draw", [1.0, 2.0])}).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(SpectrumError, match=r"posterior.nc is not a collection of spectra"):
        read_spectra(path)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("row_size", 61, "is not a whole netCDF file"),
        ("row_size", -60, "is not a whole netCDF file"),
        ("eigenvalue", np.nan, "layer.60: eigenvalues hold 1 NaN"),
        ("n", 3, "layer.60: n=3 is less than"),
        ("meta", "{", "is not a whole netCDF file"),
    ],
)
def test_damaged_tables_are_refused(tmp_path, spectra, column, value, message):
    path = tmp_path / "spectra.nc"
    save_spectra(spectra, path)
    with h5netcdf.File(path, "a") as file:
        file[column][0] = value
    with pytest.raises(SpectrumError, match=f"spectra.nc.* {message}"):
        read_spectra(path)
