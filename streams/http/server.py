"""The web server of a worker: read-only but for acknowledging alarms."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from drift.errors import SettingsError, SourceError
from streams.http.acknowledging import LONGEST, Acknowledging
from streams.http.alerts import Alerts
from streams.http.answers import headed, worded
from streams.http.baselines import Baselines
from streams.http.segments import Segments
from streams.http.site import Site
from streams.http.worker import Worker, style


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


def application(site: Site) -> web.Application:
    """All addresses of the server, and what answers there."""
    app = web.Application(middlewares=[worded], client_max_size=LONGEST)
    app.on_response_prepare.append(headed)
    worker, alerts = Worker(site), Alerts(site)
    for path, answer in {
        "/live": worker.live,
        "/ready": worker.ready,
        "/health": worker.health,
        "/metrics": worker.metrics,
        "/alerts": alerts.all,
        "/alerts/{alert_id}": alerts.one,
        "/segments": Segments(site).all,
        "/baselines": Baselines(site).all,
        "/style.css": style,
    }.items():
        app.router.add_get(path, answer)
    app.router.add_post("/alerts/{alert_id}/acknowledge", Acknowledging(site).post)
    return app


@asynccontextmanager
async def serving(listen: str, site: Site) -> AsyncIterator[int]:
    """Answer on this address meanwhile; gives the port, which the system chooses where 0 was asked for.

    Raises
    ------
    SourceError
        The address cannot be had.
    """
    host, port = address(listen)
    runner = web.AppRunner(application(site), access_log=None)
    await runner.setup()
    try:
        one = web.TCPSite(runner, host, port)
        try:
            await one.start()
        except OSError as error:
            raise SourceError(f"live.listen {listen}: {error.strerror}; choose another port") from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
