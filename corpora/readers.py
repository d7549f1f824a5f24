"""Documents from GlotCC or local files, streamed."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..recipes.glotcc import glotcc_shards
from ..recipes.schema import Corpus
from ..workspace.hub import COMMIT, HubFolder, hub_file
from ..workspace.locations import expand_files, unread_files
from ..workspace.progress import QUIET, Progress
from ..workspace.tables import is_text, open_table, open_text, text_in
from ..workspace.text import to_nfc

TEXT_COLUMNS = ("content", "text")  # GlotCC's, and everybody else's
ID_COLUMN = "warc-record-id"
EMPTY = "empty"
NOTHING: frozenset[str] = frozenset()


class Document(NamedTuple):
    """One page, or one line of a file that has a sentence a line; with GlotCC's marks, where it has them."""

    id: str
    text: str
    warnings: frozenset[str] = NOTHING
    categories: frozenset[str] = NOTHING
    probability: float | None = None
    """Of the language, as GlotLID saw it."""


@dataclass
class Shards:
    """The files of a corpus: local ones, or GlotCC's, each fetched when it is its turn."""

    corpus: Corpus
    local: list[Path] = field(default_factory=list)
    folder: HubFolder | None = None
    read: list[str] = field(default_factory=list)
    """Names of the files given out so far."""

    def paths(self, progress: Progress = QUIET) -> Iterator[Path]:
        """Local paths, one by one."""
        for path in self.local:
            self.read.append(path.name)
            yield path
        for name in self.folder.files if self.folder else ():
            assert self.folder is not None
            progress.say(f"shard {len(self.read) + 1} of {len(self.folder.files)}: {name}")
            self.read.append(name)
            yield hub_file(self.corpus.glotcc, name, self.folder.commit)

    def facts(self) -> dict[str, Any]:
        """Where the text came from, for the manifest: no paths of this machine."""
        if self.folder is None:
            return {"files": self.read}
        return {
            "glotcc": self.corpus.glotcc,
            "revision": self.corpus.revision,
            "commit": self.folder.commit,
            "licence": self.folder.card.licence,
            "files": self.read,
            "of": len(self.folder.files),
        }


def find_shards(corpus: Corpus, language: str, progress: Progress = QUIET) -> Shards:
    """The files of a corpus, nothing fetched yet. Raises UserError where there are none."""
    if corpus.files:
        for folder, endings in unread_files(corpus.files).items():
            counts = ", ".join(f"{count} {ending}" for ending, count in endings.items())
            progress.say(f"{folder}: {endings.total()} files not read ({counts})")
        return Shards(corpus, local=expand_files(corpus.files))
    folder = glotcc_shards(corpus, language)
    if not COMMIT.fullmatch(corpus.revision):
        progress.say(f"{corpus.glotcc}: {corpus.revision} is at {folder.commit}; set corpus.revision to pin it")
    return Shards(corpus, folder=folder)


def read_documents(
    path: Path, text_column: str | None, pages: Counter[str] | None = None, progress: Progress = QUIET
) -> Iterator[Document]:
    """Documents of a txt (one a line), csv, tsv, jsonl, json or parquet file; empty ones are left out.

    They are counted in `pages` as `EMPTY`; `progress` is told how a file is read where its name does not say.

    A document's id is GlotCC's record id where there is one, else the text itself in normal form C: its hash decides
    the split, which must not depend on how a keyboard writes accents. The text is as the file has it: broken encoding
    shows only before the rules for all text (`workspace.text`). Raises UserError for a file that
    cannot be read or has no text column.
    """
    pages = Counter() if pages is None else pages
    if is_text(path):
        with open_text(path) as file:
            for line in file:
                if text := line.strip():
                    yield Document(to_nfc(text), text)
                else:
                    pages[EMPTY] += 1
        return
    table = open_table(path)
    for note in table.notes:
        progress.say(f"read {path.name}: {note}")
    for number, row in table.rows:
        name = text_column or next((name for name in TEXT_COLUMNS if name in row), TEXT_COLUMNS[-1])
        text = table.value(number, row, name)
        if not isinstance(text, str):
            text = text_in(text, name, table.place(number))
        if not text or text.isspace():
            pages[EMPTY] += 1
        else:
            yield Document(
                str(row.get(ID_COLUMN) or to_nfc(text)),
                text,
                _names(row.get("quality-warnings")),
                _names(row.get("categories")),
                _number(row.get("identification-prob")),
            )
    for note in table.late_notes:
        progress.say(f"read {path.name}: {note}")


def _names(value: Any) -> frozenset[str]:
    """A column with a list of names; nothing where it holds something else."""
    return frozenset(map(str, value)) if isinstance(value, list) else NOTHING


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
