"""What `htmp-bayes spectra` says: the spectra that were read, or the matrices that would be."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from htmp_bayes._versions import __version__, versions
from htmp_bayes.cli.summary import empty_table
from htmp_bayes.cli.terminal import printable

if TYPE_CHECKING:
    from rich.table import Table

    from htmp_bayes.spectra import ListedMatrix, Spectrum


def spectra_table(spectra: Iterable["Spectrum"]) -> "Table":
    """Table of spectra with their sizes and ranges."""
    from rich.text import Text

    table = empty_table("N", "n", "gamma", "zeros", "dead", "smallest", "largest")
    for s in spectra:
        smallest, largest = (f"{value:.3g}" for value in s.eigenvalues[[0, -1]])
        numbers = [
            *map(str, (len(s), s.n)),
            f"{s.gamma:.3g}",
            *map(str, (s.zeros, s.dead)),
            smallest,
            largest,
        ]
        table.add_row(Text(printable(s.name)), *numbers)
    return table


def spectra_json(spectra: Iterable["Spectrum"]) -> dict[str, Any]:
    """Spectra with their sizes and ranges, as JSON can hold them."""
    layers = [
        {
            "layer": s.name,
            "kind": s.kind,
            "n_eigenvalues": len(s),
            "n": s.n,
            "gamma": s.gamma,
            "zeros": s.zeros,
            "dead": s.dead,
            "smallest": float(s.eigenvalues[0]),
            "largest": float(s.eigenvalues[-1]),
            "meta": dict(s.meta),
        }
        for s in spectra
    ]
    return {"htmp_bayes": __version__, "versions": versions(), "layers": layers}


def listed_table(found: Sequence["ListedMatrix"]) -> "Table":
    """Table of matrices, with what would become of each."""
    from rich.text import Text

    table = empty_table("type", "kind", "shape", "N", "n")
    table.add_column("what becomes of it", overflow="fold")
    for matrix in found:
        sizes = [str(matrix.n_eigenvalues), str(matrix.n)] if matrix.n else ["-", "-"]
        shape = "×".join(map(str, matrix.shape)) or "-"
        row = [
            printable(matrix.name),
            matrix.type,
            _kind(matrix) or "-",
            shape,
            *sizes,
            printable(matrix.fate),
        ]
        table.add_row(*map(Text, row))
    return table


def listed_json(found: Sequence["ListedMatrix"]) -> dict[str, Any]:
    """Matrices, with what would become of each, as JSON can hold them."""
    matrices = [{**asdict(matrix), "kind": _kind(matrix)} for matrix in found]
    return {"htmp_bayes": __version__, "versions": versions(), "matrices": matrices}


def _kind(matrix: "ListedMatrix") -> str:
    """Kind that the layer would be pooled by; nothing of what is left out."""
    from htmp_bayes.layer_names import kind_of_name

    if matrix.left_out:
        return ""
    found = "" if matrix.type == "spectrum" else matrix.type
    return kind_of_name(matrix.name, found, len(matrix.shape))
