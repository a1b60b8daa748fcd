"""What commands share: options, reading records, saying things."""

from __future__ import annotations

import functools
import logging
import shlex
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from drift.errors import SettingsError, SourceError
from streams import sources
from streams.building import in_order
from streams.cli.strange import no_call
from streams.deadletter import DeadLetters
from streams.extent import Wanted
from streams.meters import open_meter as open_meter
from streams.observe import Clock
from streams.plain_text import plain as plain
from streams.records import FIELDS, Record, Rejected, decode
from streams.settings import PREFIX, Kafka, Settings, load
from streams.sources import Line

Function = Callable[..., Any]

SETTINGS = {
    "store": ("--store", "Folder or address where baselines and lenses live."),
    "embedder": ("--embedder", "wordllama, or sentence-transformers:<name or folder>."),
    "one_false_alarm_every": ("--one-false-alarm-every", "False-alarm budget of a segment: '30d' or '200000 calls'."),
    "tick_s": ("--tick", "Seconds of event time that are summed up together."),
    "lateness_s": ("--lateness", "Seconds by which a call may come behind the newest one."),
    "first": ("--first", "Without a baseline: calls of a segment that become it."),
    "pool": ("--pool/--no-pool", "Judge segments too small for a baseline of their own together, those of an app."),
    "slices": ("--slice", "Say of this field whether one value carries a drift, such as region. Up to three."),
    "scores": ("--score", "Judge this score of the calls. Up to three; by default the commonest."),
    "texts": ("--texts", "Excerpts of sampled calls are kept: full, redacted (no emails, keys, numbers), none."),
}

CLUSTER = {"kafka_brokers": ("--brokers", "Kafka brokers to start from, HOST:PORT, more of them by commas.")}
"""Flags of settings inside a table of settings; nothing that must be secret is one."""


def settings_options(*names: str) -> Callable[[Function], Function]:
    """Options for these settings and no others; passes ``settings``."""

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def wrapped(config: str | None, **given: Any) -> Any:
            flags = {name: None if (value := given.pop(name)) == () else value for name in names}
            settings = load(config, flags)
            if "reading" in given:
                given["reading"] = replace(given["reading"], kafka=settings.kafka, clock=settings.clock)
            return function(settings=settings, **given)

        for name in reversed(names):
            flag, text = (SETTINGS | CLUSTER)[name]
            default, variable = _default(name), f"env: {PREFIX}{name.upper()}"
            if isinstance(default, tuple):
                help_text = f"{text} Repeatable.  [{variable}]"
                wrapped = click.option(flag, name, multiple=True, metavar="NAME", help=help_text)(wrapped)
                continue
            told = flag.partition("/")[0].lstrip("-") if default is True else default
            help_text = f"{text}  [{f'default: {told}; ' if told != '' else ''}{variable}]"
            wanted = {} if isinstance(default, bool) else {"type": type(default)}
            wrapped = click.option(flag, name, default=None, help=help_text, **wanted)(wrapped)
        return click.option("--config", metavar="FILE", help=f"Settings, YAML.  [env: {PREFIX}CONFIG]")(wrapped)

    return decorate


def _default(name: str) -> Any:
    """The default of a setting, or of one in a table: ``kafka_brokers`` is ``kafka.brokers``."""
    table, _, inner = name.partition("_")
    return getattr(getattr(Settings(), table), inner) if name in CLUSTER else getattr(Settings(), name)


def spelled(settings: Settings, always: Collection[str]) -> tuple[list[str], list[str]]:
    """Settings that differ from the defaults, and some in any case: as variables, and as flags where there is one.

    Left out is what no verdict depends on: the cluster, how the service runs, who is notified, and the salt, a secret.
    """
    variables, flags = [], []
    for name, value in msgspec.structs.asdict(settings).items():
        if name in ("salt", "kafka", "live", "alerting") or (value == getattr(Settings(), name) and name not in always):
            continue
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        if isinstance(value, tuple):
            flags += [part for one in value for part in (SETTINGS[name][0], one)]
        elif isinstance(value, bool) and name in SETTINGS:
            flags.append(SETTINGS[name][0].split("/")[not value])
        elif name in SETTINGS:
            flags += [SETTINGS[name][0], text]
        else:
            variables.append(f"{PREFIX}{name.upper()}={shlex.quote(text)}")
    return variables, flags


