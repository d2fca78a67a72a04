"""Where plots are seen: in a notebook all of a cell's, in a window by `show`, and none while files are written."""

import subprocess
import sys

import pytest

CELL = """
import numpy as np
import htmp_bayes as hb
s = hb.Spectrum.from_matrix(np.random.default_rng(1).normal(size=(40, 120)), name="noise")
"""


@pytest.fixture(scope="module")
def shown():
    """Run cells in one kernel; the types of what each shows."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")

    def run(*cells):
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in (CELL, *cells)]
        )
        nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", allow_errors=True).execute()
        return [cell.outputs for cell in notebook.cells[1:]]

    return run


def pictures(outputs):
    return sum("image/png" in output.get("data", {}) for output in outputs)


def test_every_plot_of_a_cell_is_shown_once_and_in_order(shown, tmp_path):
    cells = [
        "s.plot()\ns.plot()",
        "for _ in range(3): s.plot()",
        "s.plot();",
        "figure = s.plot()",
        "figure",
        "figure.show()",
        "len(s)",
        "from htmp_bayes.drawing.picture import hidden\nwith hidden(): s.plot()",
        "import matplotlib.pyplot as plt\ns.plot()\nplt.show()",
        "hb.fit('model.npz')",
        "s",
    ]
    outputs = shown(*cells)
    assert [pictures(each) for each in outputs] == [2, 3, 1, 1, 1, 1, 0, 0, 1, 0, 0]
    size = outputs[4][0]["metadata"]["image/png"]
    assert size["width"] > 500
    (error,) = outputs[9]
    assert error["traceback"] == [
        "line 1: hb.fit('model.npz')",
        "ArgumentError: fit takes one spectrum, not a path: read_spectra(path) reads a list of them.",
    ]
    assert "<svg" in outputs[10][0]["data"]["text/html"]


SCRIPT = """
import sys
import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.backends import backend_registry
from htmp_bayes.drawing import picture
windows = sys.argv[1] == "windows"
picture._has_windows = lambda: windows
figure = picture.Picture()
print(figure.number in plt.get_fignums() if windows else plt.get_fignums())
with picture.hidden():
    picture.Picture()
print(len(plt.get_fignums()))
picture.Picture().show(warn=False)
print(len(plt.get_fignums()))
"""


@pytest.mark.parametrize(("windows", "said"), [("windows", ["True", "1", "2"]), ("none", ["[]", "0", "1"])])
def test_pyplot_knows_of_a_plot_where_it_opens_windows_or_is_asked_to(windows, said):
    done = subprocess.run([sys.executable, "-c", SCRIPT, windows], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:-1] == said
