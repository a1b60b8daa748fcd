"""Files that are there whole, or not at all."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from drift.errors import SourceError


def write_whole(path: str, data: bytes, flag: str) -> None:
    """Write a file that was asked for by a flag: beside its name first, which it gets in the end.

    Raises
    ------
    SourceError
        It cannot be written there; what was there before is still there.
    """
    beside = Path(f"{path}.part")
    try:
        beside.write_bytes(data)
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise SourceError(f"{flag} {path} cannot be written: {error.strerror}; name a place that can") from error
