"""Driftline in a notebook: calls or an archive, a baseline, a verdict, as frames and as the figures of the report.

::

    from streams.analysis import judge, load, make_baseline

    calls = load("calls.jsonl.gz")
    baseline = make_baseline(calls[:3000])
    judged = judge(calls[3000:], baseline)
    judged.scores.to_pandas()
    judged                                  # in a notebook: the report

What is judged here is what ``driftline watch`` and ``driftline replay --archive`` say,
to the byte: it is the same code.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import msgspec

from drift.baseline import Baseline
from drift.errors import SettingsError
from streams import from_archive, sources
from streams.archive import Archive
from streams.baseline_diff import ALIKE, apart, fields
from streams.building import build_baseline, in_order
from streams.by_baselines import Given, judged
from streams.checks import Rejected
from streams.measure import segment_of
from streams.meters import open_meter
from streams.notebook import Figure, Frame, Judged, SideBySide
from streams.notebook_input import Instant, require_baselines, require_calls, settings_or_default, span
from streams.privacy import private
from streams.records import FIELDS, Record, decode
from streams.replaying import Told, Trial
from streams.settings import Settings
from streams.shelf import require_embedder
from streams.side_by_side import differences, outcomes
from streams.sources import Line
from streams.store import Store

__all__ = [
    "Archive",
    "Calls",
    "Difference",
    "Figure",
    "Frame",
    "Judged",
    "SideBySide",
    "difference",
    "judge",
    "load",
    "make_baseline",
    "side_by_side",
]


class Calls(list[Record]):
    """Call records in the order in which they came.

    Attributes
    ----------
    rejected
        What was no call record: ``reason``, ``field`` and ``detail``.
    source
        The file's name; empty for calls from elsewhere.
    """

    def __init__(self, records: Iterable[Record] = (), rejected: Iterable[Rejected] = (), source: str = "") -> None:
        super().__init__(records)
        self.rejected, self.source = list(rejected), source

    def __repr__(self) -> str:
        return f"{len(self):,} calls" + (f", {len(self.rejected):,} rejected" if self.rejected else "")


class Tabular(Protocol):
    """A data frame: of pandas, with ``to_dict``, or of Polars, with ``to_dicts``."""

    @property
    def columns(self) -> Any:
        """Names of the columns."""


def load(
    source: str | Path | Iterable[Mapping[str, Any]] | Tabular, *, field_map: Mapping[str, str] | None = None
) -> Calls:
    """Call records of a file, of dictionaries, or of the rows of a frame.

    Parameters
    ----------
    source
        JSON lines, plain, gzip or zstd; one mapping a call, with the fields of docs/call-record.schema.json; or a frame
        of pandas or Polars with these as columns. What is missing in a row (None, NaN, NaT) is not given.
    field_map
        Where the fields are that bear other names, such as ``{"app": "service", "output": "response.text"}``.

    Raises
    ------
    SourceError
        The file cannot be read.
    SettingsError
        A value is of a type that JSON has no word for, or ``field_map`` names what is no field.

    Examples
    --------
    >>> calls = load([{"app": "bot", "event_time": "2026-01-05T10:00:00Z", "input": "Where is it?"}, {"app": "bot"}])
    >>> len(calls), calls.rejected[0].field
    (1, 'event_time')
    """
    if isinstance(source, Mapping):
        raise SettingsError("load: got one mapping: give a list of them, a file or a frame")
    if strange := set(field_map or ()) - set(FIELDS):
        raise SettingsError(f"load: field_map: {min(strange)} is no field; fields are {', '.join(sorted(FIELDS))}")
    name = str(source) if isinstance(source, str | Path) else ""
    lines = sources.lines(name) if name else (_line(n, one) for n, one in _rows(source))
    now_ms = time.time_ns() // 1_000_000
    found = [decode(one.data, now_ms=now_ms, field_map=field_map or {}, fallback_id=one.made_id) for one in lines]
    kept = (one for one in found if isinstance(one, Record))
    return Calls(kept, (one for one in found if isinstance(one, Rejected)), name)


def _rows(source: Any) -> Iterable[tuple[int, Mapping[str, Any]]]:
    if hasattr(source, "to_dicts"):
        source = source.to_dicts()
    elif hasattr(source, "to_dict"):
        source = source.to_dict("records")
    return enumerate(source, 1)


def _line(number: int, call: Any) -> Line:
    given = {name: value for name, value in call.items() if not _missing(value)} if isinstance(call, Mapping) else call
    try:
        return Line(number, msgspec.json.encode(given, enc_hook=_plain))
    except (TypeError, NotImplementedError) as error:
        raise SettingsError(f"load: call {number} cannot be read: {error}; give text, numbers and lists") from error


def _missing(value: Any) -> bool:
    return (
        value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value)
    )


def _plain(value: Any) -> Any:
    """What frames hold, as Python's own: instants, and numbers and arrays of numpy."""
    for method in ("isoformat", "tolist"):
        with suppress(AttributeError):
            return getattr(value, method)()
    raise NotImplementedError(f"got {value!r} of type {type(value).__name__}")


