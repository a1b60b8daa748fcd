"""``driftline replay``: judge what the topics hold again, by other baselines or as it was."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext

import click
from rich.console import Console

from drift.errors import SettingsError
from streams import replay_rows
from streams.cli.common import SETTINGS, console, quiet, say, settings_options
from streams.cli.replay_screen import summarise, tell
from streams.cli.stored import Instant
from streams.evidence import instant
from streams.moves import Timetable
from streams.origins import tagged_segment
from streams.replaying import AS_IT_WAS, Span, Trial
from streams.resuming import ResumeFile
from streams.settings import Settings
from streams.side_by_side import Outcome, outcomes
from streams.store import Store

LIVE = ("kafka_brokers", *(name for name in SETTINGS if name not in ("pool", "slices")))

TOPIC = "kafka:"
"""What --observe stands for without a value."""

_OFFSETS = re.compile(r"(\d+):(\d*)-(\d*)")


@click.command()
@click.option(
    "--baseline",
    "names",
    multiple=True,
    metavar="NAME|FILE",
    help="Baseline: id, SEGMENT@TAG or file. Several are judged by side by side, in one reading. Repeatable.",
)
@click.option(
    "--as-it-was", is_flag=True, help="By the baselines that the tag named then (live.tag), acknowledgements included."
)
@click.option("--from", "start", type=Instant(), metavar="TIME", help="Only ticks that start at this time or later.")
@click.option("--to", "end", type=Instant(), metavar="TIME", help="Only ticks that start before this time.")
@click.option(
    "--offsets",
    multiple=True,
    metavar="PARTITION:FROM-TO",
    help="Only messages of these offsets, TO left out; either may be missing. Only the partitions that are named are "
    "then read. Repeatable.",
)
@click.option("--segment", "segments", multiple=True, metavar="SEGMENT", help="Only this segment. Repeatable.")
@click.option(
    "--observe",
    metavar="[FILE|kafka:[TOPIC]]",
    is_flag=False,
    flag_value=TOPIC,
    help="Measure the calls of a file or topic again, through the baseline's own lens, instead of reading panes; with "
    "--archive those whose measures it keeps, which embeds nothing.  [without a value: the topic of calls]",
)
@click.option(
    "--archive",
    metavar="ADDRESS",
    help="Read the panes of an archive instead of the topic's ('driftline archive'): no cluster is needed then but for "
    "--as-it-was.",
)
@click.option(
    "--mixed",
    is_flag=True,
    help="Judge ticks of an archive that were summed up to larger ones too. That is another resolution: alerts are not "
    "the live service's, and say so.",
)
@click.option(
    "--verdicts",
    "rows_file",
    metavar="FILE",
    help="Keep a row per block and detector and all that 'driftline report' shows: .jsonl or .jsonl.zst. Of several "
    "baselines each has a file of its own: v.jsonl gives v-NAME.jsonl. There when all is judged; not with --resume.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Processes that partitions of panes are shared among.  [default: one a processor, or one where there is "
    "little to read]",
)
@click.option(
    "--resume",
    metavar="FILE",
    help="Keep here, every few seconds and on Ctrl-C, how far it has come; go on from there if the file exists. It is "
    "removed in the end.",
)
@click.option("--publish", metavar="TOPIC", help="In the end send the alerts to this topic, which no service may use.")
@click.option(
    "--fail-on",
    type=click.Choice(["drift"]),
    help="Exit 1 if any drift was found, or else 3 if a segment could not be judged. Provisional alarms do not count.",
)
@click.option("--json", "as_json", is_flag=True, help="Alert records as JSON lines on standard output, nothing else.")
@settings_options(*LIVE)
def replay(
    names: tuple[str, ...],
    as_it_was: bool,
    start: int | None,
    end: int | None,
    offsets: tuple[str, ...],
    segments: tuple[str, ...],
    observe: str | None,
    archive: str | None,
    mixed: bool,
    rows_file: str | None,
    workers: int | None,
    resume: str | None,
    publish: str | None,
    fail_on: str | None,
    as_json: bool,
    settings: Settings,
) -> None:
    """Judge what the service has seen again: would last month have alarmed against the new prompt's baseline?

    Reads the panes that the live service keeps in its topic, as far as they reach now, and embeds nothing. What is said
    is what the live judge would have said with that baseline, to the bit: with the baseline that it had, over all it
    has judged, the very bytes. A range is judged with a fresh state at its first tick: what went before it is unknown,
    so alarms that stood already are raised anew, some calls later. No consumer group is used and nothing is committed
    or changed: neither topics nor the store.

    The panes must have been seen through the baseline's lens. --observe reads the calls themselves and measures them
    again, through any lens; where panes are large that takes many times longer. With an exact embedder (wordllama is
    one) and the same lens the panes are those of the live service, byte for byte, but for calls that came after an idle
    partition had let their ticks close, and for the last ticks, which count as complete.

    Alerts come in the end, in order of event time. With --json and several baselines each line begins with judged_by.
    Ctrl-C ends it; with --resume the same command goes on, and says the same.

    \b
      driftline replay --baseline support-bot/answer@prod
      driftline replay --baseline 0f542b95 --baseline 77aa01c3 --from 2026-01-01 --to 2026-02-01
      driftline replay --as-it-was --segment support-bot/answer --json
      driftline replay --baseline new.safetensors --observe --from 2026-01-31
      driftline replay --baseline 0f542b95 --archive s3://bucket/archive --from 2026-01-01 --verdicts v.jsonl.zst
      driftline replay --baseline new.safetensors --observe --archive s3://bucket/archive

    Exit status: 0 done, 1 drift found where --fail-on drift is given, 2 wrong use, no panes in the range or another
    lens, 3 failed while running, stopped, or a segment without an answer where --fail-on drift is given.
    """
    from streams.cli import rejudged, remeasured  # slow: they bring the Kafka client

    quiet()
    out = console()
    _agreeing(observe, archive, resume, rows_file, publish, offsets=bool(offsets), mixed=mixed)
    trials = _trials(names, segments, as_it_was, settings)
    files = replay_rows.names(rows_file, [one.name for one in trials]) if rows_file else []
    if publish:
        rejudged.check_publish(publish, settings)
    with replay_rows.folder_beside(files) if files else nullcontext("") as folder:
        request = rejudged.Request(
            settings,
            trials,
            _span(start, end),
            _offsets(offsets),
            segments,
            source=observe or "",
            archive=archive or "",
            mixed=mixed,
            rows=folder,
        )
        panes = rejudged.from_panes
        result = remeasured.from_calls(request, out) if observe else panes(request, out, workers, resume)
        by_segment = outcomes(trials, result.told, result.overviews)
        for number, path in enumerate(files):
            judged = {one.overview.segment for found in by_segment.values() for one in found}
            replay_rows.join(path, folder, number, judged, result.counts[number], trials[number].command)
    tell(out, result.told, trials, as_json, result.resolution)
    summarise(out, by_segment, result.seen, trials)
    if result.resolution:
        coarse = f"ticks of {result.resolution}: another resolution, not what the live service said or would have said"
        say(out, coarse, style="yellow")
    say(out, *result.said, style="yellow")
    say(out, *(f"verdicts by {one.name}: {path}" for one, path in zip(trials, files, strict=False)), style="dim")
    if publish:
        records = [(one.segment, trials[one.trial].name, one.record) for one in result.told]
        rejudged.publish(publish, records, settings)
        say(out, f"{len(records):,} records sent to {publish}")
    if resume:
        ResumeFile(resume).remove()
    if fail_on:
        _gate(out, by_segment)


def _agreeing(
    observe: str | None,
    archive: str | None,
    resume: str | None,
    rows_file: str | None,
    publish: str | None,
    *,
    offsets: bool,
    mixed: bool,
) -> None:
    """Refuse options that mean nothing beside each other."""
    for wrong, why in (
        (
            archive and observe not in (None, TOPIC),
            "--archive has calls of its own: leave the value of --observe out",
        ),
        (observe and mixed, "--mixed is of panes, --observe measures calls: give one of them"),
        (observe and resume, "--resume goes with panes: --observe measures from the beginning of the range"),
        (offsets and archive, "--offsets are of the topic: choose a part of an archive by --from and --to"),
        (mixed and not archive, "--mixed is of archives: name one by --archive"),
        (mixed and publish, "--publish: ticks of another resolution are never published; leave --mixed out"),
        (rows_file and resume, "--verdicts needs all blocks in one go, and --resume keeps none: leave --resume out"),
    ):
        if wrong:
            raise SettingsError(why)


def _span(start: int | None, end: int | None) -> Span:
    if start is not None and end is not None and start >= end:
        raise SettingsError(f"--from {instant(start)} is not before --to {instant(end)}: exchange them")
    return Span(start, end)


def _offsets(given: Sequence[str]) -> dict[int, tuple[int | None, int | None]]:
    found: dict[int, tuple[int | None, int | None]] = {}
    for text in given:
        match = _OFFSETS.fullmatch(text)
        if match is None:
            raise SettingsError(
                f"--offsets wants PARTITION:FROM-TO, such as 0:1200-5000, 0:1200- or 0:-5000, got {text!r}"
            )
        number, low, high = (int(part) if part else None for part in match.groups())
        assert number is not None
        if low is not None and high is not None and low >= high:
            raise SettingsError(f"--offsets {text}: {low} is not before {high}: exchange them")
        if number in found:
            raise SettingsError(f"--offsets names partition {number} twice: give one range of each")
        found[number] = low, high
    return found


def _trials(names: Sequence[str], segments: Sequence[str], as_it_was: bool, settings: Settings) -> list[Trial]:
    """What is judged by; as it was first."""
    store, trials = Store(settings.store), [Trial(AS_IT_WAS, Timetable(settings.live.tag))] if as_it_was else []
    for name in names:
        trials.append(one := Trial.of(name, store.baseline(name), tagged_segment(name)))
        assert one.baseline is not None
        for other in trials[:-1]:
            if other.baseline and (other.baseline.id, other.segment) == (one.baseline.id, one.segment):
                raise SettingsError(f"--baseline {name} and {other.name} are the same baseline {one.baseline.id}")
    if not trials:
        raise SettingsError("nothing to judge by: give --baseline NAME, several to compare them, or --as-it-was")
    known = {one.segment for one in trials}
    if not as_it_was and (strange := [one for one in segments if one not in known]):
        there = ", ".join(sorted(filter(None, known)))
        raise SettingsError(f"--segment {strange[0]}: no --baseline is of it, those given are of {there}")
    return [one for one in trials if not segments or one.segment in (None, *segments)]


def _gate(out: Console, by_segment: Mapping[str, Sequence[Outcome]]) -> None:
    """Exit with 1 for drift, or else with 3 where a segment has no answer."""
    every = [(name, one) for name, found in by_segment.items() for one in found]
    if any(one.alarms for _, one in every):
        sys.exit(1)
    if silent := [f"{name} by {one.trial.name}" for name, one in every if one.answer == "not_enough_data"]:
        say(out, f"--fail-on drift: no drift was found, but not judged were {', '.join(silent)}", style="red")
        sys.exit(3)
