"""``driftline prompts``: what a year of prompt edits has done, version by version."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from drift import prompt_rules
from drift import prompts as chains
from drift.anchor import Anchor, anchored
from drift.baseline import Baseline
from drift.errors import BaselineRefusedError, SourceError
from drift.prompt_rules import RULES, Breach, Watched
from drift.prompts import Chain, Distance, Link
from drift.soundness import LEAST
from streams.building import build_baseline, measured_panes
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
from streams.cli.segments import Groups, grouped
from streams.cli.stored import as_json
from streams.embedded import FIRST, allowed_versions
from streams.evidence import chain_link, instant
from streams.measure import Meter, parts_of
from streams.records import Record
from streams.settings import Settings
from streams.shelf import ANCHOR, require_embedder
from streams.store import Store
from streams.wording import figure, percent, what_was_broken

SURE = 0.05
"""Chance that any version of a chain is wrongly said to lie outside the tolerance."""

BAR = 24
"""Characters of the longest bar."""


@dataclass(frozen=True)
class Story:
    """The chain of a segment's prompt versions, and the rules that its calls broke."""

    segment: str
    anchor: Anchor
    links: tuple[Link, ...]
    watched: Watched
    breaches: tuple[Breach, ...]
    tolerance: float

    def outside(self, found: Distance | None) -> bool:
        """Whether a distance surely exceeds the tolerance, however many versions were looked at."""
        return found is not None and found.beyond(self.tolerance) >= log(max(2 * len(self.links), 1) / SURE)


@click.command()
@click.argument("name")
@click.argument("source", metavar="FILE|-")
@click.option(
    "--anchor",
    metavar="VERSION|NAME|FILE",
    help="Version of the file, or baseline, that all are compared with.  [default: what SEGMENT@anchor names, or else "
    f"the first version of {LEAST} calls]",
)
@click.option("--fail-on", type=click.Choice(["drift"]), help="Exit 1 if the newest version is outside the tolerance.")
@as_json
@reading_options
@settings_options("store", "embedder", "tick_s", "texts")
def prompts(
    name: str, source: str, anchor: str | None, fail_on: str | None, as_json: bool, reading: Reading, settings: Settings
) -> None:
    """Show the chain of a prompt's versions: how far each is from the one before, and from the first.

    NAME is a prompt's name or a segment (app/prompt). Answers are compared at like inputs, so that a new mix of
    questions is no edit; many small steps whose sum is large are what this view is for.

    \b
      driftline prompts answer year.jsonl.gz
      driftline prompts support-bot/answer year.jsonl.gz --anchor v3 --json
    """
    out = console()
    groups = _of_name(grouped(read(source, reading, out), None, None), name, source)
    meter = open_meter(settings)
    stories = [_story(segment, groups[segment], anchor, meter, settings, out) for segment in sorted(groups)]
    for story in stories:
        _tell(story, out)
        if as_json:
            _emit(story)
    if fail_on and any(story.links and story.outside(story.links[-1].total) for story in stories):
        sys.exit(1)


def _of_name(groups: Groups, name: str, source: str) -> Groups:
    found = {segment: calls for segment, calls in groups.items() if name in (segment, parts_of(segment)[1])}
    if not found:
        raise SourceError(f"{source} has no prompt or segment {name!r}; it has {', '.join(sorted(groups)[:20])}")
    return found


def _story(
    segment: str, records: Sequence[Record], name: str | None, meter: Meter, settings: Settings, out: Console
) -> Story:
    versions = list(dict.fromkeys(record.prompt_version for record in records))
    if versions == [""]:
        raise SourceError(f"{segment}: its calls carry no prompt_version: send it, or say where it is by --map")
    origin = _origin(segment, records, versions, name, meter, settings, out)
    anchor = anchored(origin)
    if anchor is None:
        raise BaselineRefusedError(f"{segment}: the anchor {origin.id} has too few answers to compare with")
    chain, watched = Chain(), prompt_rules.start(origin)
    allowed = allowed_versions(settings.prompts.allowed, segment)
    breaches: list[Breach] = []
    nobody = np.zeros(origin.lens.topics, dtype=bool)
    calls = 0
    with bar(out, 1.0, f"{segment}: ") as step:
        step("measuring", 0.0)
        for pane in measured_panes(meter, origin.lens, records, settings.clock, 64):
            chain = chains.update(anchor, chain, pane, nobody, most=len(records))
            watched, new = prompt_rules.watch(origin, allowed, watched, pane, calls, len(records))
            breaches += new
            calls += pane.n
            step("comparing", calls / len(records))
    tolerance = settings.all_tolerances["prompt_chain"]
    return Story(segment, anchor, chains.links(anchor, chain), watched, tuple(breaches), tolerance)


