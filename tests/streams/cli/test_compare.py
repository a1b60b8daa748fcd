"""`driftline compare` on simulated calls."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from drift.errors import EmptySampleError, SourceError
from streams.cli.main import cli
from streams.simulate import simulate


def lines(path: Path, *segments: tuple[int, str]) -> str:
    """So many of the first simulated calls for each app."""
    calls = [{**call, "app": app} for count, app in segments for call in itertools.islice(simulate(5), count)]
    path.write_text("".join(json.dumps(call) + "\n" for call in calls))
    return str(path)


def write(path: Path, days: tuple[float, float], app: str | None = None) -> str:
    calls = itertools.islice(simulate(5, days=days[1], calls_a_day=100), int(days[0] * 100), None)
    path.write_text("".join(json.dumps({**call, "app": app or call["app"]}) + "\n" for call in calls))
    return str(path)


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("weeks")
    return {
        "quiet": write(folder / "quiet.jsonl", (0.0, 4.0)),
        "also quiet": write(folder / "also.jsonl", (4.0, 7.9)),
        "swapped": write(folder / "swapped.jsonl", (12.6, 14.4)),
        "elsewhere": write(folder / "elsewhere.jsonl", (0.0, 1.0), "another-bot"),
    }


def test_a_swapped_model_is_named_and_fails_where_asked(weeks: dict[str, str]) -> None:
    done = CliRunner().invoke(cli, ["compare", weeks["quiet"], weeks["swapped"], "--json", "--fail-on", "drift"])
    found = {line["aspect"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert done.exit_code == 1
    assert found["answers given inputs"]["answer"] == "drift"
    assert found["output_tokens"]["answer"] == "drift"
    assert found["topics"]["answer"] == "no_drift"


def test_two_quiet_weeks_do_not_differ(weeks: dict[str, str]) -> None:
    done = CliRunner().invoke(cli, ["compare", weeks["quiet"], weeks["also quiet"], "--fail-on", "drift"])
    assert done.exit_code == 0
    assert done.stdout == ""
    assert "answers given inputs" in done.stderr


def test_files_without_a_common_segment_are_refused_with_both_names(weeks: dict[str, str]) -> None:
    done = CliRunner().invoke(cli, ["compare", weeks["quiet"], weeks["elsewhere"]])
    assert isinstance(done.exception, SourceError)
    assert "support-bot" in str(done.exception) and "another-bot" in str(done.exception)


def test_a_segment_with_too_few_calls_is_named_and_the_others_are_compared(tmp_path: Path) -> None:
    a = lines(tmp_path / "a.jsonl", (60, "large"), (60, "[red]small"))
    b = lines(tmp_path / "b.jsonl", (60, "large"), (3, "[red]small"))
    done = CliRunner().invoke(cli, ["compare", a, b, "--json"])
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    assert "segment [red]small/answer: not enough data: 60 calls against 3, at least 30 in each" in done.stderr
    assert "60 calls against 60 large/answer" in done.stderr
    assert {
        "segment": "[red]small/answer",
        "answer": "not_enough_data",
        "samples_baseline": 60,
        "samples_current": 3,
    } in found
    assert any(line.get("aspect") == "topics" for line in found)


def test_where_no_segment_has_enough_calls_that_is_an_error(tmp_path: Path) -> None:
    path = lines(tmp_path / "few.jsonl", (3, "small"))
    done = CliRunner().invoke(cli, ["compare", path, path])
    assert isinstance(done.exception, EmptySampleError)
    assert "small/answer: not enough data: 3 calls against 3" in done.stderr


def test_flags_that_never_rose_are_in_the_json_alone_and_equal_sides_show_no_sign(tmp_path: Path) -> None:
    path = lines(tmp_path / "same.jsonl", (60, "bot"))
    done = CliRunner().invoke(cli, ["compare", path, path, "--json"])
    found = {line["aspect"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert found["error"]["effect"] == 0
    assert "error" not in done.stderr
    assert not re.search(r"[+-]0(\.0)?\b", done.stderr)
    assert re.search(r"latency \(ms\) +no drift +0 % ", done.stderr)


def test_costs_are_in_usd_and_tiny_p_values_are_bounded(tmp_path: Path, weeks: dict[str, str]) -> None:
    dearer = tmp_path / "dearer.jsonl"
    calls = [json.loads(line) for line in Path(weeks["quiet"]).read_text().splitlines()]
    dearer.write_text("".join(json.dumps({**call, "cost_usd": 0.5}) + "\n" for call in calls))
    done = CliRunner().invoke(cli, ["compare", weeks["quiet"], str(dearer), "--json"])
    found = {line["aspect"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert found["cost_usd"]["extra"]["median_current"] == pytest.approx(0.5, rel=0.02)
    (row,) = [line for line in done.stderr.splitlines() if "cost (USD)" in line]
    assert " < 1e-6 " in row
