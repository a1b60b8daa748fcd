"""Alerts as the service published them, followed into a book by every worker: each can show those of all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from aiokafka import ConsumerRecord

from drift.errors import DriftError
from streams.alert_book import AlertBook
from streams.kafka.following import Follower
from streams.moves import Timetable
from streams.settings import Kafka

TOPIC: Final = "alerts"

RETRY_S = 10.0

_READING = "The topic of alerts is still being read: more of them may follow."


class Alerts(Follower):
    """Follows the alerts.

    Parameters
    ----------
    timetable
        What is known of acknowledgements.
    patient
        Whether whatever goes wrong is told and tried again, as in a worker, where nothing but pages depends on it.
    warn
        Told of what goes wrong.

    Attributes
    ----------
    book
        Alarms seen so far.
    """

    def __init__(
        self,
        kafka: Kafka,
        timetable: Timetable | None = None,
        *,
        patient: bool = True,
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        super().__init__(kafka, TOPIC, "alerts")
        self.book = AlertBook(timetable)
        self.book.waiting = _READING
        self._patient, self._warn = patient, warn

    def learn(self, record: ConsumerRecord[bytes, bytes]) -> None:
        """Learn of a record of an alarm."""
        if record.value is not None:
            self.book.add(record.value)

    def caught_up(self) -> None:
        """All alerts that there were are in the book."""
        self.book.waiting = ""

    async def follow(self) -> None:
        """Follow until cancelled, from the beginning again after whatever went wrong: repeats are harmless."""
        while True:
            try:
                await super().follow()
            except DriftError as error:
                if not self._patient:
                    raise
                self._caught_up.clear()
                said = f"Alerts cannot be followed, these may be old: {error}"
                if said != self.book.waiting:
                    self._warn(f"alerts cannot be followed: {error}")
                self.book.waiting = said
            await asyncio.sleep(RETRY_S)
