"""Streams of drawn calls, judged: what was named, when, and with which evidence."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache as once
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch
from zlib import crc32

import numpy as np
import xxhash

from benchmarks.kinds.calls import IntArray, Seen, draw, places, pool
from benchmarks.kinds.cases import Case, Population
from benchmarks.kinds.courses import Course
from drift import baseline as baselines
from drift import explain, verdict
from drift.alarm import Alarm
from drift.baseline import Baseline, build
from drift.budget import Budget
from drift.pane import Pane
from drift.state import Judge, SegmentState, start
from streams.alerts import alert

SEED = 4
CALLS = 3000
"""Calls of a baseline."""

BEFORE = 2000
"""Calls of a stream before its change: a change point may err to both sides, and alarms before it are false."""

HORIZON = 8000
"""Calls after it; a miss counts as so many."""

TICK = 10
"""Calls of a tick, one a second."""

START_MS = 1_767_571_200_000
SEGMENT = "kinds"
ASKED = ("data", "model", "output_length")
TOLD_LATE = {"verdict.py", "alarm.py", "hold.py", "explain.py", "effects.py", "phrases.py", "words.py", "mix.py"}
"""Files that no baseline depends on: it is kept while they change."""


def generator(*names: object) -> np.random.Generator:
    """Random numbers of their own for each population, baseline, stream and case."""
    return np.random.default_rng([SEED, *(crc32(str(name).encode()) for name in names)])


def panes(seen: Seen, calls: IntArray, first: int, rng: np.random.Generator, size: int = 64) -> list[Pane]:
    """Ticks of these calls, the first of which is number ``first`` of its stream."""
    at = seen.row[calls]
    rows = seen.measured.rows[at]
    rows["key"], rows["call"] = rng.integers(0, 1 << 64, (2, len(rows)), np.uint64)
    rows["at"] = START_MS + 1000 * (first + np.arange(len(rows)))
    texts = [seen.measured.texts[i] for i in at]
    made = []
    for low, high in pairwise(range(0, len(rows) + 1, TICK)):
        begin = int(rows["at"][low])
        span = (begin, begin + 1000 * TICK)
        made.append(Pane.of(seen.lens.id, SEGMENT, span, rows[low:high], texts[low:high], seen.names, size=size))
    return made


@dataclass(frozen=True)
class Made:
    """A baseline, and the calls of its population through its lens."""

    baseline: Baseline
    seen: Seen
    drawn: IntArray


def made(population: Population, number: int, cache: Path) -> Made:
    """Baseline of a population, from disk where its calls and the code are the same."""
    rng = generator(population.name, "baseline", number)
    drawn = draw(population.before, CALLS, rng)
    key = xxhash.xxh3_64_hexdigest(drawn.tobytes() + _code().encode() + str(rng.bit_generator.state).encode())
    file = cache / f"{key}.safetensors"
    if file.exists():
        baseline = baselines.decode(file.read_bytes())
        return Made(baseline, Seen.of(baseline.lens, population.mixes), drawn)
    lens = pool().meter.fit_lens([pool().records[place] for place in drawn])
    seen = Seen.of(lens, population.mixes)
    ticks = panes(seen, drawn, -CALLS, rng, baselines.REFERENCE)
    baseline = build(lens, ticks, [TICK] * len(ticks), force=True)
    with tempfile.NamedTemporaryFile(dir=cache, delete=False) as partly:
        partly.write(baselines.encode(baseline))
    Path(partly.name).rename(file)
    return Made(baseline, seen, drawn)


@once
def _code() -> str:
    """Address of the code that makes a baseline, texts and labels of the calls included."""
    root = Path(__file__).parents[2]
    files = [file for folder in ("drift", "models") for file in sorted((root / folder).rglob("*.py"))]
    files += [root / "streams" / "measure.py", root / "benchmarks" / "kinds" / "calls.py"]
    kept = [file.read_bytes() for file in files if file.name not in TOLD_LATE]
    return xxhash.xxh3_64_hexdigest(b"".join(kept))


@dataclass(frozen=True)
class Told:
    """An alarm: when it was raised and where its change point lies, in calls after the change, and its evidence.

    ``rank`` is the place of the first entry of its topics whose calls are of the injected topic, 0 where none is.
    """

    kind: str
    detector: str
    calls: int
    point: int
    low: int
    high: int
    marker: str
    mix: float | None
    rank: int
    words: str


@dataclass(frozen=True)
class Outcome:
    """A stream judged: alarms before its change, and the first of each kind after it.

    ``answers`` is the evidence of the detector of answers until its first alarm, infinite there.
    """

    case: str
    baseline: int
    stream: int
    false: tuple[Told, ...]
    told: tuple[Told, ...]
    held: bool
    answers: Course

    def first(self, kind: str) -> Told | None:
        """The first alarm of a kind."""
        return next((one for one in self.told if one.kind == kind), None)

    def standing(self, kind: str) -> bool:
        """Whether the kind had alarmed before the change, so that nothing can be said of it."""
        return any(one.kind == kind for one in self.false)


@dataclass
class Spent:
    """Seconds of the judge, and of explanations in it."""

    judge: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)

    def add(self, other: Spent) -> None:
        """Add what others took."""
        self.judge += other.judge
        for what, seconds in other.parts.items():
            self.parts[what] = self.parts.get(what, 0.0) + seconds

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Time what explains while the judge runs."""
        targets = [
            (verdict, "explained", "the evidence of an alarm"),
            (verdict, "change_point", "change points"),
            (verdict, "with_exemplars", "calls kept for examples"),
            (explain.Markers, "update", "markers"),
        ]
        with ExitStack() as stack:
            for owner, name, what in targets:
                if hasattr(owner, name):
                    stack.enter_context(patch.object(owner, name, self.timed(getattr(owner, name), what)))
            yield

    def timed(self, work: Callable, what: str) -> Callable:
        """The same work, its time added up."""

        def step(*args: object, **options: object) -> object:
            begin = time.process_time()
            try:
                return work(*args, **options)
            finally:
                self.parts[what] = self.parts.get(what, 0.0) + time.process_time() - begin

        return step


