"""What the self-check of a baseline found, in lines for people and as a value for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from drift.baseline import REFERENCE, Baseline, score_titles
from drift.call import Declared
from drift.finding import OVERRIDABLE, Finding, lowered, refusals, warnings
from drift.fit import Features
from drift.frame import frame
from drift.pane import Pane, merge
from drift.soundness import LEAST, examine
from streams.building import largest_session, measured_panes
from streams.cli.card import table
from streams.cli.common import bar, console
from streams.evidence import instant
from streams.measure import Meter, segment_of
from streams.observe import Clock
from streams.records import Record
from streams.scores import names
from streams.wording import figure, percent

COLOURS = {"ok": "", "warn": "yellow", "refuse": "red"}


@dataclass(frozen=True, slots=True)
class Examined:
    """Calls that are to be, or are, a baseline, and what every test says of them; ``forced`` as it was built."""

    pane: Pane
    findings: tuple[Finding, ...]
    forced: bool = False


def of_baseline(stored: Baseline) -> Examined:
    """Look at a stored baseline: what was overridden when it was built is no longer refused."""
    found = examine(
        stored.pane,
        stored.features,
        largest_session=stored.facts.get("largest_session"),
        titles=score_titles(stored.declared.scores),
    )
    forced = bool(stored.facts.get("forced"))
    return Examined(stored.pane, lowered(found, OVERRIDABLE) if forced else found, forced)


def of_calls(meter: Meter, records: Sequence[Record], clock: Clock, scores: Sequence[str]) -> Examined:
    """Look at calls in order of time, as a baseline of them would be built."""
    declared = Declared(scores=names(records, scores))
    with bar(console(), float(len(records)), f"{segment_of(records[0])}: ") as step:
        lens = meter.fit_lens(records, progress=lambda done: step("embedding", done))
    pane = merge(measured_panes(meter, lens, records, clock, REFERENCE, declared), size=REFERENCE)
    features = Features.of(frame(lens, pane.sample.rows), pane.sample.rows) if pane.n >= LEAST else None
    titles = score_titles(declared.scores)
    return Examined(pane, examine(pane, features, largest_session=largest_session(records), titles=titles))


def finding_fields(one: Examined) -> dict[str, Any]:
    """What was found as a value."""
    figures = {found.test: found.figures for found in one.findings}
    refused = refusals(one.findings)
    return {
        "segment": one.pane.segment,
        "calls": one.pane.n,
        "from": instant(one.pane.tick),
        "to": instant(one.pane.end),
        "days": round((one.pane.end - one.pane.tick) / 86_400_000, 2),
        "repeated": figures.get("repeated inputs", {}).get("repeated"),
        "largest_user": figures.get("largest user", {}).get("share"),
        "warnings": warnings(one.findings),
        "refused": "; also: ".join(refused) or None,
        "forced": one.forced,
        "findings": [
            {"test": found.test, "severity": found.severity, "sentence": found.told, "figures": dict(found.figures)}
            for found in one.findings
        ],
    }


def finding_lines(one: Examined) -> list[tuple[str, str]]:
    """The same in lines, each with its colour."""
    found = finding_fields(one)
    lines = [(f"{found['segment']}, {found['from']} to {found['to']}", "bold")]
    for test in one.findings:
        lines.append((f"  {test.severity:<6}  {test.test:<16}  {test.told}", COLOURS[test.severity]))
        lines += [(f"{'':26}  {line}", "") for line in _aspect_lines(test)]
    worst = "cannot serve as a baseline" if found["refused"] else "can serve as a baseline"
    if not found["refused"] and found["warnings"]:
        many = len(found["warnings"])
        worst += f", with {many} warning{'s' * (many > 1)}{' (it was forced)' if one.forced else ''}"
    return [*lines, (f"  {worst}", "red" if found["refused"] else "")]


def _aspect_lines(test: Finding) -> list[str]:
    """A line for each respect in which drift was looked for."""
    aspects = test.figures.get("aspects", ())
    rows = [(one["name"].replace("_", " "), *_moved(one), _dated(one)) for one in aspects]
    return table(rows) if rows else []


def _moved(one: dict[str, Any]) -> tuple[str, str]:
    """How far a respect moved, its spread where that is what drifted, and how far it may."""
    in_deviations = one["name"] in ("inputs", "answers") or one["name"].startswith("score ")
    size, what = one["effect"], "moved"
    if one["drift"] and one["spread"] is not None and abs(one["spread"]) > max(abs(size), one["tolerance"]):
        size, what = one["spread"], "spread"
    shown = (lambda value: f"{figure(value)} sd") if in_deviations else percent
    way = "-" if size < 0 else ""
    return f"{what} {way}{shown(abs(size))}", f"{shown(one['tolerance'])} tolerated"


def _dated(one: dict[str, Any]) -> str:
    p_value = min(one["p_first_half_against_second"], one["p_change_point"])
    return f"p {p_value:.3f}" + (f", at {one['at']}" if one["drift"] else "")
