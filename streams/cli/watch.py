"""``driftline watch``: judge a file or standard input of call records."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext

import click
import msgspec
from click.core import ParameterSource

from drift.baseline import Baseline
from drift.errors import BrokenOffError, SettingsError
from streams.cli.common import (
    SETTINGS,
    Entry,
    Reader,
    Reading,
    console,
    open_meter,
    reading_options,
    say,
    settings_options,
    spelled,
)
from streams.cli.pipe import Stopped, batches
from streams.cli.screen import Screen, summarise
from streams.cli.stored import save
from streams.deadletter import DeadLetters
from streams.embedded import Watch, nobody
from streams.measure import Meter
from streams.origins import find_origins, tagged_segment
from streams.privacy import private
from streams.settings import Settings
from streams.shelf import require_embedder
from streams.store import Store
from streams.verdict_rows import VerdictRows
from streams.verdicts import segment_verdict

NAMED = 5
"""Segments without a baseline that the summary names, those of most calls first."""


@click.command()
@click.argument("source", metavar="FILE|-")
@click.option(
    "--baseline",
    "names",
    multiple=True,
    metavar="NAME|FILE",
    help="Baseline: id, SEGMENT@TAG or file. Repeatable. Segments without one are then not judged, unless --first is "
    "given too.",
)
@click.option(
    "--anchor",
    "anchors",
    multiple=True,
    metavar="NAME|FILE",
    help="Baseline of the prompt version that later ones are compared with. Repeatable.  [default: SEGMENT@anchor, "
    "or else the baseline itself]",
)
@click.option("--force", is_flag=True, help="Take the first calls as the baseline even if many repeat each other.")
@click.option(
    "--fail-on",
    type=click.Choice(["drift"]),
    help="Exit 1 if any drift was found, or else 3 if a segment could not be judged: silence is no pass. Provisional "
    "alarms do not count.",
)
@click.option("--summary", metavar="FILE", help="Write the verdict of each segment, a line of JSON each, at the end.")
@click.option(
    "--verdicts",
    "rows_file",
    metavar="FILE",
    help="Keep a row per block and detector and all that 'driftline report' shows: .jsonl or .jsonl.zst.",
)
@click.option("--json", "as_json", is_flag=True, help="Alert records as JSON lines on standard output, nothing else.")
@reading_options
@settings_options(*SETTINGS)
def watch(
    source: str,
    names: tuple[str, ...],
    anchors: tuple[str, ...],
    force: bool,
    fail_on: str | None,
    summary: str | None,
    rows_file: str | None,
    as_json: bool,
    reading: Reading,
    settings: Settings,
) -> None:
    """Judge call records of a file (plain, gzip, zstd) or standard input.

    Each line is one call as JSON; app, event_time and an input or output are needed. Without --baseline each segment
    (app and prompt name) takes its own first calls; segments too small for that are judged together, as APP/*. Until
    those calls suffice it is watched against itself: provisional alarms tell of a jump in length, latency or errors,
    promise nothing about false alarms and count for no verdict.

    On a pipe alerts come as soon as a tick is closed, that is --lateness (5 minutes of event time) behind the newest
    call. Ctrl-C judges all that was read and tells it; a second one stops at once.

    \b
      driftline watch calls.jsonl.gz
      driftline watch calls.jsonl --baseline support-bot@prod --fail-on drift
      driftline watch calls.jsonl --verdicts verdicts.jsonl.zst
      tail -F calls.jsonl | driftline watch - --json
    """
    out = console()
    if topic := reading.topic(source):
        raise SettingsError(
            f"watch judges a file or standard input, {topic!r} is a topic: 'driftline run' judges those"
        )
    meter = open_meter(settings)
    known = _known(names, settings, meter)
    origins = find_origins(anchors, known, Store(settings.store), lambda text: say(out, text, style="yellow"))
    first = settings.first if not known or _on_command_line("first") else None
    options = settings.options(
        first=first,
        force=force,
        replay="" if source == "-" else _replay(source, names, known, origins, first, force, reading, settings),
        origins=origins,
    )
    screen = Screen(out, source, as_json)
    reader = Reader(source, reading, out)
    greeting = "" if known else f"no baseline given: each segment takes its first {first:,} calls as its own"
    with VerdictRows(rows_file, f"watch {source}") if rows_file else nullcontext() as rows:
        seen = rows.seen if rows else nobody
        watched = Watch(meter, options, known, warn=screen.say, progress=screen.step, seen=seen)
        say(out, *_undeclared(known, settings), style="yellow")
        ended: BaseException | None
        try:
            with DeadLetters(reading.dead_letters, warn=screen.say) as late:  # the reader's may be in use by its thread
                ended = _run(reader, late, watched, screen, greeting)
        except KeyboardInterrupt as error:  # what was judged so far is told
            ended = error
        if rows:
            rows.alerts(screen.alerts)
            rows.finish(watched.segments.values(), watched.counts, _why(ended))
    told = [*reader.summary(), *_unjudged(watched, known), *watched.requested.sentences()]
    summarise(out, watched, screen.alerts, told, settings)
    if summary:
        lines = [msgspec.json.encode(segment_verdict(one)) + b"\n" for one in watched.segments.values()]
        save(summary, b"".join(lines), "--summary")
    if ended is not None:
        raise ended
    if fail_on:
        _gate(watched, known, screen)


def _why(ended: BaseException | None) -> str:
    """Why judging ended before its source did, if it did."""
    return "" if ended is None else str(ended) or "stopped by Ctrl-C"


def _on_command_line(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def _known(names: Sequence[str], settings: Settings, meter: Meter) -> dict[str, Baseline]:
    """The named baselines, by segment."""
    found: dict[str, Baseline] = {}
    for name in names:
        one = private(Store(settings.store).baseline(name), settings.texts)
        require_embedder(meter, one.lens, f"baseline {one.id}")
        segment = tagged_segment(name) or one.segment
        if segment in found:
            raise SettingsError(f"--baseline {name} is of segment {segment}, like one before it: give one of them")
        found[segment] = one
    return found


def _undeclared(known: Mapping[str, Baseline], settings: Settings) -> Iterator[str]:
    """Sentences about given baselines that do not know a declared field or a score."""
    for name, one in known.items():
        fields = [f"--slice {field}" for field in settings.slices if field not in {it.field for it in one.slices}]
        fields += [f"--score {score}" for score in settings.scores if score not in one.declared.scores]
        if fields:
            yield f"{name}: baseline {one.id} was built without {' '.join(fields)}: build it again to hear of that"


def _replay(
    source: str,
    names: Sequence[str],
    known: Mapping[str, Baseline],
    origins: Mapping[str, Baseline],
    first: int | None,
    force: bool,
    reading: Reading,
    settings: Settings,
) -> str:
    """The command that judges a file again as it is judged now."""
    command = ["driftline", "watch", source]
    for name, one in zip(names, known.values(), strict=True):  # a tag may move, an id stays
        command += ["--baseline", one.id if tagged_segment(name) == one.segment else name]
    for origin in origins.values():
        command += ["--anchor", origin.id]
    command += ["--force"] if force else []
    for field, path in reading.field_map.items():
        command += ["--map", f"{field}={path}"]
    always = ["one_false_alarm_every"]
    if first is None:  # it had no effect, and on a command line it would
        settings = msgspec.structs.replace(settings, first=Settings().first)
    else:
        always.append("first")
    variables, flags = spelled(settings, always)
    return " ".join([*variables, shlex.join(command + flags)])


def _unjudged(watched: Watch, known: Mapping[str, Baseline]) -> Iterator[str]:
    """Sentences about baselines without calls, and calls without a baseline."""
    for name, one in known.items():
        if name not in watched.segments:
            yield f"baseline {one.id}: there are no calls of {name}"
    counted = watched.unjudged.most_common()
    for name, count in counted[:NAMED]:
        yield (
            f"no baseline was given for segment {name}: {count:,} call{'s' * (count != 1)} not judged; "
            "add --baseline, or --first N to let it take its own"
        )
    if more := counted[NAMED:]:
        calls = sum(count for _, count in more)
        yield f"nor for {len(more):,} more segment{'s' * (len(more) != 1)}: {calls:,} calls not judged"


def _gate(watched: Watch, known: Mapping[str, Baseline], screen: Screen) -> None:
    """Exit with 1 for drift, or else with 3 where a segment has no answer."""
    if any(one.state == "firing" and not one.provisional for one in screen.alerts):
        sys.exit(1)
    if silent := list(_silent(watched, known)):
        say(screen.out, f"--fail-on drift: no drift was found, but not judged were {', '.join(silent)}", style="red")
        sys.exit(3)


def _silent(watched: Watch, known: Mapping[str, Baseline]) -> Iterator[str]:
    """Segments that were to be judged and have no answer, and why."""
    for name in known:
        if name not in watched.segments:
            yield f"{name} (no calls)"
    for segment in watched.segments.values():
        if segment.judge is None and segment.pool:
            continue  # its pool answers for it
        if segment.judge is None:
            yield f"{segment.name} (no baseline could be made of its calls)"
        elif not segment.answered:
            yield f"{segment.name} (not enough data)"
    if watched.counts["beyond"] and not known:
        yield f"further segments ({watched.counts['beyond']:,} calls)"


def _run(reader: Reader, late: DeadLetters, watched: Watch, screen: Screen, greeting: str) -> BaseException | None:
    """Feed everything that can be read; what ended it early, if anything did."""
    ended: BaseException | None = None
    with screen:
        try:
            with batches(reader, screen.consumed) as read:
                for batch in read:
                    if greeting and not watched.counts["calls"]:  # not before there is something to read
                        screen.say(greeting)
                    _feed(batch, late, watched, screen)
        except (BrokenOffError, Stopped) as error:
            ended = error
        screen.alert(watched.finish())
        screen.show(watched)
    return ended


def _feed(batch: Sequence[Entry], letters: DeadLetters, watched: Watch, screen: Screen) -> None:
    alerts, late = watched.feed([entry.record for entry in batch])
    lines = {id(entry.record): entry.line for entry in batch} if late else {}
    for record in late:
        line = lines[id(record)]
        detail = "event_time is further behind the newest call than --lateness allows"
        letters.write(line.number, "late", "event_time", detail, line.data)
    screen.alert(alerts)
    screen.show(watched)
