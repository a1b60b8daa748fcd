"""What Python apps publish calls with: never in their way, and honest about what it dropped."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import selectors
import socket
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Self

from streams.kafka.client import connection
from streams.kafka.delivery import LEAVE_S, Delivery
from streams.kafka.message import message
from streams.kafka.outbox import Counts, Message, Outbox, Reason
from streams.records import Rejected
from streams.settings import Kafka, load

LOG = logging.getLogger(__name__)

BUFFER_CALLS = 20_000
BUFFER_BYTES = 64 << 20
CLOSE_S = 10.0
EXIT_S = 2.0
"""What sending the rest may take when the interpreter ends and nobody has closed the producer."""

OnDrop = Callable[[Reason, str], None]


class _Sender:
    """What both producers share."""

    def __init__(
        self,
        kafka: Kafka | None = None,
        *,
        topic: str | None = None,
        buffer_calls: int = BUFFER_CALLS,
        buffer_bytes: int = BUFFER_BYTES,
        on_drop: OnDrop | None = None,
    ) -> None:
        """Prepare; nothing is connected before the first call.

        Parameters
        ----------
        kafka
            The cluster.  [default: the setting ``kafka`` of DRIFTLINE_CONFIG and the environment]
        topic
            Where calls go.  [default: the topic of calls]
        buffer_calls, buffer_bytes
            Bounds of what may wait for the brokers, or be under way. A call that would exceed them is dropped: what
            was accepted before stays.
        on_drop
            Told of each dropped call the reason and a sentence, by ``send`` or by the thread that delivers; what it
            raises is logged.

        Raises
        ------
        SettingsError
            The settings of the cluster are wrong.
        """
        self._kafka = kafka or load().kafka
        self._topic = topic or self._kafka.topic("calls")
        self._arguments = connection(self._kafka, "producer")
        self._outbox = Outbox(buffer_calls, buffer_bytes)
        self._on_drop = on_drop

    @property
    def counts(self) -> Counts:
        """Calls offered, sent, buffered, and dropped by reason."""
        return self._outbox.counts

    @property
    def trouble(self) -> str:
        """What keeps calls from being sent at present; empty if nothing does."""
        return self._delivery.trouble

    def send(self, call: Any) -> bool:
        """Accept a call to be sent; never waits and never raises.

        Parameters
        ----------
        call
            See ``message``.

        Returns
        -------
        bool
            Whether it was accepted. Otherwise it is dropped and counted: ``buffer_full``, ``invalid`` or ``closed``.
        """
        made = message(call, time.time_ns() // 1_000_000)
        if isinstance(made, Rejected):
            self._outbox.refuse()
            self._dropped("invalid", made.detail)
            return False
        return self._offer(made)

    def _offer(self, made: Message) -> bool:
        """Accept a message, or drop and count it."""
        if (reason := self._outbox.offer(made)) is not None:
            said = "the producer is closed" if reason == "closed" else f"{self._outbox.buffered} calls are waiting"
            self._dropped(reason, f"{said}; {self.trouble}" if self.trouble else said)
            return False
        try:
            self._started()
        except Exception:  # no thread or loop to be had now: the next call tries again
            LOG.exception("calls are kept, but cannot be sent")
        return True

    def _started(self) -> None:
        """See that what was accepted gets delivered."""
        raise NotImplementedError

    def _deliver(self) -> Delivery:
        return Delivery(self._arguments, self._topic, self._outbox, self._refused)

    _delivery: Delivery

    def _refused(self, detail: str, count: int) -> None:
        for _ in range(count):
            self._dropped("delivery_failed", detail)

    def _dropped(self, reason: Reason, detail: str) -> None:
        if self._on_drop is not None:
            try:
                self._on_drop(reason, detail)
            except Exception:
                LOG.exception("on_drop failed")


class Producer(_Sender):
    """Publishes calls from apps that know nothing of asyncio; a thread of its own does the work.

    ``send`` may be called from any thread. The thread starts with the first call, so a process that is forked before or
    after that (as by preloading web servers) sends by a thread and a connection of its own, and starts with an empty
    buffer. What waits when the interpreter ends is given two seconds; processes that end by ``os._exit``, as those of
    ``multiprocessing`` do, must close it themselves.

    >>> from streams.kafka.producer import Producer
    >>> producer = Producer()
    >>> producer.send({"app": "support-bot"})  # says nothing that could be judged
    False
    >>> producer.counts.reasons["invalid"]
    1
    >>> producer.close()
    True
    """

    def __init__(self, kafka: Kafka | None = None, **given: Any) -> None:
        super().__init__(kafka, **given)
        self._fresh()
        _producers.add(self)

    def _fresh(self) -> None:
        self._starting = threading.RLock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._delivery = self._deliver()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def put(self, made: Message, timeout: float | None = None) -> bool:
        """Accept a record as it is, and wait for room: for whoever would rather wait than drop, as readers of files do.

        Returns
        -------
        bool
            Whether it was accepted; if not, no record arrived for so many seconds, or the producer is closed.
        """
        while not self._outbox.fits(made):
            sent = self.counts.sent
            if not self._drained(timeout, max(1, self._outbox.buffered // 2)) and self.counts.sent == sent:
                return False
        return self._offer(made)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until nothing is buffered; whether that came within so many seconds."""
        return self._drained(timeout, 1)

    def close(self, timeout: float = CLOSE_S) -> bool:
        """Accept no more calls, send those that wait for at most so many seconds, and disconnect.

        Returns
        -------
        bool
            Whether all were sent; otherwise the rest is counted as dropped, ``closed``.
        """
        before = self._outbox.close()
        atexit.unregister(self._at_exit)
        if self._thread is not None and self._loop is not None:
            _call(self._loop, self._delivery.stop, timeout)
            self._thread.join(timeout + 4 * LEAVE_S)
        self._outbox.abandon()
        return self.counts.dropped == before

    def _drained(self, timeout: float | None, below: int) -> bool:
        """Wait until fewer messages than ``below`` are buffered."""
        if self._outbox.buffered < below:
            return True
        if self._loop is None:
            return False
        return asyncio.run_coroutine_threadsafe(self._delivery.drained(timeout, below), self._loop).result()

    def _started(self) -> None:
        if self._thread is None:
            self._start()
        if self._delivery.asleep and self._loop is not None:
            self._delivery.asleep = False
            _call(self._loop, self._delivery.wake)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._loop = _Loop()
                thread = threading.Thread(target=self._serve, args=(self._loop,), name="driftline", daemon=True)
                thread.start()
                self._thread = thread
                atexit.register(self._at_exit)

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(self._delivery.run())

    def _at_exit(self) -> None:
        self.close(EXIT_S)


