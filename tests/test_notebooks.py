"""The notebooks' code runs from top to bottom."""

import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_run_in_order(notebook, monkeypatch):
    monkeypatch.chdir(notebook.parent)
    names = {}
    cells = [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]
    for cell in cells:
        exec(compile("".join(cell["source"]), notebook.name, "exec"), names)
    # a notebook may show a law that does not fit, but not draws that are not those of the posterior
    verdict = names["hb"].check(names["result"])
    assert verdict.divergences == 0
    assert max(verdict.r_hat.values()) <= 1.01
