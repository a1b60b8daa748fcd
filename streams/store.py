"""Where baselines and lenses live, by content, and the tags that name them: a folder or any address of fsspec.

::

    baselines/{id}.safetensors
    lenses/{id}.safetensors
    tags/{segment}/{tag}/{sequence}.json      one object for each move, never written again

Nothing is changed once written, so readers need no lock and an auditor finds every move of a tag.
"""

from __future__ import annotations

import difflib
import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import fsspec
import msgspec
import xxhash

from drift import baseline as baselines
from drift import lens as lenses
from drift import pane as panes
from drift.baseline import Baseline
from drift.errors import CorruptError, DriftError, SettingsError, SourceError
from drift.lens import Lens

Kind = Literal["baselines", "lenses"]

_ID = re.compile(r"[0-9a-f]{6,16}")
_LONGEST = 200
"""Characters of a quoted name: folders may have 255."""


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


class Move(msgspec.Struct, frozen=True):
    """A tag was set on a baseline: when (RFC 3339), by whom, why, and which one it named before (empty: none)."""

    segment: str
    tag: str
    sequence: int
    baseline: str
    moved_at: str
    by: str = ""
    why: str = ""
    previous: str = ""


def split_tag(name: str) -> tuple[str, str]:
    """Segment and tag of ``SEGMENT@TAG``.

    Raises
    ------
    SettingsError
        It is not of that form.
    """
    segment, at, tag = name.rpartition("@")
    if not (at and segment and tag):
        raise SettingsError(f"a tag must be like 'support-bot@prod' (SEGMENT@TAG), got {name!r}")
    return segment, tag


