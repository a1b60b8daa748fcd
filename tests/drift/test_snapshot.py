"""A judge that goes on from a state's bytes judges as if it had never stopped."""

import dataclasses
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import get_args, get_type_hints

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift import codec, snapshot
from drift.baseline import build
from drift.block import sizes
from drift.budget import Budget
from drift.errors import CorruptError
from drift.state import Judge, SegmentState, start
from drift.verdict import judge, verdicts
from tests.drift import builders, test_prompt_rules, test_prompts, test_scores, test_slices

BUDGET = Budget(20_000, "calls")


def in_turn(*parts):
    """Parts of rows one after the other, each from where the last one ended."""
    rows = np.concatenate(parts)
    rows["at"] = np.arange(len(rows)) * 1000
    return rows


def drifting():
    """Calm, another model that fails more often, and back, in ticks of any size, with texts and a changing marker."""
    rows = in_turn(
        builders.calls(400, 1, served_model=5),
        builders.calls(500, 2, served_model=6, model=1.0, errors=0.2),
        builders.calls(900, 3, served_model=5),
    )
    names = {5: "atlas-1", 6: "atlas-2", builders.STRATUM: "v1\x1flive"}
    bounds, low, made = (3, 9, 30, 120, 2), 0, []
    while low < len(rows):
        part = rows[low : low + bounds[len(made) % len(bounds)]]
        texts = [(f"question {n}", "") for n in range(len(part))] if len(made) % 3 else ()
        made.append(builders.pane(part, texts=texts, names=names))
        low += len(part)
    return Judge(builders.baseline(), BUDGET, clear_after=256), made


def sliced():
    """Declared fields, one region drifts; then all of them."""
    rows = in_turn(
        test_slices.labelled(builders.calls(300, 4), 4)[0],
        test_slices.drifted(400, 5, where=(1,), model=1.5),
        test_slices.drifted(200, 6, longer=1.6),
    )
    return test_slices.config(), builders.ticks(rows)


def scored():
    """Eval scores and feedback, worse ones later."""
    rows = in_turn(
        test_scores.scored(builders.calls(300, 7), 7), test_scores.scored(builders.calls(500, 8), 8, correct=0.6)
    )
    return test_scores.config(), builders.ticks(rows)


def edited():
    """Prompt versions far from the anchor, more than are remembered."""
    versions = [test_prompts.calls(25, 40 + n, n, model=0.1 * n) for n in range(40)]
    rows = in_turn(test_prompts.calls(100, 9, 0), test_prompts.calls(300, 10, 1, model=1.5), *versions)
    return Judge(test_prompts.baseline(), BUDGET, clear_after=256), test_prompts.ticks(rows)


def lawless():
    """Templates that change under one version, and versions that are not allowed."""
    parts = [
        test_prompt_rules.calls(100, 11, template="aa"),
        test_prompt_rules.calls(100, 12, template="bb", start=100),
        test_prompt_rules.calls(60, 13, version="v7", template="cc", start=200),
    ]
    return test_prompt_rules.config(allowed=frozenset({"v1"})), list(test_prompt_rules.panes(*parts))


def pooled():
    """A pool of small segments: each its own variant."""
    rows = builders.calls(1500, 14)
    rows["stratum"] = 100 + np.arange(1500) % 15
    first = builders.ticks(rows, size=5000)
    made = build(builders.lens(), first, sizes(first), runs=0, facts={"members": [f"shop/p{n}" for n in range(15)]})
    later = in_turn(builders.calls(200, 15), builders.calls(300, 16, model=1.2))
    later["stratum"] = 100 + np.arange(500) % 15
    return Judge(made, BUDGET), builders.ticks(later)


def unknown():
    """Other inputs and answers at once, so that the answers are held back; then inputs unlike any of the baseline's."""
    away = builders.calls(400, 17, model=2.0)
    away["band"] = 4
    held = builders.calls(300, 175, mix=test_slices.SKEWED, model=1.5)
    return Judge(builders.baseline(), BUDGET), builders.ticks(in_turn(builders.calls(100, 19), held, away))


WORLDS = (drifting, sliced, scored, edited, lawless, pooled, unknown)


@cache
def undisturbed(world):
    """The judge, its ticks, and after each of them the state and the alarms that it brought."""
    judged, ticks = world()
    state, course = start(judged), []
    for tick in ticks:
        state, alarms = judge(judged, state, tick)
        course.append((state, alarms))
    return judged, ticks, course