@dataclass(frozen=True, slots=True)
class Reading:
    """How lines become records.

    Attributes
    ----------
    field_map, dead_letters
        Where fields stand, and where rejected lines go.
    kafka, clock
        The cluster that topics are read from, and when one of their calls is late.
    wanted
        Calls of a topic that are asked for: no more of it need be read. Files are read whole.
    """

    field_map: Mapping[str, str]
    dead_letters: str | None
    kafka: Kafka = field(default_factory=Kafka)
    clock: Clock = field(default_factory=Clock)
    wanted: Wanted = field(default_factory=Wanted)

    def topic(self, path: str) -> str | None:
        """The topic that a source names, if it names one."""
        return sources.topic(path, self.kafka)

    def source(self, path: str) -> str:
        """A source by its whole name."""
        topic = self.topic(path)
        return path if topic is None else f"kafka:{topic}"


def reading_options(function: Function) -> Function:
    """Options for sources of call records; passes ``reading``, outside of ``settings_options``."""

    @functools.wraps(function)
    def wrapped(field_map: tuple[str, ...], dead_letters: str | None, **given: Any) -> Any:
        return function(reading=Reading(_field_map(field_map), dead_letters), **given)

    wrapped = click.option("--dead-letters", metavar="FILE", help="Keep rejected lines here, with reason and place.")(
        wrapped
    )
    return click.option(
        "--map",
        "field_map",
        multiple=True,
        metavar="FIELD=PATH",
        help="Read a field from elsewhere in the record, such as output=choices.0.message.content. Repeatable.",
    )(wrapped)


