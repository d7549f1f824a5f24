import gzip
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from lrl_adapt.recipes.errors import UserError
from lrl_adapt.recipes.tables import column, open_text, read_rows


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_csv_with_quotes_newlines_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", '\ufefftext,label\n"moja, ""mbili""\ntatu",x\n')
    assert list(read_rows(path)) == [{"text": 'moja, "mbili"\ntatu', "label": "x"}]


def test_tsv_is_read_without_quoting(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", 'text\tlabel\n"sema\tx\nna "hii" pia\ty\n')
    assert [row["text"] for row in read_rows(path)] == ['"sema', 'na "hii" pia']


def test_jsonl_parquet_and_gzip(tmp_path: Path) -> None:
    rows = [{"text": "moja", "n": 1}, {"text": "mbili", "n": 2}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    write(tmp_path / "a.jsonl", '{"text": "moja", "n": 1}\n\n{"text": "mbili", "n": 2}\n')
    write(tmp_path / "a.jsonl.gz", gzip.compress((tmp_path / "a.jsonl").read_bytes()))
    for name in ("a.parquet", "a.jsonl", "a.jsonl.gz"):
        assert list(read_rows(tmp_path / name)) == rows


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,label\na,b\nc\n", "line 3: expected 2 columns"),
        ("a.csv", "text,label\na,b,c\n", "line 2: expected 2 columns"),
        ("a.csv", 'text,label\n"a,b\n', "line"),
        ("a.csv", b"text\n\xff\xfe\n", "not UTF-8"),
        ("a.jsonl", '{"a": 1}\n{"a": \n', "line 2: not JSON"),
        ("a.jsonl", "[1]\n", "line 1: expected an object"),
        ("a.csv.gz", "no gzip at all", "not a readable gzip file"),
        ("a.csv.gz", gzip.compress(b"text\n" + b"a\n" * 5000)[:-12], "not a readable gzip file"),
        ("a.parquet", "no parquet", "not a readable parquet file"),
        ("a.docx", "", "unknown format"),
    ],
)
def test_bad_files_are_told_by_name_and_line(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(UserError, match=message) as told:
        list(read_rows(write(tmp_path / name, content)))
    assert name in str(told.value)


def test_missing_files_and_columns(tmp_path: Path) -> None:
    for name in ("a.csv", "a.parquet", "a.txt.gz"):
        with pytest.raises(UserError, match="no such file"), open_text(tmp_path / name):
            pass
    with pytest.raises(UserError, match="no column 'txet'; did you mean text"):
        column({"text": "a"}, "txet", Path("a.csv"))
    with pytest.raises(UserError, match="columns: text, label"):
        column({"text": "a", "label": "b"}, "zzz", Path("a.csv"))
