"""A report of layers that differ in what is to be said of them."""

import pytest

from htmp_bayes import report
from tests.reporting.results import NASTY, layer_result

COMPARISON = [{"law": "HTMP", "elpd": "10.2"}, {"law": "Marchenko-Pastur <b>", "elpd": "-3.1"}]


@pytest.fixture(scope="package")
def path(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("htmp_bayes.plots.result_values._CURVE_DRAWS", 2)
        return report(
            [
                layer_result("layer.10", kappa=300.0),
                layer_result("layer.9", misfit=True, spikes=[30.0, 50.0]),
                layer_result(NASTY, diverging=3, kappa=5.0),
            ],
            tmp_path_factory.mktemp("report") / "report.html",
            command="htmp-bayes fit 'a file.npz' --out run",
            comparisons={"layer.9": COMPARISON},
            settings={"run: seed": 4},
        )
