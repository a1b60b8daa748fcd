"""Numbers and times of alert records as people read them."""

from __future__ import annotations

from markupsafe import Markup

from streams.aliases import epoch_ms
from streams.http.texts import shown
from streams.wording import figure, lasting, moment, percent


def when(instant: str) -> Markup:
    """A time, RFC 3339, for people and programs; as it is where it is none."""
    ms = epoch_ms(instant)
    try:
        said = moment(ms) if ms is not None else ""
    except (ValueError, OverflowError):  # beyond the calendar
        said = ""
    return Markup('<time datetime="{}">{}</time>').format(instant, said) if said else shown(instant, 50)


def level(value: float, unit: str) -> str:
    """One side of a comparison."""
    if unit == "points":
        return percent(value)
    return figure(value) if unit in ("", "score") else f"{figure(value)} {unit}"


def long(seconds: float) -> str:
    """How long something took or is ago."""
    return lasting(max(seconds, 0.0) / 86_400)
