"""Kinds of drift that can be put into an operator's own calls, in words and as what takes the place of which calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from drift.baseline import Baseline
from drift.call import FLAGS, Rows
from drift.errors import SettingsError
from drift.inject import ANSWER_LENGTH, TIMES, Injection, answers_of, calls_of, flagged, more_of, stretched
from drift.parts import IntArray
from streams.wording import percent

SHARES = (0.02, 0.05, 0.1, 0.2, 0.5)
POINTS = (0.005, 0.01, 0.02, 0.05, 0.1)


@dataclass(frozen=True)
class Material:
    """The calls that are to drift, those of ``--from``, and the topic that is to grow."""

    baseline: Baseline
    rows: Rows
    others: Rows | None = None
    wanted: str | None = None
    seed: int = 0

    @cached_property
    def topics(self) -> IntArray:
        """The baseline's topic of each call, -1 without input."""
        return self.baseline.frame.topic(self.rows["topic"])

    @cached_property
    def counts(self) -> IntArray:
        """Calls of each topic."""
        return np.bincount(self.topics[self.topics >= 0], minlength=self.baseline.frame.topics)

    @property
    def label(self) -> str:
        """Typical words of the topic that is to grow, or its number."""
        return self.baseline.labels[self.topic] or f"number {self.topic}"

    @cached_property
    def topic(self) -> int:
        """The topic that was asked for, by number or by typical words; by default the middle one by size.

        Raises
        ------
        SettingsError
            There is none such, or there are several.
        """
        if self.wanted is None:
            order = np.argsort(self.counts, kind="stable")
            order = order[self.counts[order] > 0]
            return int(order[len(order) // 2])
        if self.wanted.isdecimal() and int(self.wanted) < len(self.counts):
            return int(self.wanted)
        found = [k for k, label in enumerate(self.baseline.labels) if self.wanted.lower() in label.lower()]
        if len(found) != 1:
            known = "; ".join(f"{k}: {self.baseline.labels[k]}" for k in found or range(min(len(self.counts), 64)))
            what = "is among the words of several topics" if found else "is no topic"
            raise SettingsError(f"--topic {self.wanted!r} {what}; choose one by its number: {known}")
        return found[0]

    @property
    def elsewhere(self) -> Rows:
        """Calls of ``--from``, which the kind wants."""
        assert self.others is not None
        return self.others


@dataclass(frozen=True)
class Kind:
    """A kind of drift.

    Parameters
    ----------
    help
        What is done to the calls.
    said
        The drift as the subject of a sentence, with ``{size}``, ``{before}``, ``{after}`` and ``{topic}``.
    sizes
        Tried by default.
    put
        Into the calls, at a size.
    usual
        The share of calls that are like it already, where the size adds to one.
    elsewhere
        Whether calls of another file are wanted.
    """

    help: str
    said: str
    sizes: tuple[float, ...]
    put: Callable[[Material, float], Injection]
    usual: Callable[[Material], float] = lambda material: 0.0
    elsewhere: bool = False

    def sentence(self, material: Material, size: float) -> str:
        """A drift of this size, as the subject of a sentence."""
        before = self.usual(material)
        topic = material.label if "{topic}" in self.said else ""
        return self.said.format(size=percent(size), before=percent(before), after=percent(before + size), topic=topic)


def _stretched(series: tuple[str, ...], way: int) -> Callable[[Material, float], Injection]:
    def put(material: Material, size: float) -> Injection:
        if way < 0 and size >= 1:
            raise SettingsError(f"--size {size:.0%}: nothing can be shorter by all of it: ask for less than 100 %")
        return stretched(material.rows, series, 1 + way * size, np.random.default_rng(material.seed))

    return put


def _flagged(flag: str, help: str, said: str) -> Kind:
    return Kind(
        help,
        f"{said} growing from {{before}} to {{after}} of all",
        POINTS,
        lambda material, size: flagged(material.rows, flag, size),
        lambda material: float((material.rows["flags"][:, FLAGS.index(flag)] > 0).mean()),
    )


def _model(material: Material, size: float) -> Injection:
    other_topics = material.baseline.frame.topic(material.elsewhere["topic"])
    return answers_of(material.rows, material.topics, material.elsewhere, other_topics, size)


KINDS: Mapping[str, Kind] = {
    "topic": Kind(
        "more calls of one of the file's own topics (--topic)",
        "topic “{topic}” growing from {before} to {after} of calls",
        SHARES,
        lambda material, size: more_of(material.rows, material.topics, material.topic, size),
        lambda material: material.counts[material.topic] / len(material.rows),
    ),
    "new-topic": Kind(
        "calls of another file (--from) among them",
        "a {size} new topic",
        SHARES,
        lambda material, size: calls_of(material.rows, material.elsewhere, size),
        elsewhere=True,
    ),
    "model": Kind(
        "answers of another file (--from) to questions of the same topics",
        "another model behind {size} of the answers",
        SHARES,
        _model,
        elsewhere=True,
    ),
    "longer": Kind("all answers longer by SIZE", "answers longer by {size}", SHARES, _stretched(ANSWER_LENGTH, 1)),
    "shorter": Kind("all answers shorter by SIZE", "answers shorter by {size}", SHARES, _stretched(ANSWER_LENGTH, -1)),
    "slower": Kind("all answers slower by SIZE", "answers slower by {size}", SHARES, _stretched(TIMES, 1)),
    "error": _flagged("error", "more failing calls", "failing calls"),
    "truncated": _flagged("truncated", "more answers marked as cut off", "answers that are cut off"),
    "empty-output": _flagged("empty_output", "more empty answers", "empty answers"),
}
