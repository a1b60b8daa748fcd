"""The Kafka cluster as settings name it: where it is, how clients prove who they are, what topics are called."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal, get_args

import msgspec

from drift.errors import SettingsError
from streams.secret import Secret

Role = Literal["calls", "panes", "state", "alerts", "baselines", "deadletter"]
Security = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]
Compression = Literal["zstd", "lz4", "gzip", "snappy", "none"]

ROLES: tuple[Role, ...] = get_args(Role)
NO_CLUSTER = (
    "no Kafka cluster is named: name it by --brokers HOST:PORT, DRIFTLINE_KAFKA_BROKERS or kafka.brokers in the "
    "settings file"
)
TABLE = "segments"
"""The judge's Faust table."""

_BROKER = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/@,]+):([0-9]{1,5})")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")


class Topic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a topic is to be; what is not given is as Driftline makes it.

    Attributes
    ----------
    name
        Whole name, without the prefix.
    partitions
        How many.
    retention
        How long records are kept: ``12h``, ``30d``, or ``forever``.
    retention_bytes
        How many bytes of each partition are kept at most; 0 sets no bound.
    message_bytes
        The largest batch of records that the topic takes.
    """

    name: str = ""
    partitions: Annotated[int, msgspec.Meta(ge=1, le=100_000)] | None = None
    retention: str | None = None
    retention_bytes: Annotated[int, msgspec.Meta(ge=0)] | None = None
    message_bytes: Annotated[int, msgspec.Meta(ge=1024, le=2**31 - 1)] | None = None


class Kafka(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The cluster, and how topics, clients and consumer groups are named in it.

    Attributes
    ----------
    brokers
        Addresses to start from, ``host:port``, separated by commas; empty: there is no cluster.
    client_id
        Begins the id that clients tell the brokers.
    group
        Begins the names of the consumer groups: ``GROUP-observe`` and ``GROUP-judge``.
    prefix
        Begins the names of topics.
    topics
        What single topics are to be: see ``Topic``.
    replication
        Copies of each partition; 0: three, or as many as there are brokers if those are fewer.
    compression
        Of what Driftline produces.
    security
        Protocol of the brokers' listener.
    mechanism
        How a client proves who it is, where ``security`` begins with SASL.
    username, password, password_file
        For PLAIN and SCRAM; with ``token_url`` the id and the secret of the OAuth client. The file is read when a
        client is made.
    token_file
        For OAUTHBEARER: a file that holds the token, read anew whenever a token is wanted.
    token_url, token_scope
        For OAUTHBEARER instead: where OAuth2 client credentials are changed for a token, and the scope to ask for.
    ca_file
        Certificates (PEM) that sign the brokers', instead of those that the system trusts.
    certificate_file, key_file, key_password, key_password_file
        The client's own certificate and key (PEM), where brokers ask for them.
    check_hostname
        Whether the brokers' certificates must name the host that was connected to.
    """

    brokers: str = ""
    client_id: Annotated[str, msgspec.Meta(min_length=1)] = "driftline"
    group: Annotated[str, msgspec.Meta(min_length=1)] = "driftline"
    prefix: str = "driftline."
    topics: dict[Role, Topic] = {}
    replication: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    compression: Compression = "lz4"
    security: Security = "PLAINTEXT"
    mechanism: Mechanism = "PLAIN"
    username: str = ""
    password: Secret = Secret()
    password_file: str = ""
    token_file: str = ""
    token_url: str = ""
    token_scope: str = ""
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    key_password: Secret = Secret()
    key_password_file: str = ""
    check_hostname: bool = True

    def topic(self, role: Role) -> str:
        """Whole name of the topic that has this role.

        That of ``state`` is given by Faust, which keeps there what the judge knows.
        """
        if role == "state":
            return f"{self.consumers('judge')}-{TABLE}-changelog"
        given = self.topics.get(role)
        return given.name if given and given.name else f"{self.prefix}{role}"

    def consumers(self, stage: Literal["observe", "judge"]) -> str:
        """Name of the consumer group of a stage."""
        return f"{self.group}-{stage}"

    @property
    def codec(self) -> str | None:
        """Compression as aiokafka names it."""
        return None if self.compression == "none" else self.compression

    @property
    def encrypted(self) -> bool:
        """Whether clients speak TLS."""
        return self.security.endswith("SSL")

    @property
    def authenticated(self) -> bool:
        """Whether clients prove who they are by SASL."""
        return self.security.startswith("SASL")

    def addresses(self) -> list[tuple[str, int]]:
        """Hosts and ports to start from.

        Raises
        ------
        SettingsError
            No cluster is named, or not by ``host:port``.
        """
        if not self.brokers.strip(" ,"):
            raise SettingsError(NO_CLUSTER)
        found = []
        for part in filter(None, (part.strip() for part in self.brokers.split(","))):
            fits = _BROKER.fullmatch(part)
            if fits is None or not 0 < int(fits[2]) < 65536:
                raise SettingsError(f"kafka.brokers must be HOST:PORT, more of them by commas, got {self.brokers!r}")
            found.append((fits[1].strip("[]"), int(fits[2])))
        return found


