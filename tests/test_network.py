"""`fit_network`: one small network of two models, and what is refused before anything is computed."""

import arviz as az
import numpy as np
import pytest
import xarray as xr

import htmp_bayes as hb
from htmp_bayes.fitting import FitError
from htmp_bayes.models.network import example_data, network_model
from htmp_bayes.network import _design, _layers, fit_network


def spectrum(name, seed=1, kind="weight"):
    matrix = np.random.default_rng(seed).normal(size=(30, 90))
    return hb.Spectrum.from_matrix(matrix, name=name, kind=kind)


def correlated(name, seed):
    eigenvalues = hb.sample_ensemble(120, 3.0, 1 / 3, 1.0, 0.6, random_state=seed)
    return hb.Spectrum(eigenvalues, 360, name=name)


@pytest.fixture(scope="module")
def result():
    models = {
        model: [correlated(f"h.{i}.{part}", seed=10 * i + k) for i, part in enumerate(("fc1", "fc2"))]
        for k, model in enumerate("ab")
    }
    return fit_network(models, draws=100, tune=300, chains=2, random_seed=1)


@pytest.mark.slow
def test_every_layer_has_its_parameters_and_coordinates(result):
    posterior = result["posterior"]
    assert list(posterior.coords["layer"].values) == ["a/h.0.fc1", "a/h.1.fc2", "b/h.0.fc1", "b/h.1.fc2"]
    constant = result["constant_data"]
    assert list(constant["layer_kind"].values) == ["up", "down", "up", "down"]
    assert list(constant["layer_model"].values) == ["a", "a", "b", "b"]
    assert list(constant["layer_depth"].values) == [0.0, 1.0, 0.0, 1.0]
    for name in ("kappa", "temperature", "correlation", "tail_index", "scale"):
        assert posterior[name].dims == ("chain", "draw", "layer")
        assert np.isfinite(posterior[name]).all()
        assert posterior[f"model_{name}"].dims == ("chain", "draw", "model")
    for name in ("typical", "kind_effect", "model_effect", "depth_trend", "layer_spread"):
        assert "parameter" in posterior[name].dims
    assert np.allclose(posterior["kind_effect"].sum("kind"), 0, atol=1e-9)
    assert np.allclose(posterior["scale"], posterior["kappa"] * posterior["temperature"] * 1.5)


@pytest.mark.slow
def test_another_network_of_the_same_shape_has_its_own_posterior(result):
    other = {
        model: [correlated(f"h.{i}.{part}", seed=50 + 10 * i + k) for i, part in enumerate(("fc1", "fc2"))]
        for k, model in enumerate("ab")
    }
    scaled = {m: [hb.Spectrum(20 * s.eigenvalues, s.n, name=s.name) for s in ss] for m, ss in other.items()}
    second = fit_network(scaled, draws=100, tune=200, chains=2, random_seed=1, adjust=False)
    ratio = second["posterior"]["scale"].median(("chain", "draw")) / result["posterior"]["scale"].median(
        ("chain", "draw")
    )
    assert np.allclose(ratio, 20, rtol=0.25)
    assert second.attrs["surrogate_log_weight_sd"] < 0.5


@pytest.mark.slow
def test_pooling_lowers_the_error_of_small_layers():
    """Three networks of four layers with 48 eigenvalues each, whose kappa differ by a third."""
    rng = np.random.default_rng(6)
    pooled, separate, truth = [], [], []
    for seed in range(3):
        kappa = 6.0 * np.exp(0.3 * rng.normal(size=4))
        eigenvalues = [hb.sample_ensemble(48, k, 0.5, 1.0, 0.6, random_state=rng) for k in kappa]
        names = ("h.0.fc1", "h.1.fc2", "h.0.fc1", "h.1.fc2")
        spectra = [hb.Spectrum(x, 96, name=name) for x, name in zip(eigenvalues, names, strict=True)]
        models = {"a": spectra[:2], "b": spectra[2:]}
        result = fit_network(models, draws=150, tune=300, chains=2, random_seed=seed, adjust=False)
        pooled.extend(np.log(result["posterior/kappa"]).median(("chain", "draw")).values)
        separate.extend(np.log([hb.estimate(s, adjust=False).values["kappa"] for s in spectra]))
        truth.extend(np.log(kappa))
    errors = [np.sqrt(np.mean((np.array(found) - truth) ** 2)) for found in (pooled, separate)]
    assert errors[0] < 0.8 * errors[1]


