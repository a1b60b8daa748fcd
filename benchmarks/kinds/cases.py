"""What is injected into which calls: populations without drift, and changes of each kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from benchmarks.kinds.calls import GROUPS, Mix
from benchmarks.real_calls import GPT4, GPT35, release

Injected = Literal["none", "mix", "model", "both", "topic", "prompt, undeclared", "prompt"]

EXPECTED: dict[Injected, tuple[str, ...]] = {
    "none": (),
    "mix": ("data",),
    "model": ("model",),
    "both": ("data", "model"),
    "topic": ("data",),
    "prompt, undeclared": ("data", "model"),
    "prompt": ("prompt",),
}
"""Kinds that are right to name: of several, any may be first and all must come."""

SHARES = (1.0, 0.3, 0.1)
NEW = (0.1, 0.2)


@dataclass(frozen=True)
class Case:
    """A change of a population: what it becomes, and the sources that are new."""

    name: str
    injected: Injected
    now: Mix
    share: float = 1.0
    new: tuple[str, ...] = ()


@dataclass(frozen=True)
class Population:
    """Calls without drift, and the changes that are injected into them; ``rivals`` are compared on its changes."""

    name: str
    before: Mix
    changes: tuple[Case, ...]
    rivals: bool = False

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """No change, and the changes."""
        return (Case(f"none: {self.name}", "none", self.before), *self.changes)

    @property
    def mixes(self) -> list[Mix]:
        """Everything that may be drawn."""
        return [case.now for case in self.cases]


def tasks(model: str, version: str, prime: float = 0.5, survey: float = 0.3, code: float = 0.2) -> Mix:
    """Three tasks of one release."""
    shares = {"prime": prime, "opinionqa": survey, "sensitive_code dataset=leetcode_easy": code}
    return tuple((release(task, model, version), share) for task, share in shares.items() if share)


def groups(model: str, shares: Sequence[float]) -> Mix:
    """Questions to an open model by group."""
    source = f"oasst_sampling sampling_config!=greedy snapshot=theblackcat102/pythia-{model}-deduped-sft"
    return tuple((f"{source} group={group}", share) for group, share in enumerate(shares) if share)


def oasst(condition: str) -> Mix:
    """Questions to open models."""
    return ((f"oasst_sampling {condition}", 1.0),)


def shared(before: Mix, now: Mix, share: float) -> Mix:
    """A share of the traffic moved."""
    moved = tuple((source, weight * share) for source, weight in now)
    return moved if share == 1 else tuple((source, weight * (1 - share)) for source, weight in before) + moved


def swaps(name: str, before: Mix, now: Mix) -> tuple[Case, ...]:
    """Another model for all calls, and for some."""
    return tuple(Case(f"{name}, {share:.0%}", "model", shared(before, now, share), share) for share in SHARES)


def newcomers(name: str, before: Mix, now: Mix) -> tuple[Case, ...]:
    """A topic that was not there."""
    new = tuple(source for source, _ in now)
    return tuple(Case(f"{name}, {share:.0%}", "topic", shared(before, now, share), share, new) for share in NEW)


RELEASES = {
    "GPT-3.5 0301": (GPT35, "0301"),
    "GPT-3.5 0613": (GPT35, "0613"),
    "GPT-4 0314": (GPT4, "0314"),
    "GPT-4 0613": (GPT4, "0613"),
}
LATER = {"GPT-3.5 0301": "GPT-3.5 0613", "GPT-4 0314": "GPT-4 0613"}
OTHER_MIX = (0.2, 0.6, 0.2)
OASST = "oasst_sampling sampling_config!=greedy snapshot=theblackcat102/pythia-{}-deduped-sft"
UNEVEN = (0.4, 0.3, 0.2, 0.1)
HELD_OUT = {"prime": (0.0, 0.6, 0.4), "opinionqa": (0.7, 0.0, 0.3), "code": (0.6, 0.4, 0.0)}


def _releases() -> list[Population]:
    made = []
    for name, which in RELEASES.items():
        changes = [Case(f"mix: {name}", "mix", tasks(*which, *OTHER_MIX))]
        if later := LATER.get(name):
            changes += swaps(f"model: {name} → {later[-4:]}, three tasks", tasks(*which), tasks(*RELEASES[later]))
            changes.append(Case(f"both: {name} → {later[-4:]}", "both", tasks(*RELEASES[later], *OTHER_MIX)))
        made.append(Population(f"three tasks, {name}", tasks(*which), tuple(changes), rivals=name in LATER))
    return made


def _surveys() -> list[Population]:
    made = []
    for name, later in LATER.items():
        before, now = (((release("opinionqa", *RELEASES[one]), 1.0),) for one in (name, later))
        changes = swaps(f"model: {name} → {later[-4:]}, opinionqa", before, now)
        made.append(Population(f"opinionqa, {name}", before, changes, rivals=True))
    return made


def _open_models() -> list[Population]:
    large, small = (((OASST.format(size), 1.0),) for size in ("12b", "3b"))
    sampled, searched = oasst("sampling_config=k50"), oasst("sampling_config=beam5")
    turned = UNEVEN[::-1]
    return [
        Population("oasst 12b", large, swaps("model: oasst 12b → 3b", large, small), rivals=True),
        Population("oasst k50", sampled, swaps("model: oasst k50 → beam5", sampled, searched), rivals=True),
        Population(
            "oasst 12b, groups",
            groups("12b", UNEVEN),
            (
                Case("mix: oasst 12b", "mix", groups("12b", turned)),
                Case("both: oasst 12b → 3b", "both", groups("3b", turned)),
            ),
        ),
    ]


def _topics() -> list[Population]:
    made = []
    for task, shares in HELD_OUT.items():
        before = tasks(GPT35, "0301", *shares)
        new = tasks(GPT35, "0301", *(float(not share) for share in shares))
        made.append(Population(f"without {task}", before, newcomers(f"topic: {task}", before, new)))
    for group in range(2):
        before = groups("12b", [float(one != group) for one in range(GROUPS)])
        new = groups("12b", [float(one == group) for one in range(GROUPS)])
        made.append(Population(f"without oasst {group}", before, newcomers(f"topic: oasst {group}", before, new)))
    return made


def _prompts() -> list[Population]:
    made = []
    for name, (model, version) in RELEASES.items():
        plain, jailbreak = (
            f"{release('sensitive_code', model, version)} prompt_version={one}" for one in ("plain", "aim_attack")
        )
        change = Case(f"prompt, undeclared: {name}", "prompt, undeclared", ((jailbreak, 1.0),))
        made.append(Population(f"plain prompt, {name}", ((plain, 1.0),), (change,)))
        if name == "GPT-3.5 0301":
            told = Case(f"prompt, declared: {name}", "prompt", ((f"{jailbreak} declared", 1.0),))
            made.append(Population(f"plain prompt declared, {name}", ((f"{plain} declared", 1.0),), (told,)))
    return made


POPULATIONS = sorted((*_releases(), *_surveys(), *_open_models(), *_topics(), *_prompts()), key=lambda one: one.rivals)
