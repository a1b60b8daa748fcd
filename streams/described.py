"""A baseline's card as a value, for programs and pages."""

from __future__ import annotations

from typing import Any

import numpy as np

from drift import seasons
from drift.baseline import Baseline
from drift.budget import Budget
from drift.call import SCORES
from streams.evidence import instant


def described(baseline: Baseline, budget: Budget) -> dict[str, Any]:
    """A baseline's card as a value: topics by share, detectors with their thresholds, and where it came from."""
    topic = baseline.frame.topic(baseline.pane.sums.cells["topic"])
    asked = topic >= 0
    calls = np.bincount(topic[asked], baseline.pane.sums.cells["n"][asked], baseline.frame.topics)
    shares = calls / max(calls.sum(), 1)
    return {
        "baseline": baseline.id,
        "segment": baseline.segment,
        "calls": baseline.pane.n,
        "reference_calls": len(baseline.pane.sample.rows),
        "from": instant(baseline.pane.tick),
        "to": instant(baseline.pane.end),
        "lens": baseline.lens.id,
        "embedder": baseline.lens.embedder,
        "topics": [
            {"label": baseline.labels[k], "share": round(float(shares[k]), 4)}
            for k in np.argsort(-shares, kind="stable")
        ],
        "one_false_alarm_every": str(budget),
        "calibrated": baseline.calibration is not None,
        "compared": seasons.described(baseline.frame.slots),
        "detectors": [
            {
                "name": baseline.title(name) if name in SCORES else name,
                "threshold": round(threshold, 3),
                "guaranteed": round(sure, 3),
            }
            for name, (threshold, sure) in baseline.thresholds(budget).items()
        ],
        "facts": dict(baseline.facts),
    }
