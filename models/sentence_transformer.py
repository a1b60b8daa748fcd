"""Any sentence-transformers model, on CPU or GPU. Needs the extra ``sentence-transformers``."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from models.base import MAX_CHARACTERS, FloatArray, is_blank, unit_rows

_ANCHORS = 4096
_WORD_MARKS = "▁Ġ"  # how vocabularies write the space before a word


class SentenceTransformerEmbedder:
    """A sentence-transformers model.

    Its identity is a digest of its weights and architecture, not a name or path: the same model from a hub, a folder
    or a package is the same embedder. It is not exact: the last bits of a row depend on how its batch is padded.

    When the device runs out of memory the batch is halved, for good, and the work goes on.

    Parameters
    ----------
    model
        A loaded ``sentence_transformers.SentenceTransformer``.
    batch_size
        Texts given to the device at once.
    half
        Compute in float16, on a GPU only. Part of the identity; the model itself is converted.

    Raises
    ------
    ValueError
        ``batch_size`` is not positive, or ``half`` is wanted of a model that is not on a GPU.
    """

    exact = False

    def __init__(self, model: Any, *, batch_size: int = 64, half: bool = False) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be positive, got {batch_size}")
        if half and model.device.type != "cuda":
            raise ValueError(f"half needs a GPU, the model is on {model.device.type!r}; leave half out")
        weights = _digest(model)
        self._model = model.half() if half else model
        self.batch_size = batch_size
        self.dim = int(self._encode(["dimension"]).shape[1])
        self.identity = (
            f"sentence-transformers model {weights}, {self.dim} dimensions, {'float16' if half else 'float32'}, "
            f"first {model.max_seq_length} tokens of {MAX_CHARACTERS} characters"
        )

    @classmethod
    def load(
        cls, name: str, *, device: Literal["auto", "cpu", "cuda"] = "auto", batch_size: int = 64, half: bool = False
    ) -> SentenceTransformerEmbedder:
        """Load a model by its name on the hub, or from a folder, which is read without any network.

        Parameters
        ----------
        name
            A folder, or else the name of a model that is downloaded unless cached.
        device
            ``auto`` takes a GPU where there is one.
        batch_size, half
            See the class.

        Raises
        ------
        ImportError
            The extra is not installed.
        ValueError
            ``device`` is not one of the three, or see the class.
        """
        if device not in ("auto", "cpu", "cuda"):
            raise ValueError(f"device must be auto, cpu or cuda, got {device!r}")
        try:
            import torch
            from sentence_transformers import SentenceTransformer
        except ModuleNotFoundError as error:
            raise ImportError(
                f"embedder 'sentence-transformers:{name}' needs an extra ({error}): "
                "pip install 'driftline[sentence-transformers]'"
            ) from error
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        model = SentenceTransformer(name, device=device, local_files_only=Path(name).is_dir())
        return cls(model, batch_size=batch_size, half=half)

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Embed texts; see :meth:`models.base.Embedder.embed`."""
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        # Longest first: little padding, and a batch too large for the device shows at once.
        waiting = [index for index, text in enumerate(texts) if not is_blank(text)]
        waiting.sort(key=lambda index: len(texts[index]), reverse=True)
        while waiting:
            batch = waiting[: self.batch_size]
            try:
                rows[batch] = self._encode([_readable(texts[index]) for index in batch])
            except RuntimeError as error:
                if not _is_out_of_memory(error) or len(batch) == 1:
                    raise
                self.batch_size = len(batch) // 2
            else:
                del waiting[: len(batch)]
        return unit_rows(rows)

    def anchors(self) -> FloatArray:
        """Embed the first 4,096 words of the vocabulary; see :meth:`models.base.Embedder.anchors`.

        Vocabularies list frequent words first. Single letters and parts of words with a mark of their own are left out.
        """
        vocabulary: dict[str, int] = self._model.tokenizer.get_vocab()
        words = (token.lstrip(_WORD_MARKS) for token in sorted(vocabulary, key=vocabulary.__getitem__))
        distinct = dict.fromkeys(word for word in words if len(word) > 1 and word.isalpha())
        return self.embed(list(distinct)[:_ANCHORS])

    def _encode(self, texts: list[str]) -> FloatArray:
        """Rows of any length: those that the model scales in float16 are not of unit length in float32."""
        rows = self._model.encode(texts, batch_size=len(texts), convert_to_numpy=True, show_progress_bar=False)
        return np.asarray(rows, dtype=np.float32)


def _readable(text: str) -> str:
    """What a tokenizer accepts: cut, and with a question mark for each lone surrogate."""
    return text[:MAX_CHARACTERS].encode("utf-8", "replace").decode()


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch says so. The type has moved between versions of torch, the words have not."""
    return "out of memory" in str(error).lower()


def _digest(model: Any) -> str:
    """Digest of what a model computes: its modules with their settings, and its weights."""
    digest = hashlib.sha256(repr(model).encode())
    for name, tensor in sorted(model.state_dict().items()):
        # As float32, because numpy has no bfloat16; the true type is in the header.
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().float().contiguous().numpy())
    return digest.hexdigest()[:16]
