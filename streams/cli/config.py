"""``driftline config``: what is set, where it was said, and whether it works."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import click
import msgspec

from drift.errors import DriftError
from streams import checkup
from streams.checkup import Check
from streams.cli.card import table
from streams.cli.common import SETTINGS, console, emit, open_meter, quiet, say, settings_options
from streams.cli.stored import as_json
from streams.secret import HIDDEN, Secret
from streams.settings import PREFIX, TABLE_FIELDS, Settings, with_origins

STYLES = {"ok": "green", "note": "yellow", "wrong": "red", "unreachable": "red"}


@click.group()
def config() -> None:
    """What is set and where it was said, and whether it works.

    \b
      driftline config check --config driftline.yaml
      driftline config show
    """


@config.command()
@as_json
@settings_options("kafka_brokers", "store", "embedder")
def check(as_json: bool, settings: Settings) -> None:
    """Try what the service needs: the cluster, its topics, the store, the embedder.

    Each thing that was tried is told, and what to do where it does not work. Exit status: 0 if everything works, 2 if
    something is wrong that you can mend by settings or commands, 3 if something could not be reached at all.

    \b
      driftline config check --brokers kafka-1:9092 --store s3://models/driftline
      driftline config check --config driftline.yaml --json
    """
    quiet()
    out = console()
    states = set()
    for one in _checks(settings):
        states.add(one.state)
        say(out, f"{one.state:<11}  {one.said}", style=STYLES[one.state])
        if as_json:
            emit(one)
    sys.exit(3 if "unreachable" in states else 2 if "wrong" in states else 0)


def _checks(settings: Settings) -> Iterator[Check]:
    yield from checkup.of_settings(settings)
    yield from checkup.of_cluster(settings.kafka)
    yield from checkup.of_store(settings.store, bool(settings.kafka.brokers))
    try:
        yield checkup.of_embedder(open_meter(settings))
    except DriftError as error:
        yield Check("embedder", "wrong", str(error))


@config.command()
@as_json
@settings_options(*SETTINGS, "kafka_brokers")
@click.pass_context
def show(context: click.Context, as_json: bool, settings: Settings) -> None:
    """Show every setting in force and where it comes from: a file, the environment, the command line, or the default.

    Passwords and keys are shown as ***.

    \b
      driftline config show --config driftline.yaml
    """
    origins = with_origins(context.params["config"], _flags(context))[1]
    rows = [(name, _shown(value), origins.get(name, "default")) for name, value in _flat(settings)]
    if as_json:
        for name, value in _flat(settings):
            emit({"setting": name, "value": _plain(value), "from": origins.get(name, "default")})
        return
    say(console(), *table([("setting", "value", "from"), *rows]))
    say(console(), f"each has a variable, such as {PREFIX}FIRST and {PREFIX}KAFKA_BROKERS")


def _flags(context: click.Context) -> dict[str, Any]:
    return {name: value for name, value in context.params.items() if name not in ("config", "as_json") and value != ()}


def _flat(settings: Settings) -> Iterator[tuple[str, Any]]:
    """Every setting by its whole name; those of a table one by one."""
    for name, value in msgspec.structs.asdict(settings).items():
        if TABLE_FIELDS[name]:
            yield from ((f"{name}.{inner}", one) for inner, one in msgspec.structs.asdict(value).items())
        else:
            yield name, value


def _plain(value: Any) -> Any:
    """A value as JSON has it, without what is secret."""
    if isinstance(value, Secret):
        return HIDDEN if value else ""
    return msgspec.to_builtins(value)


def _shown(value: Any) -> str:
    plain = _plain(value)
    return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()
