"""Writes docs/cli.md from the help of every command: ``python docs/make_cli.py``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from streams.cli.main import cli

PAGE = Path(__file__).with_name("cli.md")
WIDTH = 100

HEAD = """# Command line

What every command's `--help` says, written by `python docs/make_cli.py`.
"""


def page() -> str:
    """The whole page."""
    context = cli.make_context("driftline", [], resilient_parsing=True, terminal_width=WIDTH)
    return "\n".join([HEAD, *_sections(context)])


def _sections(context: click.Context) -> Iterator[str]:
    """A section for a command and each command below it."""
    command = context.command
    yield f"## {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None:
                yield from _sections(found.context_class(found, info_name=name, parent=context))


if __name__ == "__main__":
    PAGE.write_text(page())
