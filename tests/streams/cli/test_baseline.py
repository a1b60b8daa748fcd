"""``driftline baseline``: build, list, show, check, tag."""

import json
import os
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from threadpoolctl import threadpool_limits

from drift import baseline as baselines
from drift.errors import BaselineRefusedError, DriftError, LensMismatchError, SettingsError, SourceError
from streams.cli.main import cli
from streams.simulate import simulate
from streams.store import Store

Run = Callable[..., Result]
SEGMENT = "support-bot/answer"


def records(count: int, **changed: Any) -> list[dict[str, Any]]:
    """The first simulated calls, with some fields set."""
    return [call | changed for call, _ in zip(simulate(seed=7), range(count), strict=False)]


def write(path: Path, calls: Sequence[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(call) + "\n" for call in calls))
    return str(path)


def call(address: str, *arguments: str, input: str | None = None) -> Result:
    """Run a command on a store; what people would read is in ``stderr``, what programs would in ``stdout``."""
    with threadpool_limits(1):
        return CliRunner().invoke(cli, ["baseline", *arguments], input=input, env={"DRIFTLINE_STORE": address})


def refusal(result: Result, kind: type[DriftError]) -> str:
    assert isinstance(result.exception, kind), result.exception
    return str(result.exception)


@pytest.fixture(scope="session")
def calls(tmp_path_factory: pytest.TempPathFactory) -> str:
    """600 calls, their lines in no order."""
    return write(tmp_path_factory.mktemp("calls") / "calls.jsonl", sorted(records(600), key=lambda one: one["call_id"]))


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> str:
    """220 calls: enough to build of, too few to calibrate, so quickly built."""
    return write(tmp_path_factory.mktemp("few") / "few.jsonl", records(220))


@pytest.fixture(scope="session")
def built(calls: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Result]:
    """A store that holds the baseline of all calls under the tag prod, and what was said meanwhile."""
    address = str(tmp_path_factory.mktemp("stores") / "store")
    result = call(address, "build", calls, "--tag", "prod", "--why", "launch", "--by", "ann", "--json")
    assert result.exception is None, result.exception
    return address, result


def test_build_stores_the_baseline_and_tells_its_card_and_the_next_command(built: tuple[str, Result]) -> None:
    address, result = built
    made = Store(address).baseline(f"{SEGMENT}@prod")
    told = json.loads(result.stdout)
    assert (told["baseline"], told["segment"], told["calls"]) == (made.id, SEGMENT, 600)
    assert sum(topic["share"] for topic in told["topics"]) == pytest.approx(1, abs=0.01)
    assert [topic["share"] for topic in told["topics"]] == sorted((t["share"] for t in told["topics"]), reverse=True)
    assert {one["name"] for one in told["detectors"]} == {*made.panel.names, "prompt_chain"}
    assert all(one["threshold"] > 0 and one["guaranteed"] > 0 for one in told["detectors"])
    for said in (made.id, SEGMENT, made.lens.id, "only 600 calls", "and 7 smaller", "driftline watch FILE --baseline"):
        assert said in result.stderr


def test_a_tag_is_moved_only_where_it_is_asked_for(few: str, tmp_path: Path) -> None:
    assert call(str(tmp_path), "build", few).exception is None
    assert [move.tag for move in Store(str(tmp_path)).tags()] == ["anchor"]


def test_the_anchor_is_the_first_baseline_and_stays_when_another_is_built(few: str, tmp_path: Path) -> None:
    other = write(tmp_path / "other.jsonl", records(500)[220:])
    first, second = (json.loads(call(str(tmp_path), "build", one, "--json").stdout)["baseline"] for one in (few, other))
    assert first != second
    assert [move.baseline for move in Store(str(tmp_path)).history(SEGMENT, "anchor")] == [first]
    assert call(str(tmp_path), "tag", second, f"{SEGMENT}@anchor", "--why", "new prompt").exception is None
    assert Store(str(tmp_path)).tags()[0].baseline == second


def test_building_again_gives_the_same_id_whatever_the_order_of_the_lines(few: str, tmp_path: Path) -> None:
    ids = set()
    source = tmp_path / "calls.jsonl"
    for lines in (Path(few).read_text().splitlines(True), Path(few).read_text().splitlines(True)[::-1]):
        source.write_text("".join(lines))
        ids.add(json.loads(call(str(tmp_path), "build", str(source), "--json").stdout)["baseline"])
    assert len(ids) == 1


