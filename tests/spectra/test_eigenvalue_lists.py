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


def test_a_file_that_ends_pyarrow_ends_a_process_of_its_own(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"eigenvalue": VALUES}), tmp_path / "a.parquet")
    content = (tmp_path / "a.parquet").read_bytes()
    optional = b"%\x02\x18"  # which its pages say too
    assert content.count(optional) == 1
    (tmp_path / "a.parquet").write_bytes(content.replace(optional, b"%\x00\x18"))
    with pytest.raises(SpectrumError, match="is not a list of eigenvalues"):
        read_spectra(tmp_path / "a.parquet", n=80)


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(SpectrumError, match=r"install htmp-bayes\[parquet\]"):
        read_spectra(tmp_path / "a.parquet")


def long_table(path, **columns):
    """A table of 30 eigenvalues for each entry of the columns."""
    header = [*columns, "n", "eigenvalue"]
    rows = [
        [*labels, 100, value] for labels in zip(*columns.values(), strict=True) for value in VALUES.tolist()
    ]
    path.write_text("\n".join(",".join(map(str, row)) for row in [header, *rows]))
    return path


def test_further_columns_tell_spectra_apart(tmp_path):
    path = long_table(tmp_path / "a.csv", model=["A", "A", "B"], layer=["fc", "up", "fc"], seed=[1, 1, 1])
    spectra = read_spectra(path)
    assert [(s.name, len(s)) for s in spectra] == [("A.fc", 30), ("A.up", 30), ("B.fc", 30)]
    assert spectra[2].meta == {"file": "a", "model": "B", "seed": 1}


def test_steps_are_numbers_for_fits_of_trajectories(tmp_path):
    spectra = read_spectra(long_table(tmp_path / "a.csv", layer=["fc", "fc"], step=[0, 1500]))
    assert [(s.name, s.meta["step"]) for s in spectra] == [("step0.fc", 0), ("step1500.fc", 1500)]


def test_objects_of_json_keep_further_values(tmp_path):
    entry = {"name": "fc", "n": 90, "eigenvalues": VALUES.tolist()}
    (tmp_path / "a.json").write_text(
        json.dumps([{**entry, "epoch": epoch, "nested": [1]} for epoch in (1, 2)])
    )
    assert [(s.name, s.meta) for s in read_spectra(tmp_path / "a.json")] == [
        ("epoch1.fc", {"file": "a", "epoch": 1}),
        ("epoch2.fc", {"file": "a", "epoch": 2}),
    ]


def test_columns_of_zeros_and_kinds_belong_to_the_spectrum(tmp_path):
    path = long_table(tmp_path / "a.csv", zeros=[3], dead=[50], kind=["jacobian"])
    (spectrum,) = read_spectra(path)
    assert (spectrum.zeros, spectrum.dead, spectrum.kind, spectrum.n) == (3, 50, "jacobian", 100)


def test_a_column_that_numbers_the_rows_is_refused(tmp_path):
    rows = "\n".join(f"{index},50,{value!r}" for index, value in enumerate(VALUES.tolist()))
    (tmp_path / "a.csv").write_text(f"index,n,eigenvalue\n{rows}")
    with pytest.raises(
        SpectrumError, match=r"the values of 'index' make 30 spectra of it, and one of fewer than 20"
    ):
        read_spectra(tmp_path / "a.csv")


def test_further_columns_of_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {"step": [1] * 30 + [2] * 30, "n": [50] * 60, "eigenvalue": [*VALUES, *VALUES]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    assert [s.name for s in read_spectra(tmp_path / "a.parquet")] == ["step1.a", "step2.a"]
    many = {f"c{index}": [1] * 60 for index in range(20)}
    parquet.write_table(pyarrow.table({**many, **columns}), tmp_path / "a.parquet")
    with pytest.raises(SpectrumError, match="it has 23 columns, more than 20"):
        read_spectra(tmp_path / "a.parquet")
