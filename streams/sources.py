"""Lines of a file, an address or standard input: plain, gzip or zstd, told by their first bytes, in bounded memory."""

import codecs
import gzip
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import fsspec
import xxhash
import zstandard

from drift.errors import BrokenOffError, SourceError
from streams.settings import Kafka

MAX_LINE = (1 << 20) + 1
"""Longest line delivered whole: a byte more than a call record may have, so that a cut line is never taken for one."""

_BLOCK = 1 << 18
_ZSTD_BLOCK = 1 << 10  # four bytes may unpack to 128 KiB, so this much to 32 MiB at the very most
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"  # behind a first byte of 0x50 to 0x5f
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Line(NamedTuple):
    """One line without its end.

    Attributes
    ----------
    number
        Counted from 1; blank lines count, but are not delivered. Of a record of a topic, its offset.
    overlong
        Whether ``data`` is only the beginning of the line.
    partition
        Of a record of a topic, -1 of a line.
    written_ms
        When a record of a topic was written, milliseconds since 1970, if that is known.
    """

    number: int
    data: bytes
    overlong: bool = False
    partition: int = -1
    written_ms: int | None = None

    @property
    def made_id(self) -> str:
        """Id for a call that bears none: of line number and content, the same however often it is read."""
        return f"line-{self.number}-{xxhash.xxh3_64_hexdigest(self.data)}"

    @property
    def place(self) -> dict[str, int]:
        """Where it stands in its source."""
        return {"line": self.number} if self.partition < 0 else {"partition": self.partition, "offset": self.number}


def lines(path: str, *, max_line: int = MAX_LINE, progress: Callable[[int], None] | None = None) -> Iterator[Line]:
    r"""Read line by line; nothing is opened before the first line is asked for.

    Parameters
    ----------
    path
        A file, ``-`` for standard input, or an address that fsspec knows, such as ``s3://bucket/calls.jsonl.gz``.
        Compression is recognised by content; several gzip members or zstd frames in a row are read to the end. A byte
        order mark of UTF-8 is dropped, and ``\r`` before ``\n``.
    max_line
        Bytes of a line to keep; the rest of it is passed over without being held.
    progress
        Told the bytes consumed so far, as stored, after each read.

    Raises
    ------
    SourceError
        The source cannot be opened.
    BrokenOffError
        It is cut off or damaged, after every complete line before the damage.
    """
    number = 0
    with _opened(path) as stream:
        source = _Source(stream, progress)
        try:
            for line in _split(_unpacked(source), max_line):
                number = line.number
                yield line
        except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
            damage = f"{path} is cut off or damaged: {number} lines were read, then: {error}"
            raise BrokenOffError(f"{damage}; write or fetch it again") from error
        except UnicodeError as error:
            raise SourceError(f"{path} is UTF-16; convert it: iconv -f UTF-16 -t UTF-8") from error


def topic(path: str, kafka: Kafka) -> str | None:
    """The topic that a source names: ``kafka:`` that of calls, ``kafka:NAME`` any; None for every other source."""
    scheme, colon, name = path.partition(":")
    return (name or kafka.topic("calls")) if colon and scheme == "kafka" else None


def size(path: str) -> int | None:
    """Bytes of a source as stored, None where that cannot be known beforehand (a pipe, an absent file)."""
    if path == "-":
        return None
    try:
        if "://" in path:
            file_system, inner = fsspec.core.url_to_fs(path)
            return cast("int | None", file_system.size(inner))
        return Path(path).stat().st_size if Path(path).is_file() else None
    except (OSError, ImportError, ValueError):
        return None


def _opened(path: str) -> AbstractContextManager[BinaryIO]:
    if path == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return cast(BinaryIO, fsspec.open(path, "rb").open()) if "://" in path else Path(path).open("rb")
    except FileNotFoundError as error:
        raise SourceError(f"{path} does not exist; check the path") from error
    except IsADirectoryError as error:
        raise SourceError(f"{path} is a folder; name a file in it") from error
    except PermissionError as error:
        raise SourceError(f"{path} may not be read by this user; grant it read access") from error
    except Exception as error:  # every back end of fsspec raises classes of its own
        raise SourceError(f"{path} cannot be opened: {error}; check the address and its credentials") from error


class _Source:
    """A stream read block by block, handed out in smaller pieces, its consumption reported."""

    def __init__(self, stream: BinaryIO, progress: Callable[[int], None] | None) -> None:
        # read1 returns what is there: a pipe that is slow to fill is judged as it comes
        self._fetch = cast(Callable[[int], bytes], getattr(stream, "read1", stream.read))
        self._progress = progress
        self._consumed = 0
        self._held = memoryview(b"")

    def read(self, count: int = _BLOCK) -> bytes:
        """Up to ``count`` bytes, none at the end."""
        if not self._held:
            self._held = memoryview(self._block())
        piece, self._held = self._held[:count], self._held[count:]
        return bytes(piece)

    def head(self) -> bytes:
        """The first four bytes, left in place."""
        while len(self._held) < 4 and (block := self._block()):
            self._held = memoryview(bytes(self._held) + block)
        return bytes(self._held[:4])

    def _block(self) -> bytes:
        block = self._fetch(_BLOCK)
        self._consumed += len(block)
        if block and self._progress:
            self._progress(self._consumed)
        return block


def _unpacked(source: _Source) -> Iterator[bytes]:
    head = source.head()
    if head.startswith(_GZIP):
        return _gunzip(source)
    if head == _ZSTD or (head[1:] == _ZSTD_SKIPPABLE and head[0] >> 4 == 5):
        return _unzstd(source)
    return iter(source.read, b"")


def _gunzip(source: _Source) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=cast(BinaryIO, source)) as stream:
        while block := stream.read1(_BLOCK):  # read would lose what it had when it meets the damage
            yield block


def _unzstd(source: _Source) -> Iterator[bytes]:
    """Frame by frame: the library's own stream reader takes a cut frame for the end of the file."""
    decompressor = zstandard.ZstdDecompressor()
    frame = decompressor.decompressobj()
    while piece := source.read(_ZSTD_BLOCK):
        while piece:
            if frame.eof:
                frame = decompressor.decompressobj()
            if block := frame.decompress(piece):
                yield block
            piece = frame.unused_data
    if not frame.eof:
        raise EOFError("the compressed data end too early")


def _split(blocks: Iterator[bytes], max_line: int) -> Iterator[Line]:
    for number, data in enumerate(_raw_lines(blocks, max_line), start=1):
        if number == 1:
            if data.startswith(_UTF16):
                raise UnicodeError("UTF-16")
            data = data.removeprefix(codecs.BOM_UTF8)
        data = data.removesuffix(b"\r")
        if data and not data.isspace():
            yield Line(number, data[:max_line], len(data) > max_line)


def _raw_lines(blocks: Iterator[bytes], max_line: int) -> Iterator[bytes]:
    """Lines as they end; of a longer one at least two bytes more than ``max_line``, at most a block more."""
    held = b""
    for block in blocks:
        first, *others = block.split(b"\n")
        if len(held) <= max_line + 1:
            held += first
        for other in others:
            yield held
            held = other
    if held:
        yield held
