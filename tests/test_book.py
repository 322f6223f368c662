"""The built book in a real browser with the network cut."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urljoin, urlparse

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[1]
HTML = ROOT / "_build" / "html"
CHAPTERS = sorted(path.relative_to(HTML).as_posix() for path in HTML.glob("notebooks/*.html"))
PAGES = sorted(path.relative_to(HTML).as_posix() for path in HTML.glob("book/*.html")) + CHAPTERS
MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", MAC)
CHROME = next(filter(None, map(shutil.which, NAMES)), None)
QUIET = [f"--disable-{what}" for what in ("gpu", "background-networking", "component-update", "sync")]
LOCAL = re.compile("file:|data:|blob:")
LARGEST = 2_500_000  # bytes of a page
AXE = Axe()
# Within a chart axe sees the legends, which can have buttons. What colours stand behind the text of an SVG it cannot
# tell: tests/test_charts.py computes them. For the marks, which are thousands, stands the chart's text alternative.
SHOWN = {"include": [":root", ".role-legend"], "exclude": ["svg.marks > g"]}
QUICK = {"resultTypes": ["violations"], "preload": False}

pytestmark = pytest.mark.skipif(not PAGES, reason="there is no built book: run `make book`")
needs_browser = pytest.mark.skipif(CHROME is None, reason=f"no browser found: none of {', '.join(NAMES)} is installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROME, args=QUIET, chromium_sandbox=False)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page without a network, in which whatever goes wrong is an error of the test."""
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900}, color_scheme="light")
    page, wrong = context.new_page(), []
    page.on("console", lambda message: message.type in ("error", "warning") and wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
    page.on("request", lambda request: LOCAL.match(request.url) or wrong.append(f"left the page: {request.url}"))
    yield page
    context.close()
    assert wrong == []


def open_page(page: Page, name: str) -> int:
    """Open a page of the book, wait until all its charts are drawn in its theme, and say how many there are."""
    page.goto((HTML / name).as_uri())
    return drawn(page, "light")


def drawn(page: Page, theme: str) -> int:
    waiting = f".chart:not([data-drawn={theme}])"
    page.wait_for_function("waiting => !document.querySelector(waiting)", arg=waiting, timeout=20_000)
    return page.locator(".chart").count()


def drawings(page: Page) -> list[str]:
    """The charts as they are drawn, without the ids that Vega counts up with each drawing."""
    charts = page.eval_on_selector_all(".chart svg.marks", "charts => charts.map(chart => chart.outerHTML)")
    return [re.sub(r"(gradient_|clip)\d+", "", chart) for chart in charts]


def shut_out(page: Page, *without: str) -> list[str]:
    """What axe-core finds serious or critical on a page, and where; region, which is slow, is never either."""
    options = QUICK | {"rules": {rule: {"enabled": False} for rule in ("region", *without)}}
    found = AXE.run(page, context=SHOWN, options=options).response["violations"]
    grave = [finding for finding in found if finding["impact"] in ("serious", "critical")]
    return [f"{finding['id']}: {node['target']}" for finding in grave for node in finding["nodes"]]


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.mark.parametrize("name", PAGES)
def test_page_is_small(name: str) -> None:
    assert (HTML / name).stat().st_size < LARGEST


def pictures(name: str) -> int:
    """How many charts a chapter's notebook shows: each has a picture for viewers that run no scripts."""
    if name not in CHAPTERS:
        return 0
    cells = json.loads((ROOT / name).with_suffix(".ipynb").read_text())["cells"]
    outputs = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    return sum("data:image/png;base64," in "".join(data.get("text/html", "")) for data in outputs)


@needs_browser
@pytest.mark.parametrize("name", PAGES)
def test_every_chart_is_drawn(page: Page, name: str) -> None:
    charts = open_page(page, name)
    count = "charts => charts.map(chart => chart.querySelectorAll('path[d], text').length)"
    marks = page.eval_on_selector_all(".chart svg.marks", count)
    assert len(marks) == charts
    assert all(marks)
    assert charts == pictures(name)
    assert name != "notebooks/laboratory.html" or page.locator("#laboratory table").count() == 2
    assert overflow(page) == 0


@needs_browser
@pytest.mark.parametrize("name", PAGES)
def test_light_and_dark(page: Page, name: str) -> None:
    open_page(page, name)
    light = drawings(page)
    for _ in range(3):  # the button goes round light, dark and the system's choice
        page.locator("button.theme-switch-button:visible").first.click()
        if page.evaluate("document.documentElement.dataset.theme") == "dark":
            break
    drawn(page, "dark")
    dark = drawings(page)
    assert all(a != b for a, b in zip(light, dark, strict=True))

    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    drawn(page, "light")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    drawn(page, "dark")
    assert drawings(page) == dark


CUT = ".role-legend-label text:text('…')"  # a name that has no room


@needs_browser
@pytest.mark.parametrize("name", PAGES)
def test_narrow_window(page: Page, name: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_page(page, name)
    assert overflow(page) == page.locator(CUT).count() == 0
    for chart in page.locator(".chart svg.marks:has(.column_footer)").all():  # no axis stands where no panel is
        panels, axes = (chart.locator(f"g.{part} > *").count() for part in ("cell", "column_footer"))
        assert panels % axes == 0


@needs_browser
@pytest.mark.parametrize("name", CHAPTERS)
def test_every_figure_offers_its_data(page: Page, name: str) -> None:
    open_page(page, name)
    for figure in page.locator("figure:has(.chart)").all():
        link = figure.locator(".chart-note a[download]").get_attribute("href")
        assert Path(unquote(urlparse(urljoin(page.url, link)).path)).is_file()
        assert figure.locator("figcaption").inner_text()
    assert page.locator(CUT).count() == 0


@needs_browser
@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chosen_value_survives_the_switch(page: Page, name: str) -> None:
    open_page(page, name)
    sliders, choices = (
        page.locator(".chart input[type=range]"),
        page.locator(".chart label:last-child > input[type=radio]"),
    )
    for slider in sliders.all():
        slider.fill(slider.get_attribute("min"))
    for choice in choices.all():
        choice.check()
    chosen = [slider.input_value() for slider in sliders.all()]
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    drawn(page, "dark")
    assert [slider.input_value() for slider in sliders.all()] == chosen
    assert all(choice.is_checked() for choice in choices.all())


@needs_browser
@pytest.mark.parametrize("name", PAGES)
def test_nobody_is_shut_out(page: Page, name: str) -> None:
    page.emulate_media(reduced_motion="reduce")  # no colour is met halfway to another
    page.set_viewport_size({"width": 390, "height": 844})
    charts = open_page(page, name)
    assert page.locator(".chart [role=graphics-document][aria-label]").count() == charts
    assert page.locator(".chart [role=graphics-symbol]:not([aria-label], [aria-hidden])").count() == 0
    assert page.locator("article th:not([scope])").count() == 0
    assert shut_out(page, "color-contrast") == []  # which is slow, and a wide window has the same colours
    page.set_viewport_size({"width": 1400, "height": 900})
    assert shut_out(page) == []
    page.emulate_media(color_scheme="dark")
    drawn(page, "dark")
    assert shut_out(page) == []


@needs_browser
def test_a_keyboard_does_what_a_mouse_does(page: Page) -> None:
    """A legend's name keeps its group, Escape brings back the others, and the menu of a figure saves a picture."""
    open_page(page, next(name for name in CHAPTERS if '"bind":"legend"' in (HTML / name).read_text(encoding="utf-8")))
    whole, entry = drawings(page), page.locator(".role-legend [role=button]").first
    entry.press("Enter")
    page.wait_for_function("document.querySelector('.chart [opacity=\"0.06\"]')")
    entry.press("Escape")
    page.wait_for_function("!document.querySelector('.chart [opacity=\"0.06\"]')")
    assert drawings(page) == whole
    page.locator(".chart summary").first.press("Enter")
    picture = page.locator(".vega-actions a").first
    picture.focus()
    page.wait_for_function("/^(blob|data):/.test(document.activeElement.href)")
