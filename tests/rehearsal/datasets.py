"""Repositories of the data sets and ConceptNet's dump, written as the table of facts says that the real ones are."""

import csv
import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow
import pyarrow.parquet
import yaml

from .facts import Facts
from .items import SHARDS, edges, labelled, pages, source_pages, tagged
from .words import sentences

SENTENCES = 40  # in a file of plain text


def write_glotcc(folder: Path, facts: Facts) -> None:
    """Pages with all of GlotCC's columns, in two shards a language."""
    glotcc = facts["glotcc"]
    columns, kinds = glotcc["columns"], pyarrow.string()
    numbers = {"num-sents": pyarrow.int64(), "content-length": pyarrow.int64()}
    numbers |= dict.fromkeys(("identification-consistency", "script-percentage"), pyarrow.float64())
    schema = {columns["text"]: kinds} | {name: numbers.get(name, kinds) for name in glotcc["unread"]}
    schema |= {columns[name]: pyarrow.list_(kinds) for name in ("warnings", "categories")}
    schema |= {columns["id"]: kinds, columns["probability"]: pyarrow.float64()}
    for language, label in glotcc["languages"].items():
        for number in range(SHARDS):
            rows = [_glotcc_row(page, glotcc, label) for page in pages(language, number)]
            table = pyarrow.Table.from_pylist(rows, schema=pyarrow.schema(schema))
            write_parquet(folder / glotcc["files"].format(language=label, number=number), table)


def _glotcc_row(page: dict[str, Any], glotcc: Facts, label: str) -> dict[str, Any]:
    columns, lines = glotcc["columns"], page["text"].count("\n") + 1
    unread = {"warc-target-uri": f"https://example.org/{page['id'][-8:-1]}", "warc-date": "2024-02-23T07:33:45Z"}
    unread |= {"identification-language": label, "identification-consistency": 1.0, "script-percentage": 1.0}
    unread |= {"num-sents": lines, "content-length": len(page["text"]), "tlsh": "T1" + "0" * 70}
    read = {name: page[name] for name in ("text", "id", "warnings", "probability")}
    read["categories"] = [glotcc["religious"]] if page["religious"] else []
    return unread | {columns[name]: value for name, value in read.items()}


def write_labelled(folder: Path, facts: Facts, name: str) -> None:
    """Sentences with labels, whether the files hold the labels' names (tsv) or their numbers."""
    about = facts[name]
    for language, code in about["languages"].items():
        named = about.get("named_labels", {})
        by_name = about["files"].endswith(".tsv") or language in named.get("languages", [])
        label = named["column"] if language in named.get("languages", []) else about["columns"]["label"]
        for split, own_name in about["splits"].items():
            rows = [
                {
                    **{column: str(number) for column in about.get("unread", [])},
                    label: topic if by_name else about["labels"].index(topic),
                    about["columns"]["text"]: text,
                }
                for number, (text, topic) in enumerate(labelled(facts, name, language, split))
            ]
            file = folder / about["files"].format(language=code, split=own_name)
            if file.suffix == ".parquet":
                write_parquet(file, pyarrow.Table.from_pylist(rows), {} if by_name else {label: about["labels"]})
            else:
                write_rows(file, rows)


def write_wikiann(folder: Path, facts: Facts) -> None:
    """Words, and numbers for their tags."""
    about = facts["wikiann"]
    columns = about["columns"]
    text, tags = pyarrow.list_(pyarrow.string()), pyarrow.list_(pyarrow.int64())
    schema = pyarrow.schema({columns["text"]: text, columns["label"]: tags, "langs": text, "spans": text})
    for language, code in about["languages"].items():
        for split, own_name in about["splits"].items():
            rows = [
                {
                    columns["text"]: tokens,
                    columns["label"]: [about["labels"].index(tag) for tag in sentence_tags],
                    "langs": [code] * len(tokens),
                    "spans": [],
                }
                for tokens, sentence_tags in tagged(facts, language, split)
            ]
            file = about["files"].format(language=code, split=own_name, number=0, count=1)
            table = pyarrow.Table.from_pylist(rows, schema=schema)
            write_parquet(folder / file, table, {columns["label"]: about["labels"]})


def write_texts(folder: Path, facts: Facts, name: str) -> None:
    """Plain sentences, one a row."""
    about = facts[name]
    for language, code in about["languages"].items():
        for split, own_name in about.get("splits", {"train": "train"}).items():
            rows = [
                {**dict.fromkeys(about["unread"], f"{code} {number}"), about["columns"]["text"]: text}
                for number, text in enumerate(sentences(language, SENTENCES, f"{name} {split}"))
            ]
            write_rows(folder / about["files"].format(language=code, split=own_name, number=0), rows)


