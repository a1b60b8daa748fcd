"""Several replays of one range: what each said of a segment, and in words where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from drift.panel import KINDS
from streams.aliases import epoch_ms
from streams.overview import KindNow, Overview
from streams.replaying import Told, Trial
from streams.wording import change, figure, lasting, moment

DAY_MS = 86_400_000


@dataclass(slots=True)
class Outcome:
    """What a trial said of a segment.

    Attributes
    ----------
    overview
        How the segment is in the end.
    alarms
        Records of alarms that were raised, the oldest first; provisional ones left out.
    resolved
        How many of them have ended.
    made
        What the baseline was made of, in words; empty where that changed.
    """

    trial: Trial
    overview: Overview
    alarms: list[dict[str, Any]] = field(default_factory=list)
    resolved: int = 0
    made: str = ""

    @property
    def answer(self) -> str:
        """``drift``, ``no_drift`` or ``not_enough_data``."""
        if self.alarms:
            return "drift"
        return "no_drift" if any(one.answer != "not_enough_data" for one in self.overview.kinds) else "not_enough_data"

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Alarms of a kind."""
        return [one for one in self.alarms if one["kind"] == kind]

    def now(self, kind: str) -> KindNow | None:
        """The answer for a kind in the end."""
        return next((one for one in self.overview.kinds if one.kind == kind), None)

    @property
    def fields(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "judged_by": self.trial.name,
            "segment": self.overview.segment,
            "baseline": self.overview.baseline,
            "calls": self.overview.calls,
            "answer": self.answer,
            "alarms": [_summary(one) for one in self.alarms],
            "kinds": [msgspec.to_builtins(one) for one in self.overview.kinds],
        }


def outcomes(
    trials: Sequence[Trial], told: Iterable[Told], overviews: Iterable[tuple[int, Overview]]
) -> dict[str, list[Outcome]]:
    """What was said, by segment, in the order of the trials."""
    found = {
        (one.segment, number): Outcome(trials[number], one, made=_made_of(trials[number])) for number, one in overviews
    }
    for one in told:
        record = msgspec.json.decode(one.record)
        outcome = found[one.segment, one.trial]
        if record["state"] == "firing" and not record.get("provisional"):
            outcome.alarms.append(record)
        outcome.resolved += record["state"] == "resolved" and not record.get("provisional")
    by_segment: dict[str, list[Outcome]] = {}
    for (segment, _), outcome in sorted(found.items(), key=lambda item: item[0]):
        by_segment.setdefault(segment, []).append(outcome)
    return by_segment


def cell(outcome: Outcome, kind: str) -> str:
    """What a trial says of a kind, in a few words."""
    if alarms := outcome.of(kind):
        first = alarms[0]
        said = f"since {_since(first)}{_sized(first)}{_after(first)}"
        said += f"; and {len(alarms) - 1} more" if len(alarms) > 1 else ""
        now = outcome.now(kind)
        return said + ("; over now" if now and now.answer != "drift" else "")
    return _calm(outcome.now(kind))


def kinds(given: Sequence[Outcome]) -> list[str]:
    """Kinds of which any of them says anything."""
    return [kind for kind in dict.fromkeys(KINDS.values()) if any(one.now(kind) or one.of(kind) for one in given)]


def differences(segment: str, given: Sequence[Outcome]) -> Iterator[str]:
    """Sentences about where the trials differ on a segment, and one about what they are."""
    told = False
    for kind in kinds(given):
        alarming = [one for one in given if one.of(kind)]
        silent = [one for one in given if not one.of(kind)]
        name = f"{segment}, {kind.replace('_', ' ')}"
        if alarming and silent:
            told = True
            against = ", ".join(_against(one, kind) for one in alarming)
            yield f"{name}: an alarm by {against}; none by {'; nor by '.join(_why(one, kind) for one in silent)}."
        elif len(alarming) > 1 and (said := _unequal(alarming, kind)):
            told = True
            yield f"{name}: {said}."
    if not told:
        raised = any(one.alarms for one in given)
        yield f"{segment}: the same {'alarms' if raised else 'answer, no alarm,'} by {_listed(given)}."
    made = [one.made for one in given if one.made]
    if told and len(made) > 1:
        yield f"What they compare with: {'; '.join(made)}."


def _unequal(alarming: Sequence[Outcome], kind: str) -> str:
    """What is unlike in alarms that several have raised, empty if nothing is."""
    firsts = [one.of(kind)[0] for one in alarming]
    if len({(one["detector"], one["since"], one["raised_at"]) for one in firsts}) == 1:
        if len({_sized(one) for one in firsts}) == 1:
            return ""
        return f"alarms by all at the same time, of unlike sizes: {', '.join(_against(one, kind) for one in alarming)}"
    said = f"alarms by all: {', '.join(_against(one, kind) for one in alarming)}"
    order = sorted(alarming, key=lambda one: _ms(one.of(kind)[0]["raised_at"]))
    ahead = _ms(order[-1].of(kind)[0]["raised_at"]) - _ms(order[0].of(kind)[0]["raised_at"])
    began = max(_ms(one["since"]) for one in firsts)
    if began > _ms(order[0].of(kind)[0]["raised_at"]):
        return f"{said}; these are different changes"
    return said + (f"; {order[0].trial.name} notices it {lasting(ahead / DAY_MS)} sooner" if ahead else "")


def _against(one: Outcome, kind: str) -> str:
    first = one.of(kind)[0]
    return f"{one.trial.name} since {_since(first)} ({first['detector']}{_sized(first)}{_after(first)})"


def _why(one: Outcome, kind: str) -> str:
    return f"{one.trial.name} ({_calm(one.now(kind))})"


def _calm(now: KindNow | None) -> str:
    """Why there is no alarm."""
    if now is None:
        return "never compared"
    if now.answer == "not_enough_data":
        return now.reason or "not enough data"
    said = f"no drift: evidence at {min(now.ratio, 9.99) * 100:.0f} % of the threshold"
    if now.ratio >= 1:
        said += ", the difference within tolerance"
    return said + ("" if now.effect is None else f", difference {change(now.effect, now.unit)}")


def _sized(record: dict[str, Any]) -> str:
    effect = record.get("effect") or {}
    if effect.get("baseline") is not None and effect.get("current") is not None:
        return f", {effect['measure']} {figure(effect['baseline'])} → {figure(effect['current'])}"
    if effect.get("difference") is not None:
        return f", {effect['measure']} {change(effect['difference'], effect.get('unit', ''), effect['measure'])}"
    return ""


def _after(record: dict[str, Any]) -> str:
    delay = record.get("delay")
    return f", noticed {delay['calls']:,} calls later" if delay else ""


def _since(record: dict[str, Any]) -> str:
    return moment(_ms(record["since"]))


def _ms(text: str) -> int:
    return epoch_ms(text) or 0


def _made_of(trial: Trial) -> str:
    one = trial.baseline
    if one is None:
        return ""
    return f"{trial.name}: {one.pane.n:,} calls of {moment(one.pane.tick)} to {moment(one.pane.end)} ({one.id})"


def _listed(given: Sequence[Outcome]) -> str:
    return " and ".join(one.trial.name for one in given)


def _summary(record: dict[str, Any]) -> dict[str, Any]:
    names = ("alert_id", "kind", "detector", "since", "raised_at", "calls_seen", "effect", "delay")
    return {name: record[name] for name in names if name in record}