def test_the_prior_of_kappa_keeps_to_the_range_of_the_law():
    spectra = [spectrum("h.0.fc1"), spectrum("h.1.fc1", 2)]
    design = _design(_layers(spectra, None, None))
    model = network_model(example_data(design), design.shape)
    density = model.compile_fn(
        model["kappa_in_range"], mode="FAST_COMPILE", inputs=[model["log_kappa"]], point_fn=False
    )
    assert np.allclose(density(np.log([3.0, 3600.0])), 0.0)
    assert density(np.log([1e4, 1e5])) == pytest.approx([-8.0, -87.2], abs=0.1)


@pytest.mark.slow
def test_check_takes_the_worst_layer_of_a_network(result):
    verdict = hb.check(result)
    worst = az.ess(result["posterior"].to_dataset())["kappa"].min()
    assert verdict.ess_bulk["kappa"] == pytest.approx(float(worst))
    result.attrs["surrogate_log_weight_sd"], kept = 2.0, result.attrs["surrogate_log_weight_sd"]
    assert any("polynomials" in reason for reason in hb.check(result).reasons)
    result.attrs["surrogate_log_weight_sd"] = kept


@pytest.mark.slow
def test_arviz_summarises_it(result):
    summary = az.summary(result, var_names=["kappa", "model_kappa", "typical"])
    assert "kappa[a/h.0.fc1]" in summary.index


@pytest.mark.slow
def test_the_polynomials_cost_is_reported_and_small(result):
    assert 0 < result.attrs["surrogate_error"] < 0.5
    assert result.attrs["surrogate_log_weight_sd"] < 0.5
    assert result.attrs["surrogate_pareto_k"] < 0.7


@pytest.mark.slow
def test_it_survives_a_file_and_is_compared(result, tmp_path):
    result.to_netcdf(tmp_path / "network.nc")
    with xr.open_datatree(tmp_path / "network.nc") as read:
        models = hb.compare_models(read, "a", "b")
        layers = hb.compare_layers(read)
    assert list(models.parameter) == ["kappa", "correlation", "tail_index", "temperature"]
    assert len(layers) == 6 * 4
    assert models.p_less.between(0, 1).all()


def test_kinds_of_one_layer_each_have_no_effect_of_their_own():
    alone = _layers([spectrum("x.1"), spectrum("x.2", 2)], kinds=["up", "down"], depth=None)
    assert _design(alone).shape == (2, 1, 1, True, 1)
    shared = _layers([spectrum("x.1"), spectrum("x.2", 2), spectrum("x.3", 3)], ["up", "down", "up"], None)
    assert _design(shared).shape == (3, 2, 1, True, 1)


def test_kinds_and_depths_can_be_given():
    spectra = [spectrum("x.1"), spectrum("x.2", 2), spectrum("x.3", 3)]
    layers = _layers(spectra, kinds={"x.2": "gate"}, depth=[3, 2, 1])
    assert [layer.kind for layer in layers] == ["other", "gate", "other"]
    design = _design(layers)
    assert design.kinds == ("other", "gate")
    assert list(design.depth) == [3.0, 2.0, 1.0]


@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        ([spectrum("a")], {}, "at least two layers"),
        ([spectrum("a"), spectrum("a", 2)], {}, "'a' for one; rename"),
        ([spectrum("a"), spectrum("b")], {"kinds": ["up"]}, "kinds has 1 entries for 2 layers"),
        ([spectrum("a"), spectrum("b")], {"depth": {"c": 1.0}}, "depth names a layer that is not there: 'c'"),
        ([spectrum("a"), spectrum("b", kind="kernel")], {}, "kernel spectra follow the inverse law"),
        ([spectrum("a"), spectrum("b")], {"population": "point"}, "population is one of"),
        ([spectrum("a"), spectrum("b")], {"draws": 0}, "draws must be a whole number"),
        ([spectrum("a"), spectrum("a", 2)], {"steps": [1]}, "steps has 1 entries for 2 spectra"),
        ([spectrum("a"), spectrum("a", 2)], {"steps": [1, "2"]}, "a finite number, not '2'"),
        ([spectrum("a"), spectrum("a", 2)], {"steps": [1, np.nan]}, "a finite number, not nan"),
        ([spectrum("a"), spectrum("a", 2)], {"steps": [1, 1]}, "say by steps of which checkpoints"),
        (
            [spectrum("a"), spectrum("b"), spectrum("a", 2)],
            {"steps": [1, 1, 2]},
            "'b' is there at 1 of 2 steps",
        ),
    ],
)
def test_wrong_input_is_said_before_anything_is_computed(arguments, options, sentence):
    with pytest.raises(FitError, match=sentence):
        fit_network(arguments, **options)


