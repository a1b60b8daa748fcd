"""What the web server of a worker shows, and what it may be asked to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NotRequired, TypedDict

from streams.alert_book import AlertBook
from streams.health import Health
from streams.store import Store


class KindFields(TypedDict):
    """The present answer for a kind of drift; ``ratio`` is its statistic by its threshold."""

    kind: str
    answer: str
    ratio: float
    effect: float | None
    unit: str
    reason: str


class SegmentFields(TypedDict):
    """What is known of a segment that this worker judges.

    ``state`` is ``judged``, ``filling`` or ``refused``, ``judged_until`` an instant (RFC 3339) or empty, ``standing``
    the ids of its alarms that have not ended, ``reason`` why no baseline could be made.
    """

    app: str
    prompt_name: str
    variant: str
    state: str
    baseline: str
    judged_until: str
    calls: int
    kinds: Sequence[KindFields]
    standing: Sequence[str]
    reason: NotRequired[str]


Acknowledge = Callable[[str, str, str], Awaitable[None]]
"""Told the alert id, by whom and why; raises SettingsError where it is refused, SourceError where nobody hears."""

Metrics = Callable[[str], tuple[bytes, str]]
"""Told what the asker accepts, gives the metrics and their content type."""


def _none(accept: str) -> tuple[bytes, str]:
    return b"", "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Site:
    """What the web server shows.

    Attributes
    ----------
    overviews
        Gives the segments that this worker judges.
    runbooks
        Address under which runbooks are found; empty: pages link to none.
    token
        Whoever knows it may acknowledge alarms; empty: nobody may over HTTP.
    acknowledge
        Passes an acknowledgement on; None: nobody does.
    """

    health: Health
    store: Store
    book: AlertBook = field(default_factory=AlertBook)
    overviews: Callable[[], Sequence[SegmentFields]] = tuple
    metrics: Metrics = _none
    runbooks: str = ""
    token: str = ""
    acknowledge: Acknowledge | None = None
