"""Two verdict files side by side: what each says of the same segments, and in words where they differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from drift.errors import SettingsError
from streams.aliases import epoch_ms
from streams.moves import Timetable
from streams.overview import KindNow, Overview, difference_unit
from streams.replaying import Trial
from streams.report.read import Account, Segment
from streams.report.story import Answer, Story
from streams.side_by_side import Outcome, cell, differences, kinds
from streams.wording import moment


@dataclass(frozen=True, slots=True)
class Beside:
    """A segment by both files.

    Attributes
    ----------
    outcomes
        What each says of it; one alone where the other does not know it.
    """

    name: str
    outcomes: list[Outcome]

    @property
    def rows(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """By kind of drift: the answer of each, and in a few words why."""
        return [(kind, [_told(one, kind) for one in self.outcomes]) for kind in kinds(self.outcomes)]

    @property
    def words(self) -> list[str]:
        """Sentences about where they differ."""
        if len(self.outcomes) > 1:
            return list(differences(self.name, self.outcomes))
        return [f"{self.name}: only {self.outcomes[0].trial.name} knows it."]

    @property
    def fields(self) -> dict[str, Any]:
        """The same for programs."""
        return {"segment": self.name, "by": [one.fields for one in self.outcomes], "differences": self.words}


def compared(accounts: Sequence[Account], told: Sequence[Sequence[Story]]) -> list[Beside]:
    """Segments of both, those that both know first.

    Raises
    ------
    SettingsError
        One is of alerts alone: it does not say what has not drifted.
    """
    for account in accounts:
        if not account.rows:
            raise SettingsError(f"{account.source} holds alert records alone: side by side go files of --verdicts")
    named, found = labels(accounts), dict[str, list[Outcome]]()
    for label, stories in zip(named, told, strict=True):
        for story in stories:
            found.setdefault(story.name, []).append(_outcome(label, story))
    return [Beside(name, by) for name, by in sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))]


def labels(accounts: Sequence[Account]) -> list[str]:
    """What each file is called: its name, with its place among them where those are alike."""
    names = [Path(one.source).name.partition(".jsonl")[0] for one in accounts]
    return names if len(set(names)) == len(names) else [f"{name} ({n})" for n, name in enumerate(names, 1)]


def joined(accounts: Sequence[Account]) -> Account:
    """Both as one, of whose segments each says which file it is of."""
    made = Account(" and ".join(one.source for one in accounts))
    made.release = accounts[0].release
    made.cut_off = "; ".join(f"{one.source}: {one.cut_off}" for one in accounts if one.cut_off)
    for label, account in zip(labels(accounts), accounts, strict=True):
        made.strange += account.strange
        for one in account.segments.values():
            name = f"{one.name} by {label}"
            made.segments[name] = _renamed(one, name, label)
    return made


def _renamed(one: Segment, name: str, label: str) -> Segment:
    summary = one.summary
    if summary is not None:
        verdict = msgspec.structs.replace(summary.verdict, sentence=f"By {label}: {summary.verdict.sentence}")
        summary = msgspec.structs.replace(summary, verdict=verdict)
    return replace(one, name=name, summary=summary)


def _outcome(label: str, story: Story) -> Outcome:
    known = story.told.baseline
    overview = Overview(
        story.name,
        "judged" if known else "refused",
        story.told.end,
        story.told.calls,
        known.baseline if known else "",
        0,
        tuple(_now(one) for one in story.answers),
        (),
        {},
        {},
    )
    alarms = [msgspec.to_builtins(one.raised) for one in story.alarms]
    over = sum(not one.standing for one in story.alarms)
    return Outcome(Trial(label, Timetable("report")), overview, alarms, over, f"{label}: {_made_of(story)}")


def _now(one: Answer) -> KindNow:
    effect = one.effect.difference if one.effect else None
    unit = difference_unit(one.effect.measure, one.effect.unit) if one.effect else ""
    ratio = max(one.statistic, 0.0) / one.threshold if one.threshold > 0 else 0.0
    return KindNow(one.kind, one.answer, one.detector, ratio, effect, unit, 0, one.reason)  # type: ignore[arg-type]


def _made_of(story: Story) -> str:
    known = story.told.baseline
    if known is None:
        return "no baseline"
    first, last = (moment(epoch_ms(str(known.card.get(edge, ""))) or 0) for edge in ("from", "to"))
    return f"{known.card.get('calls', 0):,} calls of {first} to {last} ({known.baseline})"


def _told(one: Outcome, kind: str) -> tuple[str, str]:
    """The present answer, and why, which does not say it again."""
    now = one.now(kind)
    answer = now.answer if now else "drift" if one.of(kind) else "not_enough_data"
    return answer, cell(one, kind).removeprefix(f"{answer.replace('_', ' ')}: ")


def markdown(found: Sequence[Beside], text: Any) -> Iterator[str]:
    """Tables and sentences; ``text`` makes plain text of a stranger's."""
    for one in found:
        yield f"\n### {text(one.name)}, side by side\n"
        yield "| kind | " + " | ".join(text(by.trial.name) for by in one.outcomes) + " |"
        yield "|---|" + "---|" * len(one.outcomes)
        for kind, cells in one.rows:
            yield (
                f"| {kind.replace('_', ' ')} | "
                + " | ".join(f"{answer.replace('_', ' ')}: {text(said)}" for answer, said in cells)
                + " |"
            )
        yield ""
        yield from (f"- {text(sentence, 3000)}" for sentence in one.words)
