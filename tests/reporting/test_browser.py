"""The report in a real browser: Debian's Chromium, driven by Playwright."""

import shutil

import pytest

from htmp_bayes import report
from tests.reporting.test_network_page import pooled

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium is installed (Debian: apt-get install chromium)"
)
# As root a browser has no sandbox; the rest keeps it from looking for a network.
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, path):
    """Open the report at a size, and say in the end what the browser complained of and asked for."""
    complaints, requests, contexts = [], [], []

    def open_at(width, height=900, **settings):
        context = browser.new_context(viewport={"width": width, "height": height}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert complaints == []
    assert all(url == path.as_uri() or url.startswith("data:image/png") for url in requests)


def names(page):
    return [name.strip()[:8] for name in page.locator("table.sortable tbody th").all_inner_texts()]


def test_the_table_sorts_by_any_column_in_both_directions(opened):
    page = opened(1280)
    assert names(page) == ["layer.10", "layer.9", "<script>"]
    by_kappa = page.locator("th button").get_by_text("κ", exact=True)
    by_kappa.click()
    assert names(page) == ["<script>", "layer.9", "layer.10"]
    assert by_kappa.locator("..").get_attribute("aria-sort") == "ascending"
    by_kappa.click()
    assert names(page) == ["layer.10", "layer.9", "<script>"]
    page.get_by_role("button", name="layer").focus()
    page.keyboard.press("Enter")
    assert names(page) == ["<script>", "layer.9", "layer.10"], "as a reader sorts numbers in names"
    assert page.locator("th[aria-sort]").count() == 1


@pytest.mark.parametrize("width", [320, 390, 800, 1280])
def test_nothing_scrolls_sideways(opened, width):
    page = opened(width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    spilt = "e => [...e.querySelectorAll('*')].filter(x => x.getBoundingClientRect().right > innerWidth + 1).length"
    assert page.locator("body").evaluate(spilt) == 0


@pytest.mark.parametrize("width", [390, 1000])
def test_nor_does_the_report_of_a_pooled_fit(browser, tmp_path, width):
    path = report(pooled(), tmp_path / "report.html")
    context = browser.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("details.plots").first.evaluate("plots => plots.open") == (width > 640)
    context.close()


def test_all_pictures_load(opened):
    page = opened(1280)
    loaded = "images => images.map(image => image.complete && image.naturalWidth > 300)"
    assert page.locator("img").evaluate_all(loaded) == 16 * [True]


def luminance(page, what):
    colour = page.locator("body").evaluate(f"body => getComputedStyle(body).{what}")
    return sum(int(part) for part in colour.strip("rgb()").split(",")) / 765


@pytest.mark.parametrize(("scheme", "paper"), [("light", 1.0), ("dark", 0.1)])
def test_it_is_light_or_dark_as_the_reader_likes(opened, scheme, paper):
    page = opened(1280, color_scheme=scheme)
    assert luminance(page, "backgroundColor") == pytest.approx(paper, abs=0.05)
    assert abs(luminance(page, "color") - paper) > 0.7
    inverted = page.locator("img").first.evaluate("image => getComputedStyle(image).filter") != "none"
    assert inverted == (scheme == "dark")


def test_on_paper_it_is_black_on_white_and_each_layer_has_its_page(opened):
    page = opened(1280, color_scheme="dark")
    page.emulate_media(media="print")
    assert luminance(page, "backgroundColor") == 1
    assert luminance(page, "color") < 0.2
    assert page.locator("img").first.evaluate("image => getComputedStyle(image).filter") == "none"
    assert page.pdf(format="A4").count(b"/Type /Page\n") >= 4


def test_a_name_that_is_a_script_does_not_run(opened):
    page = opened(1280)
    dialogs = []
    page.on("dialog", lambda dialog: dialogs.append(dialog) or dialog.dismiss())
    page.reload()
    assert dialogs == []
    assert page.locator("script").count() == 1
