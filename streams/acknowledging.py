"""Taking notice of an alarm: who may, of which, and what is put on record."""

from __future__ import annotations

from drift.errors import SettingsError, SourceError
from streams.alert_book import AlertBook
from streams.evidence import instant
from streams.moves import Acknowledgement


def acknowledgement(book: AlertBook, alert_id: str, *, by: str, why: str, now_ms: int) -> Acknowledgement:
    """What is to be announced so that every judge hears of it.

    Parameters
    ----------
    now_ms
        Milliseconds since 1970: it is on record from the next tick of that event time on, which no judge has closed.

    Raises
    ------
    SourceError
        There is no such alarm.
    SettingsError
        It has ended, is provisional, or somebody has acknowledged it before.
    """
    kept = book.get(alert_id)
    if kept is None:
        raise SourceError(f"there is no alarm {alert_id}: 'driftline alerts list' names those that are known")
    segment = kept.segment
    if not kept.standing:
        ended = kept.heads["resolved"].resolved_at
        raise SettingsError(f"alarm {alert_id} of {segment} ended at {ended}: there is nothing to acknowledge")
    if kept.head.provisional:
        raise SettingsError(f"alarm {alert_id} of {segment} is provisional: nobody is notified of it")
    if kept.state == "acknowledged":
        told = f" at {kept.noticed.acknowledged_at} by {kept.noticed.by}" if kept.noticed else " before"
        raise SettingsError(f"alarm {alert_id} of {segment} was acknowledged{told}")
    return Acknowledgement(alert_id, segment, now_ms, instant(now_ms), by, why)
