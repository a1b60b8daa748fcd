"""Values to bytes and back: msgpack with arrays in their narrowest integers, compressed. Never pickle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy
import zstandard

from drift.errors import CorruptError

_ARRAY = 1
_TABLE = 2
_NARROW = tuple(np.dtype(f"<{kind}") for kind in ("i1", "i2", "i4", "i8"))


def pack(tree: dict[str, Any], *, level: int = 6) -> bytes:
    """Bytes of a tree of plain values, arrays and structured arrays; equal trees give equal bytes.

    Parameters
    ----------
    level
        Of Zstandard's compression, from 1 (fast) to 19 (small).
    """
    plain = msgspec.msgpack.encode(tree, enc_hook=_encode, order="deterministic")
    return zstandard.ZstdCompressor(level=level, write_checksum=True).compress(plain)


def unpack(data: bytes, kind: str, version: int) -> dict[str, Any]:
    """Tree of bytes made by ``pack``.

    Parameters
    ----------
    kind, version
        The tree's own name and the version of its format that is wanted.

    Raises
    ------
    CorruptError
        The bytes are damaged, of another kind, or of a version that this release does not read.
    """
    try:
        plain = zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False)
        tree = msgspec.msgpack.decode(plain, ext_hook=_decode)
    except (zstandard.ZstdError, msgspec.DecodeError, ValueError, TypeError, KeyError) as error:
        raise CorruptError(f"not a {kind}, or damaged on the way: {error}") from error
    if not isinstance(tree, dict) or kind not in tree:
        raise CorruptError(f"not a {kind}: its bytes hold something else")
    if tree[kind] != version:
        raise CorruptError(
            f"{kind} of format {tree[kind]}, this release reads format {version}: use the release that wrote it"
        )
    return tree


def table(columns: dict[str, npt.NDArray[Any]], dtype: np.dtype[Any]) -> npt.NDArray[np.void]:
    """Structured array of ``dtype`` from its decoded columns."""
    try:
        length = len(columns[(dtype.names or ("",))[0]])
        made = np.zeros(length, dtype)
        for name in dtype.names or ():
            made[name] = columns[name]
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise CorruptError(f"a table lacks a column or has another shape: {error}") from error
    return made


def open_tensors(data: bytes, kind: str, version: int) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """What a safetensors file says of itself under the key ``kind``, and its arrays.

    Raises
    ------
    CorruptError
        It is damaged, of another kind, or of a format that this release does not read.
    """
    try:
        tensors = safetensors.numpy.load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]).get("__metadata__", {})
        about = json.loads(header[kind]) if kind in header else None
    except (safetensors.SafetensorError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise CorruptError(f"damaged on the way ({error}): fetch or build it again") from error
    if about is None:
        raise CorruptError(f"not a {kind.removeprefix('driftline_')}: its header says nothing of one")
    if about["format"] != version:
        raise CorruptError(f"{kind} of format {about['format']}, this release reads {version}: build it again")
    return about, tensors


def _encode(value: object) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype.names:
            return msgspec.msgpack.Ext(
                _TABLE, msgspec.msgpack.encode({name: value[name] for name in value.dtype.names}, enc_hook=_encode)
            )
        return msgspec.msgpack.Ext(_ARRAY, _array(value))
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, np.floating):
        return float(value)
    raise TypeError(f"cannot be stored: {type(value).__name__}")


def _array(value: npt.NDArray[Any]) -> bytes:
    narrow = value.astype(_narrowest(value), copy=False)
    planes = np.ascontiguousarray(narrow).view(np.uint8).reshape(-1, narrow.dtype.itemsize).T
    return msgspec.msgpack.encode([value.dtype.str, narrow.dtype.str, value.shape, planes.tobytes()])


def _narrowest(value: npt.NDArray[Any]) -> np.dtype[Any]:
    """The smallest signed integers that hold a signed array; others stay as they are."""
    if value.dtype.kind != "i" or value.size == 0:
        return value.dtype
    low, high = value.min(), value.max()
    return next(kind for kind in _NARROW if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)


def _decode(code: int, data: memoryview) -> Any:
    if code == _TABLE:
        return msgspec.msgpack.decode(data, ext_hook=_column)
    if code != _ARRAY:
        raise ValueError(f"unknown extension {code}")
    wide, narrow, shape, planes = msgspec.msgpack.decode(data)
    return _joined(narrow, shape, planes).astype(wide)


def _column(code: int, data: memoryview) -> Any:
    """An array of a table, in its narrow form: the table makes it wide."""
    if code != _ARRAY:
        raise ValueError(f"unknown extension {code} in a table")
    _, narrow, shape, planes = msgspec.msgpack.decode(data)
    return _joined(narrow, shape, planes)


def _joined(narrow: str, shape: Sequence[int], planes: bytes) -> npt.NDArray[Any]:
    """The array of these byte planes."""
    kind = np.dtype(narrow)
    size, rest = divmod(len(planes), kind.itemsize)
    if rest:
        raise ValueError(f"{len(planes)} bytes are no array of {kind}")
    if kind.itemsize == 1:
        return np.frombuffer(planes, kind).reshape(shape)
    whole = bytearray(len(planes))
    for place in range(kind.itemsize):  # several times as fast as a transposed copy
        whole[place :: kind.itemsize] = planes[place * size : (place + 1) * size]
    return np.frombuffer(whole, kind).reshape(shape)
