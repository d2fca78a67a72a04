"""HDF5 files, of Keras and of saved collections, that point outside, grow, or keep the library busy."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from .case import OUTSIDE, Case

Fill = Callable[[h5py.File], None]


def hdf5(suffix: str, fill: Fill, **settings: Any) -> Callable[[Path], Path]:
    """Make a file that a function fills."""

    def make(folder: Path) -> Path:
        path = folder / f"model{suffix}"
        with h5py.File(path, "w", **settings) as file:
            if suffix == ".nc":
                file.attrs["format"] = "htmp_bayes spectra, version 1"
            fill(file)
        return path

    return make


def pointing(suffix: str, target: str, way: str, kind: str, absolute: bool) -> Callable[[Path], Path]:
    """Make a file with a dataset whose values are in another one."""

    def make(folder: Path) -> Path:
        outside = folder.parent / OUTSIDE / target if absolute else Path("..") / OUTSIDE / target
        shape = (2, 120) if kind == "f8" else (3,)

        def fill(file: h5py.File) -> None:
            if way == "external":
                size = int(np.prod(shape)) * np.dtype(kind).itemsize
                file.create_dataset("name", shape, kind, external=[(str(outside), 0, size)])
                return
            most = (None, *shape[1:]) if way == "virtual without end" else shape
            layout = h5py.VirtualLayout(shape, kind, maxshape=most)
            layout[:] = h5py.VirtualSource(str(outside), "text", shape=shape, maxshape=most)
            file.create_virtual_dataset("name", layout)

        return hdf5(suffix, fill)(folder)

    return make


def links(file: h5py.File) -> None:
    """Point to other files and to what is not there."""
    file["w"] = h5py.ExternalLink(f"../{OUTSIDE}/secret.h5", "text")
    file["v"] = h5py.SoftLink("/nowhere")
    file["u"] = h5py.SoftLink("/u")


def filtered(number: int) -> Fill:
    """Ask for a filter that the library does not have."""

    def fill(file: h5py.File) -> None:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((30, 40))
        plan.set_filter(number, h5py.h5z.FLAG_OPTIONAL, ())
        h5py.h5d.create(file.id, b"w", h5py.h5t.IEEE_F64LE, h5py.h5s.create_simple((30, 40)), plan)
        file["w"].id.write_direct_chunk((0, 0), bytes(9600))

    return fill


def groups(depth: int) -> Fill:
    """Nest groups."""

    def fill(file: h5py.File) -> None:
        inner: h5py.Group = file
        for _ in range(depth):
            inner = inner.create_group("g")
        inner["w"] = np.ones((30, 40))

    return fill


def circle(file: h5py.File) -> None:
    """Let a group hold itself, by a hard link."""
    file.create_group("a")["b"] = file["/"]
    file["w"] = np.random.default_rng(1).normal(size=(30, 40))


def many(count: int) -> Fill:
    """Lay many small datasets."""

    def fill(file: h5py.File) -> None:
        for index in range(count):
            file.create_dataset(f"{index}", (2,), "f4")

    return fill


def repeated_text(file: h5py.File) -> None:
    """Let many names be one long text, which the file holds once for each thousand."""
    file.create_dataset("name", (200_000,), h5py.string_dtype(), chunks=(1000,), fillvalue="x" * 60_000)


def collection(**changed: Any) -> Fill:
    """Lay the columns of a collection with one layer, some of them changed."""

    def fill(file: h5py.File) -> None:
        columns = {
            "name": np.array(["a"], h5py.string_dtype()),
            "kind": np.array(["weight"], h5py.string_dtype()),
            "meta": np.array(["{}"], h5py.string_dtype()),
            "n": np.array([40]),
            "zeros": np.array([0]),
            "row_size": np.array([30]),
            "eigenvalue": np.arange(1.0, 31.0),
        }
        for name, values in {**columns, **changed}.items():
            if values is not None:
                file[name] = values

    return fill


def texts(*values: str) -> np.ndarray:
    """Make a column of texts."""
    return np.array(values, h5py.string_dtype())


COLLECTIONS: dict[str, dict[str, Any]] = {
    "no columns": dict.fromkeys(("name", "kind", "meta", "n", "zeros", "row_size", "eigenvalue")),
    "no names": {"name": None},
    "numbers as names": {"name": np.array([1])},
    "name of 100,000 characters": {"name": texts("n" * 100_000)},
    "two names": {"name": texts("a", "b")},
    "kind that is none": {"kind": texts("matrix")},
    "negative n": {"n": np.array([-1])},
    "n of 2**62": {"n": np.array([2**62])},
    "n that is a fraction": {"n": np.array([40.5])},
    "n with two axes": {"n": np.array([[40]])},
    "sizes that do not add up": {"row_size": np.array([31])},
    "sizes that are negative": {"row_size": np.array([-30])},
    "sizes that overflow": {"row_size": np.array([2**62])},
    "eigenvalues that are texts": {"eigenvalue": texts("a")},
    "eigenvalues that are NaN": {"eigenvalue": np.full(30, np.nan)},
    "eigenvalues with two axes": {"eigenvalue": np.ones((5, 6))},
    "details that are no JSON": {"meta": texts("{")},
    "details nested 100,000 deep": {"meta": texts("[" * 100_000)},
    "details that are a list": {"meta": texts("[1, 2]")},
    "details with digits": {"meta": texts(json.dumps({"a": 1})[:-2] + "9" * 5000 + "}")},
}


def bomb(shape: tuple[int, int], written: bool) -> Fill:
    """Lay a dataset of which next to nothing is stored."""

    def fill(file: h5py.File) -> None:
        file.create_dataset("w", shape, "f8", chunks=(1000, 1000), compression="gzip")
        if written:
            file["w"][...] = np.zeros(shape)

    return fill


def cases() -> Iterator[Case]:
    """Yield all of them."""
    for suffix in (".nc", ".h5"):
        for way in ("external", "virtual", "virtual without end"):
            for kind in ("S120", "f8"):
                for absolute in (True, False):
                    name = f"{suffix[1:]}: {way} {kind} by {'an absolute' if absolute else 'a relative'} path"
                    target = "secret.txt" if way == "external" else "secret.h5"
                    yield Case(name, pointing(suffix, target, way, kind, absolute))
            yield Case(f"{suffix[1:]}: {way} on a pipe", pointing(suffix, "pipe", way, "S120", True))
    yield Case("nc: as it is", hdf5(".nc", collection()), False)
    for name, changed in COLLECTIONS.items():
        yield Case(f"nc: {name}", hdf5(".nc", collection(**changed)))
    yield Case("nc: 200,000 long texts", hdf5(".nc", repeated_text), heavy=True)
    wide = (10_000,)
    yield Case(
        "nc: fixed texts of 1 MB",
        hdf5(".nc", lambda f: f.create_dataset("name", wide, "S1000000", chunks=(1,))),
    )
    yield Case("h5: links", hdf5(".h5", links))
    yield Case("h5: group that holds itself", hdf5(".h5", circle), False)
    yield Case("h5: unknown filter", hdf5(".h5", filtered(32001)))
    yield Case("h5: reserved filter", hdf5(".h5", filtered(400)))
    yield Case("h5: 2,000 levels of groups", hdf5(".h5", groups(2000)))
    yield Case(
        "h5: name of 600 characters", hdf5(".h5", lambda f: f.create_dataset("w" * 600, (30, 40), "f8"))
    )
    yield Case("h5: 60,000 datasets", hdf5(".h5", many(60_000), libver="latest"), heavy=True)
    yield Case("h5: zeros", hdf5(".h5", bomb((3000, 3000), True)))
    yield Case("h5: 80 GB of which nothing is stored", hdf5(".h5", bomb((10_000, 10**6), False)))
    yield Case("h5: no values", hdf5(".h5", lambda f: f.create_dataset("w", data=h5py.Empty("f8"))))
    yield Case("h5: nothing", hdf5(".h5", lambda f: None))
    yield Case("h5: references", hdf5(".h5", lambda f: f.create_dataset("w", (30, 40), h5py.ref_dtype)))
    compound = np.dtype([(f"f{i}", "f8") for i in range(1000)])
    yield Case(
        "h5: records of 1,000 fields", hdf5(".h5", lambda f: f.create_dataset("w", (30, 40), compound))
    )
    yield Case("h5: attribute of 60 kB", hdf5(".h5", lambda f: f.attrs.update({"a": "x" * 60_000})))
