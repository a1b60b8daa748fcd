"""What commands about stored baselines and lenses share."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

import click

from drift.errors import SourceError
from streams.aliases import bound_ms

as_json = click.option("--json", "as_json", is_flag=True, help="JSON lines on standard output.")


class Instant(click.ParamType):
    """An instant on the command line, in milliseconds since 1970."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read RFC 3339 or a date alone, UTC unless it says otherwise."""
        found = value if isinstance(value, int) else bound_ms(value)
        if found is None:
            self.fail(f"{value!r} is no instant: write 2026-01-31 or 2026-01-31T14:00:00Z", param, ctx)
        return found


def whoami() -> str:
    """Who moves a tag, where nobody is named."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such user, as in many containers
        return "unknown"


def save(path: str, data: bytes, flag: str = "-o") -> None:
    """Write a file that was asked for by a flag."""
    try:
        Path(path).write_bytes(data)
    except OSError as error:
        raise SourceError(f"{flag} {path} cannot be written: {error.strerror}; name a place that can") from error
