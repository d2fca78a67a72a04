"""What a Spectrum keeps, and what it refuses."""

import copy
import pickle
from dataclasses import FrozenInstanceError, replace

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from htmp_bayes.spectra import MIN_EIGENVALUES, Spectrum, SpectrumError

EIGENVALUES = np.random.default_rng(1).gamma(2.0, size=30)


def test_keeps_what_it_was_given():
    spectrum = Spectrum(EIGENVALUES, n=60, name="layer", kind="jacobian", zeros=3, meta={"step": 7})
    assert (spectrum.n, spectrum.name, spectrum.kind, spectrum.zeros) == (60, "layer", "jacobian", 3)
    assert spectrum.meta == {"step": 7}
    assert spectrum.gamma == 0.5
    assert len(spectrum) == 30


@given(
    hnp.arrays(
        np.float64,
        st.integers(MIN_EIGENVALUES, 40),
        elements=st.floats(1e-300, 1e300),
        unique=True,
    )
)
def test_eigenvalues_are_an_ascending_read_only_float64_copy(values):
    values[0] = 2 * values.max()  # or hypothesis would try values that are all the same to rounding
    spectrum = Spectrum(values, n=64)
    assert spectrum.eigenvalues.dtype == np.float64
    np.testing.assert_array_equal(spectrum.eigenvalues, np.sort(values))
    assert not np.shares_memory(spectrum.eigenvalues, values)
    with pytest.raises(ValueError, match="read-only"):
        spectrum.eigenvalues[0] = 1.0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, ml_dtypes.bfloat16])
def test_eigenvalues_of_other_precision_become_float64(dtype):
    values = np.arange(1, 31).astype(dtype)
    np.testing.assert_array_equal(Spectrum(values, n=30).eigenvalues, np.arange(1.0, 31.0))


def test_exact_zeros_are_counted_and_taken_out():
    spectrum = Spectrum([0.0, -0.0, *EIGENVALUES], n=40, zeros=4)
    assert spectrum.zeros == 6
    assert len(spectrum) == 30
    assert spectrum.gamma == 30 / 40


def test_is_immutable():
    spectrum = Spectrum(EIGENVALUES, n=60, meta={"step": 7})
    with pytest.raises(FrozenInstanceError):
        spectrum.n = 61
    with pytest.raises(TypeError):
        spectrum.meta["step"] = 8


def test_equality_and_hash_follow_the_content():
    spectrum = Spectrum(EIGENVALUES, n=60, name="a", meta={"step": 7})
    twin = Spectrum(EIGENVALUES[::-1], n=60, name="a", meta={"step": 7})
    assert spectrum == twin
    assert hash(spectrum) == hash(twin)
    others = [
        replace(spectrum, **change) for change in ({"name": "b"}, {"n": 61}, {"zeros": 1}, {"meta": {}})
    ]
    assert all(spectrum != other for other in others)
    assert spectrum != Spectrum(EIGENVALUES * 2, n=60, name="a", meta={"step": 7})
    assert spectrum != "a"


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])  # noqa: S301
def test_copies_are_equal_and_frozen(duplicate):
    spectrum = Spectrum(EIGENVALUES, n=60, name="a", zeros=2, meta={"shape": [30, 60]})
    other = duplicate(spectrum)
    assert other == spectrum
    assert not other.eigenvalues.flags.writeable


def test_repr_says_what_matters():
    text = repr(Spectrum(np.linspace(0.5, 2.0, 32), n=64, name="layer.0", kind="kernel", zeros=1))
    assert text == (
        "Spectrum('layer.0', 32 eigenvalues from 0.5 to 2, n=64, gamma=0.5, kind='kernel', zeros=1)"
    )


BAD_EIGENVALUES = {
    "NaN": ([*EIGENVALUES, np.nan], "1 NaN"),
    "infinite": ([*EIGENVALUES, np.inf, np.inf], "2 infinite"),
    "negative": ([*EIGENVALUES, -1e-3], r"1 eigenvalues are negative \(least: -0.001\)"),
    "complex": (EIGENVALUES + 1j, "complex128"),
    "text": (["a"] * 30, "must be real numbers"),
    "ragged": ([[1.0], [1.0, 2.0]], "cannot be read as an array"),
    "empty": ([], "only 0 eigenvalues are positive"),
    "matrix": (EIGENVALUES.reshape(5, 6), r"shape \(5, 6\)"),
    "too few": (EIGENVALUES[:19], "only 19 eigenvalues are positive"),
    "too few but zeros": ([0.0] * 11 + [*EIGENVALUES[:19]], r"only 19 .* \(11 are zero\)"),
    "constant": (np.full(30, 1.0) * (1 + 1e-9 * EIGENVALUES), "are the same"),
}


