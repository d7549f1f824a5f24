"""Read parquet files."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import UserError, first_line
from ..hub import discard_if_damaged
from ..text import clean_line
from .delimited import header
from .opening import inspect

BATCH = 1024  # rows in memory at a time


def parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a parquet file, numbered from 1. Raises UserError for a broken file or repeated column names."""
    import pyarrow
    import pyarrow.parquet

    inspect(path, parquet=True)
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names = header(path, file.schema_arrow.names)
            first = 1
            for batch in file.iter_batches(BATCH):
                yield from enumerate(batch.rename_columns(names).to_pylist(), first)
                first += batch.num_rows
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        remedy = "download or create it again"
        if discard_if_damaged(path):
            remedy = "it was damaged in the cache and has been deleted; run the command again to download it"
        raise UserError(f"{path}: not a readable parquet file ({first_line(error)}); {remedy}") from error


def class_names(path: Path, name: str) -> list[str] | None:
    """Names of the numeric labels in a parquet column, if `datasets` wrote them into the file (ClassLabel)."""
    import pyarrow.parquet

    if not path.name.lower().endswith(".parquet"):
        return None
    metadata = pyarrow.parquet.read_schema(path).metadata or {}
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        feature = {clean_line(column): feature for column, feature in features.items()}[name]
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    while isinstance(feature, list):  # [feature] is a list of it
        feature = feature[0] if feature else None
    while isinstance(feature, dict) and isinstance(feature.get("feature"), dict):  # Sequence, List
        feature = feature["feature"]
    names = feature.get("names") if isinstance(feature, dict) else None
    return [str(label) for label in names] if isinstance(names, list) and names else None
