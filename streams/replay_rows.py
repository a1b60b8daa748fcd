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
"""Bytes of rows that a process holds before it writes them, and that are joined at a time."""

NAMED = 80
"""Characters of a baseline's name that a file's name takes."""


class ReplayRows:
    """What a trial has seen of the segments of a partition, in a folder with a file for each of them.

    Parameters
    ----------
    folder
        Where all processes write.
    trial, partition
        Their numbers.
    """

    def __init__(self, folder: str, trial: int, partition: int = 0) -> None:
        self._folder, self._trial, self._partition = Path(folder), trial, partition
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
                with (self._folder / f"{_part(self._trial, segment)}{self._partition:08}").open("ab") as file:
                    file.write(lines)
        except OSError as error:
            raise BrokenOffError(f"--verdicts: {self._folder} cannot be written: {error.strerror}") from error
        self._lines.clear()
        self._held = 0


def _part(trial: int, segment: str) -> str:
    """How names of files begin that hold the rows of a segment: one file, but where a topic has got more partitions."""
    return f"{trial}-{xxhash.xxh3_128_hexdigest(segment.encode())}-"


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
    plain = [re.sub(r"[^A-Za-z0-9]+", "-", one).strip("-")[:NAMED] for one in short]
    often = Counter(one.casefold() for one in plain)
    if any(count > 1 for count in often.values()):  # all are numbered, or a number might make two of them alike
        plain = [f"{number}-{name}" for number, name in enumerate(plain, 1)]
    return [str(Path(path).with_name(f"{stem}-{name}.jsonl{ending}")) for name in plain]


def folder_beside(files: Sequence[str]) -> tempfile.TemporaryDirectory[str]:
    """A folder beside verdict files for their rows, until they are joined.

    Raises
    ------
    SourceError
        One of them cannot be written there.
    """
    path = files[0]
    try:
        made = tempfile.TemporaryDirectory(dir=Path(path).parent, prefix=f"{Path(path).name[:NAMED]}.", suffix=".part")
        try:
            for path in files:
                if Path(path).is_dir():
                    raise IsADirectoryError(None, "it is a folder")
                tried = Path(made.name) / f"{Path(path).name}.part"
                tried.touch()
                tried.unlink()
        except OSError:
            made.cleanup()
            raise
    except OSError as error:
        raise SourceError(f"--verdicts {path} cannot be written: {error.strerror}; name a place that can") from error
    return made


def join(
    path: str, folder: str, trial: int, segments: Iterable[str], counts: Mapping[str, int], command: str = "replay"
) -> None:
    """Make a trial's verdict file of the rows of its segments, in the order of their names.

    Parameters
    ----------
    counts
        What became of the trial's calls.
    command
        What judged.

    Raises
    ------
    SourceError
        It cannot be written.
    BrokenOffError
        It can no more.
    """
    with VerdictRows(path, command) as rows:
        try:
            for segment in sorted(segments):
                for part in sorted(Path(folder).glob(f"{_part(trial, segment)}*")):
                    with part.open("rb") as file:
                        while lines := file.read(HELD):
                            rows.add_lines(lines)
            rows.finish((), dict(sorted(counts.items())))
        except OSError as error:
            raise BrokenOffError(f"--verdicts {path} cannot be written: {error.strerror}") from error
