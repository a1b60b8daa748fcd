"""What travels on the panes topic: panes, and marks of how far each source partition has come."""

from __future__ import annotations

import msgspec

from drift.errors import CorruptError


class Sent(msgspec.Struct, frozen=True, tag="pane"):
    """A pane as one source partition published it; its name is (segment, tick, source)."""

    source: int
    segment: str
    tick: int
    end: int
    calls: int
    lens: str
    pane: bytes


class Mark(msgspec.Struct, frozen=True, tag="mark"):
    """How far a source partition has come; it is written to every partition of the panes topic.

    Attributes
    ----------
    source, sources
        The partition, and how many of them its topic has.
    watermark
        Event time below which the partition publishes no more panes: ticks that end at or before it are complete.
    offset
        Where its owner reads on.
    idle
        0, or the event time up to which an idle partition, read to its end, holds up nobody.
    """

    source: int
    sources: int
    watermark: int
    offset: int
    idle: int = 0


Message = Sent | Mark

_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def encode(message: Message) -> bytes:
    """Bytes of a message."""
    return msgspec.msgpack.encode(message)


def decode(data: bytes) -> Message:
    """The message of these bytes.

    Raises
    ------
    CorruptError
        They are none.
    """
    try:
        return _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise CorruptError(f"neither a pane nor a mark: {error}") from error
