"""Rows of a replay's verdict files, by segment until all is judged: then they depend on no partition and no process."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
import xxhash

from drift.errors import BrokenOffError, SourceError
from drift.state import Judge
from drift.verdict import Seen
from streams.alerts import Alert, encode
from streams.embedded import Segment
from streams.verdict_cards import baseline_card, summary
from streams.verdict_columns import Row, Told
from streams.verdict_rows import Course, VerdictRows, require

HELD = 1 << 22
"""Bytes of rows that a process holds before it writes them."""


class ReplayRows:
    """What a trial has seen of some segments, in a folder with a file for each of them.

    Parameters
    ----------
    folder
        Where all processes write; no two of them judge the same segment.
    trial
        Its number.
    """

    def __init__(self, folder: str, trial: int) -> None:
        self._folder, self._trial = Path(folder), trial
        self._courses: dict[str, Course] = {}
        self._lines: dict[str, bytearray] = {}
        self._encoder, self._held = msgspec.json.Encoder(), 0

    def seen(self, segment: str, judge: Judge) -> Seen:
        """Keeps the blocks of a segment."""
        course = self._courses.get(segment)
        if course is None or course.judge is not judge:
            if course is not None:
                self._add(segment, course.rest())
            course = self._courses[segment] = Course(segment, judge)
            self._add(segment, [baseline_card(segment, judge)])
        return lambda scored: self._add(segment, course.block(scored))

    def alerts(self, segment: str, told: Iterable[Alert]) -> None:
        """Keep alerts that are told of a segment."""
        self._add(segment, [Told(msgspec.Raw(encode(one))) for one in told])

    def finish(self, segments: Iterable[Segment]) -> None:
        """Write what is to be said of these segments in the end."""
        for one in segments:
            if course := self._courses.get(one.name):
                self._add(one.name, course.rest())
            self._add(one.name, [summary(one)])
        self._write()

    def _add(self, segment: str, rows: Sequence[Row]) -> None:
        lines = self._encoder.encode_lines(rows)
        self._lines.setdefault(segment, bytearray()).extend(lines)
        self._held += len(lines)
        if self._held >= HELD:
            self._write()

    def _write(self) -> None:
        try:
            for segment, lines in self._lines.items():
                with _part(self._folder, self._trial, segment).open("ab") as file:
                    file.write(lines)
        except OSError as error:
            raise BrokenOffError(f"--verdicts: {self._folder} cannot be written: {error.strerror}") from error
        self._lines.clear()
        self._held = 0


def _part(folder: Path, trial: int, segment: str) -> Path:
    return folder / f"{trial}-{xxhash.xxh3_128_hexdigest(segment.encode())}"


def names(path: str, trials: Sequence[str]) -> list[str]:
    """The verdict file of each trial: ``v.jsonl`` of one, of several ``v-NAME.jsonl``.

    Raises
    ------
    SettingsError
        No verdict file can have that name.
    """
    require(path)
    if len(trials) == 1:
        return [path]
    stem, _, ending = Path(path).name.partition(".jsonl")
    short = [Path(one).stem if one.endswith(".safetensors") else one for one in trials]
    plain = [re.sub(r"[^A-Za-z0-9]+", "-", one).strip("-") for one in short]
    often = Counter(plain)
    each = [name if often[name] == 1 else f"{name}-{number}" for number, name in enumerate(plain, 1)]
    return [str(Path(path).with_name(f"{stem}-{name}.jsonl{ending}")) for name in each]


def folder_beside(path: str) -> tempfile.TemporaryDirectory[str]:
    """A folder beside a verdict file for its rows, until they are joined.

    Raises
    ------
    SourceError
        Nothing can be written there.
    """
    place = Path(path)
    try:
        return tempfile.TemporaryDirectory(dir=place.parent, prefix=f"{place.name}.", suffix=".part")
    except OSError as error:
        raise SourceError(f"--verdicts {path} cannot be written: {error.strerror}; name a place that can") from error


def join(path: str, folder: str, trial: int, segments: Iterable[str], counts: Mapping[str, int]) -> None:
    """Make a trial's verdict file of the rows of its segments, in the order of their names.

    Raises
    ------
    SourceError
        It cannot be written.
    BrokenOffError
        It can no more.
    """
    with VerdictRows(path, "replay") as rows:
        try:
            for segment in sorted(segments):
                part = _part(Path(folder), trial, segment)
                if part.exists():
                    rows.add_lines(part.read_bytes())
            rows.finish((), counts)
        except OSError as error:
            raise BrokenOffError(f"--verdicts {path} cannot be written: {error.strerror}") from error
