"""What a notebook shows, in a real browser: apart from the notebook, without a request, with tips and links."""

import shutil

import pytest
from playwright.sync_api import sync_playwright

from streams.analysis import judge, load
from tests.streams import traffic

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    judged = judge(load(traffic.calls(1000, 1600, changed_from=1300)), traffic.baseline())
    shown = [judged, *(judged.figure(name) for name in judged.figures())]
    style = "<style>figure { border: 9px solid red } .plot { display: none } body { color: rgb(1, 2, 3) }</style>"
    path = tmp_path_factory.mktemp("notebook") / "notebook.html"
    path.write_text(
        f"<!doctype html><title>mine</title>{style}{''.join(one._repr_html_() for one in shown)}<p>last</p>"
    )
    return path.as_uri()


@pytest.fixture
def page(notebook):
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": 1000, "height": 6000}).new_page()
        page.noted = []
        page.on("request", lambda request: page.noted.append(request.url))
        page.on("console", lambda message: page.noted.append(message.text))
        page.on("pageerror", lambda error: page.noted.append(str(error)))
        page.goto(notebook)
        yield page
        browser.close()


def test_it_asks_for_nothing_and_neither_changes_how_the_other_looks(page, notebook):
    frames = page.frames[1:]
    assert len(frames) == 9
    for frame in frames:
        frame.locator("figure .plot").first.wait_for()
        assert frame.locator("figure").first.evaluate("one => getComputedStyle(one).borderTopWidth") == "0px"
    assert page.locator("body > p").evaluate("one => getComputedStyle(one).color") == "rgb(1, 2, 3)"
    assert page.noted == [notebook]


def test_a_figure_needs_no_scroll_bar_and_has_tips(page):
    for frame in page.frames[2:]:
        high, room = frame.evaluate("[document.documentElement.scrollHeight, innerHeight]")
        assert high <= room
        frame.locator(".plot").focus()
        page.keyboard.press("Home")
        assert frame.locator("#tip").is_visible()
    assert page.frames[2].evaluate("document.title") == "support-bot/answer, data: statistics by their thresholds"


def test_a_link_leads_within_the_report_and_not_away_from_the_notebook(page, notebook):
    report = page.frames[1]
    report.locator("a", has_text="alarm 1").first.click()
    report.locator("article.alarm").first.wait_for()
    assert report.evaluate("scrollY") > 0 and report.evaluate("location.href") == "about:srcdoc"
    report.locator("label", has_text="operational").locator("input").uncheck()
    assert report.locator("figure[data-kind=operational]").first.is_hidden()
    plot = next(one for one in page.frames if one.locator("a.alarm").count() and one is not report)
    plot.locator("a.alarm").first.focus()
    page.keyboard.press("Enter")
    assert plot.locator("figcaption").is_visible() and page.noted == [notebook]
