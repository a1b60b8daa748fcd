"""The lens that works from the first call: shipped for the bundled embedder, made once for others.

``python -m streams.default_lens`` writes the shipped one anew.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from drift.lens import Lens, decode, default, encode
from models.base import Embedder, load_embedder
from models.ngrams import BUCKETS, FORMAT_VIEW

SHIPPED = "wordllama.safetensors"


def default_lens(embedder: Embedder) -> Lens:
    """The default lens of an embedder; for one that is not bundled its vocabulary is embedded, once a process."""
    shipped = decode(files("streams").joinpath("lenses", SHIPPED).read_bytes())
    if (shipped.embedder, shipped.format_view) == (embedder.identity, FORMAT_VIEW):
        return shipped
    return make(embedder)


def make(embedder: Embedder) -> Lens:
    """Topics and directions of what the embedder knows without any call."""
    return default(embedder.identity, FORMAT_VIEW, embedder.anchors(), BUCKETS)


if __name__ == "__main__":
    Path(__file__).with_name("lenses").joinpath(SHIPPED).write_bytes(encode(make(load_embedder())))
