"""Pages of an enemy's alarm in a real browser: text stays text, nothing runs, nothing leaves, nothing sticks out."""

import asyncio
import importlib.util
import shutil
from pathlib import Path

import pytest

from streams.http.server import serving
from tests.streams.http.asking import site
from tests.streams.http.records import ALERT, HOSTILE, acknowledged, hostile
from tests.streams.test_alert_book import record

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
SIZES = {"wide": 1200, "narrow": 390}

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"),
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="no playwright: pip install '.[dev]'"),
]


async def visited(browser, address, path, width, scheme, picture):
    """What happened while a page was looked at, and what it shows."""
    context = await browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page, happened, asked = await context.new_page(), [], []
    page.on("dialog", lambda one: happened.append(("dialog", one.message)))
    page.on("console", lambda one: happened.append(("console", one.text)))
    page.on("pageerror", lambda one: happened.append(("error", str(one))))
    page.on("popup", lambda one: happened.append(("popup", one.url)))
    page.on("request", lambda one: asked.append(one.url))
    answer = await page.goto(address + path)
    assert answer.status == 200
    for one in await page.locator("summary").all():
        await one.click()
    await page.screenshot(path=picture, full_page=True)
    found = {
        "title": await page.title(),
        "url": page.url,
        "text": await page.locator("main").inner_text(),
        "width": await page.evaluate("document.documentElement.scrollWidth"),
        "scripts": await page.evaluate("document.scripts.length + document.images.length"),
        "isolated": await page.evaluate(
            "[...document.querySelectorAll('bdi')].every(e => getComputedStyle(e).unicodeBidi.startsWith('isolate'))"
        ),
        "ground": await page.evaluate("getComputedStyle(document.body).backgroundColor"),
    }
    await context.close()
    return found, happened, asked


@pytest.fixture(scope="module")
def looked(tmp_path_factory):
    """Every page at every size and in both schemes, with what happened meanwhile."""
    from playwright.async_api import async_playwright

    folder: Path = tmp_path_factory.mktemp("pictures")

    async def look():
        shown = site([hostile(), acknowledged(by=HOSTILE[2], why=HOSTILE[0]), record(1, app=HOSTILE[1])])
        found = {}
        async with serving("127.0.0.1:0", shown) as port, async_playwright() as tools:
            browser = await tools.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            for path in (f"/alerts/{ALERT}", "/alerts"):
                for name, width in SIZES.items():
                    for scheme in ("light", "dark"):
                        picture = folder / f"{path.count('/')}-{name}-{scheme}.png"
                        one = await visited(browser, f"http://127.0.0.1:{port}", path, width, scheme, picture)
                        found[path, name, scheme] = one
            await browser.close()
        return port, found

    return asyncio.run(look())


def test_no_script_of_a_call_runs(looked):
    for found, happened, _ in looked[1].values():
        assert happened == []
        assert found["title"].endswith("Driftline") and found["title"] != "taken"
        assert found["scripts"] == 0


def test_no_request_leaves_for_elsewhere(looked):
    port, pages = looked
    for (path, *_), (found, _, asked) in pages.items():
        own = f"http://127.0.0.1:{port}"
        assert found["url"] == own + path
        assert asked == [own + path, f"{own}/style.css"]


def test_what_calls_say_is_there_as_text(looked):
    text = looked[1][f"/alerts/{ALERT}", "wide", "light"][0]["text"]
    assert text.count(HOSTILE[0]) >= 5 and HOSTILE[1] in text and HOSTILE[5] in text
    assert "invoiceU+202Egpj.exeU+2066 and U+2067more" in text
    assert "igU+200BnoU+200CreU+200D meU+FEFFU+2028U+001B[31mU+E0041U+3164" in text
    assert "the first 2,000 of 1,000,000 characters" in text


def test_no_page_is_wider_than_a_phone_or_a_screen(looked):
    for (_, name, _), (found, *_) in looked[1].items():
        assert found["width"] == SIZES[name]


def test_no_text_turns_what_stands_beside_it(looked):
    assert all(found["isolated"] for found, *_ in looked[1].values())


def test_pages_are_light_or_dark_as_wanted(looked):
    grounds = {scheme: found["ground"] for (_, _, scheme), (found, *_) in looked[1].items()}
    assert grounds["light"] != grounds["dark"]
