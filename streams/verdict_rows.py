"""Everything that judging has seen, row by row, in a file of JSON lines that ``driftline report`` reads.

Who judges shows each block to ``seen``, hands over the alerts that it tells, and in the end all segments. Nothing of a
verdict depends on it, and equal verdicts give equal files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import msgspec
import numpy as np
import zstandard

from drift.bins import MISSING, THOUSAND
from drift.errors import SettingsError, SourceError
from drift.overall import OVERALL
from drift.panel import KINDS, QUESTIONS
from drift.prompt_alarms import CHAIN
from drift.state import Judge, SegmentState
from drift.verdict import Scored, Seen
from streams.alerts import Alert, encode
from streams.embedded import Segment
from streams.verdict_cards import HISTOGRAMS, baseline_card, summary
from streams.verdict_columns import (
    FORMAT,
    Begin,
    Bins,
    End,
    Mark,
    Row,
    Score,
    Stretch,
    Told,
)

ENDINGS = (".jsonl", ".jsonl.zst")
HOUR_MS, STRETCH = 3_600_000, 200
"""Event time, and calls, that one row adds up."""

HELD = 1 << 18
"""Bytes of rows that are held before they are written."""


class VerdictRows:
    """A verdict file being written: beside its name, which it gets when it is finished.

    Parameters
    ----------
    path
        ``.jsonl`` or ``.jsonl.zst``, by which it is compressed.
    command
        What judges.

    Raises
    ------
    SettingsError
        The name ends otherwise.
    SourceError
        It cannot be written there.
    """

    def __init__(self, path: str, command: str = "") -> None:
        require(path)
        self._path, self._beside = Path(path), Path(f"{path}.part")
        self._courses: dict[str, Course] = {}
        self._encoder, self._held, self._rows = msgspec.json.Encoder(), bytearray(), 0
        try:
            self._file: BinaryIO = self._beside.open("wb")
        except OSError as error:
            why = f"--verdicts {path} cannot be written: {error.strerror}; name a place that can"
            raise SourceError(why) from error
        self._out: Any = self._file
        if path.endswith(".zst"):
            self._out = zstandard.ZstdCompressor(level=3).stream_writer(self._file, closefd=False)
        self.add([Begin(FORMAT, version("driftline"), command)])

    def __enter__(self) -> VerdictRows:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if not self._file.closed:  # not finished
            with suppress(OSError):  # a disk that is full takes no rest
                self._file.close()
            with suppress(OSError):
                self._beside.unlink()

    def seen(self, segment: str, judge: Judge) -> Seen:
        """Keeps the blocks of a segment: for ``drift.verdict.judge``."""
        course = self._courses.get(segment)
        if course is None or course.judge is not judge:
            if course is not None:
                self.add(course.rest())
            course = self._courses[segment] = Course(segment, judge)
            self.add([baseline_card(segment, judge)])
        return lambda scored: self.add(course.block(scored))

    def alerts(self, told: Iterable[Alert]) -> None:
        """Keep alerts that are told."""
        self.add([Told(msgspec.Raw(encode(one))) for one in told])

    def finish(self, segments: Iterable[Segment], counts: Mapping[str, int], cut_off: str = "") -> None:
        """Write what is to be said in the end, and give the file its name.

        Parameters
        ----------
        cut_off
            Why judging ended before its source did, empty where it did not.
        """
        for course in self._courses.values():
            self.add(course.rest())
        for segment in segments:
            self.add([summary(segment)])
        self.add([End(self._rows, cut_off, {name: n for name, n in counts.items() if n})])
        self._write()
        if self._out is not self._file:
            self._out.close()
        self._file.close()
        self._beside.replace(self._path)

    def add(self, rows: Sequence[Row]) -> None:
        """Write rows."""
        self._rows += len(rows)
        self._held += self._encoder.encode_lines(rows)
        if len(self._held) >= HELD:
            self._write()

    def add_lines(self, lines: bytes) -> None:
        """Write rows that are encoded already."""
        self._rows += lines.count(b"\n")
        self._held += lines
        if len(self._held) >= HELD:
            self._write()

    def _write(self) -> None:
        self._out.write(bytes(self._held))
        self._held.clear()


def require(path: str | None) -> None:
    """Refuse a name that no verdict file can have, before anything is judged.

    Raises
    ------
    SettingsError
        It ends otherwise than a verdict file's.
    """
    if path is not None and not path.endswith(ENDINGS):
        raise SettingsError(f"--verdicts {path}: its name must end in {' or '.join(ENDINGS)}")


class Course:
    """The blocks of a segment against one baseline."""

    def __init__(self, segment: str, judge: Judge) -> None:
        self.segment, self.judge = segment, judge
        scales = judge.baseline.fit.scales
        self._names = judge.baseline.panel.names
        self._means = {name: scale.moments()[0] for name, scale in scales.items() if name in judge.baseline.panel.tilts}
        self._series = {name: scales[name].series for name in HISTOGRAMS if name in scales}
        self._told = -1  # calls before the last marker event that was told
        self._until = self._judged = 0
        self._start(0)

    def _start(self, at: int) -> None:
        self._since = at
        self._calls = 0
        self._topics = np.zeros(self.judge.baseline.frame.topics, np.int64)
        self._bins: dict[str, list[Any]] = {name: [] for name in HISTOGRAMS}

    def block(self, scored: Scored) -> list[Row]:
        """Rows of a block, and of the stretch that it completes."""
        pane, sums, state = scored.pane, scored.sums, scored.state
        made: list[Row] = self._rest(pane.tick, state.calls - pane.n) if pane.end - self._since > HOUR_MS else []
        if not self._calls:
            self._since = pane.tick
        self._calls += pane.n
        self._topics += np.rint(sums[self.judge.layout.topics]).astype(np.int64)
        counts = pane.sums.counts
        for name, series in self._series.items():
            self._bins[name].append(counts[(counts["series"] == series) & (counts["bin"] != MISSING)][["bin", "n"]])
        self._until = pane.end
        made += self._scores(scored)
        made += self._marks(state)
        return made + (self._rest(pane.end, state.calls) if self._calls >= STRETCH else [])

    def rest(self) -> list[Row]:
        """The stretch that is not complete."""
        return self._rest(0, self._judged)

    def _rest(self, start: int, calls: int) -> list[Row]:
        if not self._calls:
            return []
        lengths, times = (_folded(self._bins[name]) for name in HISTOGRAMS)
        made = Stretch(
            self.segment, self._since, self._until, calls, self._calls, self._topics.tolist(), lengths, times
        )
        self._start(start)
        return [made]

    def _scores(self, scored: Scored) -> list[Row]:
        pane, state, thresholds = scored.pane, scored.state, self.judge.thresholds
        self._judged = state.calls
        found = {name: (state.statistics[name], thresholds[name][0]) for name in self._names} | _looked(state)
        return [
            Score(
                self.segment,
                pane.tick,
                pane.end,
                state.calls,
                pane.n,
                KINDS[name],
                name,
                round(statistic, 3),
                round(threshold, 3),
                QUESTIONS[name] in state.latches,
                self._effect(name, scored),
            )
            for name, (statistic, threshold) in found.items()
        ]

    def _effect(self, name: str, scored: Scored) -> float | None:
        layout, baseline = self.judge.layout, self.judge.baseline
        if name in self._means:
            if name not in layout.scalars:
                return None
            n, _, _, total, _ = scored.sums[layout.scalars[name]].tolist()
            if not n:
                return None
            away = total / n - self._means[name]
            return round(away / THOUSAND if baseline.fit.scales[name].plain else float(np.expm1(away)), 4)
        if (known := baseline.panel.rates.get(name)) is None:
            return None
        flagged, n = (float(part) for part in layout.raised(baseline, name, scored.sums))
        return round(flagged / n - known.flagged / known.size, 4) if n else None

    def _marks(self, state: SegmentState) -> list[Row]:
        new = [one for one in state.markers.events if one.calls > self._told and one.before != one.after]
        if not new:
            return []
        self._told = max(one.calls for one in new)
        return [
            Mark(self.segment, one.at, one.calls, one.field, *(_named(state, code) for code in (one.before, one.after)))
            for one in new
        ]


def _named(state: SegmentState, code: int) -> str:
    return state.names.get(code, "").rpartition("\x1f")[2]


def _looked(state: SegmentState) -> dict[str, tuple[float, float]]:
    """Evidence and threshold of the newest prompt version, and of answers whatever their question, once looked at."""
    looked = [(CHAIN, one) for one in state.chain.versions if one.looked][-1:]
    looked += [(OVERALL, state.unlike)] if state.unlike is not None and state.unlike.looked else []
    return {name: (one.evidence, one.wanted) for name, one in looked}


def _folded(parts: Sequence[Any]) -> Bins:
    """Calls by bin, prompt versions aside."""
    if not parts:
        return []
    table = np.concatenate(parts)
    bins, place = np.unique(table["bin"], return_inverse=True)
    return list(zip(bins.tolist(), np.bincount(place, table["n"]).astype(int).tolist(), strict=True))
