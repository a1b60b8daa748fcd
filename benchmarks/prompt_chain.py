"""How soon a year of small prompt edits is found, and how often versions that answer alike are: ``python -m
benchmarks.prompt_chain``.

Simulated: twenty versions of a prompt after the anchor's 3,000 calls, each of which lets six answers in a hundred gain
one more stock phrase: every edit alone is inside the tolerance, together they are not. Real: the plain and the
jailbreak prompt of ``../shared/data``, with the version declared and, as part of the input, not.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from random import Random

import msgspec
import numpy as np
from scipy import stats
from threadpoolctl import threadpool_limits

from benchmarks import real_calls
from benchmarks.report import describe_machine
from drift import verdict
from drift.alarm import Alarm
from drift.budget import Budget
from drift.state import Judge, start
from streams.alerts import alert
from streams.building import build_baseline, measured_panes
from streams.measure import Meter
from streams.observe import Clock
from streams.records import Record, decode
from streams.simulate import simulate

ANCHOR, EDITS, CALLS = 3000, 20, 600
"""Calls of the anchor, edits after it, calls of each."""

SHARE = 0.06
"""Share of answers that gain a phrase by each edit."""

PHRASES = (
    "Thanks for your patience.",
    "We are here around the clock.",
    "Is there anything else?",
    "Please keep your order number at hand.",
    "Your feedback matters.",
    "Have a nice day!",
    "This may take a moment.",
    "Kindly note the above.",
    "See our help centre.",
    "All the best!",
)


def edited(answer: str, edits: int, rng: Random, share: float = SHARE) -> str:
    """An answer after so many edits: each phrase comes at the end first, and after ten edits at the beginning."""
    for edit in range(edits):
        if rng.random() < share:
            phrase = PHRASES[edit % len(PHRASES)]
            answer = f"{phrase} {answer}" if edit >= len(PHRASES) else f"{answer} {phrase}"
    return answer


def calls(
    seed: int, *, anchor: int = ANCHOR, edits: int = EDITS, each: int = CALLS, share: float = SHARE
) -> Iterator[dict[str, object]]:
    """Calls of a simulated assistant whose prompt goes from v0 to the last version in small steps."""
    rng, count = Random(seed), anchor + edits * each
    quiet = itertools.islice(simulate(seed, days=7.0, calls_a_day=1.1 * count / 7), count)
    for number, call in enumerate(quiet):
        version = 0 if number < anchor else 1 + (number - anchor) // each
        made = {name: value for name, value in call.items() if name != "output_tokens"}
        if output := made.get("output"):
            made["output"] = edited(str(output), version, rng, share)
        yield made | {"prompt_version": f"v{version}"}


def records(made: Iterator[dict[str, object]]) -> list[Record]:
    """Decoded call records."""
    found = (decode(msgspec.json.encode(call), now_ms=real_calls.NOW_MS) for call in made)
    return [one for one in found if isinstance(one, Record)]


def judged(meter: Meter, first: Sequence[Record], rest: Sequence[Record], budget: float) -> tuple[Judge, list[Alarm]]:
    """Alarms of the rest against a baseline of the first calls."""
    made = build_baseline(meter, first, force=True)
    judge = Judge(made, Budget(budget, "calls"))
    state, alarms = start(judge), []
    for pane in measured_panes(meter, made.lens, rest, Clock(), 64, made.declared):
        state, new = verdict.judge(judge, state, pane)
        alarms += new
    return judge, alarms


def jailbreak(model: str, seed: int, *, declared: bool) -> tuple[list[Record], list[Record]]:
    """Calls of a plain prompt, and calls that go on with it and then change to one that is part of the input."""
    source = f"llmdrift_sensitive_code dataset=sensitiveq {model} prompt_version="
    before = real_calls.stream([f"n={ANCHOR} {source}plain"], seed)
    after = real_calls.stream([f"n=500 {source}plain", f"n=500 {source}aim_attack"], seed + 1000)
    if declared:
        return before, after
    return [[msgspec.structs.replace(one, prompt_version="") for one in part] for part in (before, after)]  # type: ignore[return-value]


def _chains(seeds: int, budget: float) -> Iterator[str]:
    found, alone, named = [], 0, 0
    for seed in range(seeds):
        stream = records(calls(seed))
        _, alarms = judged(real_calls.meter(), stream[:ANCHOR], stream[ANCHOR:], budget)
        first = next((one for one in alarms if one.kind == "prompt" and one.state == "firing"), None)
        found.append(int(first.version[1:]) if first else EDITS + 1)
        alone += sum(one.step is not None and one.step.low > 0.25 for one in first.links) if first else 0
        named += any(one.kind == "model" for one in alarms)
    seen = sum(one <= EDITS for one in found)
    low, middle, high = np.quantile(found, [0.25, 0.5, 0.75])
    spread = f"at edit {middle:.0f} (quartiles {low:.0f}, {high:.0f})"
    yield f"chain of {EDITS} small edits: found in {seen} of {seeds} runs, {spread}"
    yield f"  edits called outside the tolerance alone: {alone}; runs in which `model` was named: {named}"


def _alike(seeds: int, budget: float) -> Iterator[str]:
    false = 0
    for seed in range(seeds):
        stream = records(calls(100 + seed, share=0.0))
        _, alarms = judged(real_calls.meter(), stream[:ANCHOR], stream[ANCHOR:], budget)
        false += sum(one.kind == "prompt" and one.state == "firing" for one in alarms)
    answers = seeds * EDITS * CALLS
    high = stats.chi2.ppf(0.975, 2 * false + 2) / 2
    yield (
        f"versions that answer alike: {false} `prompt` alarms in {seeds * EDITS} versions, {answers:,} calls "
        f"(at most one in {answers / high:,.0f} at 97.5 %; all kinds together may raise one in {budget:,.0f})"
    )


RELEASES = {"GPT-3.5 0301": real_calls.GPT35.format("0301"), "GPT-4 0314": real_calls.GPT4.format("0314")}


def _jailbreaks(seeds: int, budget: float) -> Iterator[str]:
    for (name, model), declared in itertools.product(RELEASES.items(), (True, False)):
        told = []
        for seed in range(seeds):
            judge, alarms = judged(real_calls.meter(), *jailbreak(model, seed, declared=declared), budget)
            firing = [one for one in alarms if one.state == "firing" and one.kind in ("data", "model", "prompt")]
            marked = sum(alert(judge, "real", one, replay="").marker is not None for one in firing)
            named = ", ".join(f"{one.kind} {one.calls - 500}" for one in firing)
            told.append(f"{named} ({marked} with a marker)")
        how = "declared" if declared else "in the input"
        yield f"plain → jailbreak, {name}, version {how}: calls until named: {'; '.join(told)}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="chains of each kind")
    parser.add_argument("--budget", type=float, default=200_000, help="calls to one false alarm")
    given = parser.parse_args()
    describe_machine("benchmarks.prompt_chain")
    with threadpool_limits(1):
        for part in (
            _chains(given.seeds, given.budget),
            _alike(given.seeds, given.budget),
            _jailbreaks(2, given.budget),
        ):
            for row in part:
                print(row, flush=True)
