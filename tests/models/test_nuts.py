"""The one call of nutpie's sampler: what is asked for is passed on, and a short trace is refused."""

import ast
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


def test_nothing_else_calls_the_sampler():
    root = Path(htmp_bayes.__file__).parent
    calls = [
        path.relative_to(root).as_posix()
        for path in sorted(root.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr == "sample"
        and isinstance(node.value, ast.Name)
        and node.value.id == "nutpie"
    ]
    assert calls == ["models/nuts.py"]
