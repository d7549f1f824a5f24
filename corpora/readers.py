"""From the recipe's files, local ones or GlotCC's shards, to documents, one after the other.

The extension of a file decides how it is read: text here, tables (csv, tsv, jsonl, json, parquet) by
`workspace.tables`, documents (pdf, docx, …) by `documents`; `recipes.corpus_files` decides which files of a folder are
read. A new format of tables starts with its extension in `workspace/tables/__init__.py`, one of documents in
`recipes/corpus_files.py`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..recipes.corpus_files import DOCUMENTS, corpus_files, is_document, unread_corpus_files
from ..recipes.glotcc import glotcc_shards
from ..recipes.schema import Corpus
from ..workspace.errors import UserError
from ..workspace.hub import COMMIT, HubFolder, hub_file
from ..workspace.progress import QUIET, Progress
from ..workspace.tables import is_table, is_text, open_table, open_text, text_in
from ..workspace.text import to_nfc
from .documents import read_document
from .documents.decoding import find_encoding
from .documents.plain import read_paragraphs

TEXT_COLUMNS = ("content", "text")  # read where corpus.text_column names none: GlotCC's, and the usual one
ID_COLUMN = "warc-record-id"
NO_NAMES: frozenset[str] = frozenset()


class Document(NamedTuple):
    """A web page, a row of a table, a line or paragraph of a file: with GlotCC's annotations where it has them."""

    id: str
    text: str
    warnings: frozenset[str] = NO_NAMES
    categories: frozenset[str] = NO_NAMES
    probability: float | None = None
    """Of the language, by GlotLID."""
    file: int = 0
    """Number of its file among those of the corpus."""


@dataclass
class CorpusFiles:
    """The files of a corpus: local ones, or GlotCC's shards, each fetched when it is its turn."""

    corpus: Corpus
    local: list[Path] = field(default_factory=list)
    shards: HubFolder | None = None
    read: list[str] = field(default_factory=list)
    """Names of the files handed out so far."""

    def paths(self, progress: Progress = QUIET) -> Iterator[Path]:
        """Local paths, one by one."""
        for path in self.local:
            self.read.append(path.name)
            yield path
        if self.shards is None:
            return
        for name in self.shards.files:
            progress.say(f"shard {len(self.read) + 1} of {len(self.shards.files)}: {name}")
            self.read.append(name)
            yield hub_file(self.corpus.glotcc, name, self.shards.commit)

    def facts(self) -> dict[str, Any]:
        """Where the text came from, for the manifest: no paths of this machine."""
        if self.shards is None:
            return {"files": self.read}
        return {
            "glotcc": self.corpus.glotcc,
            "revision": self.corpus.revision,
            "commit": self.shards.commit,
            "licence": self.shards.card.licence,
            "files": self.read,
            "of": len(self.shards.files),
        }


def find_files(corpus: Corpus, language: str, progress: Progress = QUIET) -> CorpusFiles:
    """The files of a corpus, nothing fetched yet. Raises UserError where there are none."""
    if corpus.files:
        for folder, endings in unread_corpus_files(corpus).items():
            counts = ", ".join(f"{count} {ending}" for ending, count in endings.items())
            progress.say(f"{folder}: {endings.total()} files not read ({counts})")
        return CorpusFiles(corpus, local=corpus_files(corpus))
    shards = glotcc_shards(corpus, language)
    if not COMMIT.fullmatch(corpus.revision):
        progress.say(f"{corpus.glotcc}: {corpus.revision} is at {shards.commit}; set corpus.revision to pin it")
    return CorpusFiles(corpus, shards=shards)


class DocumentReader:
    """Reads the documents of file after file, as `corpus` says.

    `empty` counts documents without text, which are skipped, and `changes` what was removed and mended in the text of
    files, by a description. Reports to `progress` how a file is read if its name does not show it.
    `script` is the ISO 15924 code of the language's script, which helps to find encodings.
    """

    def __init__(self, corpus: Corpus, progress: Progress = QUIET, script: str | None = None) -> None:
        self._corpus = corpus
        self._progress = progress
        self._script = script
        self._files = 0
        self.empty = 0
        self.changes: Counter[str] = Counter()

    def read(self, path: Path) -> Iterator[Document]:
        """Documents of a text file, a table or a document.

        A document's id is GlotCC's record id where there is one, else the text itself in normal form C: its hash
        decides the split, which must not depend on how a keyboard writes accents. The text is as the file has it, since
        the rules for all text (`workspace.text`) would hide broken encoding. Raises UserError for a file that cannot be
        read, has no text column or an unknown format.
        """
        number = self._files
        self._files += 1
        for document in self._documents(path, number):
            if document.text and not document.text.isspace():
                yield document
            else:
                self.empty += 1

    def _documents(self, path: Path, number: int) -> Iterator[Document]:
        if is_table(path):
            return self._rows(path, number)
        if is_text(path):
            texts = self._plain(path)
        elif is_document(path):
            texts = self._paragraphs(path)
        else:
            formats = ", ".join(ending[1:] for ending in DOCUMENTS)
            raise UserError(f"{path}: unknown format; expected txt, csv, tsv, jsonl, json or parquet, or {formats}")
        return (Document(to_nfc(text), text, file=number) for text in texts)

    def _plain(self, path: Path) -> Iterator[str]:
        """The lines or paragraphs of a text file, or its whole text."""
        encoding = find_encoding(path, self._corpus.encoding, self._script)
        self._say(path, [encoding.note] if encoding.note else [])
        with open_text(path, encoding=encoding.codec) as file:
            if self._corpus.sample_by == "line":
                yield from (line.strip() for line in file)
            else:
                yield from self._sampled(read_paragraphs(file, self.changes))

    def _paragraphs(self, path: Path) -> Iterator[str]:
        """The paragraphs of a document, or its whole text."""
        extracted = read_document(path, self._corpus.encoding, self._script)
        self._say(path, extracted.notes)
        self.changes.update(extracted.changes)
        yield from self._sampled(extracted.paragraphs)

    def _sampled(self, paragraphs: Iterable[str]) -> Iterable[str]:
        return ["\n".join(paragraphs)] if self._corpus.sample_by == "document" else paragraphs

    def _rows(self, path: Path, number: int) -> Iterator[Document]:
        table = open_table(path)
        self._say(path, table.notes)
        for row_number, row in table.rows:
            column = self._corpus.text_column or next((name for name in TEXT_COLUMNS if name in row), TEXT_COLUMNS[-1])
            text = table.value(row_number, row, column)
            if not isinstance(text, str):  # the place of every row would take as long as reading it
                text = text_in(text, column, table.place(row_number))
            yield Document(
                str(row.get(ID_COLUMN) or to_nfc(text)),
                text,
                _names(row.get("quality-warnings")),
                _names(row.get("categories")),
                _probability(row.get("identification-prob")),
                number,
            )
        self._say(path, table.late_notes)

    def _say(self, path: Path, notes: Iterable[str]) -> None:
        for note in notes:
            self._progress.say(f"read {path.name}: {note}")


def _names(value: Any) -> frozenset[str]:
    """A column with a list of names; no names where it holds something else."""
    return frozenset(map(str, value)) if isinstance(value, list) else NO_NAMES


def _probability(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
