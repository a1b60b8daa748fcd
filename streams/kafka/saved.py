"""What the judge's table holds of a partition: a checkpoint, and segments under the epoch of whoever wrote them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from streams.ledger import Place


class Checkpoint(msgspec.Struct, frozen=True):
    """Where a partition's owner reads on, and what it had counted."""

    place: Place
    counts: dict[str, int]
    counted: int  # offset of the last message that the counts reflect
    segments: list[str]  # all that were saved by then: if one is not found, the changelog was trimmed


NOTHING = Checkpoint(Place(), {}, -1, [])


class Found(NamedTuple):
    """What is saved of a partition.

    Attributes
    ----------
    segments
        Epoch and bytes of each segment; none where some that should be there are ``missing``.
    epoch
        The latest one.
    """

    checkpoint: Checkpoint
    segments: Mapping[str, tuple[int, bytes]]
    epoch: int
    missing: int


def key(partition: int, epoch: int, segment: str) -> bytes:
    """Key of a segment's record in the table; that of the checkpoint has no segment."""
    return f"{partition}\0{epoch}\0{segment}".encode()


def read_key(data: bytes) -> tuple[int, int, str]:
    """Partition, epoch and segment of a key."""
    partition, epoch, segment = data.decode().split("\0", 2)
    return int(partition), int(epoch), segment


def found(table: Mapping[bytes, bytes], partition: int) -> Found:
    """What a table holds of a partition; where segments are missing, as if nothing had been saved."""
    latest: dict[str, tuple[int, bytes]] = {}
    for name, value in list(table.items()):
        at, epoch, segment = read_key(name)
        if at == partition and value and epoch >= latest.get(segment, (-1, b""))[0]:
            latest[segment] = epoch, value
    epoch = max((one for one, _ in latest.values()), default=0)
    _, saved = latest.pop("", (0, b""))
    checkpoint = msgspec.msgpack.decode(saved, type=Checkpoint) if saved else NOTHING
    if missing := len(set(checkpoint.segments) - latest.keys()):
        return Found(NOTHING, {}, epoch, missing)
    return Found(checkpoint, latest if checkpoint is not NOTHING else {}, epoch, 0)
