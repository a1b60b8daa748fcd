"""A report as Markdown, for a pull request, and as a value for programs."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from streams.evidence import instant
from streams.plain_text import plain
from streams.report import beside
from streams.report.alarms import Alarm
from streams.report.beside import Beside
from streams.report.read import Account
from streams.report.story import Story
from streams.wording import between, change, figure, percent

LONGEST = 600
"""Characters of a text in Markdown."""

SEGMENTS, ALARMS = 20, 10
"""Told one by one: of a pull request's comment there are 65,536 characters."""

_SPECIAL = frozenset("\\`*_{}[]#!|~@$^")
"""What Markdown reads, in the middle of a line."""

BADGE = {
    "drift": "🔴 drift",
    "no_drift": "🟢 no drift",
    "not_enough_data": "🟡 not enough data",
    "unknown": "⚪ alarms only",
}


def markdown(account: Account, told: Sequence[Story], side_by_side: Sequence[Beside] = ()) -> str:
    """A page for GitHub and its like; texts of strangers are plain text in it."""
    head, *rest = _lines(account, told)
    if side_by_side:
        head = f"## Drift report: {len(side_by_side)} segment{'s' * (len(side_by_side) != 1)}, two files side by side"
    return "\n".join([head, *beside.markdown(side_by_side[:SEGMENTS], _text), *rest]) + "\n"


def _text(text: str, most: int = LONGEST) -> str:
    """Text that is no markup, no link and no mention, in one line."""
    said = " ".join(plain(text[: most + 1]).split())
    clipped = f" … (the first {most:,} of {len(text):,} characters)" if len(text) > most else ""
    return "".join(f"&#{ord(one)};" if one in _SPECIAL else html.escape(one) for one in said[:most]) + clipped


def _lines(account: Account, told: Sequence[Story]) -> Iterator[str]:
    drifted = sum(story.answer == "drift" for story in told)
    yield f"## Drift report: {drifted} of {len(told)} segment{'s' * (len(told) != 1)} drifted"
    yield ""
    if account.cut_off:
        yield f"**Cut off:** judging ended before its source did ({_text(account.cut_off)}).\n"
    for story in told[:SEGMENTS]:
        yield f"- **{BADGE[story.answer]}** {_text(story.sentence, 3000)}"
    if len(told) > SEGMENTS:
        yield f"- and {len(told) - SEGMENTS:,} more segments"
    for story in told[:SEGMENTS]:
        if story.answers or story.alarms:
            yield from _segment(story)


def _segment(story: Story) -> Iterator[str]:
    yield f"\n### {_text(story.name, 200)}\n"
    if story.answers:
        yield "| kind | answer | evidence | effect over recent calls |"
        yield "|---|---|---|---|"
    for one in story.answers:
        evidence = f"{figure(one.statistic)} of {figure(one.threshold)}" if one.detector else ""
        kind, answer = one.kind.replace("_", " "), one.answer.replace("_", " ")
        yield f"| {_text(kind)} | {answer} | {evidence} | {_effect(one.effect, one.reason or one.note)} |"
    standing = sorted(story.alarms, key=lambda one: (not one.standing, -one.number))
    if standing:
        yield f"\n<details><summary>{len(standing)} alarm{'s' * (len(standing) != 1)}</summary>\n"
        for alarm in standing[:ALARMS]:
            head = f"{_text(alarm.raised.kind.replace('_', ' '))}, {_state(alarm)}"
            yield f"- **{head}**: {_text(alarm.raised.sentence, 3000)}"
        if len(standing) > ALARMS:
            yield f"\nand {len(standing) - ALARMS:,} more"
        yield "\n</details>"
    yield from _counted(story)
    if shares := story.shares:
        moved = sorted(range(shares.named), key=lambda k: -abs(shares.now[k] - shares.baseline[k]))[:5]
        yield "\n| topic | baseline | now |\n|---|---:|---:|"
        for k in moved:
            yield f"| {_text(shares.labels[k], 80)} | {percent(shares.baseline[k])} | {percent(shares.now[k])} |"


