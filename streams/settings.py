"""Settings: one YAML file, environment variables over it, flags over both; frozen, read once, at start."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from drift.budget import IMPORTANCE, Budget, parse
from drift.errors import SettingsError
from drift.fleet import Fleet
from drift.state import CLEAR_AFTER, TOLERANCES
from streams import layers
from streams.alerting import Alerting
from streams.alerting import check as check_alerting
from streams.cluster import Kafka as Kafka
from streams.cluster import check as check_kafka
from streams.embedded import FIRST, SEGMENTS, Options
from streams.layers import PREFIX as PREFIX
from streams.observe import LATENESS_MS, TICK_MS, Clock
from streams.redact import Privacy
from streams.scores import check as check_scores
from streams.secret import Secret, decoded, opened
from streams.slices import check as check_slices

TOKEN_CHARACTERS = 16
_TOKEN = re.compile(rf"[A-Za-z0-9._~+/=-]{{{TOKEN_CHARACTERS},}}")
LONGEST_TICK_S = 3600.0
LONGEST_LATENESS_S = 30 * 86_400.0


class Prompts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Prompt versions that may be used, by prompt name or by segment; those that are not named may use any."""

    allowed: dict[str, list[str]] = {}


class Sharing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A budget of all segments together: see ``Fleet``; ``segments`` 0 stands for the setting of that name."""

    one_false_alarm_every: str
    segments: Annotated[int, msgspec.Meta(ge=0)] = 0
    weights: dict[str, float] = {}


class Live(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the service runs.

    Attributes
    ----------
    tag
        A segment is judged by the baseline that ``SEGMENT@TAG`` names.
    idle_s
        Seconds without a call after which a partition that was read to its end no longer holds up the others.
    save_s
        Seconds between two savings of what the judge knows; panes since then are read again after a crash.
    drain_s
        Seconds that stopping may take.
    session_s
        Seconds without a sign of life after which a worker's partitions go to another one.
    batch
        Calls that are measured at once, at most.
    queue
        Batches that may wait to be measured; reading pauses when there are as many.
    listen
        Where the web server listens, ``host:port``.
    apps
        Apps with metrics of their own; those of all others are told together, as the app ``other``.
    detailed_segments
        Segments whose metrics a worker tells kind by kind; with more of them only of those where something stirs.
    token, token_file
        Whoever knows it may acknowledge alarms over HTTP, nobody where there is none; the file is read when a worker
        starts.
    """

    tag: Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern="^[^@]+$")] = "prod"
    idle_s: Annotated[float, msgspec.Meta(ge=0.5)] = 30.0
    save_s: Annotated[float, msgspec.Meta(ge=0.1)] = 30.0
    drain_s: Annotated[float, msgspec.Meta(ge=1)] = 30.0
    session_s: Annotated[float, msgspec.Meta(ge=6, le=300)] = 10.0
    batch: Annotated[int, msgspec.Meta(ge=1)] = 2000
    queue: Annotated[int, msgspec.Meta(ge=1)] = 4
    listen: str = "127.0.0.1:6066"
    apps: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 200
    detailed_segments: Annotated[int, msgspec.Meta(ge=0)] = 500
    token: Secret = Secret()
    token_file: str = ""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How Driftline watches.

    Attributes
    ----------
    one_false_alarm_every
        The false-alarm budget of a segment, all its detectors together: ``30d`` or ``200000 calls``.
    store
        Folder or fsspec address where baselines and lenses live.
    embedder
        ``wordllama`` or ``sentence-transformers:<name or folder>``.
    device, batch_size, half
        Of a sentence transformer: where it runs, texts at once (halved when memory runs out), half precision on a GPU.
    tick_s, lateness_s
        Length of a tick; how far behind the newest call one may come.
    first
        Calls that become a baseline where none is given.
    segments
        Segments watched at once; the calls of others are counted only.
    clear_after
        Calls back inside tolerance after which an alarm ends.
    tolerances
        Drift of each detector that is too small to matter.
    importance
        Weights by which kinds of drift share the false alarms of a segment: ``data``, ``model``, ``output_length``,
        ``quality``, ``operational``, ``prompt``. A kind of more weight is found sooner, the others later.
    texts
        ``full``: excerpts of sampled calls travel with panes, baselines and alerts; ``redacted``: emails, keys and
        other secrets, phone numbers, cards, IBANs and IP addresses in them are replaced by marks; ``none``: no text
        leaves the process. Lines that cannot be read are another matter: ``--dead-letters`` keeps them as they came.
    salt
        Seeds the hashes of users and texts that panes and baselines hold. With 0, the default, whoever reads them can
        tell whether a user or text that they know is among them: that is no protection; a secret number is.
    prompts
        ``allowed``: versions that may be used, by prompt name or segment; calls of others are told.
    slices
        Up to three fields of calls, such as ``region`` or ``attributes.tier``, of which an alarm says whether one value
        carries the drift. A baseline keeps the fields it was built with, and the names of their eight commonest values,
        unsalted: declare ``user_id`` only where alerts may name users.
    scores
        Up to three scores of calls to judge, by name. By default the commonest that half of a baseline's calls bear.
    fleet
        The false-alarm budget of all segments together, instead: ``one_false_alarm_every``, the number of
        ``segments`` to share it (that of the setting ``segments`` if not given), and ``weights`` by segment, prompt or
        app; every other segment weighs 1. Segments that would overdraw it are counted, not judged.
    pool
        Whether segments too small for a baseline of their own are judged together, those of an app in one pool.
    kafka, live
        Of ``driftline run`` and whatever else speaks to Kafka: see ``Kafka`` and ``Live``.
    alerting
        Of the rules that ``driftline rules`` writes for Prometheus: see ``Alerting``.
    """

    one_false_alarm_every: str = "200000 calls"
    store: str = "~/.driftline"
    embedder: str = "wordllama"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    batch_size: Annotated[int, msgspec.Meta(ge=1)] = 64
    half: bool = False
    tick_s: Annotated[float, msgspec.Meta(ge=0.001, le=LONGEST_TICK_S)] = TICK_MS / 1000
    lateness_s: Annotated[float, msgspec.Meta(ge=0, le=LONGEST_LATENESS_S)] = LATENESS_MS / 1000
    first: Annotated[int, msgspec.Meta(ge=200)] = FIRST
    segments: Annotated[int, msgspec.Meta(ge=1)] = SEGMENTS
    clear_after: Annotated[int, msgspec.Meta(ge=100, le=5000)] = CLEAR_AFTER
    tolerances: dict[str, Annotated[float, msgspec.Meta(ge=0)]] = {}
    importance: dict[str, Annotated[float, msgspec.Meta(gt=0)]] = {}
    texts: Privacy = "full"
    salt: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    prompts: Prompts = Prompts()
    slices: tuple[str, ...] = ()
    scores: tuple[str, ...] = ()
    fleet: Sharing | None = None
    pool: bool = True
    kafka: Kafka = Kafka()
    live: Live = Live()
    alerting: Alerting = Alerting()

    def options(self, **given: Any) -> Options:
        """How calls of a file are judged by these settings, and by what is ``given`` beside them."""
        return Options(
            self.budget,
            clock=self.clock,
            tolerances=self.all_tolerances,
            clear_after=self.clear_after,
            segments=self.segments,
            slices=self.slices,
            scores=self.scores,
            allowed=self.prompts.allowed,
            fleet=self.shared,
            pool=self.pool,
            **given,
        )

    @property
    def budget(self) -> Budget:
        """The false-alarm budget of a segment."""
        return self._shared_by_kinds(parse(self.one_false_alarm_every))

    def _shared_by_kinds(self, budget: Budget) -> Budget:
        return replace(budget, importance={**IMPORTANCE, **self.importance})

    @property
    def shared(self) -> Fleet | None:
        """The fleet that shares a budget, None where each segment has one of its own."""
        if self.fleet is None:
            return None
        try:
            budget = parse(self.fleet.one_false_alarm_every)
        except SettingsError as error:
            raise SettingsError(f"fleet: {error}") from error
        return Fleet(self._shared_by_kinds(budget), self.fleet.segments or self.segments, self.fleet.weights)

    @property
    def clock(self) -> Clock:
        """Ticks and lateness in milliseconds."""
        return Clock(round(self.tick_s * 1000), round(self.lateness_s * 1000))

    @property
    def all_tolerances(self) -> Mapping[str, float]:
        """Tolerance of every detector."""
        return {**TOLERANCES, **self.tolerances}


TABLE_FIELDS: dict[str, Collection[str]] = dict.fromkeys(Settings.__struct_fields__, ()) | {
    "kafka": Kafka.__struct_fields__,
    "live": Live.__struct_fields__,
    "alerting": Alerting.__struct_fields__,
}
"""Every setting, and the settings in those that are tables of settings: each of those has a variable of its own."""


def load(
    file: str | None = None, flags: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """Settings of a YAML file, of the environment over it, of flags over both.

    Parameters
    ----------
    file
        Path, or None for ``DRIFTLINE_CONFIG`` if that is set.
    flags
        Values given on the command line, ``kafka_brokers`` being that of ``kafka.brokers``; None means not given.

    Raises
    ------
    SettingsError
        The file cannot be read, or a setting has an unknown name or a value that it cannot have.
    """
    return with_origins(file, flags, environment)[0]


def with_origins(
    file: str | None = None, flags: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None
) -> tuple[Settings, Mapping[str, str]]:
    """The same, and where each setting that was given comes from, by its whole name such as ``kafka.brokers``."""
    found = layers.gather(TABLE_FIELDS, file, flags, os.environ if environment is None else environment)
    return _checked(found.values), found.origins


def _checked(values: dict[str, Any]) -> Settings:
    settings = Settings(**_converted(Settings, values, ""))
    _require_agreeing(settings)
    return settings


def _require_agreeing(settings: Settings) -> None:
    """See what no type says."""
    if strange := settings.tolerances.keys() - TOLERANCES.keys():
        raise SettingsError(
            f"tolerances: unknown detector {', '.join(sorted(strange))}; known: {', '.join(TOLERANCES)}"
        )
    if strange := settings.importance.keys() - IMPORTANCE.keys():
        raise SettingsError(f"importance: unknown kind {', '.join(sorted(strange))}; known: {', '.join(IMPORTANCE)}")
    check_slices(settings.slices)
    check_scores(settings.scores)
    check_kafka(settings.kafka)
    if settings.live.token and settings.live.token_file:
        raise SettingsError("live.token and live.token_file are both given: give one of them")
    _check_token(settings.live.token.reveal(), "live.token")
    check_alerting(settings.alerting)
    settings.budget, settings.shared  # noqa: B018  # what cannot be read must fail now, not at the first verdict


def require_valid(settings: Settings) -> None:
    """See that settings that a program has made are such as could be read.

    Raises
    ------
    SettingsError
        One has a value that it cannot have.
    """
    for info in msgspec.structs.fields(Settings):
        if not TABLE_FIELDS.get(info.name):
            _one(info.name, info.type, getattr(settings, info.name))
    _require_agreeing(settings)


def web_token(live: Live) -> str:
    """The token as it was given, or as its file holds it now; empty where there is none.

    Raises
    ------
    SettingsError
        The file cannot be read, or holds what can be no token.
    """
    token = opened(live.token, live.token_file, "live.token_file")
    _check_token(token, f"live.token_file {live.token_file}")
    return token


def _check_token(token: str, name: str) -> None:
    """See that a token can be sent in a header, and is not guessed; it is not quoted."""
    if token and not _TOKEN.fullmatch(token):
        raise SettingsError(
            f"{name} must be {TOKEN_CHARACTERS} or more of A-Z a-z 0-9 - . _ ~ + / =, such as 'openssl rand -hex 32' "
            "gives"
        )


def _converted(struct: type[msgspec.Struct], values: Mapping[str, Any], under: str) -> dict[str, Any]:
    """Values as a table of settings has them, each named where it is refused."""
    types = {info.name: info.type for info in msgspec.structs.fields(struct)}
    if unknown := [str(name) for name in values if name not in types]:
        raise SettingsError(f"unknown setting {under}{f', {under}'.join(unknown)}; settings are {', '.join(types)}")
    return {name: _one(f"{under}{name}", types[name], value) for name, value in values.items()}


def _one(name: str, wanted: Any, value: Any) -> Any:
    example = f"; wanted: a table such as {layers.TABLES[name]}" if name in layers.TABLES else ""
    if TABLE_FIELDS.get(name):
        if not isinstance(value, dict):  # not quoted: it may hold a password
            raise SettingsError(f"{name} is a {type(value).__name__}{example}")
        return wanted(**_converted(wanted, value, f"{name}."))
    try:
        return msgspec.convert(value, wanted, strict=False, dec_hook=decoded)
    except SettingsError as error:
        raise SettingsError(f"{name}: {error}") from error
    except msgspec.ValidationError as error:
        choices = f"; wanted: {' or '.join(get_args(wanted))}" if get_origin(wanted) is Literal else ""
        raise SettingsError(f"{name} is {value!r}: {error}{choices}{example}") from error
