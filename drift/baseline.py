"""A frozen sum of calls and all that detectors learnt from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import safetensors.numpy
import xxhash

from drift import calibration as calibrating
from drift import codec
from drift import pane as panes
from drift.budget import Budget
from drift.calibration import FEWEST, RUNS, Calibration, Records, calibrate, promised
from drift.call import SCORES, SERIES, Declared, Rows, Slice
from drift.errors import BaselineRefusedError, CorruptError
from drift.finding import DRIFT, OVERRIDABLE, Finding, lowered, overridden, refusals, warnings
from drift.fit import Features, Fit, fit, rates
from drift.frame import Frame, frame
from drift.lens import ARRAYS, Lens
from drift.lens import check as check_lens
from drift.pane import Pane
from drift.panel import Panel, shares
from drift.parts import IntArray
from drift.soundness import LEAST, examine, seed
from drift.words import Vocabulary

REFERENCE = 5000
"""Calls whose measures a baseline keeps."""

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
        Where it came from: source, warnings, whether it was ``forced`` and what was ``overridden`` by that; its
        declared ``slices``, their field and values, the names of its ``scores``, its ``largest_session`` and, where it
        pools the calls of several segments, those ``members``.
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

    def __repr__(self) -> str:
        return f"Baseline({self.segment}, {self.pane.n:,} calls, {self.id})"

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

    @property
    def members(self) -> tuple[str, ...]:
        """Segments whose calls it pools; none where it is of one segment."""
        return tuple(self.facts.get("members", ()))

    def title(self, detector: str) -> str:
        """A detector's name for people and programs: a score has its own."""
        return score_titles(self.declared.scores).get(detector, detector.replace("_", " "))

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
        calls, each = budget.calls(self.calls_a_day), self.shares(budget)
        asked = calls, tuple(sorted(each.items()))
        if asked not in self._promised:
            self._promised[asked] = promised(self.calibration, each, calls, len(self.pane.sample.rows))
        return self._promised[asked]

    @cached_property
    def _promised(self) -> dict[tuple[float, tuple[tuple[str, float], ...]], dict[str, tuple[float, float]]]:
        """Thresholds by what they depend on: segments that share the baseline share them."""
        return {}

    def shares(self, budget: Budget) -> dict[str, float]:
        """Share of the false alarms that each detector may raise."""
        return shares((*self.panel.names, "prompt_chain"), budget.importance)

    def unit(self, detector: str) -> str:
        """What a scalar's detector counts: tokens, characters, ms or USD."""
        series = SERIES[self.fit.scales[detector].series]
        return {"tokens": "tokens", "chars": "characters", "ms": "ms", "musd": "USD"}[series.rsplit("_", 1)[1]]


class Kept(Protocol):
    """Where calibrations are kept, by content."""

    def get(self, key: str) -> bytes | None:
        """What was put under a key, None if nothing was."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Keep it."""
        ...


def score_titles(names: Sequence[str]) -> dict[str, str]:
    """Detectors of scores by what people call them."""
    return {detector: f"score {name}" for detector, name in zip(SCORES, names, strict=False)}