def same(a, b):
    """Whether two values are the same to the bit, in type, order and layout in memory."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        alike = a.dtype == b.dtype and a.shape == b.shape and a.strides == b.strides
        return alike and a.tobytes() == b.tobytes()
    if dataclasses.is_dataclass(a):
        return all(same(getattr(a, one.name), getattr(b, one.name)) for one in dataclasses.fields(a))
    if isinstance(a, Mapping):
        return list(a) == list(b) and all(map(same, a.values(), b.values()))
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(same, a, b))
    return repr(a) == repr(b)


@pytest.mark.parametrize("world", WORLDS)
def test_a_state_comes_back_to_the_bit_after_every_tick(world):
    for state, _ in undisturbed(world)[2]:
        data = snapshot.encode(state)
        back = snapshot.decode(data)
        assert same(back, state)
        assert snapshot.encode(back) == data


@pytest.mark.parametrize("world", WORLDS)
def test_a_judge_that_dies_after_every_tick_judges_as_if_it_never_had(world):
    judged, ticks, course = undisturbed(world)
    state = start(judged)
    for tick, (expected, raised) in zip(ticks, course, strict=True):
        state, alarms = judge(judged, snapshot.decode(snapshot.encode(state)), tick)
        assert same(alarms, raised)
        assert snapshot.encode(state) == snapshot.encode(expected)
    assert same(verdicts(judged, state), verdicts(judged, course[-1][0]))


@settings(max_examples=15)
@given(st.sampled_from(WORLDS), st.floats(0, 1, exclude_max=True))
def test_a_judge_that_dies_once_judges_as_if_it_never_had(world, share):
    judged, ticks, course = undisturbed(world)
    cut = int(share * len(ticks))
    state = snapshot.decode(snapshot.encode(course[cut][0]))
    for tick, (_, raised) in zip(ticks[cut + 1 :], course[cut + 1 :], strict=True):
        state, alarms = judge(judged, state, tick)
        assert same(alarms, raised)
    assert snapshot.encode(state) == snapshot.encode(course[-1][0])


def test_bytes_stop_growing():
    judged, stream = Judge(builders.baseline(), BUDGET), builders.calls(15_000, 21)
    state, lengths = start(judged), []
    for tick in builders.ticks(stream):
        state, _ = judge(judged, state, tick)
        if state.calls % 500 == 0:
            lengths.append(len(snapshot.encode(state)))
    assert lengths[0] < lengths[10] < lengths[20]
    assert max(lengths[24:]) < 1.01 * max(lengths[20:24])  # the history is full after 1,143 blocks


def inside(hint):
    """Dataclasses that a type speaks of, at any depth."""
    for one in get_args(hint):
        yield from inside(one)
    if dataclasses.is_dataclass(hint):
        yield hint
        for one in get_type_hints(hint).values():
            yield from inside(one)


FORMAT_1 = {
    "SegmentState": "pending detectors history markers statistics latches started rows texts names held calls chain "
    "prompts unlike like unlike_at",
    "Pane": "lens segment tick end sample kept names",
    "Sample": "rows texts tau",
    "Sums": "cells counts marks slice_cells slice_counts",
    "Memory": "total mass spread log_e age",
    "History": "sums calls span level",
    "Markers": "usual seen events",
    "MarkerEvent": "field before after at calls",
    "Latch": "detector statistic raised_at since tick calls way version threshold",
    "Chain": "versions forgotten outside_at",
    "Version": "stratum name variant first last calls answered compared given plain logs looked evidence wanted",
    "Watched": "templates strangers broken last",
    "Seen": "calls since",
}


def test_a_field_that_is_added_anywhere_is_another_format():
    declared = {kind.__name__: " ".join(one.name for one in dataclasses.fields(kind)) for kind in inside(SegmentState)}
    assert (snapshot._FORMAT, declared) == (1, FORMAT_1), "raise _FORMAT, and write down here what it now holds"


def values(value):
    """Each field of each dataclass in a value, with what it holds."""
    if dataclasses.is_dataclass(value):
        for one in dataclasses.fields(value):
            yield (type(value).__name__, one.name), getattr(value, one.name)
            yield from values(getattr(value, one.name))
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from values(one)
    elif isinstance(value, tuple):
        for one in value:
            yield from values(one)


def something(value):
    if isinstance(value, np.ndarray):
        return bool(value.size)
    return len(value) > 0 if isinstance(value, Mapping | tuple | str) else bool(value)


def test_the_streams_here_fill_every_field_so_that_none_is_tried_only_while_empty():
    filled = {
        place
        for world in WORLDS
        for state, _ in undisturbed(world)[2]
        for place, value in values(state)
        if something(value)
    }
    wanted = {(kind, name) for kind, names in FORMAT_1.items() for name in names.split()}
    pending = {("Sample", "tau"), ("Pane", "kept"), *(("Sums", name) for name in FORMAT_1["Sums"].split())}
    assert wanted - filled == pending  # a tick of more calls than a sample holds is judged at once


def test_a_pane_that_waits_keeps_its_sums_too():
    state = undisturbed(sliced)[2][-1][0]
    rows = test_slices.labelled(builders.calls(9, 20), 20)[0]
    waits = builders.pane(rows, size=4)
    state = replace(state, pending=waits)
    assert waits.kept is not None
    assert same(snapshot.decode(snapshot.encode(state)), state)


def test_what_is_not_finite_comes_back_as_it_was():
    state = replace(start(undisturbed(drifting)[0]), statistics={"topics": float("nan"), "inputs": float("-inf")})
    assert same(snapshot.decode(snapshot.encode(state)), state)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "not a state"),
        (b"\0" * 40, "not a state"),
        (codec.pack({"pane": 2}), "not a state: its bytes hold something else"),
        (codec.pack({"state": 0}), "state of format 0, this release reads format 1"),
        (codec.pack({"state": 1}), "not a state, though it says so"),
        (codec.pack({"state": 1, "fields": [None]}), "not a state, though it says so"),
        (codec.pack({"state": 1, "fields": [None] * 17}), "not a state, though it says so"),
        (codec.pack({"state": 1, "fields": [b"no pane"] * 17}), "not a pane"),
    ],
)
def test_what_is_no_state_is_named(data, named):
    with pytest.raises(CorruptError, match=named):
        snapshot.decode(data)


def test_torn_or_damaged_bytes_are_noticed():
    data = snapshot.encode(undisturbed(lawless)[2][-1][0])
    for at in range(0, len(data), 97):
        damaged = bytearray(data)
        damaged[at] ^= 0xFF
        for one in (data[:at], bytes(damaged)):
            with pytest.raises(CorruptError):
                snapshot.decode(one)
