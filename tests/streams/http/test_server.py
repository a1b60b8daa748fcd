"""Every answer of the web server: its headers, its form, and its word where there is nothing to tell."""

import asyncio
import re

import aiohttp
import pytest

from drift.errors import SettingsError, SourceError
from streams.http.server import address, serving
from tests.streams.http.asking import PROGRAM, ask, site
from tests.streams.http.records import ALERT, encoded
from tests.streams.http.test_texts import inside

PATHS = ["/live", "/ready", "/health", "/metrics", "/alerts", f"/alerts/{ALERT}", "/segments", "/baselines"]
WHOLE = [*PATHS, "/style.css", "/nothing", "/alerts/none", "/alerts?state=x", f"/alerts/{ALERT}/acknowledge"]
POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize("path", WHOLE)
@pytest.mark.parametrize("headers", [{}, PROGRAM])
def test_every_answer_bears_the_headers_that_protect_it(path, headers):
    found = ask(site([encoded()]), path, headers=headers).headers
    assert found["Content-Security-Policy"] == POLICY
    assert found["X-Content-Type-Options"] == "nosniff"
    assert found["Referrer-Policy"] == "no-referrer"
    assert found["Cross-Origin-Resource-Policy"] == "same-origin"
    assert found["Cache-Control"] == "no-store"
    assert found["Server"] == "driftline"
    assert "Set-Cookie" not in found


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_but_an_acknowledgement_can_be_asked_to_be_done(path, method):
    found = ask(site([encoded()]), (method, path, {}))
    assert found.status == 405
    assert found.fields == {"error": f"this address does not take {method}"}
    assert "GET" in found.headers["Allow"]


@pytest.mark.parametrize("path", ["/alerts", f"/alerts/{ALERT}", "/segments", "/baselines"])
def test_people_get_pages_and_programs_json(path):
    shown = site([encoded()])
    html = {"headers": {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}}
    both = {"headers": {"Accept": "application/json;q=0.5, text/html"}}
    mostly = {"headers": {"Accept": "application/json, text/html;q=0.9, */*;q=0.1"}}
    pages = ask(shown, path, ("GET", path, html), ("GET", path, both), f"{path}?format=html")
    assert [one.headers["Content-Type"] for one in pages] == ["text/html; charset=utf-8"] * 4
    found = ask(shown, ("GET", path, {"headers": PROGRAM}), ("GET", path, mostly), f"{path}?format=json")
    assert all(one.status == 200 and one.fields for one in found)
    assert all(one.headers["Vary"] == "Accept" for one in pages + found)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/alerts?aap=x", "'aap' is no field of this address: it has app, kind, state, format"),
        ("/alerts?state=on", "state is 'on': it must be one of standing, firing, acknowledged, resolved"),
        ("/alerts?kind=modle", "kind is 'modle': it must be one of data, model"),
        ("/alerts?app=a&app=b", "app is given 2 times: give it once"),
        ("/alerts?format=xml", "format is 'xml': it must be one of json, html"),
        ("/alerts?app=" + "a" * 501, "app has 501 characters: it can have 500 at most"),
        (f"/alerts/{ALERT}?app=a", "'app' is no field of this address: it has format"),
        ("/segments?kind=data", "'kind' is no field of this address: it has app, state, format"),
        ("/baselines?app=a", "'app' is no field of this address: it has segment, format"),
    ],
)
def test_a_question_with_a_mistake_is_refused_by_the_name_of_the_field(path, words):
    page, fields = ask(site([encoded()]), path, ("GET", path, {"headers": PROGRAM}))
    assert (page.status, fields.status) == (400, 400)
    assert words in fields.fields["error"] and words in inside(page.text).text
    assert "The address has a mistake" in page.text


def test_a_mistake_is_quoted_as_text():
    found = ask(site(), "/alerts?state=<script>alert(1)</script>")
    assert "<script" not in found.text and "&lt;script&gt;" in found.text


@pytest.mark.parametrize("path", ["/", "/nothing", "/alerts/", "/alerts/a/b", "/../etc/passwd"])
def test_where_there_is_nothing_is_said_so(path):
    page, fields = ask(site(), path, ("GET", path, {"headers": PROGRAM}))
    assert (page.status, fields.status) == (404, 404)
    assert fields.fields == {"error": "there is nothing at this address"}
    assert "<h1>Not found</h1>" in page.text and 'href="/alerts"' in page.text


def test_what_nobody_foresaw_is_logged_and_not_told(caplog):
    def overviews():
        raise RuntimeError("password hunter2")

    found = ask(site(overviews=overviews), "/segments", headers=PROGRAM)
    assert found.status == 500
    assert found.fields == {"error": "this could not be answered: the worker's log says why"}
    assert "hunter2" in caplog.text


def test_metrics_are_given_as_accepted_with_their_whole_content_type():
    def metrics(accept):
        return f"accepted {accept}".encode(), "application/openmetrics-text; version=1.0.0; charset=utf-8"

    found = ask(site(metrics=metrics), "/metrics", headers={"Accept": "application/openmetrics-text"})
    assert found.text == "accepted application/openmetrics-text"
    assert found.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"


def test_pages_hold_no_script_and_name_nothing_elsewhere():
    shown = site([encoded()], runbooks="https://example.com/runbooks")
    for page in ask(shown, *(path for path in PATHS if path.startswith(("/a", "/s", "/b"))), "/nothing"):
        assert not re.search(r"<script|<style|<form|<img|<iframe|\son\w+=|\sstyle=", page.text)
        assert set(re.findall(r'(?:href|src)="(\w+:[^"]*)"', page.text)) <= {
            "https://example.com/runbooks/DriftlineDataDrift.md"
        }
        assert page.text.count("<h1>") == 1 and '<html lang="en">' in page.text
        assert page.text.count("<table") == page.text.count("<caption")


def test_health_tells_of_no_stage_as_not_ready():
    live, ready, health = ask(site(), "/live", "/ready", "/health")
    assert (live.status, live.fields) == (200, {"live": True, "stalled": []})
    assert (ready.status, ready.fields) == (503, {"ready": False, "waiting": {}})
    assert (health.status, health.fields) == (200, {"live": True, "ready": False, "stages": {}})


def test_an_address_in_use_is_told():
    async def twice():
        async with serving("127.0.0.1:0", site()) as port, aiohttp.ClientSession() as client:
            async with client.get(f"http://127.0.0.1:{port}/live") as answer:
                assert answer.status == 200
            async with serving(f"127.0.0.1:{port}", site()):
                pass

    with pytest.raises(SourceError, match=r"live.listen 127\.0\.0\.1:\d+: .*in use.*; choose another port"):
        asyncio.run(twice())


@pytest.mark.parametrize("listen", ["6066", ":6066", "localhost:", "localhost:x", "localhost:70000"])
def test_what_is_no_address_is_refused(listen):
    with pytest.raises(SettingsError, match=r"live\.listen must be host:port"):
        address(listen)
