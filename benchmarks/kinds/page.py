"""What the streams showed, as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.kinds.asked import asked
from benchmarks.kinds.cases import EXPECTED
from benchmarks.kinds.courses import Course, threshold
from benchmarks.kinds.judged import ASKED, BEFORE, HORIZON, Outcome
from benchmarks.kinds.results import CASES, PROTOTYPE, Results, clear, delays, first_right, in_top, named, points
from benchmarks.kinds.rivals import NAMES
from benchmarks.kinds.tables import Rate, mean, quartiles, run_length, table


def confusion(results: Results) -> str:
    """Injected against first named."""
    groups: list[tuple[str, list[Outcome]]] = [
        ("nothing", results.injected("none")),
        ("mix", results.injected("mix")),
        *((f"model, {share:.0%}", results.injected("model", share=share)) for share in (1.0, 0.3, 0.1)),
        ("mix and model", results.injected("both")),
        *((f"new topic, {share:.0%}", results.injected("topic", share=share)) for share in (0.2, 0.1)),
        ("prompt, undeclared", results.injected("prompt, undeclared")),
        ("prompt, declared", results.injected("prompt")),
    ]
    columns = [*ASKED, "prompt"]
    rows = []
    for name, outcomes in groups:
        if not outcomes:
            continue
        fresh = clear(outcomes)
        first = [one.told[0].kind if one.told else "" for one in fresh]
        counts = [sum(kind == column for kind in first) for column in columns]
        others = sum(kind not in columns for kind in first if kind)
        at_all = [named(outcomes, kind) for kind in ASKED]
        rows.append([name, len(fresh), *counts, others, first.count(""), *at_all])
    heads = ["injected", "streams", *(f"{kind} first" for kind in columns), "other first", "nothing"]
    return table([*heads, *(f"{kind} at all" for kind in ASKED)], rows)


def calm(results: Results) -> str:
    """How often nothing was called something."""
    null = results.injected("none")
    rows: list[list[object]] = []
    for kind in dict.fromkeys([*ASKED, *(told.kind for one in null for told in (*one.false, *one.told))]):
        rows.append([kind, named(null, kind), *_run_length(null, (kind,))])
    every = tuple({told.kind for one in null for told in (*one.false, *one.told)})
    rows.append(["any", Rate(sum(bool(one.told) for one in clear(null)), len(clear(null))), *_run_length(null, every)])
    return table(["kind", f"named within {HORIZON:,} calls", "alarms", "calls to one alarm (95 %)"], rows)


def _run_length(null: Sequence[Outcome], kinds: Sequence[str]) -> tuple[int, str]:
    alarms, calls = 0, 0.0
    for one in null:
        told = [told.calls + BEFORE for told in (*one.false, *one.told) if told.kind in kinds]
        alarms, calls = alarms + bool(told), calls + min([*told, BEFORE + HORIZON])
    return alarms, run_length(alarms, calls)


def each_case(results: Results) -> str:
    """Every case by itself."""
    rows = []
    for case in results.cases:
        outcomes = results.of(case.name)
        kinds = EXPECTED[case.injected]
        found: list[object] = ["–", "–", "–"]
        if kinds:
            late = delays(outcomes, kinds)
            found = [first_right(outcomes, kinds), mean(late), quartiles(late)]
        held = Rate(sum(one.held for one in outcomes), len(outcomes)).share
        rows.append([case.name, len(clear(outcomes)), *(named(outcomes, k) for k in ASKED), f"{held:.2f}", *found])
    heads = ["case", "streams", *ASKED, "model held back", "right kind first", "mean delay", "median [quartiles]"]
    return table(heads, rows)


def beside(results: Results) -> str:
    """Delays of detectors of answers, each alone, at one realised run length."""
    rows = []
    for population in dict.fromkeys(name for name, _ in results.alone):
        streams = [alone for name, alone in results.alone if name == population]
        null = f"none: {population}"
        judged = threshold([one.answers for one in results.of(null)], results.budget, BEFORE + HORIZON)
        bounds = {
            name: threshold([one.courses[name][null] for one in streams], results.budget, BEFORE + HORIZON)
            for name in NAMES
        }
        for case in (one for one in streams[0].courses[NAMES[0]] if CASES[one].injected == "model"):
            stem, _, share = case.rpartition(", ")
            prototype = dict(zip(("100%", "30%", "10%"), PROTOTYPE.get(stem, ("–",) * 3), strict=True))[share]
            outcomes = results.of(case)
            row: list[object] = [case, prototype, _late(delays(outcomes, ("model",)))]
            row.append(_late(_passed([one.answers for one in outcomes], judged)))
            rows.append(row + [_late(_passed([one.courses[n][case] for one in streams], bounds[n])) for n in NAMES])
    return table(["case", "prototype", "`model` as judged", "`answers` alone", *NAMES], rows)


def _passed(courses: Sequence[Course], bound: float) -> list[float]:
    """Calls after the change until a threshold was passed, in streams that had not passed it before."""
    fresh = [one for one in courses if one.passes(bound) > BEFORE]
    return [min(one.passes(bound) - BEFORE, HORIZON) for one in fresh]


def _late(late: Sequence[float]) -> str:
    """Mean delay, and how often it was found."""
    return f"{mean(late)} ({Rate(sum(x < HORIZON for x in late), len(late)).share:.0%})" if late else "–"


def change_points(results: Results) -> str:
    """How far change points lie from the truth."""
    rows = []
    for injected in ("mix", "model", "both", "topic", "prompt, undeclared"):
        for kind in ASKED:
            told = points(results.injected(injected), kind)
            if not told or (kind not in EXPECTED[injected] and kind != "output_length"):
                continue
            error = [float(one.point) for one in told]
            inside = Rate(sum(one.low <= 0 <= one.high for one in told), len(told))
            rows.append([injected, kind, len(told), quartiles(error), quartiles(np.abs(error)), inside])
    heads = ["injected", "alarm", "alarms", "error, calls", "its size", "truth inside the interval"]
    return table(heads, rows)


def lengths(results: Results) -> str:
    """How much of a changed length the mix is said to account for."""
    rows = []
    for injected in ("mix", "model", "both", "topic", "none"):
        told = points(results.injected(injected), "output_length")
        mix = [one.mix for one in told if one.mix is not None]
        mostly = Rate(sum(share >= 0.5 for share in mix), len(mix))
        rows.append([injected, named(results.injected(injected), "output_length"), _shares(mix), mostly])
    return table(["injected", "output_length named", "share put down to the mix", "at least half"], rows)


def _shares(values: Sequence[float]) -> str:
    return "{1:.2f} [{0:.2f}, {2:.2f}]".format(*np.percentile(values, [25, 50, 75])) if len(values) else "–"


def topics(results: Results) -> str:
    """Whether an injected topic is among the first of the explanation."""
    rows = []
    for case in results.cases:
        if case.injected == "topic":
            told = points(results.of(case.name), "data")
            best = Rate(sum(one.rank == 1 for one in told), len(told))
            rows.append([case.name, best, Rate(sum(1 <= one.rank <= 3 for one in told), len(told))])
    for share in (0.1, 0.2):
        told = points(results.injected("topic", share=share), "data")
        rows.append([f"all, {share:.0%}", in_top(told, 1), in_top(told, 3)])
    return table(["case", "first", "in the first three"], rows)


def markers(results: Results) -> str:
    """Which markers alarms named."""
    rows = []
    for injected in ("mix", "model", "both", "topic", "prompt, undeclared", "prompt"):
        told = [one for outcome in clear(results.injected(injected)) for one in outcome.told]
        fields = sorted({one.marker for one in told})
        if told:
            counts = ", ".join(f"{name or 'none'} {sum(one.marker == name for one in told)}" for name in fields)
            rows.append([injected, len(told), counts])
    return table(["injected", "alarms", "marker named"], rows)


def time_spent(results: Results) -> str:
    """Share of the judge's time that explanations take."""
    rows = []
    for name, spent in results.spent.items():
        parts = sum(spent.parts.values())
        told = "; ".join(
            f"{what} {t / max(spent.judge, 1e-9):.1%}" for what, t in sorted(spent.parts.items(), key=lambda x: -x[1])
        )
        rows.append([name, f"{spent.judge:,.0f} s", f"{parts / max(spent.judge, 1e-9):.1%}", told])
    return table(["streams", "judge", "explanations", "of which"], rows)


BEGIN, END = "<!-- benchmarks.kinds: begin -->", "<!-- benchmarks.kinds: end -->"


def sections(results: Results) -> str:
    """The page's measured part."""
    parts = [
        ("What was asked", asked),
        ("Injected against named", confusion),
        ("Without drift", calm),
        ("Every case", each_case),
        ("Model changes beside other detectors", beside),
        ("Change points", change_points),
        ("Length of answers", lengths),
        ("A topic never seen", topics),
        ("Markers", markers),
        ("Time", time_spent),
    ]
    return "\n\n".join(f"### {title}\n\n{made(results)}" for title, made in parts)


def write(page: Path, measured: str, begin: str = BEGIN, end: str = END) -> None:
    """Put the measured part into a page, between its marks."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n\n{measured}\n\n{end}{after}", encoding="utf-8")
