"""Kernels of torch models against what they are by hand."""

import numpy as np
import pytest

from htmp_bayes.spectra import SpectrumError, read_spectra
from htmp_bayes.spectra import kernels as module
from htmp_bayes.spectra.kernels import conjugate_kernel, neural_tangent_kernel


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def network(torch):
    torch.manual_seed(1)
    return torch.nn.Sequential(
        torch.nn.Linear(12, 50), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(50, 3, bias=False)
    )


@pytest.fixture
def inputs(torch):
    return torch.from_numpy(np.random.default_rng(1).normal(size=(30, 12)).astype(np.float32))


def by_hand(network, inputs):
    """Features and output weights of the network in float64."""
    W, b, V = (p.detach().numpy().astype(float) for p in network.parameters())
    X = inputs.numpy().astype(float)
    return X, np.maximum(X @ W.T + b, 0), (X @ W.T + b > 0).astype(float), V


def test_the_conjugate_kernel_is_the_gram_matrix_of_the_features(network, inputs):
    _, features, _, _ = by_hand(network, inputs)
    spectrum = conjugate_kernel(network, inputs, name="ck")
    expected = np.linalg.eigvalsh(features @ features.T / 50)
    np.testing.assert_allclose(spectrum.eigenvalues, expected, rtol=1e-8)
    assert (spectrum.kind, spectrum.n, spectrum.name) == ("kernel", 50, "ck")
    for layer in ("1", "2"):  # dropout does nothing in evaluation
        named = conjugate_kernel(network, inputs, layer=layer)
        np.testing.assert_array_equal(named.eigenvalues, spectrum.eigenvalues)


@pytest.mark.parametrize("output", [None, 1])
def test_the_tangent_kernel_is_that_of_the_chain_rule(network, inputs, output, monkeypatch):
    X, features, active, V = by_hand(network, inputs)
    outputs = [0, 1, 2] if output is None else [output]
    expected = np.zeros((30, 30))
    for c in outputs:  # by the weights and biases of the first layer, and the weights of the second
        expected += ((active * V[c]) @ (active * V[c]).T) * (X @ X.T + 1) + features @ features.T
    columns = len(outputs) * (12 * 50 + 50 + 150)
    spectrum = neural_tangent_kernel(network, inputs, output=output)
    np.testing.assert_allclose(spectrum.eigenvalues * columns, np.linalg.eigvalsh(expected), rtol=1e-8)
    assert (spectrum.kind, spectrum.n, spectrum.gamma) == ("kernel", columns, 30 / columns)
    monkeypatch.setattr(module, "GROUP", 8 * 30 * 200)
    in_groups = neural_tangent_kernel(network, inputs, output=output)
    np.testing.assert_allclose(in_groups.eigenvalues, spectrum.eigenvalues, rtol=1e-8)


def test_parameters_are_chosen_by_name(network, inputs):
    _, features, _, _ = by_hand(network, inputs)
    spectrum = neural_tangent_kernel(network, inputs, output=0, parameters=r"^3\.")
    np.testing.assert_allclose(
        spectrum.eigenvalues * 150, np.linalg.eigvalsh(features @ features.T), rtol=1e-8
    )


def test_the_model_is_left_as_it_was(torch, network, inputs):
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    neural_tangent_kernel(network, inputs, output=0)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda network, X: conjugate_kernel(network, X, layer="9"), "no module '9'"),
        (lambda network, X: conjugate_kernel(network[1], X), "no linear module"),
        (lambda network, X: neural_tangent_kernel(network, X, output=3), "not one of the model's 3 outputs"),
        (lambda network, X: neural_tangent_kernel(network, X, parameters="absent"), "No parameter"),
        (lambda network, X: neural_tangent_kernel(network, X, parameters="("), "not a regular expression"),
        (lambda network, X: conjugate_kernel(network, X[:5]), "only 5 eigenvalues"),
    ],
)
def test_what_cannot_be_computed_is_refused(network, inputs, make, message):
    with pytest.raises(SpectrumError, match=message):
        make(network, inputs)


def test_a_live_module_is_read_with_its_types_and_tied_weights_once(torch):
    torch.manual_seed(1)
    model = torch.nn.ModuleDict(
        {
            "tokens": torch.nn.Embedding(60, 52),
            "conv": torch.nn.Conv2d(8, 52, 3),
            "head": torch.nn.Linear(52, 60),
        }
    )
    model["head"].weight = model["tokens"].weight
    assert [spectrum.name for spectrum in read_spectra(model)] == ["conv", "tokens"]
    assert [s.name for s in read_spectra(model, types=["embedding"])] == ["tokens"]
    half = read_spectra(model.to(torch.bfloat16), include="tokens")[0]
    assert half.meta["tensor"] == "tokens.weight"
    with pytest.raises(SpectrumError, match="without values"):
        read_spectra(torch.nn.Linear(60, 60, device="meta"))
