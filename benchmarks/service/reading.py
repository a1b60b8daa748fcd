"""What the observer costs beside a bare consumer, the embedder left out."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import numpy as np

from benchmarks.report import ratio
from benchmarks.service import calls
from benchmarks.service.cluster import Cluster
from benchmarks.service.observed import HEADS, LATENESS_S, LIVE, bare, observing, paces
from benchmarks.service.results import Found
from benchmarks.workloads import SEED
from models.base import FloatArray, unit_rows
from streams.measure import Meter

CALLS, ROUNDS = 160_000, 3
GOAL_CALLS_S, GOAL_RATIO = 100_000, 0.4


class NullEmbedder:
    """Embeds everything as nothing, at no cost."""

    identity, dim, exact = "null", 256, True

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Rows of zeros."""
        return np.zeros((len(texts), self.dim), np.float32)

    def anchors(self) -> FloatArray:
        """Any directions, for a lens."""
        return unit_rows(np.random.default_rng(SEED).normal(size=(4096, self.dim)).astype(np.float32))


def run(cluster: Cluster) -> Found:
    """Both take turns on one topic; the observer commits, so each of its rounds has a group of its own."""
    loaded = calls.lines(CALLS)
    size = sum(len(value) for _, value in loaded) / CALLS
    service = cluster.service(lateness_s=LATENESS_S, live=LIVE)
    service.load(loaded)
    rounds = [
        (bare(service, CALLS), observing(service.again(f"round{number}"), CALLS, Meter(NullEmbedder())))
        for number in range(ROUNDS)
    ]
    plain, observed = ([pair[side] for pair in rounds] for side in (0, 1))
    share = ratio([one.calls_s for one in observed], [one.calls_s for one in plain])
    usual = median(one.calls_s for one in observed)
    return Found(
        "Reading",
        f"{CALLS:,} calls of {size:,.0f} bytes in four partitions, {ROUNDS} rounds that took turns. The observer "
        "decodes every field, sees each call through a lens with its format view, and publishes panes.",
        HEADS,
        [
            ["aiokafka and one decoded field", *paces(plain)],
            ["observer, embedder that costs nothing", *paces(observed)],
            ["ratio, median of rounds", "", f"{share:.3f}", "", ""],
        ],
        f"{GOAL_CALLS_S:,} calls/s, or {GOAL_RATIO} of the bare consumer",
        usual >= GOAL_CALLS_S or share >= GOAL_RATIO,
    )
