"""A baseline whose texts say no more than the setting allows, though it was built when more was kept."""

from __future__ import annotations

from dataclasses import replace

from drift.baseline import Baseline
from drift.words import Vocabulary
from streams.redact import EXCERPT, Privacy, redacted

_STRICTER: tuple[Privacy, ...] = ("full", "redacted", "none")


def private(baseline: Baseline, privacy: Privacy) -> Baseline:
    """The same baseline, under the same id, for whoever is to speak of it: its texts redacted or left out.

    Labels of topics are made anew of redacted examples; verdicts do not depend on any of it.
    """
    built = _STRICTER.index(baseline.facts.get("texts", "full"))
    if _STRICTER.index(privacy) <= built:
        return baseline
    nothing = ("",) * len(baseline.labels)
    if privacy == "none":
        made = replace(baseline, vocabulary=Vocabulary(0, {}), labels=nothing, examples=(), answers=())
    else:
        examples = tuple((topic, _again(asked), _again(answered)) for topic, asked, answered in baseline.examples)
        asked_of = [[asked for topic, asked, _ in examples if topic == k] for k in range(len(nothing))]
        labels = tuple(", ".join(baseline.vocabulary.typical(asked, 4)) if asked else "" for asked in asked_of)
        answers = tuple(map(_again, baseline.answers))
        made = replace(baseline, labels=labels, examples=examples, answers=answers)
    vars(made)["id"] = baseline.id  # the address of what is stored, not of this view of it
    return made


def _again(excerpt: str) -> str:
    """An excerpt redacted; one that was cut may end in half a secret."""
    return redacted(excerpt, whole=len(excerpt) < EXCERPT)
