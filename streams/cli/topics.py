"""``driftline topics``: make the topics of the service, and look at them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click
import msgspec

from drift.errors import SettingsError
from streams.cli.card import table
from streams.cli.common import console, emit, quiet, say, settings_options
from streams.cli.stored import as_json
from streams.kafka.lag import Lag, lags
from streams.kafka.topics import Cluster, administering
from streams.settings import Kafka, Settings
from streams.topics import Difference, Found, Wanted, differences, fitted, require_copies, spoken, wanted


@click.group()
def topics() -> None:
    """Make the topics of the service, and look at them.

    \b
      driftline topics create --brokers kafka-1:9092
      driftline topics show
    """


@topics.command()
@click.option("--alter", is_flag=True, help="Set what differs on topics that exist; add partitions to calls.")
@as_json
@settings_options("kafka_brokers")
def create(alter: bool, as_json: bool, settings: Settings) -> None:
    """Create the topics that are missing; topics that exist are left as they are.

    Where one differs from what the settings want, each difference is told with what to do, and the exit status is 2:
    nothing is changed without --alter, which sets retention, compaction and sizes and adds partitions to that of
    calls. Partitions are never taken away, and never added to panes and state: records of one segment
    would lie in two partitions, and what is known of it with one of two workers. Run it as often as you like.

    \b
      driftline topics create --brokers kafka-1:9092,kafka-2:9092
      DRIFTLINE_KAFKA_TOPICS='{calls: {partitions: 24, retention: 3d}}' driftline topics create --alter
    """
    quiet()
    made, changed, left = asyncio.run(_create(settings.kafka, alter))
    out = console()
    say(out, *(f"created {one.name}: {_summary(one)}" for one in made))
    say(out, *(f"set {one.name}: {one.what} {spoken(one.what, one.wanted)}" for one in changed))
    say(out, *(f"{one}" for one in left), style="yellow")
    if as_json:
        emit({"created": [one.name for one in made], "changed": changed, "differs": left})
    if left:
        sys.exit(2)
    if not made and not changed:
        say(out, f"all {len(wanted(settings.kafka))} topics are there, as wanted")


async def _create(kafka: Kafka, alter: bool) -> tuple[list[Wanted], list[Difference], list[Difference]]:
    """What was created, what was changed, and what still differs."""
    plan = wanted(kafka)
    async with administering(kafka) as admin:
        cluster = await admin.look([one.name for one in plan])
        require_copies(plan, cluster.brokers)
        plan = fitted(plan, cluster.topics)
        differ = _differences(plan, cluster)
        if stuck := [one for one in differ if not one.alter]:
            raise SettingsError("nothing was changed: " + "; ".join(map(str, stuck)))
        missing = [one for one in plan if one.name not in cluster.topics]
        await admin.create(missing, cluster.brokers)
        if not alter:
            return missing, [], differ
        for name, found in cluster.topics.items():
            await admin.alter(found, [one for one in differ if one.name == name])
        return missing, differ, []


@topics.command()
@as_json
@settings_options("kafka_brokers")
def show(as_json: bool, settings: Settings) -> None:
    """Show what is there beside what the settings want, and how far observers and judges are behind.

    \b
      driftline topics show --brokers kafka-1:9092
    """
    quiet()
    cluster, behind = asyncio.run(_look(settings.kafka))
    plan = fitted(wanted(settings.kafka), cluster.topics)
    differ = _differences(plan, cluster)
    if as_json:
        for one in plan:
            emit(_as_value(one, cluster, [it for it in differ if it.role == one.role]))
        for group in behind:
            emit(_lag_as_value(group))
        return
    out = console()
    say(out, *table([_HEAD, *(_row(one, cluster, differ) for one in plan)]))
    say(out, "", *(str(one) for one in differ), style="yellow")
    say(out, *_missing(plan, cluster), style="yellow")
    say(out, *map(_lag_sentence, behind))


async def _look(kafka: Kafka) -> tuple[Cluster, list[Lag]]:
    async with administering(kafka) as admin:
        cluster = await admin.look([one.name for one in wanted(kafka)])
    return cluster, await lags(kafka)


def _differences(plan: Sequence[Wanted], cluster: Cluster) -> list[Difference]:
    return [it for one in plan if (found := cluster.topics.get(one.name)) for it in differences(one, found)]


_HEAD = ("topic", "partitions", "copies", "kept", "largest batch", "")


def _row(one: Wanted, cluster: Cluster, differ: Sequence[Difference]) -> tuple[str, ...]:
    found = cluster.topics.get(one.name)
    if found is None:
        return (one.name, str(one.partitions), str(one.copies_of(cluster.brokers)), _kept(one.config), "", "missing")
    state = "differs" if any(it.role == one.role for it in differ) else "as wanted"
    largest = spoken("max.message.bytes", found.config.get("max.message.bytes", ""))
    return (one.name, str(found.partitions), str(found.copies), _kept(found.config), largest, state)


def _kept(config: Any) -> str:
    if "compact" in config.get("cleanup.policy", ""):
        return "newest of each key"
    size = config.get("retention.bytes", "-1")
    bound = f", {spoken('retention.bytes', size)} a partition" if size != "-1" else ""
    return spoken("retention.ms", config.get("retention.ms", "")) + bound


def _summary(one: Wanted) -> str:
    return f"{one.partitions} partition{'s' * (one.partitions != 1)}, kept: {_kept(one.config)}"


def _missing(plan: Sequence[Wanted], cluster: Cluster) -> Iterator[str]:
    if missing := [one.name for one in plan if one.name not in cluster.topics]:
        yield f"missing: {', '.join(missing)}: run 'driftline topics create'"


def _lag_sentence(one: Lag) -> str:
    members = f"{len(one.hosts)} member{'s' * (len(one.hosts) != 1)}"
    if one.idle:
        return f"{one.group}: {members}, has committed nothing of {one.topic} yet; {one.total:,} records lie there"
    return f"{one.group}: {members}, {one.total:,} records of {one.topic} behind"


def _as_value(one: Wanted, cluster: Cluster, differ: Sequence[Difference]) -> dict[str, Any]:
    found = cluster.topics.get(one.name)
    return {
        "topic": one.name,
        "role": one.role,
        "state": "missing" if found is None else "differs" if differ else "as_wanted",
        "wanted": {"partitions": one.partitions, "copies": one.copies_of(cluster.brokers), "config": one.config},
        "found": _found_as_value(one, found),
        "differs": differ,
    }


def _found_as_value(one: Wanted, found: Found | None) -> dict[str, Any] | None:
    if found is None:
        return None
    config = {name: found.config.get(name) for name in one.config}
    return {"partitions": found.partitions, "copies": found.copies, "config": config}


def _lag_as_value(one: Lag) -> dict[str, Any]:
    partitions = [msgspec.to_builtins(it) | {"lag": it.lag} for it in one.partitions]
    return {
        "group": one.group,
        "topic": one.topic,
        "members": len(one.hosts),
        "lag": one.total,
        "partitions": partitions,
    }
