"""The reference table itself: against the Tricomi function in balls, and in what must hold of any law."""

import importlib.util
import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from flint import acb, arb, ctx

HERE = Path(__file__).parent
TABLE = json.loads((HERE / "htmp_reference.json").read_text())
_spec = importlib.util.spec_from_file_location("make_reference", HERE / "make_reference.py")
make_reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make_reference)


def law_of(row):
    population = make_reference.make_population(row["population"], row["correlation"])
    return make_reference.Law(row["kappa"], row["gamma"], population)


def tricomi(row, bits):
    """log f and the principal phase from U(b, -a, -y) on its cut; b = kappa/2, a = b (1/gamma - 1) - 1."""
    ctx.prec = bits
    b, y = arb(row["kappa"]) / 2, arb(row["x"])
    a = b * (1 / arb(row["gamma"]) - 1) - 1
    u = acb(-y).hypgeom_u(acb(b), acb(-a))
    log_f = a * y.log() - y - (b + 1).lgamma() - (a + b + 1).lgamma() - 2 * abs(u).log()
    return log_f, abs(u.arg()), b


QUICK = [
    row
    for row in TABLE
    if row["correlation"] == 0 and 0.05 <= row["kappa"] <= 30 and row["gamma"] < 1 and row["x"] > 1e-30
]


@pytest.mark.parametrize("row", QUICK[::3], ids=lambda r: f"{r['kappa']}-{r['gamma']}-{r['x']:.1e}")
def test_against_the_tricomi_function(row):
    for bits in (400, 2000, 10_000):  # the balls say whether the precision was enough
        log_f, phase, b = tricomi(row, bits)
        if float(log_f.rad()) < 1e-20:
            break
    assert float(log_f.rad()) < 1e-20
    assert row["logpdf"] == pytest.approx(float(log_f), rel=1e-15, abs=1e-16)
    # F = -arg U / (pi b), the phase followed from y = 0: the principal one up to sign and whole turns
    turns = (float(b) * math.pi * row["cdf"] - float(phase)) / (2 * math.pi)
    mirrored = (float(b) * math.pi * row["cdf"] + float(phase)) / (2 * math.pi)
    assert min(abs(turns - round(turns)), abs(mirrored - round(mirrored))) < 1e-13


# where one row takes a fraction of a second
SAMPLE = [r for r in TABLE if 0 < r["correlation"] < 1 and 3 <= r["kappa"] <= 300 and r["x"] > 1e-3]


@pytest.mark.parametrize(
    "row", SAMPLE[:: max(1, len(SAMPLE) // 8)], ids=lambda r: f"{r['kappa']}-{r['gamma']}-{r['x']:.1e}"
)
def test_the_script_gives_what_the_table_holds(row):
    make_reference._TABLES.clear()
    values = make_reference.law_at(law_of(row), row["x"], depth=5.0)
    for name in make_reference.COLUMNS:
        assert row[name] == pytest.approx(float(values[name].mid()), rel=1e-15, abs=1e-17), name


def groups():
    found = {}
    for row in TABLE:
        found.setdefault((row["kappa"], row["gamma"], row["correlation"], row["population"]), []).append(row)
    return found


def name_of(key):
    return "-".join(map(str, key))


@pytest.mark.parametrize(("key", "rows"), groups().items(), ids=map(name_of, groups()))
def test_rows_of_one_law_are_consistent(key, rows):
    for row in rows:
        assert all(math.isfinite(row[name]) for name in make_reference.COLUMNS)
        assert row["cdf"] + row["sf"] == pytest.approx(1, abs=3e-16)
        assert row["d_temperature"] == pytest.approx(-1 - row["x"] * row["d_x"], rel=1e-12, abs=1e-12)
    for low, high in pairwise(rows):
        assert low["x"] < high["x"]
        assert low["cdf"] < high["cdf"] or low["sf"] > high["sf"]


BULK = [
    (key, bulk)
    for key, rows in groups().items()
    if key[0] >= 3 and key[2] < 2 and len(bulk := [row for row in rows if 0.02 < row["cdf"] < 0.98]) > 1
]


@pytest.mark.slow
@pytest.mark.parametrize(("key", "rows"), BULK, ids=[name_of(key) for key, _ in BULK])
def test_the_phase_has_its_turns_right(key, rows):
    """A turn too many would move F by 4/kappa; the integral of the density between two rows would see it."""
    low, high = rows[0], rows[1]
    nodes, weights = np.polynomial.legendre.leggauss(24)
    half, middle = math.log(high["x"] / low["x"]) / 2, math.log(high["x"] * low["x"]) / 2
    law = law_of(low)
    density = [make_reference.rough(law, math.exp(middle + half * node), 5.0)[2] for node in nodes]
    assert half * (weights @ density) == pytest.approx(high["cdf"] - low["cdf"], abs=0.4 / low["kappa"])
