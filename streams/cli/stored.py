"""What commands about stored baselines and lenses share."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from drift.baseline import Baseline
from drift.errors import SettingsError, SourceError
from streams.aliases import epoch_ms
from streams.shelf import ANCHOR as ANCHOR
from streams.shelf import require_embedder as require_embedder
from streams.store import Store

as_json = click.option("--json", "as_json", is_flag=True, help="JSON lines on standard output.")


class Instant(click.ParamType):
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


def find_origins(
    names: Sequence[str], known: Mapping[str, Baseline], store: Store, warn: Callable[[str], None]
) -> dict[str, Baseline]:
    """Baselines of anchors by segment: those named, or else what SEGMENT@anchor names, if it is of the same lens.

    Raises
    ------
    SettingsError
        One that was named is of a segment without a baseline, or of another lens than that.
    """
    found: dict[str, Baseline] = {}
    for name in names:
        one = store.baseline(name)
        segment = tagged_segment(name) or one.segment
        if segment not in known:
            raise SettingsError(f"--anchor {name} is of segment {segment}, of which no --baseline is given: give one")
        if one.pane.lens != known[segment].pane.lens:
            raise SettingsError(f"--anchor {name}: {_other_lens(one, known[segment])}")
        found[segment] = one
    for segment, baseline in known.items():
        if segment in found or not store.has_tag(segment, ANCHOR):
            continue
        one = store.baseline(f"{segment}@{ANCHOR}")
        if one.pane.lens == baseline.pane.lens:
            found[segment] = one
        else:
            warn(f"prompts of {segment} are compared with the baseline's own: {_other_lens(one, baseline)}")
    return found


def _other_lens(anchor: Baseline, baseline: Baseline) -> str:
    return (
        f"anchor {anchor.id} was seen through lens {anchor.pane.lens}, baseline {baseline.id} through another "
        f"({baseline.pane.lens}); build it with --lens {anchor.pane.lens}, or tag it {baseline.segment}@{ANCHOR}"
    )


def save(path: str, data: bytes, flag: str = "-o") -> None:
    """Write a file that was asked for by a flag."""
    try:
        Path(path).write_bytes(data)
    except OSError as error:
        raise SourceError(f"{flag} {path} cannot be written: {error.strerror}; name a place that can") from error
