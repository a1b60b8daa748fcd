"""What a notebook is shown: rows that become data frames, and pages in frames of their own."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zstandard

from drift.errors import SettingsError
from streams.report.forms import form_of, rendered
from streams.report.page import alone, page, pictures
from streams.report.plain import markdown
from streams.report.read import Account
from streams.report.story import Story, stories
from streams.verdict_rows import require
from streams.whole_file import write_whole

if TYPE_CHECKING:
    import pandas
    import polars


PAGE_PX = 900
"""Height of a report in a notebook."""


class Frame(list[dict[str, Any]]):
    """Rows as dictionaries; a data frame where one is wanted.

    >>> Frame([{"kind": "model", "statistic": 1.5}])
    1 row: kind, statistic
    """

    def __repr__(self) -> str:
        columns = dict.fromkeys(name for row in self for name in row)
        return f"{len(self):,} row{'s' if len(self) != 1 else ''}{': ' if columns else ''}{', '.join(columns)}"

    def to_pandas(self) -> pandas.DataFrame:
        """A frame of pandas; what is nested stays lists and dictionaries.

        Raises
        ------
        SettingsError
            pandas is not installed.
        """
        return _library("pandas", "to_pandas").DataFrame(list(self))

    def to_polars(self) -> polars.DataFrame:
        """A frame of Polars; what is nested becomes lists and structs, with null for what a row lacks.

        Raises
        ------
        SettingsError
            Polars is not installed.
        """
        made: polars.DataFrame = _library("polars", "to_polars").DataFrame(list(self), infer_schema_length=None)
        return made


def _library(name: str, method: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise SettingsError(
            f"{method}: {name} is not installed: pip install {name}; or take the rows as they are"
        ) from error


class Figure:
    """A page, or a picture of one, that a notebook shows in a frame of its own.

    Attributes
    ----------
    html
        A whole HTML document that loads nothing.
    svg
        The picture as an SVG document; empty where it is a page.
    """

    def __init__(self, page: str, height_px: int, svg: str = "") -> None:
        self.html, self.svg, self._height = page, svg, height_px

    def save(self, path: str | Path) -> None:
        """Write it as a file: SVG where its name ends in ``.svg``, HTML where it ends in ``.html``.

        Raises
        ------
        SettingsError
            Its name ends otherwise, or a page is to be SVG.
        SourceError
            It cannot be written; what was there is still there.
        """
        there = {".html": self.html} | ({".svg": self.svg} if self.svg else {})
        if (ending := Path(path).suffix.lower()) not in there:
            raise SettingsError(f"save: got {path}: name a file that ends in {' or '.join(there)}")
        write_whole(str(path), there[ending].encode("utf-8", "replace"), "save:")

    def _repr_html_(self) -> str:
        """A frame, so that neither this nor the notebook changes how the other looks."""
        return (
            f'<iframe sandbox="allow-scripts allow-popups" style="width:100%;height:{self._height}px;border:0" '
            f'title="Driftline" srcdoc="{html.escape(self.html)}"></iframe>'
        )


class Judged:
    """What baselines say of calls: the rows of a verdict file, whose columns docs/report.md explains.

    Attributes
    ----------
    scores
        A row per block and detector: ``statistic`` and ``threshold`` are natural logs of evidence, ``start`` and ``at``
        milliseconds since 1970.
    stretches
        A row per hour or 200 calls: topics, lengths, latencies.
    markers
        Models, prompt versions, regions that changed.
    alerts
        Records of alarms, as ``driftline watch --json`` tells them.
    summary
        A row per segment: the verdict, and answers by kind.
    records
        The same alarms as the lines of JSON that ``driftline watch --json`` writes, to the byte.
    notes
        What else should be known: calls that were not judged, a resolution that is not the live one.
    """

    def __init__(self, rows: bytes, account: Account, records: Sequence[bytes], notes: Sequence[str] = ()) -> None:
        self._rows, self._account = rows, account
        self.records, self.notes = list(records), list(notes)
        by: dict[str, Frame] = {}
        for line in rows.splitlines():
            row = json.loads(line)
            if row["row"] != "alert":
                by.setdefault(row.pop("row"), Frame()).append(row)
        self.scores, self.stretches, self.markers = (by.get(one, Frame()) for one in ("score", "stretch", "marker"))
        self.alerts = Frame(map(json.loads, self.records))
        self.summary = Frame({"segment": one["segment"], **one["verdict"]} for one in by.get("summary", ()))

    @cached_property
    def _stories(self) -> list[Story]:
        return stories(self._account)

    @property
    def segments(self) -> list[str]:
        """What was judged, the worst first."""
        return [one.name for one in self._stories]

    def report(self, path: str | Path | None = None) -> Figure:
        """The page of ``driftline report``; where a file is named, it is written there, ``.md`` and ``.json`` too.

        Raises
        ------
        SettingsError
            The file's name ends otherwise than in ``.html``, ``.md`` or ``.json``.
        SourceError
            It cannot be written there.
        """
        made = Figure(page(self._account, self._stories), PAGE_PX)
        if path is not None:
            form = form_of(str(path))
            own = made.html.encode("utf-8", "replace") if form == "html" else b""  # it need not be drawn twice
            write_whole(str(path), own or rendered(form, self._account, self._stories), "report:")
        return made

    @property
    def markdown(self) -> str:
        """The report for a pull request."""
        return markdown(self._account, self._stories)

    def save(self, path: str | Path) -> None:
        """Keep all of it as a verdict file for ``driftline report``.

        Raises
        ------
        SettingsError
            Its name ends otherwise than in ``.jsonl`` or ``.jsonl.zst``.
        SourceError
            It cannot be written.
        """
        require(str(path))
        packed = zstandard.compress(self._rows) if str(path).endswith(".zst") else self._rows
        write_whole(str(path), packed, "save:")

    def figures(self, segment: str | None = None) -> list[str]:
        """Names of the figures that there are of a segment, by default of the worst."""
        return list(pictures(self._story(segment)))

    def figure(self, name: str, segment: str | None = None) -> Figure:
        """A single figure of the report, as HTML and as SVG.

        Parameters
        ----------
        name
            ``timeline_KIND`` for a kind of drift (statistics by their thresholds over time, with change points, markers
            and alarms), ``topics``, ``topic_map``, ``output_length`` or ``latency``.
        segment
            By default the worst.

        Raises
        ------
        SettingsError
            There is no such segment, or no such figure of it.
        """
        story = self._story(segment)
        there = pictures(story)
        if name not in there:
            raise SettingsError(f"figure: got {name}, of {story.name} there are {', '.join(there) or 'none'}")
        return Figure(alone(there[name]), there[name].height_px, there[name].svg)

    def _story(self, segment: str | None) -> Story:
        for one in self._stories:
            if segment in (None, one.name):
                return one
        raise SettingsError(f"segment: got {segment or 'none'}, judged were {', '.join(self.segments) or 'none'}")

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()

    def __repr__(self) -> str:
        return "\n".join([*(str(one["sentence"]) for one in self.summary), *self.notes]) or "nothing was judged"


class SideBySide:
    """What several baselines say of the same calls.

    Attributes
    ----------
    by
        What each says, by its name.
    words
        Sentences about where they differ, and what they compare with.
    outcomes
        A row per baseline and segment: ``answer``, its alarms, answers by kind.
    """

    def __init__(self, by: Mapping[str, Judged], words: Sequence[str], outcomes: Frame) -> None:
        self.by, self.words, self.outcomes = dict(by), list(words), outcomes

    def __getitem__(self, name: str) -> Judged:
        """What the baseline of this name says."""
        return self.by[name]

    @property
    def scores(self) -> Frame:
        """Rows of all of them, each beginning with ``judged_by``."""
        return self._joined("scores")

    @property
    def stretches(self) -> Frame:
        """Rows of all of them, each beginning with ``judged_by``."""
        return self._joined("stretches")

    @property
    def alerts(self) -> Frame:
        """Records of all of them, each beginning with ``judged_by``, as ``driftline replay --json`` tells them."""
        return self._joined("alerts")

    @property
    def summary(self) -> Frame:
        """Rows of all of them, each beginning with ``judged_by``."""
        return self._joined("summary")

    def _joined(self, frame: str) -> Frame:
        return Frame({"judged_by": name, **row} for name, one in self.by.items() for row in getattr(one, frame))

    def _repr_html_(self) -> str:
        said = "".join(f"<p>{html.escape(one)}</p>" for one in self.words)
        pages = (
            f"<details><summary>{html.escape(name)}</summary>{one._repr_html_()}</details>"
            for name, one in self.by.items()
        )
        return said + "".join(pages)

    def __repr__(self) -> str:
        return "\n".join(self.words) or "\n".join(map(repr, self.by.values()))
