"""Verdict files of a partition that a worker has taken over: one a day, so that there is something to look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from drift.errors import SourceError
from drift.state import Judge
from drift.verdict import Seen
from streams.alerts import Alert
from streams.judging import Judging
from streams.verdict_rows import VerdictRows

Warn = Callable[[str], None]


class PartitionRows:
    """Keeps the rows of a partition until the day or the partition is over.

    What was judged since a state was last saved is judged again by whoever takes the partition over, and is then in the
    files of both. A file that cannot be written is warned of, and nothing is kept any more: verdicts go on.

    Parameters
    ----------
    path
        Of which files are named: ``verdicts.jsonl.zst`` gives ``verdicts-2026-01-31-p3-EPOCH.jsonl.zst``.
    today
        The day that it is, such as ``2026-01-31``.
    """

    def __init__(self, path: str, partition: int, epoch: int, today: Callable[[], str], warn: Warn) -> None:
        self._path, self._place, self._today, self._warn = path, f"p{partition}-{epoch}", today, warn
        self._day = ""
        self._rows: VerdictRows | None = None
        self._start()

    def seen(self, segment: str, judge: Judge) -> Seen:
        """Keeps the blocks of a segment."""
        return lambda scored: self._try(lambda rows: rows.seen(segment, judge)(scored))

    def applied(self, judging: Judging, told: list[Alert]) -> None:
        """Keep what a closed tick brought about; begin another file with another day."""
        self._try(lambda rows: rows.alerts(told))
        if self._rows and self._today() != self._day:
            self.finish(judging)
            self._start()

    def finish(self, judging: Judging) -> None:
        """Give the file its name."""
        self._try(lambda rows: rows.finish(judging.judged, judging.counts))
        self._rows = None

    def _start(self) -> None:
        self._day = self._today()
        name = Path(self._path).name
        stem, _, ending = name.partition(".jsonl")
        path = Path(self._path).with_name(f"{stem}-{self._day}-{self._place}.jsonl{ending}")
        try:
            self._rows = VerdictRows(str(path), "run")
        except SourceError as error:
            self._warn(f"{error}: no rows are kept")

    def _try(self, write: Callable[[VerdictRows], None]) -> None:
        if self._rows is None:
            return
        try:
            write(self._rows)
        except OSError as error:
            self._warn(f"{self._path}: {error.strerror}: no more rows are kept")
            self._rows.__exit__(None, None, None)
            self._rows = None
