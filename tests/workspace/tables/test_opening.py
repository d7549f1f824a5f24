import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from lrl_adapt.cli.texts import read_texts
from lrl_adapt.workspace.errors import UserError
from lrl_adapt.workspace.tables import open_table, open_text, read_rows

CSV = "text,label\nmoja kwa moja,x\nO‘zbekiston,y\n"
ROWS = [{"text": "moja kwa moja", "label": "x"}, {"text": "O‘zbekiston", "label": "y"}]
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "notes"),
    [
        (CSV.encode(), ()),
        (CSV.encode("utf-8-sig"), ()),
        (gzip.compress(CSV.encode(), mtime=0), ("compressed with gzip",)),
        (CSV.encode("utf-16"), ("in UTF-16",)),
        ("\ufeff".encode("utf-16-be") + CSV.encode("utf-16-be"), ("in UTF-16",)),
        (CSV.encode("utf-32"), ("in UTF-32",)),
        (gzip.compress(CSV.encode("utf-16"), mtime=0), ("compressed with gzip and in UTF-16",)),
    ],
)
def test_what_a_plain_name_does_not_tell_is_seen_in_the_content_and_noted(
    tmp_path: Path, content: bytes, notes: tuple[str, ...]
) -> None:
    path = write(tmp_path / "a.csv", content)
    table = open_table(path)
    assert [row for _, row in table.rows] == ROWS
    assert table.notes == notes
    with open_text(path) as file:
        assert file.read() == CSV


def zipped(member: str = "a.csv") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(member, CSV)
    return file.getvalue()


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json", "a.tsv", "a.parquet", "A.CSV"])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (LFS, "is a Git LFS pointer, not the data: run `git lfs pull`"),
        (zipped(), "is a zip archive: unpack it"),
        (zipped("word/document.xml"), r"is a Word document: rename it to end in \.docx for a corpus; for a task, save"),
        (zipped("xl/workbook.xml"), "is an Excel workbook: save the sheet as CSV"),
        (bz2.compress(CSV.encode()), "is compressed with bzip2"),
        (rb"{\rtf1\ansi Habari ya leo.\par}", "is an RTF document: save it as plain text"),
        (lzma.compress(CSV.encode()), "is compressed with xz"),
        (b"<!DOCTYPE html>\n<html><head></head></html>", "is a web page, not data"),
    ],
)
def test_what_is_no_data_is_named_as_what_it_is(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    with pytest.raises(UserError, match=told) as error:
        list(read_rows(write(tmp_path / name, content)))
    assert name in str(error.value)


def test_a_pointer_in_place_of_a_text_is_named_too(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a Git LFS pointer"), open_text(write(tmp_path / "a.txt", LFS)):
        pass


def test_parquet_under_other_names(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    content = (tmp_path / "a.parquet").read_bytes()
    assert list(read_rows(write(tmp_path / "A.PARQUET", content))) == ROWS
    for packed in (content, gzip.compress(content, mtime=0)):
        with pytest.raises(UserError, match=r"parquet files do not end in \.gz: unpack it with gunzip, or rename it"):
            list(read_rows(write(tmp_path / "b.parquet.gz", packed)))
    with pytest.raises(UserError, match="a gzipped parquet file: unpack it"):
        list(read_rows(write(tmp_path / "c.parquet", gzip.compress(content, mtime=0))))
    with pytest.raises(UserError, match=r"is a parquet file: rename it to end in \.parquet"):
        list(read_rows(write(tmp_path / "d.csv", content)))


def test_a_byte_that_is_no_text_is_told_by_its_line(tmp_path: Path) -> None:
    lines = [b"text\n", *[b"neno refu kidogo\n"] * 50_000, b"caf\xe9\n", b"neno\n"]  # far behind the first buffer
    for name, content in (("a.csv", b"".join(lines)), ("a.csv.gz", gzip.compress(b"".join(lines), mtime=0))):
        with pytest.raises(UserError, match=r"line 50002: not UTF-8 text \(byte 0xe9, .*save it as UTF-8"):
            list(read_rows(write(tmp_path / name, content)))
    with pytest.raises(UserError, match="not UTF-16 text although it begins like it"):
        list(read_rows(write(tmp_path / "b.csv", "text\nmoja\n".encode("utf-16")[:-1])))


def test_endings_in_capitals(tmp_path: Path) -> None:
    for name, content in (
        ("A.CSV", CSV),
        ("A.Tsv", CSV.replace(",", "\t")),
        ("A.JSONL", '{"text": "moja kwa moja", "label": "x"}\n{"text": "O‘zbekiston", "label": "y"}'),
    ):
        assert list(read_rows(write(tmp_path / name, content.encode()))) == ROWS
        assert list(read_rows(write(tmp_path / f"{name}.GZ", gzip.compress(content.encode(), mtime=0)))) == ROWS


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_utf16_without_a_mark_is_refused(tmp_path: Path, encoding: str) -> None:
    content = CSV.encode(encoding)
    for name in ("a.csv", "a.tsv", "a.jsonl"):
        for packed in (content, gzip.compress(content, mtime=0)):
            with pytest.raises(UserError, match="UTF-16 without a byte-order mark, or a binary file: save it as UTF-8"):
                open_table(write(tmp_path / name, packed))
    with pytest.raises(UserError, match="UTF-16 without a byte-order mark"):
        list(read_texts(None, write(tmp_path / "a.txt", content)))  # predict --file
