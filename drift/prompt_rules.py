"""Rules of prompt versions that calls break: facts, not tests, so that they cost nothing of the false-alarm budget.

``hot_edit``: a version's template is another than it was. ``unknown_version``: a version that is not allowed.
``unversioned``: calls without a version where the baseline's (nearly) all had one, or where versions are declared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from drift.baseline import Baseline
from drift.call import MARKERS
from drift.pane import Pane

RULES = ("hot_edit", "unknown_version", "unversioned")

LEAST = 10
"""Calls that break a rule before it is told: one stray call is counted only."""

SETTLED = 50
"""Calls of a version with one template after which another one is news."""

TEMPLATES = 8
"""Templates of one version, beyond which its hash is taken to vary with the call and says nothing."""

VERSIONS = 64
"""Versions whose templates are remembered."""

USUAL = 0.05
"""Share of the baseline's calls without a version from which being without one is usual."""

_VERSION, _TEMPLATE = MARKERS.index("prompt_version"), MARKERS.index("prompt_hash")


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that was broken by so many calls, the first of them in the tick ``since``.

    ``before`` and ``after`` are the template's hashes where the rule is ``hot_edit``.
    """

    rule: str
    version: str
    calls: int
    since: int
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """How often something was seen, and the tick in which it first was."""

    calls: int
    since: int

    def more(self, calls: int) -> Seen:
        """The same after more calls."""
        return replace(self, calls=self.calls + calls)


@dataclass(frozen=True, slots=True)
class Watched:
    """What calls have shown of versions and their templates.

    Attributes
    ----------
    templates
        Of each version by hash, the usual one first.
    strangers
        Versions that are not allowed; of calls without version what came since the last quiet spell.
    broken
        Calls that broke each rule, in all.
    last
        Calls judged when each rule was last broken.
    """

    templates: Mapping[str, Mapping[str, Seen]] = field(default_factory=dict)
    strangers: Mapping[str, Seen] = field(default_factory=dict)
    broken: Mapping[str, int] = field(default_factory=dict)
    last: Mapping[str, int] = field(default_factory=dict)


def start(baseline: Baseline) -> Watched:
    """What a baseline's calls have shown."""
    templates: dict[str, dict[str, Seen]] = {}
    for version, template, n in sorted(_templates(baseline.pane), key=lambda one: (-one[2], one)):
        templates.setdefault(version, {})[template] = Seen(n, baseline.pane.tick)
    return Watched({version: known for version, known in templates.items() if len(known) <= TEMPLATES})


def watch(
    baseline: Baseline, allowed: frozenset[str] | None, state: Watched, pane: Pane, calls: int, forget_after: int
) -> tuple[Watched, tuple[Breach, ...]]:
    """What is known after another block, before which ``calls`` were judged, and the rules that came to be broken.

    Parameters
    ----------
    allowed
        Versions that may be used; None where that is not declared.
    forget_after
        Calls that break no rule after which a version's breach is news again.
    """
    state, edits = _edited(state, pane, calls)
    state, strangers = _strange(baseline, allowed, state, pane, calls, forget_after)
    return state, (*edits, *strangers)


def _edited(state: Watched, pane: Pane, calls: int) -> tuple[Watched, list[Breach]]:
    templates = {version: dict(known) for version, known in state.templates.items()}
    found = []
    for version, template, n in _templates(pane):
        known = templates.setdefault(version, {})
        if len(known) > TEMPLATES:
            continue
        first = next(iter(known), template)
        before = known.get(template, Seen(0, pane.tick))
        known[template] = now = before.more(n)
        settled = template != first and known[first].calls >= SETTLED and len(known) <= TEMPLATES
        if settled:
            state = _count(state, "hot_edit", n, calls + pane.n)
        if settled and before.calls < LEAST <= now.calls:
            found.append(Breach("hot_edit", version, now.calls, now.since, first, template))
    return replace(state, templates=dict(list(templates.items())[-VERSIONS:])), found


def _strange(
    baseline: Baseline, allowed: frozenset[str] | None, state: Watched, pane: Pane, calls: int, forget_after: int
) -> tuple[Watched, list[Breach]]:
    strangers, found = dict(state.strangers), []
    for rule in ("unknown_version", "unversioned"):
        if calls - state.last.get(rule, calls) >= forget_after:
            strangers = {name: seen for name, seen in strangers.items() if _rule(name) != rule}
    for version, n in _versions(pane):
        if not _breaks(baseline, allowed, version):
            continue
        rule = _rule(version)
        state = _count(state, rule, n, calls + pane.n)
        before = strangers.get(version, Seen(0, pane.tick))
        if version in strangers or len(strangers) < VERSIONS:
            strangers[version] = now = before.more(n)
            if before.calls < LEAST <= now.calls:
                found.append(Breach(rule, version, now.calls, now.since))
    return replace(state, strangers=strangers), found


def _rule(version: str) -> str:
    return "unknown_version" if version else "unversioned"


def _breaks(baseline: Baseline, allowed: frozenset[str] | None, version: str) -> bool:
    if allowed is not None:
        return version not in allowed
    return not version and without_version(baseline) < USUAL


def without_version(baseline: Baseline) -> float:
    """Share of a baseline's calls without a prompt version."""
    return dict(_versions(baseline.pane)).get("", 0) / max(baseline.pane.n, 1)


def _count(state: Watched, rule: str, n: int, now: int) -> Watched:
    broken = {**state.broken, rule: state.broken.get(rule, 0) + n}
    return replace(state, broken=broken, last={**state.last, rule: now})


def _versions(pane: Pane) -> Iterator[tuple[str, int]]:
    """Each prompt version of a pane, empty where there is none, and its calls."""
    marks = pane.sums.marks[pane.sums.marks["field"] == _VERSION]
    yield from sorted((pane.names.get(int(mark["value"]), ""), int(mark["n"])) for mark in marks)


def _templates(pane: Pane) -> Iterator[tuple[str, str, int]]:
    """Each version and hash of a template in a pane, and its calls."""
    marks = pane.sums.marks[(pane.sums.marks["field"] == _TEMPLATE) & (pane.sums.marks["value"] != 0)]
    for name, n in sorted((pane.names.get(int(mark["value"]), ""), int(mark["n"])) for mark in marks):
        version, _, template = name.partition("\x1f")
        yield version, template, n
