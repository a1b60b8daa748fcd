"""Numbers and times of alert records as people read them."""

from __future__ import annotations

from markupsafe import Markup

from drift.effects import relative
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


def change(value: float, unit: str, measure: str = "") -> str:
    """A difference between two sides: of lengths, times and costs it is relative, of shares in points."""
    number, unit = _parts(value, unit, measure)
    return f"{number} {unit}".rstrip()


def between(low: float, high: float, unit: str, measure: str = "") -> str:
    """An interval of differences, the unit said once."""
    (least, unit), (most, _) = (_parts(value, unit, measure) for value in (low, high))
    return f"{least} to {most} {unit}".rstrip()


def _parts(value: float, unit: str, measure: str) -> tuple[str, str]:
    """The number of a difference, with its sign where it has a way, and its unit."""
    of_baseline = relative(measure)
    sign = "+" if value > 0 and (of_baseline or unit in ("points", "score")) else "−" if value < 0 else ""
    if of_baseline or unit == "points":
        return sign + percent(abs(value)).removesuffix(" %"), "%" if of_baseline else "points"
    return sign + figure(abs(value)), "" if unit == "score" else unit


def long(seconds: float) -> str:
    """How long something took or is ago."""
    return lasting(max(seconds, 0.0) / 86_400)
