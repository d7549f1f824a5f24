"""The corpus artifact: train, validation and test parquet with the columns document and text."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from ..recipes.artifacts import Artifact, Draft, file_hash
from ..recipes.errors import UserError
from ..recipes.languages import find_language
from ..recipes.progress import QUIET, Progress
from ..recipes.schema import Corpus, Recipe
from ..recipes.sources import expand_files
from .clean import Cleaner
from .readers import Document, corpus_files, read_documents

SPLITS = ("train", "validation", "test")
SCHEMA = pyarrow.schema({"document": pyarrow.string(), "text": pyarrow.string()})
ROWS = 5000  # lines written at a time


def corpus_artifact(recipe: Recipe, workspace: Path) -> Artifact:
    """Where the recipe's corpus lies. Local files count by content; GlotCC by hub id, revision and language."""
    corpus = _section(recipe)
    section = corpus.model_dump(mode="json", exclude={"files", "glotcc", "revision"})
    if corpus.files:
        inputs: dict[str, Any] = {
            "files": [f"{''.join(path.suffixes[-2:])} {file_hash(path)}" for path in expand_files(corpus.files)]
        }
    else:
        inputs = {"glotcc": corpus.glotcc, "revision": corpus.revision}
    section |= {"language": recipe.language, "code": 1}
    return Artifact(workspace / "data" / recipe.language, "corpus", "corpus", section, inputs)


def prepare_corpus(recipe: Recipe, workspace: Path, progress: Progress = QUIET) -> Artifact:
    """Read, clean and split the recipe's text unless that is done. Raises UserError where no line is left."""
    artifact = corpus_artifact(recipe, workspace)
    artifact.build(lambda draft: _prepare(recipe, draft, progress), progress)
    return artifact


def split_of(document: Document) -> str:
    """80 % train, 10 % validation, 10 % test by the hash of the document's id: stable when other data are added."""
    tenth = hashlib.sha256(document.id.encode()).digest()[0] * 10 // 256
    return SPLITS[max(0, tenth - 7)]


def _prepare(recipe: Recipe, draft: Draft, progress: Progress) -> None:
    corpus = _section(recipe)
    files = corpus_files(corpus, recipe.language)
    cleaner = Cleaner(corpus.min_characters)
    documents, lines, size = Counter[str](), Counter[str](), Counter[str]()
    with ExitStack() as stack:
        writers = {split: stack.enter_context(_Writer(draft.folder / f"{split}.parquet")) for split in SPLITS}
        for document in progress.track(_documents(files, corpus), "read text"):
            split = split_of(document)
            kept = list(cleaner.lines(document))
            documents[split] += bool(kept)
            for line in kept:
                writers[split].add(document.id, line)
                lines[split] += 1
                size[split] += len(line.encode())
            if corpus.max_bytes is not None and size.total() >= corpus.max_bytes:
                break
    if not lines.total():
        raise UserError(
            f"no line of text is left for {recipe.language}: {dict(cleaner.counts)} (corpus.files, min_characters)"
        )
    draft.facts |= {
        "documents": dict(documents),
        "lines": dict(lines),
        "bytes": dict(size),
        "counts": dict(cleaner.counts),
    }
    (draft.folder / "card.md").write_text(_card(recipe, files, draft.facts), encoding="utf-8")


def _section(recipe: Recipe) -> Corpus:
    if recipe.corpus is None:
        raise UserError("the recipe has no corpus section")
    return recipe.corpus


def _documents(files: list[Path], corpus: Corpus) -> Iterator[Document]:
    for path in files:
        yield from read_documents(path, corpus.text_column)


class _Writer:
    """A parquet file that lines are added to one by one."""

    def __init__(self, path: Path) -> None:
        self._file = pyarrow.parquet.ParquetWriter(path, SCHEMA)
        self._rows: list[dict[str, str]] = []

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._file.close()

    def add(self, document: str, text: str) -> None:
        """Add one line."""
        self._rows.append({"document": hashlib.sha256(document.encode()).hexdigest()[:16], "text": text})
        if len(self._rows) >= ROWS:
            self._flush()

    def _flush(self) -> None:
        self._file.write_table(pyarrow.Table.from_pylist(self._rows, schema=SCHEMA))
        self._rows.clear()


def _card(recipe: Recipe, files: list[Path], facts: dict[str, Any]) -> str:
    """The data card, in Markdown."""
    corpus = _section(recipe)
    source = "local files" if corpus.files else f"{corpus.glotcc} at revision {corpus.revision}"
    columns = [facts[name] for name in ("documents", "lines", "bytes")]
    rows = [f"| {split} | {' | '.join(str(column.get(split, 0)) for column in columns)} |" for split in SPLITS]
    counts = [f"- {reason}: {count} lines" for reason, count in facts["counts"].items()]
    licence = (
        "The licence is that of the files; keep to it."
        if corpus.files
        else "GlotCC-V1: packaging CC0 1.0, the text under Common Crawl's terms of use."
    )
    return "\n".join(
        [
            f"# Text in {find_language(recipe.language).name} ({recipe.language})",
            "",
            f"From {source}: {', '.join(path.name for path in files)}. {licence}",
            "",
            "| split | documents | lines | bytes |",
            "|---|---|---|---|",
            *rows,
            "",
            *counts,
            "",
            f"A line is kept if it has at least {corpus.min_characters} characters and was not seen before; "
            "splits are made by document.",
            "",
        ]
    )
