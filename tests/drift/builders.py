"""A small world of measured calls: six topics on a 16-dimensional sphere, answers that follow from questions."""

from functools import cache

import numpy as np

from drift import lens as lenses
from drift.baseline import build
from drift.bins import to_bins
from drift.block import sizes
from drift.call import GRID, MARKERS, ROW, SERIES
from drift.fit import Features
from drift.pane import Pane

DIM, BUCKETS, TOPICS = 16, 32, 6
TICK_MS = 10_000
SEGMENT = "shop/answer"
STRATUM = 77

_world = np.random.default_rng(1)
_CENTRES = _world.normal(size=(TOPICS, DIM))
_ANSWER = _world.normal(size=(DIM, DIM)) / np.sqrt(DIM)
_FORMAT = _world.normal(size=(DIM, BUCKETS)) / np.sqrt(DIM)
_NEW_MODEL = _world.normal(size=DIM)


def grid(vectors):
    """Rows of unit length on the grid."""
    return np.rint(vectors / np.linalg.norm(vectors, axis=1, keepdims=True) * GRID).astype(np.int16)


def vectors(n, seed, *, mix=None, model=0.0):
    """Inputs, outputs and formats of calls, topics drawn by ``mix``, answers moved by ``model``."""
    rng = np.random.default_rng(seed)
    topic = rng.choice(TOPICS, n, p=mix)
    inputs = _CENTRES[topic] + rng.normal(size=(n, DIM))
    outputs = inputs @ _ANSWER + rng.normal(size=(n, DIM)) + model * _NEW_MODEL
    formats = outputs @ _FORMAT + rng.normal(size=(n, BUCKETS))
    return grid(inputs), grid(outputs), grid(formats)


@cache
def lens():
    """A lens made for the world's calls."""
    return lenses.fit("embedder", "format", *vectors(1200, 2))


def calls(n, seed, *, mix=None, model=0.0, longer=1.0, errors=0.02, start=0, **markers):
    """Rows of measured calls, one a second from the ``start``-th on."""
    rng = np.random.default_rng([seed, 1])
    rows = np.zeros(n, ROW)
    rows["topic"], rows["band"], rows["features"] = lens().see(*vectors(n, seed, mix=mix, model=model))
    for name in ("key", "call", "content", "asked"):
        rows[name] = rng.integers(1, 2**63, n)
    rows["at"] = (start + np.arange(n)) * 1000
    rows["stratum"], rows["answered"] = STRATUM, 1
    values = np.full((n, len(SERIES)), np.nan)
    for name, typical in {"input_chars": 80, "output_chars": 400 * longer, "latency_ms": 900}.items():
        values[:, SERIES.index(name)] = typical * np.exp(0.5 * rng.normal(size=n))
    rows["bins"] = to_bins(values)
    rows["flags"][:, 0] = rng.random(n) < errors
    for name, value in markers.items():
        rows["markers"][:, MARKERS.index(name)] = value
    return rows


def pane(rows, *, size=64, texts=(), names=None):
    """Pane of rows over the ticks that they span."""
    low, high = (int(rows["at"].min()), int(rows["at"].max())) if len(rows) else (0, 0)
    span = low // TICK_MS * TICK_MS, (high // TICK_MS + 1) * TICK_MS
    return Pane.of(lens().id, SEGMENT, span, rows, texts, names or {}, size=size)


def ticks(rows, *, size=64):
    """Panes of the ticks of rows, in order of time."""
    tick = rows["at"] // TICK_MS
    return [pane(rows[tick == one], size=size) for one in np.unique(tick)]


@cache
def baseline(n=2000, seed=3, runs=0):
    """Baseline of undrifted calls."""
    made = ticks(calls(n, seed, served_model=5), size=5000)
    return build(lens(), made, sizes(made), runs=runs)


@cache
def features(n=2000, seed=3):
    """The baseline's reference calls in its own coordinates."""
    made = baseline(n, seed)
    return Features.of(made.frame, made.pane.sample.rows)
