"""Where baselines and lenses live, by content, and the tags that name them.

::

    baselines/{id}.safetensors
    lenses/{id}.safetensors
    calibrations/{content}                    what resampling showed, so that equal calls are not calibrated twice
    tags/{segment}/{tag}/{sequence}.json      one object for each move, never written again

Nothing is changed once written, so readers need no lock and an auditor finds every move of a tag.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
import xxhash

from drift import baseline as baselines
from drift import lens as lenses
from drift import pane as panes
from drift.baseline import Baseline
from drift.errors import CorruptError, SettingsError, SourceError
from drift.lens import Lens
from streams.aliases import epoch_ms
from streams.folder import Folder, quoted
from streams.records import DEFAULT_LIMITS

Kind = Literal["baselines", "lenses"]
T = TypeVar("T")

_PREFIX = re.compile(r"[0-9a-f]{6,16}")
_OBJECT = re.compile(r"(?:baselines|lenses)/([0-9a-f]{16})\.safetensors")


@dataclass(frozen=True, slots=True)
class BaselineEntry:
    """A stored baseline, without what its detectors learnt; times in milliseconds since 1970."""

    id: str
    segment: str
    calls: int
    start: int
    end: int
    lens: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LensEntry:
    """A stored lens, without its arrays."""

    id: str
    embedder: str
    topics: int


AHEAD_MS = DEFAULT_LIMITS.ahead_ms
"""How far ahead of now a tag moves where no time is given: a tick that starts then can hold no call yet."""


class Move(msgspec.Struct, frozen=True):
    """A tag was set on a baseline.

    Attributes
    ----------
    moved_at
        When, RFC 3339.
    by, why
        By whom, and the reason given.
    previous
        The baseline that the tag named before, empty if none.
    effective
        Event time in milliseconds since 1970 from which it holds; None where that was not recorded.
    """

    segment: str
    tag: str
    sequence: int
    baseline: str
    moved_at: str
    by: str = ""
    why: str = ""
    previous: str = ""
    effective: int | None = None

    @property
    def holds_from(self) -> int:
        """When it takes effect, where nothing is recorded: at once, the first move of a tag from the beginning."""
        if self.effective is not None:
            return self.effective
        return (epoch_ms(self.moved_at) or 0) if self.previous else 0


def split_tag(name: str) -> tuple[str, str]:
    """Segment and tag of ``SEGMENT@TAG``.

    Raises
    ------
    SettingsError
        It is not of that form.
    """
    segment, _, tag = name.rpartition("@")
    if not (segment and tag):
        raise SettingsError(f"a tag must be like 'support-bot@prod' (SEGMENT@TAG), got {name!r}")
    return segment, tag


@dataclass(frozen=True, slots=True)
class Calibrations:
    """Calibrations of earlier builds, by the content that they were made of."""

    folder: Folder

    def get(self, key: str) -> bytes | None:
        """What was put under a key, None if nothing was."""
        name = f"calibrations/{key}"
        return self.folder.read(name) if self.folder.exists() and name in self.folder.names("calibrations") else None

    def put(self, key: str, data: bytes) -> None:
        """Keep it."""
        self.folder.write(f"calibrations/{key}", data)


class Store:
    """Baselines, lenses and tags at an address.

    Parameters
    ----------
    address
        A folder or what fsspec knows: see `streams.folder.Folder`.
    now
        The clock that dates moves of a tag.

    Raises
    ------
    SourceError
        No file system is known for the address. Methods raise it too, where the store cannot be reached.
    """

    def __init__(self, address: str, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._folder = Folder(address)
        self._now = now

    @property
    def calibrations(self) -> Calibrations:
        """Calibrations of earlier builds."""
        return Calibrations(self._folder)

    def put_baseline(self, baseline: Baseline) -> str:
        """Store a baseline and return its id; storing it again mends a damaged copy and changes nothing else."""
        self._folder.write(_name("baselines", baseline.id), baselines.encode(baseline))
        return baseline.id

    def put_lens(self, lens: Lens) -> str:
        """Store a lens and return its id; storing it again mends a damaged copy and changes nothing else."""
        self._folder.write(_name("lenses", lens.id), lenses.encode(lens))
        return lens.id

    def baseline(self, name: str) -> Baseline:
        """The baseline of this name.

        Parameters
        ----------
        name
            The path of a file, or an id or its first six or more digits, or ``SEGMENT@TAG``: the first that exists.

        Raises
        ------
        SourceError
            There is none, or several begin like this.
        CorruptError
            What is stored is not what its name says.
        """
        if (data := _file(name)) is not None:
            return baselines.decode(data)
        found = self._find("baselines", name) or self._tagged(name)
        if found is None:
            raise self._unknown(
                "baseline", name, self._ids("baselines") + [f"{m.segment}@{m.tag}" for m in self.tags()]
            )
        return self._load("baselines", found, lambda data: (xxhash.xxh3_64_hexdigest(data), baselines.decode(data)))

    def lens(self, name: str) -> Lens:
        """The lens of this name: the path of a file, or an id or its first six or more digits.

        One that is not stored by itself is that of a stored baseline, if there is one.

        Raises
        ------
        SourceError
            There is none, or several begin like this.
        CorruptError
            What is stored is not what its name says.
        """
        if (data := _file(name)) is not None:
            return lenses.decode(data)
        found = self._find("lenses", name)
        if found is None:
            theirs = {one.lens: one.id for one in self.baselines()} if _PREFIX.fullmatch(name) else {}
            theirs = {lens: baseline for lens, baseline in theirs.items() if lens.startswith(name)}
            if len(theirs) == 1:
                return self.baseline(*theirs.values()).lens
            raise self._unknown("lens", name, self._ids("lenses"))
        return self._load("lenses", found, lambda data: ((made := lenses.decode(data)).id, made))

    def baselines(self) -> list[BaselineEntry]:
        """What is stored, by segment and time; of each file only the header and the pane are read."""
        found = map(self._baseline_entry, self._ids("baselines"))
        return sorted(found, key=lambda entry: (entry.segment, entry.start, entry.id))

    def entry(self, one: str) -> BaselineEntry:
        """A stored baseline, given by its whole id; only the header and the pane are read.

        Raises
        ------
        SourceError
            It is not stored.
        """
        if one not in (known := self._ids("baselines")):
            raise self._unknown("baseline", one, known)
        return self._baseline_entry(one)

    def lenses(self) -> list[LensEntry]:
        """What is stored, by id; of each file only the header is read."""
        return [self._lens_entry(one) for one in self._ids("lenses")]

    def tag(
        self, segment: str, tag: str, baseline: str, *, by: str = "", why: str = "", effective: int | None = None
    ) -> Move:
        """Let ``SEGMENT@TAG`` name a stored baseline, given by its whole id.

        Parameters
        ----------
        effective
            Event time in milliseconds since 1970 from which it holds. By default the first move of a tag holds from
            the beginning, a later one from the first whole minute that starts five minutes from now.

        Raises
        ------
        SettingsError
            The tag is empty, too long or holds an ``@``.
        SourceError
            The baseline is not stored, or somebody else moved the tag at the same moment.
        """
        if not segment or not 0 < len(tag) <= 100 or "@" in tag:
            raise SettingsError(f"a tag must be 1 to 100 characters without '@', got {tag!r} for segment {segment!r}")
        if baseline not in (known := self._ids("baselines")):
            raise self._unknown("baseline", baseline, known)
        names = self._folder.names(_tag_folder(segment, tag))
        sequence = int(names[-1].rpartition("/")[2].removesuffix(".json")) + 1 if names else 1
        before = self._moves(names)
        now = self._now().astimezone(UTC)
        if effective is None:
            effective = _next_minute(now) if before else 0
        at = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        previous = before[-1].baseline if before else ""
        move = Move(segment, tag, sequence, baseline, at, by, why, previous, effective)
        if not self._folder.create(f"{_tag_folder(segment, tag)}/{sequence:08d}.json", msgspec.json.encode(move)):
            raise SourceError(
                f"{segment}@{tag} was moved by somebody else at the same moment and stays as they set it: "
                "look at its history, then move it again if that is still wanted"
            )
        return move

    def tags(self) -> list[Move]:
        """Every tag as it stands, by segment and tag."""
        by_tag: dict[str, list[str]] = {}
        for name in self._folder.names("tags"):
            by_tag.setdefault(name.rpartition("/")[0], []).append(name)
        moves = [found[-1] for names in by_tag.values() if (found := self._moves(names))]
        return sorted(moves, key=lambda move: (move.segment, move.tag))

    def history(self, segment: str, tag: str) -> list[Move]:
        """Moves of a tag, oldest first; none where it was never set."""
        return self._moves(self._folder.names(_tag_folder(segment, tag)))

    def exists(self) -> bool:
        """Whether anything was ever stored."""
        return self._folder.exists()

    def has_tag(self, segment: str, tag: str) -> bool:
        """Whether a tag was ever set; not where there is no store yet."""
        return self._folder.exists() and bool(self.history(segment, tag))

    def _moves(self, names: list[str]) -> list[Move]:
        """Moves in these objects; an empty one is of a writer that was stopped before it had moved anything."""
        moves = []
        for name in names:
            try:
                if data := self._folder.read(name):
                    moves.append(msgspec.json.decode(data, type=Move))
            except ValueError as error:
                place = self._folder.path(name)
                raise CorruptError(f"{place} is not a move of a tag ({error}): restore it from a backup") from error
        return moves

    def _ids(self, kind: Kind) -> list[str]:
        return [found[1] for name in self._folder.names(kind) if (found := _OBJECT.fullmatch(name))]

    def _find(self, kind: Kind, name: str) -> str | None:
        """The one id that begins like this, if there is one."""
        self._folder.require(f"{name!r} is no file, and ")
        if not _PREFIX.fullmatch(name):
            return None
        found = [one for one in self._ids(kind) if one.startswith(name)]
        if len(found) > 1:
            raise SourceError(f"{len(found)} {kind} begin with {name}: {', '.join(found)}; give more digits")
        return found[0] if found else None

    def _tagged(self, name: str) -> str | None:
        segment, _, tag = name.rpartition("@")
        moves = self.history(segment, tag) if segment and tag else []
        return moves[-1].baseline if moves else None

    def _unknown(self, what: str, name: str, known: list[str]) -> SourceError:
        near = difflib.get_close_matches(name, known, 3, 0.4) or known[:3]
        hint = f"there is {', '.join(near)}" if near else f"there is no {what} yet: build one"
        return SourceError(f"no {what} {name!r}, neither as a file nor in store {self._folder.address}; {hint}")

    def _load(self, kind: Kind, one: str, decode: Callable[[bytes], tuple[str, T]]) -> T:
        """What is stored under an id, once its content is seen to have it."""
        if one not in (known := self._ids(kind)):
            raise self._unknown(kind, one, known)
        with self._naming(kind, one):
            content, made = decode(self._folder.read(_name(kind, one)))
            if content != one:
                raise CorruptError(f"its content has the id {content}")
        return made

    @contextmanager
    def _naming(self, kind: Kind, one: str) -> Iterator[None]:
        """Whatever is wrong with the content of a file: say which file, and what to do."""
        try:
            yield
        except (CorruptError, ValueError, KeyError, TypeError, IndexError) as error:
            place = self._folder.path(_name(kind, one))
            raise CorruptError(f"{place} is damaged ({error}): restore it, or remove it and build it again") from error

    def _header(self, kind: Kind, one: str) -> tuple[dict[str, Any], int]:
        """What a safetensors file says of its arrays, and where they begin."""
        begin = 8 + int.from_bytes(self._folder.read(_name(kind, one), 0, 8), "little")
        return json.loads(self._folder.read(_name(kind, one), 8, begin)), begin

    def _baseline_entry(self, one: str) -> BaselineEntry:
        with self._naming("baselines", one):
            header, begin = self._header("baselines", one)
            about = json.loads(header["__metadata__"]["driftline_baseline"])
            low, high = header["pane"]["data_offsets"]
            pane = panes.decode(self._folder.read(_name("baselines", one), begin + low, begin + high))
            return BaselineEntry(one, pane.segment, pane.n, pane.tick, pane.end, pane.lens, about["facts"])

    def _lens_entry(self, one: str) -> LensEntry:
        with self._naming("lenses", one):
            header, _ = self._header("lenses", one)
            about = json.loads(header["__metadata__"]["driftline_lens"])
            return LensEntry(one, about["embedder"], header["codebook"]["shape"][0])


def _file(name: str) -> bytes | None:
    try:
        return Path(name).read_bytes() if os.path.isfile(name) else None  # noqa: PTH113  # Path raises for odd names
    except OSError as error:
        raise SourceError(f"{name} cannot be read: {error.strerror}; grant it read access") from error


def _next_minute(now: datetime) -> int:
    """The first whole minute ahead of any call that may exist."""
    return -(-(round(now.timestamp() * 1000) + AHEAD_MS) // 60_000) * 60_000


def _name(kind: Kind, one: str) -> str:
    return f"{kind}/{one}.safetensors"


def _tag_folder(segment: str, tag: str) -> str:
    return f"tags/{quoted(segment)}/{quoted(tag)}"
