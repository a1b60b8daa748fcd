"""A frozen sum of calls and all that detectors learnt from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import safetensors.numpy
import xxhash

from drift import codec, seasons
from drift import pane as panes
from drift.budget import Budget
from drift.calibration import FEWEST, RUNS, Calibration, Records, calibrate, promised
from drift.call import SCORES, SERIES, Declared, Rows, Slice
from drift.errors import BaselineRefusedError, CorruptError
from drift.fit import Features, Fit, fit, rates
from drift.frame import Frame, frame
from drift.lens import ARRAYS, Lens
from drift.lens import check as check_lens
from drift.pane import Pane
from drift.panel import Panel
from drift.parts import IntArray
from drift.words import Vocabulary

REFERENCE = 5000
"""Calls whose measures a baseline keeps."""

LEAST = 200
"""Calls below which there is no baseline."""

REPEATED_WARN, REPEATED_REFUSE = 0.2, 0.5
"""Shares of calls whose input already occurred at which a baseline warns, and refuses."""

EXAMPLES = 5
ANSWERS = 256

Example = tuple[int, str, str]
"""Topic, input and output of a typical call."""


@dataclass(frozen=True, eq=False)
class Baseline:
    """What is normal for a segment.

    Parameters
    ----------
    pane
        Sum of its calls, with up to 5,000 reference calls as its sample.
    blocks
        Calls in each of its blocks, as the judge forms them.
    calibration
        Record highs of resampled streams; None where there were too few calls.
    vocabulary, labels, examples
        How its topics are put into words.
    answers
        A fair sample of its answers, cut short.
    facts
        Where it came from: source, warnings, whether it was forced; its declared ``slices``, their field and values,
        and the names of its ``scores``.
    """

    lens: Lens
    pane: Pane
    frame: Frame
    blocks: IntArray
    calibration: Calibration | None
    vocabulary: Vocabulary
    labels: tuple[str, ...]
    examples: tuple[Example, ...]
    answers: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def segment(self) -> str:
        """App and prompt name."""
        return self.pane.segment

    @cached_property
    def id(self) -> str:
        """Address: 16 hexadecimal digits of the content."""
        return xxhash.xxh3_64_hexdigest(encode(self))

    @cached_property
    def declared(self) -> Declared:
        """Declared fields with the values of each whose sums are kept, and the names of scores."""
        slices = tuple(Slice(one["field"], tuple(one["values"])) for one in self.facts.get("slices", ()))
        return Declared(slices, tuple(self.facts.get("scores", ())))

    @property
    def slices(self) -> tuple[Slice, ...]:
        """Declared fields and the values of each whose sums are kept."""
        return self.declared.slices

    def title(self, detector: str) -> str:
        """A detector's name for people and programs: a score has its own."""
        names = dict(zip(SCORES, self.declared.scores, strict=False))
        return f"score {names[detector]}" if detector in names else detector.replace("_", " ")

    @cached_property
    def features(self) -> Features:
        """Its reference calls in its own coordinates."""
        return Features.of(self.frame, self.pane.sample.rows)

    @cached_property
    def fit(self) -> Fit:
        """What detectors know of it."""
        return fit(self.frame, self.features, np.ones(len(self.features.topic)))

    @cached_property
    def panel(self) -> Panel:
        """Its detectors."""
        return Panel.of(self.frame, [self.fit], rates(self.features, self.fit.scales, slots=self.frame.slots))

    @property
    def calls_a_day(self) -> float:
        """Its rate of calls."""
        return self.pane.n / max((self.pane.end - self.pane.tick) / 86_400_000, 1e-6)

    def thresholds(self, budget: Budget) -> dict[str, tuple[float, float]]:
        """Threshold and guaranteed threshold of each detector for a budget that they share."""
        calls = budget.calls(self.calls_a_day)
        return promised(self.calibration, (*self.panel.names, "prompt_chain"), self.panel.resampled, calls)

    def unit(self, detector: str) -> str:
        """What a scalar's detector counts: tokens, characters, ms or USD."""
        series = SERIES[self.fit.scales[detector].series]
        return {"tokens": "tokens", "chars": "characters", "ms": "ms", "musd": "USD"}[series.rsplit("_", 1)[1]]


