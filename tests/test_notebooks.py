"""The notebooks run from top to bottom, each in a kernel of its own, and show what they draw."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
# A notebook may show a law that does not fit, but not draws that are not those of the posterior.
VERDICT = """
verdict = hb.check(result)
assert verdict.divergences == 0
assert max(verdict.r_hat.values()) <= 1.01
"""
IDS = [path.stem for path in NOTEBOOKS]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_cells_run_in_order_in_a_clean_kernel(path):
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(VERDICT))
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    assert pictures(notebook) == expected_pictures(notebook)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_what_is_stored_reads_without_running_it(path):
    notebook = nbformat.read(path, as_version=4)
    assert pictures(notebook) == expected_pictures(notebook) > 0
    assert not [output for output in outputs(notebook) if output.output_type == "error"]
    assert not [output for output in outputs(notebook) if output.get("name") == "stderr"]


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", ())]


def pictures(notebook):
    return sum("image/png" in output.get("data", {}) for output in outputs(notebook))


def expected_pictures(notebook):
    """Cells that end on a plot."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return sum(source.splitlines()[-1].startswith("hb.plot_") for source in code)
