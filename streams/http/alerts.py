"""Alarms for people and programs: all that are known, and one with its evidence."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from streams.alert_book import STATES, AlertBook, Kept
from streams.alerting import DRIFT
from streams.http.answers import RefusedError, as_json, as_page, asked, wants_json
from streams.http.evidence import Acknowledged, read
from streams.http.site import Site

CHOICES = ("standing", *STATES)


class Alerts:
    """Answers about alarms."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def all(self, request: web.Request) -> web.Response:
        """Alarms, the newest first."""
        wanted = asked(request, {"app": None, "kind": tuple(DRIFT), "state": CHOICES})
        book = self._site.book
        alarms = book.alarms(**wanted)
        if wants_json(request):
            passed_over = dict(book.counts)
            return as_json(
                {"alerts": [_line(one) for one in alarms], "waiting": book.waiting, "passed_over": passed_over}
            )
        choices = {"state": CHOICES, "kind": tuple(DRIFT)}
        return as_page("alerts.html", here="alerts", alarms=alarms, book=book, wanted=wanted, choices=choices)

    async def one(self, request: web.Request) -> web.Response:
        """An alarm and its evidence; to programs its records as they were published."""
        asked(request, {})
        alert_id = request.match_info["alert_id"]
        kept = found(self._site.book, alert_id)
        if wants_json(request):
            records = {state: msgspec.Raw(data) for state, data in kept.records.items()}
            return as_json({"alert_id": alert_id, "state": kept.state, "records": records})
        return as_page(
            "alert.html",
            here="",
            kept=kept,
            alarm=read(next(kept.records[state] for state in STATES if state in kept.records)),
            noticed=_noticed(kept),
            resolved=read(kept.records.get("resolved")),
            runbook=self._runbook(kept.head.kind),
        )

    def _runbook(self, kind: str) -> str:
        address = self._site.runbooks.rstrip("/")
        return f"{address}/{DRIFT[kind]}.md" if address and kind in DRIFT else ""


def found(book: AlertBook, alert_id: str) -> Kept:
    """An alarm of the book.

    Raises
    ------
    RefusedError
        It is not known.
    """
    kept = book.get(alert_id)
    if kept is None:
        why = book.waiting or "it was dropped for newer ones, has gone from the topic, or there never was one"
        raise RefusedError(404, f"there is no alarm {alert_id[:100]!r} here: {why}")
    return kept


def _noticed(kept: Kept) -> Acknowledged | None:
    """Who acknowledged an alarm and why, where somebody has."""
    record, heard = read(kept.records.get("acknowledged")), kept.noticed
    if record and record.acknowledged:
        return record.acknowledged
    return Acknowledged(heard.acknowledged_at, heard.by, heard.why) if heard else None


def _line(kept: Kept) -> dict[str, Any]:
    """What is told of an alarm among others."""
    head = kept.head
    times = {"resolved_at": kept.heads["resolved"].resolved_at} if not kept.standing else {}
    told: dict[str, Any] = msgspec.to_builtins(head)
    return told | {"state": kept.state} | times
