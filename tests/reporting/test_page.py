"""What the report says, as read from its HTML."""

import base64
import hashlib
import re
import time
from html.parser import HTMLParser

import pytest
import xarray as xr

from htmp_bayes import report
from htmp_bayes._errors import HTMPError
from tests.reporting.results import layer_result


class Page(HTMLParser):
    """Elements with their attributes, and the text between them."""

    def __init__(self, path):
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.elements, self.words, self._raw = [], [], False
        self.feed(self.source)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._raw = tag in ("style", "script")

    def handle_endtag(self, tag):
        self._raw = False

    def handle_data(self, data):
        if not self._raw:
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def page(path):
    return Page(path)


def test_the_verdict_comes_first_and_names_what_to_look_at(page):
    verdict = page.text[: page.text.index("Medians and 90 % intervals")]
    assert "1 of 3 posteriors cannot be used as they are." in verdict
    assert "3 of 2000 draws diverged" in verdict
    assert "The law does not fit 1 of 3 layers." in verdict
    assert "Spikes were set apart from the law in layer.9" in verdict


def test_a_single_good_layer_is_said_to_be_good(tmp_path):
    page = Page(report(layer_result("layer.0"), tmp_path / "report.html", command="x"))
    assert "Spectral report of layer.0 The posterior can be used. The law fits." in page.text


def test_every_layer_has_a_row_with_numbers_to_sort_by_and_a_spectrum(page):
    values = [float(cell["data-value"]) for cell in page.all("td") if cell.get("data-label") == "κ"]
    assert values == pytest.approx([300, 40, 5], rel=0.02)
    assert len(page.all("svg")) == 3
    means = [cell["data-value"] for cell in page.all("td") if cell.get("data-label") == "mean λ"]
    assert means == ["Infinity"] * 3
    assert "infinite p = 0.25" in page.text


def test_links_lead_to_the_layers(page):
    anchors = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    links = [attributes["href"] for attributes in page.all("a")]
    assert len(links) >= 3
    assert {link.removeprefix("#") for link in links} <= anchors


def test_every_layer_has_its_pictures_with_words_for_those_who_do_not_see_them(page):
    pictures = page.all("img")
    assert len(pictures) == 1 + 3 * 5
    for picture in pictures:
        assert picture["src"].startswith("data:image/png;base64,")
        assert len(picture["alt"]) > 40
        assert 300 < int(picture["width"]) < 800


def test_nothing_is_loaded_from_anywhere(page):
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "embed")
        for name in ("src", "href", "srcset"):
            assert attributes.get(name, "#").startswith(("#", "data:image/png;base64,"))
    assert not re.search(r"url\(|@import", page.source)


def test_only_the_script_of_the_page_may_run(page):
    (policy,) = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
    (script,) = re.findall(r"<script>(.*?)</script>", page.source, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_names_from_a_checkpoint_are_text_and_nothing_else(page):
    assert page.source.count("<script") == 1
    assert '<script>alert("x")</script>&?[2J?' in page.text
    assert "Marchenko-Pastur <b>" in page.text
    assert not page.all("b")


def test_the_comparison_of_laws_is_there_where_there_is_one(page):
    assert page.text.count("Comparison of laws") == 1
    section = page.text[page.text.index("Comparison of laws") :]
    assert section.startswith("Comparison of laws law elpd HTMP 10.2")


def test_it_says_how_it_was_made(page):
    for words in ("htmp-bayes fit 'a file.npz' --out run", "run: seed 4", "pymc 6.4.0", "seed 17", "E-BFMI"):
        assert words in page.text


def test_diagnostics_of_each_parameter_are_listed(page):
    assert page.text.count("parameter R-hat bulk ESS tail ESS") == 3


def test_a_result_without_a_test_of_the_law_has_no_verdict_on_it(tmp_path):
    result = layer_result("layer.0")
    del result["posterior_predictive"]
    result["constant_data"] = xr.DataTree(result["constant_data"].to_dataset()[["n", "gamma"]])
    page = Page(report({"renamed": result}, tmp_path / "report.html"))
    assert "Spectral report of renamed" in page.text
    assert "There is no verdict on the law of 1 of 1." in page.text
    assert "The law fits" not in page.text
    assert len(page.all("img")) == 1


def test_progress_is_told_layer_by_layer(tmp_path):
    told = []
    report(
        [layer_result("a"), layer_result("b")], tmp_path / "r.html", progress=lambda *now: told.append(now)
    )
    assert told == [(0, 2, "a"), (1, 2, "b")]


@pytest.mark.parametrize(
    ("results", "name", "words"),
    [
        ([], "report.html", "no results to report"),
        (None, "report.pdf", "a report is an HTML file"),
        (None, "absent/report.html", "is not a folder"),
    ],
)
def test_what_cannot_be_reported_or_written_is_refused(tmp_path, results, name, words):
    with pytest.raises(HTMPError, match=words):
        report([layer_result("a")] if results is None else results, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_result_without_draws_is_refused_before_anything_is_drawn(tmp_path):
    result = layer_result("a")
    del result["posterior"]
    with pytest.raises(HTMPError, match="no group 'posterior'"):
        report([layer_result("b"), result], tmp_path / "report.html")


@pytest.mark.slow
def test_thirty_seven_layers_take_less_than_a_minute_and_five_megabytes(tmp_path):
    results = [layer_result(f"layer.{number}", kappa=3.0 + number, correlation=0.5) for number in range(37)]
    report(results[0], tmp_path / "first.html")  # compiles the law and finds the fonts
    before = time.process_time()
    path = report(results, tmp_path / "report.html")
    # Processor time, for other work on the machine stretches the time on the wall; one process does it all.
    assert time.process_time() - before < 60
    assert path.stat().st_size < 5e6
