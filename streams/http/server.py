"""The web server of a worker: whether it lives, whether it works, and how far it has come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web

from drift.errors import SettingsError, SourceError
from streams.health import Health

HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def address(listen: str) -> tuple[str, int]:
    """Host and port of ``host:port``.

    Raises
    ------
    SettingsError
        It is not of that form.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise SettingsError(f"live.listen must be host:port, such as 0.0.0.0:6066, got {listen!r}")
    return host.strip("[]"), int(port)


@asynccontextmanager
async def serving(listen: str, health: Health) -> AsyncIterator[int]:
    """Answer on this address meanwhile; gives the port, which the system chooses where 0 was asked for.

    Raises
    ------
    SourceError
        The address cannot be had.
    """
    host, port = address(listen)
    app = web.Application()
    app["health"] = health
    app.router.add_get("/live", _live)
    app.router.add_get("/ready", _ready)
    app.router.add_get("/health", _health)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise SourceError(f"live.listen {listen}: {error.strerror}; choose another port") from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _answer(fields: dict[str, Any], *, well: bool = True) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(fields), status=200 if well else 503, content_type="application/json", headers=HEADERS
    )


async def _live(request: web.Request) -> web.Response:
    health: Health = request.app["health"]
    stalled = [stage.name for stage in health.stages.values() if stage.stalled]
    return _answer({"live": health.live, "stalled": stalled}, well=health.live)


async def _ready(request: web.Request) -> web.Response:
    health: Health = request.app["health"]
    waiting = {stage.name: stage.waiting or "starting" for stage in health.stages.values() if not stage.ready}
    return _answer({"ready": health.ready, "waiting": waiting}, well=health.ready)


async def _health(request: web.Request) -> web.Response:
    health: Health = request.app["health"]
    return _answer(health.fields())
