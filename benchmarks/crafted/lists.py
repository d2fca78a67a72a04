"""Lists of eigenvalues (CSV, JSON, Parquet) that are wide, long, deep, or of other things."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from .case import Case, lazily

NUMBERS = ",".join(map(str, range(1, 31)))
ROWS = "".join(f"40,{value}\n" for value in range(1, 31))


def spectrum(**changed: str) -> str:
    """Write a spectrum as JSON, some of it changed."""
    parts = {"n": "40", "name": '"a"', "eigenvalues": f"[{NUMBERS}]"} | changed
    return "{" + ", ".join(f'"{key}": {value}' for key, value in parts.items()) + "}"


JSON: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "null": lambda: "null",
    "empty list": lambda: "[]",
    "n of 1e308": lambda: spectrum(n="1e308"),
    "n of 1e999": lambda: spectrum(n="1e999"),
    "n that is no number": lambda: spectrum(n="NaN"),
    "n of 4,000 digits": lambda: spectrum(n="9" * 4000),
    "n of 5,000 digits": lambda: spectrum(n="9" * 5000),
    "n of 2**60": lambda: spectrum(n=str(2**60)),
    "negative n": lambda: spectrum(n="-40"),
    "n that is true": lambda: spectrum(n="true"),
    "n that is a list": lambda: spectrum(n="[40]"),
    "zeros of 1e308": lambda: spectrum(zeros="1e308"),
    "zeros of 4,000 digits": lambda: spectrum(zeros="9" * 4000),
    "zeros that are a text": lambda: spectrum(zeros='"a"'),
    "kind that is a list": lambda: spectrum(kind='["weight"]'),
    "kind that is a dictionary": lambda: spectrum(kind='{"weight": 1}'),
    "name that is a list": lambda: spectrum(name="[" * 500 + "]" * 500),
    "name of 100,000 characters": lambda: spectrum(name=f'"{"n" * 100_000}"'),
    "name with a NUL": lambda: spectrum(name='"a\\u0000b"'),
    "half a surrogate pair": lambda: spectrum(name='"\\ud800"'),
    "eigenvalues of 1e308": lambda: spectrum(eigenvalues=f"[1e308, 1e-308, {NUMBERS}]"),
    "eigenvalues of 4,000 digits": lambda: spectrum(eigenvalues=f"[{'9' * 4000}, {NUMBERS}]"),
    "eigenvalues that are infinite": lambda: spectrum(eigenvalues=f"[Infinity, {NUMBERS}]"),
    "eigenvalues that are negative": lambda: spectrum(eigenvalues=f"[-1, {NUMBERS}]"),
    "eigenvalues that are texts, one of them long": lambda: spectrum(
        eigenvalues=json.dumps(["x" * 10**6, *["a"] * 10**4])
    ),
    "eigenvalues in lists": lambda: spectrum(eigenvalues=f"[[{NUMBERS}], [{NUMBERS}]]"),
    "eigenvalues in a text": lambda: spectrum(eigenvalues=f'"{"1" * 1000}"'),
    "eigenvalues in a dictionary": lambda: spectrum(eigenvalues='{"a": 1}'),
    "no eigenvalues": lambda: spectrum(eigenvalues="null"),
    "100,000 lists in one another": lambda: "[" * 100_000,
    "100,000 dictionaries in one another": lambda: '{"a":' * 100_000,
    "list of mixed things": lambda: f"[{spectrum()}, 1, null]",
    "6,000,000 empty dictionaries": lambda: "[" + "{}," * 6_000_000 + "{}]",
    "5,000,000 empty dictionaries": lambda: "[" + "{}," * 5_000_000 + "{}]",
    "200,000 spectra": lambda: "[" + '{"n":1},' * 200_000 + "{}]",
}
CSV: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "only a header": lambda: "n,eigenvalue\n",
    "10,000,000 columns": lambda: "," * 10**7 + "\n",
    "10,000,000 columns of words": lambda: "a," * 10**7 + "\n",
    "50,000 columns in a row": lambda: "n,eigenvalue\n" + "," * 50_000,
    "1,000 lines within quotes": lambda: "n,eigenvalue\n" + '"\n' + ("," * 90_000 + "\n") * 100,
    "cell of 200,000 characters": lambda: "n,eigenvalue\n40," + "9" * 200_000,
    "line without end": lambda: "n,eigenvalue\n" + "9" * 30_000_000,
    "the same column twice": lambda: "n,eigenvalue,eigenvalue\n40,1,2\n",
    "row that is short": lambda: "n,eigenvalue\n40\n",
    "row that is long": lambda: "n,eigenvalue\n40,1,2\n",
    "words": lambda: "n,eigenvalue\n40,many\n",
    "n of 1e308": lambda: "n,eigenvalue\n" + ROWS.replace("40,", "1e308,"),
    "n of 1e999": lambda: "n,eigenvalue\n" + ROWS.replace("40,", "1e999,"),
    "n that is no number": lambda: "n,eigenvalue\n" + ROWS.replace("40,", "nan,"),
    "two values of n": lambda: "n,eigenvalue\n" + ROWS + "41,1\n",
    "NUL": lambda: "n,eigenvalue\n40,\0\n",
    "6,000,000 rows": lambda: "1\n" * 6_000_000,
    "200,000 layers": lambda: "layer,n,eigenvalue\n" + "".join(f"{i},40,1\n" for i in range(200_000)),
    "name of 90,000 characters": lambda: "layer,n,eigenvalue\n" + ROWS.replace("40,", "n" * 90_000 + ",40,"),
}


def parquet(kind: str) -> Callable[[Path], Path]:
    """Make a Parquet file of a kind."""

    def make(folder: Path) -> Path:
        import pyarrow
        import pyarrow.parquet

        rows, path = 3_000_000, folder / "model.parquet"
        one = pyarrow.DictionaryArray.from_arrays
        zeros = pyarrow.array([0] * 30, pyarrow.int32())
        tables = {
            "300 kB of name in 3,000,000 rows": lambda: {
                "layer": one(pyarrow.nulls(rows, pyarrow.int32()).fill_null(0), ["n" * 300_000]),
                "eigenvalue": pyarrow.nulls(rows, pyarrow.float64()).fill_null(1.0),
                "n": pyarrow.nulls(rows, pyarrow.int64()).fill_null(40),
            },
            "name of 1,000 characters": lambda: {
                "layer": one(zeros, ["n" * 1000]), "eigenvalue": [1.0] * 30, "n": [40] * 30
            },
            "7,000,000 rows": lambda: {"eigenvalue": pyarrow.nulls(7_000_000, pyarrow.float64()).fill_null(1.0)},
            "30,000 columns": lambda: {f"c{i}": [1.0] for i in range(30_000)},
            "eigenvalues that are texts": lambda: {"eigenvalue": ["x" * 10**6] * 30, "n": [40] * 30},
            "eigenvalues in lists": lambda: {"eigenvalue": [[1.0] * 10] * 30, "n": [40] * 30},
            "eigenvalues that are missing": lambda: {"eigenvalue": [None, 1.0] * 15, "n": [40] * 30},
            "n in texts": lambda: {"eigenvalue": [1.0] * 30, "n": ["n" * 1000] * 30},
            "layers in lists": lambda: {"eigenvalue": [1.0] * 30, "layer": [["a"]] * 30, "n": [40] * 30},
            "no eigenvalues": lambda: {"n": [40] * 30},
            REQUIRED: lambda: {"eigenvalue": [1.0] * 30, "n": [40] * 30},
        }  # fmt: skip
        pyarrow.parquet.write_table(pyarrow.table(tables[kind]()), path)
        if kind == REQUIRED:
            path.write_bytes(path.read_bytes().replace(b"%\x02\x18", b"%\x00\x18"))
        return path

    return make


REQUIRED = "optional columns said to be required"  # ends the process from within pyarrow 26

PARQUET = (
    "300 kB of name in 3,000,000 rows", "name of 1,000 characters", "7,000,000 rows", "30,000 columns",
    "eigenvalues that are texts", "eigenvalues in lists", "eigenvalues that are missing", "n in texts",
    "layers in lists", "no eigenvalues", REQUIRED,
)  # fmt: skip


def cases() -> Iterator[Case]:
    """Yield all of them."""
    yield Case("json: as it is", lazily(".json", lambda: spectrum().encode()), False)
    yield Case("csv: as it is", lazily(".csv", lambda: ("n,eigenvalue\n" + ROWS).encode()), False)
    for what, content in JSON.items():
        refused = None if what == "eigenvalues of 1e308" else True
        yield Case(f"json: {what}", lazily(".json", lambda c=content: c().encode()), refused, "000 e" in what)
    for what, content in CSV.items():
        heavy = what.startswith(("10,", "6,", "200,", "line"))
        yield Case(f"csv: {what}", lazily(".csv", lambda c=content: c().encode()), heavy=heavy)
    for kind in PARQUET:
        yield Case(f"parquet: {kind}", parquet(kind), heavy="000,000" in kind or "30,000" in kind)
