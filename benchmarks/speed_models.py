"""Microseconds a text from text to vectors, beside the peers: ``python -m benchmarks.speed_models``.

Batches of 256 texts; every repeat sees a batch of its own, in which one word in twelve is a number never seen before.
The peers are WordLlama's own ``embed`` and, if installed, scikit-learn's ``HashingVectorizer``; they run turn by turn
with the code measured, so that a busy machine slows both.
"""

from __future__ import annotations

import importlib
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from models.base import FloatArray
from models.cache import GridEmbedder
from models.ngrams import trigram_view
from models.static import StaticEmbedder

BATCH = 256
REPEATS = 9
SEED = 0
WORDS = """the to and of a in is you I for that it on your with my can not be this have are we from order if but as
account will or please at an by how do when what was all so any card there has which more need would one time new
they payment help our get number then up out should here use no me may its bank about been check after other also
only like make want day some change them under their into these first information transfer address email please,
today. days. money refund status, customer support: however, because before through between delivery item(s) it's
don't application request password contact confirm available example, following consider important different several
*Note:* - 1. 2. 3. (optional) step process policy within without please. details. service website
option email.""".split()  # noqa: SIM905 - a list of words reads better as text

Step = Callable[[Sequence[str]], Any]


def main() -> None:
    describe_machine()
    rng = random.Random(SEED)
    # Words per text that make 11 and 200 tokens on average.
    lengths = {"short": 7, "long": 126}
    batches = {name: [make_batch(rng, words) for _ in range(REPEATS + 1)] for name, words in lengths.items()}
    embedder = StaticEmbedder()
    print(f"\n{'':44}{'min':>9}{'median':>9}{'max':>9}   µs a text, {REPEATS} batches of {BATCH}")
    for name, made in batches.items():
        characters = statistics.mean(len(text) for batch in made for text in batch)
        print(f"{name} texts, {characters:.0f} characters")
        compare("embed", embedder.embed, made, "WordLlama.embed", library_embed())
        compare("format view", trigram_view, made, "HashingVectorizer, 3-grams", hashing_vectorizer())
        grid = GridEmbedder(Free(embedder.dim))
        compare("grid and cache, texts all new", grid.measure, made)
        compare("grid and cache, texts all remembered", grid.measure, made)


def compare(name: str, ours: Step, batches: list[list[str]], peer_name: str = "", peer: Step | None = None) -> None:
    """Time both on every batch but the first, which warms them up, and print the spread and the ratio."""
    steps = [ours] if peer is None else [ours, peer]
    spent: list[list[float]] = [[] for _ in steps]
    for batch in batches:
        for step, times in zip(steps, spent, strict=True):
            start = time.perf_counter()
            step(batch)
            times.append((time.perf_counter() - start) / len(batch) * 1e6)
    for label, times in zip((name, f"  {peer_name}"), spent, strict=False):
        times = times[1:]
        print(f"  {label:42}{min(times):9.2f}{statistics.median(times):9.2f}{max(times):9.2f}", end="")
        print(f"   {statistics.median(times) / statistics.median(spent[0][1:]):.1f} times" if label != name else "")


def make_batch(rng: random.Random, words: int) -> list[str]:
    """Texts of Zipf-distributed words, one in twelve of them a number of its own."""
    weights = [1 / rank for rank in range(1, len(WORDS) + 1)]
    texts = (rng.choices(WORDS, weights, k=rng.randint(words // 2, words + words // 2)) for _ in range(BATCH))
    return [" ".join(f"{rng.randrange(10**6)}" if rng.random() < 1 / 12 else word for word in text) for text in texts]


class Free:
    """An embedder that costs nothing, to see what the cache adds."""

    identity = "free"
    exact = True

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._rows = np.random.default_rng(SEED).uniform(-0.1, 0.1, (BATCH, dim)).astype(np.float32)

    def embed(self, texts: Sequence[str]) -> FloatArray:
        return self._rows[: len(texts)]

    def anchors(self) -> FloatArray:
        return self._rows


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


def describe_machine() -> None:
    cpus = [line for line in read("/proc/cpuinfo").splitlines() if line.startswith("model name")]
    print(
        "machine ", cpus[0].partition(": ")[2] if cpus else platform.processor() or platform.machine(), f"x{len(cpus)}"
    )
    packages = ("numpy", "scipy", "tokenizers", "wordllama", "xxhash", "scikit-learn")
    print(
        "versions", f"Python {platform.python_version()},", ", ".join(f"{name} {installed(name)}" for name in packages)
    )
    git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    print("commit  ", git.stdout.strip() or "unknown")
    print("command ", "python -m benchmarks.speed_models", *sys.argv[1:])


def read(path: str) -> str:
    file = Path(path)
    return file.read_text(encoding="utf-8") if file.exists() else ""


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    main()
