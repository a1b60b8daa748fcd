"""Baselines of the store and the tags that name them, for people and programs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from streams.evidence import instant
from streams.http.answers import as_json, as_page, asked, wants_json
from streams.http.site import Site
from streams.store import BaselineEntry, Move, Store

KEPT_S = 30.0
"""Seconds for which what the store said is shown, however often pages are asked for."""
SHOWN = 500


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store held, and when it was asked."""

    tags: Sequence[Move] = ()
    baselines: Sequence[BaselineEntry] = ()
    at: float = float("-inf")


class Baselines:
    """Answers about baselines.

    Parameters
    ----------
    now, wall
        The monotonic clock and that of the wall, in seconds.
    """

    def __init__(
        self, site: Site, *, now: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._store, self._now, self._wall = site.store, now, wall
        self._stored = Stored()
        self._asking = asyncio.Lock()

    async def all(self, request: web.Request) -> web.Response:
        """Tags and baselines, by segment."""
        segment = asked(request, {"segment": None})["segment"]
        stored = await self.look()
        tags = [one for one in stored.tags if segment in ("", one.segment)]
        baselines = [one for one in stored.baselines if segment in ("", one.segment)]
        tagged = {(one.segment, one.baseline) for one in tags}
        if wants_json(request):
            said = {"tags": [_tag(one) for one in tags], "baselines": [self._fields(one) for one in baselines]}
            return as_json(said)
        return as_page(
            "baselines.html",
            here="baselines",
            segment=segment,
            tags=[(one, _from(one)) for one in tags[:SHOWN]],
            baselines=[(self._fields(one), (one.segment, one.id) in tagged) for one in baselines[:SHOWN]],
            count=(len(tags), len(baselines)),
        )

    async def look(self) -> Stored:
        """What the store holds, or held a short while ago."""
        async with self._asking:  # one asks for all who wait
            if self._now() - self._stored.at > KEPT_S:
                self._stored = Stored(*await asyncio.to_thread(_read, self._store), self._now())
            return self._stored

    def _fields(self, one: BaselineEntry) -> dict[str, Any]:
        return {
            "id": one.id,
            "segment": one.segment,
            "calls": one.calls,
            "start": instant(one.start),
            "end": instant(one.end),
            "age_s": round(self._wall() - one.end / 1000),
            "lens": one.lens,
        }


def _read(store: Store) -> tuple[Sequence[Move], Sequence[BaselineEntry]]:
    return (store.tags(), store.baselines()) if store.exists() else ((), ())


def _tag(one: Move) -> dict[str, Any]:
    told = ("segment", "tag", "sequence", "baseline", "moved_at", "by", "why", "previous")
    return {name: getattr(one, name) for name in told} | {"holds_from": _from(one)}


def _from(one: Move) -> str:
    """From when on a tag names its baseline; empty: from the beginning."""
    return instant(one.holds_from) if one.holds_from else ""
