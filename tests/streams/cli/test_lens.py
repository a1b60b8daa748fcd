"""``driftline lens``: fit, list, show."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from threadpoolctl import threadpool_limits

from drift import lens as lenses
from drift.errors import SourceError
from streams.cli.main import cli
from streams.simulate import simulate
from streams.store import Store


def call(address: str, *arguments: str) -> Result:
    with threadpool_limits(1):
        return CliRunner().invoke(cli, ["lens", *arguments], env={"DRIFTLINE_STORE": address})


def calls(path: Path, count: int) -> str:
    lines = [json.dumps(record) + "\n" for record, _ in zip(simulate(seed=7), range(count), strict=False)]
    path.write_text("".join(lines))
    return str(path)


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A folder with a store and a lens of 600 calls, and what was said meanwhile."""
    folder = tmp_path_factory.mktemp("lens")
    source = calls(folder / "calls.jsonl", 600)
    result = call(str(folder / "store"), "fit", source, "-o", str(folder / "own.safetensors"), "--json")
    assert result.exception is None, result.exception
    return folder, result


def test_fit_stores_the_lens_writes_it_and_tells_what_it_is(fitted: tuple[Path, Result]) -> None:
    folder, result = fitted
    told = json.loads(result.stdout)
    made = Store(str(folder / "store")).lens(told["lens"])
    assert lenses.encode(made) == (folder / "own.safetensors").read_bytes()
    assert told["topics"] == made.topics == 15
    assert told["radii"] == sorted(told["radii"], reverse=True)
    assert all(0 < radius < 1 for radius in told["radii"])
    assert f"driftline baseline build FILE --lens {told['lens']}" in result.stderr


def test_list_and_show_tell_of_it(fitted: tuple[Path, Result]) -> None:
    folder, result = fitted
    told = json.loads(result.stdout)
    address = str(folder / "store")
    (listed,) = [json.loads(line) for line in call(address, "list", "--json").stdout.splitlines()]
    assert listed == {name: told[name] for name in ("lens", "embedder", "topics")}
    assert told["lens"] in call(address, "list").stderr
    assert json.loads(call(address, "show", told["lens"][:6], "--json").stdout) == told
    assert "80 % within" in call(address, "show", str(folder / "own.safetensors")).stderr


def test_too_few_calls_make_no_lens(tmp_path: Path) -> None:
    result = call(str(tmp_path), "fit", calls(tmp_path / "few.jsonl", 50))
    assert isinstance(result.exception, SourceError)
    assert "a lens needs at least 200 calls with an input, got" in str(result.exception)


def test_an_unknown_lens_is_answered_with_those_there_are(fitted: tuple[Path, Result]) -> None:
    folder, result = fitted
    answer = call(str(folder / "store"), "show", "0000000000000000")
    assert isinstance(answer.exception, SourceError)
    assert json.loads(result.stdout)["lens"] in str(answer.exception)


@pytest.mark.parametrize("name", ["fit", "list", "show"])
def test_every_command_teaches_by_an_example(name: str) -> None:
    assert f"\n    driftline lens {name}" in call("unused", name, "--help").stdout
