"""The command as a whole: help, exit statuses, and the page made of both."""

import gzip
import runpy
from pathlib import Path

import click
import pytest

from drift.errors import BrokenOffError, SettingsError
from streams.cli import main as program
from tests.streams import traffic

COMMANDS = program.cli.list_commands(click.Context(program.cli))


@pytest.fixture
def failing(monkeypatch):
    """Lets the command end with this error."""

    def failing(error):
        def raises(**given):
            raise error

        monkeypatch.setattr(program.cli, "main", raises)

    return failing


def test_the_documented_help_is_what_the_commands_say():
    made = runpy.run_path(str(Path(__file__).parents[3] / "docs" / "make_cli.py"))
    assert made["PAGE"].read_text() == made["page"](), "run: python docs/make_cli.py"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_teaches(driftline, name):
    for flag in ("--help", "-h"):
        ran = driftline(name, flag)
        assert ran.status == 0
        assert ran.out.startswith(f"Usage: driftline {name}".encode())


def test_help_names_every_command_and_the_exit_statuses(driftline):
    ran = driftline("--help")
    assert ran.status == 0
    assert all(name.encode() in ran.out for name in COMMANDS)
    assert b"1 drift found" in ran.out


def test_the_status_that_a_command_asks_for_is_the_status(driftline, monkeypatch):
    monkeypatch.setattr(program.cli, "invoke", lambda context: context.exit(1))
    assert driftline("demo").status == 1


def test_the_version_is_told(driftline):
    assert driftline("--version").out.startswith(b"driftline, version ")


@pytest.mark.parametrize("arguments", [("nonsense",), ("--nonsense",), ("watch",), ("watch", "a", "b")])
def test_wrong_use_ends_with_2_and_points_to_help(driftline, arguments):
    ran = driftline(*arguments)
    assert ran.status == 2
    assert "Try 'driftline" in ran.err


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (SettingsError("tick_s is [/red]"), 2, "driftline: tick_s is [/red]"),
        (click.UsageError("no such thing"), 2, "no such thing"),
        (BrokenOffError("calls.gz is cut off"), 3, "driftline: calls.gz is cut off"),
        (click.Abort(), 3, "stopped"),
        (RuntimeError("a defect"), 3, "RuntimeError: a defect"),
    ],
)
def test_errors_become_words_and_a_status_that_never_claims_drift(driftline, failing, error, status, said):
    failing(error)
    ran = driftline("watch", "calls.jsonl")
    assert ran.status == status
    assert said in ran.err
    assert ran.out == b""


@pytest.mark.parametrize("command", [("baseline", "build"), ("baseline", "check"), ("lens", "fit"), ("compare", "-")])
def test_a_source_that_breaks_off_ends_every_command_with_3(driftline, write, command):
    path = write(traffic.lines(traffic.calls(0, 100)), gzip.compress)
    path.write_bytes(path.read_bytes()[:-1000])
    ran = driftline(*command, path, stdin=b"".join(line + b"\n" for line in traffic.lines(traffic.calls(0, 10))))
    assert ran.status == 3
    assert "is cut off or damaged" in ran.err
