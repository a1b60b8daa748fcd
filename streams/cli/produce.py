"""``driftline produce``: send call records of a file to the topic of calls."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import click
import msgspec
from rich.console import Console

from drift.errors import BrokenOffError, DriftError, SettingsError
from streams import sources
from streams.cli.common import Entry, Reader, Reading, bar, console, reading_options, say, settings_options
from streams.kafka.judged import positions
from streams.kafka.judged import until_judged as wait_until_judged
from streams.kafka.message import message
from streams.kafka.outbox import Message, Reason
from streams.kafka.producer import Producer
from streams.settings import Kafka, Settings

STOP_S = 10.0
"""What sending the calls already read may take after Ctrl-C."""
SHOWN_S = 0.2


@click.command()
@click.argument("source", metavar="FILE|-")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), metavar="N", help="Send N calls a second.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    metavar="X",
    help="Follow event_time, X times as fast as it happened.",
)
@click.option("--until-judged", is_flag=True, help="Then wait until driftline run has judged all that is in the topic.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=300.0,
    show_default=True,
    metavar="S",
    help="Give up after S seconds in which the brokers took nothing, or --until-judged was not reached.",
)
@reading_options
@settings_options()
def produce(
    source: str,
    rate: float | None,
    speed: float | None,
    until_judged: bool,
    timeout: float,
    reading: Reading,
    settings: Settings,
) -> None:
    """Send call records of a file (plain, gzip, zstd) or standard input to the topic of calls.

    Lines travel as they are, in their order, keyed by call_id, as fast as the brokers take them unless --rate or
    --speed is given; a line without call_id gets the one that watch would give it. Lines that are no call records are
    counted and told, and never sent. Times of the past are fine. The cluster is the setting kafka.

    --until-judged waits until nothing is left to do for the consumer groups of driftline run. Observers commit a call
    once its tick is published, the last ones only when their partition has been idle for live.idle_s (30 seconds), so
    this takes as long at least.

    Ctrl-C sends what was read and tells how many calls arrived.

    \b
      driftline produce calls.jsonl.gz --until-judged
      driftline produce last-week.jsonl --speed 10
      DRIFTLINE_KAFKA='{brokers: kafka-1:9092}' driftline produce - < calls.jsonl
    """
    if rate and speed:
        raise SettingsError(f"--rate {rate:g} and --speed {speed:g} are two paces: give one of them")
    out = console()
    _log_to(out)
    reader = Reader(source, reading, out)
    asyncio.run(_topic_exists(settings.kafka))
    run = _Run(settings.kafka, _Pace(rate, speed), timeout, mapped=bool(reading.field_map))
    ended = run.send(reader, out)
    say(out, *reader.summary(), style="yellow")
    say(out, run.summary(settings.kafka))
    if ended is not None:
        raise ended
    if run.refused:
        raise BrokenOffError(f"the brokers refused {run.counts.reasons['delivery_failed']:,} calls: {run.refused}")
    if until_judged:
        _wait(settings, timeout, out)


class _Pace:
    """When the next call is due."""

    def __init__(self, rate: float | None, speed: float | None) -> None:
        self._rate, self._speed = rate, speed
        self._number = 0
        self._first_ms: int | None = None
        self._started = 0.0

    def wait(self, event_time_ms: int) -> None:
        """Sleep until a call of this time is due."""
        if self._first_ms is None:
            self._first_ms, self._started = event_time_ms, time.monotonic()
        due = self._number / self._rate if self._rate else 0.0
        if self._speed:
            due = (event_time_ms - self._first_ms) / 1000 / self._speed
        self._number += 1
        if (ahead := self._started + due - time.monotonic()) > 0:
            time.sleep(ahead)


class _Run:
    """Sends the entries of one source."""

    def __init__(self, kafka: Kafka, pace: _Pace, timeout_s: float, *, mapped: bool) -> None:
        self.refused = ""
        self._kafka, self._pace, self._timeout_s, self._mapped = kafka, pace, timeout_s, mapped
        self._producer = Producer(kafka, on_drop=self._dropped)
        self.counts = self._producer.counts
        self._started = self._ended = time.monotonic()

    def send(self, reader: Reader, out: Console) -> BaseException | None:
        """Send all that can be read; what ended it early, if anything did."""
        ended: BaseException | None = None
        try:
            with bar(out, sources.size(reader.path)) as step:
                self._send(reader, step)
        except (DriftError, KeyboardInterrupt) as error:
            ended = error
        lost = isinstance(ended, BrokenOffError) and self._producer.trouble
        self._producer.close(0.0 if lost else STOP_S)
        self.counts, self._ended = self._producer.counts, time.monotonic()
        return ended

    def summary(self, kafka: Kafka) -> str:
        """What arrived, in a sentence."""
        seconds = max(self._ended - self._started, 1e-6)
        sent = self.counts.sent
        text = f"{sent:,} calls sent to {kafka.topic('calls')} at {kafka.brokers} in {seconds:,.1f} s"
        text += f" ({sent / seconds:,.0f} a second)" if sent else ""
        left = self.counts.reasons["closed"]
        return text + (f"; {left:,} more were read and may not have arrived" if left else "")

    def _send(self, reader: Reader, step: Callable[[str, float], None]) -> None:
        consumed, shown = 0.0, 0.0

        def read(done: float) -> None:
            nonlocal consumed
            consumed = done

        for entry in reader.entries(read):
            self._pace.wait(entry.record.event_time)
            if not self._producer.put(_message(entry, self._mapped), self._timeout_s):
                raise self._stuck()
            if time.monotonic() - shown > SHOWN_S:
                shown = time.monotonic()
                step(self._rate(), consumed)
        sent = -1
        while not self._producer.flush(self._timeout_s):
            if sent == (sent := self._producer.counts.sent):
                raise self._stuck()

    def _rate(self) -> str:
        sent = self._producer.counts.sent
        return f"{sent:,} calls sent, {sent / max(time.monotonic() - self._started, 1e-6):,.0f} a second"

    def _stuck(self) -> BrokenOffError:
        why = self._producer.trouble or "no answer"
        return BrokenOffError(f"Kafka at {self._kafka.brokers} took nothing for {self._timeout_s:g} s: {why}")

    def _dropped(self, reason: Reason, detail: str) -> None:
        if reason == "delivery_failed":
            self.refused = self.refused or detail


def _message(entry: Entry, mapped: bool) -> Message:
    """A line as it came; with the call_id that it lacked at its end, where it counts; its record where fields moved."""
    line, record = entry
    if mapped:
        made = message(record, record.event_time)
        assert isinstance(made, Message), made  # it was read from a call record
        return made
    value = line.data
    if record.call_id.startswith(f"line-{line.number}-"):
        value = value.rstrip()[:-1] + b', "call_id": ' + msgspec.json.encode(record.call_id) + b"}"
    return Message(record.call_id.encode(), value)


async def _topic_exists(kafka: Kafka) -> None:
    async with positions(kafka) as look:
        await look.ends(kafka.topic("calls"))


def _wait(settings: Settings, timeout_s: float, out: Console) -> None:
    """Wait until the service has judged all, with a bar for what each of its stages has left."""
    started, most = time.monotonic(), 0
    with bar(out, 1.0) as step:

        def progress(what: str, left: int) -> None:
            nonlocal most
            most = max(most, left)
            step(f"{what}: {left:,} records left", 1 - left / most)

        asyncio.run(wait_until_judged(settings.kafka, timeout_s, progress, settle_s=settings.live.idle_s / 2))
    say(out, f"judged, {time.monotonic() - started:,.1f} s later")


class _Telling(logging.Handler):
    """Says what clients of Kafka have to say."""

    def __init__(self, out: Console) -> None:
        super().__init__()
        self._out = out

    def emit(self, record: logging.LogRecord) -> None:
        say(self._out, record.getMessage(), style="yellow")


def _log_to(out: Console) -> None:
    """Sentences of this project to the console; aiokafka's own say the same again, many times."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    mine = logging.getLogger("streams.kafka")
    mine.handlers, mine.propagate = [_Telling(out)], False
