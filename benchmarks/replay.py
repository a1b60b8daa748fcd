"""Calls a second of a replay, from panes and by measuring the calls again: ``python -m benchmarks.replay``.

Panes are of simulated calls of one segment; the messages are those of a topic's partition, read from memory. Times are
of one core (processor time, whatever else the machine does); those of ``--month``, which replays 10,000,000 calls of so
many a pane, are on the clock too.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from tempfile import TemporaryDirectory

import msgspec
from threadpoolctl import threadpool_limits

from benchmarks.report import Step, alternate, describe_machine, heading, ratio, show
from benchmarks.workloads import lines, paced, read
from drift import baseline as baselines
from drift.baseline import Baseline
from drift.pane import encode
from models.static import StaticEmbedder
from streams.archive import Archive
from streams.archive_rows import Row
from streams.building import build_baseline
from streams.measure import Meter
from streams.observe import Clock, Observer, Sight
from streams.partition import Incoming
from streams.records import Record
from streams.remeasuring import Remeasuring
from streams.replay_rows import ReplayRows, join
from streams.replaying import Library, Replaying, Span, Trial
from streams.settings import Settings
from streams.store import Store
from streams.wire import Mark, Sent, decode
from streams.wire import encode as to_wire

BASELINE = 6000
CALLS = 8000
COUNTS = (1000, 100, 10)
BLOCKS = 80
MONTH = 10_000_000
REPEATS = 3
PANES = 400
SETTINGS = Settings()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--month", type=int, metavar="CALLS_A_PANE", help="replay 10,000,000 calls of 30 days")
    given = parser.parse_args()
    describe_machine("benchmarks.replay")
    meter = Meter(StaticEmbedder())
    records = read(lines(2 * BASELINE + CALLS))
    baseline = build_baseline(meter, paced(records[:BASELINE], 10))
    other = build_baseline(meter, paced(records[BASELINE : 2 * BASELINE], 10), lens=baseline.lens)
    rest = records[2 * BASELINE :]
    if given.month:
        month(meter, baseline, rest, given.month)
        return
    for count in COUNTS:
        by_panes(meter, [baseline, other], rest, count)


def by_panes(meter: Meter, known: Sequence[Baseline], records: Sequence[Record], count: int) -> None:
    """Replays of panes of so many calls each, by one baseline and by two, and of the same calls by --observe."""
    total = min(len(records), count * BLOCKS)
    calls = paced(records[:total], count)
    log = messages(meter, known[0], calls, copies := max(PANES * count // total, 1))
    batch = [Incoming(n, one.event_time, line(one)) for n, one in enumerate(calls)]
    fresh = {repeat: Meter(StaticEmbedder()) for repeat in range(REPEATS + 1)}

    def observed(repeat: int) -> None:
        sight = Sight.of(known[0])
        again = Remeasuring(fresh.pop(repeat), lambda s, t: sight, Clock(), [0], segments=10, span=Span())
        one = replaying(known[:1])
        for low in range(0, total, 1000):
            for offset, message in enumerate(again.take(0, batch[low : low + 1000]), low):
                one.take(offset, message)
        for message in again.end(0):
            one.take(total, message)

    with TemporaryDirectory() as folder:
        archive = archived(folder, log)
        steps: dict[str, Step] = {
            "one": lambda repeat: replayed(known[:1], log),
            "two": lambda repeat: replayed(known, log),
            "verdicts": lambda repeat: kept(folder, known[:1], log),
            "archive": lambda repeat: from_archive(known[:1], archive),
        }
        spent = alternate(steps, per=total * copies, repeats=REPEATS, clock=time.process_time)
    spent |= alternate({"observe": observed}, per=total, repeats=REPEATS, clock=time.process_time)
    heading(f"replay, µs a call, {count:,} calls a pane, {total // count * copies} panes")
    goal = ", goal 1,000,000" if count == 1000 else ""
    show("panes, one baseline", spent["one"], f"{rate(spent['one'])}{goal}")
    show("panes, two baselines side by side", spent["two"], rate(spent["two"]))
    for name, what in (("verdicts", "panes, with a verdict file"), ("archive", "panes of an archive on a local disk")):
        times = ratio(spent[name], spent["one"])
        show(f"{what}, one baseline", spent[name], f"{rate(spent[name])}, {times:.2f} ×")
    times = ratio(spent["observe"], spent["one"])
    show(
        "calls measured again (--observe), all texts new", spent["observe"], f"{rate(spent['observe'])}, {times:.0f} ×"
    )
    size = sum(map(len, log))
    print(f"  {size / total / copies:.0f} bytes a call in the topic, before its compression")


def rate(times: Sequence[float]) -> str:
    """Calls a second."""
    return f"{1e6 / statistics.median(times):,.0f} calls/s"


def line(record: Record) -> bytes:
    """A call as an app sends it."""
    kept = {name: value for name, value in msgspec.structs.asdict(record).items() if name != "content" and value}
    return msgspec.json.encode(kept)


def messages(meter: Meter, baseline: Baseline, calls: Sequence[Record], copies: int = 1) -> list[bytes]:
    """The messages of a partition: a pane a tick and a mark behind it, so often again as later ticks."""
    observer = Observer(meter, lambda segment, tick: Sight.of(baseline))
    observer.add(calls)
    made, found = [], observer.finish()
    length = found[-1].end - found[0].tick
    for copy in range(copies):
        for pane in found:
            tick, end = pane.tick + copy * length, pane.end + copy * length
            moved = type(pane)(pane.lens, pane.segment, tick, end, pane.sample, pane.kept, pane.names)
            made.append(to_wire(Sent(0, pane.segment, tick, end, pane.n, pane.lens, encode(moved, level=1))))
            made.append(to_wire(Mark(0, 1, end, 0)))
    return made


def replaying(known: Sequence[Baseline], rows: Sequence[ReplayRows] = ()) -> Replaying:
    """A replay by these baselines that has seen nothing."""
    trials = [Trial.of(one.id, one) for one in known]
    return Replaying(SETTINGS, Library(Store("memory://replay"), SETTINGS, known), trials, Span(), rows=rows)


def replayed(known: Sequence[Baseline], log: Sequence[bytes], rows: Sequence[ReplayRows] = ()) -> Replaying:
    """A replay that has judged a whole log."""
    one = replaying(known, rows)
    for offset, message in enumerate(log):
        one.take(offset, decode(message))
    return one


def kept(folder: str, known: Sequence[Baseline], log: Sequence[bytes]) -> None:
    """The same with the verdict file of the only segment."""
    with TemporaryDirectory(dir=folder) as place:
        one = replayed(known, log, [ReplayRows(place, 0)])
        one.finish()
        join(f"{place}/v.jsonl.zst", place, 0, [known[0].segment], one.counts[0])


def archived(folder: str, log: Sequence[bytes]) -> Archive:
    """An archive of the panes of a log."""
    archive = Archive(f"{folder}/archive", create=True)
    archive.add(Row.of(one) for one in map(decode, log) if isinstance(one, Sent))
    return archive


def from_archive(known: Sequence[Baseline], archive: Archive) -> None:
    """A replay of all panes of an archive."""
    one = replaying(known)
    for closed in archive.closed():
        one.apply(closed)


def month(meter: Meter, baseline: Baseline, records: Sequence[Record], count: int) -> None:
    """A month of simulated panes in two partitions, one after the other, by threads and by processes."""
    panes = MONTH // count // 2
    calls = paced(records[: min(len(records), count * BLOCKS)], count)
    copies = -(-panes * count // len(calls))
    begun = time.perf_counter()
    log = messages(meter, baseline, calls, copies)[: 2 * panes]
    size = sum(map(len, log)) / 1e6
    print(f"\nmade {panes:,} panes of {count:,} calls, {size:,.0f} MB, in {time.perf_counter() - begun:.0f} s")
    heading(f"{2 * panes * count:,} calls in two partitions of {panes:,} panes, seconds")
    data = baselines.encode(baseline)
    for name, pool in (
        ("one core", None),
        ("two threads", ThreadPoolExecutor(2)),
        ("two processes, their start included", ProcessPoolExecutor(2, get_context("fork"))),
    ):
        _LOG[:] = log
        begun, used = time.perf_counter(), time.process_time()
        list((pool.map if pool else map)(_partition, [data, data]))
        spent, used = time.perf_counter() - begun, time.process_time() - used
        show(
            name, [spent], f"{2 * panes * count / spent:,.0f} calls/s, goal 60 s; {used:.0f} s of this process's cores"
        )
        if pool:
            pool.shutdown()


_LOG: list[bytes] = []
"""The log of both partitions, which processes take over from the first one."""


def _partition(data: bytes) -> int:
    with threadpool_limits(1):
        return replayed([baselines.decode(data)], _LOG).seen.panes


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
