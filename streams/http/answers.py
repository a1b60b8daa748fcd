"""Answers of the web server: JSON or a page as the asker wants, headers on each, and refusals that say why."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from drift.errors import DriftError
from streams.http import figures
from streams.http.texts import shown
from streams.wording import between, change, figure, percent

log = logging.getLogger(__name__)

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Server": "driftline",
    "Vary": "Accept",
}

_FOLDER = Path(__file__).parent / "templates"
STYLE = (_FOLDER / "style.css").read_text()

_pages = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_FOLDER),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_pages.filters |= {
    "shown": shown,
    "when": figures.when,
    "long": figures.long,
    "percent": percent,
    "figure": figure,
    "level": figures.level,
    "change": change,
    "between": between,
}


class RefusedError(Exception):
    """A question that is not answered, with the status of HTTP and the reason in words."""

    def __init__(self, status: int, why: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(why)
        self.status, self.why, self.headers = status, why, headers or {}


def as_json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A value for programs."""
    body = msgspec.json.encode(value)
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def as_page(template: str, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any) -> web.Response:
    """A page for people."""
    text = _pages.get_template(template).render(values)
    return web.Response(text=text, status=status, headers=headers, content_type="text/html")


def asked(request: web.Request, known: Mapping[str, Collection[str] | None]) -> dict[str, str]:
    """What the query asks for, empty where it is silent.

    Parameters
    ----------
    known
        Fields that there are, with the values that they can have; None: any of at most 500 characters.

    Raises
    ------
    RefusedError
        It asks for what there is not.
    """
    fields = {**known, "format": ("json", "html")}
    for name in request.query:
        if name not in fields:
            raise RefusedError(400, f"{name[:100]!r} is no field of this address: it has {', '.join(fields)}")
        if len(given := request.query.getall(name)) > 1:
            raise RefusedError(400, f"{name} is given {len(given)} times: give it once")
    for name, values in fields.items():
        value = request.query.get(name, "")
        if value and values is not None and value not in values:
            raise RefusedError(400, f"{name} is {value[:100]!r}: it must be one of {', '.join(values)}")
        if len(value) > 500:
            raise RefusedError(400, f"{name} has {len(value)} characters: it can have 500 at most")
    return {name: request.query.get(name, "") for name in known}


def wants_json(request: web.Request) -> bool:
    """Whether the asker is a program: says so in the query, or names JSON among what it accepts, and pages less."""
    if request.query.get("format") in ("json", "html"):
        return request.query["format"] == "json"
    likes = dict(map(_liked, request.headers.get("Accept", "").lower().split(",")))
    return likes.get("application/json", 0.0) > likes.get("text/html", 0.0)


def _liked(part: str) -> tuple[str, float]:
    kind, _, parameters = part.partition(";")
    quality = re.search(r"(?:^|;)\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*(?:;|$)", parameters)
    return kind.strip(), float(quality[1]) if quality else 1.0


@web.middleware
async def worded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Say what is wrong in words, to programs as JSON; what nobody foresaw is logged, and not told."""
    try:
        return await handler(request)
    except RefusedError as refused:
        return _refusal(request, refused)
    except web.HTTPException as error:
        allowed = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return _refusal(request, RefusedError(error.status, _reason(request, error), allowed))
    except DriftError as error:
        return _refusal(request, RefusedError(503, str(error)))
    except Exception:
        log.exception("%s %s could not be answered", request.method, request.path)
        return _refusal(request, RefusedError(500, "this could not be answered: the worker's log says why"))


def _reason(request: web.Request, error: web.HTTPException) -> str:
    if error.status == 404:
        return "there is nothing at this address"
    if error.status == 405:
        return f"this address does not take {request.method}"
    return error.reason.lower()


def _refusal(request: web.Request, refused: RefusedError) -> web.Response:
    if request.method in ("GET", "HEAD") and not wants_json(request):
        values = {"here": "", "number": refused.status, "why": refused.why}
        return as_page("refused.html", refused.status, refused.headers, **values)
    return as_json({"error": refused.why}, refused.status, refused.headers)


async def headed(request: web.Request, response: web.StreamResponse) -> None:
    """Put the headers that every answer bears."""
    response.headers.update(HEADERS)
