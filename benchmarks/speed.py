"""Microseconds a call from line to verdict: ``python -m benchmarks.speed``.

What is compared runs turn by turn on the same calls; ratios are medians over the repeats.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

import msgspec
from threadpoolctl import threadpool_limits

from benchmarks.report import REPEATS, Step, alternate, describe_machine, heading, ratio, show
from benchmarks.workloads import (
    BATCH,
    LENGTHS,
    SEED,
    KnowingMeter,
    fill,
    in_batches,
    lines,
    make_texts,
    paced,
    read,
)
from drift import verdict
from drift.baseline import Baseline
from drift.block import Block
from drift.budget import Budget
from drift.calibration import calibrate
from drift.detectors.tilt import Tilt
from drift.fit import Features
from drift.lens import Lens
from drift.pane import Pane, decode, encode
from drift.panel import Feed, Panel
from drift.state import Judge, start
from models.ngrams import trigram_view
from models.static import StaticEmbedder
from streams.building import build_baseline
from streams.measure import Meter, digests
from streams.observe import Observer, Sight
from streams.records import Record

CALLS = 4096
BASELINE = 3000
BLOCKS = 30
BUDGET = Budget(30, "days")


def main() -> None:
    describe_machine("benchmarks.speed")
    embedder = StaticEmbedder()
    meter = Meter(embedder)
    lens = meter.default_lens()
    records = read(lines(CALLS))
    for calls_a_tick in (10, 1000):
        around(embedder, lens, paced(records, calls_a_tick), calls_a_tick)
    for name, words in LENGTHS.items():
        beside_raw(embedder, lens, name, words)
    from_lines(embedder, lens)
    baseline = build_baseline(meter, paced(records[:BASELINE], 10))
    calibration(baseline)
    for calls in (10, 1000):
        judged(meter, baseline, calls)


def around(embedder: StaticEmbedder, lens: Lens, records: Sequence[Record], calls_a_tick: int) -> None:
    """What a call costs where its vectors are known."""
    batches = in_batches(records)
    meter = KnowingMeter(embedder, batches)
    vectors = [meter.known[batch[0].call_id] for batch in batches]
    observers: dict[int, Observer] = {}

    def add(repeat: int) -> None:
        observers[repeat] = Observer(meter, lambda segment, tick: Sight(lens))
        fill(observers[repeat], records)

    spent = alternate(
        {
            "lens": lambda repeat: [lens.see(v.inputs, v.outputs, v.formats) for v in vectors],
            "hashes": lambda repeat: [hashes(batch) for batch in batches],
            "measure": lambda repeat: [meter.measure(lens, batch) for batch in batches],
            "add": add,
            "close": lambda repeat: observers.pop(repeat).finish(),
        },
        per=len(records),
    )
    whole = [a + b for a, b in zip(spent["add"], spent["close"], strict=True)]
    heading(f"around embeddings and format view, µs a call, {calls_a_tick:,} calls a tick, batches of {BATCH}")
    show("all of it: measure, sort to ticks, close", whole, "goal 5")
    show("  measure: vectors to rows", spent["measure"])
    show("    of which lens", spent["lens"])
    show("    of which four hashes", spent["hashes"])
    show("  admit and sort to ticks", [a - b for a, b in zip(spent["add"], spent["measure"], strict=True)])
    show("  close: rows to panes", spent["close"])


def hashes(records: Sequence[Record]) -> list[list[int]]:
    """The hashes that every call has of its own."""
    columns = (
        [f"{record.call_id}\0{record.event_time}" for record in records],
        [record.call_id for record in records],
        [record.user_id for record in records],
        [record.input for record in records],
    )
    return [digests(column, 1) for column in columns]


def beside_raw(embedder: StaticEmbedder, lens: Lens, name: str, words: int) -> None:
    """Records to panes, beside embedder and format view alone, on texts of which none comes twice."""
    rng = random.Random(SEED)
    count = 2 * BATCH
    made = [make_records(rng, words, count) for _ in range(REPEATS + 1)]
    other = StaticEmbedder()  # words that one side has met are new to the other
    meter = Meter(other)

    def raw(repeat: int) -> None:
        for batch in in_batches(made[repeat]):
            outputs = [record.output for record in batch]
            embedder.embed([record.input for record in batch] + outputs)
            trigram_view(outputs)

    def observe(repeat: int) -> None:
        observer = Observer(meter, lambda segment, tick: Sight(lens))
        fill(observer, made[repeat])
        observer.finish()

    spent = alternate({"raw": raw, "observe": observe}, per=count)
    goal = {"short": 0.85, "long": 0.95}[name]
    heading(f"records to panes, {name} texts all new, µs a call")
    show("embedder and format view alone", spent["raw"])
    share = ratio(spent["raw"], spent["observe"])
    show("observe", spent["observe"], f"{share:.2f} of the rate alone, goal {goal}")


def make_records(rng: random.Random, words: int, count: int) -> list[Record]:
    """Simulated calls with other texts, all in one tick."""
    template = paced(read(lines(count)), 1000)
    asked, answered = make_texts(rng, words, count), make_texts(rng, words, count)
    return [
        msgspec.structs.replace(record, input=before, output=after)
        for record, before, after in zip(template, asked, answered, strict=True)
    ]


def from_lines(embedder: StaticEmbedder, lens: Lens) -> None:
    """The way of simulated calls from their lines to panes, nothing known of their texts but most words."""
    data = lines(CALLS)
    records: dict[int, list[Record]] = {}

    def decoded(repeat: int) -> None:
        records[repeat] = read(data)

    def observed(repeat: int) -> None:
        observer = Observer(Meter(embedder), lambda segment, tick: Sight(lens))
        fill(observer, records.pop(repeat))
        observer.finish()

    spent = alternate({"decode": decoded, "observe": observed}, per=CALLS)
    whole = [a + b for a, b in zip(spent["decode"], spent["observe"], strict=True)]
    size = statistics.mean(len(line) for line in data)
    heading(f"lines of {size:.0f} bytes to panes, as simulated, µs a call")
    show("lines to records", spent["decode"])
    show("records to panes", spent["observe"])
    show("lines to panes", whole, f"{1e6 / statistics.median(whole):,.0f} calls/s")


def calibration(baseline: Baseline) -> None:
    """What freezing a baseline costs, apart from measuring its calls."""
    features = Features.of(baseline.frame, baseline.pane.sample.rows)
    step = {"calibrate": lambda repeat: calibrate(baseline.frame, features, baseline.blocks.tolist())}
    spent = alternate(step, per=1_000_000, repeats=5)
    heading(f"calibrating {BASELINE:,} calls in blocks of 10, seconds")
    show("100 runs of 20,000 calls", spent["calibrate"])


def judged(meter: Meter, baseline: Baseline, calls: int) -> None:
    """What a judged block costs, and its parts."""
    judge = Judge(baseline, BUDGET)
    records = read(lines(CALLS + BLOCKS * calls))[-BLOCKS * calls :]
    observer = Observer(meter, lambda segment, tick: Sight(baseline.lens))
    fill(observer, paced(records, calls))
    data = [encode(pane) for pane in observer.finish()]
    panes: dict[int, list[Pane]] = {}
    feeds: dict[int, list[Feed]] = {}

    def decoded(repeat: int) -> None:
        panes[repeat] = [decode(one) for one in data]

    def summed(repeat: int) -> None:
        feeds[repeat] = [Block(baseline, judge.layout, pane, float(pane.n)).feed for pane in panes[repeat]]

    def stepped(panel: Panel) -> Step:
        def step(repeat: int) -> None:
            state = panel.start()
            for feed in feeds[repeat]:
                state, _ = panel.update(state, feed)

        return step

    def whole(repeat: int) -> None:
        reduce(lambda state, pane: verdict.judge(judge, state, pane)[0], panes.pop(repeat), start(judge))

    panels = {name: replace(baseline.panel, tilts=tilts, rates={}) for name, tilts in groups(baseline.panel).items()}
    steps: dict[str, Step] = {"decode a pane": decoded, "sum it, in the baseline's coordinates": summed}
    steps |= {name: stepped(panel) for name, panel in panels.items()}
    steps |= {"all detectors": stepped(baseline.panel)}
    spent = alternate(steps | {"judge": whole}, per=BLOCKS)
    heading(f"judging, µs a block of {calls:,} calls")
    for name in ("decode a pane", "sum it, in the baseline's coordinates", *panels, "all detectors"):
        show(name, spent[name])
    show("judge: detectors, history, markers, verdict", spent["judge"], "sums known")


def groups(panel: Panel) -> dict[str, dict[str, Tilt]]:
    """Tilts that are timed together; topics come with each of them."""
    scalars = {name: tilt for name, tilt in panel.tilts.items() if name not in ("inputs", "answers")}
    return {
        "topics": {},
        "topics and inputs": {"inputs": panel.tilts["inputs"]},
        "topics and answers": {"answers": panel.tilts["answers"]},
        f"topics and {len(scalars)} scalars": scalars,
    }


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
