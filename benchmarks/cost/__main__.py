"""What a call and a check cost, Driftline beside others in the same run: ``python -m benchmarks.cost``.

Both environments take turns, a round of one after a round of the other, so that a busy machine slows both; the first
rounds are not counted. Embeddings are there already, for both; what they cost stands by itself. Driftline judges a
block of ten calls with all its detectors, the others do what one of them does.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from functools import reduce
from pathlib import Path

from threadpoolctl import threadpool_limits

from benchmarks.kinds import page
from benchmarks.kinds.tables import table
from benchmarks.quality.__main__ import ONE_THREAD, PYTHON, ROOT
from benchmarks.report import describe_machine
from benchmarks.workloads import KnowingMeter, fill, in_batches, lines, paced, read
from drift import verdict
from drift.budget import Budget
from drift.state import Judge, start
from models.ngrams import trigram_view
from models.static import StaticEmbedder
from streams.building import build_baseline
from streams.measure import Meter
from streams.observe import Observer, Sight

BASELINE, CALLS, TICK = 3000, 2048, 10
BUDGET = Budget(30, "days")
BEGIN, END = "<!-- benchmarks.cost: begin -->", "<!-- benchmarks.cost: end -->"
OBSERVE, JUDGE = "Driftline: call to pane, embedding known", "Driftline: all detectors and the verdict, 10 calls"

Steps = Mapping[str, tuple[str, int, Callable[[], object]]]
"""Name to unit, units and work."""


def driftline() -> Steps:
    """Driftline's steps, set up."""
    embedder = StaticEmbedder()
    meter = Meter(embedder)
    records = paced(read(lines(BASELINE + CALLS)), TICK)
    made = build_baseline(meter, records[:BASELINE])
    judge, now = Judge(made, BUDGET), records[BASELINE:]
    knowing = KnowingMeter(embedder, in_batches(now))
    outputs = [record.output for record in now]
    texts = [record.input for record in now] + outputs

    def observe() -> Observer:
        observer = Observer(knowing, lambda segment, tick: Sight(made.lens))
        fill(observer, now)
        return observer

    panes = observe().finish()

    def judged() -> None:
        reduce(lambda state, pane: verdict.judge(judge, state, pane)[0], panes, start(judge))

    return {
        "WordLlama: both embeddings of a call": ("call", len(now), lambda: embedder.embed(texts)),
        "Driftline: format view of an answer": ("call", len(now), lambda: trigram_view(outputs)),
        OBSERVE: ("call", len(now), lambda: observe().finish()),
        JUDGE: ("check", len(panes), judged),
    }


class Others:
    """The peers' process."""

    def __init__(self, python: Path) -> None:
        if not python.exists():
            raise SystemExit(f"{python} is missing: run `make bench-cost`, or name the peers' Python by --python")
        command = [python, "-W", "ignore", "-m", "benchmarks.cost.peers"]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | ONE_THREAD,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        about = self.answer()
        self.versions, self.units = about["versions"], about["units"]

    def answer(self) -> dict:
        """Its next line."""
        assert self.process.stdout is not None and self.process.stderr is not None
        line = self.process.stdout.readline()
        while line and not line.startswith("{"):  # libraries print what they please as they start
            line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"benchmarks.cost.peers ended:\n{self.process.stderr.read()[-3000:]}")
        return json.loads(line)

    def round(self) -> dict[str, float]:
        """Microseconds a unit of each step."""
        assert self.process.stdin is not None
        print("go", file=self.process.stdin, flush=True)
        return self.answer()

    def end(self) -> None:
        """Let it end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def measured(ours: Steps, others: Others, repeats: int) -> dict[str, list[float]]:
    """Microseconds a unit of every step, by round."""
    spent: dict[str, list[float]] = {}
    for _ in range(repeats + 1):
        turn = {}
        for name, (_, count, work) in ours.items():
            begin = time.perf_counter()
            work()
            turn[name] = (time.perf_counter() - begin) / count * 1e6
        for name, took in (turn | others.round()).items():
            spent.setdefault(name, []).append(took)
    return {name: times[1:] for name, times in spent.items()}


def rows(spent: Mapping[str, list[float]], units: Mapping[str, str]) -> list[list[str]]:
    """Every step, and how many times what Driftline takes for the like."""
    made = []
    for name, times in spent.items():
        alike = spent[OBSERVE if units[name] == "call" else JUDGE]
        times_as_much = statistics.median(a / b for a, b in zip(times, alike, strict=True))
        low, middle, high = (f(times) for f in (min, statistics.median, max))
        shown = (f"{one / 1000:,.2f} ms" if units[name] == "check" else f"{one:,.2f} µs" for one in (low, middle, high))
        made.append([name, units[name], *shown, f"{times_as_much:.2g}"])
    return made


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.cost", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=9, help="rounds (default: %(default)s)")
    parser.add_argument("--python", type=Path, default=PYTHON, help="Python of the peers (default: %(default)s)")
    parser.add_argument("--page", type=Path, help="write the table into this page, between its marks")
    given = parser.parse_args()
    with threadpool_limits(1):
        ours, others = driftline(), Others(given.python)
        spent = measured(ours, others, given.repeats)
        others.end()
    units = {name: unit for name, (unit, _, _) in ours.items()} | others.units
    about = io.StringIO()
    with redirect_stdout(about):
        describe_machine("benchmarks.cost")
        print("peers   ", ", ".join(f"{name} {version}" for name, version in sorted(others.versions.items())))
    heads = ["step", "a", "least", "median", "most", "times Driftline's"]
    text = f"```text\n{about.getvalue()}```\n\n{table(heads, rows(spent, units))}"
    print(text)
    if given.page:
        page.write(given.page, text, BEGIN, END)


if __name__ == "__main__":
    main()
