"""The evidence of an alarm as values for programs: topics, examples, phrases, slices, the chain of a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from drift.alarm import Alarm
from drift.baseline import Baseline
from drift.call import FLAGS
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
from streams.wording import spelled_out

NEW = ("unlike most of the baseline", "far from every topic of the baseline")
EXAMPLES = 5
NEW_WORDS = 8

Json = dict[str, Any]


def instant(ms: int) -> str:
    """RFC 3339, UTC."""
    text = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def chain_link(one: Link) -> Json:
    """A prompt version in the chain of edits, its distances where enough is known."""
    made: Json = {"version": one.version.name, "since": instant(one.version.first), "calls": one.version.calls}
    made |= {"variant": one.version.variant} if one.version.variant not in ("", "live") else {}
    for name, found in (("step", one.step), ("from_anchor", one.total)):
        if found is not None:
            made[name] = {part: rounded(getattr(found, part)) for part in ("size", "low", "high")}
            made[name] |= {"samples": round(found.samples), "given_inputs": found.given_inputs}
    return made | {"length_change": rounded(one.version.length)}


def broken_rule(breach: Breach) -> Json:
    """The rule that was broken."""
    fields = {"rule": breach.rule, "version": breach.version, "before": breach.before, "after": breach.after}
    return {name: text for name, text in fields.items() if text} | {"calls": breach.calls}


def rounded(value: float) -> float:
    """A number for programs: six digits behind the point."""
    return round(float(value), 6)


def effect_fields(found: Effect) -> Json:
    """An effect for programs."""
    made: Json = {"measure": spelled_out(found.measure)}
    if found.baseline is not None and found.current is not None:
        made |= {"baseline": rounded(found.baseline), "current": rounded(found.current)}
    difference = {"difference": found.estimate, "low": found.low, "high": found.high, "without_drift": found.noise}
    return made | {name: rounded(value) for name, value in difference.items()} | {"unit": found.unit}


def same_hours(baseline: Baseline, detector: str) -> Json:
    """That a difference is one from the same hours of the day, where it is: answers are compared given their inputs."""
    panel = baseline.panel
    seasonal = detector in panel.offsets or (detector == "topics" and panel.topics.by_slot is not None)
    seasonal |= detector in panel.rates and bool(panel.rates[detector].offsets)
    return {"compared": "with the same hours of the day, in UTC"} if seasonal else {}


def sample_sizes(found: Effect, compared: float | None) -> Json:
    """Calls on both sides and, of answers, the share that could not be compared."""
    sizes: Json = {"baseline": round(found.samples_baseline), "current": round(found.samples)}
    return sizes if compared is None else sizes | {"left_out": rounded(1 - compared)}


def split_fields(parts: Split, unlike: bool) -> Json:
    """The parts of a change; ``unlike`` where most inputs are unlike the baseline's, so that the mix is a guess."""
    fields = ("mix", "mix_low", "mix_high", "conditional", "low", "high")
    return {name: rounded(getattr(parts, name)) for name in fields} | ({"unlike": True} if unlike else {})


def slice_fields(one: Sliced) -> Json:
    """One value of a field; ``against_all`` where the baseline holds too few calls of it to compare it with its own."""
    made: Json = {
        "field": one.field,
        "value": one.value,
        "calls": one.calls,
        "share_before": rounded(one.share_before),
        "share_now": rounded(one.share_now),
        "contribution": rounded(one.contribution),
        "z": rounded(one.z),
        "p_adjusted": rounded(one.p_adjusted),
        "carries": one.carries,
    }
    if one.effect is not None:
        found = effect_fields(one.effect)
        made |= {"effect": found["difference"]} | {
            name: found[name] for name in ("low", "high", "unit", "baseline", "current") if name in found
        }
    return made | ({} if one.alone else {"against_all": True}) | ({"sampled": True} if one.sampled else {})


def turns_of(judge: Judge, alarm: Alarm) -> tuple[Phrase, ...]:
    """Phrases that came and went in sampled answers."""
    if alarm.detector not in ("answers", "answers_overall", "prompt_chain"):
        return ()
    return phrases(judge.baseline.answers, [answered for _, answered in alarm.texts if answered])


def ngrams(turns: Sequence[Phrase]) -> list[Json]:
    """Phrases that came and went."""
    return [
        {
            "text": one.text,
            "opening": one.opening,
            "share_before": rounded(one.before),
            "share_now": rounded(one.now),
            "z": rounded(one.z),
        }
        for one in turns
    ]


def topics_of(judge: Judge, alarm: Alarm) -> list[Json]:
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
                "share_before": rounded(new.before),
                "share_now": rounded(new.now),
                "z": rounded(new.z),
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
        "share_before": rounded(one.before),
        "share_now": rounded(one.now),
        "z": rounded(one.z),
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
        "shift": {part: rounded(getattr(one, part)) for part in ("shift", "low", "high", "z")},
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


def marker_fields(event: MarkerEvent | None, alarm: Alarm) -> Json | None:
    """The marker that moved with a change, named."""
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


def examples_of(judge: Judge, alarm: Alarm) -> Json | None:
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