def make_baseline(
    what: Sequence[Record] | Archive,
    *,
    segment: str = "",
    start: Instant = None,
    end: Instant = None,
    like: Baseline | None = None,
    force: bool = False,
    settings: Settings | None = None,
) -> Baseline:
    """What is normal for a segment, as ``driftline baseline build`` makes it; it is not stored.

    Parameters
    ----------
    what
        Calls in any order, or an archive, of which no call is read and nothing is embedded.
    segment
        ``APP`` or ``APP/PROMPT_NAME``; not needed where there is only one.
    start, end
        Only calls, or ticks that start, at or after ``start`` and before ``end``: milliseconds since 1970, a
        ``datetime`` or text such as ``2026-01-05T10:00:00Z``; without a time zone UTC.
    like
        Another baseline, through whose lens this one sees, so that both can judge the same panes; by default calls get
        a lens of their own, and an archive's is looked up in the store of the settings.
    force
        Build it although the self-check refuses it; this is recorded.

    Raises
    ------
    SettingsError
        There is nothing of that segment or range, or there are several segments and none was named.
    BaselineRefusedError
        They cannot serve as a baseline: fewer than 200 calls, or calls that repeat or drift.
    LensMismatchError
        An archive's panes were seen through other lenses, or the calls are measured by another embedder than ``like``.
    SourceError
        The lens of an archive's panes is not known.
    """
    require_calls("make_baseline", what)
    require_baselines("make_baseline", [like] if like is not None else [])
    settings, wanted = settings_or_default("make_baseline", settings), span(start, end)
    if isinstance(what, Archive):
        name = _one(segment, {one.segment for one in what.contents()}, what.address)
        store = Store(settings.store)
        return from_archive.of_segment(
            what, name, store, settings, start=wanted.start, end=wanted.end, like=like, force=force
        )
    meter = open_meter(settings)
    taken = [one for one in what if wanted.holds(one.event_time)]
    name = _one(segment, {segment_of(one) for one in taken}, f"of {len(what):,} calls {len(taken):,} in the range")
    if like:
        require_embedder(meter, like.lens, f"baseline {like.id}")
    return build_baseline(
        meter,
        in_order(one for one in taken if segment_of(one) == name),
        lens=like.lens if like else None,
        clock=settings.clock,
        force=force,
        facts={"source": what.source} if isinstance(what, Calls) and what.source else None,
        slices=settings.slices,
        scores=settings.scores,
    )


def _one(wanted: str, known: set[str], where: str) -> str:
    """The segment that is meant."""
    if wanted in known:
        return wanted
    if not known:
        raise SettingsError(f"make_baseline: there is nothing to make it of, {where}")
    there = ", ".join(sorted(known))
    if not wanted and len(known) == 1:
        return there
    raise SettingsError(f"segment: got {wanted or 'none'}, {where} hold {there}: name one of them")


