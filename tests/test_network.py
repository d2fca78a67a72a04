"""`fit_network`: one small network of two models, and what is refused before anything is computed."""

import arviz as az
import numpy as np
import pytest
import xarray as xr

import htmp_bayes as hb
from htmp_bayes.fitting import FitError
from htmp_bayes.network import fit_network
from htmp_bayes.network_layers import design_of, gather


def spectrum(name, random_state=1, kind="weight", **meta):
    matrix = np.random.default_rng(random_state).normal(size=(30, 90))
    return hb.Spectrum.from_matrix(matrix, name=name, kind=kind, meta=meta)


def correlated(name, seed):
    eigenvalues = hb.sample_ensemble(64, 20.0, 0.5, 1.0, 0.6, random_state=seed)
    return hb.Spectrum(eigenvalues, 128, name=name)


TOLD: list[str] = []
"""What `progress` was told of the fit of the fixture below."""


@pytest.fixture(scope="module")
def result():
    models = {
        model: [correlated(f"h.{i}.{part}", seed=10 * i + k) for i, part in enumerate(("fc1", "fc2"))]
        for k, model in enumerate("ab")
    }

    def tell(done, total, name):
        TOLD.append(f"{done}/{total} {name}")

    return fit_network(models, draws=400, tune=400, chains=2, random_seed=1, progress=tell)


@pytest.mark.slow
def test_progress_tells_each_phase(result):
    assert TOLD[-3:] == ["4/4 b/h.1.fc2", "0/0 sampling", "0/0 correcting"]


@pytest.mark.slow
def test_every_layer_has_its_parameters_and_coordinates(result):
    posterior = result["posterior"]
    assert list(posterior.coords["layer"].values) == ["a/h.0.fc1", "a/h.1.fc2", "b/h.0.fc1", "b/h.1.fc2"]
    constant = result["constant_data"]
    assert list(constant["layer_kind"].values) == ["up", "down", "up", "down"]
    assert list(constant["layer_model"].values) == ["a", "a", "b", "b"]
    assert list(constant["layer_depth"].values) == [0.0, 1.0, 0.0, 1.0]
    for name in ("kappa", "dyson_index", "temperature", "correlation", "tail_index", "scale", "quantile_90"):
        assert posterior[name].dims == ("chain", "draw", "layer")
        assert np.isfinite(posterior[name]).all()
        assert posterior[f"model_{name}"].dims == ("chain", "draw", "model")
    for name in (
        "typical",
        "kind_effect",
        "model_effect",
        "depth_trend",
        "layer_spread",
        "model_layer_spread",
    ):
        assert "parameter" in posterior[name].dims
    assert np.allclose(posterior["kind_effect"].sum("kind"), 0, atol=1e-9)
    assert np.allclose(posterior["scale"], posterior["kappa"] * posterior["temperature"])
    assert np.allclose(posterior["kappa"], 64 * posterior["dyson_index"])
    mean = np.log(posterior["scale"]).sel(layer=["b/h.0.fc1", "b/h.1.fc2"]).mean("layer")
    assert np.allclose(np.log(posterior["model_scale"].sel(model="b")), mean)


@pytest.mark.slow
def test_another_network_of_the_same_shape_has_its_own_posterior(result):
    """The model is compiled once for all of a structure, and takes other data then; here with one more layer."""
    names = ("h.0.fc1", "h.1.fc2", "h.2.fc2")
    models = {m: [correlated(name, 7 * i + k) for i, name in enumerate(names)] for k, m in enumerate("ab")}
    scaled = {m: [hb.Spectrum(20 * s.eigenvalues, s.n, name=s.name) for s in ss] for m, ss in models.items()}
    second = fit_network(scaled, draws=100, tune=300, chains=2, random_seed=1)
    medians = [r["posterior/scale"].median(("chain", "draw")).to_numpy() for r in (second, result)]
    assert medians[0] == pytest.approx(20 * np.mean(medians[1]), rel=0.25)


@pytest.mark.slow
def test_check_takes_the_worst_layer_of_a_network(result):
    verdict = hb.check(result)
    worst = az.ess(result["posterior"].to_dataset())["kappa"].min()
    assert verdict.ess_bulk["kappa"] == pytest.approx(float(worst))
    for name, wrong, words in (
        ("correction_pareto_k", 0.9, "k of the correction 0.90"),
        ("correction_counting", 0.05, "5 % count"),
    ):
        assert not any(words in reason for reason in verdict.reasons)
        changed = result.copy()
        changed.attrs = {**result.attrs, name: wrong}
        assert any(words in reason for reason in hb.check(changed).reasons)


@pytest.mark.slow
def test_arviz_summarises_it(result):
    summary = az.summary(result, var_names=["kappa", "model_kappa", "typical"])
    assert "kappa[a/h.0.fc1]" in summary.index


