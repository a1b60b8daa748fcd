"""What the rows of a verdict file hold: JSON lines, each with the kind of row that it is."""

from __future__ import annotations

from typing import Any

import msgspec

from streams.verdicts import SegmentVerdict

Json = dict[str, Any]

FORMAT = 1
"""Of the file: one more with every change that an older release would misread."""

Bins = list[tuple[int, int]]
"""Calls by bin of ``drift.bins``, those that have any."""


class Begin(msgspec.Struct, frozen=True, tag_field="row", tag="file"):
    """The first row.

    Attributes
    ----------
    format, release
        Format of the file, and the release of Driftline that wrote it.
    command
        What judged, such as ``watch calls.jsonl``.
    """

    format: int
    release: str
    command: str = ""


class DetectorCard(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a detector tests and promises.

    Attributes
    ----------
    title
        What people call it.
    threshold, guaranteed
        Where it may alarm: as resampled baselines ask, and taking the baseline as exact.
    tolerance
        Drift that is too small to matter.
    share
        Share of the false alarms that it may raise.
    calibrating_alarms
        Runs without drift, of those that set the thresholds, in which it alone alarms; None where it was not tried.
    """

    name: str
    title: str
    kind: str
    threshold: float
    guaranteed: float
    share: float
    tolerance: float | None = None
    calibrating_alarms: int | None = None


class Calibrating(msgspec.Struct, frozen=True):
    """What all detectors together do in the streams without drift that set the thresholds.

    Attributes
    ----------
    runs, alarms
        Streams, and those of them in which any detector alarms.
    calls
        Until then, or to the end.
    """

    runs: int
    alarms: int
    calls: float


class TopicCard(msgspec.Struct, frozen=True):
    """A topic of a baseline: its typical words, its share, and its place on a map of all of them."""

    label: str
    share: float
    x: float
    y: float


class BaselineCard(msgspec.Struct, frozen=True, tag_field="row", tag="baseline"):
    """What a segment's rows that follow were compared with.

    Attributes
    ----------
    card
        As ``driftline baseline show --json`` tells it, but for topics and detectors.
    every_calls
        The false-alarm budget in calls.
    histograms
        Of its reference calls: ``output_length`` and ``latency``, each with its ``unit`` and ``bins``.
    calibrating
        None where it was not calibrated, and in files of earlier releases.
    """

    segment: str
    baseline: str
    lens: str
    card: Json
    every_calls: float
    topics: list[TopicCard]
    detectors: list[DetectorCard]
    histograms: dict[str, Json]
    calibrating: Calibrating | None = None


class Score(msgspec.Struct, frozen=True, tag_field="row", tag="score"):
    """A detector after a block.

    Attributes
    ----------
    start, at
        Event time of the block, milliseconds since 1970: its first tick's start, its last tick's end.
    calls, block_calls
        Calls of the segment judged so far, and those of the block.
    statistic, threshold
        Evidence, natural log, and where it may alarm.
    standing
        Whether an alarm on the detector's question stands once the block is judged.
    effect
        How far this block alone is from the baseline: relative for lengths, times and costs, points of one for flags,
        its own units for scores; null where a block does not say.
    """

    segment: str
    start: int
    at: int
    calls: int
    block_calls: int
    kind: str
    detector: str
    statistic: float
    threshold: float
    standing: bool
    effect: float | None = None


class Stretch(msgspec.Struct, frozen=True, tag_field="row", tag="stretch"):
    """What the calls of some blocks add up to: of an hour, or of the blocks that reach 200 calls if those come sooner.

    Attributes
    ----------
    start, at, calls, stretch_calls
        As of a block.
    topics
        Calls of each topic of the baseline, in its order.
    output_length, latency
        Calls by bin.
    """

    segment: str
    start: int
    at: int
    calls: int
    stretch_calls: int
    topics: list[int]
    output_length: Bins
    latency: Bins


class Mark(msgspec.Struct, frozen=True, tag_field="row", tag="marker"):
    """A marker's value that was new, or back after long."""

    segment: str
    at: int
    calls: int
    field: str
    before: str
    after: str


class Told(msgspec.Struct, frozen=True, tag_field="row", tag="alert"):
    """An alert record, as it was told."""

    alert: msgspec.Raw


class Summary(msgspec.Struct, frozen=True, tag_field="row", tag="summary"):
    """What is to be said of a segment in the end.

    Attributes
    ----------
    verdict
        As ``driftline watch --summary`` keeps it.
    explained
        Of each length, time, cost and score: which part of its difference from the baseline over recent calls other
        questions account for, as ``explained`` of an alert.
    anchor, chain
        The prompt version that later ones are compared with, and those, as ``chain`` of an alert.
    """

    segment: str
    verdict: SegmentVerdict
    explained: dict[str, Json] = {}
    anchor: str = ""
    chain: list[Json] = []


class End(msgspec.Struct, frozen=True, tag_field="row", tag="end"):
    """The last row.

    Attributes
    ----------
    rows
        Rows before it.
    cut_off
        Why judging ended before its source did, empty where it did not.
    counts
        Calls in all, and those that were not judged, by reason.
    """

    rows: int
    cut_off: str
    counts: dict[str, int]


Row = Begin | BaselineCard | Score | Stretch | Mark | Told | Summary | End
