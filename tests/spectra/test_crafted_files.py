"""Files that mean harm, made at the structures of their formats: the fast ones of `benchmarks/crafted`."""

import logging
import os
import shutil

import pytest

from benchmarks.crafted.cases import all_cases
from benchmarks.crafted.watch import Seen, examine, lay_outside

FORMATS = ("npy", "npz", "pt", "older pt", "safetensors", "gguf", "onnx", "csv", "json", "parquet", "folder")
# Each HDF5 file starts a process: those that are refused in the same way are represented by one.
HDF5 = (
    "nc: virtual without end on a pipe",
    "nc: name of 100,000 characters",
    "nc: details nested 100,000 deep",
    "nc: n of 2**62",
    "h5: external on a pipe",
    "h5: 2,000 levels of groups",
    "h5: links",
    "h5: reserved filter",
)
CASES = [case for case in all_cases() if not case.heavy]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("crafted")
    lay_outside(root)
    return root


def faults_of(cases, root, monkeypatch):
    # as in the command, where what is logged goes to standard error, and not to pytest
    monkeypatch.setattr(logging.root, "handlers", [])
    found = {}
    for case in cases:
        if faults := examine(case, root).faults(case):
            found[case.name] = faults
        shutil.rmtree(root / "case")
    return found


@pytest.mark.parametrize("form", FORMATS)
def test_each_is_refused_by_a_sentence_and_reaches_nothing(root, monkeypatch, form):
    if form == "parquet":
        pytest.importorskip("pyarrow")
    cases = [case for case in CASES if case.name.startswith(f"{form}: ")]
    assert cases
    assert faults_of(cases, root, monkeypatch) == {}


def test_hdf5_is_refused_by_a_sentence_and_reaches_nothing(root, monkeypatch):
    cases = [case for case in CASES if case.name in HDF5]
    assert len(cases) == len(HDF5)
    assert faults_of(cases, root, monkeypatch) == {}


def test_what_is_outside_would_be_seen(root):
    """The watch is no watch if it sees nothing."""

    def reaching(folder):
        (folder / "link.npz").symlink_to(root / "outside" / "secret.txt")
        return folder / "link.npz"

    case = next(case for case in CASES if case.name == "npy: header: nothing")
    seen = examine(type(case)("reaching", reaching), root)
    shutil.rmtree(root / "case")
    assert any("secret.txt" in name for name in seen.outside)
    assert Seen(1, "Traceback").faults(case)
    assert Seen(2, "SECRET.").faults(case)
    assert os.listdir(root) == ["outside"]
