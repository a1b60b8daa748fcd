"""The store: content, names, tags, and what a file system or a rival may do to them."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st

from drift import baseline as baselines
from drift import lens as lenses
from drift.baseline import Baseline
from drift.call import ROW
from drift.errors import CorruptError, SettingsError, SourceError
from drift.lens import Lens
from drift.pane import Pane
from streams.store import AHEAD_MS, Store, split_tag
from tests.drift import builders

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def some_lens(seed: int) -> Lens:
    rng = np.random.default_rng(seed)
    inputs, outputs, formats = (rng.integers(-9000, 9000, (400, 16)).astype(np.int16) for _ in range(3))
    return lenses.fit("embedder", "view", inputs, outputs, formats)


def some_baseline(seed: int, segment: str = "bot") -> Baseline:
    """250 calls of noise: too few to calibrate, so quickly built."""
    rng = np.random.default_rng(seed)
    lens = some_lens(seed)
    rows = np.zeros(250, ROW)
    for name in ("key", "call", "content", "asked"):
        rows[name] = rng.integers(1, 1 << 60, len(rows))
    rows["features"] = rng.integers(-9000, 9000, (len(rows), 3, 64))
    rows["topic"] = rng.integers(0, lens.topics, len(rows))
    rows["answered"] = 1
    rows["at"] = np.arange(len(rows))
    texts = [(f"question {i}", f"answer {i}") for i in range(len(rows))]
    return baselines.build(lens, [Pane.of(lens.id, segment, (0, 10_000), rows, texts, {}, size=5000)], [250])


@pytest.fixture(scope="module")
def first() -> Baseline:
    return some_baseline(1)


@pytest.fixture(scope="module")
def second() -> Baseline:
    return some_baseline(2)


def local(tmp_path: Path) -> str:
    return str(tmp_path / "store")


def memory(tmp_path: Path) -> str:
    return f"memory://{uuid4().hex}"


@pytest.fixture(params=[local, memory])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    place: Callable[[Path], str] = request.param
    return place(tmp_path)


@pytest.fixture
def store(address: str) -> Store:
    return Store(address, now=lambda: NOON)


def test_what_is_put_comes_back_by_id_and_by_its_beginning(store: Store, first: Baseline) -> None:
    assert store.put_baseline(first) == first.id
    assert store.put_lens(first.lens) == first.lens.id
    for name in (first.id, first.id[:6]):
        assert baselines.encode(store.baseline(name)) == baselines.encode(first)
    assert store.lens(first.lens.id[:6]).id == first.lens.id


def test_putting_twice_leaves_one_object(store: Store, first: Baseline) -> None:
    store.put_baseline(first)
    store.put_baseline(first)
    assert [entry.id for entry in store.baselines()] == [first.id]


def test_lists_say_what_there_is(store: Store, first: Baseline) -> None:
    store.put_baseline(first)
    store.put_lens(first.lens)
    (entry,) = store.baselines()
    assert (entry.segment, entry.calls, entry.start, entry.end) == ("bot", 250, 0, 10_000)
    assert (entry.lens, entry.facts) == (first.lens.id, first.facts)
    (lens,) = store.lenses()
    assert (lens.id, lens.embedder, lens.topics) == (first.lens.id, "embedder", first.lens.topics)


def test_a_file_is_a_name_before_anything_else(tmp_path: Path, first: Baseline) -> None:
    path = tmp_path / "some.safetensors"
    path.write_bytes(baselines.encode(first))
    assert Store(str(tmp_path / "nowhere")).baseline(str(path)).id == first.id
    path.write_bytes(lenses.encode(first.lens))
    assert Store(str(tmp_path / "nowhere")).lens(str(path)).id == first.lens.id


def test_a_home_folder_is_found(tmp_path: Path, first: Baseline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    Store("~/kept").put_lens(first.lens)
    assert (tmp_path / "kept" / "lenses" / f"{first.lens.id}.safetensors").is_file()


def test_a_beginning_of_two_ids_is_refused_with_both(tmp_path: Path) -> None:
    folder = tmp_path / "baselines"
    folder.mkdir()
    for name in ("abcdef0000000001", "abcdef0000000002"):
        (folder / f"{name}.safetensors").touch()
    with pytest.raises(SourceError, match=r"2 baselines begin with abcdef: abcdef0000000001, abcdef0000000002"):
        Store(str(tmp_path)).baseline("abcdef")


def test_an_unknown_name_is_answered_with_the_nearest(store: Store, first: Baseline) -> None:
    store.put_baseline(first)
    store.tag("bot", "prod", first.id)
    with pytest.raises(SourceError, match=r"no baseline 'bot@prd'.*there is bot@prod"):
        store.baseline("bot@prd")
    with pytest.raises(SourceError, match="there is no lens yet"):
        store.lens("abcdef12")


def test_a_store_that_is_not_there_is_said_so_with_the_remedy(address: str) -> None:
    with pytest.raises(SourceError, match=r"there is nothing at .*--store"):
        Store(address).baselines()
    with pytest.raises(SourceError, match=r"'calls.jsonl' is no file, and there is nothing at .*--store"):
        Store(address).baseline("calls.jsonl")


def test_an_address_without_a_file_system_is_an_error_of_the_source() -> None:
    with pytest.raises(SourceError, match="nosuch://x cannot be reached"):
        Store("nosuch://x")


@pytest.mark.parametrize("place", [0, 7, 200, -1])
def test_a_changed_byte_is_noticed_and_the_file_named(tmp_path: Path, first: Baseline, place: int) -> None:
    store = Store(str(tmp_path))
    store.put_baseline(first)
    path = tmp_path / "baselines" / f"{first.id}.safetensors"
    data = bytearray(path.read_bytes())
    data[place] ^= 0x01
    path.write_bytes(data)
    with pytest.raises(CorruptError, match=f"{first.id}.safetensors is damaged .*build it again"):
        store.baseline(first.id)
    store.put_baseline(first)
    assert store.baseline(first.id).id == first.id


def test_a_lens_under_another_name_is_noticed(tmp_path: Path, first: Baseline, second: Baseline) -> None:
    store = Store(str(tmp_path))
    store.put_lens(first.lens)
    path = tmp_path / "lenses" / f"{first.lens.id}.safetensors"
    path.rename(path.with_stem(second.lens.id))
    with pytest.raises(CorruptError, match=f"its content has the id {first.lens.id}"):
        store.lens(second.lens.id)


def test_a_list_names_the_file_that_is_cut_off(tmp_path: Path, first: Baseline) -> None:
    store = Store(str(tmp_path))
    store.put_baseline(first)
    path = tmp_path / "baselines" / f"{first.id}.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CorruptError, match=first.id):
        store.baselines()


def test_a_tag_keeps_every_move(store: Store, first: Baseline, second: Baseline) -> None:
    store.put_baseline(first)
    store.put_baseline(second)
    store.tag("bot", "prod", first.id, by="ann", why="launch")
    store.tag("bot", "prod", second.id, by="bob")
    old, new = store.history("bot", "prod")
    assert (old.sequence, old.baseline, old.by, old.why, old.previous) == (1, first.id, "ann", "launch", "")
    assert (new.sequence, new.baseline, new.by, new.previous) == (2, second.id, "bob", first.id)
    assert new.moved_at == "2026-03-01T12:00:00.000Z"
    assert store.baseline("bot@prod").id == second.id
    assert store.tags() == [new]
    assert store.history("bot", "other") == []


def test_a_tag_holds_from_the_beginning_and_moves_ahead_of_any_call_unless_a_time_is_given(
    store: Store, first: Baseline, second: Baseline
) -> None:
    store.put_baseline(first)
    store.put_baseline(second)
    moves = [store.tag("bot", "prod", one.id) for one in (first, second)]
    moves.append(store.tag("bot", "prod", first.id, effective=1_234))
    assert [move.effective for move in moves] == [0, round(NOON.timestamp() * 1000) + AHEAD_MS, 1_234]
    assert [move.holds_from for move in store.history("bot", "prod")] == [move.effective for move in moves]


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)))
def test_a_tag_moves_at_a_whole_minute_that_no_accepted_call_has_reached(first: Baseline, at: datetime) -> None:
    at = at.replace(tzinfo=UTC)
    with TemporaryDirectory() as folder:
        store = Store(folder, now=lambda: at)
        store.put_baseline(first)
        store.tag("bot", "prod", first.id)
        effective = store.tag("bot", "prod", first.id).holds_from
    newest = at.timestamp() * 1000 + AHEAD_MS
    assert newest - 1 <= effective <= newest + 60_000 and effective % 60_000 == 0


def test_a_move_of_a_time_when_none_was_recorded_holds_at_once_and_the_first_from_the_beginning(
    tmp_path: Path, first: Baseline, second: Baseline
) -> None:
    store = Store(str(tmp_path), now=lambda: NOON)
    for one in (first, second):
        store.put_baseline(one)
        store.tag("bot", "prod", one.id)
    for path in (tmp_path / "tags" / "bot" / "prod").iterdir():
        move = json.loads(path.read_text())
        del move["effective"]
        path.write_text(json.dumps(move))
    assert [move.holds_from for move in store.history("bot", "prod")] == [0, round(NOON.timestamp() * 1000)]


def test_what_is_listed_of_a_baseline_can_be_asked_for_one(store: Store, first: Baseline, second: Baseline) -> None:
    store.put_baseline(first)
    store.put_baseline(second)
    assert store.entry(first.id) in store.baselines() and store.entry(first.id).lens == first.lens.id
    with pytest.raises(SourceError, match="no baseline 'feedfeedfeedfeed'"):
        store.entry("feedfeedfeedfeed")


def test_a_tag_of_a_baseline_that_is_not_stored_is_refused(store: Store, first: Baseline, second: Baseline) -> None:
    store.put_baseline(first)
    with pytest.raises(SourceError, match=f"no baseline '{second.id}'"):
        store.tag("bot", "prod", second.id)


@pytest.mark.parametrize("tag", ["", "a@b", "x" * 101])
def test_a_tag_that_could_not_be_read_back_is_refused(store: Store, first: Baseline, tag: str) -> None:
    with pytest.raises(SettingsError, match="a tag must be 1 to 100 characters"):
        store.tag("bot", tag, first.id)


@pytest.mark.parametrize(
    "segment",
    ["../../etc", "..", ".", "/root", "a/b", "C:\\x", "日本語/✓", "a@b", "x" * 700, "é" * 300, "a\x00b", "%2E"],
)
def test_a_segment_of_any_name_stays_inside_the_store(tmp_path: Path, first: Baseline, segment: str) -> None:
    inside = tmp_path / "a" / "b" / "store"
    store = Store(str(inside), now=lambda: NOON)
    store.put_baseline(first)
    store.tag(segment, "..", first.id)
    assert store.tags()[0].segment == segment
    assert store.history(segment, "..") == store.tags()
    assert store.baseline(f"{segment}@..").id == first.id
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(path.parent.parent.parent == inside / "tags" or path.parent == inside / "baselines" for path in files)


def test_long_names_that_begin_alike_are_kept_apart(store: Store, first: Baseline, second: Baseline) -> None:
    for one, end in ((first, "a"), (second, "b")):
        store.put_baseline(one)
        store.tag("x" * 500 + end, "prod", one.id)
    assert store.baseline("x" * 500 + "a@prod").id == first.id
    assert store.baseline("x" * 500 + "b@prod").id == second.id


@given(st.text(min_size=1), st.text(min_size=1).filter(lambda tag: "@" not in tag))
def test_a_tag_splits_into_what_it_was_made_of(segment: str, tag: str) -> None:
    assert split_tag(f"{segment}@{tag}") == (segment, tag)


@pytest.mark.parametrize("name", ["", "@", "bot", "bot@", "@prod"])
def test_what_is_no_tag_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="SEGMENT@TAG"):
        split_tag(name)


class Plain(MemoryFileSystem):  # type: ignore[misc]
    """A file system that cannot create exclusively, on which a rival may write meanwhile, or a move fail."""

    protocol = "plain"
    store: dict[str, Any] = {}  # noqa: RUF012  # as its parent has it
    pseudo_dirs = [""]  # noqa: RUF012
    rival = b""
    stuck = False

    def mv(self, path1: str, path2: str, **options: Any) -> None:
        if Plain.stuck:
            raise RuntimeError("connection lost")
        super().mv(path1, path2, **options)

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if "x" in mode:
            raise ValueError(f"unsupported mode {mode}")
        return super()._open(path, mode, **options)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: Any) -> None:
        super().pipe_file(path, Plain.rival or value)


@pytest.fixture
def plain() -> Iterator[str]:
    fsspec.register_implementation("plain", Plain, clobber=True)
    yield f"plain://{uuid4().hex}"
    Plain.rival, Plain.stuck = b"", False


def test_a_race_is_noticed_where_nothing_is_exclusive(plain: str, first: Baseline) -> None:
    store = Store(plain)
    store.put_baseline(first)
    store.tag("bot", "prod", first.id)
    Plain.rival = b"{}"
    with pytest.raises(SourceError, match="moved by somebody else"):
        store.tag("bot", "prod", first.id)


def test_a_writing_that_breaks_off_leaves_nothing_behind(plain: str, first: Baseline) -> None:
    store = Store(plain)
    store.put_lens(first.lens)
    Plain.stuck = True
    with pytest.raises(SourceError, match=f"{first.id}.safetensors cannot be reached: connection lost"):
        store.put_baseline(first)
    assert store.baselines() == []
    assert not [path for path in Plain.store if path.endswith(".part")]


def test_of_writers_at_the_same_moment_one_moves_the_tag_and_the_others_hear_of_it(
    tmp_path: Path, first: Baseline
) -> None:
    """All have read the history when the clock, the last thing asked before writing, lets them go on together."""
    writers = 4
    together = threading.Barrier(writers)

    def clock() -> datetime:
        together.wait(10)
        return NOON

    store = Store(str(tmp_path), now=clock)
    store.put_baseline(first)
    answers: list[object] = []

    def move(name: str) -> None:
        try:
            answers.append(store.tag("bot", "prod", first.id, by=name))
        except SourceError as error:
            answers.append(str(error))

    threads = [threading.Thread(target=move, args=(f"writer {i}",)) for i in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (kept,) = store.history("bot", "prod")
    assert [answer for answer in answers if not isinstance(answer, str)] == [kept]
    assert sum("moved by somebody else" in str(answer) for answer in answers) == writers - 1


def test_a_writer_stopped_half_way_has_moved_nothing(tmp_path: Path, first: Baseline) -> None:
    store = Store(str(tmp_path))
    store.put_baseline(first)
    store.tag("bot", "prod", first.id)
    (tmp_path / "tags" / "bot" / "prod" / "00000002.json").touch()
    assert [move.sequence for move in store.history("bot", "prod")] == [1]
    assert store.tag("bot", "prod", first.id).sequence == 3


def test_a_damaged_move_names_its_file(tmp_path: Path, first: Baseline) -> None:
    store = Store(str(tmp_path))
    store.put_baseline(first)
    store.tag("bot", "prod", first.id)
    path = tmp_path / "tags" / "bot" / "prod" / "00000001.json"
    assert json.loads(path.read_text())["baseline"] == first.id
    path.write_text("{")
    with pytest.raises(CorruptError, match=r"00000001\.json is not a move of a tag"):
        store.tags()


def test_equal_calls_are_calibrated_once_and_give_the_same_baseline(tmp_path: Path) -> None:
    ticks = builders.ticks(builders.calls(600, 95), size=600)
    known, told = Store(str(tmp_path / "store")).calibrations, list[float]()
    made = [
        baselines.build(builders.lens(), ticks, [10] * len(ticks), runs=3, kept=kept, progress=told.append)
        for kept in (None, known)
    ]
    count = len(told)
    made.append(baselines.build(builders.lens(), ticks, [10] * len(ticks), runs=3, kept=known, progress=told.append))
    assert len(told) == count > 0
    assert len({one.id for one in made}) == 1
    baselines.build(builders.lens(), ticks, [10] * len(ticks), runs=4, kept=known, progress=told.append)
    assert len(told) > count
