"""The ``driftline`` command."""

from __future__ import annotations

import os
import sys
import traceback
from importlib.metadata import version
from typing import Any

import click
from threadpoolctl import threadpool_limits

from drift.errors import BrokenOffError, ClusterError, DriftError, StoppedError
from streams.cli.common import console, say


class _Lazy(click.Group):
    """Imports a command when it is asked for, so that --help answers at once."""

    COMMANDS = (
        "demo",
        "watch",
        "run",
        "baseline",
        "check-alarms",
        "backtest",
        "compare",
        "prompts",
        "lens",
        "topics",
        "rules",
        "produce",
        "replay",
        "alerts",
        "archive",
        "report",
        "config",
    )

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        module = __import__(f"streams.cli.{name}", fromlist=[name])
        command = getattr(module, name)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except OSError as error:  # click would end with 1 where a pipe breaks, which here means drift
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is not written again
            if not isinstance(error, BrokenPipeError):
                say(console(), f"driftline: {error}", style="red")
            ctx.exit(3)


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(version("driftline"), prog_name="driftline")
def cli() -> None:
    """Watch LLM calls in production and say when they drift, why, and since when.

    \b
    Start here:
      driftline demo                      the main job on simulated traffic
      driftline watch calls.jsonl         did these calls drift, how, and since when?

    Exit status: 0 done, 1 drift found where --fail-on drift is given, 2 wrong use, 3 failed while running or, where
    watch was given --fail-on drift and found none, a segment could not be judged.
    """


def main() -> None:
    """Run a command and turn errors into words and an exit status."""
    threadpool_limits(1)  # judging must not depend on the number of cores, and small matrices are faster so
    try:
        sys.exit(cli.main(prog_name="driftline", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        console().print("stopped")
        sys.exit(3)
    except DriftError as error:
        say(console(), f"driftline: {error}", style="red")
        sys.exit(3 if isinstance(error, BrokenOffError | ClusterError | StoppedError) else 2)
    except Exception:
        traceback.print_exc()  # loud, but not with 1
        sys.exit(3)