def _counted(story: Story) -> Iterator[str]:
    """False alarms as they were counted, beside what is promised."""
    for one in story.check.together.values() if story.check else ():
        yield f"\nFalse alarms {one.where}: promised one in {one.promised_every_calls:,.0f} calls, {one.realised}."


def _state(one: Alarm) -> str:
    return {"firing": "standing", "acknowledged": "acknowledged", "resolved": "over"}[one.state]


def _effect(effect: Any, instead: str) -> str:
    if instead or effect is None or effect.difference is None:
        return _text(instead)
    size = change(effect.difference, effect.unit, effect.measure)
    said = f"{effect.measure}: {size}"
    if effect.low is not None and effect.high is not None:
        interval = between(effect.low, effect.high, effect.unit, effect.measure)
        words = size.partition(" ")[2].removeprefix("%")  # said once
        said += f" ({interval.removesuffix(words).rstrip()})"
    return _text(said)


def value(account: Account, told: Sequence[Story], side_by_side: Sequence[Beside] = ()) -> dict[str, Any]:
    """Everything but the pictures, for programs."""
    both = {"side_by_side": [one.fields for one in side_by_side]} if side_by_side else {}
    return both | {
        "source": account.source,
        "release": account.release,
        "command": account.command,
        "cut_off": account.cut_off,
        "counts": account.counts,
        "records_left_out": account.strange,
        "segments": [_story(story) for story in told],
    }


def _story(story: Story) -> dict[str, Any]:
    made: dict[str, Any] = {
        "segment": story.name,
        "answer": story.answer,
        "sentence": story.sentence,
        "calls": story.told.calls,
        "kinds": msgspec.to_builtins(story.answers),
        "alarms": [_alarm(one) for one in story.alarms],
        "provisional": [_alarm(one) for one in story.early],
        "markers": [
            {"field": one.field, "before": one.before, "after": one.after, "at": instant(one.at)}
            for one in story.told.marks
        ],
        "courses": [
            {"detector": line.detector, "kind": kind, "points": _points(line.at, line.statistic, line.threshold)}
            for kind in story.kinds
            for line in story.lines(kind)
        ],
        "chain": msgspec.to_builtins(story.chain),
        "explained": [
            {"detector": name, "of": "alarm" if alarm else "recent calls"}
            | ({"alarm": alarm.number} if alarm else {})
            | msgspec.to_builtins(parts)
            for name, parts, _, alarm in story.explained
        ],
        "detectors": msgspec.to_builtins(story.detectors),
    }
    if (shares := story.shares) is not None:
        made["topics"] = [
            {"label": label, "share_before": round(before, 6), "share_now": round(now, 6)}
            for label, before, now in zip(shares.labels, shares.baseline, shares.now, strict=True)
        ]
    for name, kind in (("output_length", "output_length"), ("latency", "operational")):
        if (found := story.histogram(name, kind)) is not None:
            quantiles = [{"name": said, "before": before, "now": now} for said, before, now in found.quantiles]
            made[name] = {"unit": found.unit, "since": instant(found.since), "quantiles": quantiles}
    if (known := story.told.baseline) is not None:
        made["baseline"] = known.card
    if story.check is not None:
        counted = [*story.check.together.values(), *story.check.alone.values()]
        made["false_alarms_counted"] = msgspec.to_builtins(counted)
    return made


def _alarm(one: Alarm) -> dict[str, Any]:
    return {"state": one.state, "resolved_at": one.resolved_at, "raised": msgspec.to_builtins(one.raised)}


def _points(at: Sequence[int], statistic: Sequence[float], threshold: Sequence[float]) -> list[list[Any]]:
    return [[instant(ms), one, limit] for ms, one, limit in zip(at, statistic, threshold, strict=True)]