def test_checkpoints_are_told_apart_by_their_steps():
    names = ["h.1.fc1", "h.0.fc1"]
    spectra = [spectrum(name, seed) for seed in (1, 2, 3) for name in names]
    layers = _layers(spectra, None, None, steps=[30, 30, 10, 10, 20, 20])
    assert [(layer.name, layer.step) for layer in layers] == [(n, s) for n in names for s in (10, 20, 30)]
    assert [layer.spectrum for layer in layers] == [spectra[i] for i in (2, 4, 0, 3, 5, 1)]
    design = _design(layers)
    assert design.steps == (10.0, 20.0, 30.0)
    assert list(design.depth) == [1.0] * 3 + [0.0] * 3


def test_a_kind_or_depth_that_changes_over_the_steps_is_refused():
    spectra = [spectrum("a"), spectrum("a", 2)]
    with pytest.raises(FitError, match="'a' has another kind or depth at step 2"):
        _design(_layers(spectra, ["up", "down"], None, steps=[1, 2]))


TRUE_KAPPA = np.geomspace(30.0, 3.0, 4) * np.array([[1.3], [0.8], [1.0]])


@pytest.fixture(scope="module")
def training():
    """Spectra of three layers whose kappa falls tenfold over four checkpoints, and the fit of all together."""
    rng = np.random.default_rng(1)
    spectra = [
        hb.Spectrum(
            hb.sample_ensemble(64, kappa, 0.5, 1.0, 0.5, random_state=rng),
            128,
            name=f"h.{layer}.fc1",
            meta={"step": 100 * k},
        )
        for k, column in enumerate(TRUE_KAPPA.T)
        for layer, kappa in enumerate(column)
    ]
    return spectra, fit_network(spectra, draws=300, tune=600, chains=2, random_seed=1, adjust=False)


@pytest.mark.slow
def test_a_training_run_is_followed(training):
    result = training[1]
    kappa = result["posterior/kappa"]
    assert kappa.dims == ("chain", "draw", "layer", "step")
    assert list(kappa.step.values) == [100 * k for k in range(4)]
    lower, upper = np.quantile(kappa, [0.05, 0.95], axis=(0, 1))
    # Binomial: of 12 intervals of 90 %, 7 or fewer hold the truth with probability 0.4 % if all are independent.
    assert np.sum((lower < TRUE_KAPPA) & (upper > TRUE_KAPPA)) >= 8
    trend = result["posterior/step_trend"].sel(parameter="log_kappa").median(("chain", "draw"))
    assert trend.values[0] == 0
    assert trend.values[-1] < -1.2  # in truth -2.3
    assert result["posterior/model_kappa"].dims == ("chain", "draw", "model", "step")
    assert result["log_likelihood/spectra"].dims == ("chain", "draw", "layer", "step")
    assert result["constant_data/n_eigenvalues"].dims == ("layer", "step")
    assert not result["sample_stats/diverging"].any()


@pytest.mark.slow
def test_neighbouring_steps_lower_the_error(training):
    spectra, result = training
    pooled = np.log(result["posterior/kappa"]).median(("chain", "draw")).values
    separate = np.log([hb.estimate(s, adjust=False).values["kappa"] for s in spectra]).reshape(4, 3).T
    errors = [np.sqrt(np.mean((found - np.log(TRUE_KAPPA)) ** 2)) for found in (pooled, separate)]
    assert errors[0] < errors[1]
