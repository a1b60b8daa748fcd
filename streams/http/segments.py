"""Segments that a worker judges, for people and programs."""

from __future__ import annotations

from aiohttp import web

from streams.alerting import DRIFT
from streams.http.answers import as_json, as_page, asked, wants_json
from streams.http.site import SegmentFields, Site

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
