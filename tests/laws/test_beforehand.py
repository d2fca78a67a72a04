"""The first process after an installation computes the same bits as all later ones."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from htmp_bayes._errors import HTMPError
from htmp_bayes.laws import beforehand

LAW = """
import numpy as np
from htmp_bayes.laws.beforehand import compile_beforehand
compile_beforehand()
from htmp_bayes.laws.compiled.htmp_density import log_density
values = log_density(np.linspace(-3, 2, 40), 5.0, 0.6, 0.3, 0)
print(values.tobytes().hex(), sum(log_density.stats.cache_misses.values()))
"""

OPEN = """
import numpy as np
from htmp_bayes.laws.compiled.counting_covariance import FAR_WIDTHS, repulsion_covariance
from htmp_bayes.laws.compiled.listed_population import listed_columns
log_x, shares = np.linspace(-3, 2, 40), np.full(50, 0.02)
columns = listed_columns(log_x, 0.5, np.linspace(-1, 1, 50), shares, np.zeros(40, complex))
speed, width, interval = np.abs(np.gradient(columns[2], log_x)), np.full(40, log_x[1] - log_x[0]), np.arange(40) // 4
repulsion = repulsion_covariance(columns[2], speed, width, interval, 10, FAR_WIDTHS)
print(*(values.tobytes().hex() for values in (*columns, repulsion)))
"""


def run_with_cache(program, folder):
    """Output of a program in a process of its own that keeps what it compiles in the folder."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, check=True
    ).stdout


@pytest.mark.parametrize("on_disk", [[True], [False, True], [False, False]])
def test_another_process_compiles_if_nothing_is_on_disk(monkeypatch, caplog, on_disk):
    run, answers = [], iter(on_disk)

    def compile_there(command, **_):
        run.append(command[-1])
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(beforehand, "_all_on_disk", lambda: next(answers))
    monkeypatch.setattr(subprocess, "run", compile_there)
    beforehand.compile_beforehand.__wrapped__()
    assert run == ["htmp_bayes.laws.beforehand"] * (not on_disk[0])
    assert ("The law is being compiled" in caplog.text) == (not on_disk[0])
    assert ("could not be compiled beforehand" in caplog.text) == (not on_disk[-1])


@pytest.mark.slow
def test_the_first_process_gets_the_bits_of_the_next(tmp_path):
    first, second = (run_with_cache(LAW, tmp_path) for _ in range(2))
    assert first == second
    assert first.split()[1] == b"0"


@pytest.mark.slow
def test_the_open_law_has_the_same_bits_where_it_is_compiled_and_where_it_is_loaded(tmp_path):
    first, second = (run_with_cache(OPEN, tmp_path) for _ in range(2))
    assert first == second


def test_compiled_code_is_asked_for(monkeypatch):
    monkeypatch.setattr("numba.config.DISABLE_JIT", 1)
    with pytest.raises(HTMPError, match="NUMBA_DISABLE_JIT is set"):
        beforehand.compile_beforehand.__wrapped__()


def test_each_entrance_is_found_on_disk_once_it_was_called():
    """Otherwise each process would ask for them anew."""
    for function, arguments in beforehand._entrances():
        function(*arguments)
        assert beforehand._saved(function, arguments), function.__name__
