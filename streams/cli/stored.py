"""What commands about stored baselines and lenses share."""

from __future__ import annotations

import getpass
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from drift.baseline import REFERENCE
from drift.errors import LensMismatchError, SourceError
from drift.lens import Lens
from drift.pane import Pane, merge
from streams.aliases import epoch_ms
from streams.embedded import measured_panes
from streams.measure import Meter
from streams.observe import Clock
from streams.records import Record

as_json = click.option("--json", "as_json", is_flag=True, help="JSON lines on standard output.")


ROUGH = 200
"""Calls that make a lens which nothing depends on."""


class Instant(click.ParamType[int]):
    """An instant on the command line, in milliseconds since 1970."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read RFC 3339 or a date alone, UTC unless it says otherwise."""
        text = f"{value}T00:00:00Z" if len(str(value)) == 10 and str(value)[4:5] == "-" else value
        found = value if isinstance(value, int) else epoch_ms(text)
        if found is None:
            self.fail(f"{value!r} is no instant: write 2026-01-31 or 2026-01-31T14:00:00Z", param, ctx)
        return found


def whoami() -> str:
    """Who moves a tag, where nobody is named."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such user, as in many containers
        return "unknown"


def tagged_segment(name: str) -> str:
    """The segment that a name of a baseline speaks of: that of ``SEGMENT@TAG``, empty for an id or a file."""
    return "" if os.path.isfile(name) else name.rpartition("@")[0]  # noqa: PTH113  # Path raises for odd names


def require_embedder(meter: Meter, lens: Lens, owner: str) -> None:
    """Refuse a lens, named by what it belongs to, that another embedder was measured by.

    Raises
    ------
    LensMismatchError
        The embedder of this run is another one.
    """
    if lens.embedder != meter.embedder.identity:
        raise LensMismatchError(
            f"{owner} was made with {lens.embedder!r}, this run measures by {meter.embedder.identity!r}: "
            "give --embedder as it was, or make it again with this one"
        )


def save(path: str, data: bytes) -> None:
    """Write a file that was asked for by -o."""
    try:
        Path(path).write_bytes(data)
    except OSError as error:
        raise SourceError(f"-o {path} cannot be written: {error.strerror}; name a place that can") from error


def rough_pane(meter: Meter, records: Sequence[Record], clock: Clock) -> Pane:
    """Pane of calls in order of time, for what does not depend on a lens: any that is quickly made will do."""
    return merge(measured_panes(meter, meter.fit_lens(records[:ROUGH]), records, clock, REFERENCE), size=REFERENCE)
