"""``driftline compare``: are two sets of calls different, and how?"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from drift.aspects import MIN_SAMPLES
from drift.bins import MISSING, VALUES
from drift.call import FLAGS, GRID, LENGTH_GRID, SERIES
from drift.compare import Difference, Side
from drift.compare import compare as differences
from drift.errors import EmptySampleError, SourceError
from drift.frame import log_lengths
from drift.pairs import KNOWN_AFTER
from drift.words import Vocabulary
from streams.cli import pairs as pairs_shown
from streams.cli.common import (
    Reading,
    bar,
    console,
    emit,
    open_meter,
    plain,
    read,
    reading_options,
    say,
    settings_options,
)
from streams.cli.screen import ANSWERS
from streams.measure import Measured, Meter, segment_of
from streams.pairs import Joined, join, partners
from streams.records import Record
from streams.settings import Settings
from streams.wording import figure, percent

NAMES = {"cost_usd": "cost (USD)", "latency_ms": "latency (ms)", "ttft_ms": "time to first token (ms)"}


@click.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="[B]", required=False)
@click.option("--pairs/--no-pairs", default=None, help="Pair calls by pair_id.  [default: where 30 can be]")
@click.option("--permutations", default=499, show_default=True, type=click.IntRange(99), help="Random relabellings.")
@click.option("--fail-on", type=click.Choice(["drift"]), help="Exit 1 if any drift was found.")
@click.option(
    "--json", "as_json", is_flag=True, help="JSON lines on standard output: one for each aspect, one for all pairs."
)
@reading_options
@settings_options("embedder", "texts")
def compare(
    a: str,
    b: str | None,
    pairs: bool | None,
    permutations: int,
    fail_on: str | None,
    as_json: bool,
    reading: Reading,
    settings: Settings,
) -> None:
    """Say in which respects the calls of file B differ from those of file A, segment by segment.

    A test for two finished sets of calls, looked at once: every aspect has a permutation p-value, corrected for the
    number of aspects, and an effect with its interval. To watch a stream, which is looked at again and again, use
    `driftline watch`.

    Where calls of both sides share a pair_id, as a live call and its shadow do, answers to the same input are compared
    pair by pair, which shows far smaller differences, and how many pairs it took to know. Without B the live calls of
    A are compared with its shadow calls (variant: shadow).

    \b
      driftline compare last-week.jsonl this-week.jsonl
      driftline compare live.jsonl shadow.jsonl
      driftline compare calls.jsonl
    """
    out = console()
    sides = [_by_segment(side) for side in _sides(out, a, b, reading)]
    pairs = True if b is None and pairs is None else pairs
    meter, found = open_meter(settings), list[Difference]()
    for name, twin in _shared(out, (a, b or a), sides):
        before, now = sides[0][name], sides[1][twin]
        joined = join(before, now) if pairs is not False else Joined((), ())
        if len(joined) >= MIN_SAMPLES:
            found += _paired(out, meter, name, twin, joined, permutations, as_json)
            continue
        if pairs or any(joined.alone) or len(joined):
            _too_few_pairs(out, name, twin, joined, bool(pairs), as_json)
        if pairs:
            continue
        if min(len(before), len(now)) < MIN_SAMPLES:
            _too_few(out, name, len(before), len(now), as_json)
            continue
        new = _segment(out, meter, name, before, now, permutations)
        for one in new if as_json else ():
            emit({"segment": name, **_plain(one)})
        found += new
    if not found and pairs:
        raise EmptySampleError(
            f"no segment has at least {MIN_SAMPLES} pairs: both sides' calls must carry the same pair_id "
            "(--map pair_id=PATH reads it from elsewhere); --no-pairs compares them as two sets"
        )
    if not found:
        raise EmptySampleError(f"no segment has at least {MIN_SAMPLES} calls in each file: take longer ranges")
    if fail_on and any(one.drift for one in found):
        sys.exit(1)


def _sides(out: Console, a: str, b: str | None, reading: Reading) -> list[list[Record]]:
    """Calls of both files, or the live and the shadow calls of one.

    Raises
    ------
    SourceError
        The only file has none of either.
    """
    if b is not None:
        return [list(read(path, reading, out)) for path in (a, b)]
    live, shadow = list[Record](), list[Record]()
    for record in read(a, reading, out):
        (shadow if record.variant == "shadow" else live).append(record)
    if not (live and shadow):
        raise SourceError(
            f"{a} holds {len(live):,} live and {len(shadow):,} shadow calls, nothing to compare: name a second file, "
            "or say where the variant stands (--map variant=PATH), which is 'shadow' for shadow calls"
        )
    return [live, shadow]


def _shared(out: Console, paths: Sequence[str], sides: Sequence[Mapping[str, object]]) -> list[tuple[str, str]]:
    """Segments that both files have, or one live and the other in shadow; the others are named.

    Raises
    ------
    SourceError
        There is none.
    """
    shared = partners(sides[0].keys(), sides[1].keys())
    if not shared:
        held = [f"{path} holds {'; '.join(sorted(side)[:5])}" for path, side in zip(paths, sides, strict=True)]
        raise SourceError(f"no segment is in both: {', '.join(held)}; --map app=... names them alike")
    for name in sorted((sides[0].keys() - {a for a, _ in shared}) | (sides[1].keys() - {b for _, b in shared})):
        say(out, f"segment {name} is on one side only: left out", style="yellow")
    return shared


def _too_few(out: Console, name: str, before: int, now: int, as_json: bool) -> None:
    counts = f"{before:,} calls against {now:,}, at least {MIN_SAMPLES} in each are needed"
    say(out, f"segment {name}: not enough data: {counts}", style="yellow")
    if as_json:
        emit({"segment": name, "answer": "not_enough_data", "samples_baseline": before, "samples_current": now})


def _too_few_pairs(out: Console, name: str, twin: str, joined: Joined, wanted: bool, as_json: bool) -> None:
    """Say that there are too few pairs, and what becomes of the segment: left out where pairs were wanted."""
    counts = f"{len(joined):,} pairs, at least {MIN_SAMPLES} are needed"
    say(out, f"segment {name}: {counts}: {'left out' if wanted else 'compared as two sets'}", style="yellow")
    if wanted:
        say(out, *joined.left_out(*_names(name, twin)), style="yellow")
        if as_json:
            emit({"segment": name, "paired": True, "answer": "not_enough_data", "pairs": len(joined)})


def _by_segment(records: Sequence[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(segment_of(record), []).append(record)
    return found


def _segment(
    out: Console, meter: Meter, name: str, before: list[Record], now: list[Record], permutations: int
) -> tuple[Difference, ...]:
    with bar(out, len(before) + len(now), f"{name}: ") as step:
        lens = meter.fit_lens(before + now, progress=lambda done: step("embedding", done))
        measured = [meter.measure(lens, records) for records in (before, now)]
    sides = [_side(one) for one in measured]
    with out.status(Text(plain(f"{name}: comparing with random relabellings"))):
        found = differences(*sides, permutations=permutations)
    out.print(Text.assemble((f"\n{len(before):,} calls against {len(now):,}", "bold"), f" {plain(name)}"))
    never = {flag for flag in FLAGS if not any(side.flags[flag].any() for side in sides)}
    out.print(_table([one for one in found if one.aspect not in never]))
    if any(one.aspect == "topics" and one.drift for one in found):
        texts = [[asked for asked, _ in meter.shown(one.texts)] for one in measured]
        for sentence in _topics(measured[0], measured[1], *texts):
            say(out, sentence)
    return found


def _paired(
    out: Console, meter: Meter, name: str, twin: str, joined: Joined, permutations: int, as_json: bool
) -> tuple[Difference, ...]:
    compared, sides = pairs_shown.compared(out, meter, name, joined, permutations), _names(name, twin)
    out.print(Text.assemble((f"\n{len(joined):,} pairs", "bold"), f" {plain(name)}: {sides[1]} against {sides[0]}"))
    never = {one.aspect for one in compared.found if one.extra.get("live_only") == one.extra.get("shadow_only") == 0}
    out.print(_table([one for one in compared.found if one.aspect not in never], paired=True))
    say(out, *pairs_shown.told(compared.phrases, sides))
    if compared.farthest and compared.farthest[0].input:
        out.print(pairs_shown.side_by_side(compared.farthest, sides))
    say(out, *joined.left_out(*sides), style="yellow")
    if as_json:
        for one in compared.found:
            emit({"segment": name, "paired": True, **_plain(one)})
        emit({"segment": name, "paired": True, **pairs_shown.summary(compared, joined)})
    return compared.found


def _names(name: str, twin: str) -> tuple[str, str]:
    """What the two sides are called."""
    return ("A", "B") if name == twin else ("live", "shadow")


def _side(measured: Measured) -> Side:
    rows = measured.rows
    answered = rows["answered"] == 1
    features = rows["features"] / GRID
    topics = rows["topic"].astype(np.int64) + 1  # calls without input are a topic of their own
    outputs = np.concatenate(
        [features[:, 1], features[:, 2], log_lengths(rows) / (LENGTH_GRID, LENGTH_GRID**2)], axis=1
    )
    bins = rows["bins"]
    values = np.where(bins == MISSING, np.nan, VALUES[bins])
    scalars = {name: values[:, i] for i, name in enumerate(SERIES) if not np.isnan(values[:, i]).all()}
    flags = {name: rows["flags"][:, i] == 1 for i, name in enumerate(FLAGS)}
    return Side(topics, features[:, 0], outputs[answered], topics[answered], features[answered, 0], scalars, flags)


def _table(found: Sequence[Difference], *, paired: bool = False) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    counts = ("pairs", "known after") if paired else ("calls",)
    for column in ("kind", "aspect", "answer", "effect", "95 % interval", "p, corrected", *counts):
        table.add_column(column)
    for one in found:
        silent = one.answer == "not_enough_data"
        aspect = _aspect(one)
        cells = (
            "" if silent else _size(one, one.effect) + ("" if one.unit == "relative" else f" {one.unit}"),
            "" if silent else f"{_size(one, one.low)} to {_size(one, one.high)}",
            "" if silent else _p_value(one.p_adjusted),
            *((f"{one.samples_current:,}", _known_after(one)) if paired else _both(one)),
        )
        name = Text(NAMES.get(aspect, aspect.replace("_", " ")))
        table.add_row(Text(one.kind), name, ANSWERS[one.answer], *map(Text, cells))
    return table


def _both(one: Difference) -> tuple[str]:
    return (f"{one.samples_baseline:,} / {one.samples_current:,}",)


def _known_after(one: Difference) -> str:
    """Pairs it took; nothing where a difference is known that does not matter."""
    return f"{one.extra[KNOWN_AFTER]:,.0f} pairs" if one.drift and KNOWN_AFTER in one.extra else ""


def _aspect(one: Difference) -> str:
    """Its name, costs in USD."""
    return one.aspect.replace("_musd", "_usd")


def _p_value(value: float) -> str:
    return "< 1e-6" if value < 1e-6 else f"{value:.3g}"


def _size(one: Difference, value: float) -> str:
    """A relative change in per cent, anything else in its own unit."""
    if one.unit != "relative":
        return figure(value)
    change = f"{value * 100:+.1f}"
    return "0 %" if float(change) == 0 else f"{change} %"


def _topics(before: Measured, now: Measured, asked: Sequence[str], asking: Sequence[str]) -> list[str]:
    """The topics that grew most, in the typical words of excerpts; nothing where none are kept."""
    topics = [np.bincount(side.rows["topic"] + 1, minlength=66) / len(side.rows) for side in (before, now)]
    if not (asked and asking):
        return []
    vocabulary = Vocabulary.of(asked)
    said = []
    for topic in np.argsort(topics[0] - topics[1], kind="stable")[:3]:
        texts = [text for text, there in zip(asking, now.rows["topic"] + 1 == topic, strict=True) if there]
        if texts and (words := ", ".join(vocabulary.typical(texts))):
            said.append(f"more about “{words}” ({percent(topics[0][topic])} → {percent(topics[1][topic])})")
    return said


def _plain(one: Difference) -> dict[str, Any]:
    """The fields of a difference for JSON, where NaN is nothing, and costs are in USD."""
    fields = {name: getattr(one, name) for name in type(one).__dataclass_fields__}
    if one.aspect == "cost_musd":
        in_usd = ("median", "mean")
        scaled = {name: value * (1e-6 if name.startswith(in_usd) else 1.0) for name, value in one.extra.items()}
        fields |= {"aspect": _aspect(one), "extra": scaled}
    return {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in fields.items()}
