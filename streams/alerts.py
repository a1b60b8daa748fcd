"""Alert records: what an alarm says to people and machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import xxhash

from drift.alarm import Alarm
from drift.call import SCORES
from drift.phrases import Phrase
from drift.slices import Sliced
from drift.state import Judge
from streams.evidence import (
    Json,
    broken_rule,
    chain_link,
    effect_fields,
    examples_of,
    instant,
    marker_fields,
    ngrams,
    rounded,
    same_hours,
    sample_sizes,
    slice_fields,
    split_fields,
    topics_of,
    turns_of,
)
from streams.measure import parts_of
from streams.wording import (
    moment,
    since_when,
    what_carries,
    what_drifted,
    what_edits_did,
    what_explains,
    what_moved,
    what_preceded,
    what_turned,
    what_was_broken,
)

PARTS = ("app", "prompt_name", "variant")


class Alert(msgspec.Struct, frozen=True, omit_defaults=True):
    """One change of state of an alarm; fields that do not apply are left out.

    A provisional one was raised before there was a baseline: it has neither threshold, false-alarm budget nor baseline.
    """

    record_id: str
    alert_id: str
    state: str
    segment: Json
    kind: str
    detector: str
    sentence: str
    raised_at: str
    since: str
    calls_seen: int
    statistic: float | None = None
    threshold: float | None = None
    false_alarm: Json | None = None
    baseline: str = ""
    lens: str = ""
    provisional: bool = False
    resolved_at: str = ""
    effect: Json | None = None
    delay: Json | None = None
    samples: Json | None = None
    level: str = ""
    members: list[str] = []
    held_back: list[str] = []
    explained: Json | None = None
    change_point: Json | None = None
    marker: Json | None = None
    topics: list[Json] = []
    ngrams: list[Json] = []
    chain: list[Json] = []
    prompt_version: str = ""
    rule: Json | None = None
    slices: list[Json] = []
    examples: Json | None = None
    replay: str = ""
    acknowledged: Json | None = None


def segment_fields(segment: str) -> Json:
    """The parts of a segment's name; what it has none of is left out."""
    return {name: part for name, part in zip(PARTS, parts_of(segment), strict=True) if part}


def alert(judge: Judge, segment: str, alarm: Alarm, *, replay: str) -> Alert:
    """The record of an alarm.

    Parameters
    ----------
    replay
        The command that gives this verdict again, empty where there is none.
    """
    if not any(map(any, alarm.texts)):  # rows without excerpts carry empty ones
        alarm = replace(alarm, texts=())
    baseline = judge.baseline
    if baseline.members:
        alarm = replace(alarm, slices=tuple(_by_prompt(one) for one in alarm.slices))
    parts = [segment, alarm.kind, alarm.question, str(alarm.tick), baseline.id, baseline.pane.lens]
    parts += [alarm.version] if alarm.version else []  # several may break a rule in one tick
    alert_id = xxhash.xxh3_64_hexdigest("\x1f".join(parts).encode())
    topics, turns = topics_of(judge, alarm), turns_of(judge, alarm)
    marker = marker_fields(alarm.marker, alarm) if alarm.state == "firing" else None
    every = judge.budget.calls(judge.calls_a_day)
    point, found = alarm.point, alarm.effect
    return Alert(
        record_id=f"{alert_id}-{alarm.state}",
        alert_id=alert_id,
        state=alarm.state,
        segment=segment_fields(segment),
        kind=alarm.kind,
        detector=baseline.title(alarm.detector) if alarm.detector in SCORES else alarm.detector,
        sentence=_sentence(judge, _spoken(judge, segment), alarm, topics, turns, marker),
        raised_at=instant(alarm.raised_at),
        since=instant(alarm.since),
        resolved_at=instant(alarm.at) if alarm.state == "resolved" else "",
        calls_seen=alarm.calls,
        statistic=rounded(alarm.statistic),
        threshold=rounded(alarm.threshold),
        false_alarm={"every_calls": round(every), "every": str(judge.budget)},
        effect=None if found is None else effect_fields(found) | same_hours(baseline, alarm.detector),
        samples=None if found is None else sample_sizes(found, alarm.compared),
        delay=None if point is None else {"calls": alarm.calls - point.calls, "s": (alarm.raised_at - point.at) / 1000},
        level=str(baseline.facts.get("level", "")),
        members=list(baseline.members),
        held_back=["model"] if alarm.held else [],
        explained=None if alarm.split is None else split_fields(alarm.split, alarm.unlike),
        change_point=None if point is None else {name: instant(getattr(point, name)) for name in ("at", "low", "high")},
        marker=None if marker is None else {k: v for k, v in marker.items() if k != "at_ms"},
        topics=topics,
        ngrams=ngrams(turns),
        chain=[chain_link(one) for one in alarm.links],
        prompt_version=alarm.version,
        rule=None if alarm.breach is None else broken_rule(alarm.breach),
        slices=[slice_fields(one) for one in alarm.slices],
        examples=examples_of(judge, alarm) if alarm.state == "firing" else None,
        baseline=baseline.id,
        lens=baseline.pane.lens,
        replay=replay,
    )


def _spoken(judge: Judge, segment: str) -> str:
    """A segment in sentences, which tell the level at which a pool judges."""
    count = len(judge.baseline.members)
    return f"{segment} (at the level of the app: {count} small segments together)" if count else segment


def _by_prompt(one: Sliced) -> Sliced:
    """In a pool the variant of a call tells its prompt."""
    return replace(one, field="prompt_name") if one.field == "variant" else one


def encode(record: Alert) -> bytes:
    """One line of JSON, without its end."""
    return msgspec.json.encode(record)


def drift_clause(judge: Judge, segment: str, alarm: Alarm) -> str:
    """What drifted and by how much, without a word of any call."""
    return _what(judge, _spoken(judge, segment), alarm)


def _what(judge: Judge, segment: str, alarm: Alarm) -> str:
    if alarm.breach is not None:
        return what_was_broken(segment, alarm.breach)
    if alarm.effect is None:
        return f"{segment}: {alarm.kind} {alarm.state}"
    if alarm.links:
        return what_edits_did(segment, alarm, judge.tolerances[alarm.detector])
    return what_drifted(segment, alarm.detector, alarm.effect)


def _sentence(
    judge: Judge, segment: str, alarm: Alarm, topics: list[Json], turns: Sequence[Phrase], marker: Json | None
) -> str:
    if alarm.point is None:  # only an alarm that ended has none
        return f"{segment} is back to normal ({judge.baseline.title(alarm.question)}) at {moment(alarm.at)}."
    begun, vague = since_when(alarm.point, alarm.raised_at)
    what = _what(judge, segment, alarm)
    if alarm.breach is not None:
        return f"{begun} {what}."
    if alarm.effect is None:
        return f"{what}."
    clauses = [f"{begun} {what}"]
    if alarm.kind == "data" and (shift := what_moved(topics)):
        clauses.append(shift)
    if turned := what_turned(turns):
        clauses.append(turned)
    if alarm.split is not None:
        clauses.append(what_explains(alarm.split, unlike=alarm.unlike))
    told = None if marker is None else marker["field"]  # what the marker says need not be estimated
    if carried := what_carries([one for one in alarm.slices if not (one.sampled and one.field == told)]):
        clauses.append(carried)
    if alarm.held:
        clauses.append("answers moved too, held back while other questions may explain it")
    asked_for = alarm.names.get(alarm.asked_for, "") if alarm.asked_for else ""
    clauses.append(what_preceded(marker, vague=vague, asked_for=asked_for))
    return "; ".join(clauses) + "."
