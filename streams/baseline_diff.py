"""How a baseline differs from another of the same lens: what an alert would say if its calls followed the other's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import norm

from drift.alarm import Alarm, explained
from drift.baseline import Baseline
from drift.block import Block
from drift.budget import Budget
from drift.effects import Effect, Z, effect
from drift.errors import LensMismatchError
from drift.explain import ChangePoint
from drift.panel import KINDS
from drift.phrases import Phrase, phrases
from drift.seasons import slot_of
from drift.state import Judge, SegmentState, start
from drift.verdict import LEAST_CALLS, Answer
from streams.alerts import drift_clause
from streams.evidence import (
    EXAMPLES,
    Json,
    effect_fields,
    marker_fields,
    ngrams,
    same_hours,
    sample_sizes,
    slice_fields,
    split_fields,
    topics_of,
)
from streams.wording import MARKER, what_carries, what_explains, what_moved, what_turned

ALIKE = "they do not differ by more than is tolerated"

CONFIDENCE = 0.95
"""That no detector calls drift what is none: all together, for they are looked at once."""


@dataclass(frozen=True, slots=True)
class Apart:
    """What one detector sees between two baselines, and its evidence.

    Attributes
    ----------
    answer
        ``drift`` where the difference is surely there and as large as what is tolerated.
    """

    kind: str
    detector: str
    title: str
    answer: Answer
    effect: Effect | None
    tolerance: float
    sentence: str = ""
    evidence: Json | None = None

    def fields(self) -> Json:
        """For programs."""
        made: Json = {"kind": self.kind, "detector": self.title, "answer": self.answer, "tolerance": self.tolerance}
        made |= {} if self.effect is None else {"effect": effect_fields(self.effect)}
        return made | ({"sentence": self.sentence} if self.sentence else {}) | (self.evidence or {})


def apart(before: Baseline, now: Baseline, budget: Budget, tolerances: Mapping[str, float]) -> list[Apart]:
    """What every detector sees of one baseline against another.

    Raises
    ------
    LensMismatchError
        They were seen through different lenses.
    """
    if before.pane.lens != now.pane.lens:
        raise LensMismatchError(
            f"baseline {before.id} was seen through lens {before.pane.lens}, baseline {now.id} through "
            f"{now.pane.lens}, and what one lens sees cannot be compared with what another does: build the second anew "
            f"by 'driftline baseline build ... --lens {before.pane.lens}' (or the first by --lens {now.pane.lens})"
        )
    judge = Judge(before, budget, tolerances)
    state, point = _as_if_judged(judge, now)
    return [_apart(judge, state, point, now, detector) for detector in before.panel.names]


def fields(before: Baseline, now: Baseline, found: Iterable[Apart]) -> list[Json]:
    """What was seen, a row per detector, with the two baselines that it was seen between."""
    return [{"a": before.id, "b": now.id, "segment": now.segment, **one.fields()} for one in found]


def _as_if_judged(judge: Judge, now: Baseline) -> tuple[SegmentState, ChangePoint]:
    """The state of a segment that has just seen all calls of a baseline as one block, and its beginning."""
    baseline, pane, state = judge.baseline, now.pane, start(judge)
    block = Block(baseline, judge.layout, pane, 1.0)
    slots = baseline.frame.slots
    seen = np.bincount(slot_of(pane.sample.rows["at"], slots), minlength=slots)
    block.hours = seen / max(int(seen.sum()), 1)
    state = replace(
        state,
        history=state.history.push(block.vectors, 0, (pane.tick, pane.end)),
        markers=state.markers.update(pane, 0),
        statistics=dict.fromkeys(baseline.panel.names, 0.0),
        calls=pane.n,
        rows=pane.sample.rows,
        texts=(("", ""),) * len(pane.sample.rows),
        names={**baseline.pane.names, **pane.names},
    )
    return state, ChangePoint(0, pane.tick, pane.tick, pane.tick, 0, 0, pane.n)


def _apart(judge: Judge, state: SegmentState, point: ChangePoint, now: Baseline, detector: str) -> Apart:
    baseline, tolerance = judge.baseline, judge.tolerances[detector]
    known = KINDS[detector], detector, baseline.title(detector)
    found = effect(baseline, judge.layout, detector, state.history.since(point.bucket))
    if found is None or found.samples < LEAST_CALLS:
        return Apart(*known, "not_enough_data", found, tolerance)
    if found.size < tolerance or not _surely(found, len(baseline.panel.names)):
        return Apart(*known, "no_drift", found, tolerance)
    alarm = explained(judge, state, "firing", detector, now.pane, found, point)
    alarm = replace(alarm, texts=())  # a baseline keeps excerpts of typical calls, not of those of its sample
    topics = _in_words(judge, topics_of(judge, alarm), now, alarm)
    turns = phrases(baseline.answers, now.answers) if detector == "answers" else ()
    marker = marker_fields(alarm.marker, alarm)
    sentence = _sentence(judge, now.segment, alarm, topics, turns, marker)
    return Apart(*known, "drift", found, tolerance, sentence, _evidence(judge, alarm, now, topics, turns, marker))


def _surely(found: Effect, detectors: int) -> bool:
    """Whether there is any difference, with an interval as wide as that many detectors together ask for."""
    wider = float(norm.isf((1 - CONFIDENCE) / 2 / detectors)) / Z
    low, high = (found.estimate + (end - found.estimate) * wider for end in (found.low, found.high))
    return not low <= 0 <= high


def _evidence(
    judge: Judge, alarm: Alarm, now: Baseline, topics: list[Json], turns: tuple[Phrase, ...], marker: Json | None
) -> Json:
    found = alarm.effect
    assert found is not None
    hours = same_hours(judge.baseline, alarm.detector)
    made: Json = {
        "samples": sample_sizes(found, alarm.compared),
        **hours,
        "explained": None if alarm.split is None else split_fields(alarm.split, alarm.unlike),
        "marker": None if marker is None else {k: marker[k] for k in ("field", "before", "after")},
        "topics": topics,
        "ngrams": ngrams(turns),
        "slices": [slice_fields(one) for one in alarm.slices],
        "examples": _examples(judge, alarm, now),
    }
    return {name: value for name, value in made.items() if value not in (None, [], {})}


def _sentence(
    judge: Judge, segment: str, alarm: Alarm, topics: list[Json], turns: tuple[Phrase, ...], marker: Json | None
) -> str:
    clauses = [drift_clause(judge, segment, alarm)]
    clauses += [what_moved(topics)] if alarm.kind == "data" else []
    clauses.append(what_turned(turns))
    if alarm.split is not None:
        clauses.append(what_explains(alarm.split, unlike=alarm.unlike))
    told = None if marker is None else marker["field"]
    clauses.append(what_carries([one for one in alarm.slices if not (one.sampled and one.field == told)]))
    if marker is not None:
        before = f"from {marker['before']} " if marker["before"] else ""
        clauses.append(f"{MARKER[str(marker['field'])]} went {before}to {marker['after']}")
    return f"{'; '.join(filter(None, clauses))}."


def _places(judge: Judge, now: Baseline) -> dict[int, int]:
    """For each topic of the second baseline the topic of the first in which most of its calls lie."""
    rows = now.pane.sample.rows
    theirs, ours = now.frame.topic(rows["topic"]), judge.baseline.frame.topic(rows["topic"])
    return {int(topic): int(np.bincount(ours[theirs == topic]).argmax()) for topic in np.unique(theirs[theirs >= 0])}


def _in_words(judge: Judge, topics: list[Json], now: Baseline, alarm: Alarm) -> list[Json]:
    """The same topics, with the words of the second baseline's typical calls of each."""
    places = _places(judge, now)
    made, numbers = list[Json](), [one.topic for one in alarm.topics or alarm.shifted]
    labels = {judge.baseline.labels[number]: number for number in numbers}
    for one in topics:
        number = labels.get(str(one.get("label", "")))
        asked = [text for topic, text, _ in now.examples if number is not None and places.get(topic) == number]
        words = ", ".join(judge.baseline.vocabulary.typical(asked)) if asked else ""
        made.append(one | ({"words": words} if words else {}))
    return made


