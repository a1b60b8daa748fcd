"""Parquet files, read and written by pyarrow, which an archive needs and nothing else does."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from drift.errors import BrokenOffError, CorruptError, SettingsError
from streams.folder import Folder

GROUP_BYTES = 8 << 20
"""Bytes of a row group: what is held in memory of each file that is read."""

Array = Any
Table = Any
Schema = Any


def arrow() -> tuple[Any, Any]:
    """``pyarrow`` and ``pyarrow.parquet``.

    Raises
    ------
    SettingsError
        They are not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise SettingsError(
            f"archives are Parquet files, which need pyarrow ({error}): pip install 'driftline[archive]'"
        ) from error
    return pyarrow, pyarrow.parquet


def to_bytes(table: Table, *, plain: Sequence[str] = (), level: int = 3) -> bytes:
    """A Parquet file of a table; equal tables give equal bytes.

    Parameters
    ----------
    plain
        Columns that are compressed already.
    level
        Of the compression of the others.
    """
    _, parquet = arrow()
    rows = max(1, min(len(table), int(len(table) * GROUP_BYTES / max(table.nbytes, 1)) or 1))
    compression = {name: "NONE" if name in plain else "ZSTD" for name in table.column_names}
    dictionaries = [f.name for f in table.schema if str(f.type) == "string"]
    out = io.BytesIO()
    levels = {name: level for name in table.column_names if name not in plain}
    parquet.write_table(
        table,
        out,
        row_group_size=rows,
        compression=compression,
        compression_level=levels,
        use_dictionary=dictionaries,
    )
    return out.getvalue()


class File:
    """A Parquet file in a folder, read by row groups.

    Raises
    ------
    BrokenOffError
        It is cut off or damaged: from ``tables`` too.
    CorruptError
        It lacks a column.
    """

    def __init__(self, folder: Folder, name: str, schema: Schema) -> None:
        self._path, self._schema = folder.path(name), schema
        self._stream = folder.open(name)
        try:
            with self._reading():
                self._file = arrow()[1].ParquetFile(self._stream)
            if missing := set(schema.names) - set(self._file.schema_arrow.names):
                raise CorruptError(
                    f"{self._path} has no column {', '.join(sorted(missing))}: it is no file of an archive, or of "
                    "another release; docs/archive.md lists the columns"
                )
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> File:
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.close()

    @property
    def rows(self) -> int:
        """How many it has."""
        return int(self._file.metadata.num_rows)

    def bounds(self, group: int, column: str) -> tuple[Any, Any] | None:
        """Smallest and largest value of a column in a row group, if that is known."""
        place = self._file.schema_arrow.get_field_index(column)
        found = self._file.metadata.row_group(group).column(place).statistics
        return (found.min, found.max) if found is not None and found.has_min_max else None

    def tables(self, columns: Sequence[str] | None = None, wanted: Any = lambda group: True) -> Iterator[Table]:
        """Its row groups, those that are ``wanted``, in order."""
        for group in range(self._file.metadata.num_row_groups):
            if wanted(group):
                with self._reading():
                    names = list(columns or self._schema.names)
                    table = self._file.read_row_group(group, columns=names, use_threads=False).select(names)
                    table = table.cast(arrow()[0].schema([self._schema.field(name) for name in names]))
                yield table

    @contextmanager
    def _reading(self) -> Iterator[None]:
        pyarrow, _ = arrow()
        try:
            yield
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise BrokenOffError(
                f"{self._path} is cut off or damaged ({str(error).partition('.')[0]}): put a whole copy in its place, "
                "or remove it and run 'driftline archive export' again, which adds what is missing"
            ) from error
