"""What a cell shows: HTML in notebooks, a few lines of text elsewhere, and nothing that a file made up."""

from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import htmp_bayes as hb
from htmp_bayes.checks import Verdict

EVIL = "<script>alert(1)</script>\x1b[2J"


class Balance(HTMLParser):
    """Opened and closed elements, one list each."""

    def __init__(self):
        super().__init__()
        self.opened, self.closed = [], []

    def handle_starttag(self, tag, attrs):
        self.opened.append(tag)

    def handle_endtag(self, tag):
        self.closed.append(tag)


def verdict():
    ones = {"kappa": 1.0}
    return Verdict(
        EVIL,
        (),
        0,
        ones,
        {"kappa": 1800.0},
        {"kappa": 1900.0},
        0.9,
        ("Spikes are suspected.",),
        ("Off.",),
        False,
    )


def comparison():
    rows = {"title": [EVIL, "HTMP"], "rank": [0, 1], "elpd": [1.0, 0.0], "elpd_diff": [0.0, -1.0]}
    rows |= {"dse": [0.0, 2.0], "weight": [1.0, 0.0], "p": [2.0, 3.0]}
    table = pd.DataFrame(rows, index=["log-normal", "htmp"])
    pointwise = pd.DataFrame({"log-normal": np.ones(4), "htmp": np.zeros(4)})
    return hb.LawComparison("layer", table, pointwise, {}, ("A note.",))


def listed(tmp_path):
    np.savez(tmp_path / "a.npz", **{f"{EVIL}.weight": np.eye(60, 80), "b.bias": np.ones(3)})
    return hb.list_matrices(tmp_path / "a.npz")


SHOWN = {
    "spectrum": lambda _: hb.Spectrum(range(1, 31), n=60, name=EVIL),
    "verdict": lambda _: verdict(),
    "estimate": lambda _: hb.Estimate(EVIL, {"kappa": 5.0}, {"kappa": 0.2}, -330.0),
    "comparison": lambda _: comparison(),
    "matrices": listed,
}


@pytest.mark.parametrize("kind", SHOWN)
def test_a_notebook_shows_html_in_which_names_are_harmless(kind, tmp_path):
    html = SHOWN[kind](tmp_path)._repr_html_()
    balance = Balance()
    balance.feed(html)
    assert sorted(balance.opened) == sorted(balance.closed)
    assert "script" not in balance.opened
    assert "&lt;script&gt;" in html
    if kind != "comparison":  # whose titles are our own
        assert "\x1b" not in html


@pytest.mark.parametrize("kind", SHOWN)
def test_text_is_short(kind, tmp_path):
    text = repr(SHOWN[kind](tmp_path))
    assert len(text.splitlines()) <= 6
    assert len(text) < 400
    assert "mappingproxy" not in text


def test_lists_of_matrices_say_what_becomes_of_each(tmp_path):
    found = listed(tmp_path)
    assert repr(found).startswith("ListedMatrices(1 of 2 would be read, 1 are left out")
    assert [matrix.fate for matrix in found][1] == "left out: not matrices"
