"""Tables and CoNLL files of random values and bytes: what was written is read, what is damaged is read or refused."""

import csv
import gzip
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from lrl_adapt.recipes.evaluation import Task
from lrl_adapt.recipes.task_files import read_split
from lrl_adapt.workspace.errors import UserError
from lrl_adapt.workspace.tables import class_names, open_table, read_conll, read_rows

from ...fuzz import damaged, each_seed, shown_on_failure, text, value

FILES = 2000  # for each seed
LETTERS = "abc ħ\u0301ܐ😀\u2028\u200f\x85,;|\"'\t\r\n.#-_09"
PIECES = (
    b'"',
    b'""',
    b",",
    b";",
    b"\t",
    b"\n",
    b"\r",
    b"\r\n",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"{",
    b"[",
    b"9" * 300,
)
NAMES = ("text", "label", "id", "intent", "te xt", "ħ", "a.b", "Text")


def words(rng: random.Random, letters: str = LETTERS) -> str:
    return "".join(rng.choice(letters) for _ in range(rng.randrange(1, 20)))


def rows(rng: random.Random, letters: str = LETTERS) -> list[dict[str, str]]:
    """The rows of a table with 2 to 4 columns of text, of which the first has letters only."""
    columns = rng.sample(NAMES, rng.randrange(2, 5))
    return [
        {name: f"x{words(rng, 'abc')}" if name == columns[0] else words(rng, letters) for name in columns}
        for _ in range(rng.randrange(1, 30))
    ]


