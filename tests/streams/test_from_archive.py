"""Baselines of panes that lie in an archive: those of the calls, and a word where they cannot be."""

from functools import partial

import pytest

from drift import baseline as baselines
from drift.call import NOTHING
from drift.errors import BaselineRefusedError, LensMismatchError, SettingsError, SourceError
from drift.pane import encode
from streams import from_archive
from streams.archive import Archive
from streams.archive_rows import Row
from streams.building import build_baseline
from streams.compaction import compact
from streams.from_archive import build, lens_of, summed
from streams.observe import Sight
from streams.store import Store
from tests.streams import panes as ticks
from tests.streams import traffic

LATER = 1 << 41
SEGMENT = traffic.SEGMENT


@pytest.fixture(autouse=True)
def few_runs(monkeypatch):
    monkeypatch.setattr(baselines, "build", partial(baselines.build, runs=4))


@pytest.fixture
def archive(tmp_path):
    made = Archive(str(tmp_path / "archive"), create=True)
    made.add(Row.of(sent) for one in ticks.plain() for sent in one.panes)
    return made


def default():
    return traffic.meter().default_lens()


@pytest.mark.parametrize("at_once", [1, 7, 256])
def test_it_is_the_baseline_of_the_calls(archive, monkeypatch, at_once):
    monkeypatch.setattr(from_archive, "AT_ONCE", at_once)
    found = summed(archive, SEGMENT)
    made = build(found, default(), declared=NOTHING)
    calls = traffic.records(traffic.calls(0, 1000))
    file = build_baseline(traffic.meter(), calls, lens=default())
    assert encode(made.pane) == encode(file.pane)
    assert made.blocks.tolist() == file.blocks.tolist()
    assert (made.examples, made.labels, made.answers) == (file.examples, file.labels, file.answers)
    assert made.facts["panes"] == found.panes == sum(len(one.panes) for one in ticks.plain() if one.segment == SEGMENT)
    assert "resolution_s" not in made.facts


def test_merged_source_partitions_make_the_same_baseline(archive):
    before = build(summed(archive, SEGMENT), default(), declared=NOTHING)
    compact(archive, LATER)
    after = build(summed(archive, SEGMENT), default(), declared=NOTHING)
    assert encode(after.pane) == encode(before.pane)
    assert after.blocks.tolist() == before.blocks.tolist()


def test_a_range_is_that_of_its_ticks(archive):
    bounds = [one.tick for one in ticks.plain() if one.segment == SEGMENT]
    found = summed(archive, SEGMENT, bounds[3], bounds[9])
    assert (found.pane.tick, found.pane.end) == (bounds[3], bounds[8] + 10_000)
    with pytest.raises(SettingsError, match="turn them round"):
        summed(archive, SEGMENT, bounds[9], bounds[3])


def test_larger_ticks_are_recorded(archive):
    compact(archive, LATER, 3_600_000)
    found = summed(archive, SEGMENT)
    assert (found.exact, found.resolutions) == (False, {3600.0})
    with pytest.raises(BaselineRefusedError, match="are left as a fair sample, 1,000 are needed"):
        build(found, default(), declared=NOTHING)


def test_a_sample_of_a_thousand_calls_is_enough(tmp_path):
    records = traffic.records(traffic.calls(0, 2500))
    made = Archive(str(tmp_path / "sampled"), create=True)
    made.add(Row.of(sent) for one in ticks.closed(records, Sight(default()), sample=12) for sent in one.panes)
    found = summed(made, SEGMENT)
    assert found.pane.sample.tau is not None
    built = build(found, default(), declared=NOTHING)
    assert built.pane.n == 2500
    assert 1000 <= len(built.pane.sample.rows) < 2500


def test_panes_of_two_lenses_are_refused_by_both_names_until_one_is_chosen(archive):
    seen = traffic.baseline().pane.lens
    archive.add(Row.of(sent) for one in ticks.drifted() for sent in one.panes)
    with pytest.raises(LensMismatchError, match=f"lens {default().id} and, at .*, through lens {seen}: choose"):
        summed(archive, SEGMENT)
    assert summed(archive, SEGMENT, lens=seen).pane.n == 600
    with pytest.raises(LensMismatchError, match="only through"):
        summed(archive, SEGMENT, lens="0123456789abcdef")


def test_the_lens_is_found_in_the_store_in_a_baseline_or_is_the_default_one(tmp_path):
    store, known = Store(str(tmp_path / "store")), traffic.baseline()
    assert lens_of(store, default().id, SEGMENT, traffic.meter, ())[0].id == default().id
    with pytest.raises(SourceError, match=f"through lens {known.lens.id}, which neither the store holds"):
        lens_of(store, known.lens.id, SEGMENT, traffic.meter, ())
    store.put_lens(known.lens)
    lens, declared = lens_of(store, known.lens.id, SEGMENT, traffic.meter, ("good",))
    assert (lens.id, declared.scores) == (known.lens.id, ("good",))
    store.put_baseline(known)
    assert lens_of(store, known.lens.id, SEGMENT, traffic.meter, ("good",))[1] == known.declared
