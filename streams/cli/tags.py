"""``driftline baseline tag`` and ``tags``: which baseline a name means, from when on, and who hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click
from rich.console import Console

from drift.errors import DriftError, SettingsError, SourceError
from streams.cli.card import moved
from streams.cli.common import console, emit, quiet, say, settings_options
from streams.cli.stored import Instant, as_json, whoami
from streams.settings import Settings
from streams.store import Move, Store, split_tag

at = click.option(
    "--at",
    type=Instant(),
    metavar="TIME",
    help="Calls from this time on are judged by it.  [default: a first baseline all calls, a later one those from five "
    "minutes ahead]",
)
"""Option of commands that move a tag."""


@click.command("tag")
@click.argument("name")
@click.argument("target", metavar="SEGMENT@TAG")
@click.option("--by", metavar="NAME", help="Who moves the tag.  [default: the user]")
@click.option("--why", default="", metavar="TEXT", help="Why; kept with the move.")
@click.option("--force", is_flag=True, help="Even if the baseline is of another segment.")
@at
@as_json
@settings_options("store")
def tag_command(
    name: str,
    target: str,
    by: str | None,
    why: str,
    force: bool,
    at: int | None,
    as_json: bool,
    settings: Settings,
) -> None:
    """Let SEGMENT@TAG name a stored baseline from now on. The move is recorded and can be read by 'baseline tags'.

    Where the settings name a Kafka cluster, its workers are told, and judge by the new baseline from --at on: a time of
    the calls' own clock, which should lie ahead, for what was judged stays judged. Exit status 3: the tag is moved, but
    the cluster could not be told; workers see the move when they next look into the store.

    \b
      driftline baseline tag 0f542b95 support-bot/answer@prod --why "new model went live"
      driftline baseline tag 0f542b95 support-bot/answer@prod --at 2026-01-31T14:00:00Z
    """
    store = Store(settings.store)
    segment, label = split_tag(target)
    found = store.baseline(name)
    if found.segment != segment and not force:
        raise SettingsError(
            f"baseline {found.id} is of segment {found.segment}, not {segment}: "
            f"tag {found.segment}@{label}, or say --force"
        )
    out, move = console(), store.tag(segment, label, found.id, by=by or whoami(), why=why, effective=at)
    say(out, moved(move))
    if as_json:
        emit(move)
    if not tell_workers(out, store, [move], settings):
        raise click.exceptions.Exit(3)


@click.command()
@click.argument("target", metavar="[SEGMENT@TAG]", required=False)
@as_json
@settings_options("store")
def tags(target: str | None, as_json: bool, settings: Settings) -> None:
    """List tags as they stand, or every move of one.

    \b
      driftline baseline tags
      driftline baseline tags support-bot/answer@prod
    """
    store = Store(settings.store)
    moves = store.history(*split_tag(target)) if target else store.tags()
    if target and not moves:
        known = ", ".join(f"{move.segment}@{move.tag}" for move in store.tags()) or "no tag at all"
        raise SourceError(f"{target} was never set in store {settings.store}; there is {known}")
    for move in moves:
        if as_json:
            emit(move)
        else:
            say(console(), moved(move))


def tell_workers(out: Console, store: Store, moves: Sequence[Move], settings: Settings) -> bool:
    """Announce moves that the store has, if the settings name a cluster; False where it could not be told."""
    if not (settings.kafka.brokers and moves):
        return True
    from streams.kafka.moves import announce, announced  # an import of a while, for those who have a cluster

    quiet()
    found = [announced(move, store.entry(move.baseline).lens) for move in moves]
    try:
        asyncio.run(announce(settings.kafka, found))
    except DriftError as error:
        later = "Workers will see it when they next look there"
        say(out, f"moved in store {settings.store}, but not announced: {error}. {later}", style="red")
        return False
    return True