def check(kafka: Kafka) -> None:
    """See that the settings of a cluster fit each other.

    Raises
    ------
    SettingsError
        They do not; the first misfit is told, with what to do.
    """
    if kafka.brokers:
        kafka.addresses()
    for wrong in (*_credentials(kafka), *_certificates(kafka), *_names(kafka)):
        raise SettingsError(f"kafka.{wrong}")


def _credentials(kafka: Kafka) -> Iterator[str]:
    given = [name for name in ("username", "password", "password_file", "token_file", "token_url") if _has(kafka, name)]
    if given and not kafka.authenticated:
        yield f"{given[0]} is given but kafka.security is {kafka.security}: set security to SASL_SSL, or drop it"
    if kafka.password and kafka.password_file:
        yield "password and kafka.password_file are both given: give one of them"
    if not kafka.authenticated:
        return
    secret = bool(kafka.password or kafka.password_file)
    if kafka.mechanism != "OAUTHBEARER":
        if not (kafka.username and secret):
            missing = "password or kafka.password_file" if kafka.username else "username"
            yield f"{missing} is wanted with security {kafka.security} and mechanism {kafka.mechanism}"
        if kafka.token_file or kafka.token_url:
            yield f"token_file and token_url are for mechanism OAUTHBEARER, got mechanism {kafka.mechanism}"
    elif bool(kafka.token_file) == bool(kafka.token_url):
        yield "token_file or kafka.token_url is wanted with mechanism OAUTHBEARER: give one of them"
    elif kafka.token_url and not (kafka.username and secret):
        yield "username and kafka.password are wanted with kafka.token_url: the id and the secret of the OAuth client"
    elif kafka.token_url and not kafka.token_url.startswith(("https://", "http://")):
        yield f"token_url must begin with https://, got {kafka.token_url!r}"


def _certificates(kafka: Kafka) -> Iterator[str]:
    given = [name for name in ("ca_file", "certificate_file", "key_file") if _has(kafka, name)]
    if given and not kafka.encrypted:
        wanted = "SASL_SSL" if kafka.authenticated else "SSL"
        yield f"{given[0]} is given but kafka.security is {kafka.security}: set security to {wanted}, or drop it"
    if kafka.key_file and not kafka.certificate_file:
        yield "key_file is given without kafka.certificate_file: a key proves nothing without its certificate"
    if (kafka.key_password or kafka.key_password_file) and not kafka.certificate_file:
        yield "key_password is given without kafka.certificate_file: there is no key to open"
    if kafka.key_password and kafka.key_password_file:
        yield "key_password and kafka.key_password_file are both given: give one of them"


def _names(kafka: Kafka) -> Iterator[str]:
    if kafka.topics.get("state", Topic()).name:
        yield f"topics.state.name follows from kafka.group: it is {kafka.topic('state')}, drop it"
    if kafka.topics.get("state", Topic()).partitions:
        yield "topics.state.partitions are as many as those of panes: drop it, or set kafka.topics.panes.partitions"
    for role in ("state", "baselines"):
        one = kafka.topics.get(role, Topic())
        if one.retention is not None or one.retention_bytes is not None:
            yield f"topics.{role}.retention has no meaning: the topic is compacted, its newest records stay; drop it"
    names = [kafka.topic(role) for role in ROLES]
    for name in names:
        if not _TOPIC.fullmatch(name):
            yield f"prefix or topics make the name {name!r}: topics are named by 1 to 249 of A-Z a-z 0-9 . _ -"
        if names.count(name) > 1:
            yield f"topics: {name} is named twice; every topic needs a name of its own"
    for role, one in kafka.topics.items():
        if one.retention is not None and duration_ms(one.retention) is None:
            yield f"topics.{role}.retention must be like '7d', '12h' or 'forever', got {one.retention!r}"


def _has(kafka: Kafka, name: str) -> bool:
    return bool(getattr(kafka, name))


def duration_ms(text: str) -> int | None:
    """Milliseconds of ``30s``, ``5m``, ``12h``, ``7d``, ``2w``; -1, as Kafka has it, of ``forever``; None of others."""
    if text.strip() == "forever":
        return -1
    found = re.fullmatch(r"\s*(\d{1,9})\s*([smhdw])\s*", text)
    if not found or int(found[1]) == 0:
        return None
    return int(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}[found[2]] * 1000
