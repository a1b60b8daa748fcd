"""Courses as tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.kinds.tables import run_length, table
from benchmarks.quality.matching import RUN_LENGTH, Alarms, Courses, Delays, blind, delays, false_alarms, threshold
from benchmarks.quality.workloads import CASES, Case, Family

Found = Sequence[tuple[str, Courses]]
TITLES = {
    "topics": "A domain that the baseline never saw",
    "models": "Another model, all calls",
    "lengths": "Lengths of answers",
    "flags": "Flags",
}
OURS = "Driftline"
BLIND = "a detector that sees nothing"


def versions(courses: Sequence[Courses]) -> str:
    """Packages of the peers."""
    named = {name: version for one in courses for name, version in one.versions.items()}
    return ", ".join(f"{name} {version}" for name, version in sorted(named.items())) or "none"


def found_delays(courses: Courses, case: str) -> Delays:
    """Delays at the matched threshold."""
    return delays(courses.changed[case], threshold(courses.calm))


def cell(made: Delays) -> str:
    """Mean delay, its standard error, share missed and runs."""
    if not len(made.calls):
        return "–"
    missed = f", {made.missed / len(made.calls):.0%} missed" if made.missed else ""
    return f"{made.mean:,.0f} ± {made.error:,.0f}{missed} ({len(made.calls)})"


def of_kind(kind: str, families: Sequence[Family], found: Found) -> str:
    """Delays of every detector on every change of a kind."""
    names = {family.name for family in families if family.kind == kind}
    cases = [case for case in CASES if case.family.name in names]
    rows = [[detector, *(_cell(found, detector, case) for case in cases)] for detector in _matched(names, found)]
    late, missed = blind()
    rows.append([BLIND, *[f"{late:,.0f}, {missed:.0%} missed"] * len(cases)])
    return table(["detector", *(case.name for case in cases)], rows)


def _matched(families: set[str], found: Found) -> list[str]:
    """Names of detectors that were given changes of these families."""
    return list(dict.fromkeys(one.detector for name, one in found if name in families and any(one.changed.values())))


def _cell(found: Found, detector: str, case: Case) -> str:
    courses = [one for name, one in found if name == case.family.name and one.detector == detector]
    return cell(found_delays(courses[0], case.name)) if courses and courses[0].changed.get(case.name) else "–"


def matching(families: Sequence[Family], found: Found) -> str:
    """What thresholds realised on the streams without a change."""
    rows = []
    for name, one in found:
        if any(family.name == name for family in families):
            alarms = false_alarms(one.calm, at := threshold(one.calm))
            own, realised = "–", "–"
            if one.default is not None:
                asleep = false_alarms(one.calm, one.default)
                own, realised = f"{one.default:.3g}", run_length(asleep.count, asleep.calls)
            rows.append([one.detector, name, len(one.calm), f"{at:.4g}", _realised(alarms), own, realised])
    heads = ["detector", "calls", "streams", "matched threshold", "realised", "documented threshold", "realised"]
    return table(heads, rows)


def _realised(alarms: Alarms) -> str:
    return f"{run_length(alarms.count, alarms.calls)}, {alarms.count} alarms"


def beside(families: Sequence[Family], found: Found) -> str:
    """Who is sooner and who later than the soonest of Driftline's detectors, by more than two standard errors."""
    rows = []
    for case in (case for case in CASES if any(family.name == case.family.name for family in families)):
        here = {one.detector: found_delays(one, case.name) for name, one in found if _shown(name, one, case)}
        ours = [(name, made) for name, made in here.items() if name.startswith(OURS)]
        if ours:
            name, best = min(ours, key=lambda one: one[1].mean)
            others = {other: made for other, made in here.items() if not other.startswith(OURS)}
            sooner = [other for other, made in others.items() if _apart(made, best) < -2]
            later = [other for other, made in others.items() if _apart(made, best) > 2]
            near = len(others) - len(sooner) - len(later)
            told = f"{name}: {best.mean:,.0f}"
            rows.append([case.name, told, "; ".join(sooner) or "none", near, "; ".join(later) or "none"])
    return table(["change", "Driftline's soonest", "sooner", "within noise", "later"], rows)


def _shown(name: str, courses: Courses, case: Case) -> bool:
    return name == case.family.name and bool(courses.changed.get(case.name))


def _apart(one: Delays, other: Delays) -> float:
    """Difference of two means in its standard errors."""
    error = np.hypot(one.error, other.error)
    return float((one.mean - other.mean) / error) if error > 0 else 0.0


def sections(families: Sequence[Family], found: Found) -> str:
    """The measured part of the page."""
    kinds = [kind for kind in TITLES if any(family.kind == kind for family in families)]
    parts = [(TITLES[kind], of_kind(kind, families, found)) for kind in kinds]
    if any(one.detector.startswith(OURS) for _, one in found):
        parts.append(("Who is sooner than Driftline, and who later", beside(families, found)))
    parts.append((f"Thresholds: at {RUN_LENGTH:,.0f} calls to an alarm, and as documented", matching(families, found)))
    note = "Mean delay in calls ± its standard error, share missed where any, and runs in parentheses."
    return f"{note}\n\n" + "\n\n".join(f"### {title}\n\n{made}" for title, made in parts)
