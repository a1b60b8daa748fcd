"""Panes of another archive, a folder of Parquet files or one such file into an archive, checked on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from drift.errors import SettingsError, SourceError
from streams.archive import BUFFER_BYTES, Added, Archive, told
from streams.archive_rows import COLUMNS, Row, from_table, schema
from streams.arrow import File
from streams.extent import Wanted
from streams.folder import Folder


def files(address: str) -> tuple[Folder, list[str]]:
    """The Parquet files of panes at an address, and the folder that they are in.

    Raises
    ------
    SourceError
        There is none.
    """
    if address.endswith(".parquet"):
        place, _, name = address.rpartition("/")
        folder = Folder(place or ".")
        if not folder.has(name):
            raise SourceError(f"there is no file {address}: check the address")
        return folder, [name]
    folder = Folder(address)
    found = folder.names("") if folder.exists() else []
    names = [one for one in found if one.endswith(".parquet") and not one.startswith(("measures/", "pending/"))]
    if not names:
        raise SourceError(f"{address} is no archive: it holds no Parquet file of panes; check the address")
    return folder, sorted(names, key=lambda one: PurePosixPath(one).parts)


def bring(
    source: str, archive: Archive, wanted: Wanted, *, progress: Callable[[float], None] = lambda share: None
) -> Added:
    """Copy the wanted panes; those that are there already stay as they are.

    Raises
    ------
    SettingsError
        There are none.
    SourceError
        There is nothing to read.
    BrokenOffError
        A file is cut off or damaged; what was read before it is kept.
    CorruptError
        A row does not say what its pane holds.
    """
    if wanted.start is not None and wanted.end is not None and wanted.start >= wanted.end:
        raise SettingsError(
            f"the range ends at {told(wanted.end)}, before it begins at {told(wanted.start)}: turn them round"
        )
    folder, names = files(source)
    done, held, size, low, high = Added(), list[Row](), 0, None, None
    for number, name in enumerate(names):
        for row in _rows(folder, name):
            low, high = min(low or row.tick, row.tick), max(high or row.end, row.end)
            if not wanted.holds(row.tick) or (wanted.segments and row.segment not in wanted.segments):
                continue
            held.append(row.checked(folder.path(name)))
            size += len(row.pane)
            if size >= BUFFER_BYTES:
                done, held, size = done.plus(archive.add(held)), [], 0
        progress((number + 1) / len(names))
    done = done.plus(archive.add(held)) if held else done
    if not done.added and not done.known:
        reach = f"; it reaches from {told(low)} to {told(high)}" if low is not None and high is not None else ""
        raise SettingsError(f"{source} holds no panes of these segments between --from and --to{reach}")
    return done


def _rows(folder: Folder, name: str) -> Iterator[Row]:
    with File(folder, name, schema()) as file:
        for table in file.tables([*COLUMNS, "tick_s"]):
            yield from from_table(table)
