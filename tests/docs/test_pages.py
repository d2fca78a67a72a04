"""The pages: their code runs as it stands, and the site builds without a warning."""

import functools
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import htmp_bayes as hb

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = {page.relative_to(ROOT / "docs").as_posix(): BLOCK.findall(page.read_text("utf-8")) for page in PAGES}
WITH_CODE = [name for name, blocks in CODE.items() if blocks]
FEW = {"draws": 20, "tune": 30, "chains": 2}


def test_the_pages_that_show_code_are_found():
    assert {"getting-started.md", "howto/read-my-checkpoint.md", "howto/write-my-own-model.md"} <= {
        *WITH_CODE
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_name_of_the_package_in_a_page_is_public(page):
    names = re.findall(r"\bhb\.([A-Za-z_]\w*)", page.read_text(encoding="utf-8"))
    assert {*names} <= {*hb.__all__}


def with_few_draws(function):
    return functools.wraps(function)(lambda *args, **settings: function(*args, **{**settings, **FEW}))


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_CODE)
def test_the_code_of_a_page_runs_from_top_to_bottom(name, tmp_path, monkeypatch):
    import pymc as pm

    # Few draws: what is tested is that the code runs, and not what comes out.
    monkeypatch.setattr(hb, "fit", with_few_draws(hb.fit))
    monkeypatch.setattr(hb, "compare_laws", with_few_draws(hb.compare_laws))
    monkeypatch.setattr(pm, "sample", with_few_draws(pm.sample))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    shutil.copy(ROOT / "data" / "minilm.nc", tmp_path / "data")
    names: dict[str, object] = {}
    for number, block in enumerate(CODE[name]):
        exec(compile(block, f"{name}, block {number}", "exec"), names)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("sphinx", reason="the site is built with the dependency group docs")
    pytest.importorskip("furo", reason="the site is built with the dependency group docs")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", str(ROOT / "docs"), str(out)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return out


@pytest.mark.slow
def test_the_site_is_complete_and_needs_no_network(site):
    pages = {page.relative_to(site).as_posix(): page.read_text("utf-8") for page in site.rglob("*.html")}
    for name in hb.__all__:
        assert name == "__version__" or f'id="htmp_bayes.{name}"' in pages["api.html"], name
    assert "Exit codes" in pages["command-line.html"]
    assert "<math" in pages["law.html"]
    for name, text in pages.items():
        loaded = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?:[^"]+)"', text)
        assert loaded == [], name
        assert not [
            formula for formula in re.findall(r"<math.*?</math>", text, re.DOTALL) if "\\" in formula
        ], name
