"""What orchestrators and Prometheus ask a worker: whether it lives, whether it works, how far it has come."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from streams.http.answers import STYLE, as_json
from streams.http.site import Site


class Worker:
    """Answers about the worker itself."""

    def __init__(self, site: Site) -> None:
        self._health, self._metrics = site.health, site.metrics

    async def live(self, request: web.Request) -> web.Response:
        """Whether every stage comes forward."""
        stalled = [stage.name for stage in self._health.stages.values() if stage.stalled]
        return _answer({"live": self._health.live, "stalled": stalled}, well=self._health.live)

    async def ready(self, request: web.Request) -> web.Response:
        """Whether every stage works."""
        waiting = {stage.name: stage.waiting or "starting" for stage in self._health.stages.values() if not stage.ready}
        return _answer({"ready": self._health.ready, "waiting": waiting}, well=self._health.ready)

    async def health(self, request: web.Request) -> web.Response:
        """All that is known of the stages."""
        return _answer(self._health.fields())

    async def metrics(self, request: web.Request) -> web.Response:
        """Metrics in the form that is accepted."""
        body, kind = self._metrics(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": kind})  # aiohttp refuses parameters in content_type


def _answer(fields: dict[str, Any], *, well: bool = True) -> web.Response:
    return as_json(fields, 200 if well else 503)


async def style(request: web.Request) -> web.Response:
    """The style sheet of all pages."""
    return web.Response(text=STYLE, content_type="text/css")
