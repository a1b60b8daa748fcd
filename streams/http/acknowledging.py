"""Acknowledging an alarm over HTTP: the one thing that may be asked to be done, by whoever knows the token."""

from __future__ import annotations

import hmac
from typing import Annotated

import msgspec
from aiohttp import web

from drift.errors import SettingsError
from streams.http.alerts import found
from streams.http.answers import RefusedError, as_json, asked
from streams.http.site import Site

LONGEST = 16 * 1024
"""Bytes of a body."""

OFF = "acknowledging over HTTP is off: set live.token or live.token_file, or use: driftline alerts ack"


class Taken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who takes notice of an alarm, and why."""

    by: Annotated[str, msgspec.Meta(max_length=200, pattern=r"\S")]
    why: Annotated[str, msgspec.Meta(max_length=2000, pattern=r"\S")]


class Acknowledging:
    """Takes acknowledgements."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def post(self, request: web.Request) -> web.Response:
        """Take an acknowledgement and pass it on; 202, for it is on record once a judge has heard of it."""
        site = self._site
        if not site.token or site.acknowledge is None:
            raise RefusedError(403, OFF)
        if not _knows(request.headers.get("Authorization", ""), site.token):
            wanted = {"WWW-Authenticate": 'Bearer realm="driftline"'}
            raise RefusedError(401, "this takes the header Authorization: Bearer TOKEN with the token", wanted)
        asked(request, {})
        taken = await _taken(request)
        alert_id = request.match_info["alert_id"]
        found(site.book, alert_id)
        try:
            await site.acknowledge(alert_id, taken.by.strip(), taken.why.strip())
        except SettingsError as error:
            raise RefusedError(409, str(error)) from None
        return as_json({"alert_id": alert_id, "accepted": True}, 202)


def _knows(header: str, token: str) -> bool:
    """Whether a header bears the token; it takes as long where it nearly does."""
    scheme, _, given = header.partition(" ")
    same = hmac.compare_digest(given.strip().encode(errors="replace"), token.encode())
    return same and scheme.lower() == "bearer"


async def _taken(request: web.Request) -> Taken:
    if request.content_type != "application/json":
        raise RefusedError(415, 'the body must be JSON such as {"by": "ann", "why": "known"}: application/json')
    try:
        return msgspec.json.decode(await request.read(), type=Taken)
    except web.HTTPRequestEntityTooLarge:
        raise RefusedError(413, f"the body must have at most {LONGEST:,} bytes") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedError(400, f'the body must be JSON such as {{"by": "ann", "why": "known"}}: {error}') from None
