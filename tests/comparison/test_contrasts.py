"""Contrasts: values against known draws, and one sentence for what cannot be compared."""

import numpy as np
import pytest
import xarray as xr

from htmp_bayes.comparison.contrasts import ComparisonError, compare_layers, compare_models

DIMS = ("chain", "draw")


def network(**variables):
    coords = {"layer": ["h.0", "h.1", "h.2"], "model": ["a", "b"]}
    arrays = {
        name: ((*DIMS, "model" if name.startswith("model") else "layer"), values)
        for name, values in variables.items()
    }
    return xr.DataTree.from_dict({"posterior": xr.Dataset(arrays, coords=coords)})


def single(name, kappa):
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset({"kappa": (DIMS, kappa)})})
    tree.attrs = {"name": name}
    return tree


def test_a_ratio_has_the_quantiles_and_probabilities_of_its_draws():
    logs = np.random.default_rng(1).normal([0.0, 0.3], 0.1, (2, 2000, 2))
    row = compare_models(network(model_kappa=np.exp(logs)), "a", "b", parameters=["kappa"]).iloc[0]
    ratio = np.exp(logs[..., 0] - logs[..., 1]).ravel()
    assert row.q5 == pytest.approx(np.quantile(ratio, 0.05))
    assert row["median"] == pytest.approx(np.exp(-0.3), rel=0.02)
    assert row.p_less == pytest.approx(0.983, abs=0.01)  # P(N(-0.3, 0.1 sqrt 2) < 0)
    assert row.p_rope == pytest.approx(np.mean(np.abs(np.log(ratio)) < 0.1))


def test_a_difference_is_first_minus_second():
    rng = np.random.default_rng(2)
    result = network(correlation=np.stack([rng.uniform(0, 0.01, (2, 100)) + x for x in (1.0, 0.6, 0.2)], -1))
    table = compare_layers(result, "h.0", contrast="difference", parameters=["correlation"], rope=0.5)
    assert list(table.second) == ["h.1", "h.2"]
    assert table["median"].to_numpy() == pytest.approx([0.4, 0.8], abs=0.01)
    assert list(table.p_rope) == [1.0, 0.0]


def test_all_pairs_without_names():
    result = network(kappa=np.ones((2, 10, 3)))
    table = compare_layers(result, parameters=["kappa"])
    assert list(zip(table["first"], table["second"], strict=True)) == [
        ("h.0", "h.1"), ("h.0", "h.2"), ("h.1", "h.2"),
    ]  # fmt: skip


def test_separate_fits_are_paired_at_random():
    rng = np.random.default_rng(3)
    kappa = np.sort(rng.normal(10, 1, (1, 4000)))  # sorted draws would be equal, pair by pair
    table = compare_models(single("x", kappa), single("y", kappa), parameters=["kappa"])
    assert (table["first"][0], table["second"][0]) == ("x", "y")
    assert table.p_less[0] == pytest.approx(0.5, abs=0.03)
    assert table.q95[0] > 1.1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("a", "c"), "no model 'c'"),
        (("a", "b", "ratios"), "contrast is one of ratio, difference"),
    ],
)
def test_what_cannot_be_compared_is_said(arguments, sentence):
    options = {"contrast": arguments[2]} if len(arguments) > 2 else {}
    with pytest.raises(ComparisonError, match=sentence):
        compare_models(network(model_kappa=np.ones((1, 4, 2))), *arguments[:2], **options)


def test_a_network_beside_a_layer_is_refused():
    with pytest.raises(ComparisonError, match="one layer"):
        compare_models(network(kappa=np.ones((1, 4, 3))), single("x", np.ones((1, 4))), parameters=["kappa"])


def test_the_question_is_said_in_words():
    result = network(kappa=np.ones((1, 4, 3)))
    asked = compare_layers(result, parameters=["kappa"]).attrs["question"]
    assert asked.startswith("Another matrix of the same population")
    assert "cannot be told without replicates" in asked
    result.attrs["runs"] = 3
    assert compare_layers(result, parameters=["kappa"]).attrs["question"].startswith("Another training run")
    separate = compare_models(
        single("x", np.ones((1, 4))), single("y", np.ones((1, 4))), parameters=["kappa"]
    )
    assert separate.attrs["question"] == asked


def test_an_unknown_parameter_is_named():
    with pytest.raises(ComparisonError, match="no parameter 'alpha'; there are kappa"):
        compare_layers(network(kappa=np.ones((1, 4, 3))), parameters=["alpha"])
