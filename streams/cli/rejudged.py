"""How ``driftline replay`` comes by its verdicts: panes of a topic or of an archive, judged in several processes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console

from drift import baseline as baselines
from drift.errors import SettingsError, SourceError
from streams import replay_jobs as engine
from streams.archive import Archive
from streams.archive_shares import Share, listing, resolution_told, shares
from streams.cli.common import say
from streams.cli.replay_screen import progress
from streams.cluster import ROLES
from streams.evidence import instant
from streams.kafka.replay import check_topic, decisions
from streams.kafka.replay import publish as send
from streams.kafka.stretch import Stretch, stretches
from streams.ledger import OVERTAKEN
from streams.moves import Decision
from streams.overview import Overview
from streams.replaying import Seen, Span, Told, Trial, in_order
from streams.resuming import Done, Interrupted, ResumeFile, spelled
from streams.settings import Settings

NAMED = 5
SETTINGS = ("one_false_alarm_every", "first", "clear_after", "tolerances", "importance", "texts", "prompts", "fleet")
"""Settings that verdicts depend on."""

FEW = 5000
"""Messages that one process has judged before a second one has started."""


@dataclass(frozen=True)
class Request:
    """What is to be judged again.

    Attributes
    ----------
    source
        That of calls; empty for panes.
    archive
        That of panes; empty for the topic.
    mixed
        Whether an archive's ticks may be of another resolution than the judge's.
    rows
        Folder for rows of verdict files; empty where none are wanted.
    """

    settings: Settings
    trials: Sequence[Trial]
    span: Span
    offsets: Mapping[int, tuple[int | None, int | None]]
    segments: tuple[str, ...]
    source: str = ""
    archive: str = ""
    mixed: bool = False
    rows: str = ""

    @property
    def as_it_was(self) -> bool:
        """Whether the tag's moves are followed."""
        return any(one.baseline is None for one in self.trials)

    @property
    def wanted(self) -> set[str]:
        """Segments that are judged; none where all are."""
        if self.as_it_was and not self.segments:
            return set()
        return {*self.segments, *(one.segment for one in self.trials if one.segment)}

    @property
    def about(self) -> dict[str, str]:
        """All that an interrupted replay must have in common with this one."""
        archive = Archive(self.archive) if self.archive else None
        found = {
            "topic": "none" if archive else self.settings.kafka.topic("panes"),
            "archive": listing(archive, self.span.start, self.span.end) if archive else "none",
            "range": f"{_edge(self.span.start)} to {_edge(self.span.end)}",
            "offsets": spelled({str(number): one for number, one in self.offsets.items()}),
            "segments": spelled(sorted(self.segments)),
            "baselines": spelled([one.id for one in self.trials]),
        }
        return found | {name: spelled(getattr(self.settings, name)) for name in SETTINGS}


@dataclass
class Result:
    """What was said."""

    told: list[Told]
    seen: Seen
    overviews: list[tuple[int, Overview]]
    said: list[str] = field(default_factory=list)
    counts: list[Counter[str]] = field(default_factory=list)  # of each trial's calls
    resolution: str = ""  # of ticks that are not those of the live service


def check_publish(topic: str, settings: Settings) -> None:
    """Refuse to publish where a service reads or writes, or to a topic that is not there.

    Raises
    ------
    SettingsError
        The topic has a role.
    SourceError
        It does not exist, or the cluster cannot be reached.
    """
    for role in ROLES:
        if topic == settings.kafka.topic(role):
            raise SettingsError(
                f"--publish {topic}: that is the topic of the live service's {role}, which a replay never writes to; "
                "make another one"
            )
    check_topic(settings.kafka, topic)


def publish(topic: str, records: Sequence[tuple[str, str, bytes]], settings: Settings) -> None:
    """Send records of alarms."""
    send(settings.kafka, topic, records)


