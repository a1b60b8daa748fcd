"""A worker's web server as askers meet it, without Kafka: what it is given, and what it answers."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

from aiohttp.test_utils import TestClient, TestServer

from streams.alert_book import AlertBook
from streams.health import Health
from streams.http.server import application
from streams.http.site import Site
from streams.store import Store

PROGRAM = {"Accept": "application/json"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def fields(self):
        assert self.headers["Content-Type"].startswith("application/json")
        return json.loads(self.text)


def site(records=(), **given):
    """A site whose book holds these records and whose store is empty."""
    book = AlertBook()
    for one in records:
        book.add(one)
    return Site(**{"health": Health(), "store": Store("/nowhere/at/all"), "book": book} | given)


def ask(shown, *questions, **given):
    """The answer to a path, or those to several questions: path, or method, path and what goes with it."""
    whole = [one if isinstance(one, tuple) else ("GET", one, given) for one in questions]

    async def steps():
        async with TestClient(TestServer(application(shown))) as client:
            found = []
            for method, path, more in whole:
                async with client.request(method, path, allow_redirects=False, **more) as answer:
                    found.append(Answer(answer.status, dict(answer.headers), await answer.text()))
            return found

    answers = asyncio.run(steps())
    return answers[0] if len(questions) == 1 else answers


def demo_store(folder: Path, *baselines, tag="prod"):
    """A store of baselines of which the last of each segment is tagged."""
    store = Store(str(folder))
    for one in baselines:
        store.put_baseline(one)
        store.tag(one.pane.segment, tag, one.id, by="ann", why="a <new> model")
    return store
