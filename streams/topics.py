"""What every topic should be, and how what is there differs: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from drift.errors import SettingsError
from streams.cluster import ROLES, Kafka, Role, Topic, duration_ms

COPIES = 3
"""Copies of a partition where the settings name no number and there are brokers enough."""

LARGE = 16 * 2**20
"""Bytes of a pane or of the judge's state of a segment, at most."""

USUAL: Mapping[Role, Topic] = {
    "calls": Topic(partitions=6, retention="7d"),
    "panes": Topic(partitions=6, retention="90d", message_bytes=LARGE),
    "state": Topic(message_bytes=LARGE),
    "alerts": Topic(partitions=1, retention="90d"),
    "baselines": Topic(partitions=1),
    "deadletter": Topic(partitions=1, retention="7d", retention_bytes=2**30, message_bytes=2 * 2**20),
}
"""Topics as Driftline makes them; a dead letter holds a whole call of the largest size that brokers usually take."""

COMPACTED = ("state", "baselines")
GROWING = ("calls",)
"""Topics that may get more partitions; why the others may not is said by ``_STUCK``."""

_KEPT_SMALL = {"segment.bytes": str(64 * 2**20), "segment.ms": "600000", "min.cleanable.dirty.ratio": "0.1"}
"""Of the state: a judge that starts reads the whole topic, so it is compacted soon."""

_KEYED = "records of one segment would lie in two partitions, and what the judge knows of it with one of two workers"
_STUCK: Mapping[Role, str] = {
    "panes": _KEYED,
    "state": _KEYED,
    "alerts": "alerts would lose their order",
    "baselines": "moves of tags would lose their order",
    "deadletter": "one is enough",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A topic as the settings want it; ``copies`` 0 leaves their number to the cluster's size."""

    role: Role
    name: str
    partitions: int
    copies: int
    config: Mapping[str, str]

    def copies_of(self, brokers: int) -> int:
        """Copies of each partition among that many brokers."""
        return self.copies or min(COPIES, brokers)


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as it is: ``config`` has the value in force of each setting, ``own`` those that the topic itself sets."""

    name: str
    partitions: int
    copies: int
    config: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which a topic is not as wanted, and what mends it; ``alter``: whether `--alter` does."""

    role: Role
    name: str
    what: str
    found: str
    wanted: str
    remedy: str
    alter: bool

    def __str__(self) -> str:
        found, wanted = spoken(self.what, self.found), spoken(self.what, self.wanted)
        return f"{self.name}: {self.what} is {found}, wanted {wanted}: {self.remedy}"


def wanted(kafka: Kafka) -> list[Wanted]:
    """Every topic that Driftline uses, as the settings want it."""
    panes = _given(kafka, "panes").partitions or 1
    found = []
    for role in ROLES:
        one = _given(kafka, role)
        config = {"cleanup.policy": "compact" if role in COMPACTED else "delete"}
        if one.retention is not None:
            config["retention.ms"] = str(duration_ms(one.retention))
        if one.retention_bytes is not None:
            config["retention.bytes"] = str(one.retention_bytes or -1)
        if one.message_bytes is not None:
            config["max.message.bytes"] = str(one.message_bytes)
        config |= _KEPT_SMALL if role == "state" else {}
        found.append(Wanted(role, kafka.topic(role), one.partitions or panes, kafka.replication, config))
    return found


def fitted(topics: Sequence[Wanted], found: Mapping[str, Found]) -> list[Wanted]:
    """The same, the state with as many partitions as the panes have that are there."""
    panes = next((found[one.name] for one in topics if one.role == "panes" and one.name in found), None)
    return [replace(one, partitions=panes.partitions) if panes and one.role == "state" else one for one in topics]


def _given(kafka: Kafka, role: Role) -> Topic:
    """The usual topic with what the settings say over it."""
    usual, given = USUAL[role], kafka.topics.get(role, Topic())
    said = {name: value for name in Topic.__struct_fields__ if (value := getattr(given, name)) is not None}
    return Topic(**{name: getattr(usual, name) for name in Topic.__struct_fields__} | said)


def differences(want: Wanted, found: Found) -> Iterator[Difference]:
    """In which respects a topic is not as wanted, what nobody may mend first."""

    def one(what: str, was: str, should: str, remedy: str, alter: bool = False) -> Difference:
        return Difference(want.role, want.name, what, was, should, remedy, alter)

    setting = f"kafka.topics.{want.role}"
    if found.partitions != want.partitions:
        number = (str(found.partitions), str(want.partitions))
        yield one(
            "partitions", *number, _repartition(want, found), want.role in GROWING and int(number[0]) < want.partitions
        )
    if want.copies and found.copies != want.copies:
        remedy = f"move them by kafka-reassign-partitions, or set kafka.replication to {found.copies}"
        yield one("replication", str(found.copies), str(want.copies), remedy)
    for name, value in want.config.items():
        was = found.config.get(name, "")
        if not _serves(name, was, value):
            other = f", or set {setting}.{_SETTINGS[name]} to what it is" if name in _SETTINGS else ""
            yield one(name, was, value, f"--alter sets it{other}", alter=True)


def _repartition(want: Wanted, found: Found) -> str:
    if want.role == "state":
        return "it must have as many as panes: stop every judge, remove this topic, and create it again"
    other = f"set kafka.topics.{want.role}.partitions to {found.partitions}"
    if found.partitions > want.partitions:
        return f"partitions cannot be taken away; {other}"
    return (
        f"--alter adds them, or {other}"
        if want.role in GROWING
        else f"none are added, for {_STUCK[want.role]}; {other}"
    )


def spoken(name: str, value: str) -> str:
    """The value of a topic's setting as the settings file would have it."""
    if not value.lstrip("-").isdigit():
        return value or "not known"
    number = int(value)
    if name in ("retention.ms", "segment.ms"):
        return "forever" if number < 0 else duration(number)
    if name in ("retention.bytes", "max.message.bytes", "segment.bytes"):
        return "without bound" if number < 0 else f"{number:,} bytes"
    return value


def duration(ms: int) -> str:
    """Milliseconds as ``7d``, in the largest unit that is exact."""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if ms % size == 0:
            return f"{ms // size}{unit}"
    return f"{ms} ms"


_SETTINGS = {"retention.ms": "retention", "retention.bytes": "retention_bytes", "max.message.bytes": "message_bytes"}


def _serves(name: str, was: str, value: str) -> bool:
    if name == "max.message.bytes":
        return int(was) >= int(value)
    if name == "min.cleanable.dirty.ratio":
        return float(was) == float(value)
    return was == value


def require_copies(topics: list[Wanted], brokers: int) -> None:
    """See that there are brokers enough for the copies that are wanted.

    Raises
    ------
    SettingsError
        There are fewer.
    """
    most = max((one.copies for one in topics), default=0)
    if most > brokers:
        raise SettingsError(
            f"kafka.replication is {most} but the cluster has {brokers} broker{'s' * (brokers != 1)}: set it to "
            f"{brokers} or less, or to 0 for as many as there are, at most {COPIES}"
        )
