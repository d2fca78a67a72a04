"""Eigenvalues from elsewhere: tables and JSON, whole and broken."""

import json

import numpy as np
import pytest

from htmp_bayes.spectra import Spectrum, SpectrumError, read_spectra

VALUES = np.linspace(0.5, 2, 30)


def table(layers):
    rows = [f"{name},{n},{value!r}" for name, n in layers.items() for value in VALUES.tolist()]
    return "\n".join(["layer,n,eigenvalue", *rows])


def test_a_table_holds_the_spectra_of_several_layers(tmp_path):
    (tmp_path / "a.csv").write_text(table({"one": 100, "two": 50}))
    one, two = read_spectra(tmp_path / "a.csv")
    assert (one.name, one.n, two.name, two.n) == ("one", 100, "two", 50)
    np.testing.assert_array_equal(two.eigenvalues, VALUES)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "\n".join(map(repr, VALUES.tolist()))),
        ("a.csv", "\ufeffeigenvalue\r\n" + "\r\n".join(map(repr, VALUES.tolist()))),
        ("a.json", json.dumps(VALUES.tolist())),
        ("a.json", json.dumps({"eigenvalues": VALUES.tolist()})),
    ],
)
def test_a_list_without_n_gets_it_from_the_caller(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    (spectrum,) = read_spectra(tmp_path / name, n=80)
    assert spectrum == Spectrum(VALUES, 80, name="a", meta={"file": "a"})
    with pytest.raises(SpectrumError, match=rf"{name}: a has no n, .* add it to the file or give n\."):
        read_spectra(tmp_path / name)


def test_json_holds_kind_and_zeros(tmp_path):
    entry = {"name": "ntk", "n": 90, "kind": "kernel", "zeros": 2, "eigenvalues": VALUES.tolist()}
    (tmp_path / "a.json").write_text(json.dumps([entry]))
    (spectrum,) = read_spectra(tmp_path / "a.json")
    assert (spectrum.name, spectrum.kind, spectrum.zeros) == ("ntk", "kernel", 2)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "", "not a list of eigenvalues"),
        ("a.csv", "value\n1\n2", "'eigenvalue'"),
        ("a.csv", "eigenvalue,n\n1", "not a list of eigenvalues"),
        ("a.csv", "eigenvalue,n\n" + "1,50\n" * 20 + "2,60", "two values of n"),
        ("a.csv", "eigenvalue\n" + "nan\n" * 30, "30 NaN"),
        ("a.json", "[" * 100_000, "not a list of eigenvalues"),
        ("a.json", '[1, 2, "x"]', "not a list of eigenvalues"),
        ("a.json", '{"eigenvalues": [1, 2], "n": 1.5}', "no whole number"),
        ("a.json", "3", "not a list of eigenvalues"),
        ("a.json", '[{"n": 100, "eigenvalues": [1, 2, 3]}]', "only 3 eigenvalues"),
    ],
)
def test_broken_lists_are_refused_in_a_sentence(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(SpectrumError, match=message) as caught:
        read_spectra(tmp_path / name, n=80)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_parquet_agrees_with_csv(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    (tmp_path / "a.csv").write_text(table({"one": 100, "two": 50}))
    columns = {"layer": ["one"] * 30 + ["two"] * 30, "n": [100] * 30 + [50] * 30}
    parquet.write_table(pyarrow.table({**columns, "eigenvalue": [*VALUES, *VALUES]}), tmp_path / "a.parquet")
    assert read_spectra(tmp_path / "a.parquet") == read_spectra(tmp_path / "a.csv")
    (tmp_path / "b.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-20])
    with pytest.raises(SpectrumError, match="not a list of eigenvalues"):
        read_spectra(tmp_path / "b.parquet")


def test_parquet_of_more_rows_than_a_list_has_is_refused(tmp_path, monkeypatch):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"eigenvalue": VALUES}), tmp_path / "a.parquet")
    monkeypatch.setattr("htmp_bayes.spectra.eigenvalue_lists.MOST_ROWS", 29)
    with pytest.raises(SpectrumError, match="it has 30 rows, more than 29"):
        read_spectra(tmp_path / "a.parquet", n=80)


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(SpectrumError, match=r"install htmp-bayes\[parquet\]"):
        read_spectra(tmp_path / "a.parquet")