def build(
    lens: Lens,
    ticks: Sequence[Pane],
    block_sizes: Sequence[int],
    *,
    facts: Mapping[str, Any] | None = None,
    force: bool = False,
    runs: int = RUNS,
    progress: Callable[[float], None] = lambda done: None,
) -> Baseline:
    """Baseline of these panes, checked, fitted and calibrated.

    Parameters
    ----------
    ticks
        Panes of the calls, their samples complete (``size`` at least their calls, up to 5,000 in all).
    force
        Build it although the check objects; this is recorded in its facts.

    Raises
    ------
    BaselineRefusedError
        There are too few calls, or too many of them repeat each other and ``force`` is not given.
    """
    total = panes.merge(ticks, size=REFERENCE)
    warnings = check(total, force=force)
    rows, texts = total.sample.rows, total.sample.texts
    made = frame(lens, rows)
    features = Features.of(made, rows)
    vocabulary = Vocabulary.of([asked for asked, _ in texts])
    labels = tuple(
        ", ".join(vocabulary.typical([texts[i][0] for i in np.flatnonzero(features.topic == k)] if texts else [], 4))
        for k in range(made.topics)
    )
    calibration = None
    if len(rows) >= FEWEST and runs:
        calibration = calibrate(made, features, block_sizes, runs=runs, seed=_seed(rows), progress=progress)
    bare = replace(total, sample=replace(total.sample, texts=()))
    known = {"warnings": list(warnings), "forced": force, **(facts or {})}
    examples = _examples(features, texts)
    answers = tuple(answer for _, answer in texts[:ANSWERS] if answer)
    return Baseline(
        lens, bare, made, np.asarray(block_sizes), calibration, vocabulary, labels, examples, answers, known
    )


def check(total: Pane, *, force: bool = False) -> tuple[str, ...]:
    """Warnings about calls that are to be a baseline.

    Raises
    ------
    BaselineRefusedError
        There are fewer than 200, whatever ``force`` says, or more than half repeat an earlier input and it is not
        given.
    """
    if total.n < LEAST:
        raise BaselineRefusedError(
            f"segment {total.segment}: a baseline needs at least {LEAST} calls, got {total.n}: "
            "give a longer range of calls"
        )
    warnings = []
    repeated = repeats(total)
    if repeated > REPEATED_REFUSE and not force:
        raise BaselineRefusedError(
            f"segment {total.segment}: {repeated * 100:.0f} % of the calls repeat an earlier input, "
            f"at most {REPEATED_REFUSE * 100:.0f} % may: calls would count as fresh evidence that are not; "
            "take them from varied traffic, or say --force"
        )
    if repeated > REPEATED_WARN:
        warnings.append(
            f"{repeated * 100:.0f} % of the calls repeat an earlier input: thresholds rest on fewer distinct calls"
        )
    users = total.sample.rows["user"][total.sample.rows["user"] > 0]
    if len(users) and (share := np.unique(users, return_counts=True)[1].max() / len(total.sample.rows)) > REPEATED_WARN:
        warnings.append(f"one user made {share * 100:.0f} % of the calls")
    if total.n < 1000:
        warnings.append(f"only {total.n} calls: small changes will be noticed late; 3,000 or more serve better")
    if seasons.count(total.sample.rows["at"]) == 1:
        warnings.append("it covers less than a day: what it cannot know of the daily cycle may look like drift")
    return tuple(warnings)


def repeats(total: Pane) -> float:
    """Share of the reference calls whose input occurred before."""
    rows = total.sample.rows
    asked = rows["asked"][rows["topic"] >= 0]
    return (len(asked) - len(np.unique(asked))) / max(len(asked), 1)


def _seed(rows: Rows) -> int:
    return xxhash.xxh3_64_intdigest(np.ascontiguousarray(rows["key"]).tobytes()) & 0x7FFFFFFF


