"""``driftline lens``: make and look at lenses."""

from __future__ import annotations

import click

from drift import lens as lenses
from drift.errors import SourceError
from drift.soundness import LEAST
from streams.building import in_order
from streams.cli.card import lens_card, lens_facts, table
from streams.cli.common import Reading, bar, console, emit, open_meter, read, reading_options, say, settings_options
from streams.cli.stored import as_json, save
from streams.settings import Settings
from streams.store import Store


@click.group()
def lens() -> None:
    """Make and look at lenses: the frozen way of turning calls into numbers.

    \b
      driftline lens fit calls.jsonl
    """


@lens.command()
@click.argument("source", metavar="FILE|-|kafka:[TOPIC]")
@click.option("-o", "--output", metavar="FILE", help="Write the lens to this file as well.")
@as_json
@reading_options
@settings_options("store", "embedder")
def fit(source: str, output: str | None, as_json: bool, reading: Reading, settings: Settings) -> None:
    """Make a lens of all calls of a source and store it.

    Baselines built through one lens can be compared call by call; without one each baseline gets its own.

    \b
      driftline lens fit calls.jsonl
      driftline lens fit kafka:
      driftline baseline build calls.jsonl --lens 5c6b1a15
    """
    out = console()
    store = Store(settings.store)
    records = in_order(read(source, reading, out))
    asked = sum(bool(record.input) for record in records)
    if asked < LEAST:
        raise SourceError(
            f"a lens needs at least {LEAST} calls with an input, got {asked}: "
            "give more calls, or build with --lens default"
        )
    meter = open_meter(settings)
    with bar(out, len(records)) as step:
        made = meter.fit_lens(records, progress=lambda done: step("embedding", done))
    if output:
        save(output, lenses.encode(made))
    store.put_lens(made)
    say(out, *lens_card(made), f"next: driftline baseline build FILE --lens {made.id}")
    if as_json:
        emit(lens_facts(made))


@lens.command("list")
@as_json
@settings_options("store")
def list_lenses(as_json: bool, settings: Settings) -> None:
    """List stored lenses.

    \b
      driftline lens list
    """
    found = Store(settings.store).lenses()
    if as_json:
        for one in found:
            emit({"lens": one.id, "embedder": one.embedder, "topics": one.topics})
        return
    rows = [(one.id, str(one.topics), one.embedder) for one in found]
    say(console(), *table([("lens", "topics", "embedder"), *rows]))


@lens.command()
@click.argument("name")
@as_json
@settings_options("store")
def show(name: str, as_json: bool, settings: Settings) -> None:
    """Show a lens: embedder, topics, radii. NAME is an id, its first six or more digits, or a file.

    \b
      driftline lens show c6b1a153
    """
    found = Store(settings.store).lens(name)
    say(console(), *lens_card(found))
    if as_json:
        emit(lens_facts(found))
