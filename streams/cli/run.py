"""``driftline run``: the live service on Kafka."""

from __future__ import annotations

import asyncio

import click

from drift.errors import SettingsError
from streams.cli.common import open_meter, settings_options
from streams.folder import Folder
from streams.logs import to_standard_error
from streams.settings import Settings
from streams.verdict_rows import require

LIVE = (
    "kafka_brokers",
    "store",
    "embedder",
    "one_false_alarm_every",
    "tick_s",
    "lateness_s",
    "first",
    "scores",
    "texts",
)


@click.command()
@click.option(
    "--role",
    type=click.Choice(["observe", "judge", "all"]),
    default="all",
    show_default=True,
    help="observe: calls to panes, where the work is; judge: panes to alerts; all: both in one process.",
)
@click.option(
    "--verdicts",
    "rows_file",
    metavar="FILE",
    help="Keep verdict files for 'driftline report', one for each partition that is judged here and each day: "
    "verdicts.jsonl.zst gives verdicts-2026-01-31-p3-EPOCH.jsonl.zst.",
)
@settings_options(*LIVE)
def run(role: str, rows_file: str | None, settings: Settings) -> None:
    """Run one worker of the live service: calls of a Kafka topic to alerts in another.

    Any number of workers may run: they share the partitions of the topics, and whatever dies, the others go on and say
    what it would have said. A segment is judged by the baseline that SEGMENT@prod names (live.tag); one without takes
    its first calls, seen through the default lens; scores are judged where they are named, or by a baseline that
    knows them. Make the topics first, by 'driftline topics create'.

    SIGTERM and Ctrl-C finish what was read and hand the partitions over. The web server (live.listen) answers /live,
    /ready and /health.

    \b
      driftline run
      driftline run --role observe --embedder sentence-transformers:all-MiniLM-L6-v2
      DRIFTLINE_KAFKA_BROKERS=kafka-1:9092,kafka-2:9092 driftline run --config driftline.yaml

    Exit status: 0 told to stop, 2 wrong settings, a topic or baseline missing, 3 failed while running.
    """
    from streams.kafka.service import Service  # slow: it brings Faust

    require(rows_file)
    if rows_file and role == "observe":
        raise SettingsError("--verdicts is of judging: an observer has none to keep")
    to_standard_error()
    Folder(settings.store).try_out()  # else it would fail with its first baseline only, hours later
    meter = open_meter(settings)

    async def serve() -> None:
        await Service(settings, meter, role, rows_file).run()  # type: ignore[arg-type]  # click has checked the choice

    asyncio.run(serve())
