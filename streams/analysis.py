"""Driftline in a notebook: calls or an archive, a baseline, a verdict, as frames and as the figures of the report.

::

    from streams.analysis import judge, load, make_baseline

    calls = load("calls.jsonl.gz")
    baseline = make_baseline(calls[:3000])
    judged = judge(calls[3000:], baseline)
    judged.scores.to_pandas()
    judged                                  # in a notebook: the report

What is judged here is what ``driftline watch`` and ``driftline replay --archive`` say, to the bit: it is the same code.
"""

from __future__ import annotations

import html
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from drift.baseline import Baseline
from drift.errors import SettingsError
from drift.lens import Lens
from streams import sources
from streams.archive import Archive
from streams.baseline_diff import apart
from streams.building import build_baseline, in_order
from streams.checks import Rejected
from streams.embedded import Options, Watch
from streams.measure import Meter, segment_of
from streams.meters import open_meter
from streams.records import Record, decode
from streams.replay_rows import ReplayRows, join
from streams.replaying import Library, Replaying, Span, Trial
from streams.report.figures import Drawn, timeline
from streams.report.page import embedded, page
from streams.report.plain import markdown
from streams.report.read import Account, read
from streams.report.story import Story, stories
from streams.settings import Settings
from streams.store import Store
from streams.verdict_rows import VerdictRows

__all__ = ["Archive", "Figure", "Frame", "Judged", "difference", "judge", "load", "make_baseline"]

HEIGHT_PX = {"report": 900, "figure": 230}