@pytest.mark.slow
def test_what_the_correction_tells_is_small(result):
    assert result.attrs["correction_log_weight_sd"] < 0.7
    assert result.attrs["correction_pareto_k"] < 0.7
    assert 0.5 < result.attrs["correction_counting"] <= 1


@pytest.mark.slow
def test_it_survives_a_file_and_is_compared(result, tmp_path):
    result.to_netcdf(tmp_path / "network.nc")
    with xr.open_datatree(tmp_path / "network.nc") as read:
        models = hb.compare_models(read, "a", "b")
        layers = hb.compare_layers(read)
    assert list(models.parameter) == [
        "dyson_index",
        "correlation",
        "participation_ratio",
        "tail_index",
        "mean",
    ]
    assert len(layers) == 6 * 5
    assert models.p_less.between(0, 1).all()


def test_kinds_of_one_layer_each_have_no_effect_of_their_own():
    alone = gather([spectrum("x.1"), spectrum("x.2", 2)], kinds=["up", "down"])
    assert design_of(alone).structure.kinds == 1
    shared = gather([spectrum("x.1"), spectrum("x.2", 2), spectrum("x.3", 3)], ["up", "down", "up"])
    assert design_of(shared).structure.kinds == 2


def test_kinds_and_depths_can_be_given():
    spectra = [spectrum("x.1"), spectrum("x.2", 2), spectrum("x.3", 3)]
    layers = gather(spectra, kinds={"x.2": "gate"}, depth=[3, 2, 1])
    assert [layer.kind for layer in layers] == ["other", "gate", "other"]
    design = design_of(layers)
    assert design.kinds == ("other", "gate")
    assert design.depth.ravel().tolist() == [3.0, 2.0, 1.0]


def test_layers_of_the_same_name_are_paired_over_models():
    models = {"a": [spectrum("h.0"), spectrum("h.1", 2)], "b": [spectrum("h.1", 3), spectrum("h.2", 4)]}
    design = design_of(gather(models))
    assert design.structure.paired
    assert design.cells.tolist() == [[0, 0], [1, 0], [1, 1], [2, 1]]
    assert not design_of(
        gather({"a": models["a"], "c": [spectrum("x.0"), spectrum("x.1", 2)]})
    ).structure.paired


RUNS = [
    spectrum(f"batch{b}.seed{s}.h.{i}", 9 * b + 3 * s + i, seed=s, batch=b)
    for b in (4, 8)
    for s in (0, 1)
    for i in (0, 1)
]


@pytest.mark.parametrize("by", ["pattern", "files", "column", "mapping"])
def test_runs_are_told_apart(by):
    if by == "pattern":
        layers = gather(RUNS, runs=r"batch(?P<group>\d+)\.seed(?P<run>\d+)")
    elif by == "files":
        files = {
            f"batch{b}-seed{s}": [spectrum("h.0", b + s), spectrum("h.1", b - s)]
            for b in (4, 8)
            for s in (0, 1)
        }
        layers = gather(files, runs=r"-?seed(?P<run>\d+)")
    else:
        plain = [hb.Spectrum(s.eigenvalues, s.n, name=s.name[-3:], meta=s.meta) for s in RUNS]
        if by == "column":
            layers = gather(plain, runs="seed", groups="batch")
        else:
            files = {
                f"{b}-{s}": [x for x in plain if (x.meta["batch"], x.meta["seed"]) == (b, s)]
                for b in (4, 8)
                for s in (0, 1)
            }
            layers = gather(
                files, runs={name: name[2:] for name in files}, groups={name: name[0] for name in files}
            )
    design = design_of(layers)
    assert design.layers == ("h.0", "h.1")
    assert design.models == (("batch4", "batch8") if by == "files" else ("4", "8"))
    assert design.runs == ("0", "1")
    assert sorted(map(tuple, design.place.tolist())) == [
        (i, b, s) for i in (0, 1) for b in (0, 1) for s in (0, 1)
    ]
    assert design.depth.tolist() == [[0.0, 0.0], [1.0, 1.0]]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"runs": r"seed(?P<run>\d)", "steps": [1] * 8}, "runs and steps are not fitted together"),
        ({"runs": "seed"}, "No layer is there in two training runs"),
        ({"runs": "epoch"}, "has no 'epoch' in its meta, which runs asks for"),
        ({"runs": r"seed(?P<group>\d)"}, "has no group named run"),
        ({"runs": r"seed(?P<run>\d"}, "is no regular expression"),
        ({"runs": r"sow(?P<run>\d)"}, "no training run in the name 'batch4.seed0.h.0'"),
        ({"runs": {"x": "1"}}, "runs names neither 'batch4.seed0.h.0' nor ''"),
        ({"runs": 3}, "runs is a mapping, the name of a column"),
        ({"runs": r"batch\d\.seed(?P<run>\d)"}, "'h.0' is there twice in run '0'"),
        ({"groups": "batch"}, "say by runs which spectra"),
    ],
)
def test_runs_that_are_not_understood_are_said(options, sentence):
    with pytest.raises(FitError, match=sentence):
        gather(RUNS, **options)


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


