"""A baseline, a lens or a table in words for people, and as a value for programs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import numpy as np

from drift.baseline import Baseline
from drift.budget import Budget
from drift.call import GRID
from drift.lens import TAILS, Lens
from streams.described import described as described
from streams.evidence import instant
from streams.store import Move
from streams.wording import figure, percent, span

SHOWN = 8
"""Topics on a card, largest first."""


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as aligned lines, the first of them the heading."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def baseline_card(baseline: Baseline, budget: Budget) -> list[str]:
    """A baseline in lines: what it is, what it holds, how sure its detectors are."""
    facts = described(baseline, budget)
    more = len(facts["topics"]) - SHOWN
    lines = [
        f"baseline {facts['baseline']} of {facts['segment']}",
        f"  calls     {facts['calls']:,}, {span(baseline.pane.tick, baseline.pane.end, 'to')}",
        f"  hours     {facts['compared']}",
        f"  lens      {facts['lens']}, {facts['embedder']}",
        *([f"  source    {facts['facts']['source']}"] if facts["facts"].get("source") else []),
        f"  topics    {len(facts['topics'])}",
        *(f"    {percent(one['share']):>6}  {one['label'] or '(no typical words)'}" for one in facts["topics"][:SHOWN]),
        *([f"    and {more} smaller"] if more > 0 else []),
        f"  detectors, for one false alarm of them all every {facts['one_false_alarm_every']}",
    ]
    rows = [(d["name"], figure(d["threshold"]), figure(d["guaranteed"])) for d in facts["detectors"]]
    lines += [f"    {line}" for line in table([("", "threshold", "guaranteed"), *rows])]
    if not facts["calibrated"]:
        lines.append("    too few calls to calibrate: guaranteed thresholds stand, drift is noticed later")
    lines += [f"  forced although: {refusal}" for refusal in facts["facts"].get("overridden", ())]
    return lines + [f"  warning: {warning}" for warning in facts["facts"].get("warnings", ())]


def next_command(name: str) -> str:
    """What to run once a baseline is there."""
    return f"next: driftline watch FILE --baseline {shlex.quote(name)}"


def moved(move: Move) -> str:
    """A move of a tag in a line."""
    since = f" for calls from {instant(move.holds_from)} on" if move.holds_from else ""
    before = f", before {move.previous}" if move.previous else ""
    why = f": {move.why}" if move.why else ""
    return f"{move.segment}@{move.tag} is {move.baseline}{since}{before}, {move.moved_at} by {move.by}{why}"


def lens_facts(lens: Lens) -> dict[str, Any]:
    """A lens as a value: embedder, sizes, and the cosine similarities that bound its bands of distance."""
    length = np.linalg.norm(lens.codebook.astype(np.float64), axis=1).mean() or 1.0
    return {
        "lens": lens.id,
        "embedder": lens.embedder,
        "format_view": lens.format_view,
        "topics": lens.topics,
        "dimensions": int(lens.codebook.shape[1]),
        "radii": [round(float(radius / (GRID * length)), 3) for radius in lens.radii],
        "coordinates": [int(one.any(axis=0).sum()) for one in (lens.input_map, lens.output_map, lens.format_map)],
    }


def lens_card(lens: Lens) -> list[str]:
    """A lens in lines."""
    facts = lens_facts(lens)
    tails = ", ".join(
        f"{percent(tail)} within {radius:.2f}" for tail, radius in zip(TAILS, facts["radii"], strict=True)
    )
    asked, answered, formats = facts["coordinates"]
    return [
        f"lens {facts['lens']}",
        f"  embedder     {facts['embedder']}",
        f"  format view  {facts['format_view']}",
        f"  topics       {facts['topics']}",
        f"  radii        of fresh calls, {tails} (cosine to the topic's centre)",
        f"  coordinates  {asked} of the input, {answered} of the output, {formats} of its format",
    ]
