"""``driftline run``: one worker of the service, its stages, and how it starts and ends."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Literal

from aiokafka.errors import InconsistentGroupProtocolError, KafkaError, MessageSizeTooLargeError

from drift.errors import ClusterError, SettingsError, SourceError, StoppedError
from streams.acknowledging import acknowledgement
from streams.exposition import Exposition
from streams.health import Health, Stage
from streams.http.segments import fields
from streams.http.server import serving
from streams.http.site import Site
from streams.kafka.alerts import Alerts
from streams.kafka.judge import Judge
from streams.kafka.moves import Moves, announce, sync
from streams.kafka.observer import Observing
from streams.kafka.topic import partitions
from streams.measure import Meter
from streams.settings import Settings, web_token
from streams.shelf import Shelf
from streams.store import Store

log = logging.getLogger(__name__)

Role = Literal["observe", "judge", "all"]

LOOK_S = 10.0
"""Seconds between two looks at the topics."""

SYNC_S = 30.0
"""Seconds between two looks at the store for tags that were moved by somebody who could not reach the cluster."""

RETRY_S = 2.0


class Service:
    """One worker.

    Parameters
    ----------
    role
        What it does: ``observe``, ``judge`` or ``all``.
    """

    def __init__(self, settings: Settings, meter: Meter, role: Role, verdicts: str | None = None) -> None:
        """Prepare; nothing is connected before ``run``."""
        self._verdicts = verdicts
        self.settings, self.meter, self.role = settings, meter, role
        self.health = Health()
        self.stopping = asyncio.Event()
        self._store = Store(settings.store)
        self._shelf = Shelf(self._store, meter, settings.scores)
        live = settings.live
        self.exposition = Exposition(self.health, role, meter, apps=live.apps, detailed=live.detailed_segments)
        self._moves = Moves(settings.kafka, settings.live.tag, warn=log.warning)
        self._alerts = Alerts(settings.kafka, self._moves.timetable, warn=log.warning)

    async def run(self) -> None:
        """Work until told to stop, by SIGTERM or SIGINT or the event ``stopping``.

        Raises
        ------
        SettingsError, SourceError
            It cannot work: a topic is missing or was made otherwise, the store lacks a baseline.
        StoppedError
            It was told to stop, and what was under way was not done in time.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        names = [name for name in ("observe", "judge") if self.role in (name, "all")]
        stages = [self.health.stage(name) for name in names]
        try:
            async with serving(self.settings.live.listen, self._site()) as port:
                log.info("web server on port %d: /alerts /segments /baselines /metrics /live /ready /health", port)
                self._alerts.begin()
                counted = await self._topics(stages)
                if counted is not None and await self._synced():
                    await self._work(stages, counted)
        finally:
            await self._alerts.stop()
            await self._moves.stop()

    def _site(self) -> Site:
        """What the web server shows."""
        return Site(
            self.health,
            self._store,
            self._alerts.book,
            overviews=lambda: [fields(one) for one in self.exposition.segments.overviews()],
            metrics=self.exposition.rendered,
            runbooks=self.settings.alerting.runbooks,
            token=web_token(self.settings.live),
            acknowledge=self._acknowledge,
        )

    async def _acknowledge(self, alert_id: str, by: str, why: str) -> None:
        """Tell every worker that somebody has taken notice of an alarm."""
        now_ms = time.time_ns() // 1_000_000
        done = acknowledgement(self._alerts.book, alert_id, by=by, why=why, now_ms=now_ms)
        await announce(self.settings.kafka, [done])

    async def _topics(self, stages: list[Stage]) -> dict[str, int] | None:
        """Partitions of the topics, once the cluster can be reached; None where it was told to stop before."""
        told = False
        while not self.stopping.is_set():
            try:
                found = await self._counted()
                await self._moves.start()
                return found
            except ClusterError as error:
                for stage in stages:
                    stage.turn()
                    stage.waiting = str(error)
                if not told:
                    log.warning("%s; waiting for it", error)
                told = True
            await self._pause(RETRY_S)
        return None

    async def _counted(self) -> dict[str, int]:
        kafka, found = self.settings.kafka, {}
        for name in ("calls", "panes", "state", "alerts", "deadletter"):
            found[name] = len(await partitions(kafka, kafka.topic(name), "service"))
        if found["panes"] != found["state"]:
            raise SettingsError(
                f"{kafka.topic('panes')} has {found['panes']} partitions, {kafka.topic('state')} {found['state']}: "
                "they must be as many; delete the latter while no worker runs and make it anew: driftline topics create"
            )
        return found

    async def _work(self, stages: list[Stage], counted: dict[str, int]) -> None:
        """Run the stages until one fails or all are told to stop."""
        tasks = [asyncio.create_task(self._again(stage, counted), name=stage.name) for stage in stages]
        tasks.append(asyncio.create_task(self._watch_topics(counted), name="topics"))
        tasks.append(asyncio.create_task(self._watch_tags(), name="tags"))
        told: asyncio.Task[Any] = asyncio.create_task(self.stopping.wait())
        try:
            await asyncio.wait([told, *tasks], return_when=asyncio.FIRST_COMPLETED)
            self.stopping.set()
            done, late = await asyncio.wait(tasks, timeout=self.settings.live.drain_s)
            for task in done:
                await task
            if late:
                names = ", ".join(sorted(task.get_name() for task in late))
                raise StoppedError(
                    f"{names} did not stop within {self.settings.live.drain_s:g} s; nothing is lost: whoever comes "
                    "next reads again what was not committed"
                )
        finally:
            told.cancel()
            for task in tasks:
                task.cancel()

    async def _again(self, stage: Stage, counted: dict[str, int]) -> None:
        """Run a stage; where the cluster fails it, start it anew."""
        while not self.stopping.is_set():
            try:
                await self._stage(stage, counted)(self.stopping)
                return
            except Exception as error:
                failed = first_of(error)
                if isinstance(failed, MessageSizeTooLargeError):
                    raise SettingsError(
                        f"{stage.name}: a message is larger than its topic takes: 'driftline config check' says which "
                        "topic, 'driftline topics create --alter' sets it"
                    ) from failed
                if not isinstance(failed, KafkaError | OSError):
                    raise failed from None
                stage.waiting = self._in_words(stage, failed)
                log.warning("%s: %s; starting anew", stage.name, stage.waiting)
            stage.turn()
            await self._pause(RETRY_S)
            stage.waiting = ""

    def _in_words(self, stage: Stage, failed: Exception) -> str:
        if isinstance(failed, InconsistentGroupProtocolError):
            group = f"{self.settings.kafka.group}-{stage.name}"
            return f"another program is at work in the consumer group {group}: stop it, or choose another kafka.group"
        return f"the cluster failed: {failed!r}"

    def _stage(self, stage: Stage, counted: dict[str, int]) -> Callable[[asyncio.Event], Awaitable[None]]:
        timetable = self._moves.timetable
        if stage.name == "observe":
            return Observing(self.settings, self.meter, self._shelf, timetable, stage, self.exposition).run
        return Judge(
            self.settings, self._shelf, timetable, stage, self.exposition, counted["panes"], self._verdicts
        ).run

    async def _synced(self) -> bool:
        """Know every tag before the first call is looked at; False where it was told to stop before."""
        while not self.stopping.is_set():
            try:
                await self._sync()
                return True
            except ClusterError as error:
                log.warning("%s", error)
            await self._pause(RETRY_S)
        return False

    async def _sync(self) -> None:
        """Announce moves that the store knows and the topic lacks."""
        timetable = self._moves.timetable
        for move in await sync(self._store, self.settings.kafka, self.settings.live.tag, timetable, log.warning):
            timetable.add(move)

    async def _watch_topics(self, counted: dict[str, int]) -> None:
        """See that no topic vanishes, and that panes and state keep their partitions: segments belong to them."""
        while not self.stopping.is_set():
            await self._pause(LOOK_S)
            try:
                found = await self._counted()
            except ClusterError:  # the stages wait for it, too
                continue
            for name in ("panes", "state"):
                if found[name] != counted[name]:
                    raise SettingsError(
                        f"{self.settings.kafka.topic(name)} had {counted[name]} partitions and has {found[name]}: "
                        "segments belong to partitions, so their number must stay; make the topic anew as it was"
                    )

    async def _watch_tags(self) -> None:
        """Announce what the store knows and the topic lacks; a follower that ended ends the worker."""
        while not self.stopping.is_set():
            if failed := self._moves.failed or self._alerts.failed:
                raise failed
            await self._pause(SYNC_S)
            try:
                await self._sync()
            except (ClusterError, SourceError) as error:
                log.warning("%s", error)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)


def first_of(error: BaseException) -> BaseException:
    """The first error of a group of tasks, or the error itself."""
    return first_of(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
