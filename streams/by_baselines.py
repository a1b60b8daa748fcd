"""Calls, or the panes of an archive, judged by baselines that are given, with all that a verdict file keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from drift.baseline import Baseline
from drift.errors import SettingsError
from drift.state import Judge, SegmentState
from streams.alerts import encode
from streams.archive import Archive
from streams.archive_shares import resolution_told
from streams.embedded import Watch
from streams.measure import segment_of
from streams.meters import open_meter
from streams.notebook import Judged
from streams.origins import find_origins
from streams.overview import Overview, kinds_now
from streams.privacy import private
from streams.records import Record
from streams.replay_rows import ReplayRows, join
from streams.replaying import Library, Replaying, Span, Trial, in_order
from streams.report.read import read
from streams.settings import Settings
from streams.shelf import require_embedder
from streams.store import Store
from streams.verdict_rows import VerdictRows


class Given(NamedTuple):
    """A baseline, what people call it, and where it speaks: those of one place are of different segments."""

    name: str
    baseline: Baseline
    place: int = 0


def _by_place(given: Sequence[Given]) -> Iterator[tuple[int, list[Baseline]]]:
    for place in sorted({one.place for one in given}):
        yield place, [one.baseline for one in given if one.place == place]


def judged(
    what: Sequence[Record] | Archive, given: Sequence[Given], span: Span, settings: Settings, *, mixed: bool
) -> list[tuple[Judged, list[Overview]]]:
    """What is said in each place, and how its segments are in the end.

    Raises
    ------
    SettingsError
        There is nothing to judge, a range is reversed or of calls, or ticks are of another resolution unasked.
    LensMismatchError
        An archive's panes were seen through another lens, or a baseline was made with another embedder.
    BrokenOffError
        A file of the archive is cut off or damaged.
    """
    with TemporaryDirectory() as folder:
        if isinstance(what, Archive):
            said = _judge_archive(folder, what, given, span, settings, mixed=mixed)
        elif span != Span():
            raise SettingsError("start and end are of archives: choose among the calls")
        else:
            said = _judge_calls(folder, what, given, settings)
        done = []
        for one in said:
            account = read(one.path)
            account.source = what.address if isinstance(what, Archive) else "a notebook"
            account.command = ""
            done.append((Judged(Path(one.path).read_bytes(), account, one.records, one.notes), one.overviews))
        return done


@dataclass
class _Said:
    """A verdict file, the alert records as bytes, what each segment is in the end, and what else is to be known."""

    path: str
    records: list[bytes]
    overviews: list[Overview]
    notes: list[str] = field(default_factory=list)


def _judge_calls(folder: str, calls: Sequence[Record], given: Sequence[Given], settings: Settings) -> list[_Said]:
    segments = Counter(segment_of(one) for one in calls)
    if not any(segments[one.baseline.segment] for one in given):
        wanted = ", ".join(sorted({one.baseline.segment for one in given}))
        there = ", ".join(sorted(segments)[:5]) or "none"
        raise SettingsError(f"judge: none of these {len(calls):,} calls is of {wanted}; they are of {there}")
    meter, store, done = open_meter(settings), Store(settings.store), []
    for place, those in _by_place(given):
        known = {one.segment: private(one, settings.texts) for one in those}
        for one in known.values():
            require_embedder(meter, one.lens, f"baseline {one.id}")
        notes = [f"there are no calls of {name}" for name in known if not segments[name]]
        others = sum(count for name, count in segments.items() if name not in known)
        notes += [f"{others:,} calls are of segments without a baseline: not judged"] if others else []
        options = settings.options(first=None, origins=find_origins((), known, store, notes.append))
        path = str(Path(folder, f"{place}.jsonl"))
        with VerdictRows(path) as rows:
            watched = Watch(meter, options, known, warn=notes.append, seen=rows.seen)
            alerts = [one for low in range(0, len(calls), 1000) for one in watched.feed(calls[low : low + 1000])[0]]
            alerts += watched.finish()
            rows.alerts(alerts)
            rows.finish(watched.segments.values(), watched.counts)
        if again := watched.counts["duplicates"]:
            notes.append(f"{again:,} calls bear the call_id of another one: counted once")
        if late := watched.counts["late"]:
            notes.append(
                f"{late:,} of {len(calls):,} calls came later than lateness_s ({settings.lateness_s:g} s) allows: not "
                "judged. The order of the list is taken for that in which they came: else sort it by event_time"
            )
        overviews = [_overview(one.name, one.judge, one.state) for one in watched.segments.values()]
        done.append(_Said(path, [encode(one) for one in alerts], overviews, notes))
    return done


def _overview(name: str, judge: Judge | None, state: SegmentState | None) -> Overview:
    """A segment in the end, as ``side_by_side`` asks for it."""
    assert judge is not None and state is not None  # with a baseline that was given it always has both
    baseline, kinds = judge.baseline, kinds_now(judge, state)
    return Overview(name, "judged", 0, state.calls, baseline.id, baseline.pane.end, kinds, (), {}, {})


def _judge_archive(
    folder: str,
    archive: Archive,
    given: Sequence[Given],
    span: Span,
    settings: Settings,
    *,
    mixed: bool,
) -> list[_Said]:
    segments = sorted({one.baseline.segment for one in given})
    resolution = resolution_told(archive.require(segments, span.start, span.end, mixed=mixed))
    notes = [f"ticks of {resolution}: another resolution, not what the live judge says"] if resolution else []
    trials = [Trial.of(one.name, one.baseline) for one in given]
    kept = {place: ReplayRows(folder, place) for place, _ in _by_place(given)}
    library = Library(Store(settings.store), settings, [one.baseline for one in given])
    rows = [kept[one.place] for one in given]
    replaying = Replaying(settings, library, trials, span, rows=rows, warn=notes.append)
    ticks = archive.closed(segments=segments, start=span.start, end=span.end, mixed=mixed)
    told = in_order([one for closed in ticks for one in replaying.apply(closed)])
    replaying.finish()
    notes += [f"there are no ticks of {name}" for name in segments if name not in replaying.seen.ticks]
    overviews, done = replaying.overviews(), []
    for place in kept:
        own = [n for n, one in enumerate(given) if one.place == place]
        counts = sum((replaying.counts[n] for n in own), Counter[str]())
        join(path := str(Path(folder, f"{place}.jsonl")), folder, place, segments, counts)
        records = [one.record for one in told if one.trial in own]
        done.append(_Said(path, records, [one for n, one in overviews if n in own], list(notes)))
    return done