def from_panes(request: Request, out: Console, workers: int | None, resume: str | None) -> Result:
    """Judge the panes of the topic or of an archive.

    Raises
    ------
    SettingsError
        What is to be resumed is another replay, or offsets are wrong; an archive holds nothing in the range, or ticks
        of another resolution.
    SourceError
        There are no panes to judge, or the cluster, the archive or the store cannot be read.
    BrokenOffError
        The cluster went away meanwhile, or a file of the archive is cut off.
    LensMismatchError
        Panes were seen through another lens than a baseline.
    KeyboardInterrupt
        It was stopped; how far it had come is kept, where that was wanted.
    """
    settings, keep = request.settings, ResumeFile(resume) if resume else None
    held, resolution = _held(request) if request.archive else ({}, "")
    state = keep.load(request.about) if keep else None
    if state is None:
        known: tuple[Decision, ...] | None = None
        if request.as_it_was:
            known = decisions(settings.kafka, lambda text: say(out, text, style="yellow"))
        plan = {number: Stretch(0, one.ticks) for number, one in held.items()} or _plan(request)
        state = Interrupted(request.about, {n: (one.start, one.end) for n, one in plan.items()}, known)
    else:
        say(out, f"going on with {resume}", style="dim")
    given = [
        engine.Given(one.name, one.segment or "", baselines.encode(one.baseline))
        for one in request.trials
        if one.baseline
    ]
    plan = {number: Stretch(*one) for number, one in state.plan.items()}
    job = engine.Job(
        settings,
        request.span,
        tuple(given),
        state.decisions,
        request.segments,
        among=max(plan) + 1,
        topic="" if request.archive else settings.kafka.topic("panes"),
        archive=request.archive,
        held={number: one.segments for number, one in held.items()},
        mixed=request.mixed,
        rows=request.rows,
        keep=keep is not None,
    )
    with progress(out, plan) as told:

        def heard(report: engine.Report) -> None:
            told(report, out)
            if report.done is not None:
                state.done[report.partition] = report.done
                if keep:
                    keep.save(state)

        try:
            engine.replay(job, plan, state.done, workers or _workers(plan), heard)
        except KeyboardInterrupt:
            say(out, f"stopped; the same command goes on with {resume}" if resume else "stopped; nothing is kept")
            raise
    result = _joined(request, plan, state.done)
    result.resolution = resolution
    return result


def _plan(request: Request) -> dict[int, Stretch]:
    kafka, lateness = request.settings.kafka, request.settings.clock.lateness_ms
    return stretches(kafka, kafka.topic("panes"), request.span, lateness, request.offsets)


def _held(request: Request) -> tuple[dict[int, Share], str]:
    """What an archive holds of each partition, and of which resolution its ticks are, where not of the judge's."""
    archive, span, wanted = Archive(request.archive), request.span, request.wanted
    lengths = archive.require(wanted, span.start, span.end, mixed=request.mixed)
    return shares(archive, wanted, span.start, span.end), resolution_told(lengths)


def _workers(plan: Mapping[int, Stretch]) -> int:
    """Processes that are worth their start."""
    return 1 if sum(one.size for one in plan.values()) < FEW else os.cpu_count() or 1


def _joined(request: Request, plan: Mapping[int, Stretch], done: Mapping[int, Done]) -> Result:
    """What all partitions have said, in an order that does not depend on them."""
    seen, said, counts = Seen(ticks={}), list[str](), Counter[str]()
    by_trial = [Counter[str]() for _ in request.trials]
    for one in done.values():
        seen.add(one.saved.seen)
        counts.update(one.saved.place.counts)
        for trial, own in zip(one.saved.trials, by_trial, strict=True):
            counts.update(trial.counts)
            own.update(trial.counts)
            own.update(one.saved.place.counts)
    check(request, seen, "panes")
    held = sum(one.held for one in done.values())
    if held and request.span.end is None:
        said.append(f"not judged yet: {held:,} panes of ticks that were not complete when reading began")
    if counts[OVERTAKEN]:
        said.append(f"calls left out: {counts[OVERTAKEN]:,}, whose panes came after their ticks had closed")
    if counts["corrupt_messages"]:
        said.append(f"messages passed over: {counts['corrupt_messages']:,}, which are neither panes nor marks")
    if counts["unknown_lens_calls"]:
        said.append(
            f"calls not judged: {counts['unknown_lens_calls']:,}, seen through another lens than their baseline"
        )
    told = in_order(told for one in done.values() for told in one.told)
    overviews = [pair for one in done.values() for pair in one.overviews or ()]
    return Result(told, seen, overviews, said, by_trial)


def check(request: Request, seen: Seen, what: str) -> None:
    """Refuse a range that holds nothing to judge, and segments that it does not hold.

    Raises
    ------
    SourceError
        There is nothing of a trial's segment.
    """
    wanted = [*request.segments, *(one.segment for one in request.trials if one.segment)]
    missing = sorted({name for name in wanted if name not in seen.ticks})
    if not missing and seen.ticks:
        return
    whole = f"{_edge(request.span.start)} to {_edge(request.span.end)}"
    if not seen.ticks:
        there = (
            f"those that were read reach from {instant(seen.first)} to {instant(seen.last)}"
            if seen.last
            else "none was found"
        )
        raise SourceError(f"there are no {what} of complete ticks in the range ({whole}); {there}")
    known = sorted(seen.ticks)
    more = f" and {len(known) - NAMED:,} more" if len(known) > NAMED else ""
    raise SourceError(
        f"there are no {what} of {', '.join(missing)} in the range ({whole}); there are of "
        f"{', '.join(known[:NAMED])}{more}"
    )


def _edge(at: int | None) -> str:
    return "any time" if at is None else instant(at)
