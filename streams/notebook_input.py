"""What a notebook gives, refused in words where it is something else than is wanted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from drift.baseline import Baseline
from drift.errors import SettingsError
from streams.aliases import bound_ms
from streams.archive import Archive
from streams.records import Record
from streams.replaying import Span
from streams.settings import Settings, load, require_valid

Instant = int | str | datetime | None
"""A bound of a range: milliseconds since 1970, a time, or its text such as ``2026-01-05T10:00:00Z``; UTC by default."""


def require_calls(who: str, what: object) -> None:
    """See that this is an archive, or calls of which some are left.

    Raises
    ------
    SettingsError
        It is not.
    """
    if isinstance(what, Archive):
        return
    if isinstance(what, str) or not isinstance(what, Sequence) or not all(isinstance(one, Record) for one in what):
        raise SettingsError(f"{who}: got {_short(what)}: load(...) makes calls, Archive(ADDRESS) opens an archive")
    if not what and (rejected := getattr(what, "rejected", ())):
        why = f"the first for {rejected[0].reason}: {rejected[0].detail}"
        raise SettingsError(f"{who}: all {len(rejected):,} calls were rejected, {why}")


def require_baselines(who: str, given: Iterable[object]) -> None:
    """See that these are baselines.

    Raises
    ------
    SettingsError
        One is not.
    """
    for one in given:
        if not isinstance(one, Baseline):
            raise SettingsError(f"{who}: got {_short(one)} for a baseline: Store(FOLDER).baseline(NAME) reads one")


def settings_or_default(who: str, given: object) -> Settings:
    """Settings that were given, by default those of the commands.

    Raises
    ------
    SettingsError
        They are something else, or one has a value that it cannot have.
    """
    if given is None:
        return load()
    if not isinstance(given, Settings):
        raise SettingsError(f"{who}: settings: got {_short(given)}: give Settings(...)")
    require_valid(given)
    return given


def span(start: Instant, end: Instant) -> Span:
    """A range of event time.

    Raises
    ------
    SettingsError
        A bound is no instant.
    """
    return Span(_ms("start", start), _ms("end", end))


def _ms(name: str, value: Instant) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, datetime):
        return round((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp() * 1000)
    found = bound_ms(value) if isinstance(value, str) else None
    if found is None:
        raise SettingsError(f"{name}: got {_short(value)}: give milliseconds, a datetime or 2026-01-05T10:00:00Z")
    return found


def _short(value: object) -> str:
    kind = type(value).__name__
    return f"{kind} {value!r:.40}" if isinstance(value, str | int | float) else kind
