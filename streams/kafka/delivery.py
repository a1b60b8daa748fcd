"""From the outbox to a topic: connects, sends in batches, and connects again, for as long as it takes."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError, OutOfOrderSequenceNumber, ProducerClosed, UnknownProducerId
from aiokafka.partitioner import DefaultPartitioner

from streams.kafka.hearing import hear
from streams.kafka.outbox import Message, Outbox

LOG = logging.getLogger(__name__)

BATCH_BYTES = 1 << 17
"""A batch before compression, which is one partition's share of a request; a longer record makes a batch of its own."""
TAKEN_BYTES = 1 << 20
LINGER_S = 0.02
"""Pause in which more calls may come to share a request, where few are waiting."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
LEAVE_S = 1.0
"""What requests under way may take to end once they are given up."""

REFUSED_UNWRITTEN = (OutOfOrderSequenceNumber, UnknownProducerId)
"""Answers of a broker that has lost count of this producer: nothing was written, a new producer may send it again."""


class Delivery:
    """Sends what is in an outbox, in order within each partition, each message once.

    Brokers that cannot be reached are tried again without end. A message that they refuse for good is lost and
    counted; one they could not take is sent again.

    Parameters
    ----------
    arguments
        Of aiokafka's clients: where the cluster is.
    on_lost
        Told what the brokers said of messages that they refused, and how many.
    """

    def __init__(
        self, arguments: dict[str, Any], topic: str, outbox: Outbox, on_lost: Callable[[str, int], None]
    ) -> None:
        self.asleep = False
        self.trouble = ""
        self._arguments, self._topic, self._outbox, self._on_lost = arguments, topic, outbox, on_lost
        self._awake, self._settled, self._stopping = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._patience_s = 0.0
        self._under_way: set[asyncio.Future[Any]] = set()
        self._again: list[Message] = []
        self._broken = False

    def wake(self) -> None:
        """Look at the outbox; in the loop's thread."""
        self._awake.set()

    def stop(self, timeout_s: float) -> None:
        """End ``run`` once the outbox is empty, or after so long; in the loop's thread."""
        self._patience_s = timeout_s
        self._stopping.set()

    async def run(self) -> None:
        """Deliver until ``stop``."""
        hear(self._tell)
        sessions = asyncio.create_task(self._sessions())
        await self._stopping.wait()
        await self.drained(self._patience_s)
        sessions.cancel()
        await asyncio.wait([sessions])
        if left := self._outbox.abandon():
            LOG.warning("%d calls were left unsent%s", left, f": {self.trouble}" if self.trouble else "")

    async def drained(self, timeout_s: float | None, below: int = 1) -> bool:
        """Wait until fewer messages than ``below`` have an open fate; whether that came in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._outbox.buffered >= below:
                    self._settled.clear()
                    await self._settled.wait()
        except TimeoutError:
            return False
        return True

    async def _sessions(self) -> None:
        """One connected producer after the other."""
        pause = FIRST_PAUSE_S
        while True:
            sent = self._outbox.counts.sent
            try:
                await self._session()
            except (KafkaError, OSError) as error:
                self._tell(str(error) or type(error).__name__)
            except Exception:  # the app must not lose its calls to a defect here
                LOG.exception("sending calls to %s failed; trying again", self._topic)
            pause = FIRST_PAUSE_S if self._outbox.counts.sent > sent else min(2 * pause, LONGEST_PAUSE_S)
            await asyncio.sleep(pause)

    async def _session(self) -> None:
        """Connect and send until that fails or a batch has been refused."""
        producer = AIOKafkaProducer(
            **self._arguments,
            acks="all",
            enable_idempotence=True,
            compression_type="zstd",
            max_batch_size=BATCH_BYTES,
            retry_backoff_ms=500,
        )
        self._broken, patience_s = False, None
        try:
            await producer.start()
            while True:
                await self._some()
                if self._broken:
                    return
                await self._send(producer, self._outbox.take(TAKEN_BYTES))
        except asyncio.CancelledError:
            patience_s = LEAVE_S
            raise
        finally:
            await self._leave(producer, patience_s)

    async def _some(self) -> None:
        """Wait until there is something to send, and a little for more to send with it."""
        while not self._outbox.waiting and not self._broken:
            self._awake.clear()
            self.asleep = True
            if self._outbox.waiting:  # it came while this was falling asleep
                break
            await self._awake.wait()
        self.asleep = False
        if self._outbox.waiting < self._outbox.most // 100:
            await asyncio.sleep(LINGER_S)

    async def _send(self, producer: AIOKafkaProducer, messages: list[Message]) -> None:
        """Hand messages to the producer, which holds a batch of each partition while another is under way."""
        handed = 0
        try:
            partitions = sorted(await producer.partitions_for(self._topic))
            batches = _batches(producer, partitions, messages)
            left = [one for _, _, batch in batches for one in batch]
            for partition, builder, batch in batches:
                future = await producer.send_batch(builder, self._topic, partition=partition)
                handed += len(batch)
                self._under_way.add(future)
                future.add_done_callback(functools.partial(self._tell_fate, batch))
        except BaseException as error:
            self._outbox.put_back(left[handed:] if handed else messages)
            if not isinstance(error, KafkaTimeoutError):  # no room for long: what is under way is still being tried
                raise
            self._tell(str(error) or type(error).__name__)

    def _tell_fate(self, batch: Sequence[Message], future: asyncio.Future[Any]) -> None:
        self._under_way.discard(future)
        error = ProducerClosed() if future.cancelled() else future.exception()
        if error is None:
            if self.trouble:
                LOG.warning("calls are being sent to %s again", self._topic)
                self.trouble = ""
            self._outbox.sent(batch)
        else:  # this producer's next sequence number would be wrong in any case: another one goes on
            self._broken = True
            self._awake.set()
            self._judge(batch, error)
        self._settled.set()

    def _judge(self, batch: Sequence[Message], error: BaseException) -> None:
        """Send again what was not written, count as lost what was refused."""
        if getattr(error, "retriable", False) or isinstance(error, (*REFUSED_UNWRITTEN, ProducerClosed)):
            self._again += batch
            return
        self._outbox.lost(batch, "delivery_failed")
        LOG.warning("%d calls were refused by %s: %s", len(batch), self._topic, error)
        self._on_lost(str(error), len(batch))

    def _tell(self, trouble: str) -> None:
        """Say once what is wrong while it lasts."""
        if not self.trouble:
            LOG.warning("calls wait to be sent to %s: %s; trying again", self._topic, trouble)
        self.trouble = trouble

    async def _leave(self, producer: AIOKafkaProducer, timeout_s: float | None) -> None:
        """Stop a producer once it is done, or after so long; what it did not deliver goes back to the outbox."""
        stopping = asyncio.ensure_future(producer.stop())
        try:
            await asyncio.wait([stopping], timeout=timeout_s)
        finally:
            if not stopping.done():
                await _give_up(producer, stopping)
            if self._under_way:
                await asyncio.wait(self._under_way, timeout=LEAVE_S)
            self._outbox.put_back(self._again)
            self._again = []


async def _give_up(producer: AIOKafkaProducer, stopping: asyncio.Future[None]) -> None:
    """End a producer that waits for brokers; aiokafka has no public way to do so."""
    sending, batches = producer._sender.sender_task, producer._message_accumulator
    while sending is not None and not sending.done():  # once to stop, once more for the request that it waits for
        sending.cancel()
        await asyncio.sleep(0)
    for batch in [*batches._pending_batches, *(one for queued in batches._batches.values() for one in queued)]:
        if not batch.future.done():
            batch.future.set_exception(ProducerClosed())
    await asyncio.wait([stopping], timeout=LEAVE_S)
    stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)


def _batches(
    producer: AIOKafkaProducer, partitions: Sequence[int], messages: Sequence[Message]
) -> list[tuple[int, Any, list[Message]]]:
    """Messages in batches of a partition each, in order; the first batches of all partitions come first."""
    rounds: dict[int, list[tuple[int, Any, list[Message]]]] = {}
    partition_of = DefaultPartitioner()
    for message in messages:
        partition = partition_of(message.key, partitions, partitions)
        mine = rounds.setdefault(partition, [])
        if not mine or mine[-1][1].append(timestamp=None, key=message.key, value=message.value) is None:
            builder = producer.create_batch()
            builder.append(timestamp=None, key=message.key, value=message.value)
            mine.append((partition, builder, []))
        mine[-1][2].append(message)
    ordered = [(number, batch) for mine in rounds.values() for number, batch in enumerate(mine)]
    return [batch for _, batch in sorted(ordered, key=lambda pair: pair[0])]