class Store:
    """Baselines, lenses and tags at an address.

    Parameters
    ----------
    address
        A folder (``~`` is the home folder) or what fsspec knows, such as ``s3://bucket/driftline``. It is made at the
        first writing.
    now
        The clock that dates moves of a tag.

    Raises
    ------
    SourceError
        No file system is known for the address. Methods raise it too, where the store cannot be reached.
    """

    def __init__(self, address: str, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.address = address
        self._now = now
        with _reaching(f"store {address}"):
            self._fs, root = fsspec.core.url_to_fs(address)
        self._root = root.rstrip("/")

    def put_baseline(self, baseline: Baseline) -> str:
        """Store a baseline and return its id; storing it again mends a damaged copy and changes nothing else."""
        self._put("baselines", baseline.id, baselines.encode(baseline))
        return baseline.id

    def put_lens(self, lens: Lens) -> str:
        """Store a lens and return its id; storing it again mends a damaged copy and changes nothing else."""
        self._put("lenses", lens.id, lenses.encode(lens))
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
        if Path(name).is_file():
            return baselines.decode(Path(name).read_bytes())
        found = self._find("baselines", name)
        if found is None and "@" in name and (moves := self.history(*split_tag(name))):
            found = moves[-1].baseline
        if found is None:
            raise self._unknown(
                "baseline", name, [*self._ids("baselines"), *(f"{m.segment}@{m.tag}" for m in self.tags())]
            )
        data = self._get("baselines", found)
        return self._verified("baselines", found, xxhash.xxh3_64_hexdigest(data), lambda: baselines.decode(data))

    def lens(self, name: str) -> Lens:
        """The lens of this name: the path of a file, or an id or its first six or more digits.

        Raises
        ------
        SourceError
            There is none, or several begin like this.
        CorruptError
            What is stored is not what its name says.
        """
        if Path(name).is_file():
            return lenses.decode(Path(name).read_bytes())
        found = self._find("lenses", name)
        if found is None:
            raise self._unknown("lens", name, self._ids("lenses"))
        data = self._get("lenses", found)
        with self._naming("lenses", found):
            made = lenses.decode(data)
        return self._verified("lenses", found, made.id, lambda: made)

    def baselines(self) -> list[BaselineEntry]:
        """What is stored, by segment and time; of each file only the header and the pane are read."""
        found = [self._baseline_entry(one) for one in self._ids("baselines")]
        return sorted(found, key=lambda entry: (entry.segment, entry.start, entry.id))

    def lenses(self) -> list[LensEntry]:
        """What is stored, by id; of each file only the header is read."""
        found = []
        for one in self._ids("lenses"):
            header, _ = self._header("lenses", one)
            with self._naming("lenses", one):
                embedder = json.loads(header["__metadata__"]["driftline_lens"])["embedder"]
                found.append(LensEntry(one, embedder, header["codebook"]["shape"][0]))
        return found

    def tag(self, segment: str, tag: str, baseline: str, *, by: str = "", why: str = "") -> Move:
        """Let ``SEGMENT@TAG`` name a stored baseline, given by its whole id, from now on.

        Raises
        ------
        SettingsError
            The tag is empty, too long or holds an ``@``.
        SourceError
            The baseline is not stored, or somebody else moved the tag at the same moment.
        """
        if not 0 < len(tag) <= 100 or "@" in tag or not segment:
            raise SettingsError(
                f"tag must be 1 to 100 characters without '@', of a segment; got {segment!r} and {tag!r}"
            )
        if baseline not in self._ids("baselines"):
            raise self._unknown("baseline", baseline, self._ids("baselines"))
        paths = self._tag_paths(segment, tag)
        sequence = int(paths[-1].rpartition("/")[2].removesuffix(".json")) + 1 if paths else 1
        before = self.history(segment, tag)
        at = self._now().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        move = Move(segment, tag, sequence, baseline, at, by, why, before[-1].baseline if before else "")
        try:
            self._create(f"{self._tag_folder(segment, tag)}/{sequence:08d}.json", msgspec.json.encode(move) + b"\n")
        except FileExistsError as error:
            raise SourceError(
                f"{segment}@{tag} was moved by somebody else at the same moment and is left as it is: "
                "look at its history, then move it again if that is still wanted"
            ) from error
        return move

    def tags(self) -> list[Move]:
        """Every tag as it stands, by segment and tag."""
        latest: dict[str, list[str]] = {}
        for path in self._files("tags"):
            latest.setdefault(path.rpartition("/")[0], []).append(path)
        moves = [found[-1] for paths in latest.values() if (found := self._moves(paths))]
        return sorted(moves, key=lambda move: (move.segment, move.tag))

    def history(self, segment: str, tag: str) -> list[Move]:
        """Moves of a tag, oldest first; none where it was never set."""
        return self._moves(self._tag_paths(segment, tag))

    def _tag_folder(self, segment: str, tag: str) -> str:
        return f"{self._root}/tags/{_quoted(segment)}/{_quoted(tag)}"

    def _tag_paths(self, segment: str, tag: str) -> list[str]:
        return self._files(f"tags/{_quoted(segment)}/{_quoted(tag)}")

    def _moves(self, paths: list[str]) -> list[Move]:
        """Moves in these files; an empty one was left by a writer that was stopped before it had moved anything."""
        moves = []
        for path in paths:
            if data := self._read(path):
                try:
                    moves.append(msgspec.json.decode(data, type=Move))
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    raise CorruptError(f"{path} is not a move of a tag ({error}): restore it from a backup") from error
        return moves

    def _path(self, kind: Kind, one: str) -> str:
        return f"{self._root}/{kind}/{one}.safetensors"

    def _put(self, kind: Kind, one: str, data: bytes) -> None:
        """Written under another name first: a file that is half written is never seen."""
        path = self._path(kind, one)
        part = f"{self._root}/{kind}/.{one}.{uuid.uuid4().hex}.part"
        with _reaching(path):
            self._fs.makedirs(f"{self._root}/{kind}", exist_ok=True)
            try:
                self._fs.pipe_file(part, data)
                self._fs.mv(part, path)
            except BaseException:
                with suppress(Exception):
                    self._fs.rm_file(part)
                raise

    def _create(self, path: str, data: bytes) -> None:
        """Write what must not be there yet: by one exclusive act, or, where there is none, read back afterwards."""
        with _reaching(path):
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            try:
                with self._fs.open(path, "xb") as stream:
                    stream.write(data)
            except (NotImplementedError, ValueError):
                if self._fs.exists(path):
                    raise FileExistsError(path) from None
                self._fs.pipe_file(path, data)
                if self._fs.cat_file(path) != data:
                    raise FileExistsError(path) from None

    def _read(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        with _reaching(path):
            return bytes(self._fs.cat_file(path, start=start, end=end))

    def _get(self, kind: Kind, one: str) -> bytes:
        if one not in self._ids(kind):
            raise self._unknown(kind.removesuffix("s"), one, self._ids(kind))
        return self._read(self._path(kind, one))

    def _files(self, folder: str) -> list[str]:
        with _reaching(f"store {self.address}"):
            self._fs.invalidate_cache()
            if not self._fs.exists(self._root):
                raise SourceError(
                    f"there is nothing at store {self.address}: name the right one by --store or DRIFTLINE_STORE, "
                    "or fill it by 'driftline baseline build FILE'"
                )
            return sorted(self._fs.find(f"{self._root}/{folder}"))

    def _ids(self, kind: Kind) -> list[str]:
        names = [path.rpartition("/")[2] for path in self._files(kind)]
        return [name.removesuffix(".safetensors") for name in names if re.fullmatch(r"[0-9a-f]{16}\.safetensors", name)]

    def _find(self, kind: Kind, name: str) -> str | None:
        """The one id that begins like this, if it is the beginning of an id."""
        if not _ID.fullmatch(name):
            return None
        found = [one for one in self._ids(kind) if one.startswith(name)]
        if len(found) > 1:
            raise SourceError(f"{name} is the beginning of {len(found)} {kind}, {', '.join(found)}: give more digits")
        return found[0] if found else None

    def _unknown(self, what: str, name: str, known: list[str]) -> SourceError:
        near = difflib.get_close_matches(name, known, 3, 0.4) or known[:3]
        hint = f"; there is {', '.join(near)}" if near else f"; there is no {what} at all yet"
        return SourceError(f"no {what} {name} as a file or in store {self.address}{hint}")

    @contextmanager
    def _naming(self, kind: Kind, one: str) -> Iterator[None]:
        """Whatever goes wrong with the content of a file: say which file."""
        try:
            yield
        except (CorruptError, ValueError, KeyError, TypeError, IndexError) as error:
            raise self._corrupt(kind, one, str(error)) from error

    def _corrupt(self, kind: Kind, one: str, why: str) -> CorruptError:
        return CorruptError(
            f"{self._path(kind, one)} is damaged: {why}; restore it from a backup, or remove it and build anew"
        )

    def _verified(self, kind: Kind, one: str, content: str, decoded: Callable[[], Any]) -> Any:
        if content != one:
            raise self._corrupt(kind, one, f"its content has the id {content}")
        with self._naming(kind, one):
            return decoded()

    def _header(self, kind: Kind, one: str) -> tuple[dict[str, Any], int]:
        """What a safetensors file says of its arrays, and where they begin."""
        path = self._path(kind, one)
        with self._naming(kind, one):
            begin = 8 + int.from_bytes(self._read(path, 0, 8), "little")
            return json.loads(self._read(path, 8, begin)), begin

    def _baseline_entry(self, one: str) -> BaselineEntry:
        header, begin = self._header("baselines", one)
        with self._naming("baselines", one):
            about = json.loads(header["__metadata__"]["driftline_baseline"])
            low, high = header["pane"]["data_offsets"]
            pane = panes.decode(self._read(self._path("baselines", one), begin + low, begin + high))
            return BaselineEntry(one, pane.segment, pane.n, pane.tick, pane.end, pane.lens, about["facts"])


def _quoted(name: str) -> str:
    """Name of a folder for any text: no separator, no dots, not too long."""
    text = quote(name, safe="").replace(".", "%2E").replace("~", "%7E")
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST - 17]}~{xxhash.xxh3_64_hexdigest(name.encode())}"


@contextmanager
def _reaching(what: str) -> Iterator[None]:
    """Turn whatever a file system raises into one error that names the place."""
    try:
        yield
    except (DriftError, FileExistsError):
        raise
    except Exception as error:  # every back end of fsspec raises classes of its own
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise SourceError(
            f"{what} cannot be reached: {reason}; check the address, its rights and credentials"
        ) from error
