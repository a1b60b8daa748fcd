"""Drift that is too small to matter."""

from __future__ import annotations

from collections.abc import Mapping

from drift.call import SCORES
from drift.fit import THUMBS_DOWN

TOLERANCES: Mapping[str, float] = {
    "topics": 0.03,
    "inputs": 0.05,
    "answers": 0.05,
    "input_length": 0.05,
    "output_length": 0.05,
    "latency": 0.05,
    "ttft": 0.05,
    "cost": 0.05,
    "off_topic": 0.01,
    "error": 0.01,
    "truncated": 0.01,
    "empty_output": 0.01,
    "prompt_chain": 0.25,
    **dict.fromkeys(SCORES, 0.05),
    THUMBS_DOWN: 0.01,
}
"""Drift that is too small to matter: total variation, standard deviations, relative change, share of calls.

Of a score, which has any scale, it is counted in the baseline's standard deviations: .018 of a yes or no of .84.
"""
