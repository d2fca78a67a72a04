"""Tables on terminals of 80, 100 and 120 columns: nothing is cut off, and what matters is there."""

import io

import pandas as pd
import pytest
from rich.console import Console

from htmp_bayes.cli.listing import listed_table, spectra_table
from htmp_bayes.cli.pooled_run import contrast_table
from htmp_bayes.cli.summary import PARAMETERS, as_table, why
from htmp_bayes.spectra import ListedMatrix, Spectrum

WIDTHS = (80, 100, 120)
PREFIX = "model.language_model.encoder.layers."


def row(layer, **changed):
    """A row of the summary as `summary_row` makes them."""
    numbers = {
        "kappa": (3.07, 2.2, 4.1),
        "dyson_index": (0.00799, 0.0057, 0.0108),
        "temperature": (2.71e-4, 2.0e-4, 3.8e-4),
        "correlation": (0.541, 0.519, 0.564),
        "tail_index": (4.9, 4.62, 5.19),
    }
    made = {
        "layer": layer,
        "n_eigenvalues": 384,
        "gamma": 0.25,
        "divergences": 0,
        "usable": True,
        "fits": True,
    }
    made |= {"reasons": "", "misfits": "", "cautions": "", "probability_infinite_mean": 0.25}
    for name, (median, low, high) in numbers.items():
        made |= {f"{name}_median": median, f"{name}_q5": low, f"{name}_q95": high}
        made |= {f"{name}_r_hat": 1.003, f"{name}_ess_bulk": 3784.0}
    return {**made, **changed}


ROWS = [
    row(f"{PREFIX}0.self_attn.k_proj"),
    row(f"{PREFIX}10.mlp.down_proj", usable=False, reasons="R-hat is 1.2, so fit with more draws."),
    row(f"{PREFIX}11.mlp.down_proj", fits=False, misfits="The law is off.", cautions="Spikes are suspected."),
]


def printed(table, width):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(table)
    return console.file.getvalue()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_run_fits_the_terminal(width):
    text = printed(as_table(ROWS, width), width)
    assert max(map(len, text.splitlines())) <= width
    for words in (
        "NOT USABLE",
        "MISFIT",
        "with care",
        "0.0080",
        "[0.0057, 0.0108]",
        "[0.519, 0.564]",
        "[4.62, 5.19]",
    ):
        assert words in text
    assert "10.mlp.down_proj" in text
    assert PREFIX not in text.replace("\n", "").replace(f"({PREFIX}…)", "")


def test_where_there_is_room_names_are_whole_and_a_row_is_a_line():
    lines = printed(as_table(ROWS, 160), 160).rstrip().splitlines()
    assert len(lines) == 2 + len(ROWS)
    assert lines[-1].split()[:4] == [f"{PREFIX}11.mlp.down_proj", "with", "care", "MISFIT"]


def test_wide_has_all_parameters_with_one_power_of_ten_a_column():
    text = printed(as_table(ROWS, 250, wide=True), 250)
    assert "T ×10⁻⁴" in text
    assert "2.7 [2.0, 3.8]" in text  # a trailing zero is kept
    assert "infinite (p = 0.25)" in text
    assert "lower tail index" not in text  # no layer has it


@pytest.mark.parametrize("missing", PARAMETERS)
def test_no_parameter_is_needed(missing):
    without = [{key: value for key, value in each.items() if not key.startswith(missing)} for each in ROWS]
    for wide in (False, True):
        assert "k_proj" in printed(as_table(without, 120, wide), 250)


def test_each_layer_that_wants_attention_has_a_line_that_says_why():
    assert list(why(ROWS)) == [
        f"{PREFIX}10.mlp.down_proj: R-hat is 1.2, so fit with more draws.",
        f"{PREFIX}11.mlp.down_proj: The law is off. Spikes are suspected.",
    ]


CONTRASTS = pd.DataFrame(
    {
        "first": f"{PREFIX}0.self_attn.k_proj",
        "second": f"{PREFIX}10.mlp.down_proj",
        "parameter": ["dyson_index", "correlation"],
        "median": [0.871, 1.25],
        "q5": [0.7, 1.1],
        "q95": [1.05, 1.4],
        "p_less": [0.9, 0.01],
        "p_rope": [0.2, 0.1],
    }
)
SPECTRUM = Spectrum([*range(1, 31)], 120, name=f"{PREFIX}0.self_attn.k_proj")
LISTED = [
    ListedMatrix(
        SPECTRUM.name,
        "a.npz",
        "convolution",
        (256, 128, 3, 3),
        256,
        1152,
        "",
        "",
        "80 of 144 columns are dead",
    ),
    ListedMatrix("fc.bias", "a.npz", "vector", (256,), 0, 0, "not matrices", "", ""),
]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    ("make", "cells"),
    [
        (
            lambda: contrast_table(CONTRASTS),
            ["0.87 [0.70, 1.05]", "0.900", "P(first", "< second)", "κ/N"],
        ),
        (lambda: spectra_table([SPECTRUM]), ["120", "0.25", "smallest", "largest"]),
        (lambda: listed_table(LISTED), ["convolution", "256×128×3×3", "1152"]),
    ],
    ids=["contrasts", "spectra", "list"],
)
def test_other_tables_fit_too(make, cells, width):
    text = printed(make(), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for cell in cells:
        assert cell in text