class Frame(list[dict[str, Any]]):
    """Rows as dictionaries; a data frame where one is wanted."""

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame``.

        Raises
        ------
        SettingsError
            pandas is not installed.
        """
        return _library("pandas").DataFrame(list(self))

    def to_polars(self) -> Any:
        """A ``polars.DataFrame``.

        Raises
        ------
        SettingsError
            Polars is not installed.
        """
        return _library("polars").DataFrame(list(self), infer_schema_length=None)


def _library(name: str) -> Any:
    try:
        return __import__(name)
    except ImportError as error:
        raise SettingsError(f"{name} is not installed: pip install {name}; or take the rows as they are") from error


class Figure:
    """A page, or a part of one, that a notebook shows in a frame of its own.

    Attributes
    ----------
    html
        A whole HTML document that loads nothing.
    """

    def __init__(self, text: str, height_px: int) -> None:
        self.html, self._height = text, height_px

    def save(self, path: str | Path) -> None:
        """Write it as a file."""
        Path(path).write_text(self.html, encoding="utf-8", errors="replace")

    def _repr_html_(self) -> str:
        """A frame, so that neither this nor the notebook changes how the other looks."""
        return (
            f'<iframe sandbox="allow-scripts allow-popups" style="width:100%;height:{self._height}px;border:0" '
            f'title="Driftline" srcdoc="{html.escape(self.html)}"></iframe>'
        )


class Judged:
    """What a baseline says of calls: the rows of a verdict file, whose columns docs/report.md explains.

    Attributes
    ----------
    scores
        A row per block and detector: ``statistic`` and ``threshold`` are natural logs of evidence.
    stretches
        A row per hour or 200 calls: topics, lengths, latencies.
    markers
        Models, prompt versions, regions that changed.
    alerts
        Records of alarms, as ``driftline watch --json`` writes them.
    summary
        A row per segment: the verdict, and answers by kind.
    """

    def __init__(self, data: bytes, account: Account) -> None:
        self._account = account
        by: dict[str, Frame] = {}
        for line in data.splitlines():
            row = json.loads(line)
            by.setdefault(row.pop("row"), Frame()).append(row)
        self.scores, self.stretches, self.markers = (by.get(one, Frame()) for one in ("score", "stretch", "marker"))
        self.alerts = Frame(one["alert"] for one in by.get("alert", ()))
        self.summary = Frame({"segment": one["segment"], **one["verdict"]} for one in by.get("summary", ()))

    @cached_property
    def _stories(self) -> list[Story]:
        return stories(self._account)

    @property
    def segments(self) -> list[str]:
        """What was judged, the worst first."""
        return [one.name for one in self._stories]

    @property
    def report(self) -> Figure:
        """The page of ``driftline report``."""
        return Figure(page(self._account, self._stories), HEIGHT_PX["report"])

    @property
    def markdown(self) -> str:
        """The report for a pull request."""
        return markdown(self._account, self._stories)

    def timeline(self, kind: str, segment: str | None = None) -> Figure:
        """Statistics of a kind of drift against their thresholds over time, with change points, markers and alarms.

        Parameters
        ----------
        kind
            ``data``, ``model``, ``prompt``, ``output_length``, ``quality`` or ``operational``.
        segment
            By default the worst.

        Raises
        ------
        SettingsError
            There is no such segment, or nothing of that kind was judged.
        """
        story = self._story(segment)
        if kind not in story.drawn:
            raise SettingsError(f"{kind} was not judged in {story.name}: choose of {', '.join(story.drawn)}")
        drawn: Drawn = timeline(story, kind)
        return Figure(embedded(f"{story.name}: {kind.replace('_', ' ')}", drawn), HEIGHT_PX["figure"])

    def _story(self, segment: str | None) -> Story:
        for one in self._stories:
            if segment in (None, one.name):
                return one
        raise SettingsError(f"{segment} was not judged: choose of {', '.join(self.segments) or 'none'}")

    def _repr_html_(self) -> str:
        return self.report._repr_html_()

    def __repr__(self) -> str:
        return "\n".join(str(one["sentence"]) for one in self.summary) or "nothing was judged"


class Calls(list[Record]):
    """Call records in the order in which they came.

    Attributes
    ----------
    rejected
        What was no call record, and why.
    """

    def __init__(self, records: Iterable[Record] = (), rejected: Iterable[Rejected] = ()) -> None:
        super().__init__(records)
        self.rejected = list(rejected)


def load(source: str | Path | Iterable[Mapping[str, Any]]) -> Calls:
    """Call records of a file, or of dictionaries such as ``frame.to_dict("records")``.

    Parameters
    ----------
    source
        JSON lines, plain, gzip or zstd; or one mapping a call, with the fields of docs/call-record.schema.json.

    Raises
    ------
    SourceError
        The file cannot be read.
    """
    if isinstance(source, str | Path):
        lines = [line.data for line in sources.lines(str(source))]
    else:
        lines = [msgspec.json.encode(_without_gaps(one)) for one in source]
    now_ms = time.time_ns() // 1_000_000
    found = [decode(line, now_ms=now_ms, fallback_id=f"line-{n}") for n, line in enumerate(lines, 1)]
    return Calls((one for one in found if isinstance(one, Record)), (one for one in found if isinstance(one, Rejected)))


def _without_gaps(call: Mapping[str, Any]) -> dict[str, Any]:
    """A call without the fields that a frame fills where a call had none."""
    return {name: value for name, value in call.items() if value is not None and value == value}


def make_baseline(
    calls: Sequence[Record], *, lens: Lens | None = None, force: bool = False, settings: Settings | None = None
) -> Baseline:
    """What is normal: the baseline of calls of one segment, as ``driftline baseline build`` makes it.

    Parameters
    ----------
    lens
        That of another baseline (``other.lens``), so that both can judge the same panes; by default one of their own.
    force
        Build it although the self-check refuses it.

    Raises
    ------
    SettingsError
        The calls are of several segments.
    BaselineRefusedError
        They cannot serve as a baseline.
    """
    settings = settings or Settings()
    if len(names := sorted({segment_of(one) for one in calls})) > 1:
        raise SettingsError(f"a baseline is of one segment, these calls are of {', '.join(names)}: choose")
    return build_baseline(
        open_meter(settings),
        in_order(calls),
        lens=lens,
        clock=settings.clock,
        force=force,
        slices=settings.slices,
        scores=settings.scores,
    )


def judge(
    what: Sequence[Record] | Archive,
    baseline: Baseline,
    *,
    start: int | None = None,
    end: int | None = None,
    mixed: bool = False,
    settings: Settings | None = None,
) -> Judged:
    """What a baseline says of the calls of its segment, or of its panes in an archive.

    Parameters
    ----------
    what
        Calls in the order in which they came, or an archive.
    start, end
        Only ticks that start at or after ``start`` and before ``end``, milliseconds since 1970; of an archive only.
    mixed
        Whether an archive's ticks may be of another resolution than the live judge's.

    Raises
    ------
    SettingsError
        There is nothing to judge.
    LensMismatchError
        An archive's panes were seen through another lens, or the baseline was made with another embedder.
    """
    settings = settings or Settings()
    with TemporaryDirectory() as folder:
        path = str(Path(folder, "verdicts.jsonl"))
        if isinstance(what, Archive):
            _judge_archive(path, folder, what, baseline, Span(start, end), settings, mixed=mixed)
        else:
            if start is not None or end is not None:
                raise SettingsError("start and end are of archives: choose among the calls")
            _judge_calls(path, what, baseline, open_meter(settings), settings)
        account = read(path)
        account.source = what.address if isinstance(what, Archive) else f"{len(what):,} calls"
        return Judged(Path(path).read_bytes(), account)


def _judge_calls(path: str, calls: Sequence[Record], baseline: Baseline, meter: Meter, settings: Settings) -> None:
    if not any(segment_of(one) == baseline.segment for one in calls):
        raise SettingsError(f"none of these {len(calls):,} calls is of {baseline.segment}, the baseline's segment")
    options = Options(
        settings.budget,
        clock=settings.clock,
        first=None,
        tolerances=settings.all_tolerances,
        clear_after=settings.clear_after,
        segments=settings.segments,
        allowed=settings.prompts.allowed,
    )
    with VerdictRows(path) as rows:
        watched = Watch(meter, options, {baseline.segment: baseline}, seen=rows.seen)
        alerts = [one for low in range(0, len(calls), 1000) for one in watched.feed(calls[low : low + 1000])[0]]
        rows.alerts([*alerts, *watched.finish()])
        rows.finish(watched.segments.values(), watched.counts)


def _judge_archive(
    path: str, folder: str, archive: Archive, baseline: Baseline, span: Span, settings: Settings, *, mixed: bool
) -> None:
    rows = ReplayRows(folder, 0)
    library = Library(Store(settings.store), settings, [baseline])
    replaying = Replaying(settings, library, [Trial.of(baseline.id, baseline)], span, rows=[rows])
    for closed in archive.closed(segments=[baseline.segment], start=span.start, end=span.end, mixed=mixed):
        replaying.apply(closed)
    replaying.finish()
    join(path, folder, 0, [baseline.segment], replaying.counts[0])


def difference(a: Baseline, b: Baseline, *, settings: Settings | None = None) -> Frame:
    """How baseline ``b`` differs from ``a``, a row per detector, as ``driftline baseline diff`` says it.

    Raises
    ------
    LensMismatchError
        They were seen through different lenses: make the second with ``lens=a.lens``.
    """
    settings = settings or Settings()
    return Frame(one.fields() for one in apart(a, b, settings.budget, settings.all_tolerances))
