"""Objects in a folder or at any address of fsspec: written whole, listed afresh, created by one writer only."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, cast
from urllib.parse import quote

import fsspec
import xxhash

from drift.errors import DriftError, SourceError

_LONGEST = 200
"""Characters of a quoted name: file systems allow a folder 255."""


class Folder:
    """A place for objects, named by paths relative to it.

    Parameters
    ----------
    address
        A folder (``~`` is the home folder) or what fsspec knows, such as ``s3://bucket/driftline``. It is made at the
        first writing.

    Raises
    ------
    SourceError
        No file system is known for the address. Methods raise it too, where the place cannot be reached.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        with _reaching(address):
            self._system, root = fsspec.core.url_to_fs(address)
        self._root = root.rstrip("/")

    @property
    def shared(self) -> bool:
        """Whether other machines see the same by the same address, as far as the address can tell."""
        names = self._system.protocol
        return not {"file", "local", "memory"} & {*((names,) if isinstance(names, str) else names)}

    def try_out(self) -> None:
        """Write an object, read it and take it away again.

        Raises
        ------
        SourceError
            One of these cannot be done.
        """
        path, data = self.path(f".{uuid.uuid4().hex}.part"), b"driftline"
        with _reaching(self.address):
            self._system.makedirs(self._root, exist_ok=True)
            self._system.pipe_file(path, data)
            try:
                if self._system.cat_file(path) != data:
                    raise SourceError(f"{self.address} does not give back what was written there: use another store")
            finally:
                self._system.rm_file(path)

    def path(self, name: str) -> str:
        """Where an object is, for people."""
        return f"{self._root}/{name}"

    def read(self, name: str, start: int | None = None, end: int | None = None) -> bytes:
        """The bytes of an object, or those from ``start`` to ``end``."""
        with _reaching(self.path(name)):
            return bytes(self._system.cat_file(self.path(name), start=start, end=end))

    def write(self, name: str, data: bytes) -> None:
        """Put an object in place, whole: what is half written is never seen under its name."""
        folder, _, last = self.path(name).rpartition("/")
        part = f"{folder}/.{last}.{uuid.uuid4().hex}.part"
        with _reaching(self.path(name)):
            self._system.makedirs(folder, exist_ok=True)
            try:
                self._system.pipe_file(part, data)
                self._system.mv(part, self.path(name))
            except BaseException:
                with suppress(Exception):
                    self._system.rm_file(part)
                raise

    def create(self, name: str, data: bytes) -> bool:
        """Write what must not be there yet; False if it is.

        By one exclusive act of the file system, or, where it has none, by looking before and reading back afterwards.
        """
        path = self.path(name)
        with _reaching(path):
            self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
            try:
                with self._system.open(path, "xb") as stream:
                    stream.write(data)
            except FileExistsError:
                return False
            except (NotImplementedError, ValueError):
                if self._system.exists(path):
                    return False
                self._system.pipe_file(path, data)
                return bool(self._system.cat_file(path) == data)
        return True

    def names(self, under: str) -> list[str]:
        """Names of all objects below a folder, sorted; parts of unfinished ones are left out.

        Raises
        ------
        SourceError
            There is nothing at the address at all.
        """
        self.require()
        with _reaching(self.address):
            found = self._system.find(self.path(under))
        return sorted(path.removeprefix(f"{self._root}/") for path in found if not path.endswith(".part"))

    def open(self, name: str) -> BinaryIO:
        """An object as a file that can be read from any place."""
        with _reaching(self.path(name)):
            return cast(BinaryIO, self._system.open(self.path(name), "rb"))

    def has(self, name: str) -> bool:
        """Whether there is an object of this name."""
        with _reaching(self.path(name)):
            return bool(self._system.exists(self.path(name)))

    def size(self, name: str) -> int:
        """Bytes of an object."""
        with _reaching(self.path(name)):
            return int(self._system.size(self.path(name)))

    def move(self, name: str, to: str) -> None:
        """Give an object another name; nothing where it has been moved already."""
        with _reaching(self.path(name)):
            if self._system.exists(self.path(name)):
                self._system.makedirs(self.path(to).rpartition("/")[0], exist_ok=True)
                self._system.mv(self.path(name), self.path(to))

    def remove(self, name: str) -> None:
        """Take an object away; nothing where there is none."""
        with _reaching(self.path(name)), suppress(FileNotFoundError):
            self._system.rm_file(self.path(name))

    def require(self, doubt: str = "") -> None:
        """See that there is something at the address, and look afresh from now on.

        Raises
        ------
        SourceError
            There is not; ``doubt`` begins its message.
        """
        if not self.exists():
            raise SourceError(
                f"{doubt}there is nothing at {self.address}: name the right store by --store or DRIFTLINE_STORE, "
                "or fill it by 'driftline baseline build FILE'"
            )

    def exists(self) -> bool:
        """Whether there is anything at the address, looked at afresh."""
        with _reaching(self.address):
            self._system.invalidate_cache()
            return bool(self._system.exists(self._root))


def quoted(text: str) -> str:
    """A folder's name for any text: no separator, no dots, not too long."""
    name = quote(text, safe="").replace(".", "%2E").replace("~", "%7E")
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 17]}~{xxhash.xxh3_64_hexdigest(text.encode())}"


@contextmanager
def _reaching(what: str) -> Iterator[None]:
    """Turn whatever a file system raises into one error that names the place."""
    try:
        yield
    except DriftError:
        raise
    except Exception as error:  # every back end of fsspec raises classes of its own
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise SourceError(
            f"{what} cannot be reached: {reason}; check the address, its rights and credentials"
        ) from error
