"""Acknowledging over HTTP: by whoever knows the token, of alarms that stand, with a name and a reason."""

import json

import pytest

from drift.errors import SourceError
from streams.acknowledging import acknowledgement
from streams.measure import parts_of, segment_name
from tests.streams.http.asking import ask, site
from tests.streams.http.records import ALERT, acknowledged, encoded, resolved

PATH = f"/alerts/{ALERT}/acknowledge"
TOKEN = "0123456789abcdef0123456789abcdef"
BODY = {"by": " ann ", "why": "a new model is wanted"}
KNOWN = {"Authorization": f"Bearer {TOKEN}"}


def post(records=(), *, path=PATH, told=None, token=TOKEN, headers=KNOWN, refusing=None, **given):
    """The answer to a POST; what was passed on is put into ``told``."""

    async def acknowledge(alert_id, by, why):
        if refusing:
            raise refusing
        done = acknowledgement(shown.book, alert_id, by=by, why=why, now_ms=0)
        (told if told is not None else []).append((alert_id, done.segment, by, why))

    shown = site(records or [encoded(level="")], token=token, acknowledge=acknowledge)
    return ask(shown, ("POST", path, {"headers": headers} | (given or {"json": BODY})))


def test_an_alarm_is_acknowledged_by_whoever_knows_the_token():
    told = []
    found = post(told=told)
    assert (found.status, found.fields) == (202, {"alert_id": ALERT, "accepted": True})
    assert told == [(ALERT, "support-bot/answer#shadow", "ann", "a new model is wanted")]


def test_without_a_token_nobody_may():
    told = []
    for headers in (KNOWN, {}, {"Authorization": "Bearer "}):
        found = post(token="", headers=headers, told=told)
        assert found.status == 403
        assert "set live.token or live.token_file" in found.fields["error"]
    assert told == []
    assert ask(site([encoded()], token=TOKEN), ("POST", PATH, {"headers": KNOWN, "json": BODY})).status == 403


@pytest.mark.parametrize(
    "header",
    [
        *(None, "", TOKEN, "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}"),
        *("Bearer tökén", f"Bearer {TOKEN.upper()}"),
    ],
)
def test_a_wrong_token_is_refused(header):
    told = []
    found = post(headers={} if header is None else {"Authorization": header}, told=told)
    assert found.status == 401
    assert found.headers["WWW-Authenticate"].startswith("Bearer")
    assert TOKEN not in found.text and told == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "by"),
        (b"[]", "Expected `object`, got `array`"),
        (b'{"by": "ann"}', "missing required field `why`"),
        (b'{"why": "x"}', "missing required field `by`"),
        (b'{"by": "ann", "why": " "}', "$.why"),
        (b'{"by": 5, "why": "x"}', "$.by"),
        (b'{"by": "ann", "why": "x", "whi": 1}', "unknown field `whi`"),
        (b'{"by": "ann", "why": "\xff"}', "must be JSON"),
        (json.dumps({"by": "a" * 201, "why": "x"}).encode(), "$.by"),
        (json.dumps({"by": "ann", "why": "x" * 2001}).encode(), "$.why"),
        (b"[" * 10_000, "must be JSON"),
    ],
)
def test_a_body_that_is_not_as_wanted_is_refused_by_the_name_of_the_field(body, words):
    told = []
    found = post(data=body, headers=KNOWN | {"Content-Type": "application/json"}, told=told)
    assert (found.status, told) == (400, [])
    assert words in found.fields["error"]


def test_only_json_of_a_bounded_length_is_read():
    told = []
    assert post(data={"by": "ann", "why": "x"}, told=told).status == 415
    assert post(data=b'{"by": "ann", "why": "x"}', headers=KNOWN | {"Content-Type": "text/plain"}).status == 415
    assert post(json={"by": "ann", "why": "x" * 20_000}, told=told).status == 413
    assert told == []


def test_what_cannot_be_acknowledged_is_told():
    told = []
    assert post(path="/alerts/feedfeedfeedfeed/acknowledge", told=told).status == 404
    for records, words in (
        ([encoded(), resolved()], "ended at 2026-01-17T03:01:00.000Z"),
        ([encoded(), acknowledged()], "was acknowledged before"),
        ([encoded(provisional=True)], "is provisional"),
    ):
        found = post(records, told=told)
        assert found.status == 409 and words in found.fields["error"]
    assert told == []


def test_who_cannot_be_reached_is_told():
    found = post(refusing=SourceError("nobody listens on kafka:9092"))
    assert (found.status, found.fields) == (503, {"error": "nobody listens on kafka:9092"})


def test_it_is_never_done_by_asking_for_a_page():
    told = []

    async def acknowledge(*parts):
        told.append(parts)

    shown = site([encoded()], token=TOKEN, acknowledge=acknowledge)
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        found = ask(shown, (method, f"{PATH}?by=ann&why=x", {"headers": KNOWN, "json": BODY}))
        assert found.status == 405
    assert told == []


@pytest.mark.parametrize("name", ["bot", "bot/answer", "bot/answer#shadow", "a%2Fb/c%23d#shadow", "a/%2Ax", "/answer"])
def test_a_segment_is_named_as_it_was_read(name):
    assert segment_name(*parts_of(name)) == name


def test_the_pool_of_an_app_is_named():
    assert segment_name("bot", "*", "", pooled=True) == "bot/*"