def build(
    lens: Lens,
    ticks: Sequence[Pane],
    block_sizes: Sequence[int],
    *,
    facts: Mapping[str, Any] | None = None,
    force: bool = False,
    drift_refuses: bool = True,
    runs: int = RUNS,
    kept: Kept | None = None,
    progress: Callable[[float], None] = lambda done: None,
) -> Baseline:
    """Baseline of these panes, checked, fitted and calibrated.

    Parameters
    ----------
    ticks
        Panes of the calls, their samples complete (``size`` at least their calls, up to 5,000 in all).
    force
        Build it although the check refuses; this and what was overridden are recorded in its facts.
    drift_refuses
        Whether a large drift inside the calls is refused; otherwise it is only warned of.
    kept
        Calibrations of earlier builds: the same calls are not calibrated twice.

    Raises
    ------
    BaselineRefusedError
        There are too few calls; or, and ``force`` is not given, too many of them repeat each other or they drift.
    """
    total = panes.merge(ticks, size=REFERENCE)
    rows, texts = total.sample.rows, total.sample.texts
    if total.n < LEAST:
        settle(examine(total, None), total.segment)
    made = frame(lens, rows, pooled=bool((facts or {}).get("members")))
    features = Features.of(made, rows)
    known = dict(facts or {})
    found = examine(
        total, features, largest_session=known.get("largest_session"), titles=score_titles(known.get("scores", ()))
    )
    warned, forced = settle(found, total.segment, force=force, drift_refuses=drift_refuses)
    vocabulary = Vocabulary.of([asked for asked, _ in texts])
    labels = tuple(
        ", ".join(vocabulary.typical([texts[i][0] for i in np.flatnonzero(features.topic == k)] if texts else [], 4))
        for k in range(made.topics)
    )
    calibration = None
    if len(rows) >= FEWEST and runs:
        calibration = _calibrated(made, features, rows, block_sizes, runs, kept, progress)
    bare = replace(total, sample=replace(total.sample, texts=()))
    known = {"warnings": warned, "forced": force, **({"overridden": forced} if forced else {}), **known}
    examples = _examples(features, texts)
    answers = tuple(answer for _, answer in texts[:ANSWERS] if answer)
    return Baseline(
        lens, bare, made, np.asarray(block_sizes), calibration, vocabulary, labels, examples, answers, known
    )


def _calibrated(
    made: Frame,
    features: Features,
    rows: Rows,
    block_sizes: Sequence[int],
    runs: int,
    kept: Kept | None,
    progress: Callable[[float], None],
) -> Calibration:
    """The calibration of these calls, from where it is kept if it was made before."""
    parts = [getattr(made, one.name) for one in fields(made)]
    content = [part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode() for part in parts]
    settings = repr((calibrating.VERSION, runs, list(block_sizes))).encode()
    key = xxhash.xxh3_64_hexdigest(b"\0".join([settings, rows.tobytes(), *content]))
    if kept and (data := kept.get(key)) is not None:
        return calibrating.decode(data)
    found = calibrate(made, features, block_sizes, runs=runs, seed=seed(rows), progress=progress)
    if kept:
        kept.put(key, calibrating.encode(found))
    return found


def settle(
    found: Sequence[Finding], segment: str, *, force: bool = False, drift_refuses: bool = True
) -> tuple[list[str], list[str]]:
    """What to warn of, and which refusals were overridden by force.

    Raises
    ------
    BaselineRefusedError
        A finding refuses and is not overridden: too few calls always, others unless ``force`` is given.
    """
    kept = lowered(found, OVERRIDABLE if force else () if drift_refuses else (DRIFT,))
    if refused := refusals(kept):
        raise BaselineRefusedError(f"segment {segment}: {'; also: '.join(refused)}")
    return warnings(kept), overridden(found) if force else []


def _examples(features: Features, texts: Sequence[panes.Texts]) -> tuple[Example, ...]:
    """The calls nearest to the middle of each topic."""
    found: list[Example] = []
    for topic in range(int(features.topic.max(initial=-1)) + 1 if texts else 0):
        here = np.flatnonzero(features.topic == topic)
        away = ((features.inputs[here] - features.inputs[here].mean(axis=0)) ** 2).sum(axis=1) if len(here) else here
        distinct = {texts[i]: None for i in here[np.argsort(away, kind="stable")]}
        found += [(topic, *pair) for pair in list(distinct)[:EXAMPLES]]
    return tuple(found)


_FORMAT = 3


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
        "calibration": _runs(calibration) if calibration else None,
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


def _runs(calibration: Calibration) -> list[Any]:
    return [calibration.runs, calibration.length, list(calibration.records), sorted(calibration.rated)]


def _calibration(about: Sequence[Any] | None, tensors: Mapping[str, Any]) -> Calibration | None:
    if about is None:
        return None
    runs, length, names, rated = about
    return Calibration(
        {name: Records(*(tensors[f"records.{name}.{part}"] for part in ("run", "at", "height"))) for name in names},
        runs,
        length,
        frozenset(rated),
    )