def _field_map(pairs: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, equals, path = pair.partition("=")
        if not equals or not path or name not in FIELDS:
            raise SettingsError(f"--map wants FIELD=PATH, got {pair!r}; fields are {', '.join(sorted(FIELDS))}")
        found[name] = path
    return found


def console() -> Console:
    """Standard error, for people; elsewhere than on a terminal sentences keep to a line each, and tables to 160."""
    out = Console(stderr=True, highlight=False)
    return out if out.is_terminal else Console(stderr=True, highlight=False, width=160, soft_wrap=True)


def say(out: Console, *texts: str, style: str = "") -> None:
    """Print lines that may quote what callers sent: never as markup, never as control codes."""
    for text in texts:
        out.print(plain(text), style=style, markup=False)


def quiet() -> None:
    """Keep the Kafka client from telling on standard error what a command says in a sentence."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def emit(value: Any) -> None:
    """One JSON line on standard output, for programs."""
    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.buffer.flush()


class Entry(NamedTuple):
    """A record and the line it came from."""

    line: Line
    record: Record


class Reader:
    """Reads call records of a file, standard input or a topic; bad lines are counted, kept if wanted, passed over."""

    def __init__(self, path: str, reading: Reading, out: Console) -> None:
        """Prepare; nothing is opened before ``entries`` is read.

        Raises
        ------
        SettingsError
            Rejected lines would be appended to the file that is read.
        """
        kept = reading.dead_letters
        if kept and Path(kept).exists() and Path(path).exists() and Path(kept).samefile(path):
            raise SettingsError(f"--dead-letters {kept} is the file that is read: name another one")
        self.path, self.out, self.topic = path, out, reading.topic(path)
        self.letters = DeadLetters(reading.dead_letters, warn=lambda text: say(out, text, style="yellow"))
        self.read = 0
        self._reading = reading
        self._example: Rejected | None = None
        self._sample = Line(0, b"")
        self._nameless = self._late = 0

    @property
    def size(self) -> float | None:
        """How much there is to consume, None where that cannot be known: bytes as stored, of a topic its whole."""
        return sources.size(self.path) if self.topic is None else 1.0

    def entries(self, progress: Callable[[float], None] = lambda done: None) -> Iterator[Entry]:
        """Records in the order of the log; of a topic's only those that are wanted, those of partitions as they come.

        Parameters
        ----------
        progress
            Told how much was consumed.

        Raises
        ------
        SettingsError
            A topic is to be read, and no cluster is named.
        SourceError
            The source cannot be read, breaks off (after every whole line before), or holds no call record at all.
        """
        with self.letters:
            if self.topic is None:
                yield from self._records(sources.lines(self.path, progress=progress))
            else:
                yield from self._wanted(self.topic, progress)
        if self.read == 0:
            raise SourceError(self._nothing())

    def summary(self) -> list[str]:
        """Sentences about what was not as it should be."""
        said = []
        if self._late:
            said.append(
                f"late calls: {self._late:,}, left out as --first counts: they came further behind than --lateness"
            )
        if self._nameless:
            said.append(f"records without call_id: {self._nameless:,}; made from line number and content")
        rejected = {reason: n for reason, n in self.letters.counts.items() if reason != "late"}
        if rejected:
            reasons = ", ".join(f"{reason} {n:,}" for reason, n in sorted(rejected.items(), key=lambda item: -item[1]))
            first = f"; the first{self._where()}: {self._example.detail}" if self._example else ""
            said.append(f"rejected {self._many}: {sum(rejected.values()):,} ({reasons}){first}")
        return said

    def _records(self, lines: Iterable[Line]) -> Iterator[Entry]:
        for line in lines:
            found = self._decode(line)
            if isinstance(found, Record):
                self.read += 1
                yield Entry(line, found)
            else:
                self._reject(line, found)

    def _wanted(self, topic: str, progress: Callable[[float], None]) -> Iterator[Entry]:
        from streams.kafka.read import TopicLines  # an import of a while, for those who have a cluster

        quiet()
        source = TopicLines(self._reading.kafka, topic, self._reading.wanted, self._reading.clock)
        for entry in self._records(source.lines(progress)):
            if source.extent.take(entry.line.partition, entry.record):
                yield entry
        self._late = source.extent.late

    def _decode(self, line: Line) -> Record | Rejected:
        now = time.time_ns() // 1_000_000 if line.written_ms is None else line.written_ms
        field_map = self._reading.field_map
        found = decode(line.data, now_ms=now, field_map=field_map)
        if isinstance(found, Rejected) and found.field == "call_id" and self.topic is None:
            found = decode(line.data, now_ms=now, field_map=field_map, fallback_id=line.made_id)
            self._nameless += isinstance(found, Record)
        return found

    def _reject(self, line: Line, found: Rejected) -> None:
        if self._example is None:
            self._example, self._sample = found, line._replace(data=line.data[: 1 << 16])
        self.letters.write(line.place, found.reason, found.field, found.detail, line.data)

    def _nothing(self) -> str:
        if self._example is not None:
            count = self.letters.counts.total()
            return f"{self.path}: {no_call(count, self._many, self._example, self._sample.data)}"
        if self.topic and self._reading.wanted.start is not None:
            return f"{self.path} has no calls between --from and --to: give a wider range"
        return f"{self.path} holds no {self._many}: one JSON object for each call is wanted"

    @property
    def _many(self) -> str:
        return "lines" if self.topic is None else "records"

    def _where(self) -> str:
        """Where the first rejected record of a topic stands."""
        return f", {', '.join(f'{k} {v}' for k, v in self._sample.place.items())}" if self.topic else ""


def read(path: str, reading: Reading, out: Console) -> Iterator[Record]:
    """Records of a source, with a progress bar on a terminal and a word about rejected lines at the end.

    Those of a topic come by event time, whatever its partitions.
    """
    reader = Reader(path, reading, out)
    with bar(out, reader.size) as step:
        records = (entry.record for entry in reader.entries(lambda done: step("reading", done)))
        yield from records if reader.topic is None else in_order(records)
    for sentence in reader.summary():
        say(out, sentence, style="yellow")


@contextmanager
def bar(out: Console, total: float | None, prefix: str = "") -> Iterator[Callable[[str, float], None]]:
    """A function to be told what is being done and how much of the total is: a bar on a terminal, nothing elsewhere."""
    if not out.is_terminal:
        yield lambda what, done: None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=out, transient=True) as shown:
        task = shown.add_task(plain(prefix), total=total)
        yield lambda what, done: shown.update(task, description=plain(prefix + what), completed=done)
