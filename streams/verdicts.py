"""The verdict of a segment: one sentence for people, the same data for programs."""

from __future__ import annotations

from typing import Any

import msgspec

from drift.panel import KINDS
from drift.verdict import Verdict
from streams.alerts import segment_fields
from streams.embedded import Segment
from streams.evidence import effect_fields, instant
from streams.wording import moment, what_drifted

Json = dict[str, Any]

CALM = {
    "data": "what people ask",
    "model": "how the model answers",
    "output_length": "how long answers are",
    "quality": "how good answers are",
    "operational": "how calls run",
    "prompt": "what prompt edits have done",
}
"""What each kind of drift is about."""


class SegmentVerdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is now to be said of a segment; ``kinds`` holds the answer for each kind of drift.

    ``provisional`` holds alarms that stand before it has a baseline; they change no answer.
    A pool has the ``level`` at which it judges and its ``members``; a member the name of its ``pool``.
    """

    segment: Json
    answer: str
    sentence: str
    calls: int
    kinds: list[Json] = []
    baseline: str = ""
    level: str = ""
    members: list[str] = []
    pool: str = ""
    rules_broken: dict[str, int] = {}
    provisional: list[Json] = []


def segment_verdict(segment: Segment) -> SegmentVerdict:
    """The present verdict of a segment."""
    found = segment.verdicts
    answers = [one.answer for one in found]
    answer = "drift" if "drift" in answers else "no_drift" if "no_drift" in answers else "not_enough_data"
    return SegmentVerdict(
        segment=segment_fields(segment.name),
        answer=answer,
        sentence=_sentence(segment, found),
        calls=segment.calls,
        kinds=[_kind(segment, one) for one in found],
        baseline=segment.judge.baseline.id if segment.judge else "",
        level="app" if segment.members else "",
        members=list(segment.members),
        pool=segment.pool,
        rules_broken=dict(segment.state.prompts.broken) if segment.state else {},
        provisional=segment.provisional.fields(),
    )


def _kind(segment: Segment, one: Verdict) -> Json:
    made: Json = {"kind": one.kind, "answer": one.answer}
    if one.detector:
        made |= {"detector": one.detector, "statistic": round(one.statistic, 6), "threshold": round(one.threshold, 6)}
    if one.effect is not None:
        made["effect"] = effect_fields(one.effect)
    made |= {name: text for name, text in (("reason", one.reason), ("note", one.note)) if text}
    alarms = [
        {"detector": latch.detector, "since": instant(latch.since), "raised_at": instant(latch.raised_at)}
        for latch in _standing(segment, one.kind)
    ]
    return made | ({"alarms": alarms} if alarms else {})


def _standing(segment: Segment, kind: str) -> list[Any]:
    latches = segment.state.latches.values() if segment.state else ()
    return [latch for latch in latches if KINDS[latch.detector] == kind]


def _sentence(segment: Segment, found: tuple[Verdict, ...]) -> str:
    """The drifts with their dates, then what has not drifted, then what nobody can tell yet."""
    if not found:
        said = f"{segment.name}: {'' if segment.pool else 'nothing can be said: '}{not_alone(segment)}"
        return f"{'; '.join(filter(None, (said, segment.provisional.note(segment.name))))}."
    clauses = [_drifted(segment, one) for one in found if one.answer == "drift"]
    calm = [CALM[one.kind] + (f" ({one.note})" if one.note else "") for one in found if one.answer == "no_drift"]
    silent = [f"{CALM[one.kind]} ({one.reason})" for one in found if one.answer == "not_enough_data"]
    if calm:
        clauses.append(f"no drift in {_listed(calm)}")
    if silent:
        clauses.append(f"not enough data on {_listed(silent)}")
    of = f" of {len(segment.members)} small segments together" if segment.members else ""
    return f"{segment.name} ({segment.calls:,} calls{of} judged): {'; '.join(clauses)}."


def not_alone(segment: Segment) -> str:
    """Why a segment is not judged by a baseline of its own, and by which it is if it is."""
    why = segment.refused or f"{len(segment.waiting):,} calls towards its baseline"
    return f"judged together with others of its app in {segment.pool} ({why})" if segment.pool else why


def _drifted(segment: Segment, one: Verdict) -> str:
    standing = _standing(segment, one.kind)
    since = min(latch.since for latch in standing)
    own = next((latch.since for latch in standing if latch.detector == one.detector), since)
    said = what_drifted(segment.name, one.detector, one.effect) if one.effect is not None and one.detector else ""
    head = f"{one.kind.replace('_', ' ')} drift since {moment(since)}"
    if not said:
        return head
    return f"{head}{f', strongest since {moment(own)}' if own != since else ''}: {said}"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
