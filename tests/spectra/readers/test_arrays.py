"""Weights in memory, without a file."""

import ml_dtypes
import numpy as np
import pandas as pd
import pytest

from htmp_bayes.spectra import Spectrum, SpectrumError, list_matrices, read_spectra

W = np.random.default_rng(1).normal(size=(60, 70))


def names(spectra):
    return [spectrum.name for spectrum in spectra]


def test_a_state_dict_is_read_as_a_file_of_it_would_be(tmp_path):
    weights = {"b.weight": W, "b.bias": W[0], "a.weight": W.T + 1, "small.weight": W[:4]}
    np.savez(tmp_path / "m.npz", **weights)
    assert names(read_spectra(weights)) == names(read_spectra(tmp_path / "m.npz")) == ["a", "b"]
    assert [matrix.left_out for matrix in list_matrices(weights)] == [
        "",
        "",
        "not matrices",
        "smaller than min_size=50",
    ]
    assert read_spectra(weights)[1].meta["file"] == "dict"
    assert names(read_spectra(weights, exclude="a")) == ["b"]


def test_dictionaries_within_and_other_values(tmp_path):
    assert names(read_spectra({"params": {"Dense_0": {"kernel": W, "bias": W[0]}}, "step": 3})) == [
        "params.Dense_0.kernel"
    ]


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_a_matrix_alone(dtype):
    (spectrum,) = read_spectra(W.astype(dtype))
    np.testing.assert_array_equal(spectrum.eigenvalues, Spectrum.from_matrix(W.astype(dtype)).eigenvalues)
    assert spectrum.name == "matrix"


def test_a_tensor_of_another_library_is_taken_by_numpy():
    class Array:
        shape, dtype = W.shape, W.dtype

        def __array__(self, dtype=None, copy=None):
            return W

    assert names(read_spectra({"w": Array()})) == ["w"]


def test_a_table_of_pandas_is_a_matrix():
    (spectrum,) = read_spectra(pd.DataFrame(W))
    np.testing.assert_array_equal(spectrum.eigenvalues, Spectrum.from_matrix(W).eigenvalues)


def test_a_mask_is_not_looked_behind():
    mask = W > 2
    for masked in (np.ma.array(W, mask=mask), {"w": np.ma.array(W, mask=mask)}):
        with pytest.raises(SpectrumError, match=r"has masked entries; fill them \(with .filled\(0\)"):
            read_spectra(masked)
    with pytest.raises(SpectrumError, match=rf"layer: {mask.sum()} entries of the matrix are masked"):
        Spectrum.from_matrix(np.ma.array(W, mask=mask), name="layer")
    with pytest.raises(SpectrumError, match="10 entries of eigenvalues are masked"):
        Spectrum(np.ma.array(np.arange(1.0, 41.0), mask=np.arange(40) < 10), n=60)
    assert names(read_spectra(np.ma.array(W))) == ["matrix"]
    assert Spectrum.from_matrix(np.ma.array(W)) == Spectrum.from_matrix(W)


class Failing:
    """A tensor that cannot be brought to NumPy."""

    shape = (60, 70)

    def __array__(self, dtype=None, copy=None):
        raise TypeError("on another device")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([W], "A path is wanted in place of ndarray; weights in memory come as one dictionary"),
        (None, "A path is wanted in place of NoneType"),
        (3, "A path is wanted in place of int"),
        ({"w": Failing()}, r"w cannot be read as an array \(on another device\); leave it out"),
        ({"lr": 1.0}, "The dictionary holds no arrays"),
        ({}, "The dictionary holds no arrays"),
        ({"w": W > 0}, "tensor w is of type bool, which holds no plain real numbers"),
        ({"w": W.astype(object)}, "tensor w holds pickled|holds Python objects"),
        (W[0], r"ndarray: no weight matrix to read \(1 not matrices\)"),
    ],
)
def test_what_holds_no_weights_gets_one_sentence(value, message):
    with pytest.raises(SpectrumError, match=message) as caught:
        read_spectra(value)
    assert "\n" not in str(caught.value)


def test_a_state_dict_of_torch_is_read():
    torch = pytest.importorskip("torch")
    layer = torch.nn.Linear(70, 60).to(torch.bfloat16)
    (spectrum,) = read_spectra(layer.state_dict())
    assert (spectrum.name, spectrum.meta["dtype"]) == ("weight", "float32")
    assert spectrum.eigenvalues.tolist() == read_spectra(layer)[0].eigenvalues.tolist()
