import gzip
import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from lrl_adapt.workspace.errors import UserError
from lrl_adapt.workspace.tables import column, open_text, read_rows


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
        ("a.tsv", "text\tlabel\na\tb\tc\n", "line 2: expected 2 columns"),
        ("a.csv", 'text,label\n"a\nb",c\n"d"\n', "line 4: expected 2 columns"),  # lines of the file, not records
        ("a.csv", 'text,label\n"a"b,c\n', "misplaced quotes"),
        ("a.csv.gz", gzip.compress("text\né\n".encode("latin1"), mtime=0), "not UTF-8"),
        ("a.jsonl", '{"a": "\\ud83d"}\n', "line 1: half a surrogate pair"),
        ("a.jsonl", "[1]\n", "row 1: expected an object"),
        ("a.csv.gz", "no gzip at all", "not a readable gzip file"),
        ("a.csv.gz", gzip.compress(b"text\n" + b"a\n" * 5000, mtime=0)[:-12], "not a readable gzip file"),
        ("a.parquet", "no parquet", "not a readable parquet file"),
        ("a.parquet", b"", "not a readable parquet file"),
        ("a.jsonl.gz", gzip.compress(b'{"a": 1}', mtime=0)[:6], "not a readable gzip file"),
        ("a.docx", "", "unknown format; expected csv, .*; save its table as CSV"),
    ],
)
def test_bad_files_are_told_by_name_and_line(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        list(read_rows(write(tmp_path / name, content)))
    assert name in str(error.value)


def test_missing_files_and_columns(tmp_path: Path) -> None:
    for name in ("a.csv", "a.parquet", "a.txt.gz"):
        with pytest.raises(UserError, match="no such file"), open_text(tmp_path / name):
            pass
    with pytest.raises(UserError, match="no column 'txet'; did you mean text"):
        column({"text": "a"}, "txet", Path("a.csv"))
    with pytest.raises(UserError, match="columns: text, label"):
        column({"text": "a", "label": "b"}, "zzz", Path("a.csv"))


def test_a_parquet_file_that_lost_its_end(tmp_path: Path) -> None:
    rows = [{"text": f"sentensi {number}"} for number in range(5000)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert list(read_rows(tmp_path / "a.parquet")) == rows  # more than one batch
    for content in (
        (tmp_path / "a.parquet").read_bytes()[:-100],
        b"PAR1" + b"\0" * 3000 + (tmp_path / "a.parquet").read_bytes()[3004:],
    ):
        with pytest.raises(UserError, match=r"b\.parquet: not a readable parquet file") as refused:
            list(read_rows(write(tmp_path / "b.parquet", content)))
        assert "\n" not in str(refused.value)


def test_an_emoji_written_as_two_escapes_is_one(tmp_path: Path) -> None:
    assert list(read_rows(write(tmp_path / "a.jsonl", '{"a": "\\ud83d\\ude00"}\n'))) == [{"a": "😀"}]


def test_every_text_format_may_be_gzipped(tmp_path: Path) -> None:
    for name, content in (("a.csv", "text\nmoja\n"), ("a.tsv", "text\nmoja\n"), ("a.jsonl", '{"text": "moja"}')):
        assert list(read_rows(write(tmp_path / f"{name}.gz", gzip.compress(content.encode())))) == [{"text": "moja"}]


def test_whole_web_pages_fit_in_a_field(tmp_path: Path) -> None:
    page = "neno " * 100_000
    assert list(read_rows(write(tmp_path / "a.csv", f'text\n"{page}"\n'))) == [{"text": page}]


def test_text_is_read_without_a_byte_order_mark(tmp_path: Path) -> None:
    for name, content in (("a.txt", "\ufeffmoja\n".encode()), ("a.txt.gz", gzip.compress("\ufeffmoja\n".encode()))):
        with open_text(write(tmp_path / name, content)) as text:
            assert text.read() == "moja\n"


NAMES_ALIKE = ("\u00e9", "e\u0301")


def test_columns_that_differ_only_in_their_form_are_two_of_one_name(tmp_path: Path) -> None:
    first, second = NAMES_ALIKE
    contents = {
        "a.csv": f"{first},{second}\nx,y\n",
        "a.tsv": f"{first}\t{second}\nx\ty\n",
        "a.jsonl": json.dumps({first: "x", second: "y"}),
        "a.json": json.dumps([{first: "x", second: "y"}]),
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    pyarrow.parquet.write_table(pyarrow.table({first: ["x"], second: ["y"]}), tmp_path / "a.parquet")
    for name in (*contents, "a.parquet"):
        with pytest.raises(UserError, match="are both called"):
            list(read_rows(tmp_path / name))


def test_column_names_come_in_the_form_of_all_text(tmp_path: Path) -> None:
    name = "te\u0301xt\u200e"
    (tmp_path / "a.csv").write_text(f"{name},label\nx,y\n", encoding="utf-8")
    (tmp_path / "a.jsonl").write_text(json.dumps({name: "x", "label": "y"}), encoding="utf-8")
    pyarrow.parquet.write_table(pyarrow.table({name: ["x"], "label": ["y"]}), tmp_path / "a.parquet")
    for file in ("a.csv", "a.jsonl", "a.parquet"):
        assert list(read_rows(tmp_path / file)) == [{"t\u00e9xt": "x", "label": "y"}]


@pytest.mark.parametrize(
    ("value", "told"),
    [("[" * 100_000 + "]" * 100_000, "nested too deeply; make them flat"), ("9" * 5_000, "too many digits; put it in")],
    ids=["nested", "digits"],
)
def test_json_that_python_cannot_hold_is_told_in_one_line(tmp_path: Path, value: str, told: str) -> None:
    for name, content in (("a.jsonl", f'{{"text": {value}}}\n'), ("a.json", f'[{{"text": {value}}}]')):
        (tmp_path / name).write_text(content, encoding="utf-8")
        with pytest.raises(UserError, match=told):
            list(read_rows(tmp_path / name))
