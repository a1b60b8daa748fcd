"""What was asked of the kinds, beside what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from benchmarks.kinds.cases import EXPECTED
from benchmarks.kinds.judged import HORIZON
from benchmarks.kinds.results import (
    CASES,
    PROTOTYPE,
    Results,
    all_named,
    clear,
    delays,
    first_right,
    in_top,
    named,
    points,
)
from benchmarks.kinds.tables import Rate, quartiles, table

SURE = 0.95
"""A rate that stands for "always": one stream in twenty may go astray."""

ROOM = 0.05
"""By how much `model` may exceed its null rate."""

RAN = "three tasks", "oasst 12b → 3b"
"""Model changes whose delays were asked for."""

Asked = tuple[str, object, bool]


def asked(results: Results) -> str:
    """A row for each promise: by the figures alone, whose intervals stand in the tables."""
    promises: Sequence[Callable[[Results], Iterator[Asked]]] = (_mix, _model, _faster, _both, _topic, _prompt, _why)
    rows = [row for promise in promises for row in promise(results)]
    return table(
        ["asked", "measured", "holds"], [[what, figure, "yes" if ok else "**no**"] for what, figure, ok in rows]
    )


def _mix(results: Results) -> Iterator[Asked]:
    calm, mixes = named(results.injected("none"), "model").share, results.injected("mix")
    if not mixes:
        return
    first = first_right(mixes, ("data",))
    yield "mix: `data` first", first, first.share >= SURE
    for case in (one for one in results.cases if one.injected == "mix"):
        rate = named(results.of(case.name), "model")
        yield f"{case.name}: `model` at most {calm:.2f} + {ROOM}", rate, rate.share <= calm + ROOM
    told = points(mixes, "output_length")
    rate = Rate(sum((one.mix or 0) >= 0.5 for one in told), len(told))
    yield "mix: `output_length` put down to the mix", rate, not told or rate.share >= SURE


def _model(results: Results) -> Iterator[Asked]:
    calm = named(results.injected("none"), "data").share
    for share in (1.0, 0.3, 0.1):
        if outcomes := results.injected("model", share=share):
            first, data = first_right(outcomes, ("model",)), named(outcomes, "data")
            yield f"model, {share:.0%}: `model` first", first, first.share >= SURE
            yield f"model, {share:.0%}: `data` at most {calm:.2f}", data, data.share <= calm


def _faster(results: Results) -> Iterator[Asked]:
    for stem in (stem for stem in PROTOTYPE if any(part in stem for part in RAN)):
        for share, before in zip(("100%", "30%", "10%"), PROTOTYPE[stem], strict=True):
            if outcomes := results.of(f"{stem}, {share}"):
                late = float(np.mean(delays(outcomes, ("model",))))
                yield f"{stem}, {share}: mean delay below {before:,}", f"{late:,.0f}", late < before
                if share == "10%":
                    rate = named(outcomes, "model")
                    yield f"{stem}, {share}: found within {HORIZON:,} calls in .80", rate, rate.share >= 0.8


def _both(results: Results) -> Iterator[Asked]:
    if outcomes := results.injected("both"):
        rate = all_named(outcomes, ("data", "model"))
        yield "both: both named", rate, rate.share >= SURE


def _topic(results: Results) -> Iterator[Asked]:
    calm = named(results.injected("none"), "model").share
    for share in (0.2, 0.1):
        if outcomes := results.injected("topic", share=share):
            data, model = named(outcomes, "data"), named(outcomes, "model")
            yield f"new topic, {share:.0%}: `data`", data, data.share >= SURE
            yield f"new topic, {share:.0%}: `model` at most {calm:.2f} + {ROOM}", model, model.share <= calm + ROOM
    if told := points(results.injected("topic", share=0.2), "data"):
        top = in_top(told, 3)
        yield "new topic, 20%: among the first three in .90", top, top.share >= 0.9


def _prompt(results: Results) -> Iterator[Asked]:
    if fresh := clear(results.injected("prompt, undeclared")):
        data = named(fresh, "data")
        yield "prompt, undeclared: `data`", data, data.share >= SURE
        answers = Rate(sum(bool(one.first("model") or one.first("output_length")) for one in fresh), len(fresh))
        yield "prompt, undeclared: an answer change", answers, answers.share >= SURE
        told = [told for one in fresh for told in one.told]
        unmoved = Rate(sum(not one.marker for one in told), len(told))
        yield "prompt, undeclared: no marker moved", unmoved, unmoved.share == 1
    if fresh := clear(results.injected("prompt")):
        prompt = named(fresh, "prompt")
        yield "prompt, declared: `prompt`", prompt, prompt.share >= SURE


def _why(results: Results) -> Iterator[Asked]:
    changes = results.injected("mix", "model", "both", "topic", "prompt, undeclared")
    expected = [(one, kind) for one in clear(changes) for kind in EXPECTED[CASES[one.case].injected]]
    errors = [abs(told.point) for one, kind in expected if (told := one.first(kind))]
    if errors:
        yield "change points: median error at most 50 calls", quartiles(errors), float(np.median(errors)) <= 50
    if judge := sum(one.judge for one in results.spent.values()):
        share = sum(sum(one.parts.values()) for one in results.spent.values()) / judge
        yield "explanations: at most 20 % of the judge's time", f"{share:.1%}", share <= 0.2