def _origin(
    segment: str,
    records: Sequence[Record],
    versions: Sequence[str],
    name: str | None,
    meter: Meter,
    settings: Settings,
    out: Console,
) -> Baseline:
    """The baseline of the anchor: one that is stored, or made of a version's first calls."""
    store = Store(settings.store)
    if name is None and store.has_tag(segment, ANCHOR):
        name = f"{segment}@{ANCHOR}"
    if name is not None and name not in versions:
        found = store.baseline(name)
        require_embedder(meter, found.lens, f"baseline {found.id}")
        return found
    many = [one for one in versions if one and sum(record.prompt_version == one for record in records) >= LEAST]
    if not many and name is None:
        raise BaselineRefusedError(f"{segment}: no prompt version has {LEAST} calls, which an anchor needs at least")
    chosen = name or many[0]
    first = [record for record in records if record.prompt_version == chosen][:FIRST]
    with bar(out, 1.0, f"{segment}: ") as step:
        return build_baseline(meter, first, clock=settings.clock, force=True, calibrated=False, progress=step)


def _tell(story: Story, out: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("version", "since (UTC)", "calls", "edit: 95 %", f"from {story.anchor.name}: 95 %", "", "length"):
        table.add_column(column)
    longest = max([one.total.size for one in story.links if one.total] + [story.tolerance])
    table.add_row(Text(plain(story.anchor.name)), "the anchor", f"{story.anchor.calls:,}", "", "", "", "")
    for one in story.links:
        table.add_row(
            Text(plain(one.version.name)),
            instant(one.version.first)[:16].replace("T", " "),
            f"{one.version.calls:,}",
            _distance(one.step),
            _distance(one.total),
            _bar(one.total, story, longest),
            "" if one.total is None else f"{one.version.length * 100:+.0f} %",
        )
    say(out, f"{story.segment}: answers to like inputs, in residual standard deviations; tolerance {story.tolerance:g}")
    out.print(table)
    say(out, sentence(story), *(_broken(story)), "")


def _distance(found: Distance | None) -> str:
    return "too few calls" if found is None else f"{figure(found.size)} ({figure(found.low)} to {figure(found.high)})"


def _bar(found: Distance | None, story: Story, longest: float) -> Text:
    if found is None:
        return Text("")
    return Text("█" * round(BAR * found.size / longest), "red" if story.outside(found) else "green")


def sentence(story: Story) -> str:
    """The chain in one sentence."""
    known = [one for one in story.links if one.total is not None]
    name = story.anchor.name
    if not known:
        return f"No version other than {name} has the {chains.TOLD} answers that a comparison needs."
    last = known[-1]
    assert last.total is not None
    edits = f"{len(known)} edits since {name} have" if len(known) > 1 else f"One edit since {name} has"
    said = f"{edits} moved the answers of {story.segment} "
    said += f"by {figure(last.total.size)} ({figure(last.total.low)} to {figure(last.total.high)})"
    if not story.outside(last.total):
        return f"{said}: not surely more than the tolerance."
    since = next(one for one in known if story.outside(one.total))
    alone = [one.version.name for one in known if story.outside(one.step)]
    said += f", outside the tolerance since {since.version.name} ({instant(since.version.first)[:10]}), "
    said += f"surely so by {', '.join(alone[:5])} alone" if alone else "although no edit alone surely is"
    if abs(last.version.length) >= 0.05:
        way = "longer" if last.version.length > 0 else "shorter"
        said += f"; answers are {percent(abs(last.version.length))} {way} than {name}'s"
    return f"{said}."


def _broken(story: Story) -> list[str]:
    said = [f"{what_was_broken(story.segment, one)}." for one in story.breaches]
    broken = story.watched.broken
    counted = [f"{rule.replace('_', ' ')}: {broken[rule]:,} calls" for rule in RULES if rule in broken]
    return said + ([f"in all: {', '.join(counted)}"] if counted else [])


def _emit(story: Story) -> None:
    about: dict[str, Any] = {"segment": story.segment, "anchor": story.anchor.name, "tolerance": story.tolerance}
    for one in story.links:
        emit(about | chain_link(one) | {"outside": story.outside(one.total), "outside_alone": story.outside(one.step)})
    emit(about | {"sentence": sentence(story), "rules_broken": dict(story.watched.broken)})