@pytest.mark.parametrize("case", BAD_EIGENVALUES)
def test_bad_eigenvalues_get_one_sentence(case):
    values, message = BAD_EIGENVALUES[case]
    with pytest.raises(SpectrumError, match=message) as caught:
        Spectrum(values, n=100, name="layer.7")
    assert str(caught.value).startswith("layer.7: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n": 29}, "n=29 is less than the 30 eigenvalues"),
        ({"n": 31, "zeros": 2}, "less than the 32 eigenvalues"),
        ({"n": 60.5}, "must be a whole number"),
        ({"n": True}, "must be a whole number"),
        ({"n": 60, "zeros": -1}, "zeros must be a whole number"),
        ({"n": 60, "kind": "bias"}, "kind is one of weight, jacobian, kernel"),
        ({"n": 60, "name": 3}, "name of a spectrum is a string"),
        ({"n": 60, "meta": {"a": object()}}, "what JSON can hold"),
        ({"n": 60, "meta": {"a": float("nan")}}, "what JSON can hold"),
    ],
)
def test_bad_settings_get_one_sentence(settings, message):
    with pytest.raises(SpectrumError, match=message):
        Spectrum(EIGENVALUES, **settings)


@pytest.mark.parametrize("shape", [(24, 60), (60, 24)])
def test_from_matrix_is_the_spectrum_of_the_gram_matrix(shape):
    W = np.random.default_rng(2).normal(size=shape)
    spectrum = Spectrum.from_matrix(W, name="layer", meta={"step": 3})
    gram = W @ W.T if shape[0] < shape[1] else W.T @ W
    np.testing.assert_allclose(spectrum.eigenvalues, np.linalg.eigvalsh(gram / 60), rtol=1e-10)
    assert (spectrum.n, spectrum.gamma, spectrum.zeros) == (60, 0.4, 0)
    assert spectrum.meta == {"shape": list(shape), "dtype": "float64", "step": 3}


def test_from_matrix_leaves_the_matrix_as_it_was():
    W = np.asfortranarray(np.random.default_rng(2).normal(size=(60, 24)))
    before = W.copy()
    Spectrum.from_matrix(W)
    np.testing.assert_array_equal(W, before)


def test_from_matrix_flattens_a_convolution_to_out_and_the_rest():
    W = np.random.default_rng(2).normal(size=(32, 8, 3, 3))
    spectrum = Spectrum.from_matrix(W)
    np.testing.assert_array_equal(spectrum.eigenvalues, Spectrum.from_matrix(W.reshape(32, 72)).eigenvalues)
    assert spectrum.meta["shape"] == [32, 8, 3, 3]


def test_noise_of_unit_variance_has_mean_one():
    W = np.random.default_rng(3).normal(size=(200, 800))
    # The mean is that of 160,000 squared normal deviates (variance 2), so its standard error is 0.0035.
    assert Spectrum.from_matrix(W).eigenvalues.mean() == pytest.approx(1, abs=4 * np.sqrt(2 / W.size))


def test_small_eigenvalues_keep_their_digits():
    rng = np.random.default_rng(4)
    sigma = np.logspace(0, -7, 30)
    U = np.linalg.qr(rng.normal(size=(30, 30)))[0]
    V = np.linalg.qr(rng.normal(size=(50, 30)))[0]
    spectrum = Spectrum.from_matrix((U * sigma) @ V.T)
    np.testing.assert_allclose(spectrum.eigenvalues[::-1], sigma**2 / 50, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rank_deficiency_is_counted_in_zeros(dtype):
    rng = np.random.default_rng(5)
    W = (rng.normal(size=(80, 30)) @ rng.normal(size=(30, 100))).astype(dtype)
    spectrum = Spectrum.from_matrix(W)
    assert (len(spectrum), spectrum.zeros, spectrum.n) == (30, 50, 100)


def test_dead_rows_leave_the_spectrum_of_the_rest():
    W = np.random.default_rng(6).normal(size=(40, 100))
    alive = Spectrum.from_matrix(W[:30])
    W[30:] = 0
    spectrum = Spectrum.from_matrix(W)
    assert (spectrum.gamma, spectrum.zeros) == (alive.gamma, 10)
    np.testing.assert_allclose(spectrum.eigenvalues, alive.eigenvalues, rtol=1e-10)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn])
def test_half_precision_matrices_are_taken_as_they_are(dtype):
    W = np.random.default_rng(7).normal(size=(64, 64)).astype(dtype)
    spectrum = Spectrum.from_matrix(W)
    np.testing.assert_array_equal(spectrum.eigenvalues, Spectrum.from_matrix(W.astype(float)).eigenvalues)
    assert spectrum.zeros == 0
    assert spectrum.meta["dtype"] == str(np.dtype(dtype))


W = np.random.default_rng(8).normal(size=(30, 40))
BAD_MATRICES = {
    "NaN": (np.where(W > 2, np.nan, W), "NaN"),
    "infinite": (np.where(W > 2, -np.inf, W), "infinite"),
    "complex": (W * 1j, "complex128"),
    "vector": (W.ravel(), r"shape \(1200,\)"),
    "empty": (np.empty((0, 30)), r"shape \(0, 30\)"),
    "objects": (W.astype(object), "object"),
    "zero": (W * 0, r"only 0 .*\(30 are zero\)"),
    "rank 1": (np.outer(W[0], W[1]), r"only 1 .*\(39 are zero\)"),
    "orthogonal": (np.linalg.qr(W.T)[0], "are the same"),
    "too large": (W * 1e200, "leave the range of float64"),
    "too small": (W * 1e-200, "leave the range of float64"),
}


@pytest.mark.parametrize("case", BAD_MATRICES)
def test_bad_matrices_get_one_sentence(case):
    matrix, message = BAD_MATRICES[case]
    with pytest.raises(SpectrumError, match=message):
        Spectrum.from_matrix(matrix, name="layer.7")
