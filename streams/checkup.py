"""Whether everything that the service needs is there: settings, cluster, topics, store, embedder."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec
import numpy as np

from drift.errors import ClusterError, DriftError, SettingsError
from streams.folder import Folder
from streams.kafka.lag import Lag, lags
from streams.kafka.topics import Cluster, administering
from streams.measure import Meter
from streams.settings import Kafka, Settings
from streams.topics import Difference, Wanted, differences, fitted, require_copies, wanted

State = Literal["ok", "note", "wrong", "unreachable"]


class Check(msgspec.Struct, frozen=True):
    """What was found: ``note`` is worth knowing and stops nothing, ``unreachable`` could not be looked at."""

    what: str
    state: State
    said: str


def of_settings(settings: Settings) -> Iterator[Check]:
    """Settings that can be used, and are seldom meant."""
    kafka = settings.kafka
    if kafka.authenticated and not kafka.encrypted:
        said = f"kafka.security {kafka.security} sends all unencrypted, with PLAIN the password too: use SASL_SSL"
        yield Check("settings", "note", said)
    if kafka.encrypted and not kafka.check_hostname:
        said = "kafka.check_hostname is false: any host with a certificate of the same signer may pose as a broker"
        yield Check("settings", "note", said)
    if kafka.token_url.startswith("http://"):
        yield Check("settings", "note", "kafka.token_url begins with http://: the client's secret travels unencrypted")
    yield Check("settings", "ok", "settings can be used")


def of_cluster(kafka: Kafka) -> Iterator[Check]:
    """Whether the brokers answer, topics are as the service needs them, and who is at work."""
    try:
        cluster, groups = asyncio.run(_look(kafka))
        require_copies(wanted(kafka), cluster.brokers)
    except ClusterError as error:
        yield Check("cluster", "unreachable", str(error))
    except SettingsError as error:
        yield Check("cluster", "wrong", str(error))
    else:
        who = f" as {kafka.username!r}" if kafka.authenticated and kafka.username else ""
        how = f"{kafka.security}{f' {kafka.mechanism}' if kafka.authenticated else ''}{who}"
        plural = "s" * (cluster.brokers != 1)
        yield Check("cluster", "ok", f"{cluster.brokers} broker{plural} at {kafka.brokers}, {how}")
        yield from _of_topics(fitted(wanted(kafka), cluster.topics), cluster)
        yield from map(_of_group, groups)


async def _look(kafka: Kafka) -> tuple[Cluster, list[Lag]]:
    async with administering(kafka) as admin:
        cluster = await admin.look([one.name for one in wanted(kafka)])
    return cluster, await lags(kafka)


def _of_topics(plan: Sequence[Wanted], cluster: Cluster) -> Iterator[Check]:
    missing = [one.name for one in plan if one.name not in cluster.topics]
    if missing:
        yield Check("topics", "wrong", f"missing: {', '.join(missing)}: run 'driftline topics create'")
    differ = [it for one in plan if one.name in cluster.topics for it in differences(one, cluster.topics[one.name])]
    for one in differ:
        yield Check("topics", "wrong" if _stops(one) else "note", str(one).replace("--alter", "topics create --alter"))
    if not missing and not differ:
        yield Check("topics", "ok", f"all {len(plan)} topics are there, as wanted")


def _stops(one: Difference) -> bool:
    """Whether the service could not do its work: state of another partition, history lost, panes refused."""
    return one.what in ("cleanup.policy", "max.message.bytes") or (one.role, one.what) == ("state", "partitions")


def _of_group(one: Lag) -> Check:
    many = len(one.hosts)
    behind = "has committed nothing yet" if one.idle else f"{one.total:,} records of {one.topic} behind"
    return Check("workers", "ok", f"{one.group}: {many} member{'s' * (many != 1)}, {behind}")


def of_store(address: str, clustered: bool) -> Iterator[Check]:
    """Whether the store can be written, and seen by every worker."""
    try:
        folder = Folder(address)
        folder.try_out()
    except DriftError as error:
        yield Check("store", "unreachable", f"store: {error}")
        return
    if clustered and not folder.shared:
        yield Check(
            "store",
            "note",
            f"store {address} is a folder of this machine: with more than one worker it must be shared, such as "
            "s3://BUCKET/driftline, or a network folder that every worker has there",
        )
    yield Check("store", "ok", f"store {address} can be written and read")


def of_embedder(meter: Meter) -> Check:
    """Whether texts become vectors."""
    embedder = meter.embedder
    found = embedder.embed(["Where is my parcel?"])
    if not np.isfinite(found).all():
        return Check("embedder", "wrong", f"embedder {embedder.identity} gives numbers that are not finite")
    return Check("embedder", "ok", f"embedder {embedder.identity}, {found.shape[1]} dimensions")
