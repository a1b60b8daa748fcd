"""A replay that was interrupted, in a file: what it was of, and how far each partition had come."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from drift.errors import SettingsError, SourceError
from streams.moves import Decision
from streams.overview import Overview
from streams.replaying import Saved, Told

_FORMAT = 1


class Done(msgspec.Struct, frozen=True):
    """How far a partition was judged: all that must be known to go on, or what is known in the end.

    Attributes
    ----------
    position
        Offset up to which it was read.
    saved
        Where to go on.
    made
        Bytes of baselines that were made of first calls.
    told
        All that was said so far.
    overviews
        In the end, with numbers of trials; None where it was not reached.
    held
        Panes of ticks that are not complete yet.
    """

    position: int
    saved: Saved
    made: tuple[bytes, ...] = ()
    told: tuple[Told, ...] = ()
    overviews: tuple[tuple[int, Overview], ...] | None = None
    held: int = 0


class Interrupted(msgspec.Struct):
    """A replay so far.

    Attributes
    ----------
    about
        What it is of, in words by name: where it goes on, each must be the same.
    plan
        Offsets to read, by partition.
    decisions
        Moves and acknowledgements as they were known, bytes of each.
    done
        By partition.
    """

    about: dict[str, str]
    plan: dict[int, tuple[int, int]]
    decisions: tuple[Decision, ...] | None = None
    done: dict[int, Done] = {}
    format: int = _FORMAT


class ResumeFile:
    """Keeps a replay so far; the file is written beside and moved, so that it is never half there."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def load(self, about: Mapping[str, str]) -> Interrupted | None:
        """What was kept, None where nothing was.

        Parameters
        ----------
        about
            What is to be replayed.

        Raises
        ------
        SettingsError
            The file is of something else, or no such file at all.
        SourceError
            It cannot be read.
        """
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SourceError(f"--resume {self._path} cannot be read: {error.strerror}") from error
        try:
            found = msgspec.msgpack.decode(data, type=Interrupted)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"--resume {self._path} holds no replay of this release ({error}): name another file, or remove it"
            ) from error
        for name in sorted(about.keys() | found.about.keys()):
            kept, wanted = found.about.get(name, "none"), about.get(name, "none")
            if kept != wanted:
                raise SettingsError(
                    f"--resume {self._path} is of another replay: its {name} is {kept}, wanted is {wanted}; ask "
                    "for the same, name another file, or remove it"
                )
        return found

    def save(self, one: Interrupted) -> None:
        """Keep a replay so far."""
        beside = self._path.with_name(f"{self._path.name}.tmp")
        try:
            beside.write_bytes(msgspec.msgpack.encode(one))
            beside.replace(self._path)
        except OSError as error:
            raise SourceError(f"--resume {self._path} cannot be written: {error.strerror}") from error

    def remove(self) -> None:
        """All is said: there is nothing to go on with."""
        self._path.unlink(missing_ok=True)


def spelled(value: Any) -> str:
    """A value in a form that can be compared."""
    return msgspec.json.encode(value).decode()
