"""From the recipe's `corpus.identify` to the model that checks the language of lines: GlotLID, or one trained here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy

from ..recipes.corpus_files import DOCUMENTS
from ..recipes.identify import Identify
from ..recipes.languages import Language, find_language
from ..recipes.schema import Corpus
from ..workspace.artifacts import file_hash
from ..workspace.errors import UserError
from ..workspace.formatting import format_count
from ..workspace.hub_files import find_hub_files
from ..workspace.locations import expand_files, identity, local_files
from ..workspace.progress import QUIET, Progress
from .clean import clean
from .glotlid import find_glotlid
from .ngrams import NgramModel, train_ngrams
from .other_languages import Identifier
from .readers import DocumentReader

MOST_CHARACTERS = 500_000  # of each language that the model is trained on
READ_CHARACTERS = 20_000_000  # of each language, of which these are chosen
BATCH_DOCUMENTS = 10_000
MIN_LINES = 100


@dataclass(frozen=True)
class NgramIdentifier:
    """Identifies languages with a model of character n-grams."""

    model: NgramModel
    min_probability: float
    name: str
    most_processes: int | None = None

    def other_languages(self, lines: Sequence[str]) -> list[str | None]:
        """See `Identifier`; the codes are those of the neighbours."""
        if not lines:
            return []
        probabilities, no_half = self.model.probabilities(lines)
        foreign = no_half & (1 - probabilities[:, 0] >= self.min_probability)
        best = 1 + probabilities[:, 1:].argmax(axis=1)
        return [
            self.model.languages[index] if other else None
            for index, other in zip(best.tolist(), foreign.tolist(), strict=True)
        ]


def identify_inputs(identify: Identify, corpus: Corpus) -> dict[str, list[str]]:
    """What decides the model of n-grams, by language: hashes of local files, addresses of others.

    Raises UserError for missing files.
    """
    return {
        name: [_identity(entry, field) for entry in entries]
        for name, field, entries in _training_text(identify, corpus)
    }


def make_identifier(
    identify: Identify, corpus: Corpus, language: Language, cache: Path, progress: Progress = QUIET
) -> Identifier:
    """The model that the recipe asks for. Raises UserError if it cannot be had or there is too little text for it."""
    if not identify.uses_ngrams:
        return find_glotlid(language, identify.min_probability)
    texts: dict[str, list[str]] = {}
    for name, field, entries in _training_text(identify, corpus):
        code = language.code if name == "trusted" else name
        texts[code] = _sample(_files(entries, field, cache, progress), corpus, find_language(code), progress)
        if len(texts[code]) < MIN_LINES:
            usable = format_count(len(texts[code]), "line")
            raise UserError(
                f"{field}: only {usable} can be used, and {MIN_LINES} are needed; give more text. Lines count that the "
                f"corpus would keep if its language were {code}"
            )
    model = train_ngrams(texts)
    amounts = ", ".join(f"{code} {len(lines):,} lines" for code, lines in texts.items())
    progress.say(f"learned to tell {language.code} from {', '.join(model.languages[1:])}")
    return NgramIdentifier(model, identify.min_probability, f"character n-grams, learned from {amounts}")


def _training_text(identify: Identify, corpus: Corpus) -> Iterator[tuple[str, str, list[str]]]:
    """(name, field of the recipe, locations) of the text in the language, and of the neighbours', named by code."""
    if identify.trusted:
        yield "trusted", "corpus.identify.trusted", identify.trusted
    else:
        yield "trusted", "corpus.files", corpus.files
    for code in sorted(identify.neighbours):
        yield code, f"corpus.identify.neighbours.{code}", identify.neighbours[code]


def _identity(entry: str, field: str) -> str:
    if "://" in entry:
        return identity(entry)
    return " ".join(file_hash(path) for path in expand_files([entry], field, also=DOCUMENTS))


def _files(entries: Sequence[str], field: str, cache: Path, progress: Progress) -> list[Path]:
    paths: list[Path] = []
    for entry in entries:
        if entry.startswith("hf://"):  # a glob may match several files, as in corpus.files
            on_hub = find_hub_files(entry, several=True)
            paths += map(on_hub.fetch, on_hub.paths)
        elif "://" in entry:
            paths += local_files(entry, cache, progress)
        else:
            paths += expand_files([entry], field, also=DOCUMENTS)
    return paths


def _sample(paths: Sequence[Path], corpus: Corpus, language: Language, progress: Progress) -> list[str]:
    """Different lines of the files, cleaned as the corpus is, of about MOST_CHARACTERS together.

    They are chosen by their keys, so the order of the files makes no difference.
    """
    reader = DocumentReader(corpus, progress, script=language.script)
    documents = (document for path in paths for document in reader.read(path))
    unhashed = corpus.model_copy(update={"drop_near_duplicates": False})
    by_key: dict[int, str] = {}
    characters = 0
    while characters < READ_CHARACTERS and (batch := list(islice(documents, BATCH_DOCUMENTS))):
        cleaned = clean(batch, unhashed, language)
        by_key |= dict(zip(cleaned.keys.tolist(), cleaned.lines, strict=True))
        characters += sum(map(len, cleaned.lines))
    lines = [by_key[key] for key in sorted(by_key)]
    ends = numpy.cumsum([len(line) for line in lines])
    return lines[: int(numpy.searchsorted(ends, MOST_CHARACTERS)) + 1]
