"""Evidently's drift of embeddings and of text, as documented: a window of current rows against reference rows.

``REFERENCE`` of the baseline's calls are the reference, for most methods look at all of it in every check.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pandas as pd
from evidently.legacy.metrics.data_drift import embedding_drift_methods as methods
from evidently.legacy.utils.data_drift_utils import calculate_text_drift_score

from benchmarks.kinds.courses import Course
from benchmarks.quality.peers.base import Data, IntArray, Peer, Watch, stepwise, windows

REFERENCE = 1000
WINDOW = 500
EVERY = 100
FAMILIES = ("clinc150", "oasst 12b")
VECTORS = ("topics", "models")


def embeddings(make: Callable[[], methods.DriftMethod]) -> Callable[[Data, IntArray], Watch]:
    """Drift score of the embeddings of each window."""

    def fit(data: Data, baseline: IntArray) -> Watch:
        method, reference = make(), frame(data, baseline[:REFERENCE])

        def watch(calls: IntArray, stop: float) -> Course:
            scores = (method(frame(data, part), reference.copy())[0] for part in windows(calls, WINDOW, EVERY))
            return stepwise(map(float, scores), stop, EVERY, WINDOW - EVERY)

        return watch

    return fit


def frame(data: Data, calls: IntArray) -> pd.DataFrame:
    """Embeddings by columns."""
    values = data.values(calls)
    return pd.DataFrame(values, columns=[f"e{number}" for number in range(values.shape[1])])


def text(data: Data, baseline: IntArray) -> Watch:
    """Area under the curve of a classifier that tells the texts of a window from the reference's."""
    reference = pd.Series(data.words(baseline[:REFERENCE]))

    def score(part: IntArray) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(calculate_text_drift_score(reference, pd.Series(data.words(part)), bootstrap=False)[0])

    def watch(calls: IntArray, stop: float) -> Course:
        return stepwise(map(score, windows(calls, WINDOW, EVERY)), stop, EVERY, WINDOW - EVERY)

    return watch


def peer(name: str, fit: Callable[[Data, IntArray], Watch], default: float, calm: int = 1, changed: int = 1) -> Peer:
    """A method, with the threshold it is documented with; each held-out domain once at least."""
    return Peer(
        f"Evidently {name}, window {WINDOW}",
        fit,
        VECTORS,
        default=default,
        every=EVERY,
        calm=calm,
        changed=changed,
        lead=WINDOW,
        families=FAMILIES,
        packages=("evidently", "pandas", "scikit-learn", "numpy"),
    )


PEERS = (
    peer("embeddings: model", embeddings(methods.model), 0.55, calm=2),
    peer("embeddings: ratio", embeddings(methods.ratio), 0.2),
    peer("embeddings: mmd", embeddings(methods.mmd), 0.015),
    peer("embeddings: distance", embeddings(methods.distance), 0.2, calm=6, changed=4),
    peer("text: domain classifier", text, 0.55, calm=2),
)
