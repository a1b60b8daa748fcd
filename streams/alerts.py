"""Alert records: what an alarm says to people and machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import xxhash

from drift.alarm import Alarm
from drift.call import FLAGS, SCORES
from drift.effects import Effect
from drift.explain import MarkerEvent, Moved, TopicShift
from drift.fit import OFF_TOPIC
from drift.mix import Split
from drift.pane import Texts
from drift.phrases import Phrase, phrases
from drift.prompt_rules import Breach
from drift.prompts import Link
from drift.slices import Sliced
from drift.state import Judge
from streams.measure import parts_of
from streams.wording import (
    moment,
    since_when,
    spelled_out,
    what_carries,
    what_drifted,
    what_edits_did,
    what_explains,
    what_moved,
    what_preceded,
    what_turned,
    what_was_broken,
)

NEW = ("unlike most of the baseline", "far from every topic of the baseline")
EXAMPLES = 5
NEW_WORDS = 8
PARTS = ("app", "prompt_name", "variant")

Json = dict[str, Any]


class Alert(msgspec.Struct, frozen=True, omit_defaults=True):
    """One change of state of an alarm; fields that do not apply are left out."""

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
    statistic: float
    threshold: float
    false_alarm: Json
    baseline: str
    lens: str
    resolved_at: str = ""
    effect: Json | None = None
    delay: Json | None = None
    samples: Json | None = None
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


def instant(ms: int) -> str:
    """RFC 3339, UTC."""
    text = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


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
    parts = [segment, alarm.kind, alarm.question, str(alarm.tick), baseline.id, baseline.pane.lens]
    parts += [alarm.version] if alarm.version else []  # several may break a rule in one tick
    alert_id = xxhash.xxh3_64_hexdigest("\x1f".join(parts).encode())
    topics, turns = _topics(judge, alarm), _turns(judge, alarm)
    marker = _marker(alarm.marker, alarm) if alarm.state == "firing" else None
    every = judge.budget.calls(judge.calls_a_day)
    point, found = alarm.point, alarm.effect
    return Alert(
        record_id=f"{alert_id}-{alarm.state}",
        alert_id=alert_id,
        state=alarm.state,
        segment={name: part for name, part in zip(PARTS, parts_of(segment), strict=True) if part},
        kind=alarm.kind,
        detector=baseline.title(alarm.detector) if alarm.detector in SCORES else alarm.detector,
        sentence=_sentence(judge, segment, alarm, topics, turns, marker),
        raised_at=instant(alarm.raised_at),
        since=instant(alarm.since),
        resolved_at=instant(alarm.at) if alarm.state == "resolved" else "",
        calls_seen=alarm.calls,
        statistic=_rounded(alarm.statistic),
        threshold=_rounded(alarm.threshold),
        false_alarm={"every_calls": round(every), "every": str(judge.budget)},
        effect=None if found is None else effect_fields(found),
        samples=None if found is None else _samples(found, alarm.compared),
        delay=None if point is None else {"calls": alarm.calls - point.calls, "s": (alarm.raised_at - point.at) / 1000},
        held_back=["model"] if alarm.held else [],
        explained=None if alarm.split is None else _split(alarm.split) | ({"unlike": True} if alarm.unlike else {}),
        change_point=None if point is None else {name: instant(getattr(point, name)) for name in ("at", "low", "high")},
        marker=None if marker is None else {k: v for k, v in marker.items() if k != "at_ms"},
        topics=topics,
        ngrams=_ngrams(turns),
        chain=[chain_link(one) for one in alarm.links],
        prompt_version=alarm.version,
        rule=None if alarm.breach is None else _rule(alarm.breach),
        slices=[_sliced(one) for one in alarm.slices],
        examples=_examples(judge, alarm) if alarm.state == "firing" else None,
        baseline=baseline.id,
        lens=baseline.pane.lens,
        replay=replay,
    )


def encode(record: Alert) -> bytes:
    """One line of JSON, without its end."""
    return msgspec.json.encode(record)


def chain_link(one: Link) -> Json:
    """A prompt version in the chain of edits, its distances where enough is known."""
    made: Json = {"version": one.version.name, "since": instant(one.version.first), "calls": one.version.calls}
    made |= {"variant": one.version.variant} if one.version.variant not in ("", "live") else {}
    for name, found in (("step", one.step), ("from_anchor", one.total)):
        if found is not None:
            made[name] = {part: _rounded(getattr(found, part)) for part in ("size", "low", "high")}
            made[name] |= {"samples": round(found.samples), "given_inputs": found.given_inputs}
    return made | {"length_change": _rounded(one.version.length)}


def _rule(breach: Breach) -> Json:
    fields = {"rule": breach.rule, "version": breach.version, "before": breach.before, "after": breach.after}
    return {name: text for name, text in fields.items() if text} | {"calls": breach.calls}


def _sentence(
    judge: Judge, segment: str, alarm: Alarm, topics: list[Json], turns: Sequence[Phrase], marker: Json | None
) -> str:
    if alarm.point is None:  # only an alarm that ended has none
        return f"{segment} is back to normal ({judge.baseline.title(alarm.question)}) at {moment(alarm.at)}."
    begun, vague = since_when(alarm.point, alarm.raised_at)
    if alarm.breach is not None:
        return f"{begun} {what_was_broken(segment, alarm.breach)}."
    if alarm.effect is None:
        return f"{segment}: {alarm.kind} {alarm.state}."
    if alarm.links:
        clauses = [f"{begun} {what_edits_did(segment, alarm, judge.tolerances[alarm.detector])}"]
    else:
        clauses = [f"{begun} {what_drifted(segment, alarm.detector, alarm.effect)}"]
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
        clauses.append("answers moved too, mostly explained by other questions")
    asked_for = alarm.names.get(alarm.asked_for, "") if alarm.asked_for else ""
    clauses.append(what_preceded(marker, vague=vague, asked_for=asked_for))
    return "; ".join(clauses) + "."


def _rounded(value: float) -> float:
    return round(float(value), 6)


def effect_fields(found: Effect) -> Json:
    """An effect for programs."""
    made: Json = {"measure": spelled_out(found.measure)}
    if found.baseline is not None and found.current is not None:
        made |= {"baseline": _rounded(found.baseline), "current": _rounded(found.current)}
    difference = {"difference": found.estimate, "low": found.low, "high": found.high, "without_drift": found.noise}
    return made | {name: _rounded(value) for name, value in difference.items()} | {"unit": found.unit}


def _samples(found: Effect, compared: float | None) -> Json:
    """Calls on both sides and, of answers, the share that could not be compared."""
    sizes: Json = {"baseline": round(found.samples_baseline), "current": round(found.samples)}
    return sizes if compared is None else sizes | {"left_out": _rounded(1 - compared)}


def _split(parts: Split) -> Json:
    fields = ("mix", "mix_low", "mix_high", "conditional", "low", "high")
    return {name: _rounded(getattr(parts, name)) for name in fields}


def _sliced(one: Sliced) -> Json:
    """One value of a field; ``against_all`` where the baseline holds too few calls of it to compare it with its own."""
    made: Json = {
        "field": one.field,
        "value": one.value,
        "calls": one.calls,
        "share_before": _rounded(one.share_before),
        "share_now": _rounded(one.share_now),
        "contribution": _rounded(one.contribution),
        "z": _rounded(one.z),
        "p_adjusted": _rounded(one.p_adjusted),
        "carries": one.carries,
    }
    if one.effect is not None:
        found = effect_fields(one.effect)
        made |= {"effect": found["difference"]} | {
            name: found[name] for name in ("low", "high", "unit", "baseline", "current") if name in found
        }
    return made | ({} if one.alone else {"against_all": True}) | ({"sampled": True} if one.sampled else {})


def _turns(judge: Judge, alarm: Alarm) -> tuple[Phrase, ...]:
    """Phrases that came and went in sampled answers."""
    if alarm.detector not in ("answers", "answers_overall", "prompt_chain"):
        return ()
    return phrases(judge.baseline.answers, [answered for _, answered in alarm.texts if answered])


def _ngrams(turns: Sequence[Phrase]) -> list[Json]:
    return [
        {
            "text": one.text,
            "opening": one.opening,
            "share_before": _rounded(one.before),
            "share_now": _rounded(one.now),
            "z": _rounded(one.z),
        }
        for one in turns
    ]


def _topics(judge: Judge, alarm: Alarm) -> list[Json]:
    """What moved, the most significant first: topics of the baseline, and the sampled calls that came new.

    Labels and words are left out where none are known.
    """
    if alarm.shifted:
        return [_shifted(judge, alarm, one) for one in alarm.shifted]
    made = [_topic(judge, alarm, one) for one in alarm.topics]
    new = alarm.newcomers
    if new is not None and alarm.texts:
        asked = [alarm.texts[i][0] for i in np.flatnonzero(new.members)]
        made.append(
            {
                "label": NEW[alarm.detector == OFF_TOPIC],
                "words": ", ".join(judge.baseline.vocabulary.typical(asked, NEW_WORDS)),
                "share_before": _rounded(new.before),
                "share_now": _rounded(new.now),
                "z": _rounded(new.z),
                "calls": len(asked),
                "sampled": True,
                "examples": list(dict.fromkeys(asked))[-EXAMPLES:],
            }
        )
    made.sort(key=lambda one: -abs(float(one["z"])))
    return [{name: value for name, value in one.items() if value != ""} for one in made]


def _topic(judge: Judge, alarm: Alarm, one: Moved) -> Json:
    label = judge.baseline.labels[one.topic]
    texts = _of_topic(judge, alarm, one.topic)
    made: Json = {
        "label": label,
        "words": ", ".join(judge.baseline.vocabulary.typical([asked for asked, _ in texts])) if texts else "",
        "share_before": _rounded(one.before),
        "share_now": _rounded(one.now),
        "z": _rounded(one.z),
        "calls": one.calls,
    }
    shown = [asked for asked, _ in texts] if one.z > 0 else [asked for asked, _ in _known(judge, one.topic)]
    return made | ({"examples": list(dict.fromkeys(shown))[-EXAMPLES:]} if shown else {})


def _shifted(judge: Judge, alarm: Alarm, one: TopicShift) -> Json:
    """A topic by how far its sampled answers lie along the drift."""
    texts = _of_topic(judge, alarm, one.topic)
    made: Json = {
        "label": judge.baseline.labels[one.topic],
        "words": ", ".join(judge.baseline.vocabulary.typical([asked for asked, _ in texts])) if texts else "",
        "shift": {part: _rounded(getattr(one, part)) for part in ("shift", "low", "high", "z")},
        "calls": one.calls,
        "sampled": True,
        "examples": list(dict.fromkeys(asked for asked, _ in texts))[-EXAMPLES:],
    }
    return {name: value for name, value in made.items() if value not in ("", [])}


def _of_topic(judge: Judge, alarm: Alarm, topic: int) -> list[Texts]:
    if not alarm.texts:
        return []
    there = np.flatnonzero(judge.baseline.frame.topic(alarm.rows["topic"]) == topic)
    return [alarm.texts[i] for i in there]


def _marker(event: MarkerEvent | None, alarm: Alarm) -> Json | None:
    if event is None:
        return None
    before, after = (alarm.names.get(code, "").rpartition("\x1f")[2] for code in (event.before, event.after))
    return {
        "field": event.field,
        "before": before,
        "after": after,
        "at": instant(event.at),
        "at_ms": event.at,
    }


def _examples(judge: Judge, alarm: Alarm) -> Json | None:
    """Calls before and now: of the topics that moved most, or are most frequent; now those that the alarm is about.

    Of answers that moved the farthest along the drift and, as ``least``, the nearest; of a flag those that have it.
    """
    if not alarm.texts:
        return None
    topics = _telling(judge, alarm)
    before = [pair for topic in topics for pair in _known(judge, topic)[:2]]
    made: Json = {"before": _shown(before)}
    if not np.isnan(alarm.scores).all():
        compared = np.flatnonzero(~np.isnan(alarm.scores))
        order = compared[np.argsort(-alarm.scores[compared], kind="stable")]
        return made | {
            "now": _shown([alarm.texts[i] for i in order]),
            "least": _shown([alarm.texts[i] for i in order[::-1]]),
        }
    if alarm.detector in FLAGS:
        raised = np.flatnonzero(alarm.rows["flags"][:, FLAGS.index(alarm.detector)])
        return made | {"now": _shown([alarm.texts[i] for i in raised[::-1]])}
    if alarm.breach is not None:
        return made | {"now": _shown(alarm.texts[::-1])}
    now = [pair for topic in topics for pair in list(dict.fromkeys(_of_topic(judge, alarm, topic)))[-2:]]
    return made | {"now": _shown(now)}


def _shown(pairs: Sequence[Texts]) -> list[Json]:
    return [_example(pair) for pair in list(dict.fromkeys(pairs))[:EXAMPLES]]


def _telling(judge: Judge, alarm: Alarm) -> list[int]:
    if alarm.kind == "data":
        return [one.topic for one in alarm.topics]
    seen = judge.baseline.frame.topic(alarm.rows["topic"])
    topics, counts = np.unique(seen[seen >= 0], return_counts=True)
    return [int(topic) for topic in topics[np.argsort(-counts, kind="stable")][:EXAMPLES]]


def _known(judge: Judge, topic: int) -> Sequence[Texts]:
    return [(asked, answered) for known, asked, answered in judge.baseline.examples if known == topic]


def _example(pair: Texts) -> Json:
    return {name: text for name, text in zip(("input", "output"), pair, strict=True) if text}
