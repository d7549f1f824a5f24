"""Whatever a table holds, reading it back gives the same rows in every form that can hold it."""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow
import pyarrow.parquet
from hypothesis import given, settings
from hypothesis import strategies as st
from lrl_adapt.recipes.evaluation import Task
from lrl_adapt.recipes.examples import Item, read_items
from lrl_adapt.recipes.labels import label_name
from lrl_adapt.workspace.tables import read_rows

# Letters of several scripts, marks, and every sign that a format gives a meaning to.
SIGNS = "abẹọ́ңשภ漢😀 ,;|\t\n\"'#\\/_-.=[]{}:0159\u2028\x85\u200d\ufeff\u00a0"
TEXTS = st.text(SIGNS, min_size=1, max_size=30).filter(lambda text: text.strip())  # what is blank is left out
LABELS = st.sampled_from(["hasi", "chanya", "habari njema", "bu\u0301buru\u0301", "b, c", 'd"e', "-"])
NUMBERS = st.one_of(st.integers(-3, 12), st.sampled_from([0.0, 1.0, 2.5, -1.0]))
TABLES = st.lists(st.tuples(TEXTS, LABELS, NUMBERS), min_size=1, max_size=12)
NAMES = ("text", "label", "id")
TYPES = (
    pyarrow.string(),
    pyarrow.large_string(),
    pyarrow.string_view(),
    pyarrow.dictionary(pyarrow.int32(), pyarrow.string()),
)

Rows = list[tuple[str, str, float]]


def delimited(rows: Rows, separator: str, line_end: str = "\r\n") -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator, lineterminator=line_end)
    writer.writerows([NAMES, *rows])
    return file.getvalue().encode()


def plain_tsv(rows: Rows) -> bytes | None:
    """Without quoting, if the texts hold neither tabs nor line ends, and no quotes that could mean something."""
    if any(sign in text for text, _, _ in rows for sign in '\t\n"'):
        return None
    return "\n".join("\t".join(map(str, row)) for row in (NAMES, *rows)).encode()


def quoted_tsv(rows: Rows) -> bytes:
    """With every field in quotes, which R writes, the header's too."""
    file = io.StringIO()
    csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL).writerows([NAMES, *rows])
    return file.getvalue().encode()


def parquet(rows: Rows, kind: pyarrow.DataType) -> bytes:
    text, label, number = zip(*rows, strict=True)
    columns = [pyarrow.array(text, pyarrow.string()).cast(kind), pyarrow.array(label, kind)]
    columns.append(pyarrow.array(number, pyarrow.float64()))
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns, names=list(NAMES)), file)
    return file.getvalue()


def forms(rows: Rows) -> Iterator[tuple[str, bytes]]:
    objects = [dict(zip(NAMES, row, strict=True)) for row in rows]
    yield "a.csv", delimited(rows, ",")
    yield "b.csv", delimited(rows, ";", "\n")
    yield "c.csv", b"\xef\xbb\xbf" + delimited(rows, ",", "\n")
    yield "d.csv", delimited(rows, ",").decode().encode("utf-16")
    yield "e.CSV", gzip.compress(delimited(rows, ","))
    yield "c.tsv", quoted_tsv(rows)
    if (content := plain_tsv(rows)) is not None:
        yield "a.tsv", content
        yield "b.tsv.gz", gzip.compress(content)
    for ascii_only in (True, False):
        lines = [json.dumps(row, ensure_ascii=ascii_only) for row in objects]
        yield f"{ascii_only}.jsonl", "\n".join(lines).encode()
        yield f"{ascii_only}.json", "\n".join(lines).encode()
        yield f"{ascii_only}-array.json", json.dumps(objects, ensure_ascii=ascii_only, indent=1).encode()
        yield f"{ascii_only}.jsonl.gz", gzip.compress("\n".join(lines).encode())
    for number, kind in enumerate(TYPES):
        yield f"{number}.parquet", parquet(rows, kind)


def as_read(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["text"], row["label"], label_name(row["id"])


@settings(max_examples=60, deadline=None)
@given(TABLES)
def test_a_table_is_the_same_in_every_form(rows: Rows) -> None:
    expected = [(text, label, label_name(number)) for text, label, number in rows]
    with TemporaryDirectory() as folder:
        for name, content in forms(rows):
            path = Path(folder) / name
            path.write_bytes(content)
            assert [as_read(row) for row in read_rows(path)] == expected, name


@settings(max_examples=30, deadline=None)
@given(TABLES, st.sampled_from(["label", "id"]))
def test_and_so_are_the_examples_of_a_task(rows: Rows, column: str) -> None:
    task = Task(file="unread", label=column)
    expected = [Item(text, label_name(label if column == "label" else number)) for text, label, number in rows]
    with TemporaryDirectory() as folder:
        for name, content in forms(rows):
            path = Path(folder) / name
            path.write_bytes(content)
            assert read_items(path, task) == expected, name
