"""From the files of a corpus, local ones or downloaded ones, to documents, one after the other.

The extension of a file decides how it is read: text here, tables (csv, tsv, jsonl, json, parquet) by
`workspace.tables`, documents (pdf, docx, …) by `documents`; `recipes.corpus_files` decides which files of a folder are
read. A new format of tables starts with its extension in `workspace/tables/__init__.py`, one of documents in
`recipes/corpus_files.py`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

from ..recipes.annotations import tool_of_row
from ..recipes.corpus_files import DOCUMENTS, is_document, is_pdf
from ..recipes.corpus_sources import layout_advice
from ..recipes.schema import Corpus
from ..recipes.text_sources import TextSource
from ..workspace.contents import SAVE_AS
from ..workspace.errors import UserError
from ..workspace.progress import QUIET, Progress
from ..workspace.tables import ColumnError, Table, is_table, is_text, open_table, open_text, text_in
from ..workspace.text import to_nfc
from .documents import read_document
from .documents.decoding import find_encoding
from .documents.extracted import Extracted
from .documents.paragraphs import WordParts
from .documents.pdf import mend_pdf, pdf_lines
from .documents.plain import read_paragraphs
from .documents.subtitles import refuse_subtitles

TEXT_COLUMNS = ("content", "text")  # read where corpus.text_column names none: GlotCC's, and the usual one
ID_COLUMN = "warc-record-id"
NO_NAMES: frozenset[str] = frozenset()
WORDS_FROM = 5_000_000  # characters of all files but PDFs whose words are counted: some seconds
KEPT_CHARACTERS = 50_000_000  # of the lines of PDFs in memory, some 100 to 200 MB; those of others are extracted again
PdfLines = tuple[list[list[str]], Counter[str]]
"""Lines of paragraphs, and what was removed."""


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
    preference: int = 0
    """Of what it comes from: 0 for the most preferred; see `recipes.corpus_sources`."""


class DocumentReader:
    """Reads the documents of file after file, as `corpus` says.

    `empty` counts documents without text, which are skipped, `documents` the others by file, and `changes` what was
    removed and mended in the text of files, by a description. Reports to `progress` how a file is read if its name does
    not show it.
    `script` is the ISO 15924 code of the language's script, which helps to find encodings. `files` are those that are
    read together: all their words decide whether a hyphen at the end of a line belongs to a word.
    """

    def __init__(
        self, corpus: Corpus, progress: Progress = QUIET, script: str | None = None, files: Sequence[Path] = ()
    ) -> None:
        self._corpus = corpus
        self._progress = progress
        self._script = script
        self._files = files
        self._pdfs: dict[Path, PdfLines] = {}
        self._counted: set[Path] = set()
        self.documents: list[int] = []
        self.empty = 0
        self.changes: Counter[str] = Counter()

    def read(self, path: Path, source: TextSource | None = None, preference: int = 0) -> Iterator[Document]:
        """Documents of a text file, a table or a document; `source` says how the files of a text source are read.

        A document's id is that of its page (GlotCC's record id, the id column of the source) where there is one, else
        the text itself in normal form C: its hash decides the split, which must not depend on how a keyboard writes
        accents. The text is as the file has it, since the rules for all text (`workspace.text`) would hide broken
        encoding. Raises UserError for a file that cannot be read, has no text column or an unknown format.
        """
        number = len(self.documents)
        self.documents.append(0)
        for document in self._documents(path, source, partial(Document, file=number, preference=preference)):
            if document.text and not document.text.isspace():
                self.documents[number] += 1
                yield document
            else:
                self.empty += 1

    def _documents(
        self, path: Path, source: TextSource | None, make: Callable[..., Document] = Document
    ) -> Iterator[Document]:
        if is_table(path):
            return self._own_rows(path, make) if source is None else self._source_rows(path, source, make)
        if is_text(path):
            texts = self._plain(path)
        elif is_document(path):
            texts = self._paragraphs(path)
        else:
            formats = ", ".join(ending[1:] for ending in DOCUMENTS)
            known = f"expected txt, csv, tsv, jsonl, json or parquet, or {formats}"
            other = SAVE_AS.get(path.suffix.lower())
            raise UserError(f"{path}: unknown format; {f'save it as {other}' if other else known}")
        return (make(to_nfc(text), text) for text in texts)

    def _plain(self, path: Path) -> Iterator[str]:
        """The lines or paragraphs of a text file, or its whole text."""
        encoding = find_encoding(path, self._corpus.encoding, self._script)
        self._say(path, [encoding.note] if encoding.note else [])
        with open_text(path, encoding=encoding.codec) as file:
            lines = refuse_subtitles(path, file)
            if self._corpus.sample_by == "line":
                yield from (line.strip() for line in lines)
            else:
                yield from self._sampled(read_paragraphs(lines, self.changes, partial(self._words_with, path)))

    def _paragraphs(self, path: Path) -> Iterator[str]:
        """The paragraphs of a document, or its whole text."""
        encoding = self._corpus.encoding
        extracted = self._mended_pdf(path) if is_pdf(path) else read_document(path, encoding, self._script)
        self._say(path, extracted.notes)
        self.changes.update(extracted.changes)
        yield from self._sampled(extracted.paragraphs)

    def _mended_pdf(self, path: Path) -> Extracted:
        words = self._words  # which extracts the lines of all local PDFs
        paragraphs, changes = self._pdfs.pop(path, None) or _extract_pdf(path)
        self._count(path, paragraphs, words)
        return mend_pdf(paragraphs, changes, words)

    def _words_with(self, path: Path, paragraphs: Iterable[list[str]]) -> WordParts:
        """The words of all files and of these paragraphs of `path`."""
        self._count(path, paragraphs, self._words)
        return self._words

    def _count(self, path: Path, paragraphs: Iterable[Iterable[str]], words: WordParts) -> None:
        """Add the words of a file to `words`, unless they were added before."""
        if path not in self._counted:
            for lines in paragraphs:
                words.add(lines)
            self._counted.add(path)

    @cached_property
    def _words(self) -> WordParts:
        """The words of all files, found when the first one has lines to join; of large ones, those of the beginning."""
        words, kept = WordParts(), 0
        others = DocumentReader(self._corpus, script=self._script)
        label = "extract text and count words, files"
        for path in self._progress.track(self._files, label, len(self._files)) if self._files else ():
            with suppress(UserError):  # raised again when the file itself is read
                if is_pdf(path):
                    paragraphs, changes = _extract_pdf(path)
                    self._count(path, paragraphs, words)
                    kept += sum(len(line) for lines in paragraphs for line in lines)
                    if kept <= KEPT_CHARACTERS:
                        self._pdfs[path] = paragraphs, changes
                else:
                    lines = beginning(others.raw_lines(path), WORDS_FROM // len(self._files))
                    self._count(path, [lines], words)
        return words

    def raw_lines(self, path: Path) -> Iterator[str]:
        """The text of a file line by line, before lines are joined."""
        if not is_text(path):
            for document in self._documents(path, None):
                yield from document.text.split("\n")
            return
        with open_text(path, encoding=find_encoding(path, self._corpus.encoding, self._script).codec) as file:
            yield from file

    def _sampled(self, paragraphs: Iterable[str]) -> Iterable[str]:
        return ["\n".join(paragraphs)] if self._corpus.sample_by == "document" else paragraphs

    def _own_rows(self, path: Path, make: Callable[..., Document]) -> Iterator[Document]:
        """The rows of a table of the user's own, which may have GlotCC's columns."""
        table = open_table(path)
        self._say(path, table.notes)
        tool: str | None = None
        for number, row in table.rows:
            column = self._corpus.text_column or next((name for name in TEXT_COLUMNS if name in row), TEXT_COLUMNS[-1])
            if tool is None and (tool := tool_of_row(row)):
                self._say_export(path, tool, has_text=column in row)
            try:
                text = _text(table, number, row, column)
            except ColumnError as error:
                raise ColumnError(f"{error}; name the one with the text in corpus.text_column") from error
            yield make(str(row.get(ID_COLUMN) or to_nfc(text)), text, *_annotations(row))
        self._say(path, table.late_notes)

    def _say_export(self, path: Path, tool: str, *, has_text: bool) -> None:
        """Report labelled data among the text. Raises UserError if it cannot be read as a table of texts."""
        if not has_text:
            raise UserError(
                f"{path}: an export of {tool}, labelled data and not text: move it to a folder that is not in "
                "corpus.files, and name it as a task (eval.others.NAME.file)"
            )
        self._say(path, [f"an export of {tool}: its texts are read, without the labels"])

    def _source_rows(self, path: Path, source: TextSource, make: Callable[..., Document]) -> Iterator[Document]:
        """The rows of a table of a text source. Raises ColumnError, naming the source, if a column is missing."""
        table = open_table(path)
        self._say(path, table.notes)
        for number, row in table.rows:
            try:
                text = _text(table, number, row, source.text)
                id_ = table.value(number, row, source.id) if source.id else None
            except ColumnError as error:
                raise ColumnError(f"{source.name}: {error}; {layout_advice(source)}") from error
            if source.escaped_line_breaks:
                text = text.replace("\\n", "\n")
            yield make(str(id_ or to_nfc(text)), text, *_annotations(row))
        self._say(path, table.late_notes)

    def _say(self, path: Path, notes: Iterable[str]) -> None:
        for note in notes:
            self._progress.say(f"read {path.name}: {note}")


def _extract_pdf(path: Path) -> PdfLines:
    """The lines of a PDF. Raises UserError as `pdf_lines` does."""
    changes = Counter[str]()
    return pdf_lines(path, changes), changes


def beginning(lines: Iterable[str], size: int) -> Iterator[str]:
    """The first lines, until they have `size` characters."""
    read = 0
    for line in lines:
        yield line.strip()
        read += len(line)
        if read >= size:
            return


def _text(table: Table, number: int, row: dict[str, Any], column: str) -> str:
    """The text in a row. Raises UserError if the column is missing or has something else."""
    text = table.value(number, row, column)
    # the place of every row would take as long as reading it
    return text if isinstance(text, str) else text_in(text, column, table.place(number))


def _annotations(row: dict[str, Any]) -> tuple[frozenset[str], frozenset[str], float | None]:
    """GlotCC's annotations, where the row has them: warnings, categories, probability."""
    warnings, categories = _names(row.get("quality-warnings")), _names(row.get("categories"))
    return warnings, categories, _probability(row.get("identification-prob"))


def _names(value: Any) -> frozenset[str]:
    """A column with a list of names; no names where it holds something else."""
    return frozenset(map(str, value)) if isinstance(value, list) else NO_NAMES


def _probability(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and value <= 1 else None
