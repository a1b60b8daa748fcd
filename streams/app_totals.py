"""What the calls of each app add up to: counts, tokens, cost and times, by a bounded number of apps."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from operator import attrgetter
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
from prometheus_client.core import Exemplar, HistogramMetricFamily, Metric

from streams.label_values import EXPIRE_S, Slots
from streams.metrics import DECLARED, family
from streams.records import Record

LATENCY_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
FIRST_TOKEN_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Boundaries of the OpenTelemetry conventions for generative AI, in seconds."""

TRACE_ID = 100
"""Characters of a trace id: an exemplar may have 128 in all."""

FloatArray = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]


class Times:
    """A histogram of seconds by place, with the last trace of each bucket."""

    def __init__(self, places: int, bounds: Sequence[float]) -> None:
        self.bounds = np.array(bounds)
        self.counts = np.zeros((places, len(bounds) + 1))
        self.sums = np.zeros(places)
        self.exemplars: dict[tuple[int, int], Exemplar] = {}

    def add(self, places: Places, seconds: FloatArray, traces: Sequence[str]) -> None:
        """Add times of calls; NaN is none."""
        there = np.flatnonzero(~np.isnan(seconds))
        if not len(there):
            return
        at, values = places[there], seconds[there]
        buckets = np.searchsorted(self.bounds, values)  # a bucket holds its own upper bound
        flat = at * self.counts.shape[1] + buckets
        self.counts += np.bincount(flat, minlength=self.counts.size).reshape(self.counts.shape)
        self.sums += np.bincount(at, values, len(self.sums))
        traced = np.array([one for one in range(len(there) - 1, -1, -1) if traces[int(there[one])]], np.intp)
        now = time.time()
        for one in traced[np.unique(flat[traced], return_index=True)[1]].tolist():  # the last of each bucket
            label = {"trace_id": traces[int(there[one])][:TRACE_ID]}
            self.exemplars[int(at[one]), int(buckets[one])] = Exemplar(label, float(values[one]), now)

    def forget(self, place: int) -> None:
        """Start a place anew."""
        self.counts[place], self.sums[place] = 0.0, 0.0
        self.exemplars = {key: one for key, one in self.exemplars.items() if key[0] != place}

    def family(self, name: str, apps: Sequence[tuple[str, int]]) -> Metric:
        """As it is exposed."""
        made = HistogramMetricFamily(name, DECLARED[name].help, labels=["app"])
        ends = [*map(str, self.bounds.tolist()), "+Inf"]
        for app, place in apps:
            if not self.counts[place].any():
                continue
            upto = np.cumsum(self.counts[place]).tolist()
            found = [self.exemplars.get((place, number)) for number in range(len(ends))]
            buckets: list[Any] = list(zip(ends, upto, found, strict=True))  # None is no exemplar
            made.add_metric([app], buckets, float(self.sums[place]))
        return made


class AppTotals:
    """Totals of calls by app; a collector of prometheus-client. Calls come from one thread, scrapes from another.

    Parameters
    ----------
    cap
        Apps with series of their own; the calls of all others count as those of the app ``other``.
    """

    COLUMNS = (
        "driftline_calls",
        "driftline_failed_calls",
        "driftline_alias_calls",
        "driftline_cost_usd",
        "input",
        "output",
        "cached_input",
    )

    def __init__(self, cap: int, *, expire_s: float = EXPIRE_S) -> None:
        self.slots = Slots(cap, expire_s)
        self._totals = np.zeros((len(self.COLUMNS), cap + 1))
        self._latency, self._first = Times(cap + 1, LATENCY_S), Times(cap + 1, FIRST_TOKEN_S)
        self._lock = Lock()

    def add(self, records: Sequence[Record]) -> None:
        """Count calls."""
        if not records:
            return
        traces = [record.trace_id for record in records]
        columns = np.stack(
            [
                np.ones(len(records)),
                np.array([bool(record.error_type) for record in records], np.float64),
                np.array([_by_alias(record) for record in records], np.float64),
                *(_numbers(records, name) for name in _SUMMED),
            ]
        )
        with self._lock:
            places = np.array([self.slots.place(record.app) for record in records], np.intp)
            for total, column in zip(self._totals, np.nan_to_num(columns), strict=True):
                total += np.bincount(places, column, len(total))
            self._latency.add(places, _numbers(records, "latency_ms") / 1000, traces)
            self._first.add(places, _numbers(records, "ttft_ms") / 1000, traces)

    def collect(self) -> Iterator[Metric]:
        """The families, for a scrape."""
        with self._lock:
            for place in self.slots.expire():
                self._totals[:, place] = 0.0
                self._latency.forget(place)
                self._first.forget(place)
            apps = [(app, place) for app, place in self.slots.items() if self._totals[0, place]]
            for name, total in zip(self.COLUMNS[:4], self._totals, strict=False):
                yield family(f"{name}_total", [([app], total[place]) for app, place in apps])
            tokens = dict(zip(self.COLUMNS[4:], self._totals[4:], strict=True))
            typed = [([app, kind], total[place]) for kind, total in tokens.items() for app, place in apps]
            yield family("driftline_tokens_total", typed)
            yield self._latency.family("driftline_latency_seconds", apps)
            yield self._first.family("driftline_time_to_first_token_seconds", apps)


_SUMMED = ("cost_usd", "input_tokens", "output_tokens", "cached_input_tokens")


def _numbers(records: Sequence[Record], name: str) -> FloatArray:
    return np.fromiter(map(attrgetter(name), records), np.float64, len(records))


def _by_alias(record: Record) -> bool:
    """Whether a model was asked for by a name that the provider answered under another."""
    asked, served = record.model, record.served_model
    return bool(asked and served) and asked.rpartition("/")[2].lower() != served.rpartition("/")[2].lower()
