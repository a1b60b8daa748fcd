"""The pictures of a report: SVG that is read without a script, which only adds tips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from streams.http.evidence import Version
from streams.plain_text import plain
from streams.report.alarms import Alarm
from streams.report.drawing import (
    Across,
    anchored,
    area,
    axis,
    line_across,
    line_down,
    log_ticks,
    path,
    percent,
    stretched,
    tag,
    text,
    time_ticks,
)
from streams.report.histograms import Histogram
from streams.report.story import Shares, Story
from streams.wording import figure
from streams.wording import percent as share

TOP = 2.0
"""Where courses are cut off, in thresholds."""

LABEL = 26
"""Characters of a topic's words inside a picture."""

LETTER = 0.6
"""Percent of the width that one of them takes, on a screen where there is room for them at all."""

TOGETHER = 2.5
"""Percent of the width within which markers are told by one line."""

BESIDE = 25
"""Percent of the width that the words at the left of a timeline may take."""

CROWD = 0.4
"""Share of the topics that are not told one by one from which on a stack is cut off above the others."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture and what its tips read; ``cut`` is the share above which a stack is cut off."""

    svg: Markup
    tips: str
    names: Sequence[str] = ()
    cut: float = 1.0


def short(words: str, most: int = LABEL) -> str:
    """Words for a picture: none that would steer it, and not many."""
    said = plain(words).replace("\n", " ")
    return said if len(said) <= most else f"{said[: most - 1]}…"


def tips(value: Any) -> str:
    """What tips read, as JSON."""
    return msgspec.json.encode(value).decode()


def _svg(inside: Sequence[Markup], height: float, label: str) -> Markup:
    made = Markup("").join(inside)
    # A group that is told by its label; arrow keys move a tip through it.
    return tag(
        "svg",
        made,
        class_="plot",
        width="100%",
        height=height,
        role="group",
        tabindex="0",
        aria_label=short(label, 200),
    )


def timeline(story: Story, kind: str) -> Drawn:
    """Statistics of a kind's detectors by their thresholds, with alarms, change points and markers."""
    low, high = story.span
    across, lines = Across(low, high), story.lines(kind)
    top, bottom = 20.0, 150.0

    def down(ratio: float) -> float:
        return bottom - min(ratio, TOP) / TOP * (bottom - top)

    known = any(one.at for one in lines)  # of alerts alone nothing is known between alarms
    levels = (0, 0.5, 1, 1.5, 2) if known else (0,)
    made = [line_across(down(level), "grid" if level != 1 else "threshold") for level in levels]
    made += [_alarm(one, n, across, (top, bottom), high) for n, one in enumerate(story.of_kind(kind))]
    made += _marks(story, across, top, bottom)
    drawn = Markup("").join(
        tag("path", d=path((across(at), down(r)) for at, r in zip(one.at, one.ratio, strict=True)), class_=f"line l{n}")
        for n, one in enumerate(lines)
        if one.at
    )
    made.append(stretched(drawn, bottom + 4))
    if known:
        made += [
            text("threshold", 0, down(1) - 4, "tick"),
            text(f"{TOP:g} × and more", 0, down(TOP) + 11, "tick"),
        ]
    made += [
        line_down(0, top, bottom, "cursor"),
        axis([(across(at), said) for at, said in time_ticks(low, high)], bottom + 17),
    ]
    told = {
        "at": lines[0].at if lines else [],
        "span": [low, high],
        "lines": [
            {"name": short(one.title, 60), "at": one.at, "is": _three(one.statistic), "of": _three(one.threshold)}
            for one in lines
        ],
    }
    said = f"{kind.replace('_', ' ')}: evidence against thresholds over time"
    return Drawn(_svg(made, bottom + 24, said), tips(told), [one.title for one in lines])


def _three(values: Sequence[float]) -> list[float]:
    return [float(f"{value:.3g}") for value in values]