def write_source(folder: Path, facts: Facts, name: str) -> None:
    """The pages of a text source, in two files a language."""
    about = facts[name]
    columns = about["columns"]
    for language, code in about["languages"].items():
        for number in range(SHARDS):
            rows = [
                {
                    **dict.fromkeys(about.get("unread", []), f"{code} {page['id']}"),
                    **({columns["id"]: page["id"]} if "id" in columns else {}),
                    columns["text"]: page["text"].replace("\n", "\\n")
                    if "escaped_line_breaks" in about
                    else page["text"],
                }
                for page in source_pages(name, language, number)
            ]
            write_rows(folder / about["files"].format(language=code, number=number, count=SHARDS), rows)


def write_conceptnet(folder: Path, facts: Facts) -> Path:
    """ConceptNet's dump under the path that it has on its server: edges of a few languages, and some of none."""
    about = facts["conceptnet"]
    file = folder / urlsplit(about["address"]).path.strip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [line for language in about["languages"] for line in _assertions(language, about)]
    with gzip.GzipFile(file, "wb", mtime=0) as packed:
        packed.write("".join(f"{line}\n" for line in sorted(lines)).encode())
    return file


def _assertions(language: str, about: Facts) -> Iterable[str]:
    codes = {**about["languages"], "eng_Latn": "en"}

    def node(term: str) -> str:
        code, _, text = term.partition(" ")
        return about["node"].format(language=codes[code], term=text)

    details = {"dataset": "/d/wiktionary/en", "license": about["licence"], "sources": [], "weight": 1.0}
    for relation, start, end in edges(language):
        uri = f"/a/[/r/{relation}/,{node(start)}/,{node(end)}/]"
        named = {"assertion": uri, "relation": f"/r/{relation}", "start": node(start), "end": node(end)}
        named["details"] = json.dumps(details)
        yield "\t".join(named[column] for column in about["columns"])
    term = node(f"{language} {edges(language, 1)[0][1].split()[1]}")
    yield f"/a/[/r/ExternalURL/,{term}/]\t/r/ExternalURL\t{term}\thttp://example.org/page\t{json.dumps(details)}"
    yield f"/a/[/r/Synonym/,/c/fr/eau/,/c/de/wasser/]\t/r/Synonym\t/c/fr/eau\t/c/de/wasser\t{json.dumps(details)}"


def write_card(folder: Path, about: Facts) -> None:
    """README.md with the licence in its front matter."""
    front = {"license": about["licence"]} if "licence" in about else {}
    if about.get("gated"):
        front |= {"extra_gated_prompt": "You agree to the conditions."}
    folder.mkdir(parents=True, exist_ok=True)
    text = f"---\n{yaml.safe_dump(front)}---\n\n# Made up for rehearsal\n" if front else "# Made up for rehearsal\n"
    (folder / "README.md").write_text(text, encoding="utf-8")


def write_rows(file: Path, rows: list[dict[str, Any]]) -> None:
    """Rows as csv, tsv, jsonl or parquet, as the name says."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".parquet":
        write_parquet(file, pyarrow.Table.from_pylist(rows))
    elif ".jsonl" in file.suffixes:
        text = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()
        file.write_bytes(gzip.compress(text, mtime=0) if file.suffix == ".gz" else text)
    else:
        tab = file.suffix == ".tsv"
        quoting = csv.QUOTE_NONE if tab else csv.QUOTE_MINIMAL
        with file.open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(
                out, list(rows[0]), delimiter="\t" if tab else ",", quoting=quoting, lineterminator="\n"
            )
            writer.writeheader()
            writer.writerows(rows)


def write_parquet(file: Path, table: pyarrow.Table, labels: dict[str, list[str]] | None = None) -> None:
    """A table as parquet, the names of numbered `labels`, by column, where the library `datasets` writes them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if labels:
        features = {field.name: _feature(field, labels.get(field.name)) for field in table.schema}
        message = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": message})
    pyarrow.parquet.write_table(table, file)


def _feature(field: pyarrow.Field, names: list[str] | None) -> dict[str, Any]:
    """What `datasets` says of a column: a type, names of classes, or a list of either."""
    if pyarrow.types.is_list(field.type):
        return {"feature": _feature(field.type.value_field, names), "_type": "List"}
    if names:
        return {"names": names, "_type": "ClassLabel"}
    return {"dtype": str(field.type), "_type": "Value"}


WRITERS: dict[str, Callable[[Path, Facts], None]] = {
    "glotcc": write_glotcc,
    "sib200": lambda folder, facts: write_labelled(folder, facts, "sib200"),
    "wikiann": write_wikiann,
    "sentiment": lambda folder, facts: write_labelled(folder, facts, "sentiment"),
    "flores": lambda folder, facts: write_texts(folder, facts, "flores"),
    "mteb_sib200": lambda folder, facts: write_labelled(folder, facts, "mteb_sib200"),
    "fineweb2": lambda folder, facts: write_source(folder, facts, "fineweb2"),
    "wikipedia": lambda folder, facts: write_source(folder, facts, "wikipedia"),
    "finepdfs": lambda folder, facts: write_source(folder, facts, "finepdfs"),
    "hplt": lambda folder, facts: write_source(folder, facts, "hplt"),
    "madlad": lambda folder, facts: write_source(folder, facts, "madlad"),
}
