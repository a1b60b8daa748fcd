"""``driftline alerts``: alarms as the live service tells them, and how to take notice of one."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import click
import msgspec

from streams.acknowledging import acknowledgement
from streams.alert_book import STATES, AlertBook, Kept
from streams.alerting import DRIFT
from streams.cli.common import console, emit, quiet, say, settings_options
from streams.cli.stored import as_json, whoami
from streams.kafka.alerts import Alerts
from streams.kafka.moves import Moves, announce
from streams.moves import Acknowledgement
from streams.settings import Settings

SHOWN = 50


@click.group()
def alerts() -> None:
    """Look at the alarms of the live service, and acknowledge one.

    \b
      driftline alerts list
      driftline alerts ack 4f0c2a91d7e35b86 --why "new model, the team knows"
    """


@alerts.command("list")
@click.option("--app", default="", help="Of this app only.")
@click.option("--kind", type=click.Choice(sorted(DRIFT)), help="Of this kind of drift only.")
@click.option(
    "--state",
    type=click.Choice(["standing", *STATES, "all"]),
    default="standing",
    show_default=True,
    help="standing: firing or acknowledged.",
)
@click.option("--most", type=click.IntRange(min=1), default=SHOWN, show_default=True, help="The newest so many.")
@as_json
@settings_options("kafka_brokers")
def list_alerts(app: str, kind: str | None, state: str, most: int, as_json: bool, settings: Settings) -> None:
    """List alarms, the newest first: how each is, its id, and its sentence.

    With --json the records as they were published, with the state of the alarm now.

    \b
      driftline alerts list --app support-bot
      driftline alerts list --state all --json
    """
    quiet()
    book = asyncio.run(_known(settings))
    found = book.alarms(app=app, kind=kind or "", state="" if state == "all" else state)
    out = console()
    for one in found[:most]:
        if as_json:
            emit(_fields(one))
        else:
            head = one.head
            say(out, f"{one.state:12} {head.alert_id}  {head.kind}: {head.sentence}")
    if len(found) > most:
        say(out, f"and {len(found) - most:,} older ones: --most shows more")
    if not found:
        say(out, "no alarm stands" if state == "standing" else "no such alarm is known")


@alerts.command()
@click.argument("alert_id")
@click.option("--why", required=True, metavar="TEXT", help="Why nobody needs to be told of it any more; kept.")
@click.option("--by", metavar="NAME", help="Who acknowledges it.  [default: the user]")
@as_json
@settings_options("kafka_brokers")
def ack(alert_id: str, why: str, by: str | None, as_json: bool, settings: Settings) -> None:
    """Acknowledge an alarm: it stands, and notifications of it end.

    Every worker hears of it; who did it, when and why goes on record among the alerts. The alarm ends as any other,
    when its segment is back to normal or judged by another baseline, and a new one is told again.

    \b
      driftline alerts ack 4f0c2a91d7e35b86 --why "new model, baseline follows on Monday"
    """
    quiet()
    done = asyncio.run(_acknowledge(settings, alert_id, by or whoami(), why))
    say(console(), f"acknowledged {done.alert_id} of {done.segment} as {done.by}: {done.why}")
    if as_json:
        emit(done)


async def _known(settings: Settings) -> AlertBook:
    """All alarms, and which of them somebody has acknowledged."""
    moves = Moves(settings.kafka, settings.live.tag)
    told = Alerts(settings.kafka, moves.timetable, patient=False)
    for one in (told, moves):
        await one.start()
        await one.stop()
    return told.book


async def _acknowledge(settings: Settings, alert_id: str, by: str, why: str) -> Acknowledgement:
    book = await _known(settings)
    done = acknowledgement(book, alert_id, by=by, why=why, now_ms=time.time_ns() // 1_000_000)
    await announce(settings.kafka, [done])
    return done


def _fields(one: Kept) -> dict[str, Any]:
    """The earliest record that is known, with the state now."""
    record: dict[str, Any] = msgspec.json.decode(next(one.records[known] for known in STATES if known in one.records))
    return record | {"state": one.state}
