"""Every Prometheus metric, declared once: its kind, its labels, and what it says in which unit.

Labels come from settings or have bounded values: never users, sessions, prompts or texts of errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

SEGMENT = ("app", "prompt_name", "variant")
"""Labels of a segment; what it has none of is empty, which to Prometheus is absent."""


class Declared(NamedTuple):
    """A metric: what it is, its labels, and its ``# HELP``."""

    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str


def _gauge(help: str, *labels: str) -> Declared:
    return Declared("gauge", labels, help)


def _counter(help: str, *labels: str) -> Declared:
    return Declared("counter", labels, help)


def _histogram(help: str, *labels: str) -> Declared:
    return Declared("histogram", labels, help)


WORKER: Mapping[str, Declared] = {
    "driftline_build_info": _gauge("1; the release and the role of this worker.", "version", "role"),
    "driftline_stage_ready": _gauge("1 while a stage has joined its group and works, else 0.", "stage"),
    "driftline_lag_records": _gauge("Records of a partition that the stage has still to read.", "stage", "partition"),
    "driftline_queue_batches": _gauge("Batches of calls that wait to be measured."),
    "driftline_queue_limit_batches": _gauge("Batches of calls that may wait; with as many reading pauses."),
}
"""Of a worker and its stages."""

OBSERVING: Mapping[str, Declared] = {
    "driftline_calls_total": _counter("Calls that were read and accepted, by app.", "app"),
    "driftline_rejected_calls_total": _counter("Calls that no pane holds, by reason.", "reason"),
    "driftline_duplicate_calls_total": _counter("Calls left out because their call_id came twice in a tick."),
    "driftline_failed_calls_total": _counter("Calls that bear an error_type, by app.", "app"),
    "driftline_tokens_total": _counter("Tokens of accepted calls, by app and type.", "app", "type"),
    "driftline_cost_usd_total": _counter("Cost of accepted calls in US dollars, by app.", "app"),
    "driftline_alias_calls_total": _counter(
        "Calls that asked for a model by a name that the provider answered under another, by app.", "app"
    ),
    "driftline_latency_seconds": _histogram("Seconds from a request to the end of its answer, by app.", "app"),
    "driftline_time_to_first_token_seconds": _histogram(
        "Seconds from a request to the first token of its answer, by app.", "app"
    ),
    "driftline_measure_seconds_total": _counter("Seconds in which the one thread that measures calls was busy."),
    "driftline_embed_seconds_total": _counter("Seconds spent in the embedder."),
    "driftline_embedded_texts_total": _counter("Texts embedded; those that are remembered do not count."),
    "driftline_panes_total": _counter("Panes published."),
    "driftline_label_values": _gauge("Values of a label that have series of their own.", "label"),
    "driftline_label_values_beyond": _gauge(
        "Different values of a label that share the value other, since the start; an estimate within a per cent.",
        "label",
    ),
}
"""Of the stage that turns calls into panes."""

JUDGING: Mapping[str, Declared] = {
    "driftline_ticks_closed_total": _counter("Ticks of segments that were closed and judged."),
    "driftline_judged_calls_total": _counter("Calls that were judged against a baseline."),
    "driftline_unjudged_calls_total": _counter("Calls of panes that were not judged, by reason.", "reason"),
    "driftline_segments": _gauge(
        "Segments: judged; filling, whose first calls become a baseline; refused, of whose calls none could be made.",
        "state",
    ),
    "driftline_segments_beyond": _gauge(
        "Different segments that were not admitted, since the start; an estimate within a per cent."
    ),
    "driftline_closed_until_timestamp_seconds": _gauge("Event time up to which ticks are closed, in Unix seconds."),
}
"""Of the stage that turns panes into alerts."""

SEGMENTS: Mapping[str, Declared] = {
    "driftline_standing_alarms": _gauge("Alarms of a segment that stand.", *SEGMENT),
    "driftline_last_verdict_timestamp_seconds": _gauge(
        "Event time up to which a segment was judged, in Unix seconds.", *SEGMENT
    ),
    "driftline_baseline_info": _gauge("1; the baseline that a segment is judged by.", *SEGMENT, "baseline"),
    "driftline_baseline_end_timestamp_seconds": _gauge(
        "Event time of the last calls of a segment's baseline, in Unix seconds: its age.", *SEGMENT
    ),
    "driftline_not_enough_data_ratio": _gauge("Share of the kinds of drift of which nothing can be said.", *SEGMENT),
}
"""Of every segment."""

KINDS: Mapping[str, Declared] = {
    "driftline_statistic_ratio": _gauge(
        "Statistic of the strongest detector of a kind by its threshold: at 1 an alarm may be raised.", *SEGMENT, "kind"
    ),
    "driftline_effect": _gauge(
        "Difference from the baseline over recent calls, in the unit of the label.", *SEGMENT, "kind", "unit"
    ),
    "driftline_samples": _gauge("Recent calls behind the difference.", *SEGMENT, "kind"),
    "driftline_alarm": _gauge("1 while an alarm of a kind stands, else 0.", *SEGMENT, "kind"),
    "driftline_alarms_total": _counter("Alarms raised, by kind.", *SEGMENT, "kind"),
    "driftline_topic_share": _gauge(
        "Share of recent calls by topic: the largest of the baseline by number, and other.", *SEGMENT, "topic"
    ),
}
"""Of segments in detail: not of quiet ones where there are many."""

ALARMS: Mapping[str, Declared] = {
    "driftline_alarm_info": _gauge(
        "1; an alarm that stands, and the marker that changed nearest to its beginning.",
        *SEGMENT,
        "kind",
        "detector",
        "alert_id",
        "change",
    ),
    "driftline_alarm_detail": _gauge(
        "1; what drifted and by how much, against which baseline, since when (RFC 3339).",
        "alert_id",
        "drift",
        "baseline",
        "since",
    ),
    "driftline_alarm_effect": _gauge(
        "Difference from the baseline when the alarm was raised, in the unit of the label.", "alert_id", "unit"
    ),
    "driftline_alarm_samples": _gauge("Calls behind that difference.", "alert_id"),
    "driftline_alarm_statistic": _gauge("Evidence when the alarm was raised, natural log.", "alert_id"),
    "driftline_alarm_threshold": _gauge("Evidence from which on an alarm may be raised, natural log.", "alert_id"),
    "driftline_alarm_since_timestamp_seconds": _gauge("Event time at which it began, in Unix seconds.", "alert_id"),
    "driftline_alarm_acknowledged": _gauge("1; somebody has acknowledged the alarm.", "alert_id"),
}
"""Of every alarm that stands; of provisional ones, before there is a baseline, there are none."""

DECLARED: Mapping[str, Declared] = {**WORKER, **OBSERVING, **JUDGING, **SEGMENTS, **KINDS, **ALARMS}
"""All of them, by the name that Prometheus knows."""


def family(name: str, values: Iterable[tuple[Sequence[str], float]]) -> Metric:
    """Samples of a counter or gauge, each with its labels, as they are declared."""
    _, labels, help = DECLARED[name]
    kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    made = kind(name.removesuffix("_total"), help, labels=labels)
    for given, value in values:
        made.add_metric(given, float(value))
    return made