def as_csv(table: list[dict[str, str]], separator: str = ",") -> bytes:
    content = io.StringIO(newline="")
    writer = csv.DictWriter(content, list(table[0]), delimiter=separator, quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(table)
    return content.getvalue().encode()


def as_tsv(table: list[dict[str, str]]) -> bytes:
    return "".join("\t".join(line) + "\n" for line in [list(table[0]), *(row.values() for row in table)]).encode()


def as_jsonl(table: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in table).encode("utf-8", "replace")


def as_json(table: list[dict[str, Any]]) -> bytes:
    return json.dumps(table, indent=1).encode()


def as_parquet(table: list[dict[str, str]]) -> bytes:
    sink = io.BytesIO()
    schema = pyarrow.Table.from_pylist(table)
    names = {"info": {"features": {"label": {"names": ["a", "b"], "_type": "ClassLabel"}}}}
    schema = schema.replace_schema_metadata({"huggingface": json.dumps(names)})
    pyarrow.parquet.write_table(schema, sink)
    return sink.getvalue()


FORMATS: dict[str, Callable[[list[dict[str, str]]], bytes]] = {
    ".csv": as_csv,
    ".tsv": as_tsv,
    ".jsonl": as_jsonl,
    ".json": as_json,
    ".parquet": as_parquet,
}


@each_seed
@pytest.mark.slow
def test_what_was_written_is_read(seed: int, tmp_path: Path) -> None:
    """With one separator and quotes around all fields, csv holds any text; tsv any without tabs and line ends."""
    rng = random.Random(seed)
    for _ in range(FILES // 10):
        ending = rng.choice(list(FORMATS))
        table = rows(rng, "abc ħ\u0301ܐ😀\u2028\u200f,;|'.#-_09" if ending == ".tsv" else LETTERS)
        content = FORMATS[ending](table)
        packed = ending != ".parquet" and rng.random() < 0.3
        path = tmp_path / f"a{ending}{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content) if packed else content)
        with shown_on_failure((path.name, content)):
            assert list(read_rows(path)) == table


@each_seed
@pytest.mark.slow
def test_damaged_tables_are_read_or_refused(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    for number in range(FILES):
        ending = rng.choice(list(FORMATS))
        table = rows(rng)
        if "json" in ending and rng.random() < 0.5:
            table = [row | {text(rng): value(rng)} for row in table]
        content = damaged(rng, FORMATS[ending](table), PIECES)
        if rng.random() < 0.1:
            content = rng.choice(
                (rng.randbytes(200), content.decode("latin-1").encode(rng.choice(("utf-16", "utf-32", "utf-7"))))
            )
        packed = rng.random() < 0.2
        if packed:
            content = gzip.compress(content)
            content = damaged(rng, content) if rng.random() < 0.5 else content
        path = tmp_path / f"{number}{ending}{'.gz' if packed else ''}"
        path.write_bytes(content)
        with shown_on_failure((path.name, content)):
            try:
                opened = open_table(path)
                read = list(opened.rows)
                assert all(isinstance(name, str) for _, row in read for name in row)
                class_names(path, "label")
            except UserError as error:
                check(error, path.name)
            read_as_task(rng, path)
        path.unlink()


def read_as_task(rng: random.Random, path: Path) -> None:
    """Read the file as that of a task of any kind."""
    kind = rng.choice(("topic", "ner", "pair", "regression", "multi"))
    columns = {"text": "text", "label": rng.choice(("label", "intent", "2", ["a", "label"]))}
    if kind == "pair":
        columns["text_pair"] = "id"
    if kind in ("regression", "multi"):
        columns["kind"] = {"regression": "regression", "multi": "multilabel"}[kind]
    task = Task.model_construct(
        **(Task.model_construct().model_dump() | columns | dict.fromkeys(("train", "validation", "test"), str(path)))
    )
    try:
        items = read_split("ner" if kind == "ner" else "topic", task, "test", path.parent)
        assert items
        for item in items:
            "".join((*item.texts, *item.names)).encode()
    except UserError as error:
        check(error, path.name, lines=30)  # a line for each wrong label


def check(error: UserError, name: str, lines: int = 1) -> None:
    assert name in str(error)
    message = str(error).split("\n")
    assert len(message) <= lines
    assert max(map(len, message)) < 2000


TOKENS = (
    "Amina",
    "#",
    "# x = y",
    "1",
    "2-3",
    "2.1",
    "-DOCSTART-",
    "sw:Amina",
    "ħ\u0301",
    "\u200b",
    "_",
    "a b",
    "",
    "\u2028",
    "٣",
    "²",
)
TAGS = ("O", "B-PER", "I-PER", "B-", "-", "_", "NOUN", "NER=B-PER|SpaceAfter=No", "SpaceAfter", "=", "", "O ")


@each_seed
@pytest.mark.slow
def test_damaged_conll_files_are_read_or_refused(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    read = 0
    for number in range(FILES):
        width = rng.choice((2, 2, 2, 3, 4, 10))
        separator = rng.choice(("\t", "\t", " ", "  "))
        few = rng.random() < 0.6
        lines = []
        for _ in range(rng.randrange(1, 30)):
            first = [str(len(lines) + 1)] if width in (3, 10) and rng.random() < 0.95 else []
            fields = [
                rng.choice(TOKENS[:1] if few else TOKENS),
                *(rng.choice(TAGS[:3] if few else TAGS) for _ in range(width - 1)),
            ]
            lines.append(separator.join([*first, *fields][:width]) if rng.random() < 0.85 else "")
        if rng.random() < 0.2:
            lines.insert(
                0, rng.choice(("token\tner", "# global.columns = ID FORM MISC", "# text = a", "word pos ner", "\ufeff"))
            )
        content = rng.choice(("\n", "\n", "\r\n", "\r")).join(lines).encode()
        if rng.random() < 0.5:
            content = damaged(rng, content, (*PIECES, b"\n\n", b"# ", b"\t\t"))
        path = tmp_path / f"{number}{rng.choice(('.conll', '.conllu', '.txt', '.bio', '.conllup'))}"
        path.write_bytes(content)
        label = rng.choice(
            (None, None, "2", "3", "0", "99", "²", "٣", "upos", "ner", "NER", "misc.NER", "", "-1", "9" * 5000)
        )
        with shown_on_failure((path.name, label, content)):
            try:
                conll = read_conll(path, rng.choice((None, None, "1", "form", "²", "0")), label)
                read += 1
                assert all(len(sentence) == len(tags) > 0 for sentence, tags in conll.sentences)
            except UserError as error:
                check(error, path.name)
        path.unlink()
    assert read > FILES / 20
