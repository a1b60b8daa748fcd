"""Random events while calls flow through the live service; in the end it must have said what an undisturbed one says.

``python -m tests.integration.chaos --events 40 --calls 60000`` is ``make chaos``; a short version is a test.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from streams.cluster import Kafka
from tests.integration import live
from tests.integration.brokers import NO_BROKER, Broker, home
from tests.integration.live import Worker
from tests.integration.traffic import baselines, lines

SESSION_S = 6
CALM = {"session_s": SESSION_S, "idle_s": 6, "save_s": 4}
LIVE = CALM | {"idle_s": 20}  # longer than a broker is away: calls that wait for it are not late
EVENTS = (
    "kill observer",
    "kill judge",
    "terminate observer",
    "terminate judge",
    "one more",
    "one less",
    "kill broker",
    "pause observer",
    "pause judge",
)


@dataclass
class Chaos:
    """Workers of a service, and what happens to them."""

    config: Path
    broker: Broker
    seed: int
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.workers = [Worker(self.config, role) for role in ("observe", "judge")]

    async def run(self, events: list[str]) -> None:
        for worker in self.workers:
            worker.start()
        for event in events:
            await asyncio.sleep(self.random.uniform(0.5, 3.0))
            self.log.append(event)
            print(f"{time.strftime('%H:%M:%S')} {event}", file=sys.stderr, flush=True)
            await self._happen(*event.split())
            for worker in self.workers:
                if not worker.alive:
                    worker.start()

    async def _happen(self, what: str, who: str) -> None:
        if what == "one":
            await asyncio.to_thread(self._more if who == "more" else self._less)
        elif who == "broker":
            await asyncio.to_thread(self.broker.kill)
            await asyncio.sleep(self.random.uniform(0.0, 2.0))
            await asyncio.to_thread(self.broker.start)
        else:
            role = {"observer": "observe", "judge": "judge"}[who]
            worker = self.random.choice([one for one in self.workers if one.role in (role, "all")])
            await self._to(worker, what)

    async def _to(self, worker: Worker, what: str) -> None:
        if what == "pause":
            worker.tell(signal.SIGSTOP)
            await asyncio.sleep(SESSION_S + self.random.uniform(1.0, 3.0))
            worker.tell(signal.SIGCONT)
        else:
            number = signal.SIGKILL if what == "kill" else signal.SIGTERM
            if what == "terminate":  # one that has just begun has not learnt to end well yet
                await asyncio.to_thread(worker.until_answering)
            status = await asyncio.to_thread(worker.end, number)
            assert status == (0 if what == "terminate" else -number), worker.said.read_text()[-4000:]
            await asyncio.sleep(self.random.uniform(0.0, 1.5))

    def _more(self) -> None:
        if len(self.workers) < 5:
            self.workers.append(Worker(self.config, self.random.choice(["observe", "judge", "all"])))
            self.workers[-1].start()

    def _less(self) -> None:
        if len(self.workers) > 2:
            self.workers.pop().end(signal.SIGTERM)

    def end(self) -> None:
        for worker in self.workers:
            worker.__exit__()


def drawn(seed: int, count: int) -> list[str]:
    """Events of a seed, every kind before any comes again."""
    source, found = random.Random(seed), []
    while len(found) < count:
        found += source.sample(EVENTS, len(EVENTS))
    return found[:count]


async def undisturbed(config: Path, kafka: Kafka, calls: list[bytes]) -> dict[str, object]:
    """What one worker that nothing happens to makes of the calls."""
    with Worker(config) as worker:
        worker.until_ready()
        await live.send(kafka, calls)
        await live.until_judged(config)
    return await outcome(kafka)


async def outcome(kafka: Kafka) -> dict[str, object]:
    return {"panes": await live.panes(kafka), "alerts": await live.alerts(kafka), "counts": await live.counts(kafka)}


async def disturbed(
    config: Path, kafka: Kafka, broker: Broker, calls: list[bytes], events: list[str], seed: int, rate: float
) -> dict[str, object]:
    chaos = Chaos(config, broker, seed)
    try:
        sending = asyncio.create_task(live.send(kafka, calls, rate=rate))
        await chaos.run(events)
        await sending
        await live.until_judged(config)
    except BaseException as error:
        for worker in chaos.workers:
            error.add_note(f"{worker.role}: {worker.said.read_text()[-3000:]}")
            error.add_note(f"{worker.role}: {worker.get('/health') if worker.alive else 'dead'}")
        error.add_note(f"after {', '.join(chaos.log)}: {error}")  # once more, where whoever reads the end sees it
        raise
    finally:
        chaos.end()
    return await outcome(kafka)


def compare(found: dict[str, object], wanted: dict[str, object]) -> None:
    """Every pane, every alert and every count is the same."""
    for what in ("panes", "alerts"):
        missing, more = wanted[what].keys() - found[what].keys(), found[what].keys() - wanted[what].keys()
        assert not missing and not more, (what, len(missing), len(more), sorted(missing)[:3], sorted(more)[:3])
        differ = [name for name in wanted[what] if found[what][name] != wanted[what][name]]
        assert not differ, (what, len(differ), differ[:3])
    assert found["counts"] == wanted["counts"]


def settings_of(folder: Path, address: str, name: str, settings: dict[str, int]) -> tuple[Path, Kafka]:
    kafka = Kafka(brokers=address, prefix=f"{name}.", group=name, client_id=name)
    return live.configured(folder, kafka, live=settings, first=1000), kafka


async def main(events: int, count: int, seed: int) -> None:
    found = home()
    if found is None:
        sys.exit(NO_BROKER)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        broker = stack.enter_context(Broker(found, folder / "kafka"))
        baselines(folder / "store")
        calls = lines(count)
        unique = uuid.uuid4().hex[:6]
        config, kafka = settings_of(folder, broker.address, f"calm{unique}", CALM)
        begun = time.monotonic()
        wanted = await undisturbed(config, kafka, calls)
        panes, alerts = len(wanted["panes"]), len(wanted["alerts"])
        print(f"undisturbed: {time.monotonic() - begun:.0f} s, {panes} panes, {alerts} alerts, {wanted['counts']}")
        config, kafka = settings_of(folder, broker.address, f"chaos{unique}", LIVE)
        begun = time.monotonic()
        happened = drawn(seed, events)
        result = await disturbed(config, kafka, broker, calls, happened, seed, rate=count / (events * 9))
        compare(result, wanted)
        print(f"{events} events in {time.monotonic() - begun:.0f} s: the same panes, alerts and counts")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=40)
    parser.add_argument("--calls", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    asyncio.run(main(given.events, given.calls, given.seed))
