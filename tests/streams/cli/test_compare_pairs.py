"""`driftline compare` where live and shadow calls share a pair_id."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from drift.errors import EmptySampleError, SourceError
from streams.cli.main import cli
from streams.simulate import simulate

Call = dict[str, Any]


def live(count: int) -> list[Call]:
    return [{**call, "pair_id": f"p{i}"} for i, call in enumerate(itertools.islice(simulate(5), count))]


def shadow(calls: list[Call], opening: str = "") -> list[Call]:
    """What another model says, which opens every other answer with these words."""
    return [
        {
            **call,
            "call_id": f"s{call['call_id']}",
            "variant": "shadow",
            "output": (opening if i % 2 else "") + call.get("output", ""),
            "latency_ms": call.get("latency_ms", 900) * (1.2 if opening else 1.0),
        }
        for i, call in enumerate(calls)
    ]


def write(path: Path, calls: list[Call]) -> str:
    path.write_text("".join(json.dumps(call) + "\n" for call in calls))
    return str(path)


def run(*arguments: str) -> tuple[Result, list[Call]]:
    done = CliRunner().invoke(cli, ["compare", *arguments])
    return done, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def one_log(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Live calls, of which a part had a shadow."""
    calls = live(160)
    return write(tmp_path_factory.mktemp("one") / "calls.jsonl", calls + shadow(calls[:120], "Of course! "))


def test_one_log_tells_its_shadow_from_its_live_calls_how_and_after_how_many_pairs(one_log: str) -> None:
    done, lines = run(one_log, "--json", "--fail-on", "drift")
    found = {line["aspect"]: line for line in lines if "aspect" in line}
    assert done.exit_code == 1
    assert found["answers given inputs"]["answer"] == "drift"
    assert found["answers given inputs"]["extra"]["known_after_pairs"] < 60
    assert found["latency_ms"]["effect"] == pytest.approx(0.2, abs=0.02)
    assert found["cost_usd"]["extra"]["mean_difference"] == 0
    assert "120 pairs support-bot/answer: shadow against live" in done.stderr
    assert "answers begin with “Of course!”: live 0 %, shadow" in done.stderr
    assert "without a partner, left out: 40 live, 0 shadow" in done.stderr
    assert "pairs farthest apart" in done.stderr


def test_programs_get_the_counts_the_phrases_and_the_farthest_pairs(one_log: str) -> None:
    _, lines = run(one_log, "--json")
    (summary,) = [line for line in lines if "aspect" not in line]
    assert summary["pairs"] == 120
    assert summary["left_out"]["without_partner"] == [40, 0]
    assert summary["phrases"][0]["text"].startswith("Of course")
    assert len(summary["farthest"]) == 5
    assert all(one["shadow"].startswith("Of course! ") for one in summary["farthest"])
    assert all(line["segment"] == "support-bot/answer" and line["paired"] for line in lines)


def test_no_text_is_shown_where_none_is_wanted(one_log: str) -> None:
    done, lines = run(one_log, "--json", "--texts", "none")
    assert "Of course" not in done.output
    assert "pairs farthest apart" not in done.stderr
    assert lines[-1]["farthest"][0]["pair_id"].startswith("p")


def test_a_live_and_a_shadow_file_are_paired_by_themselves(tmp_path: Path) -> None:
    calls = live(60)
    files = write(tmp_path / "live.jsonl", calls), write(tmp_path / "shadow.jsonl", shadow(calls))
    done, lines = run(*files, "--json", "--fail-on", "drift")
    assert done.exit_code == 0
    assert "60 pairs support-bot/answer: shadow against live" in done.stderr
    assert {line["answer"] for line in lines if "aspect" in line} == {"no_drift"}
    done, _ = run(*files, "--no-pairs")
    assert "60 calls against 60" in done.stderr


def test_two_files_with_too_few_pairs_are_compared_as_sets_unless_pairs_were_asked_for(tmp_path: Path) -> None:
    calls = live(60)
    other = [{**call, "pair_id": f"{'p' if i < 10 else 'q'}{i}"} for i, call in enumerate(calls)]
    files = write(tmp_path / "a.jsonl", calls), write(tmp_path / "b.jsonl", other)
    done, _ = run(*files)
    assert "10 pairs, at least 30 are needed: compared as two sets" in done.stderr
    assert "60 calls against 60" in done.stderr
    done, lines = run(*files, "--pairs", "--json")
    assert isinstance(done.exception, EmptySampleError)
    assert "10 pairs, at least 30 are needed: left out" in done.stderr
    assert lines == [{"segment": "support-bot/answer", "paired": True, "answer": "not_enough_data", "pairs": 10}]


def test_without_pair_ids_the_error_names_the_field_and_the_way_out(tmp_path: Path) -> None:
    calls = live(40)
    nameless = [{k: v for k, v in call.items() if k != "pair_id"} for call in calls + shadow(calls)]
    path = write(tmp_path / "calls.jsonl", nameless)
    done, _ = run(path)
    assert isinstance(done.exception, EmptySampleError)
    assert "--map pair_id=PATH" in str(done.exception) and "--no-pairs" in str(done.exception)
    done, _ = run(path, "--no-pairs")
    assert done.exit_code == 0
    assert "40 calls against 40" in done.stderr


def test_one_log_without_shadow_calls_is_refused_with_the_field_that_tells_them(tmp_path: Path) -> None:
    done, _ = run(write(tmp_path / "calls.jsonl", live(40)))
    assert isinstance(done.exception, SourceError)
    assert "40 live and 0 shadow calls" in str(done.exception) and "variant" in str(done.exception)


def test_what_could_not_be_a_pair_is_told(tmp_path: Path) -> None:
    calls = live(60)
    other = shadow(calls)
    other[3]["input"] = "something else"
    other.append({**other[5], "call_id": "again"})
    done, lines = run(write(tmp_path / "calls.jsonl", calls + other), "--json")
    left_out = lines[-1]["left_out"]
    assert (left_out["inputs_differ"], left_out["pair_id_twice"]) == (1, 1)
    assert "pairs whose two inputs differ, left out: 1" in done.stderr
    assert "pair_id came before on their side: 1" in done.stderr
