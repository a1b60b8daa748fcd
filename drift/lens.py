"""The frozen way of turning a call's vectors into numbers that can be summed.

Vectors and matrices are whole numbers, small enough that every product is exact in float32 (below 2**24): a call's row
then depends neither on its batch nor on the library that multiplies.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import safetensors.numpy
import scipy.linalg
import xxhash
from scipy.cluster.vq import kmeans2

from drift import codec
from drift.call import DIMENSIONS, GRID, NO_TOPIC
from drift.errors import CorruptError

FloatArray = npt.NDArray[np.floating]
Grid = npt.NDArray[np.int16]

SCALE = 1 << 9
"""Matrices are whole numbers of 1/512: 16384 x 512 stays below 2**24 for rows of unit length."""

TOPICS = (8, 64)
"""Fewest and most topics of a codebook; one for every 40 calls between them."""

TAILS = (0.80, 0.85, 0.90, 0.99)
"""Bands of distance: the share of fresh calls that lie nearer to their topic's centre."""


@dataclass(frozen=True, eq=False)
class Lens:
    """Embedder, projections and codebook, addressed by their content.

    Parameters
    ----------
    embedder, format_view
        Identities of what makes the vectors.
    codebook
        Centres of topics, shape ``(topics, dimensions of the embedder)``, whole numbers of 1/512, rows of about unit
        length.
    radii
        Similarities below which a call leaves band 0, 1, 2, 3: shape ``(4,)``, whole numbers of 1/(16384 x 512),
        falling.
    input_map, output_map, format_map
        Projections to 64 coordinates, whole numbers of 1/512, columns of at most unit length.
    """

    embedder: str
    format_view: str
    codebook: Grid
    radii: npt.NDArray[np.int64]
    input_map: Grid
    output_map: Grid
    format_map: Grid

    @property
    def topics(self) -> int:
        """Topics of the codebook."""
        return len(self.codebook)

    @cached_property
    def id(self) -> str:
        """Address: 16 hexadecimal digits of the content."""
        hasher = xxhash.xxh3_64(f"lens 1 {self.embedder} {self.format_view}".encode())
        for array in (self.codebook, self.radii, self.input_map, self.output_map, self.format_map):
            hasher.update(np.ascontiguousarray(array).tobytes())
        return hasher.hexdigest()

    @cached_property
    def _maps(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        asked = np.concatenate([self.codebook.T, self.input_map], axis=1)
        return asked.astype(np.float32), self.output_map.astype(np.float32), self.format_map.astype(np.float32)

    def see(self, inputs: Grid, outputs: Grid, formats: Grid) -> tuple[Grid, npt.NDArray[np.int8], Grid]:
        """Topic, band and features of calls.

        Parameters
        ----------
        inputs, outputs
            Embeddings on the grid, shape ``(n, dimensions)``; a row of zeros where there is no text.
        formats
            Format view of the outputs, shape ``(n, buckets)``.

        Returns
        -------
        topics ``(n,)``
            Nearest centre, the lowest of equals; -1 without input.
        bands ``(n,)``
            0 (near) to 4 (farther than 99 % of fresh calls).
        features ``(n, 3, 64)``
            Coordinates of input, output and format on the grid.
        """
        asked_map, output_map, format_map = self._maps
        product = inputs.astype(np.float32) @ asked_map
        similarity = product[:, : self.topics]
        nearest = np.argmax(similarity, axis=1)
        best = similarity[np.arange(len(nearest)), nearest]
        bands = (best[:, None] < self.radii.astype(np.float32)).sum(axis=1).astype(np.int8)
        topics = np.where(inputs.any(axis=1), nearest, NO_TOPIC).astype(np.int16)
        features = np.empty((len(inputs), 3, DIMENSIONS), np.int16)
        features[:, 0] = np.rint(product[:, self.topics :] / SCALE)
        features[:, 1] = np.rint(outputs.astype(np.float32) @ output_map / SCALE)
        features[:, 2] = np.rint(formats.astype(np.float32) @ format_map / SCALE)
        return topics, bands, features


def fit(
    embedder: str,
    format_view: str,
    inputs: Grid,
    outputs: Grid,
    formats: Grid,
    *,
    calls: int | None = None,
    seed: int = 0,
) -> Lens:
    """Lens for these calls: k-means topics, radii from folds that did not make them, principal directions of each view.

    Parameters
    ----------
    inputs, outputs, formats
        Vectors of the calls on the grid, shapes ``(n, dimensions)`` and ``(n, buckets)``; rows of zeros are left out.
    calls
        Calls that a baseline will have (default: the number of inputs): one topic for every 40, 8 to 64.
    """
    known = inputs[inputs.any(axis=1)].astype(np.float64) / GRID
    distinct = np.unique(known, axis=0) if len(known) else known
    wanted = int(np.clip((calls or len(known)) // 40, *TOPICS))
    count = max(1, min(wanted, len(distinct) // 2))
    return Lens(
        embedder,
        format_view,
        centres(known, count, seed),
        _radii(known, count, seed),
        directions(inputs),
        directions(outputs),
        directions(formats),
    )


def centres(vectors: npt.NDArray[np.float64], count: int, seed: int = 0) -> Grid:
    """Spherical k-means: ``(at most count, dimensions)`` centres of unit length in whole numbers of 1/512."""
    if len(vectors) == 0:
        return np.zeros((1, vectors.shape[1]), np.int16)
    found, label = kmeans2(vectors, count, iter=12, minit="++", rng=np.random.default_rng(seed), missing="warn")
    found = found[np.bincount(label, minlength=count) > 0]
    norm = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(np.rint(found / np.maximum(norm, 1e-9) * SCALE), dtype=np.int16)


def _radii(known: npt.NDArray[np.float64], count: int, seed: int) -> npt.NDArray[np.int64]:
    """Similarities that bound the bands, each call measured by centres made without it or its equals."""
    fold = np.array([xxhash.xxh3_64_intdigest(row.tobytes()) & 1 for row in known], dtype=bool)
    if fold.sum() < 2 or (~fold).sum() < 2:
        return np.zeros(len(TAILS), np.int64)
    best = np.empty(len(known))
    for half in (fold, ~fold):
        made = centres(known[~half], min(count, len(np.unique(known[~half], axis=0))), seed).astype(np.float64)
        best[half] = (known[half] * GRID @ made.T).max(axis=1)
    return np.rint(np.quantile(best, [1 - tail for tail in TAILS])).astype(np.int64)


def directions(vectors: Grid) -> Grid:
    """The 64 principal directions of the rows that are not zero, as columns; columns of zeros where there are fewer."""
    kept = vectors[vectors.any(axis=1)].astype(np.float64) / GRID
    made = np.zeros((vectors.shape[1], DIMENSIONS))
    if len(kept) > 1:
        size = vectors.shape[1]
        found = min(DIMENSIONS, size)
        values, columns = scipy.linalg.eigh(np.cov(kept.T), subset_by_index=[size - found, size - 1])
        columns = columns[:, ::-1] * (values[::-1] > 1e-9)
        made[:, :found] = columns * np.sign(columns.sum(axis=0) + 1e-300)
    return np.rint(made * SCALE).astype(np.int16)


def default(embedder: str, format_view: str, anchors: FloatArray, buckets: int, *, seed: int = 0) -> Lens:
    """Lens that needs no calls: topics and directions of what the embedder knows, random signs for the format view.

    Parameters
    ----------
    anchors
        Unit vectors, shape ``(n, dimensions)``: a static embedder's token table.
    buckets
        Width of the format view.
    """
    rng = np.random.default_rng(seed)
    known = np.asarray(anchors, dtype=np.float64)
    made = centres(known, TOPICS[1], seed)
    pairs = known[rng.integers(0, len(known), (4096, 8))].sum(axis=1)
    pairs /= np.linalg.norm(pairs, axis=1, keepdims=True)
    best = (pairs * GRID @ made.T.astype(np.float64)).max(axis=1)
    radii = np.rint(np.quantile(best, [1 - tail for tail in TAILS])).astype(np.int64)
    both = directions(np.rint(np.concatenate([known, pairs]) * GRID).astype(np.int16))
    signs = rng.choice([-1, 1], size=(buckets, DIMENSIONS)) * np.int16(SCALE / np.sqrt(buckets))
    return Lens(embedder, format_view, made, radii, both, both, signs.astype(np.int16))


ARRAYS = ("codebook", "radii", "input_map", "output_map", "format_map")
_FORMAT = 1


def encode(lens: Lens) -> bytes:
    """Bytes of a lens, as a safetensors file; equal lenses give equal bytes."""
    about = {"format": _FORMAT, "embedder": lens.embedder, "format_view": lens.format_view}
    tensors = {name: np.ascontiguousarray(getattr(lens, name)) for name in ARRAYS}
    return safetensors.numpy.save(tensors, {"driftline_lens": json.dumps(about, sort_keys=True)})


def decode(data: bytes) -> Lens:
    """Lens of these bytes.

    Raises
    ------
    CorruptError
        They are not a lens, are damaged, or are of a format that this release does not read.
    """
    try:
        about, tensors = codec.open_tensors(data, "driftline_lens", _FORMAT)
        return check(Lens(about["embedder"], about["format_view"], *(tensors[name] for name in ARRAYS)))
    except (KeyError, TypeError, IndexError) as error:
        raise CorruptError(f"not a lens, or damaged on the way ({error}): fetch it again or fit it anew") from error


def check(lens: Lens) -> Lens:
    """The same lens, once its arrays are seen to fit together.

    Raises
    ------
    CorruptError
        They do not.
    """
    widths = {array.shape for array in (lens.input_map, lens.output_map)}
    if widths != {(lens.codebook.shape[1], DIMENSIONS)} or lens.format_map.shape[1:] != (DIMENSIONS,):
        raise CorruptError(f"lens {lens.id}: its arrays do not fit together")
    return lens