def _examples(features: Features, texts: Sequence[panes.Texts]) -> tuple[Example, ...]:
    """The calls nearest to the middle of each topic."""
    found: list[Example] = []
    for topic in range(int(features.topic.max(initial=-1)) + 1 if texts else 0):
        here = np.flatnonzero(features.topic == topic)
        away = ((features.inputs[here] - features.inputs[here].mean(axis=0)) ** 2).sum(axis=1) if len(here) else here
        distinct = {texts[i]: None for i in here[np.argsort(away, kind="stable")]}
        found += [(topic, *pair) for pair in list(distinct)[:EXAMPLES]]
    return tuple(found)


_FORMAT = 2


def encode(baseline: Baseline) -> bytes:
    """Bytes of a baseline and its lens, as a safetensors file; equal baselines give equal bytes."""
    lens, made, calibration = baseline.lens, baseline.frame, baseline.calibration
    tensors: dict[str, np.ndarray[Any, Any]] = {f"lens.{name}": getattr(lens, name) for name in ARRAYS}
    tensors |= {f"frame.{name}": getattr(made, name) for name in ("groups", "input_mean", "input_map", "answer_map")}
    tensors["frame.parts"] = made.parts
    tensors["blocks"] = baseline.blocks
    tensors["pane"] = np.frombuffer(panes.encode(baseline.pane), np.uint8)
    for name, records in (calibration.records if calibration else {}).items():
        tensors |= {f"records.{name}.{part}": getattr(records, part) for part in ("run", "at", "height")}
    about = {
        "format": _FORMAT,
        "embedder": lens.embedder,
        "format_view": lens.format_view,
        "frame": [made.answer_blocks, made.bands, [format(stratum, "x") for stratum in made.strata]],
        "calibration": [calibration.runs, calibration.length, list(calibration.records)] if calibration else None,
        "vocabulary": [baseline.vocabulary.n, dict(baseline.vocabulary.frequency)],
        "labels": baseline.labels,
        "examples": baseline.examples,
        "answers": baseline.answers,
        "facts": baseline.facts,
        **({"slots": made.slots} if made.slots > 1 else {}),
    }
    metadata = {"driftline_baseline": json.dumps(about, sort_keys=True)}  # one key: their order in the file is random
    return safetensors.numpy.save({name: np.ascontiguousarray(a) for name, a in tensors.items()}, metadata)


def decode(data: bytes) -> Baseline:
    """Baseline of these bytes.

    Raises
    ------
    CorruptError
        They are not a baseline, are damaged, or are of a format that this release does not read.
    """
    try:
        about, tensors = codec.open_tensors(data, "driftline_baseline", _FORMAT)
        lens = Lens(about["embedder"], about["format_view"], *(tensors[f"lens.{name}"] for name in ARRAYS))
        blocks, bands, strata = about["frame"]
        made = Frame(
            tensors["frame.groups"],
            tensors["frame.input_mean"],
            tensors["frame.input_map"],
            tensors["frame.answer_map"],
            tuple((low, high) for low, high in blocks),
            bands,
            tuple(int(stratum, 16) for stratum in strata),
            tensors["frame.parts"],
            about.get("slots", 1),
        )
        calibration = _calibration(about["calibration"], tensors)
        return Baseline(
            check_lens(lens),
            panes.decode(tensors["pane"].tobytes()),
            made,
            tensors["blocks"],
            calibration,
            Vocabulary(*about["vocabulary"]),
            tuple(about["labels"]),
            tuple((topic, asked, answered) for topic, asked, answered in about["examples"]),
            tuple(about["answers"]),
            about["facts"],
        )
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise CorruptError(
            f"not a baseline, or damaged on the way ({error}): fetch it again or build it anew"
        ) from error


def _calibration(about: Sequence[Any] | None, tensors: Mapping[str, Any]) -> Calibration | None:
    if about is None:
        return None
    runs, length, names = about
    return Calibration(
        {name: Records(*(tensors[f"records.{name}.{part}"] for part in ("run", "at", "height"))) for name in names},
        runs,
        length,
    )