class AsyncProducer(_Sender):
    """Publishes calls from asyncio apps, in their own loop: ``async with AsyncProducer() as producer: ...``.

    ``send`` is no coroutine, for it does not wait; call it in the loop's thread. What waits when the loop ends without
    ``close`` is lost. A loop does not survive a fork, nor does this.
    """

    def __init__(self, kafka: Kafka | None = None, **given: Any) -> None:
        super().__init__(kafka, **given)
        self._delivery = self._deliver()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def flush(self, timeout: float | None = None) -> bool:
        """Wait until nothing is buffered; whether that came within so many seconds."""
        return await self._delivery.drained(timeout)

    async def close(self, timeout: float = CLOSE_S) -> bool:
        """Accept no more calls, send those that wait for at most so many seconds, and disconnect.

        Returns
        -------
        bool
            Whether all were sent; otherwise the rest is counted as dropped, ``closed``.
        """
        before = self._outbox.close()
        if self._task is not None:
            self._delivery.stop(timeout)
            await self._task
        self._outbox.abandon()
        return self.counts.dropped == before

    def _started(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._delivery.run())
        if self._delivery.asleep:
            self._delivery.asleep = False
            self._delivery.wake()


class _Loop(asyncio.SelectorEventLoop):
    """A loop that survives forks and the end of the interpreter."""

    def __init__(self) -> None:
        # poll, unlike epoll, keeps nothing in the kernel that a forked child could disturb
        super().__init__(getattr(selectors, "PollSelector", selectors.SelectSelector)())

    async def getaddrinfo(self, host: Any, port: Any, **given: Any) -> Any:
        """In a thread; at the end of the interpreter, when no thread can be had, in this one."""
        try:
            return await super().getaddrinfo(host, port, **given)
        except RuntimeError:
            return socket.getaddrinfo(host, port, **given)


_producers: weakref.WeakSet[Producer] = weakref.WeakSet()
_left_behind: list[object] = []
"""What forked processes inherited of their parents' threads: kept, for to collect it would be to complain of it."""


def _after_fork() -> None:
    for one in list(_producers):
        _left_behind.append((one._loop, one._delivery))
        one._fresh()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *given: Any) -> None:
    """Call in the loop's thread; a loop that has just ended needs no call."""
    try:
        loop.call_soon_threadsafe(function, *given)
    except RuntimeError:
        LOG.debug("the loop has ended")
