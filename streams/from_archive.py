"""A baseline of the panes of an archive: no call is read, nothing is embedded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from drift import baseline as baselines
from drift import pane as panes
from drift.baseline import REFERENCE, Baseline, Kept
from drift.block import gather
from drift.call import Declared
from drift.errors import BaselineRefusedError, LensMismatchError, SourceError
from drift.lens import Lens
from drift.pane import Pane
from streams.archive import Archive, told
from streams.building import Progress
from streams.first import ENOUGH, known_facts, whole
from streams.measure import Meter
from streams.meters import open_meter
from streams.redact import Privacy
from streams.settings import Settings
from streams.store import Store

AT_ONCE = 256
"""Ticks that are summed up together: all of a month would not fit into memory."""


@dataclass(frozen=True, slots=True)
class Summed:
    """All panes of a segment in a range: their sum, the calls of each block that they form, and how many they were."""

    pane: Pane
    blocks: list[int]
    panes: int
    resolutions: frozenset[float]
    exact: bool


def summed(
    archive: Archive,
    segment: str,
    start: int | None = None,
    end: int | None = None,
    *,
    lens: str = "",
    progress: Callable[[float], None] = lambda share: None,
) -> Summed:
    """The sum of a segment's panes.

    Parameters
    ----------
    lens
        Only panes seen through this one; empty: there must be only one.

    Raises
    ------
    SettingsError
        There are none, or the range is reversed.
    LensMismatchError
        They were seen through several lenses, or none through that one.
    BrokenOffError
        A file is cut off or damaged.
    """
    lengths = archive.require([segment], start, end, mixed=True)
    pending: Pane | None = None
    sums, held, blocks, count = list[Pane](), list[Pane](), list[int](), 0
    first, other = lens, ("", 0)
    for closed in archive.closed(segments=[segment], start=start, end=end, mixed=True, progress=progress):
        first = first or closed.panes[0].lens
        if strange := [one for one in closed.panes if one.lens != first]:
            other = strange[0].lens, closed.tick
            if not lens:
                raise LensMismatchError(
                    f"panes of {segment} were seen through lens {first} and, at {told(closed.tick)}, through lens "
                    f"{other[0]}: choose by --lens {first} or --lens {other[0]}, or a range of one by --from and --to"
                )
        parts = [panes.decode(one.pane) for one in closed.panes if one.lens == first]
        if not parts:
            continue
        tick = whole(parts)
        pending, ready = gather(pending, tick)
        blocks += [block.n for block in ready]
        held.append(tick)
        count += len(parts)
        if len(held) == AT_ONCE:
            sums, held = [panes.merge([*sums, *held], size=REFERENCE)], []
    if not sums and not held:
        raise LensMismatchError(
            f"{archive.address}: no panes of {segment} there were seen through lens {lens}, only through {other[0]}"
        )
    pane = panes.merge([*sums, *held], size=REFERENCE)
    exact = all(length == tick for length, tick in lengths)
    return Summed(pane, blocks, count, frozenset(length for length, _ in lengths), exact)


def lens_of(
    store: Store, lens: str, segment: str, default: Callable[[], Meter], scores: tuple[str, ...]
) -> tuple[Lens, Declared]:
    """The lens of this id, and what was declared where panes of a segment were seen through it.

    Parameters
    ----------
    default
        Opens the embedder, to see whether it is its default lens.
    scores
        Names of the scores that were measured of segments without a baseline.

    Raises
    ------
    SourceError
        It is not known here.
    """
    entries = [one for one in store.baselines() if one.lens == lens] if store.exists() else []
    if entries:
        found = store.baseline(max(entries, key=lambda one: (one.segment == segment, one.end)).id)
        return found.lens, found.declared if found.segment == segment else Declared(scores=scores)
    if store.exists() and lens in {one.id for one in store.lenses()}:
        return store.lens(lens), Declared(scores=scores)
    made = default().default_lens()
    if made.id == lens:
        return made, Declared(scores=scores)
    raise SourceError(
        f"panes of {segment} were seen through lens {lens}, which neither the store holds nor a baseline in it, and "
        f"which is not the default one ({made.id}): name the store of the service by --store or DRIFTLINE_STORE, or "
        "the embedder by --embedder"
    )


def of_segment(
    archive: Archive,
    segment: str,
    store: Store,
    settings: Settings,
    *,
    start: int | None = None,
    end: int | None = None,
    lens: str = "",
    like: Baseline | None = None,
    force: bool = False,
    kept: Kept | None = None,
    say: Callable[[str], None] = lambda text: None,
    progress: Progress = lambda what, done: None,
) -> Baseline:
    """The baseline of a segment's panes in a range.

    Parameters
    ----------
    start, end
        Ticks that start at or after ``start`` and before ``end``, milliseconds since 1970.
    lens
        Id of the one that panes were seen through, empty where there is only one.
    like
        A baseline of that lens, which then need not be known to the store; slices and scores are as it has them.
    kept
        Calibrations of earlier builds, such as those of a store.
    say
        Told what a person should know.

    Raises
    ------
    SettingsError
        There are no panes, or the range is reversed.
    LensMismatchError
        They were seen through several lenses, or none through that one.
    BaselineRefusedError
        They cannot serve as a baseline.
    SourceError
        Their lens is not known.
    BrokenOffError
        A file is cut off or damaged.
    """
    wanted = like.lens.id if like else lens
    found = summed(archive, segment, start, end, lens=wanted, progress=lambda done: progress("reading", done))
    if like:
        seen, declared = like.lens, like.declared
    else:
        seen, declared = lens_of(store, found.pane.lens, segment, lambda: open_meter(settings), settings.scores)
    if not found.exact:
        lengths = ", ".join(f"{one:g} s" for one in sorted(found.resolutions))
        say(f"{segment}: its ticks were summed up since, to {lengths}: its blocks are larger than the live ones")
    return build(
        found,
        seen,
        declared=declared,
        texts=settings.texts,
        facts={"source": f"archive {archive.address}"},
        force=force,
        kept=kept,
        progress=lambda done: progress("calibrating", done),
    )


def build(
    found: Summed,
    lens: Lens,
    *,
    declared: Declared,
    texts: Privacy = "full",
    facts: dict[str, Any] | None = None,
    force: bool = False,
    kept: Kept | None = None,
    progress: Callable[[float], None] = lambda done: None,
) -> Baseline:
    """Baseline of summed panes; what is drawn from single calls rests on a fair sample of them.

    Raises
    ------
    BaselineRefusedError
        The calls are too few, or a sample of them is; or, and ``force`` is not given, they repeat or drift.
    """
    rows = len(found.pane.sample.rows)
    if found.pane.sample.tau is not None and rows < ENOUGH:
        raise BaselineRefusedError(
            f"segment {found.pane.segment}: of {found.pane.n:,} calls in these panes {rows:,} are left as a fair "
            f"sample, {ENOUGH:,} are needed: take a longer range, or build it from the calls (driftline baseline build "
            "SOURCE)"
        )
    summed_up = {} if found.exact else {"resolution_s": sorted(found.resolutions)}
    return baselines.build(
        lens,
        [found.pane],
        found.blocks,
        facts={**(facts or {}), "panes": found.panes, **summed_up, **known_facts(declared, texts)},
        force=force,
        kept=kept,
        progress=progress,
    )
