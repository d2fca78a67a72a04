"""What CITATION.cff says of the package is true."""

import re
from pathlib import Path

import htmp_bayes as hb

CITATION = (Path(__file__).parents[2] / "CITATION.cff").read_text(encoding="utf-8")


def test_the_version_is_the_packages():
    assert re.findall(r"^version: (.*)$", CITATION, re.MULTILINE) == [hb.__version__]
