"""Segments that a worker judges, for people and programs."""

from __future__ import annotations

from aiohttp import web

from streams.alerting import DRIFT
from streams.evidence import instant, rounded
from streams.http.answers import as_json, as_page, asked, wants_json
from streams.http.site import KindFields, SegmentFields, Site
from streams.measure import parts_of
from streams.overview import KindNow, Overview

STATES = ("judged", "filling", "refused")
SHOWN = 500
"""Segments on one page."""


class Segments:
    """Answers about segments."""

    def __init__(self, site: Site) -> None:
        self._overviews = site.overviews

    async def all(self, request: web.Request) -> web.Response:
        """Segments by name."""
        wanted = asked(request, {"app": None, "state": STATES})
        segments = sorted((one for one in self._overviews() if _fits(one, wanted)), key=_name)
        if wants_json(request):
            return as_json({"segments": segments, "of": "this worker only: others judge others"})
        page = segments[:SHOWN]
        told = {kind["kind"] for one in page for kind in one["kinds"]}
        return as_page(
            "segments.html",
            here="segments",
            segments=page,
            count=len(segments),
            kinds=[kind for kind in DRIFT if kind in told],
            wanted=wanted,
            choices={"state": STATES},
        )


def _fits(one: SegmentFields, wanted: dict[str, str]) -> bool:
    return wanted["app"] in ("", one["app"]) and wanted["state"] in ("", one["state"])


def _name(one: SegmentFields) -> tuple[str, str, str]:
    return one["app"], one["prompt_name"], one["variant"]


def fields(one: Overview) -> SegmentFields:
    """For pages and programs."""
    app, prompt_name, variant = parts_of(one.segment)
    return {
        "app": app,
        "prompt_name": prompt_name,
        "variant": variant,
        "state": one.phase,
        "baseline": one.baseline,
        "judged_until": instant(one.until) if one.until else "",
        "calls": one.calls,
        "kinds": [_kind_fields(now) for now in one.kinds],
        "standing": [alarm.alert_id for alarm in one.standing],
        "reason": one.refused,
    }


def _kind_fields(now: KindNow) -> KindFields:
    return {
        "kind": now.kind,
        "answer": now.answer,
        "ratio": rounded(now.ratio),
        "effect": None if now.effect is None else rounded(now.effect),
        "unit": now.unit,
        "reason": now.reason,
    }
