"""Writing parquet row by row, so that data of any size pass through little memory."""

from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

ROWS = 10_000  # rows held before they are written


class RowWriter:
    """A parquet file that rows are added to one by one; a context manager that closes it.

    An empty file with the schema's columns is what remains when no row was added.
    """

    def __init__(self, path: Path, schema: pyarrow.Schema) -> None:
        self._schema = schema
        self._file = pyarrow.parquet.ParquetWriter(path, schema)
        self._rows: list[dict[str, Any]] = []

    def __enter__(self) -> "RowWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._file.close()

    def add(self, row: dict[str, Any]) -> None:
        """Add one row, a value for each column."""
        self._rows.append(row)
        if len(self._rows) >= ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._file.write_table(pyarrow.Table.from_pylist(self._rows, schema=self._schema))
            self._rows.clear()
