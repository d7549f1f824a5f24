"""Documents from GlotCC or local files, streamed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..recipes.errors import UserError
from ..recipes.languages import find_language
from ..recipes.schema import Corpus
from ..recipes.sources import expand_files, hub_errors, hub_file
from ..recipes.tables import column, open_text, read_rows

TEXT_COLUMNS = ("content", "text")  # GlotCC's, and everybody else's
ID_COLUMN = "warc-record-id"


@dataclass(frozen=True)
class Document:
    """One page, or one line of a file that has a sentence a line."""

    id: str
    text: str


def corpus_files(corpus: Corpus, language: str) -> list[Path]:
    """The local files of a corpus, GlotCC's shards downloaded first. Raises UserError where there are none."""
    if corpus.files:
        return expand_files(corpus.files)
    label = find_language(language).glotcc
    return [hub_file(corpus.glotcc, shard, corpus.revision) for shard in _glotcc_shards(corpus, label)]


def read_documents(path: Path, text_column: str | None) -> Iterator[Document]:
    """Documents of a txt (one a line), csv, tsv, jsonl or parquet file; empty ones are left out.

    A document's id is GlotCC's record id where there is one, else the text itself. Raises UserError for a file that
    cannot be read or has no text column.
    """
    if path.name.removesuffix(".gz").endswith(".txt"):
        with open_text(path) as file:
            for line in file:
                if line.strip():
                    yield Document(line.strip(), line.strip())
        return
    for row in read_rows(path):
        name = text_column or next((name for name in TEXT_COLUMNS if name in row), TEXT_COLUMNS[-1])
        text = column(row, name, path)
        if isinstance(text, str) and text.strip():
            yield Document(str(row.get(ID_COLUMN) or text), text)


def _glotcc_shards(corpus: Corpus, label: str) -> list[str]:
    """Paths of a language's parquet files, `v1.0/<label>/<label>_<i>.parquet`.

    Never by config name: resolving one parses a card of 6,400 lines.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import EntryNotFoundError

    with hub_errors(corpus.glotcc):
        try:
            tree = HfApi().list_repo_tree(corpus.glotcc, f"v1.0/{label}", repo_type="dataset", revision=corpus.revision)
            shards = sorted(entry.path for entry in tree if entry.path.endswith(".parquet"))
        except EntryNotFoundError:
            shards = []
    if not shards:
        raise UserError(f"GlotCC has no text for {label}: name local files in corpus.files")
    return shards
