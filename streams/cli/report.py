"""``driftline report``: what drifted, to look at and to send on."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from drift.errors import SettingsError
from streams.cli.common import console, say
from streams.report.forms import FORMATS, form_of, rendered
from streams.whole_file import write_whole


@click.command()
@click.argument("sources", metavar="FILE [FILE]", nargs=-1, required=True)
@click.option("-o", "--output", metavar="FILE", help="Write the report here.  [default: standard output]")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), help="html, md or json.  [default: by the name of -o, or else html]"
)
@click.option(
    "--check",
    metavar="FILE",
    help="Show false alarms as they were counted beside those promised: what 'driftline check-alarms NAME --json' has "
    "said of a baseline of the report.",
)
def report(sources: tuple[str, ...], output: str | None, form: str | None, check: str | None) -> None:
    """Make a report of a verdict file, or of alert records.

    FILE is what --verdicts of 'driftline watch', 'replay' or 'run' has kept or, with fewer plots, the JSON lines of
    'driftline watch --json'. The page is one file that loads nothing: verdict in words, statistics against thresholds
    over time, topics, lengths, latencies, examples with their differences, baseline and detectors. Markdown is for a
    pull request, JSON for programs. Of two files, such as 'driftline replay' keeps of two baselines, the answers are
    told side by side, and in words where they differ.

    \b
      driftline watch calls.jsonl --verdicts verdicts.jsonl.zst
      driftline report verdicts.jsonl.zst -o report.html
      driftline check-alarms support-bot/answer@prod --json > check.jsonl
      driftline report verdicts.jsonl.zst --check check.jsonl -o report.html
      driftline report v-old.jsonl.zst v-new.jsonl.zst -o a-b.html
      driftline report verdicts.jsonl.zst --format md >> "$GITHUB_STEP_SUMMARY"
    """
    form = form or form_of(output or "")
    if form == "html" and output is None and sys.stdout.isatty():
        raise SettingsError("a page is not for a terminal: name a file, such as -o report.html")
    if len(sources) > 2:
        raise SettingsError(f"one file is reported, or two side by side; {len(sources)} were given")
    made = _made(form, sources, check)
    if output is None:
        sys.stdout.buffer.write(made)
        sys.stdout.buffer.flush()
        return
    write_whole(output, made, "-o")
    say(console(), f"{output}: {len(made):,} bytes")


def _made(form: str, sources: Sequence[str], check: str | None) -> bytes:
    from streams.report import beside, checked  # slow: they bring templates
    from streams.report.read import read
    from streams.report.story import put_beside, stories

    accounts = [read(one) for one in sources]
    several = beside.compared(accounts, [stories(one) for one in accounts]) if len(accounts) > 1 else []
    account = beside.joined(accounts) if several else accounts[0]
    told = stories(account)
    if check is not None:
        put_beside(told, checked.read(check))
    return rendered(form, account, told, several)