def _alarm(one: Alarm, place: int, across: Across, down: tuple[float, float], end: int) -> Markup:
    (top, bottom), (raised, resolved) = down, one.span
    start, stop = across(raised), across(resolved if resolved is not None else end)
    at, earliest, latest = one.since
    width = percent(max(stop - start, 0.4))
    made = tag("rect", x=percent(start), y=top, width=width, height=bottom - top, class_="standing")
    vague = max(across(latest) - across(earliest), 0.4)
    made += tag("rect", x=percent(across(earliest)), y=bottom - 7, width=percent(vague), height=7, class_="between")
    made += line_down(across(at), top, bottom, "since")
    made += tag("rect", x=percent(start), y=top, width="3", height=bottom - top, class_="raised")
    left = start < 85
    row = 1 + place % 4 if start < BESIDE else place % 5
    y, side = top + 12 + row * 13, "start" if left else "end"
    made += text(f"alarm {one.number}", start, y, "said", side, 7 if left else -4)
    said = f"alarm {one.number}: {one.raised.detector}"
    return tag("a", made, href=f"#{anchor(one)}", aria_label=short(said, 100), class_="alarm")


def anchor(one: Alarm) -> str:
    """Where on the page an alarm is told: within that of its segment."""
    return f"alarm-{one.raised.alert_id}"


def _marks(story: Story, across: Across, top: float, bottom: float) -> list[Markup]:
    """Markers by their numbers; those that lie together share a line."""
    groups: list[tuple[float, list[int]]] = []
    for number, one in enumerate(story.told.marks, 1):
        x = across(one.at)
        if groups and x - groups[-1][0] < TOGETHER:
            groups[-1][1].append(number)
        else:
            groups.append((x, [number]))
    made = []
    for x, numbers in groups:
        said = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}–{numbers[-1]}"
        made += [line_down(x, top - 4, bottom, "mark"), text(said, x, top - 7, "number", anchored(x))]
    return made


def topics(shares: Shares, label: str) -> Drawn:
    """Topic shares over time as a stack, the baseline's before it."""
    height, first = 300.0, 11.0
    across = Across(shares.start, shares.at[-1], left=first)
    ends = [across(at) for at in shares.at]
    middles = [(low + high) / 2 for low, high in zip([first, *ends[:-1]], ends, strict=True)]
    places = [first, *middles[1:-1], 100.0] if len(middles) > 1 else [first, 100.0]
    columns = shares.columns if len(middles) > 1 else shares.columns * 2
    table = np.array([shares.baseline, *columns])
    ceiling = _ceiling(table, shares.named)
    tops = height * (1 - np.minimum(np.cumsum(table, axis=1) / ceiling, 1))
    floors = np.concatenate([np.full((len(table), 1), height), tops[:, :-1]], axis=1)
    bands: list[Markup] = []
    for k in range(len(shares.labels)):
        kind = "band rest" if k == shares.named else f"band c{k}"
        upper, lower = (list(zip(places, side[1:, k].tolist(), strict=True)) for side in (tops, floors))
        high, low = float(tops[0, k]), float(floors[0, k])
        before = area([(0.0, high), (8.0, high)], [(0.0, low), (8.0, low)])
        bands += [tag("path", d=before, class_=kind), tag("path", d=area(upper, lower), class_=kind)]
    ticks = time_ticks(shares.start, shares.at[-1])
    words = _labels(shares, places, tops[1:], floors[1:])
    levels = [level for level in (0.1, 0.25, 0.5, 0.75) if 0.2 * ceiling < level < 0.95 * ceiling]
    made = [
        stretched(Markup("").join(bands), height),
        *(line_across(height * (1 - level / ceiling), "grid") for level in levels),
        *(text(share(level), first, height * (1 - level / ceiling) - 4, "label level", dx=3) for level in levels),
        *words,
        line_down(0, 0, height, "cursor"),
        text("baseline", 0, height + 16, "tick"),
        axis([(across(at), said) for at, said in ticks if across(at) > 24], height + 16),
    ]
    told = {
        "at": [0, *shares.at],
        "x": [4.0, *[round(x, 2) for x in middles]],
        "calls": [0, *shares.calls],
        "lines": [
            {"name": short(name, 60), "at": [], "share": _three(table[:, k].tolist()[: len(shares.columns) + 1])}
            for k, name in enumerate(shares.labels)
        ],
    }
    return Drawn(_svg(made, height + 24, label), tips(told), shares.labels, ceiling)


