"""All detectors of a baseline, stepping through blocks of calls together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from drift.call import SCORES
from drift.detectors.memory import FloatArray, Memory
from drift.detectors.rate import Rate
from drift.detectors.tilt import Reference, Tilt, Tilts
from drift.detectors.topics import Topics
from drift.fit import THUMBS_DOWN, Fit
from drift.frame import Frame
from drift.parts import IntArray, Whitening

KINDS = {
    "topics": "data",
    "inputs": "data",
    "input_length": "data",
    "off_topic": "data",
    "answers": "model",
    "output_length": "output_length",
    "latency": "operational",
    "ttft": "operational",
    "cost": "operational",
    "error": "operational",
    "truncated": "operational",
    "empty_output": "operational",
    "answers_overall": "model",
    "prompt_chain": "prompt",
    "hot_edit": "prompt",
    "unknown_version": "prompt",
    "unversioned": "prompt",
    **dict.fromkeys((*SCORES, THUMBS_DOWN), "quality"),
}
"""Which kind of drift each detector speaks of."""

QUESTIONS = {
    "topics": "data",
    "inputs": "data",
    "input_length": "data",
    "off_topic": "data",
    "answers": "model",
    "output_length": "output_length",
    "latency": "speed",
    "ttft": "speed",
    "cost": "cost",
    "error": "error",
    "truncated": "truncated",
    "empty_output": "empty_output",
    "answers_overall": "answers_overall",
    "prompt_chain": "prompt",
    "hot_edit": "hot_edit",
    "unknown_version": "unknown_version",
    "unversioned": "unversioned",
    **{name: name for name in (*SCORES, THUMBS_DOWN)},
}
"""Which question each detector answers: an alarm stands for one, so that slow answers do not hide failing ones."""

GIVEN_AWAY = 0.25
"""Share of the d / 2N nats a call that a bet could win from the baseline's own error, given away as slack."""

Mask = npt.NDArray[np.bool_]
Compared = Callable[[Mask], tuple[FloatArray, FloatArray]]
"""From grown topics (T, R, K), which are left out, to sums of residuals (T, R, P, r) and their calls (T, R, P)."""


def shares(names: Sequence[str], importance: Mapping[str, float]) -> dict[str, float]:
    """Share of the false alarms that each detector may raise; detectors of a kind have equal parts of its share."""
    each = Counter(KINDS[name] for name in names)
    whole = sum(importance[kind] for kind in each)
    return {name: importance[KINDS[name]] / each[KINDS[name]] / whole for name in names}


@dataclass(frozen=True, slots=True)
class Feed:
    """T blocks of calls of R replicas in a baseline's coordinates.

    ``scalars`` holds sums of the two Legendre polynomials ``(T, R, 2)`` and calls with a value ``(T, R)``; ``flags``
    flagged calls and all that could be, of the one replica that is judged live; ``slot`` the hour of the day or week of
    each block, None where blocks are compared with all hours.
    """

    calls: FloatArray  # (T, R)
    weight: FloatArray  # (T, R) in units of the budget
    topics: FloatArray  # (T, R, K)
    inputs: FloatArray  # (T, R, d)
    compared: Compared
    scalars: Mapping[str, tuple[FloatArray, FloatArray]]
    flags: Mapping[str, tuple[float, float]]
    slot: IntArray | None = None  # (T, R)


State = Mapping[str, Memory | FloatArray]


