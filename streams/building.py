"""Call records to a baseline: which calls are the first, in which order, seen how."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from drift import baseline as baselines
from drift.baseline import Baseline, Kept
from drift.block import sizes
from drift.call import NOTHING, Declared
from drift.lens import Lens
from drift.pane import Pane
from streams.first import known_facts
from streams.measure import Meter
from streams.observe import Clock, Observer, Sight
from streams.records import Record
from streams.scores import names
from streams.slices import admit

Progress = Callable[[str, float], None]


def measured_panes(
    meter: Meter, lens: Lens, records: Sequence[Record], clock: Clock, size: int, declared: Declared = NOTHING
) -> list[Pane]:
    """Panes of calls that are all in time, each tick complete."""
    sight = Sight(lens, declared)
    return observed(Observer(meter, lambda segment, tick: sight, clock, sample=size), records)


def observed(observer: Observer, records: Sequence[Record]) -> list[Pane]:
    """Panes of calls that are all in time, by an observer that has seen nothing, each tick complete."""
    for low in range(0, len(records), 1000):
        observer.add(records[low : low + 1000])
    return observer.finish()


def in_order(records: Iterable[Record]) -> list[Record]:
    """Calls by event time, those of one instant by id and content: the same whatever order they came in."""
    return sorted(records, key=lambda record: (record.event_time, record.call_id, record.content))


def first_ticks(records: Iterable[Record], wanted: int, clock: Clock) -> int | None:
    """End of the tick in which calls in any order reach the wanted number, None where there are fewer."""
    times = sorted(record.event_time for record in records)
    return clock.tick(times[wanted - 1]) + clock.tick_ms if len(times) >= wanted else None


def build_baseline(
    meter: Meter,
    records: Sequence[Record],
    *,
    lens: Lens | None = None,
    clock: Clock | None = None,
    force: bool = False,
    drift_refuses: bool = True,
    facts: Mapping[str, Any] | None = None,
    calibrated: bool = True,
    slices: Sequence[str] = (),
    scores: Sequence[str] = (),
    kept: Kept | None = None,
    progress: Progress = lambda what, done: None,
) -> Baseline:
    """Baseline of calls of one segment, by a lens of their own unless another is given.

    Parameters
    ----------
    force, drift_refuses
        Whether what the self-check refuses is built all the same, and whether a drift inside is refused.
    calibrated
        Whether thresholds are found by resampling; without, it has the guaranteed ones only.
    slices
        Declared fields, at most three; the values that most of these calls hold are admitted.
    scores
        Names of scores to judge, at most three; by default the commonest that at least half of the calls bear.
    kept
        Calibrations of earlier builds, such as those of a store.

    Raises
    ------
    BaselineRefusedError
        The calls cannot serve as a baseline.
    """
    count = max(len(records), 1)
    if lens is None:
        lens = meter.fit_lens(records, progress=lambda done: progress("embedding", done / count))
    declared = Declared(admit(records, slices), names(records, scores))
    panes = measured_panes(meter, lens, records, clock or Clock(), baselines.REFERENCE, declared)
    tuned: dict[str, Any] = {} if calibrated else {"runs": 0}
    return baselines.build(
        lens,
        panes,
        sizes(panes),
        facts={**(facts or {}), **known_facts(declared, meter.texts, largest_session(records))},
        force=force,
        drift_refuses=drift_refuses,
        kept=kept,
        **tuned,
        progress=lambda done: progress("calibrating", done),
    )


def largest_session(records: Sequence[Record]) -> float | None:
    """Share of the calls in the largest session, None where no call says which it belongs to."""
    calls = Counter(record.session_id for record in records if record.session_id)
    return round(max(calls.values()) / len(records), 4) if calls else None