def test_first_takes_whole_ticks_in_event_time(calls: str, tmp_path: Path) -> None:
    result = call(str(tmp_path), "build", calls, "--first", "250", "--tick", "3600", "--json")
    told = json.loads(result.stdout)
    times = sorted(json.loads(line)["event_time"] for line in Path(calls).read_text().splitlines())
    hour = times[249][:13]
    assert told["calls"] == sum(at[:13] <= hour for at in times) > 250
    assert told["facts"]["first"] == 250


def test_from_and_to_bound_the_calls(calls: str, tmp_path: Path) -> None:
    times = sorted(json.loads(line)["event_time"] for line in Path(calls).read_text().splitlines())
    result = call(str(tmp_path), "build", calls, "--from", times[50], "--to", times[300], "--json")
    assert json.loads(result.stdout)["calls"] == 250
    nothing = call(str(tmp_path), "build", calls, "--from", "2030-01-01")
    assert "give a wider range" in refusal(nothing, SourceError)
    assert "is no instant" in call(str(tmp_path), "build", calls, "--from", "soon").stderr


def test_of_several_segments_those_too_small_are_skipped_with_a_word(tmp_path: Path) -> None:
    mixed = records(220, prompt_name="large") + records(20, prompt_name="small", app="[red]bot[/]")
    source = write(tmp_path / "mixed.jsonl", mixed)
    result = call(str(tmp_path), "build", source, "--json")
    assert json.loads(result.stdout)["segment"] == "support-bot/large"
    assert "skipped: segment [red]bot[%2F]/small: a baseline needs at least 200 calls, got 20" in result.stderr
    assert "choose one by --segment" in refusal(call(str(tmp_path), "build", source, "-o", "x"), SettingsError)
    unknown = call(str(tmp_path), "build", source, "--segment", "huge")
    assert "support-bot/large" in refusal(unknown, SourceError)


def test_where_no_segment_can_have_a_baseline_that_is_an_error(tmp_path: Path) -> None:
    mixed = records(30, prompt_name="a") + records(30, prompt_name="b")
    several = call(str(tmp_path), "build", write(tmp_path / "mixed.jsonl", mixed))
    assert "no segment" in refusal(several, BaselineRefusedError)
    one = call(str(tmp_path), "build", write(tmp_path / "one.jsonl", mixed[:30]))
    assert "got 30" in refusal(one, BaselineRefusedError)
    asked = call(str(tmp_path), "build", write(tmp_path / "one.jsonl", mixed[:30]), "--first", "50")
    assert "--first 50 calls, but there are 30" in refusal(asked, BaselineRefusedError)


def test_repeating_calls_are_refused_unless_forced_and_that_is_recorded(tmp_path: Path) -> None:
    source = write(tmp_path / "same.jsonl", records(220, input="the same question again"))
    assert "--force" in refusal(call(str(tmp_path), "build", source), BaselineRefusedError)
    forced = call(str(tmp_path), "build", source, "--force", "--json")
    facts = json.loads(forced.stdout)["facts"]
    assert facts["forced"]
    assert "100 % of the calls repeat" in facts["overridden"][0]
    assert "forced although: 100 % of the calls repeat" in forced.stderr


