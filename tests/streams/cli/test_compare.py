"""`driftline compare` on simulated calls."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from drift.errors import SourceError
from streams.cli.main import cli
from streams.simulate import simulate


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