def judge(
    what: Sequence[Record] | Archive,
    *baselines: Baseline,
    start: Instant = None,
    end: Instant = None,
    mixed: bool = False,
    settings: Settings | None = None,
) -> Judged:
    """What baselines say of the calls of their segments, or of the panes of these in an archive.

    Parameters
    ----------
    what
        Calls in the order in which they came, or an archive.
    baselines
        One for each segment that is judged; ``side_by_side`` compares several of one segment.
    start, end
        Only ticks that start at or after ``start`` and before ``end``, as for ``make_baseline``; of an archive only.
    mixed
        Whether an archive's ticks may be of another resolution than the live judge's, which ``notes`` then say.
    settings
        Budget, tolerances and the rest; by default those of the commands: ``DRIFTLINE_CONFIG`` and other variables.

    Raises
    ------
    SettingsError
        There is nothing to judge, or nothing to judge by.
    LensMismatchError
        An archive's panes were seen through another lens, or a baseline was made with another embedder.
    BrokenOffError
        A file of the archive is cut off or damaged.

    Examples
    --------
    ::

        judged = judge(load("today.jsonl"), baseline)
        judged.alerts.to_polars()
        judged.report("report.html")
    """
    if not baselines:
        raise SettingsError("judge: no baseline given: make one by make_baseline")
    require_calls("judge", what)
    require_baselines("judge", baselines)
    known = settings_or_default("judge", settings)
    given = sorted(baselines, key=lambda one: one.segment)
    for one, other in pairwise(given):
        if one.segment == other.segment:
            raise SettingsError(f"judge: two baselines are of {one.segment}: compare them by side_by_side")
    named = [Given(one.id, one) for one in given]
    return judged(what, named, span(start, end), known, mixed=mixed)[0][0]


def side_by_side(
    what: Sequence[Record] | Archive,
    baselines: Mapping[str, Baseline],
    *,
    start: Instant = None,
    end: Instant = None,
    mixed: bool = False,
    settings: Settings | None = None,
) -> SideBySide:
    """What each of several baselines says of the same, and in words where they differ; see ``judge``.

    An archive is read once; its panes fit baselines of one lens only.

    Parameters
    ----------
    baselines
        By the names that they are to be told by.

    Raises
    ------
    SettingsError
        There is nothing to judge, or nothing to judge by.
    LensMismatchError
        As for ``judge``.
    """
    if not baselines:
        raise SettingsError("side_by_side: no baselines given: make them by make_baseline")
    if not isinstance(baselines, Mapping):
        raise SettingsError('side_by_side: give baselines by their names: {"old": ..., "new": ...}')
    require_calls("side_by_side", what)
    require_baselines("side_by_side", baselines.values())
    known = settings_or_default("side_by_side", settings)
    given = [Given(name, one, place) for place, (name, one) in enumerate(baselines.items())]
    done = judged(what, given, span(start, end), known, mixed=mixed)
    trials = [Trial.of(name, one) for name, one in baselines.items()]
    told = [Told(0, n, trial.segment or "", line) for n, trial in enumerate(trials) for line in done[n][0].records]
    overviews = [(n, one) for n in range(len(trials)) for one in done[n][1]]
    found = outcomes(trials, told, overviews)
    words = [said for name, those in found.items() if len(those) > 1 for said in differences(name, those)]
    rows = (one.fields for those in found.values() for one in those)
    return SideBySide(dict(zip(baselines, (one for one, _ in done), strict=True)), words, Frame(rows))


class Difference(Frame):
    """How a baseline differs from another: a row per detector of the first.

    Attributes
    ----------
    words
        A sentence for each difference that is surely there and as large as what is tolerated, or that there is none.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        super().__init__(map(dict, rows))
        self.words = [str(one["sentence"]) for one in self if "sentence" in one] or [ALIKE]


def difference(a: Baseline, b: Baseline, *, settings: Settings | None = None) -> Difference:
    """How baseline ``b`` differs from ``a``, as ``driftline baseline diff`` says it.

    Raises
    ------
    LensMismatchError
        They were seen through different lenses: make the second with ``like=a``.
    """
    require_baselines("difference", (a, b))
    settings = settings_or_default("difference", settings)
    before, now = (private(one, settings.texts) for one in (a, b))
    return Difference(fields(before, now, apart(before, now, settings.budget, settings.all_tolerances)))
