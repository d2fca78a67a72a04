"""Rows and columns that carry nothing: the spectrum is that of the matrix without them, and they are named."""

import numpy as np
import pytest
import xarray as xr

from htmp_bayes import check
from htmp_bayes.spectra import Spectrum, list_matrices, read_spectra, save_spectra
from htmp_bayes.spectra.dead_lines import gap_below

RNG = np.random.default_rng(1)
NOISE = RNG.normal(size=(100, 400))


def with_dead(rows, columns, size, dtype=np.float64):
    """Noise of which the last so many rows and columns are that much smaller."""
    matrix = NOISE.copy()
    matrix[100 - rows :] *= size
    matrix[:, 400 - columns :] *= size
    return matrix.astype(dtype)


@pytest.mark.parametrize("size", [0.0, 1e-18, 1e-6, 1e-5])
@pytest.mark.parametrize(
    ("rows", "columns", "n", "zeros", "dead"),
    [
        (0, 250, 150, 0, 250),
        (8, 0, 400, 8, 0),
        (60, 250, 150, 60, 250),
        (0, 320, 100, 20, 300),
        (70, 0, 400, 70, 0),
    ],
)
def test_the_spectrum_is_that_of_the_matrix_without_them(size, rows, columns, n, zeros, dead):
    spectrum = Spectrum.from_matrix(with_dead(rows, columns, size))
    alive = Spectrum.from_matrix(NOISE[: 100 - rows, : 400 - columns])
    np.testing.assert_array_equal(spectrum.eigenvalues, alive.eigenvalues)
    assert (spectrum.n, spectrum.gamma, spectrum.zeros, spectrum.dead) == (n, alive.gamma, zeros, dead)
    assert spectrum.n + spectrum.dead == 400
    assert len(spectrum) + spectrum.zeros == 100
    found = spectrum.meta.get("dead_rows", 0), spectrum.meta.get("dead_columns", 0)
    assert found == (rows, columns)
    assert repr(spectrum).endswith(
        f"{f', zeros={zeros}' if zeros else ''}{f', dead={dead}' if dead else ''})"
    )


def test_small_rows_of_a_matrix_that_has_rows_of_all_sizes_are_not_dead():
    scales = np.logspace(0, -3, 100)[:, None]
    assert Spectrum.from_matrix(scales * NOISE).zeros == 0
    few_large = NOISE.copy()
    few_large[:5] *= 1e6
    assert Spectrum.from_matrix(few_large).zeros == 0


def test_a_convolution_whose_input_channels_are_pruned():
    kernel = RNG.normal(size=(64, 64, 3, 3)).astype(np.float32)
    kernel[:, 20:] = 0
    assert Spectrum.from_matrix(kernel) == Spectrum.from_matrix(kernel, meta={"dead_columns": 44 * 9})
    assert Spectrum.from_matrix(kernel).gamma == 64 / 180


def test_half_precision_and_blocks_of_any_size(monkeypatch):
    whole = Spectrum.from_matrix(with_dead(10, 30, 0, np.float16))
    monkeypatch.setattr("htmp_bayes.spectra.singular_values.BLOCK", 8 * 400 * 7)
    blocks = Spectrum.from_matrix(with_dead(10, 30, 0, np.float16))
    np.testing.assert_allclose(blocks.eigenvalues, whole.eigenvalues, rtol=1e-10)
    assert (blocks.zeros, blocks.dead) == (10, 30)


def test_they_are_saved_and_listed(tmp_path):
    np.savez(tmp_path / "m.npz", w=with_dead(10, 250, 1e-7))
    (listed,) = list_matrices(tmp_path / "m.npz")
    assert listed.note == "10 of 100 rows and 250 of 400 columns are dead"
    spectra = read_spectra(tmp_path / "m.npz")
    save_spectra(spectra, tmp_path / "s.nc")
    assert read_spectra(tmp_path / "s.nc") == spectra
    (listed,) = list_matrices(tmp_path / "s.nc")
    assert (listed.note, listed.shape) == ("zeros=10, dead=250", (100, 400))


def test_a_matrix_that_is_not_finite_is_listed_so():
    matrix = NOISE.copy()
    matrix[3, 4] = np.nan
    assert list_matrices(matrix)[0].note == "it has entries that are not finite"


def result_with(eigenvalues, **known):
    """A result of flawless draws, with these data."""
    rng, dims = np.random.default_rng(1), ("chain", "draw")
    names = ("layer", "eigenvalue")[2 - eigenvalues.ndim :]
    return xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset({"kappa": (dims, rng.normal(size=(4, 1000)))}),
            "sample_stats": xr.Dataset(
                {"diverging": (dims, np.zeros((4, 1000), bool)), "energy": (dims, rng.normal(size=(4, 1000)))}
            ),
            "observed_data": xr.Dataset({"eigenvalues": (names, eigenvalues)}),
            "constant_data": xr.Dataset({name: (names[:-1], value) for name, value in known.items()}),
        }
    )


BULK = Spectrum.from_matrix(NOISE).eigenvalues


def test_check_names_what_was_left_out():
    verdict = check(result_with(BULK, n=150, zeros=8, dead=250))
    assert verdict.cautions == (
        "8 of 108 directions of the shorter side and 250 of 400 directions of the longer side are zero or dead; "
        "they are left out, and gamma is 100/150.",
    )
    assert check(result_with(BULK, n=400, zeros=0, dead=0)).cautions == ()
    assert check(result_with(BULK, n=400, zeros=0)).cautions == ()


def test_check_says_that_there_is_a_gap_in_eigenvalues_without_a_matrix():
    dying = np.sort(np.concatenate([BULK, [1e-12, 2e-12, 3e-13]]))
    (caution,) = check(result_with(dying, n=400, zeros=0, dead=0)).cautions
    assert caution.startswith(
        "The 3 smallest eigenvalues are 1e+11 times smaller than the next: a gap of many"
    )


def test_check_counts_the_layers_of_a_network():
    dying = np.sort(np.concatenate([BULK[2:], [1e-12, 2e-12]]))
    few = np.concatenate([BULK[:50], np.full(50, np.nan)])
    verdict = check(result_with(np.stack([BULK, dying, few]), n=[400] * 3, zeros=[0, 0, 50], dead=[0] * 3))
    assert [text.partition(",")[0].partition(";")[0] for text in verdict.cautions] == [
        "1 of 3 layers have directions that are zero or dead",
        "1 of 3 layers have a gap of many decades below the bulk",
    ]


def test_spectra_of_many_decades_have_no_gap():
    assert gap_below(np.logspace(-14, 0, 30)) is None
    assert gap_below(np.array([1e-12, *np.full(20, 1.0)])) == (1, 1e12)
    assert gap_below(np.array([1e-4, *np.full(20, 1.0)])) is None
    assert gap_below(np.array([1e-4, 2e-4, *np.full(20, 1.0)])) == (2, pytest.approx(5e3))
