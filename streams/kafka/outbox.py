"""What waits to be sent: a bounded buffer, and the fate of all that was ever offered to it."""

from __future__ import annotations

import os
import threading
import weakref
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

Reason = Literal["buffer_full", "invalid", "delivery_failed", "closed"]
"""Why a call was dropped: no room, no call record, refused by the brokers, or offered or unsent at the end."""


class Message(NamedTuple):
    """A record of a topic."""

    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the calls: ``offered`` is always ``sent`` + ``buffered`` + ``dropped``.

    Attributes
    ----------
    sent
        Acknowledged by all in-sync replicas.
    buffered
        Waiting, or under way and not acknowledged yet.
    reasons
        Dropped calls by reason.
    """

    offered: int = 0
    sent: int = 0
    buffered: int = 0
    reasons: dict[Reason, int] = field(default_factory=dict)

    @property
    def dropped(self) -> int:
        """Calls that will never arrive (those of ``closed`` may have, unacknowledged)."""
        return sum(self.reasons.values())


class Outbox:
    """Messages in order, bounded by count and by bytes; used from any thread, and never waits.

    What was taken out counts against the bounds until its fate is told. A message that does not fit is refused: what
    was accepted stays. After a fork the child's outbox is empty, for what waits is sent by the parent.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self.most, self.most_bytes = most, most_bytes
        self._empty()
        _outboxes.add(self)

    def _empty(self) -> None:
        self._lock = threading.RLock()  # a signal handler may interrupt a thread that holds it, and send too
        self._waiting: deque[Message] = deque()
        self._sent = self._buffered = self._bytes = 0
        self._reasons: Counter[Reason] = Counter()
        self._closed = False

    @property
    def counts(self) -> Counts:
        """What became of everything so far."""
        with self._lock:
            reasons: dict[Reason, int] = {reason: self._reasons[reason] for reason in get_args(Reason)}
            offered = self._sent + self._buffered + self._reasons.total()
            return Counts(offered, self._sent, self._buffered, reasons)

    @property
    def buffered(self) -> int:
        """Messages whose fate is open."""
        return self._buffered

    @property
    def waiting(self) -> int:
        """Messages that nobody has taken."""
        return len(self._waiting)

    def offer(self, message: Message) -> Reason | None:
        """Accept a message, or count it and say why not."""
        with self._lock:
            if self._closed:
                self._reasons["closed"] += 1
                return "closed"
            if not self.fits(message):
                self._reasons["buffer_full"] += 1
                return "buffer_full"
            self._buffered += 1
            self._bytes += _size(message)
            self._waiting.append(message)
            return None

    def fits(self, message: Message) -> bool:
        """Whether there is room for it; in an empty outbox there always is."""
        room = self._buffered < self.most and self._bytes + _size(message) <= self.most_bytes
        return room or not self._buffered

    def refuse(self) -> None:
        """Count something offered that is no call record."""
        with self._lock:
            self._reasons["invalid"] += 1

    def take(self, most_bytes: int) -> list[Message]:
        """Messages from the front, at least one if any waits, then no more than so many bytes of values."""
        taken: list[Message] = []
        with self._lock:
            while self._waiting and most_bytes > 0:
                taken.append(self._waiting.popleft())
                most_bytes -= len(taken[-1].value)
        return taken

    def put_back(self, messages: Sequence[Message]) -> None:
        """Return what was taken to the front, in order."""
        with self._lock:
            self._waiting.extendleft(reversed(messages))

    def sent(self, messages: Sequence[Message]) -> None:
        """What was taken has arrived."""
        with self._lock:
            self._sent += self._settle(messages)

    def lost(self, messages: Sequence[Message], reason: Reason) -> None:
        """What was taken will not arrive."""
        with self._lock:
            self._reasons[reason] += self._settle(messages)

    def close(self) -> int:
        """Accept no more; what waits may still be taken. How many were dropped so far."""
        with self._lock:
            self._closed = True
            return self._reasons.total()

    def abandon(self) -> int:
        """Close, and drop whatever waits; how many that were."""
        with self._lock:
            self._closed = True
            left = list(self._waiting)
            self._waiting.clear()
            self.lost(left, "closed")
            return len(left)

    def _settle(self, messages: Sequence[Message]) -> int:
        self._buffered -= len(messages)
        self._bytes -= sum(map(_size, messages))
        return len(messages)


def _size(message: Message) -> int:
    return len(message.key) + len(message.value)


_outboxes: weakref.WeakSet[Outbox] = weakref.WeakSet()


def _after_fork() -> None:
    for one in list(_outboxes):
        one._empty()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