def _examples(judge: Judge, alarm: Alarm, now: Baseline) -> Json | None:
    """Typical calls of both baselines, of the topics that moved most, else of the most frequent ones."""
    moved: list[int] = [one.topic for one in alarm.topics or alarm.shifted]
    if not moved:
        counts = np.bincount(judge.baseline.features.topic[judge.baseline.features.topic >= 0])
        moved = [int(one) for one in np.argsort(-counts, kind="stable")]
    places = _places(judge, now)
    sides: dict[str, Any] = {
        "before": [pair for one in moved for pair in _of(judge.baseline, lambda topic: topic, one)],
        "now": [pair for one in moved for pair in _of(now, places.get, one)],
    }
    made = {name: list(_shown(pairs)) for name, pairs in sides.items()}
    return made if any(made.values()) else None


def _of(baseline: Baseline, place: Any, wanted: int) -> list[tuple[str, str]]:
    """Two typical calls of a topic."""
    return [(asked, answered) for topic, asked, answered in baseline.examples if place(topic) == wanted][:2]


def _shown(pairs: list[tuple[str, str]]) -> Iterator[Json]:
    for pair in list(dict.fromkeys(pairs))[:EXAMPLES]:
        yield {name: text for name, text in zip(("input", "output"), pair, strict=True) if text}
