"""Microseconds a text from text to vectors, beside the peers: ``python -m benchmarks.speed_models``.

Batches of 256 texts; every repeat sees a batch of its own, in which one word in twelve is a number never seen before.
The peers are WordLlama's own ``embed`` and, if installed, scikit-learn's ``HashingVectorizer``; they run turn by turn
with the code measured, so that a busy machine slows both.
"""

from __future__ import annotations

import importlib
import random
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from benchmarks.report import REPEATS, alternate, describe_machine, heading, ratio, show
from benchmarks.workloads import BATCH, LENGTHS, SEED, FreeEmbedder, make_texts
from models.cache import GridEmbedder
from models.ngrams import trigram_view
from models.static import StaticEmbedder

Step = Callable[[Sequence[str]], Any]


def main() -> None:
    describe_machine("benchmarks.speed_models")
    rng = random.Random(SEED)
    batches = {name: [make_texts(rng, words) for _ in range(REPEATS + 1)] for name, words in LENGTHS.items()}
    embedder = StaticEmbedder()
    heading(f"µs a text, {REPEATS} batches of {BATCH}")
    for name, made in batches.items():
        characters = statistics.mean(len(text) for batch in made for text in batch)
        print(f"{name} texts, {characters:.0f} characters")
        compare("embed", embedder.embed, made, "WordLlama.embed", library_embed())
        compare("format view", trigram_view, made, "HashingVectorizer, 3-grams", hashing_vectorizer())
        grid = GridEmbedder(FreeEmbedder(embedder.dim))
        compare("grid and cache, texts all new", grid.measure, made)
        compare("grid and cache, texts all remembered", grid.measure, made)


def compare(name: str, ours: Step, batches: list[list[str]], peer_name: str = "", peer: Step | None = None) -> None:
    """Time both on every batch but the first, which warms them up, and print the spread and the ratio."""
    steps = {name: ours} | ({} if peer is None else {peer_name: peer})

    def on_batches(step: Step) -> Callable[[int], object]:
        return lambda repeat: step(batches[repeat])

    spent = alternate({label: on_batches(step) for label, step in steps.items()}, per=BATCH)
    for label, times in spent.items():
        show(label, times, f"{ratio(times, spent[name]):.1f} times" if label != name else "")


def library_embed() -> Step:
    import wordllama

    model = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, dim=256, disable_download=True)
    return lambda texts: model.embed(list(texts), norm=True, batch_size=BATCH)


def hashing_vectorizer() -> Step | None:
    try:
        text = importlib.import_module("sklearn.feature_extraction.text")
    except ModuleNotFoundError:
        return None
    transform: Step = text.HashingVectorizer(analyzer="char", ngram_range=(3, 3), n_features=1024).transform
    return transform


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
