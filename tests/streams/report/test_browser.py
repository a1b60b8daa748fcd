"""The page in a real browser: filters, tips, links and keyboard, and not a request."""

import itertools
import shutil

import pytest
from playwright.sync_api import sync_playwright

from tests.streams import traffic
from tests.streams.report import files

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    """Pages of two segments, and of hostile calls."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "two.jsonl").write_bytes(files.two_segments())
    files.write(folder / "hostile.jsonl", files.drifting(input=files.HOSTILE, served_model=files.HOSTILE))
    made = {}
    for name in ("two", "hostile"):
        (folder / f"{name}.html").write_text(files.html(folder / f"{name}.jsonl"))
        made[name] = (folder / f"{name}.html").as_uri()
    return made


@pytest.fixture
def open_page(browser, addresses):
    """Opens a page; whatever it says or asks for is noted."""
    contexts = []

    def opened(name, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.noted = []
        page.on("request", lambda request: page.noted.append(request.url))
        page.on("console", lambda message: page.noted.append(message.text))
        page.on("pageerror", lambda error: page.noted.append(str(error)))
        page.on("dialog", lambda dialog: page.noted.append(dialog.message))
        page.goto(addresses[name])
        return page

    yield opened
    for context in contexts:
        context.close()


def tip(page):
    return page.locator("#tip").inner_text() if page.locator("#tip").is_visible() else None


@pytest.mark.parametrize("name", ["two", "hostile"])
def test_a_page_asks_for_nothing_but_itself_and_says_nothing(open_page, addresses, name):
    page = open_page(name)
    page.locator("figure .plot").first.hover()
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    assert page.noted == [addresses[name]]


def test_the_policy_keeps_scripts_of_strangers_and_the_network_out(open_page, addresses):
    page, failed = open_page("two"), []
    page.on("requestfailed", lambda request: failed.append((request.url, request.failure)))
    page.evaluate("document.body.append(Object.assign(document.createElement('img'), {src: 'https://evil.example/'}))")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p onclick=\"document.title = `evil`\">x</p>')")
    page.locator("p", has_text="x").last.click()
    assert page.title().startswith("Drift report")
    refused = [one for one in page.noted if "Content Security Policy" in one]
    assert len(refused) == 2
    assert failed == [("https://evil.example/", "csp")]


def test_filters_by_segment_and_kind_hide_the_rest_and_say_so(open_page):
    page = open_page("two")
    assert "2 of 2 segments" in page.locator("#showing").inner_text()
    page.locator("#by-segment").select_option("s2")
    assert page.locator("#s1").is_hidden()
    assert page.locator("#s2").is_visible()
    assert page.locator("#verdict li").first.is_hidden()
    page.get_by_label("model", exact=True).uncheck()
    assert page.locator("#s2-model").is_hidden()
    assert page.locator("#s2-data").is_visible()
    assert "1 of 2 segments" in page.locator("#showing").inner_text()


def test_a_link_leads_to_what_was_filtered_out_and_unfolds_its_evidence(open_page):
    page = open_page("two")
    alarm = page.locator("#verdict a", has_text="alarm").first
    target = alarm.get_attribute("href")[1:]
    page.get_by_label("data", exact=True).uncheck()
    page.evaluate("id => document.getElementById(id).querySelector('details').open = false", target)
    alarm.click()
    there = page.locator(f"[id='{target}']")
    assert there.is_visible()
    assert there.locator("details").first.evaluate("one => one.open")
    assert 0 <= there.bounding_box()["y"] < page.viewport_size["height"]
    page.locator("#by-segment").select_option("s2")
    page.evaluate("location.hash = 's1-data'")
    page.locator("#s1-data").wait_for(state="visible")


def test_the_pointer_shows_a_tip_with_statistic_and_threshold(open_page):
    page = open_page("two")
    plot = page.locator("#s1-output_length .plot")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    plot.hover(position={"x": box["width"] * 0.9, "y": 60})
    assert "UTC\noutput length: " in tip(page)
    statistic, threshold = (float(one) for one in tip(page).split("output length: ")[1].split(" of "))
    assert statistic > threshold
    page.mouse.move(1, 1)
    assert tip(page) is None


@pytest.mark.parametrize("kind", ["course", "stack", "points"])
def test_arrow_keys_go_through_every_plot(open_page, kind):
    page = open_page("two")
    plot = page.locator(f"figure[data-plot={kind}] .plot").first
    plot.focus()
    page.keyboard.press("ArrowRight")
    first = tip(page)
    page.keyboard.press("ArrowRight")
    assert first
    assert tip(page) != first
    page.keyboard.press("Home")
    assert tip(page) == first
    page.keyboard.press("Escape")
    assert tip(page) is None


def test_the_keyboard_alone_reaches_verdict_filter_plots_and_alarms(open_page):
    page = open_page("two")
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.closest('#verdict, form, figure, article, .skip')?.tagName"))
    assert {"A", "SECTION", "FORM", "FIGURE"} <= reached


def test_plots_have_names_and_headings_have_an_order_for_who_hears_the_page(open_page):
    page = open_page("two")
    plots = "[...document.querySelectorAll('.plot, .scroll, form select, .alarm[href]')]"
    unnamed = f"{plots}.filter(one => !(one.ariaLabel || one.labels?.length))"
    assert page.evaluate(f"{unnamed}.length") == 0
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(e => +e.tagName[1])")
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_the_width_and_can_be_read_in_light_and_dark(open_page, width, scheme):
    page = open_page("hostile", viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ground, ink = (
        page.evaluate(f"getComputedStyle(document.body).{name}.match(/\\d+/g).map(Number)")
        for name in ("backgroundColor", "color")
    )
    assert (sum(ground) > sum(ink)) == (scheme == "light")
    assert abs(sum(ground) - sum(ink)) > 450


def test_it_is_read_without_its_script(open_page):
    page = open_page("two", java_script_enabled=False)
    assert page.locator("form").is_hidden()
    assert page.locator("#s1-data .plot path").count() > 3
    assert traffic.SEGMENT in page.locator("#verdict").inner_text()


def test_on_paper_it_is_light_and_has_neither_filter_nor_links_lists(open_page):
    page = open_page("two", color_scheme="dark")
    page.emulate_media(media="print")
    assert page.locator("form").is_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf().startswith(b"%PDF")
