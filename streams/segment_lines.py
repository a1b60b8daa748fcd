"""Lines of the exposition for each segment, rendered when something new is known of it, not when they are asked for."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock

from streams.label_values import EXPIRE_S
from streams.measure import parts_of
from streams.metrics import ALARMS, DECLARED, KINDS, SEGMENT, SEGMENTS, Declared
from streams.overview import Overview, Standing

LOUD = 0.5
"""Ratio of statistic to threshold from which on a segment is told of in detail however many there are."""

LOUD_S = 3600.0
"""Seconds for which it stays so."""

Lines = Mapping[str, bytes]
"""Lines by metric."""


@dataclass(slots=True)
class _Shown:
    overview: Overview
    always: Lines
    detail: Lines | None  # None until somebody asks for it
    heard: float
    loud: float


class SegmentLines:
    """The segments that a worker judges; news come from one thread, scrapes from another.

    Parameters
    ----------
    detailed
        Segments that are told of kind by kind whether anything stirs or not; with more of them the quiet are summed up.
    """

    def __init__(self, detailed: int, *, now: Callable[[], float] = time.monotonic) -> None:
        self._detailed, self._now = detailed, now
        self._shown: dict[int, dict[str, _Shown]] = {}
        self._lock = Lock()

    def put(self, partition: int, overview: Overview) -> None:
        """Render what is known of a segment now."""
        now, always = self._now(), _rendered(_summary(overview))
        with self._lock:
            shown = self._shown.setdefault(partition, {})
            known = shown.get(overview.segment)
            stirs = overview.loudest >= LOUD or overview.standing
            loud = now if stirs else known.loud if known else -LOUD_S
            few = sum(map(len, self._shown.values())) <= self._detailed
            detail = _rendered(_details(overview)) if few or now - loud < LOUD_S else None
            shown[overview.segment] = _Shown(overview, always, detail, now, loud)

    def keep(self, partitions: set[int]) -> None:
        """Forget the segments of all other partitions: another worker judges them."""
        with self._lock:
            for partition in self._shown.keys() - partitions:
                del self._shown[partition]

    def overviews(self) -> list[Overview]:
        """What is known of every segment, in order of their names."""
        return sorted((one.overview for one in self._current()), key=lambda one: one.segment)

    def phases(self) -> Counter[str]:
        """How many segments are in which phase."""
        return Counter(one.overview.phase for one in self._current())

    def lines(self, *, openmetrics: bool) -> Iterator[bytes]:
        """The exposition, metric by metric."""
        shown = self._current()
        quiet = self._now() - LOUD_S
        stirring = shown if len(shown) <= self._detailed else [one for one in shown if one.loud > quiet]
        for one in stirring:
            one.detail = one.detail or _rendered(_details(one.overview))
        for group, parts in (
            (SEGMENTS, [one.always for one in shown]),
            (ALARMS, [one.always for one in shown]),
            (KINDS, [one.detail for one in stirring if one.detail]),
        ):
            for name in group:
                yield _head(name, group[name], openmetrics=openmetrics)
                yield b"".join([part[name] for part in parts if name in part])

    def _current(self) -> list[_Shown]:
        bound = self._now() - EXPIRE_S
        with self._lock:
            for shown in self._shown.values():
                for name in [one for one, it in shown.items() if it.heard < bound and not it.overview.standing]:
                    del shown[name]
            return [one for shown in self._shown.values() for one in shown.values()]


def _head(name: str, declared: Declared, *, openmetrics: bool) -> bytes:
    """``# HELP`` and ``# TYPE``; OpenMetrics names a counter without its ending."""
    said = name.removesuffix("_total") if openmetrics else name
    return f"# HELP {said} {declared.help}\n# TYPE {said} {declared.kind}\n".encode()


Values = Iterator[tuple[str, Mapping[str, str], float]]
"""Metric, labels and value."""


def _rendered(values: Values) -> dict[str, bytes]:
    made: dict[str, list[str]] = {}
    for name, given, value in values:
        assert given.keys() == set(DECLARED[name].labels), name
        labels = ",".join([f'{label}="{_escaped(text)}"' for label, text in given.items()])
        made.setdefault(name, []).append(f"{name}{{{labels}}} {value!r}\n")
    return {name: "".join(lines).encode("utf-8", "replace") for name, lines in made.items()}


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _labels(overview: Overview) -> dict[str, str]:
    return dict(zip(SEGMENT, parts_of(overview.segment), strict=True))


def _summary(one: Overview) -> Values:
    """Of every segment, and of its alarms."""
    segment = _labels(one)
    yield "driftline_standing_alarms", segment, float(len(one.standing))
    yield "driftline_not_enough_data_ratio", segment, one.unknown
    if one.baseline:
        yield "driftline_baseline_info", {**segment, "baseline": one.baseline}, 1.0
    if one.until:
        yield "driftline_last_verdict_timestamp_seconds", segment, one.until / 1000
        yield "driftline_baseline_end_timestamp_seconds", segment, one.baseline_end / 1000
    for alarm in one.standing:
        yield from _alarm(segment, alarm)


def _alarm(segment: Mapping[str, str], one: Standing) -> Values:
    name = {"alert_id": one.alert_id}
    told = {"kind": one.kind, "detector": one.detector, **name, "change": one.change}
    since = datetime.fromtimestamp(one.since // 1000, UTC).isoformat().replace("+00:00", "Z")
    yield "driftline_alarm_info", {**segment, **told}, 1.0
    yield "driftline_alarm_detail", {**name, "drift": one.drift, "baseline": one.baseline, "since": since}, 1.0
    if one.effect is not None:
        yield "driftline_alarm_effect", {**name, "unit": one.unit}, _in(one.unit, one.effect)
    yield "driftline_alarm_samples", name, float(one.samples)
    yield "driftline_alarm_statistic", name, one.statistic
    yield "driftline_alarm_threshold", name, one.threshold
    yield "driftline_alarm_since_timestamp_seconds", name, one.since / 1000
    if one.acknowledged:
        yield "driftline_alarm_acknowledged", name, 1.0


def _in(unit: str, effect: float) -> float:
    """An effect in its unit: of shares it is kept as a share and told in points."""
    return effect * 100 if unit == "points" else effect


def _details(one: Overview) -> Values:
    """Of a segment, kind by kind."""
    segment = _labels(one)
    stand = {alarm.kind for alarm in one.standing}
    for now in one.kinds:
        kind = {**segment, "kind": now.kind}
        yield "driftline_statistic_ratio", kind, now.ratio
        yield "driftline_samples", kind, float(now.samples)
        if now.effect is not None:
            yield "driftline_effect", {**kind, "unit": now.unit}, _in(now.unit, now.effect)
    for known in sorted({now.kind for now in one.kinds} | stand | one.raised.keys()):
        kind = {**segment, "kind": known}
        yield "driftline_alarm", kind, float(known in stand)
        yield "driftline_alarms_total", kind, float(one.raised.get(known, 0))
    for topic, share in one.topics.items():
        yield "driftline_topic_share", {**segment, "topic": topic}, share
