"""The one call of nutpie: what is asked for is passed on, a short trace is refused, and draws repeat."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import htmp_bayes
from htmp_bayes.models.nuts import sample_compiled

ASKED = {"draws": 20, "tune": 10, "chains": 2, "random_seed": 5}


@pytest.fixture
def sampler(monkeypatch):
    """nutpie's sampler with a trace of any size, and what it was asked."""
    asked = {}

    def sample(compiled, **options):
        asked.update(options)
        values = np.zeros((asked.get("found_chains", 2), asked.get("found", 20)))
        return xr.DataTree.from_dict({"posterior": xr.Dataset({"x": (("chain", "draw"), values)})})

    monkeypatch.setattr("nutpie.sample", sample)
    return asked


def test_what_is_asked_for_is_passed_on(sampler):
    tree = sample_compiled(None, **ASKED, cores=1, target_accept=0.95)
    assert tree["posterior"].sizes == {"chain": 2, "draw": 20}
    expected = {"draws": 20, "tune": 10, "chains": 2, "seed": 5, "cores": 1, "target_accept": 0.95}
    assert {name: sampler[name] for name in expected} == expected
    assert sampler["save_warmup"] is False


@pytest.mark.parametrize("short", [{"found": 19}, {"found_chains": 1}, {"found": 0}])
def test_a_trace_that_was_cut_short_is_refused(sampler, short):
    sampler.update(short)
    with pytest.raises(KeyboardInterrupt):
        sample_compiled(None, **ASKED)


# A fit of a layer of noise, all of it.
FIT = """
import numpy as np
import htmp_bayes as hb
noise = np.random.default_rng(1).normal(size=(32, 64))
spectrum = hb.Spectrum(np.linalg.svd(noise, compute_uv=False) ** 2, n=64)
tree = hb.fit(spectrum, draws=100, tune=100, chains=2, random_seed=1, predictive_draws=0, progressbar=False)
print(tree["posterior"]["kappa"].to_numpy().tobytes().hex())
"""


@pytest.mark.slow
def test_the_first_process_after_an_installation_draws_what_the_next_one_does(tmp_path):
    environment = {**os.environ, "PYTENSOR_FLAGS": f"base_compiledir={tmp_path}"}
    first, second = (
        subprocess.run([sys.executable, "-c", FIT], env=environment, capture_output=True, check=True).stdout
        for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize("called", ["sample", "compile_pymc_model"])
def test_nothing_else_calls_nutpie(called):
    root = Path(htmp_bayes.__file__).parent
    calls = [
        path.relative_to(root).as_posix()
        for path in sorted(root.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr == called
        and isinstance(node.value, ast.Name)
        and node.value.id == "nutpie"
    ]
    assert calls == ["models/nuts.py"]
