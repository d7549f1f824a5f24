"""Rows of parquet files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import UserError
from .delimited import header
from .opening import inspect

BATCH = 1024  # rows in memory at a time


def parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a parquet file, numbered from 1. Raises UserError for a broken file and two columns of one name."""
    import pyarrow
    import pyarrow.parquet

    inspect(path, parquet=True)
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            header(path, file.schema_arrow.names)
            first = 1
            for batch in file.iter_batches(BATCH):
                yield from enumerate(batch.to_pylist(), first)
                first += batch.num_rows
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a readable parquet file ({error}); fetch or make it again") from error