def _labels(
    shares: Shares, places: Sequence[float], tops: npt.NDArray[np.float64], floors: npt.NDArray[np.float64]
) -> list[Markup]:
    """Words inside their own bands, where these are thick enough for all of them; the legend says the others too."""
    at, made, taken = np.array(places), [], list[tuple[float, float, float]]()
    for k in range(len(shares.labels)):
        words = short(shares.labels[k])
        half = len(words) * LETTER / 2
        grid, under = np.linspace(at[0] + half + 4, at[-1] - half - 1, 120), np.linspace(-half, half, 9)
        upper, lower = (np.interp(grid[:, None] + under, at, side[:, k]) for side in (tops, floors))
        high, low = upper.max(axis=1), lower.min(axis=1)
        for place in np.argsort(high - low, kind="stable").tolist():
            x, y = float(grid[place]), float(high[place] + low[place]) / 2 + 4
            if low[place] - high[place] < 12:
                break
            if all(abs(x - a) > half + b or abs(y - c) > 14 for a, b, c in taken):
                taken.append((x, half, y))
                made.append(text(words, x, y, "label", "middle"))
                break
    return made


def _ceiling(table: npt.NDArray[np.float64], named: int) -> float:
    """Share at which a stack ends: that of the topics told one by one, where the others would leave them no room."""
    most = float(table[:, :named].sum(axis=1).max())
    return 1.0 if most > 1 - CROWD else min(float(np.ceil(most * 1.1 / 0.05)) * 0.05, 1.0)


def distribution(one: Histogram, label: str) -> Drawn:
    """Lengths or times before, as an area, and now, as a line."""
    top, bottom = 14.0, 170.0
    across = Across(one.edges[0], one.edges[-1], log=True)
    most = max(*one.before, *one.now)

    def outline(parts: Sequence[float]) -> list[tuple[float, float]]:
        made = []
        for low, high, part in zip(one.edges[:-1], one.edges[1:], parts, strict=True):
            y = bottom - part / most * (bottom - top)
            made += [(across(low), y), (across(high), y)]
        return made

    before, now = outline(one.before), outline(one.now)
    floor = [(x, bottom) for x, _ in before]
    lines = tag("path", d=area(before, floor), class_="before") + tag("path", d=path(now), class_="now")
    made = [line_across(bottom, "grid"), stretched(lines, bottom + 2)]
    _, was, is_ = one.quantiles[0]
    made += [line_down(across(was), top, bottom, "median"), line_down(across(is_), top, bottom, "median new")]
    ticks = [(across(value), f"{value:,.0f}") for value in log_ticks(one.edges[0], one.edges[-1])]
    made += [line_down(0, top, bottom, "cursor"), axis(ticks, bottom + 16)]
    told = {
        "x": [round((across(a) + across(b)) / 2, 2) for a, b in zip(one.edges[:-1], one.edges[1:], strict=True)],
        "points": [
            {
                "x": round((across(a) + across(b)) / 2, 2),
                "said": f"{a:,.0f} to {b:,.0f} {one.unit}: {share(before)} before, {share(now)} now",
            }
            for a, b, before, now in zip(one.edges[:-1], one.edges[1:], one.before, one.now, strict=True)
        ],
    }
    return Drawn(_svg(made, bottom + 24, label), tips(told))


def bar(value: float, low: float, high: float, widest: float, kind: str) -> Markup:
    """A part of a change, with its interval, on both sides of nothing."""
    across = Across(-widest, widest)
    start, stop = sorted((across(0), across(value)))
    made = line_down(50, 0, 22, "grid")
    made += tag("rect", x=percent(start), y=5, width=percent(max(stop - start, 0.3)), height=12, class_=f"part {kind}")
    made += tag("line", x1=percent(across(low)), x2=percent(across(high)), y1=11, y2=11, class_="whisker")
    return tag("svg", made, class_="bar", width="100%", height=22, aria_hidden="true")


def whisker(one: Version, widest: float, tolerance: float) -> Markup:
    """How far a version is from the anchor, with its interval, beside the tolerance."""
    across = Across(0, widest)
    made = line_down(across(tolerance), 0, 22, "threshold")
    if one.from_anchor is not None:
        low, high = (percent(across(at)) for at in (one.from_anchor.low, one.from_anchor.high))
        made += tag("line", x1=low, x2=high, y1=11, y2=11, class_="whisker")
        made += tag("circle", cx=percent(across(one.from_anchor.size)), cy=11, r=4, class_="dot")
    return tag("svg", made, class_="bar", width="100%", height=22, aria_hidden="true")


def said_of(value: float, unit: str) -> str:
    """A part of a change in words."""
    sign = "+" if value > 0 else "−" if value < 0 else ""
    return f"{sign}{figure(abs(value))}" if unit == "score" else f"{sign}{share(abs(value))}"
