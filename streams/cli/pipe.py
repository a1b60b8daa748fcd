"""Entries of a source in batches: a pipe is judged as it speaks."""

from __future__ import annotations

import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

from drift.errors import BrokenOffError
from streams.cli.common import Entry, Reader

BATCH = 1000
PATIENCE_S = 0.5


class Stopped(KeyboardInterrupt):
    """Standard input was left by Ctrl-C."""


@contextmanager
def batches(reader: Reader, progress: Callable[[float], None]) -> Iterator[Iterator[list[Entry]]]:
    """Entries by the thousand: those of a file as they are asked for, those of standard input as they come.

    Parameters
    ----------
    progress
        Told how much was consumed.

    Raises
    ------
    SourceError
        As ``Reader.entries``, after every entry before.
    Stopped
        By Ctrl-C on standard input, after every entry that had been read; a second Ctrl-C interrupts at once.
    """
    if reader.path != "-":
        yield _batched(reader.entries(progress))
        return
    pipe = _Pipe(reader, progress)
    with _first_interrupt(pipe.stop):
        yield _batched(pipe.entries())


@contextmanager
def _first_interrupt(told: Callable[[], None]) -> Iterator[None]:
    """Turn the first Ctrl-C into a call of this function; a second one interrupts as ever."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # a job in the background ignores Ctrl-C, and must go on doing so
        yield
        return

    def handler(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        told()

    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _batched(entries: Iterator[Entry | None]) -> Iterator[list[Entry]]:
    """Entries by the thousand, fewer where they come slowly, pause (None) or break off."""
    batch: list[Entry] = []
    since = time.monotonic()
    try:
        for entry in entries:
            if entry is not None:
                batch.append(entry)
            if batch and (entry is None or len(batch) == BATCH or time.monotonic() - since > PATIENCE_S):
                yield batch
                batch, since = [], time.monotonic()
    except (BrokenOffError, Stopped):
        if batch:
            yield batch
        raise
    if batch:
        yield batch


class _Pipe:
    """Standard input, read ahead by a thread: what has come is judged while more is awaited."""

    def __init__(self, reader: Reader, progress: Callable[[float], None]) -> None:
        self._reader, self._progress = reader, progress
        self._stopping = False
        self._read: queue.Queue[Entry | BaseException | None] = queue.Queue(BATCH)  # ends with an error or None

    def stop(self) -> None:
        """Read no more."""
        self._stopping = True

    def entries(self) -> Iterator[Entry | None]:
        """Entries as they come, and None whenever none has come for a while.

        Raises
        ------
        SourceError
            As ``Reader.entries``, after every entry before.
        Stopped
            After ``stop``, when every entry that had been read was given out.
        """
        threading.Thread(target=self._fill, args=(sys.stdin,), daemon=True).start()
        while True:
            stopping = self._stopping  # as it was before waiting: nothing may be on its way then
            try:
                found = self._read.get(timeout=PATIENCE_S)
            except queue.Empty:
                if stopping:
                    break
                yield None
                continue
            if found is None:
                break
            if isinstance(found, BaseException):
                raise found
            yield found
        if self._stopping:
            raise Stopped

    def _fill(self, held: TextIO) -> None:
        """Read to the end, in the thread.

        It holds standard input for as long as it waits there: Python would otherwise close that on leaving, which
        takes a lock that a read under way has, and would abort.
        """
        ended: BaseException | None = None
        try:
            for entry in self._reader.entries(self._consumed):
                self._read.put(entry)
        except BaseException as error:
            ended = error
        self._read.put(ended)

    def _consumed(self, done: float) -> None:
        """Told what was read, before their lines are looked at."""
        if self._stopping:
            raise Stopped
        self._progress(done)
