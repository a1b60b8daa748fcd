"""What a worker tells Prometheus: gathered while it works, rendered when it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Protocol

import prometheus_client as prometheus
from prometheus_client import exposition as rendering
from prometheus_client.core import Metric

from streams import judging
from streams.app_totals import AppTotals
from streams.checks import Reason
from streams.health import Health
from streams.judging import UNKNOWN_LENS, WITHOUT
from streams.ledger import OVERTAKEN
from streams.metrics import DECLARED, family
from streams.partition import BEYOND, OUT_OF_TIME
from streams.segment_lines import SegmentLines

prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter that nobody reads

LEFT_OUT = (OUT_OF_TIME, BEYOND)
"""Counts of accepted calls that no pane holds; those of rejected ones begin with ``rejected_``."""

UNJUDGED = {name: name.removesuffix("_calls") for name in (UNKNOWN_LENS, judging.BEYOND, WITHOUT, OVERTAKEN)}
"""Counts of a judge, and what they are called as reasons."""


class Embedding(Protocol):
    """What is known of the embedder's work."""

    @property
    def embed_s(self) -> float:
        """Seconds spent in it."""

    @property
    def embedded(self) -> int:
        """Texts that it was given."""


class Exposition:
    """The metrics of a worker.

    Parameters
    ----------
    apps
        Apps with series of their own.
    detailed
        Segments that are told of kind by kind even where they are quiet.

    Attributes
    ----------
    calls, segments
        What observing tells of calls, and judging of segments.
    closed_until
        Event time up to which ticks are closed, milliseconds since 1970, None where no partition is judged.
    segments_beyond
        Segments that were not admitted.
    """

    def __init__(self, health: Health, role: str, embedding: Embedding, *, apps: int, detailed: int) -> None:
        self.calls, self.segments = AppTotals(apps), SegmentLines(detailed)
        self.closed_until: int | None = None
        self.segments_beyond = 0
        self._health, self._embedding = health, embedding
        self._build = version("driftline"), role
        self._registry = prometheus.CollectorRegistry()
        self._counters = {
            name: prometheus.Counter(name, declared.help, declared.labels, registry=self._registry)
            for name, declared in DECLARED.items()
            if name in _COUNTED
        }
        for reason in (*Reason, *LEFT_OUT):  # there from the start, or the first of a kind would be no increase
            self._counters["driftline_rejected_calls_total"].labels(reason)
        for reason in UNJUDGED.values():
            self._counters["driftline_unjudged_calls_total"].labels(reason)
        self._registry.register(self)
        self._registry.register(self.calls)
        prometheus.ProcessCollector(registry=self._registry)
        prometheus.GCCollector(registry=self._registry)

    def measured(self, seconds: float, before: Mapping[str, int], after: Mapping[str, int]) -> None:
        """A batch was measured; what was counted of its partition before and after."""
        self._counters["driftline_measure_seconds_total"].inc(seconds)
        for name, more in _grown(before, after):
            if name == "duplicates":
                self._counters["driftline_duplicate_calls_total"].inc(more)
            elif name.startswith("rejected_") or name in LEFT_OUT:
                reason = name.removeprefix("rejected_")
                self._counters["driftline_rejected_calls_total"].labels(reason).inc(more)

    def published(self, panes: int) -> None:
        """Panes were published."""
        self._counters["driftline_panes_total"].inc(panes)

    def judged(self, ticks: int, before: Mapping[str, int], after: Mapping[str, int]) -> None:
        """Ticks were judged; what was counted of their partition before and after."""
        self._counters["driftline_ticks_closed_total"].inc(ticks)
        for name, more in _grown(before, after):
            if name == "judged_calls":
                self._counters["driftline_judged_calls_total"].inc(more)
            elif name in UNJUDGED:
                self._counters["driftline_unjudged_calls_total"].labels(UNJUDGED[name]).inc(more)

    def collect(self) -> Iterator[Metric]:
        """What is known at the moment of a scrape."""
        yield family("driftline_build_info", [(self._build, 1)])
        stages = self._health.stages
        yield family("driftline_stage_ready", [((name,), stage.ready) for name, stage in stages.items()])
        lags = {(name, at): n for name, stage in stages.items() for at, n in stage.detail.get("lag", {}).items()}
        yield family("driftline_lag_records", lags.items())
        if "observe" in stages:
            yield from self._observing(stages["observe"].detail)
        if "judge" in stages:
            yield from self._judging()

    def _observing(self, detail: Mapping[str, int]) -> Iterator[Metric]:
        yield family("driftline_queue_batches", [((), detail.get("queue", 0))])
        yield family("driftline_queue_limit_batches", [((), detail.get("queue_limit", 0))])
        yield family("driftline_embed_seconds_total", [((), self._embedding.embed_s)])
        yield family("driftline_embedded_texts_total", [((), self._embedding.embedded)])
        slots = self.calls.slots
        yield family("driftline_label_values", [(("app",), len(slots))])
        yield family("driftline_label_values_beyond", [(("app",), slots.beyond.estimate)])

    def _judging(self) -> Iterator[Metric]:
        phases = self.segments.phases()
        states = ("judged", "filling", "refused")
        yield family("driftline_segments", [((state,), phases[state]) for state in states])
        yield family("driftline_segments_beyond", [((), self.segments_beyond)])
        if self.closed_until is not None:
            yield family("driftline_closed_until_timestamp_seconds", [((), self.closed_until / 1000)])

    def rendered(self, accept: str) -> tuple[bytes, str]:
        """The exposition in the format that suits this ``Accept`` header, and its content type."""
        render, kind = rendering.choose_encoder(accept)
        openmetrics = kind.startswith("application/openmetrics-text")
        head = render(self._registry).removesuffix(_EOF)
        lines = self.segments.lines(openmetrics=openmetrics) if "judge" in self._health.stages else ()
        return b"".join([head, *lines, _EOF if openmetrics else b""]), kind


_EOF = b"# EOF\n"
_COUNTED = frozenset(
    {
        "driftline_rejected_calls_total",
        "driftline_duplicate_calls_total",
        "driftline_measure_seconds_total",
        "driftline_panes_total",
        "driftline_ticks_closed_total",
        "driftline_judged_calls_total",
        "driftline_unjudged_calls_total",
    }
)
"""Counters that are raised as things happen; all others are read off at a scrape."""


def _grown(before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    for name, count in after.items():
        if (more := count - before.get(name, 0)) > 0:
            yield name, more
