"""Write parquet files row by row, with little memory for data of any size; errors of reading them later."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from .errors import UserError, first_line

ROWS = 10_000  # rows held before they are written


class RowWriter:
    """A parquet file that takes rows one by one; a context manager.

    Without any row it is an empty file with the columns of the schema.
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


@contextmanager
def artifact_file(file: Path) -> Iterator[Path]:
    """A parquet or Arrow file of a finished artifact. Errors of reading it become a UserError."""
    try:
        yield file
    except (pyarrow.ArrowException, OSError) as error:
        code = error.errno if isinstance(error, OSError) else None
        is_missing = isinstance(error, FileNotFoundError)
        if code not in (None, errno.EIO) and not is_missing:  # such as a file that this user may not read
            raise UserError(f"cannot read {file}: {os.strerror(code)}") from error
        # pyarrow's own errors of a file's content have no code, also where they are an OSError
        problem = "is missing" if is_missing else f"is damaged ({first_line(error)})"
        raise UserError(
            f"{file} {problem}: delete the folder {file.parent}, then run the command that made it again"
        ) from error
