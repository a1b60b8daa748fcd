"""Which segments of an archive lay in which partition of the topic of panes, to be judged side by side as they were."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import NamedTuple

import xxhash

from streams.archive import Archive, columns_of
from streams.archive_rows import schema
from streams.arrow import File


class Share(NamedTuple):
    """Segments of a partition, and how many ticks of them there are."""

    segments: tuple[str, ...]
    ticks: int


def shares(
    archive: Archive, segments: Collection[str] = (), start: int | None = None, end: int | None = None
) -> dict[int, Share]:
    """Segments by partition; where a partition is not known it is the first.

    Parameters
    ----------
    segments
        Only these; none: all of them.
    start, end
        Ticks that start at or after ``start`` and before ``end``, milliseconds since 1970.

    Raises
    ------
    BrokenOffError
        A file is cut off or damaged.
    """
    names, ticks = defaultdict[int, set[str]](set), defaultdict[str, set[int]](set)
    place = dict[str, int]()
    columns = ("segment", "tick", "partition")
    for part in archive.parts(start, end):
        with File(archive.folder, part.name, schema()) as file:
            for table in file.tables(columns):
                for segment, tick, partition in columns_of(table, columns):
                    inside = (start is None or tick >= start) and (end is None or tick < end)
                    if inside and (not segments or segment in segments):
                        place[segment] = max(place.get(segment, 0), partition)
                        ticks[segment].add(tick)
    for segment, partition in place.items():
        names[partition].add(segment)
    return {n: Share(tuple(sorted(found)), sum(len(ticks[one]) for one in found)) for n, found in sorted(names.items())}


def listing(archive: Archive, start: int | None = None, end: int | None = None) -> str:
    """An archive and what it holds between two times, in a few words: files are named by their content."""
    names = "\n".join(sorted(one.name for one in archive.parts(start, end)))
    return f"{archive.address}, files {xxhash.xxh3_64_hexdigest(names.encode())}"


def resolution_told(lengths: Collection[tuple[float, float]]) -> str:
    """Of which resolution ticks are, empty where it is that of the live judge.

    Parameters
    ----------
    lengths
        Of ticks and of those that they were made of, seconds, as ``Archive.require`` gives them.
    """
    coarse = len(lengths) > 1 or any(length != tick for length, tick in lengths)
    told = ", ".join(f"{length:g} s (judged live: {tick:g} s)" for length, tick in sorted(lengths))
    return told if coarse else ""