@pytest.fixture(scope="session")
def drifting(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """500 calls, those after the first 250 with answers of another kind; and the time of the change."""
    made = records(500)
    for one in made[250:]:
        one["output"] = "Sorry, no. " + str(one.get("output", ""))[:30]
        one["output_tokens"] = 12
    return write(tmp_path_factory.mktemp("drifting") / "calls.jsonl", made), str(made[250]["event_time"])


def test_calls_that_drift_inside_are_refused_and_told_from_when_to_build(
    drifting: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.building.baselines.build", partial(baselines.build, runs=0))
    source, at = drifting
    told = refusal(call(str(tmp_path), "build", source), BaselineRefusedError)
    assert "it drifts inside" in told
    assert "answers to like questions moved" in told
    assert "or say --force" in told
    (start,) = re.findall(r"--from (\S+)\)", told)
    apart = datetime.fromisoformat(start) - datetime.fromisoformat(at)
    assert abs(apart.total_seconds()) < 3600
    assert call(str(tmp_path), "build", source, "--from", start).exception is None
    assert "it drifts inside" in call(str(tmp_path), "build", source, "--force").stderr


def test_check_tells_what_drifts_inside_by_how_much_and_when(drifting: tuple[str, str], tmp_path: Path) -> None:
    result = call(str(tmp_path), "check", drifting[0], "--json")
    found = json.loads(result.stdout)
    (inside,) = [one for one in found["findings"] if one["test"] == "drift inside"]
    assert result.exit_code == 2
    assert inside["severity"] == "refuse"
    aspects = {one["name"]: one for one in inside["figures"]["aspects"]}
    assert {"answers", "output_length"} <= {name for name, one in aspects.items() if one["drift"]}
    assert not aspects["topics"]["drift"]
    assert aspects["output_length"]["effect"] < -0.5
    assert "output length" in result.stderr
    assert "tolerated" in result.stderr
    after = call(str(tmp_path), "check", drifting[0], "--from", inside["figures"]["at"], "--json")
    assert after.exit_code == 0
    assert json.loads(after.stdout)["calls"] < 300


def test_a_range_is_of_a_source_not_of_a_stored_baseline(built: tuple[str, Result]) -> None:
    result = call(built[0], "check", f"{SEGMENT}@prod", "--from", "2026-01-05")
    assert "--from and --to" in refusal(result, SettingsError)


def test_a_baseline_written_to_a_file_is_a_name_of_it(few: str, tmp_path: Path) -> None:
    target = tmp_path / "few.safetensors"
    told = json.loads(call(str(tmp_path / "s"), "build", few, "-o", str(target), "--json").stdout)
    assert baselines.decode(target.read_bytes()).id == told["baseline"]
    shown = call(str(tmp_path / "nowhere"), "show", str(target), "--json")
    assert json.loads(shown.stdout)["baseline"] == told["baseline"]
    assert "cannot be written" in refusal(call(str(tmp_path), "build", few, "-o", str(tmp_path)), SourceError)


def test_calls_from_standard_input_are_built_of(few: str, tmp_path: Path) -> None:
    assert call(str(tmp_path), "build", "-", input=Path(few).read_text()).exception is None
    assert len(Store(str(tmp_path)).baselines()) == 1


def test_a_stored_lens_serves_several_baselines(built: tuple[str, Result], few: str, tmp_path: Path) -> None:
    address, _ = built
    lens = Store(address).baseline(f"{SEGMENT}@prod").lens
    other = Store(str(tmp_path))
    other.put_lens(lens)
    result = call(str(tmp_path), "build", few, "--lens", lens.id[:8], "--json")
    assert json.loads(result.stdout)["lens"] == lens.id


def test_the_lens_of_a_stored_baseline_serves_others_too(built: tuple[str, Result], few: str, tmp_path: Path) -> None:
    """As a replay of panes through that lens tells whoever has a baseline of another."""
    store = Store(str(tmp_path))
    lens = store.baseline(store.put_baseline(Store(built[0]).baseline(f"{SEGMENT}@prod"))).lens
    assert not store.lenses()
    result = call(str(tmp_path), "build", few, "--lens", lens.id[:8], "--json")
    assert json.loads(result.stdout)["lens"] == lens.id


def test_the_default_lens_is_the_same_for_every_source(few: str, tmp_path: Path) -> None:
    other = write(tmp_path / "other.jsonl", records(440)[220:])
    lenses = {
        json.loads(call(str(tmp_path), "build", one, "--lens", "default", "--json").stdout)["lens"]
        for one in (few, other)
    }
    assert len(lenses) == 1


def test_a_lens_of_another_embedder_is_refused(built: tuple[str, Result], few: str, tmp_path: Path) -> None:
    lens = Store(built[0]).baseline(f"{SEGMENT}@prod").lens
    object.__setattr__(lens, "embedder", "another")
    lens.__dict__.pop("id", None)
    Store(str(tmp_path)).put_lens(lens)
    assert "--embedder" in refusal(call(str(tmp_path), "build", few, "--lens", lens.id), LensMismatchError)


def test_list_tells_every_baseline_and_its_tags(built: tuple[str, Result]) -> None:
    address, made = built
    result = call(address, "list", "--json")
    (told,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert told["tags"] == [f"{SEGMENT}@anchor", f"{SEGMENT}@prod"]
    assert (told["baseline"], told["calls"]) == (json.loads(made.stdout)["baseline"], 600)
    human = call(address, "list")
    assert human.stdout == ""
    assert told["baseline"] in human.stderr


def test_show_prints_the_card_again_for_another_budget(built: tuple[str, Result]) -> None:
    address, made = built
    result = call(address, "show", f"{SEGMENT}@prod", "--one-false-alarm-every", "20000 calls", "--json")
    lower, usual = json.loads(result.stdout), json.loads(made.stdout)
    assert lower["one_false_alarm_every"] == "20,000 calls"
    assert lower["detectors"][0]["guaranteed"] < usual["detectors"][0]["guaranteed"]


def test_check_of_a_stored_baseline_warns_and_fails_only_where_it_is_strict(built: tuple[str, Result]) -> None:
    address, _ = built
    result = call(address, "check", f"{SEGMENT}@prod", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (found["calls"], found["refused"]) == (600, None)
    assert 0 < found["largest_user"] < 0.2
    assert "warn    calls             only 600 calls" in result.stderr
    assert "can serve as a baseline, with " in result.stderr
    assert call(address, "check", f"{SEGMENT}@prod", "--strict").exit_code == 1


def test_check_of_calls_finds_what_a_baseline_of_them_would_find(built: tuple[str, Result], calls: str) -> None:
    address, _ = built
    stored, fresh = (json.loads(call(address, "check", one, "--json").stdout) for one in (f"{SEGMENT}@prod", calls))
    assert fresh == stored


def test_check_of_calls_that_cannot_serve_exits_2(tmp_path: Path) -> None:
    source = write(tmp_path / "same.jsonl", records(220, input="the same question again"))
    result = call(str(tmp_path), "check", source, "--json")
    assert result.exit_code == 2
    assert "repeat an earlier input" in json.loads(result.stdout)["refused"]
    assert "refuse  repeated inputs   100 % of the calls repeat an earlier input" in result.stderr
    assert "cannot serve as a baseline" in result.stderr


def test_check_of_a_forced_baseline_warns_and_refuses_no_more(tmp_path: Path) -> None:
    source = write(tmp_path / "same.jsonl", records(220, input="the same question again"))
    name = json.loads(call(str(tmp_path), "build", source, "--force", "--json").stdout)["baseline"]
    result = call(str(tmp_path), "check", name, "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["refused"] is None
    assert found["forced"]
    assert any("100 % of the calls repeat an earlier input" in warning for warning in found["warnings"])
    assert "(it was forced)" in result.stderr
    assert call(str(tmp_path), "check", name, "--strict").exit_code == 1


def test_check_of_several_segments_exits_2_only_where_none_can_serve(tmp_path: Path) -> None:
    small = records(1, prompt_name="small")
    mixed = write(tmp_path / "mixed.jsonl", records(220, prompt_name="large") + small)
    result = call(str(tmp_path), "check", mixed, "--json")
    refused = {found["segment"]: found["refused"] for found in map(json.loads, result.stdout.splitlines())}
    assert result.exit_code == 0
    assert refused["support-bot/large"] is None
    assert "at least 200 calls, got 1" in refused["support-bot/small"]
    assert "refuse  calls             a baseline needs at least 200 calls, got 1" in result.stderr
    assert call(str(tmp_path), "check", mixed, "--strict").exit_code == 1
    assert call(str(tmp_path), "check", write(tmp_path / "small.jsonl", small)).exit_code == 2


def test_a_tag_moves_only_to_its_own_segment_unless_forced(built: tuple[str, Result]) -> None:
    address, made = built
    name = json.loads(made.stdout)["baseline"]
    assert "or say --force" in refusal(call(address, "tag", name, "other@prod"), SettingsError)
    assert call(address, "tag", name[:6], "other@prod", "--force", "--why", "shared").exception is None
    moves = [json.loads(line) for line in call(address, "tags", "other@prod", "--json").stdout.splitlines()]
    assert [(move["baseline"], move["why"]) for move in moves] == [(name, "shared")]


def test_tags_tells_what_stands_and_what_was(built: tuple[str, Result]) -> None:
    address, made = built
    name = json.loads(made.stdout)["baseline"]
    for why in ("one", "two"):
        call(address, "tag", name, f"{SEGMENT}@canary", "--why", why, "--by", "bob")
    stands = [json.loads(line) for line in call(address, "tags", "--json").stdout.splitlines()]
    assert {"two"} == {move["why"] for move in stands if move["tag"] == "canary"}
    history = call(address, "tags", f"{SEGMENT}@canary").stderr.splitlines()
    assert [line.rpartition(" by ")[2] for line in history] == ["bob: one", "bob: two"]
    assert f"{SEGMENT}@prod" in refusal(call(address, "tags", f"{SEGMENT}@none"), SourceError)


def test_every_command_teaches_by_an_example() -> None:
    for name in ("build", "list", "show", "check", "tag", "tags"):
        result = call("unused", name, "--help")
        assert f"\n    driftline baseline {name}" in result.stdout, name
    assert os.linesep.join(["", "  Build a baseline of each segment"]) in call("unused", "build", "--help").stdout