@dataclass(frozen=True)
class Panel:
    """The detectors of R replicas of a baseline (one when judging)."""

    topics: Topics
    tilts: Mapping[str, Tilt]
    rates: Mapping[str, Rate]
    whitenings: Sequence[Whitening]
    offsets: Mapping[str, FloatArray]  # (R, S, d) of a tilt's features in each slot; none where hours are alike

    @classmethod
    def of(cls, frame: Frame, fits: Sequence[Fit], rates: Mapping[str, Rate]) -> Panel:
        """Detectors for these fits; a detector without data in the baseline is left out."""
        size = np.array([fit.size for fit in fits])
        tilts = {}
        if frame.input_map.shape[1]:
            tilts["inputs"] = _inputs(fits, size)
        if frame.answer_blocks and fits[0].comparable:
            tilts["answers"] = _answers(frame, fits)
        for name, scale in fits[0].scales.items():
            if scale.verdict is None:  # else its rate is judged
                tilts[name] = _scalar(fits, name)
        slack = GIVEN_AWAY * frame.topics / (2 * size.mean())
        return cls(
            Topics(np.stack([fit.proportions for fit in fits]), size, slack, _topics_by_slot(fits)),
            tilts,
            rates,
            [fit.whitening for fit in fits],
            _offsets(fits, tilts),
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Detectors in the order of ``KINDS``."""
        there = {"topics", *self.tilts, *self.rates}
        return tuple(name for name in KINDS if name in there)

    def start(self) -> State:
        """State of having seen nothing."""
        state: dict[str, Memory | FloatArray] = {"topics": self.topics.start()}
        state |= {name: tilt.start() for name, tilt in self.tilts.items()}
        return state | {name: rate.start() for name, rate in self.rates.items()}

    def update(self, state: State, feed: Feed) -> tuple[State, dict[str, FloatArray]]:
        """State after the blocks, and each detector's evidence after every one of them, natural log, ``(T, R)``."""
        after: dict[str, Memory | FloatArray] = {}
        course: dict[str, FloatArray] = {}
        after["topics"], course["topics"], grown = self.topics.update(
            _memory(state["topics"]), feed.topics, feed.calls, feed.weight, feed.slot
        )
        if self.tilts:
            tilts = {name: _memory(state[name]) for name in self.tilts}
            fed = {name: self._sums(name, feed, grown) for name in self.tilts}
            moved, courses = self._together.update(tilts, fed, feed.calls, feed.weight)
            after.update(moved)
            course |= courses
        for name, rate in self.rates.items():
            flagged, calls = feed.flags.get(name, (0, 0))
            evidence = state[name]
            assert isinstance(evidence, np.ndarray)
            slot = None if feed.slot is None else int(feed.slot[0, 0])
            after[name], statistic = rate.update(evidence, flagged, calls, float(feed.weight[0, 0]), slot)
            course[name] = statistic.reshape(1, 1)
        return after, course

    @cached_property
    def _together(self) -> Tilts:
        return Tilts(self.tilts)

    def _sums(self, name: str, feed: Feed, grown: Mask) -> tuple[FloatArray, FloatArray]:
        """Sums of a detector's features and their calls by part, less what is due to the hour."""
        sums, n = self._raw(name, feed, grown)
        if name in self.offsets and feed.slot is not None:
            sums = sums - n * self.offsets[name][np.arange(len(self.whitenings)), feed.slot]
        return sums, n

    def _raw(self, name: str, feed: Feed, grown: Mask) -> tuple[FloatArray, FloatArray]:
        if name == "inputs":
            return feed.inputs, feed.topics.sum(axis=2)[..., None]
        if name == "answers":
            sums, n = feed.compared(grown)
            return np.stack([one.judged(sums[:, r]) for r, one in enumerate(self.whitenings)], axis=1), n
        sums, n = feed.scalars[name]
        return sums, n[..., None]


def _topics_by_slot(fits: Sequence[Fit]) -> FloatArray | None:
    known = [fit.seasons.proportions(fit.proportions) for fit in fits if fit.seasons is not None]
    return np.stack(known) if len(known) == len(fits) else None


def _offsets(fits: Sequence[Fit], tilts: Iterable[str]) -> dict[str, FloatArray]:
    """What the features of each slot differ in from those of all hours; answers are compared given their inputs."""
    known = [fit.seasons for fit in fits if fit.seasons is not None]
    if len(known) < len(fits):
        return {}
    return {name: np.stack([one.offsets(name) for one in known]) for name in tilts if name != "answers"}


def _memory(state: Memory | FloatArray) -> Memory:
    assert isinstance(state, Memory)
    return state


def _inputs(fits: Sequence[Fit], size: FloatArray) -> Tilt:
    width = fits[0].inputs.shape[1]
    return Tilt(
        np.stack([fit.input_mean for fit in fits]),
        [[Reference(_centred_inputs(fit), fit.input_weights)] for fit in fits],
        ((0, width),),
        ((0, 1),),
        size[:, None],
        np.array([GIVEN_AWAY / (2 * size.mean())]),
    )


def _centred_inputs(fit: Fit) -> FloatArray:
    """Inputs less the mean, that of their own slot where hours differ."""
    return np.asarray((fit.inputs if fit.seasons is None else fit.seasons.residuals) - fit.input_mean)


def _answers(frame: Frame, fits: Sequence[Fit]) -> Tilt:
    made = [[_part(fit, part) for part in range(frame.part_count)] for fit in fits]
    size = np.array([[n for _, _, n in parts] for parts in made])
    return Tilt(
        np.stack([np.concatenate([mean for mean, _, _ in parts]) for parts in made]),
        [[reference for _, reference, _ in parts] for parts in made],
        *fits[0].whitening.layout,
        size,
        GIVEN_AWAY / (2 * size.mean(axis=0)),
    )


def _part(fit: Fit, part: int) -> tuple[FloatArray, Reference, float]:
    """Mean, centred residuals and calls of a part."""
    here = fit.residual_part == part
    weights, n = fit.residual_weights[here], max(float(fit.residual_weights[here].sum()), 1.0)
    values = fit.residuals[here] @ fit.whitening.maps[part]
    mean = weights @ values / n
    return mean, Reference((values - mean) * fit.whitening.spreads[part], weights / n), n


def _scalar(fits: Sequence[Fit], name: str) -> Tilt:
    scales = [fit.scales[name] for fit in fits]
    size = np.array([scale.n for scale in scales])
    bases = [scale.basis(scale.bins) for scale in scales]
    means = [scale.weights @ basis / scale.n for scale, basis in zip(scales, bases, strict=True)]
    references = [[_ranks(fit, name, basis, mean)] for fit, basis, mean in zip(fits, bases, means, strict=True)]
    slack = np.array([GIVEN_AWAY / (2 * size.mean())])
    return Tilt(np.stack(means), references, ((0, 1), (1, 2)), ((0, 2),), size[:, None], slack, cap=0.6)


def _ranks(fit: Fit, name: str, basis: FloatArray, mean: FloatArray) -> Reference:
    """Polynomials less their mean, that of their own slot where hours differ."""
    scale = fit.scales[name]
    if fit.seasons is None:
        return Reference(basis - mean, scale.weights / scale.n)
    cycle = fit.seasons.scalars[name]
    return Reference(cycle.residuals - mean, cycle.counted / scale.n)
