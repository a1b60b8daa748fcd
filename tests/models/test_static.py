import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import models.static
from models.base import MAX_CHARACTERS, to_grid
from models.static import StaticEmbedder

anything = st.text(st.characters(exclude_categories=()))  # lone surrogates too
spaced = st.text("ab ▁\n<s>", max_size=30)


@pytest.fixture(scope="module")
def embedder():
    return StaticEmbedder()


@pytest.fixture(scope="module")
def library():
    import wordllama

    return wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, dim=256, disable_download=True)


@pytest.fixture(scope="module")
def texts():
    """256 texts of 1 to 200 words, some new to the embedder, from seed 0."""
    rng = random.Random(0)
    words = ["the", "Refund", "of", "order", "42,", "naïve", "日本語", "  ", "\n-", "is", "don't", "late."]
    return [
        "So "
        + " ".join(rng.choice(words) if rng.random() < 0.9 else f"x{rng.random()}" for _ in range(rng.randint(1, 200)))
        for _ in range(256)
    ]


def test_vectors_are_those_of_the_library(embedder, library, texts):
    assert np.abs(embedder.embed(texts) - library.embed(texts, norm=True)).max() < 1e-5


@given(text=st.one_of(st.text(), spaced))
@settings(deadline=None)
def test_cutting_a_text_into_words_never_changes_its_tokens(embedder, library, text):
    assume(text.strip() and not re.search("<s>|</s>|<unk>", text))
    assert np.abs(embedder.embed([text]) - library.embed([text], norm=True)).max() < 1e-5


def test_no_token_of_the_vocabulary_spans_two_words(library):
    assert not [token for token in library.tokenizer.get_vocab() if re.search("[^▁]▁", token)]


@pytest.mark.parametrize("size", [1, 7, 256])
def test_bits_do_not_depend_on_batches_or_order(embedder, texts, size):
    together = embedder.embed(texts)
    order = random.Random(size).sample(range(len(texts)), len(texts))
    rows = np.concatenate([embedder.embed([texts[i] for i in order[s : s + size]]) for s in range(0, len(order), size)])
    assert rows.tobytes() == together[order].tobytes()


def test_bits_do_not_depend_on_remembered_words(embedder, texts, monkeypatch):
    remembered = embedder.embed(texts)
    monkeypatch.setattr(models.static, "_WORD_MEMORY", 0)
    assert [embedder.embed([text])[0].tobytes() for text in texts] == [row.tobytes() for row in remembered]


@given(batch=st.lists(anything, max_size=5))
@settings(deadline=None)
def test_rows_have_unit_length_or_are_zero_for_blank_texts(embedder, batch):
    rows = embedder.embed(batch)
    assert rows.shape == (len(batch), embedder.dim)
    assert rows.dtype == np.float32
    expected = [float(bool(text.strip())) for text in batch]
    assert np.linalg.norm(rows, axis=1) == pytest.approx(expected, abs=1e-6)
    assert to_grid(rows).any(axis=1).tolist() == [bool(length) for length in expected]


def test_only_the_first_characters_are_read(embedder):
    start = "a b" * MAX_CHARACTERS
    rows = embedder.embed([start, start[:MAX_CHARACTERS], start[: MAX_CHARACTERS - 1]])
    assert rows[0].tobytes() == rows[1].tobytes() != rows[2].tobytes()


def test_names_of_control_tokens_are_text(embedder, library):
    control = library.embedding[library.tokenizer.token_to_id("</s>")]
    assert embedder.embed(["</s>"])[0] @ control / np.linalg.norm(control) < 0.9


def test_anchors_are_the_token_table_at_unit_length(embedder, library):
    anchors = embedder.anchors()
    assert anchors.shape == library.embedding.shape
    assert np.linalg.norm(anchors, axis=1) == pytest.approx(1.0, abs=1e-6)
    assert np.abs(embedder.embed(["house"]) - anchors[library.tokenizer.token_to_id("▁house")]).max() < 1e-6


def test_identity_names_what_the_vectors_depend_on(embedder):
    assert re.fullmatch(r"wordllama \d\S+, 256 dimensions, float32, first 8192 characters", embedder.identity)
    assert embedder.exact


def test_loading_leaves_the_root_logger_alone():
    script = (
        "import logging; from models.static import StaticEmbedder; StaticEmbedder();"
        "root = logging.getLogger(); assert (root.handlers, root.level) == ([], logging.WARNING), root.handlers"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(models.static.__file__).parents[1])
