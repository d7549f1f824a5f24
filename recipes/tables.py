"""Reading rows from the file formats that data come in: csv, tsv, jsonl and parquet, plain or gzip'd."""

import csv
import gzip
import json
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from .errors import UserError, nearest

SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".parquet")
PARQUET_BATCH = 1024  # rows in memory at a time


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a UTF-8 text file, gzip'd if its name says so, without a byte-order mark.

    Raises UserError when the file is missing, is no gzip file, breaks off, or holds something else than UTF-8.
    """
    try:
        opened = gzip.open if path.name.endswith(".gz") else open
        with opened(path, "rt", encoding="utf-8-sig", newline="") as text:
            yield text
    except FileNotFoundError as error:
        raise UserError(f"no such file: {path}") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: not a readable gzip file ({error}); fetch or make it again") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start}: {error.reason})") from error


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a csv, tsv, jsonl or parquet file as dictionaries, streamed.

    A tsv is read without quoting, as SIB-200 and AfriSenti write it; a csv with RFC 4180 quoting.
    """
    name = path.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        yield from _parquet_rows(path)
    elif name.endswith((".csv", ".tsv")):
        yield from _delimited_rows(path, tab=name.endswith(".tsv"))
    elif name.endswith((".jsonl", ".json")):
        yield from _json_rows(path)
    else:
        raise UserError(f"{path}: unknown format; expected csv, tsv, jsonl or parquet")


def read_conll(path: Path) -> Iterator[tuple[list[str], list[str]]]:
    """Words and tags of each sentence: a token first and its tag last on a line, a blank line after each sentence.

    Tags as they are: IOB, BIOES or any other. Raises UserError for a line of another form.
    """
    words: list[str] = []
    tags: list[str] = []
    with open_text(path) as file:
        for number, line in enumerate([*file, ""], 1):
            fields = re.split(r"[ \t]+", stripped) if (stripped := line.strip(" \t\r\n")) else []
            if not fields or fields[0] == "-DOCSTART-":
                if words:
                    yield words, tags
                words, tags = [], []
                continue
            if len(fields) < 2:
                raise UserError(f"{path}, line {number}: expected a token and a tag, got {line.strip()!r}")
            words.append(fields[0])
            tags.append(fields[-1])


class ColumnError(UserError):
    """A table lacks a column that the recipe names."""


def column(row: dict[str, Any], name: str, path: Path) -> Any:
    """`row[name]`, or a ColumnError that lists the columns of `path`."""
    try:
        return row[name]
    except KeyError:
        near = nearest(name, row)
        hint = f"; did you mean {near}?" if near else f"; columns: {', '.join(map(str, row))}"
        raise ColumnError(f"{path}: no column {name!r}{hint}") from None


def choose_column(names: str | list[str], path: Path) -> str:
    """The first of `names` that a table has, judged by its first row; the first name where it has none of them."""
    if isinstance(names, str):
        return names
    if not path.name.removesuffix(".gz").endswith(SUFFIXES):
        return names[0]
    columns = next(read_rows(path), {})
    return next((name for name in names if name in columns), names[0])


def class_names(path: Path, name: str) -> list[str] | None:
    """Names behind the numbers of a parquet column, where `datasets` wrote them into the file (ClassLabel)."""
    import pyarrow.parquet

    if not path.name.endswith(".parquet"):
        return None
    metadata = pyarrow.parquet.read_schema(path).metadata or {}
    try:
        feature = json.loads(metadata[b"huggingface"])["info"]["features"][name]
    except (KeyError, TypeError, ValueError):
        return None
    while isinstance(feature, list):  # [feature] is a list of it
        feature = feature[0] if feature else None
    while isinstance(feature, dict) and isinstance(feature.get("feature"), dict):  # Sequence, List
        feature = feature["feature"]
    names = feature.get("names") if isinstance(feature, dict) else None
    return [str(one) for one in names] if isinstance(names, list) and names else None


def _parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(PARQUET_BATCH):
                yield from batch.to_pylist()
    except FileNotFoundError as error:
        raise UserError(f"no such file: {path}") from error
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a readable parquet file ({error}); fetch or make it again") from error


def _delimited_rows(path: Path, *, tab: bool) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(sys.maxsize)  # whole web pages stand in one field
    with open_text(path) as file:
        options: dict[str, Any] = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if tab else {"strict": True}
        reader = csv.DictReader(file, **options)
        try:
            for row in reader:
                if None in row or None in row.values():
                    raise UserError(f"{path}, line {reader.line_num}: expected {len(reader.fieldnames or [])} columns")
                yield row
        except csv.Error as error:
            raise UserError(f"{path}, line {reader.line_num}: {error}") from error


def _json_rows(path: Path) -> Iterator[dict[str, Any]]:
    with open_text(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                if r"\u" in line:
                    json.dumps(row, ensure_ascii=False).encode()  # half a surrogate pair is JSON, but no text
            except json.JSONDecodeError as error:
                raise UserError(f"{path}, line {number}: not JSON ({error})") from error
            except UnicodeEncodeError as error:
                raise UserError(
                    f"{path}, line {number}: half a surrogate pair (a cut emoji?); mend the line"
                ) from error
            if not isinstance(row, dict):
                raise UserError(f"{path}, line {number}: expected an object")
            yield row