class Stream:
    """One stream without drift up to its change, from which every case goes on."""

    def __init__(self, judge: Judge, made: Made, population: Population, baseline: int, stream: int) -> None:
        """Judge the calls before the change."""
        self.judge, self.made, self.population = judge, made, population
        self.baseline, self.stream = baseline, stream
        self.spent = {"without drift": Spent(), "with drift": Spent()}
        rng = generator(population.name, "stream", baseline, stream)
        self.calls = draw(population.before, BEFORE, rng)
        self.head: list[float] = []
        self.state, self.false, _ = self._run(start(judge), self.calls, self.head, rng, Spent(), ())

    def then(self, case: Case, horizon: int = HORIZON) -> Outcome:
        """What is named in so many calls after the change of a case."""
        spent = self.spent["without drift" if case.injected == "none" else "with drift"]
        rng = generator(self.population.name, case.name, self.baseline, self.stream)
        calls = draw(case.now, horizon, rng)
        course = list(self.head)
        _, told, held = self._run(self.state, calls, course, rng, spent, case.new)
        answers = Course.of(course, TICK)
        return Outcome(case.name, self.baseline, self.stream, self.false, told, held, answers)

    def _run(
        self,
        state: SegmentState,
        calls: IntArray,
        course: list[float],
        rng: np.random.Generator,
        spent: Spent,
        new: Sequence[str],
    ) -> tuple[SegmentState, tuple[Told, ...], bool]:
        """State and first alarm of each kind; it ends early once every kind that is asked for has come.

        The evidence of the detector of answers is added to ``course``, which says how many calls came before.
        """
        told: dict[str, Told] = {}
        held, first = False, TICK * len(course)
        ticks = panes(self.made.seen, calls, first, rng)
        injected = _inputs(new)
        with spent.watched():
            for pane in ticks:
                begin = time.process_time()
                state, alarms = verdict.judge(self.judge, state, pane)
                spent.judge += time.process_time() - begin
                held |= state.held
                course.append(np.inf if "model" in state.latches else state.statistics.get("answers", -np.inf))
                for one in alarms:
                    if one.state == "firing" and one.kind not in told:
                        told[one.kind] = self._told(one, spent, injected)
                if first and all(kind in told for kind in ASKED):
                    break
        return state, tuple(told.values()), held

    def _told(self, alarm: Alarm, spent: Spent, injected: frozenset[str]) -> Told:
        begin = time.process_time()
        record = spent.timed(alert, "the alert's record")(self.judge, SEGMENT, alarm, replay="")
        spent.judge += time.process_time() - begin
        point = alarm.point
        assert point is not None
        return Told(
            alarm.kind,
            alarm.detector,
            alarm.calls - BEFORE,
            point.calls - BEFORE,
            point.low_calls - BEFORE,
            point.high_calls - BEFORE,
            record.marker["field"] if record.marker else "",
            None if alarm.split is None else alarm.split.share,
            _rank(record.topics, injected) if alarm.kind == "data" else 0,
            "; ".join(str(topic.get("words", "")) for topic in record.topics[:3]) if injected else "",
        )


def _inputs(sources: Sequence[str]) -> frozenset[str]:
    """Excerpts of the inputs of these sources."""
    return frozenset(pool().records[at].input[:400] for source in sources for at in places(source))


def _rank(topics: Sequence[dict], injected: frozenset[str]) -> int:
    """Place, from 1, of the first topic that grew and whose example calls are mostly of the injected ones."""
    for place, topic in enumerate(topics, 1):
        shown = topic.get("examples", [])
        if topic["z"] > 0 and sum(text in injected for text in shown) * 2 > len(shown):
            return place
    return 0


def judges(population: Population, baselines_: int, budget: float, cache: Path) -> Iterator[tuple[int, Made, Judge]]:
    """The baselines of a population."""
    for number in range(baselines_):
        one = made(population, number, cache)
        yield number, one, Judge(one.baseline, Budget(budget, "calls"))
