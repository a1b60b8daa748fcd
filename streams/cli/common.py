"""What commands share: options, reading records, saying things."""

from __future__ import annotations

import functools
import json
import re
import shlex
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec
import xxhash
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from drift.errors import SettingsError, SourceError
from models.base import load_embedder
from streams import sources
from streams.checks import Reason
from streams.deadletter import DeadLetters
from streams.measure import Meter
from streams.records import FIELDS, Record, Rejected, decode
from streams.settings import PREFIX, Settings, load
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
            return function(settings=load(config, flags), **given)

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

    Left out is what no verdict depends on and may be secret: the salt, the cluster, how the service runs.
    """
    variables, flags = [], []
    for name, value in msgspec.structs.asdict(settings).items():
        if name in ("salt", "kafka", "live") or (value == getattr(Settings(), name) and name not in always):
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
    """How lines become records: field map, and where rejected lines go."""

    field_map: Mapping[str, str]
    dead_letters: str | None


def reading_options(function: Function) -> Function:
    """Options for sources of call records; passes ``reading``."""

    @functools.wraps(function)
    def wrapped(field_map: tuple[str, ...], dead_letters: str | None, **given: Any) -> Any:
        return function(reading=Reading(_field_map(field_map), dead_letters), **given)

    wrapped = click.option(
        "--dead-letters", metavar="FILE", help="Keep rejected lines here, with reason and line number."
    )(wrapped)
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


_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """Text of unknown origin, fit for a terminal: what would steer it or turn its direction becomes U+FFFD."""
    return _STEERING.sub("\ufffd", text)


def say(out: Console, *texts: str, style: str = "") -> None:
    """Print lines that may quote what callers sent: never as markup, never as control codes."""
    for text in texts:
        out.print(plain(text), style=style, markup=False)


def emit(value: Any) -> None:
    """One JSON line on standard output, for programs."""
    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.buffer.flush()


def open_meter(settings: Settings) -> Meter:
    """The embedder of the settings, ready to measure."""
    tuned = {"device": settings.device, "batch_size": settings.batch_size, "half": settings.half}
    try:
        embedder = load_embedder(settings.embedder, **(tuned if settings.embedder != "wordllama" else {}))
    except (ValueError, ImportError, OSError) as error:
        raise SettingsError(f"embedder: {error}") from error
    return Meter(embedder, texts=settings.texts, salt=settings.salt)


class Entry(NamedTuple):
    """A record and the line it came from."""

    line: Line
    record: Record


class Reader:
    """Reads call records of a file or standard input; bad lines are counted, kept if wanted, and passed over.

    Parameters
    ----------
    on_progress
        Told the bytes consumed.
    """

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
        self.path, self.out = path, out
        self.letters = DeadLetters(reading.dead_letters, warn=lambda text: say(out, text, style="yellow"))
        self.read = 0
        self._map = reading.field_map
        self._example: Rejected | None = None
        self._sample = b""
        self._nameless = 0

    def entries(self, progress: Callable[[int], None] | None = None) -> Iterator[Entry]:
        """Records in the order of the log.

        Raises
        ------
        SourceError
            The source cannot be read, breaks off (after every whole line before), or holds no call record at all.
        """
        with self.letters:
            for line in sources.lines(self.path, progress=progress):
                found = self._decode(line)
                if isinstance(found, Record):
                    self.read += 1
                    yield Entry(line, found)
                else:
                    self._reject(line, found)
        if self.read == 0:
            raise SourceError(self._nothing())

    def summary(self) -> list[str]:
        """Sentences about what was not as it should be."""
        said = []
        if self._nameless:
            said.append(f"records without call_id: {self._nameless:,}; made from line number and content")
        rejected = {reason: n for reason, n in self.letters.counts.items() if reason != "late"}
        if rejected:
            reasons = ", ".join(f"{reason} {n:,}" for reason, n in sorted(rejected.items(), key=lambda item: -item[1]))
            first = f"; the first: {self._example.detail}" if self._example else ""
            said.append(f"rejected lines: {sum(rejected.values()):,} ({reasons}){first}")
        return said

    def _decode(self, line: Line) -> Record | Rejected:
        now = time.time_ns() // 1_000_000
        found = decode(line.data, now_ms=now, field_map=self._map)
        if isinstance(found, Rejected) and found.field == "call_id":
            name = f"line-{line.number}-{xxhash.xxh3_64_hexdigest(line.data)}"
            found = decode(line.data, now_ms=now, field_map=self._map, fallback_id=name)
            self._nameless += isinstance(found, Record)
        return found

    def _reject(self, line: Line, found: Rejected) -> None:
        if self._example is None:
            self._example, self._sample = found, line.data[: 1 << 16]
        self.letters.write(line.number, found.reason, found.field, found.detail, line.data)

    def _nothing(self) -> str:
        if self._example is None:
            return f"{self.path} holds no lines: one JSON object for each call is wanted"
        if self._example.reason in (Reason.NOT_JSON, Reason.NOT_AN_OBJECT):
            detail = _other_format(self._sample) or self._example.detail
        else:
            remedy = "Say where the fields are, such as --map app=service --map output=response.text"
            detail = f"{self._example.detail}. {_fields(self._sample)}{remedy}"
        return f"{self.path}: none of its {self.letters.counts.total():,} lines is a call record. {detail}"


def _other_format(sample: bytes) -> str:
    """What a file that is no log of JSON lines looks like by its first line, with the remedy; empty if like nothing."""
    if sample.startswith(b"PK"):
        return "It looks like a zip archive or a spreadsheet: export it as JSON lines, one object for each call"
    if re.match(rb"\[\s*(\{|\[|$)", sample):
        return "It looks like a JSON array: jq -c '.[]' FILE > lines.jsonl makes a line of each call"
    if sample.strip() == b"{":
        return "It looks like JSON over several lines: jq -c . FILE > lines.jsonl makes a line of each call"
    if not sample.startswith((b"{", b"[")) and max(map(sample.count, (b",", b"\t", b";"))) >= 2:
        return "It looks like CSV: export it as JSON lines, one object for each call"
    return ""


def _fields(sample: bytes) -> str:
    """The fields of a line, for whoever must map them."""
    try:
        record = json.loads(sample)
    except ValueError:
        return ""
    if not isinstance(record, dict):
        return ""
    named = [f"{k}.{inner}" for k, v in record.items() if isinstance(v, dict) for inner in v]
    flat = [k for k, v in record.items() if not isinstance(v, dict)]
    return f"Its fields are {', '.join(map(str, (flat + named)[:20]))}. "


def read(path: str, reading: Reading, out: Console) -> Iterator[Record]:
    """Records of a source, with a progress bar on a terminal and a word about rejected lines at the end."""
    reader = Reader(path, reading, out)
    with bar(out, sources.size(path)) as step:
        for entry in reader.entries(lambda done: step("reading", done)):
            yield entry.record
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
