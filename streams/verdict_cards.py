"""What a verdict file says of a baseline, its detectors and, in the end, of a segment."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from drift import prompts
from drift.baseline import Baseline
from drift.call import SERIES
from drift.false_alarms import calibrating
from drift.lens import SCALE
from drift.mix import split
from drift.panel import KINDS
from drift.state import Judge
from streams.described import described
from streams.embedded import Segment
from streams.evidence import chain_link, rounded, split_fields
from streams.verdict_columns import BaselineCard, Calibrating, DetectorCard, Summary, TopicCard
from streams.verdicts import segment_verdict

HISTOGRAMS = ("output_length", "latency")
"""Scalars whose whole distribution is kept."""


def baseline_card(segment: str, judge: Judge) -> BaselineCard:
    """What a segment is compared with, and by which detectors."""
    baseline = judge.baseline
    card = described(baseline, judge.budget)
    shares, places = baseline.fit.proportions, _map(baseline)
    each = baseline.shares(judge.budget)
    runs = calibrating(baseline, {name: threshold for name, (threshold, _) in judge.thresholds.items()})
    tally = runs.tally(judge.budget.calls(judge.calls_a_day)) if runs else None
    scales = baseline.fit.scales
    return BaselineCard(
        segment,
        baseline.id,
        baseline.lens.id,
        {name: value for name, value in card.items() if name not in ("topics", "detectors")},
        rounded(judge.budget.calls(judge.calls_a_day)),
        [
            TopicCard(label, rounded(share), rounded(x), rounded(y))
            for label, share, (x, y) in zip(baseline.labels, shares.tolist(), places.tolist(), strict=True)
        ],
        [
            DetectorCard(
                name,
                baseline.title(name),
                KINDS[name],
                rounded(threshold),
                rounded(sure),
                rounded(each[name]),
                judge.tolerances.get(name),
                int(np.isfinite(runs.first[name]).sum()) if runs and name in runs.first else None,
            )
            for name, (threshold, sure) in judge.thresholds.items()
        ],
        {
            name: {
                "unit": baseline.unit(name),
                "series": SERIES[scales[name].series],
                "bins": list(zip(scales[name].bins.tolist(), scales[name].weights.astype(int).tolist(), strict=True)),
            }
            for name in HISTOGRAMS
            if name in scales
        },
        Calibrating(len(runs.length), tally.alarms, round(tally.exposure)) if runs and tally else None,
    )


def _map(baseline: Baseline) -> npt.NDArray[np.float64]:
    """Topics on a plane: the two directions in which their centres differ most, shape ``(topics, 2)``."""
    groups, centres = baseline.frame.groups, baseline.lens.codebook.astype(np.float64) / SCALE
    middle = np.stack([centres[groups == one].mean(axis=0) for one in range(baseline.frame.topics)])
    away = middle - baseline.fit.proportions @ middle
    _, _, ways = np.linalg.svd(away, full_matrices=False)
    ways = ways[:2] * np.sign(ways[:2, np.abs(ways[:2]).argmax(axis=1)].diagonal())[:, None]
    return np.asarray(away @ ways.T)


def summary(segment: Segment) -> Summary:
    """What is to be said of a segment in the end."""
    judge, state = segment.judge, segment.state
    verdict = segment_verdict(segment)
    if judge is None or state is None or not state.calls:
        return Summary(segment.name, verdict)
    recent = state.history.since(state.history.reaching(judge.clear_after, state.calls))[: judge.layout.width]
    parts = {name: split(judge.baseline, judge.layout, name, recent) for name in judge.layout.scalars}
    anchor = judge.anchor
    return Summary(
        segment.name,
        verdict,
        {name: split_fields(one, False) for name, one in parts.items() if one is not None},
        anchor.name if anchor else "",
        [chain_link(one) for one in prompts.links(anchor, state.chain)] if anchor else [],
    )
