"""``driftline report``: what drifted, to look at and to send on."""

from __future__ import annotations

import sys

import click
import msgspec

from drift.errors import SettingsError
from streams.cli.common import console, say
from streams.whole_file import write_whole

FORMATS = ("html", "md", "json")


@click.command()
@click.argument("source", metavar="FILE")
@click.option("-o", "--output", metavar="FILE", help="Write the report here.  [default: standard output]")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), help="html, md or json.  [default: by the name of -o, or else html]"
)
def report(source: str, output: str | None, form: str | None) -> None:
    """Make a report of a verdict file, or of alert records.

    FILE is what 'driftline watch --verdicts' has kept or, with fewer plots, the JSON lines of 'driftline watch --json'.
    The page is one file that loads nothing: verdict in words, statistics against thresholds over time, topics,
    lengths, latencies, examples with their differences, baseline and detectors. Markdown is for a pull request, JSON
    for programs.

    \b
      driftline watch calls.jsonl --verdicts verdicts.jsonl.zst
      driftline report verdicts.jsonl.zst -o report.html
      driftline report verdicts.jsonl.zst --format md >> "$GITHUB_STEP_SUMMARY"
    """
    form = form or next((one for one in FORMATS if (output or "").lower().endswith(f".{one}")), "html")
    if form == "html" and output is None and sys.stdout.isatty():
        raise SettingsError("a page is not for a terminal: name a file, such as -o report.html")
    from streams.report.read import read  # slow: it brings templates

    account = read(source)
    made = _made(form, account)
    if output is None:
        sys.stdout.buffer.write(made)
        sys.stdout.buffer.flush()
        return
    write_whole(output, made, "-o")
    say(console(), f"{output}: {len(made):,} bytes")


def _made(form: str, account: object) -> bytes:
    from streams.report.page import page
    from streams.report.plain import markdown, value
    from streams.report.read import Account
    from streams.report.story import stories

    assert isinstance(account, Account)
    told = stories(account)
    if form == "json":
        return msgspec.json.encode(value(account, told)) + b"\n"
    text = markdown(account, told) if form == "md" else page(account, told)
    return text.encode("utf-8", "replace")  # a lone half of a surrogate pair is no text
