"""What is known of a segment at a glance: its answers and standing alarms, for metrics and pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec
import numpy as np

from drift import verdict
from drift.effects import Effect, relative
from drift.state import Judge, SegmentState
from drift.verdict import Answer, Verdict
from streams.alerts import Alert, segment_fields
from streams.evidence import instant, rounded
from streams.moves import Acknowledgement
from streams.wording import moment

Phase = Literal["judged", "filling", "refused"]

TOPICS = 8
"""Topics whose shares are told one by one; the others are told together."""


class Standing(msgspec.Struct, frozen=True):
    """An alarm that stands.

    Attributes
    ----------
    drift
        The clause that says what drifted and by how much; it holds no word of a call.
    change
        The marker that moved nearest to its beginning, such as ``served_model a → b``; empty if none did.
    since
        When it began, milliseconds since 1970.
    effect, unit, samples
        Difference from the baseline when it was raised, None where there is none, and calls behind it.
    acknowledged
        Whether somebody has taken notice of it.
    """

    alert_id: str
    kind: str
    detector: str
    drift: str
    change: str
    since: int
    raised_at: str
    calls_seen: int
    statistic: float
    threshold: float
    effect: float | None
    unit: str
    samples: int
    baseline: str
    lens: str
    acknowledged: bool = False

    @classmethod
    def of(cls, record: Alert, since: int, drift: str) -> Standing:
        """As its first record says."""
        effect, marker = record.effect or {}, record.marker or {}
        return cls(
            record.alert_id,
            record.kind,
            record.detector,
            drift,
            f"{marker['field']} {marker['before'] or 'none'} → {marker['after'] or 'none'}" if marker else "",
            since,
            record.raised_at,
            record.calls_seen,
            record.statistic or 0.0,
            record.threshold or 0.0,
            effect.get("difference"),
            difference_unit(effect.get("measure", ""), effect.get("unit", "")),
            (record.samples or {}).get("current", record.calls_seen),
            record.baseline,
            record.lens,
        )


class KindNow(msgspec.Struct, frozen=True):
    """The present answer for a kind of drift.

    Attributes
    ----------
    ratio
        Statistic of its strongest detector by its threshold: at 1 an alarm may be raised.
    effect, unit, samples
        Difference from the baseline over recent calls, None where nothing is known, and those calls.
    reason
        Why there is no answer.
    """

    kind: str
    answer: Answer
    detector: str
    ratio: float
    effect: float | None
    unit: str
    samples: int
    reason: str


class Overview(msgspec.Struct, frozen=True):
    """What is known of a segment.

    Attributes
    ----------
    phase
        ``judged``; ``filling``: its first calls are to become its baseline; ``refused``: they could not.
    until
        Event time up to which it was judged, milliseconds since 1970; 0 where that is not known.
    calls
        Calls that were judged against its baseline.
    baseline, baseline_end
        Id, and the event time of the baseline's last tick.
    kinds
        Present answers; empty while nothing was judged since a worker took the segment over.
    standing
        Alarms that stand, the oldest first.
    raised
        Alarms so far, by kind.
    topics
        Share of recent calls by topic: the ``TOPICS`` largest by number, and ``other``.
    """

    segment: str
    phase: Phase
    until: int
    calls: int
    baseline: str
    baseline_end: int
    kinds: tuple[KindNow, ...]
    standing: tuple[Standing, ...]
    raised: Mapping[str, int]
    topics: Mapping[str, float]
    refused: str = ""

    @property
    def unknown(self) -> float:
        """Share of kinds of which nothing can be said; all of them before there is a baseline."""
        if not self.kinds:
            return 0.0 if self.phase == "judged" else 1.0
        return sum(one.answer == "not_enough_data" for one in self.kinds) / len(self.kinds)

    @property
    def loudest(self) -> float:
        """The largest ratio of all kinds."""
        return max((one.ratio for one in self.kinds), default=0.0)


def difference_unit(measure: str, unit: str) -> str:
    """Unit of a difference: of lengths, times and costs it is relative."""
    return "ratio" if relative(measure) else unit


def kinds_now(judge: Judge, state: SegmentState) -> tuple[KindNow, ...]:
    """Present answers of a segment."""
    return tuple(_kind(one) for one in verdict.verdicts(judge, state))


def _kind(one: Verdict) -> KindNow:
    ratio = max(one.statistic, 0.0) / one.threshold if one.threshold > 0 else 0.0
    return KindNow(one.kind, one.answer, one.detector, ratio, *_size(one.effect), one.reason)


def _size(found: Effect | None) -> tuple[float | None, str, int]:
    if found is None or not np.isfinite(found.estimate):
        return None, "", 0
    return found.estimate, difference_unit(found.measure, found.unit), round(found.samples)


def topic_shares(judge: Judge, state: SegmentState) -> dict[str, float]:
    """Shares of recent calls by topic."""
    recent = state.history.since(state.history.reaching(judge.clear_after, state.calls))
    counts = recent[judge.layout.topics]
    total = float(counts.sum())
    if total <= 0:
        return {}
    largest = np.sort(np.argsort(-judge.baseline.fit.proportions, kind="stable")[:TOPICS])
    made = {str(topic): float(counts[topic]) / total for topic in largest.tolist()}
    return made | {"other": max(1.0 - sum(made.values()), 0.0)}


def acknowledged(segment: str, one: Standing, by: Acknowledgement) -> Alert:
    """The record of an alarm that somebody has taken notice of."""
    who, why = f" by {by.by}" if by.by else "", f": {by.why}" if by.why else ""
    return Alert(
        record_id=f"{one.alert_id}-acknowledged",
        alert_id=one.alert_id,
        state="acknowledged",
        segment=segment_fields(segment),
        kind=one.kind,
        detector=one.detector,
        sentence=f"The alarm of {segment} ({one.detector}, since {moment(one.since)}) was acknowledged{who}{why}.",
        raised_at=one.raised_at,
        since=instant(one.since),
        calls_seen=one.calls_seen,
        statistic=rounded(one.statistic),
        threshold=rounded(one.threshold),
        baseline=one.baseline,
        lens=one.lens,
        acknowledged={"at": by.acknowledged_at, "by": by.by, "why": by.why},
    )
