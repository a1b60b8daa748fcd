"""Measures without texts: any lens sees in them what it would see in the calls."""

from functools import cache
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from drift.call import Declared
from drift.errors import BrokenOffError, LensMismatchError, SettingsError
from drift.pane import encode
from streams.archive import Archive
from streams.building import build_baseline, measured_panes
from streams.measure import segment_of
from streams.measures import ArchivedMeter, Measures
from streams.observe import Clock
from streams.slices import admit
from tests.streams import traffic

ODD = [
    {"input": "", "output": "answered all the same"},
    {"input": "asked", "output": "  \n"},
    {"input": "asked", "error_type": "timeout"},
    {"input": "größer 🦕", "output": "x" * 9000, "finish_reason": "length", "user_id": "ann", "session_id": "s"},
    {"input": "a", "output": "b", "variant": "canary", "prompt_version": "v7", "prompt_hash": "abc", "feedback": -1},
    {"input": "a", "output": "b", "variant": "shadow", "latency_ms": 12.5, "cost_usd": 0.0001, "ttft_ms": 0},
    {"input": "a", "output": "b", "attributes": {"tier": "gold", "secret": "hunter2"}, "scores": {"good": 0.5, "x": 1}},
]


@cache
def records():
    odd = [
        {"call_id": f"odd{i}", "event_time": traffic.START_MS + i, "app": "support-bot", "prompt_name": "answer", **one}
        for i, one in enumerate(ODD)
    ]
    return tuple(traffic.records([*traffic.calls(0, 600, changed_from=300), *odd]))


@pytest.fixture
def kept(tmp_path):
    measures = Measures(Archive(str(tmp_path / "archive"), create=True), traffic.meter().embedder)
    assert measures.add(traffic.meter(), records(), ("attributes.tier",)) == (len(records()), 0)
    return measures


def test_rows_of_any_lens_are_those_of_the_texts_to_the_byte(kept):
    meter = traffic.meter()
    archived = ArchivedMeter(meter.embedder, kept.calls())
    by_id = {one.call_id: one for one in records()}
    same = [by_id[one.call_id] for one in archived.records]
    assert len(same) == len(records())
    declared = Declared(admit(records(), ("region", "attributes.tier")), ("good",))
    assert any(one.values == ("gold",) for one in declared.slices)
    for lens in (meter.default_lens(), traffic.baseline().lens, meter.fit_lens(records()[:300])):
        texts, archive = meter.measure(lens, same, declared), archived.measure(lens, archived.records, declared)
        assert archive.rows.tobytes() == texts.rows.tobytes()
        assert archive.names == texts.names
        assert archive.texts == ()


def test_a_lens_fitted_and_a_baseline_built_of_them_are_those_of_the_calls_without_texts(tmp_path):
    calls = tuple(traffic.records(traffic.calls(0, 400)))
    measures = Measures(Archive(str(tmp_path / "archive"), create=True), traffic.meter().embedder)
    measures.add(traffic.meter(), calls)
    archived = ArchivedMeter(traffic.meter().embedder, measures.calls())
    assert archived.fit_lens(archived.records).id == traffic.meter().fit_lens(calls).id
    made = build_baseline(archived, archived.records, calibrated=False)
    wanted = build_baseline(traffic.meter(), calls, calibrated=False)
    assert encode(made.pane) == encode(wanted.pane)


def test_panes_of_them_are_those_of_the_calls_but_for_texts(kept):
    archived, lens = ArchivedMeter(traffic.meter().embedder, kept.calls()), traffic.baseline().lens
    mute = type(traffic.meter())(traffic.meter().embedder, texts="none")
    found = [encode(one) for one in measured_panes(archived, lens, archived.records, Clock(), 64)]
    assert found == [encode(one) for one in measured_panes(mute, lens, list(records()), Clock(), 64)]


def test_nothing_that_was_said_is_kept_nor_who_said_it(kept, tmp_path):
    every = b"".join(one.read_bytes() for one in tmp_path.rglob("*") if one.is_file())
    tables = [pq.read_table(one) for one in tmp_path.rglob("*.parquet")]
    plain = repr([table.drop_columns([n for n in table.column_names if "vector" in n]).to_pylist() for table in tables])
    for one in ("hunter2", "ann", "'s'", *(record.input for record in records()[:50] if len(record.input) > 8)):
        assert one not in plain
        assert one.encode() not in every or len(one) < 6


def test_measuring_again_adds_nothing_twice(kept):
    later = [msgspec.structs.replace(records()[0], call_id="new")]
    assert kept.add(traffic.meter(), [*records(), *later]) == (1, len(records()))
    assert sum(len(one.records) for one in kept.calls()) == len(records()) + 1


def test_segments_and_ranges_choose(kept):
    shadow = [one for part in kept.calls(["support-bot/answer#shadow"]) for one in part.records]
    assert [segment_of(one) for one in shadow] == ["support-bot/answer#shadow"]
    start, end = traffic.START_MS + 60_000, traffic.START_MS + 120_000
    found = [one.event_time for part in kept.calls(start=start, end=end) for one in part.records]
    assert sorted(found) == [one.event_time for one in records() if start <= one.event_time < end]
    with pytest.raises(SettingsError, match="holds no measures of calls of nobody"):
        list(kept.calls(["nobody"]))


def test_measures_by_another_embedder_are_told(kept, tmp_path):
    class Other:
        identity, dim, exact = "other", 256, True

    with pytest.raises(LensMismatchError, match="another embedder, none by 'other'"):
        list(Measures(Archive(str(tmp_path / "archive")), Other()).calls())


def test_a_file_of_measures_that_is_cut_off_is_told_by_its_name(kept, tmp_path):
    (path,) = [Path(one) for one in tmp_path.rglob("*.parquet")]
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(BrokenOffError, match=path.name):
        list(kept.calls())
