"""Where rejected lines go: counted by reason, and kept in a file if there is one."""

import base64
import codecs
import errno
import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

_KEPT = 1 << 16


def _to_standard_error(message: str) -> None:
    print(message, file=sys.stderr)


class DeadLetters:
    """Rejected lines as JSON lines, ``{"line", "reason", "field", "detail", "data"}``, and their counts.

    A record of a topic has ``partition`` and ``offset`` in place of ``line``.

    The file is opened at the first letter and appended to; without a path letters are counted only. ``data`` is the
    line as it came, or ``data_base64`` where that is not UTF-8, cut at 64 KiB with ``"cut": true``. A letter that
    cannot be written never stops the caller: the first failure is told, every one is counted.

    Parameters
    ----------
    path
        The file, or None.
    warn
        Told once, in a sentence, that letters are being lost; standard error by default.

    Attributes
    ----------
    counts
        Letters by reason, kept or not.
    lost
        Letters that should have been kept and could not be.
    """

    def __init__(self, path: str | Path | None, *, warn: Callable[[str], None] = _to_standard_error) -> None:
        self.counts: Counter[str] = Counter()
        self.lost = 0
        self._path = path
        self._warn = warn
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, place: int | Mapping[str, int], reason: str, field: str, detail: str, data: bytes) -> None:
        """Count a rejected line and keep it.

        Parameters
        ----------
        place
            Number of the line, counted from 1, or what tells it otherwise, by name.
        reason, field, detail
            Of a `streams.records.Rejected`.
        data
            The line as it came.
        """
        self.counts[str(reason)] += 1
        if self._path is None:
            return
        told = {"line": place} if isinstance(place, int) else dict(place)
        try:
            self._append(self._path, letter(told, reason, field, detail, data) + b"\n")
        except OSError as error:
            self.lost += 1
            if self.lost == 1:
                remedy = "they are counted only. Free space there or name another file"
                self._warn(f"rejected lines cannot be kept in {self._path}: {error.strerror}; {remedy}")

    def close(self) -> None:
        """Close the file; a later letter opens it again."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _append(self, path: str | Path, letter: bytes) -> None:
        """Write a letter whole, unbuffered: a letter is on disk or known to be lost."""
        if self._descriptor is None:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        written = os.write(self._descriptor, letter)
        if written < len(letter):  # the disk filled up half way: leave no torn line
            os.ftruncate(self._descriptor, os.lseek(self._descriptor, 0, os.SEEK_END) - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def letter(place: dict[str, Any], reason: str, field: str, detail: str, data: bytes) -> bytes:
    """A letter as JSON: where the record was, why it was rejected, and the record itself, cut at 64 KiB."""
    return msgspec.json.encode(place | {"reason": reason, "field": field, "detail": detail} | _readable(data))


def _readable(data: bytes) -> dict[str, Any]:
    kept = data[:_KEPT]
    cut = {"cut": True} if len(data) > _KEPT else {}
    try:  # a cut may fall inside a character; what is left of that is dropped
        return {"data": codecs.getincrementaldecoder("utf-8")().decode(kept, final=not cut)} | cut
    except UnicodeDecodeError:
        return {"data_base64": base64.b64encode(kept).decode()} | cut