def own_fit(of, population):
    tree = xr.DataTree.from_dict(
        {"observed_data": xr.Dataset({"eigenvalues": ("eigenvalue", of.eigenvalues)})}
    )
    tree.attrs["population"] = population
    return tree


@pytest.mark.parametrize(
    ("fits", "sentence"),
    [
        ({"c": own_fit(spectrum("c"), "free")}, "fits has a result of 'c', and there is no such spectrum"),
        ({"a": own_fit(spectrum("a", 5), "free")}, "a: its result in fits is that of another spectrum"),
        ({"a": own_fit(spectrum("a"), "none")}, "a: its result in fits has population = 'none', not 'free'"),
    ],
)
def test_fits_of_others_are_refused(fits, sentence):
    with pytest.raises(FitError, match=sentence):
        fit_network([spectrum("a"), spectrum("b", 2)], fits=fits)


@pytest.mark.slow
def test_check_names_the_layers_whose_own_fit_is_not_to_be_relied_on(result):
    changed = result.copy()
    constant = result["constant_data"].to_dataset()
    said = {
        "spectrum_r_hat": [1.0, 1.2, 1.0, 1.0],
        "spectrum_ess": [500.0] * 4,
        "spectrum_fits": [1, 1, 1, 0],
    }
    told = constant.assign({name: ("spectrum", values) for name, values in said.items()})
    changed["constant_data"] = xr.DataTree(told)
    verdict = hb.check(changed)
    assert any("The own fit of 'a/h.1.fc2' did not converge" in reason for reason in verdict.reasons)
    assert any("The law does not fit 'b/h.1.fc2', of 4 spectra" in caution for caution in verdict.cautions)


def test_checkpoints_are_told_apart_by_their_steps():
    names = ["h.1.fc1", "h.0.fc1"]
    spectra = [spectrum(name, seed) for seed in (1, 2, 3) for name in names]
    layers = gather(spectra, steps=[30, 30, 10, 10, 20, 20])
    assert [(layer.label, layer.step) for layer in layers] == [(n, s) for n in names for s in (10, 20, 30)]
    assert [layer.spectrum for layer in layers] == [spectra[i] for i in (2, 4, 0, 3, 5, 1)]
    design = design_of(layers)
    assert design.steps == (10.0, 20.0, 30.0)
    assert design.place.tolist() == [[i, 0, k] for i in range(2) for k in range(3)]
    assert design.depth.ravel().tolist() == [1.0, 0.0]


def test_a_kind_or_depth_that_changes_over_the_steps_is_refused():
    with pytest.raises(FitError, match="'a' has another kind or depth at step 2"):
        gather([spectrum("a"), spectrum("a", 2)], ["up", "down"], steps=[1, 2])


TRUE_CORRELATION = np.linspace(0.3, 0.9, 4) * np.array([[1.1], [0.9], [1.0]])


@pytest.fixture(scope="module")
def training():
    """Three layers whose correlation grows threefold over four checkpoints, and the fit of all together."""
    rng = np.random.default_rng(1)
    spectra = [
        hb.Spectrum(
            hb.sample_ensemble(64, 64.0, 0.5, 1.0, correlation, random_state=rng),
            128,
            name=f"h.{layer}.fc1",
            meta={"step": 100 * k},
        )
        for k, column in enumerate(TRUE_CORRELATION.T)
        for layer, correlation in enumerate(column)
    ]
    return fit_network(spectra, draws=300, tune=500, chains=2, random_seed=1)


@pytest.mark.slow
def test_a_training_run_is_followed(training):
    correlation = training["posterior/correlation"]
    assert correlation.dims == ("chain", "draw", "layer", "step")
    assert list(correlation.step.values) == [100 * k for k in range(4)]
    lower, upper = np.quantile(correlation, [0.05, 0.95], axis=(0, 1))
    # Binomial: of 12 intervals of 90 %, 7 or fewer hold the truth with probability 0.4 % if all are independent.
    assert np.sum((lower < TRUE_CORRELATION) & (upper > TRUE_CORRELATION)) >= 8
    trend = training["posterior/step_trend"].sel(parameter="correlation").median(("chain", "draw"))
    assert trend.values[0] == 0
    assert trend.values[-1] > 0.6  # in truth log 3 = 1.1
    assert training["posterior/model_kappa"].dims == ("chain", "draw", "model", "step")
    assert training["constant_data/spectrum_step"].values.tolist() == [0, 100, 200, 300] * 3
    assert not training["sample_stats/diverging"].any()
