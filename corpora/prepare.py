"""The corpus artifact: from a recipe to train, validation and test parquet (document, text) and a data card."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..recipes.availability import SKIPPED_TASKS, missing_data
from ..recipes.corpus_files import hub_addresses, is_pdf, local_corpus_files, may_name_pdf
from ..recipes.field_types import at_default
from ..recipes.languages import find_language
from ..recipes.schema import Corpus, Recipe
from ..recipes.text_sources import is_glotcc
from ..workspace.artifacts import Artifact, Draft, file_hash, local_names, resolve_inputs
from ..workspace.errors import Mistakes, UserError
from ..workspace.progress import QUIET, Progress
from ..workspace.text import describe_changes
from .card import corpus_card
from .clean import Cleaned, Tally, clean
from .code_points import Array
from .documents.extracted import describe_extraction
from .identify import identify_inputs, make_identifier
from .origins import OpenOrigin, open_origins
from .other_languages import describe_languages
from .parallel import clean_all
from .readers import Document, DocumentReader
from .reasons import EMPTY, KEPT, NOT_SAMPLED, REASONS, Outcome, left_out
from .sampling import file_passes
from .staged_lines import StagedLines
from .task_texts import task_inputs, task_texts
from .write_splits import write_splits

CACHE_VERSION = 3  # raise it when the same text and recipe give other files, so that corpora made before are not reused
LINES_VERSION = 4  # raise this one if that concerns only PDFs and wrapped text, whose lines are joined
BATCH_CHARACTERS = 2_000_000  # cleaned together
MAX_NAMED = 5  # files in a message


def corpus_artifact(recipe: Recipe, workspace: Path) -> Artifact:
    """The recipe's corpus. Local files count by content; files on the hub by address, revision and language.

    If local files are missing, a finished corpus is used instead: see `resolve_inputs`.
    """
    corpus = _section(recipe)
    unread = at_default(corpus, ("sampling", "sample_by", "encoding", "share"))
    section = corpus.model_dump(mode="json", exclude={"files", "sources", "identify", "transliterate"} | unread)
    section |= {"language": recipe.language, "code": CACHE_VERSION}
    on_hub = [*hub_addresses(corpus), *(source.files for source in corpus.used_sources)]
    if corpus.sample_by != "line" or any(map(may_name_pdf, on_hub)):  # of local files, `_format` says which are PDFs
        section["lines"] = LINES_VERSION
    inputs: dict[str, Callable[[], Any]] = {}
    if (identify := corpus.identify) is not None:
        section["identify"] = identify.settings()
        if identify.uses_ngrams:
            inputs["identify"] = lambda: identify_inputs(identify, corpus)
    if corpus.files:
        inputs["files"] = lambda: [*_local_inputs(corpus), *hub_addresses(corpus)]
    if corpus.drop_task_lines:
        inputs["tasks"] = lambda: task_inputs(recipe.eval)
    root, names = workspace / "data" / recipe.language, local_names(corpus.files)
    return resolve_inputs(
        Artifact(root, "corpus", "corpus", section, _source_inputs(corpus, recipe.language), sources=names), inputs
    )


def _local_inputs(corpus: Corpus) -> list[str]:
    return [f"{_format(path)} {file_hash(path)}" for path in local_corpus_files(corpus)]


def _source_inputs(corpus: Corpus, language: str) -> dict[str, Any]:
    """What decides the text of the sources; GlotCC alone has the form that it had before there were others."""
    sources = corpus.used_sources
    if not corpus.files and len(sources) == 1 and is_glotcc(sources[0]):
        return {"glotcc": sources[0].repository, "revision": sources[0].revision}
    row = find_language(language)
    return {"sources": [source.identity(row) for source in sources]} if sources else {}


def prepare_corpus(recipe: Recipe, workspace: Path, progress: Progress = QUIET, workers: int = 1) -> Artifact:
    """Read, clean (in `workers` processes) and split the recipe's text, unless that is finished.

    Raises UserError where a file cannot be read or no line is left.
    """
    artifact = corpus_artifact(recipe, workspace)
    artifact.build(lambda draft: _prepare(recipe, workspace, draft, progress, workers), progress)
    return artifact


def _prepare(recipe: Recipe, workspace: Path, draft: Draft, progress: Progress, workers: int) -> None:
    corpus, language = _section(recipe), find_language(recipe.language)
    opened = open_origins(corpus, recipe.language, progress)
    with TemporaryDirectory(dir=draft.folder) as folder:
        lines = StagedLines(Path(folder), corpus)
        if corpus.drop_task_lines:
            skipped = draft.facts[SKIPPED_TASKS] = missing_data(recipe)
            for cleaned in _task_lines(recipe, workspace, skipped, progress):
                lines.add_task_lines(cleaned)
        local = [path for open_origin in opened for path in open_origin.files.local]
        reader = DocumentReader(corpus, progress, script=language.script, files=local)
        cache = workspace / "downloads"
        identifier = corpus.identify and make_identifier(corpus.identify, corpus, language, cache, progress)
        clean_batches = partial(clean_all, corpus=corpus, language=language, workers=workers, identifier=identifier)
        tally = _stage(opened, reader, lines, progress, clean_batches)
        outcome = lines.settle()
        _count_outcomes(tally, lines, outcome)
        _require_lines(tally, recipe.language)
        if _falls_short(tally):
            progress.say(
                "the corpus is smaller than max_bytes or max_documents: there were more duplicates than expected"
            )
        kept_lines, kept_bytes = lines.kept_by_file(outcome, len(reader.documents))
        passes = None
        if corpus.sampling < 1:
            passes = file_passes(kept_bytes, corpus.sampling)
            names = [name for open_origin in opened for name in open_origin.read]
            draft.facts["passes"] = list(zip(names, passes.tolist(), strict=True))
        draft.facts |= write_splits(lines, lines.times(outcome, passes), draft.folder)
        draft.facts["sources"] = _source_facts(opened, reader, kept_lines, kept_bytes)
    if not tally.lines[NOT_SAMPLED]:  # else files may be left out on purpose
        _say_unused(draft.facts["sources"], progress)
    draft.facts |= {
        "pages": _present(tally.pages),
        "counts": _present(tally.lines),
        "bytes_by_outcome": _present(tally.bytes),
        "text": dict(tally.text),
    }
    if extraction := {change: count for change, count in reader.changes.items() if count}:
        draft.facts["extraction"] = extraction
        progress.say(f"text taken from files: {describe_extraction(extraction)}")
    if identifier is not None:
        draft.facts["languages"] = {"model": identifier.name, **tally.languages.facts()}
        hint = "they are kept: see the examples in card.md, and corpus.identify.drop"
        kept = draft.facts["languages"]["lines"] and not (corpus.identify and corpus.identify.drop)
        progress.say(f"{describe_languages(draft.facts['languages'])}{f'; {hint}' if kept else ''}")
    if tally.text:
        progress.say(f"text normalised: {describe_changes(tally.text)}")
    (draft.folder / "card.md").write_text(corpus_card(language, corpus, draft.facts), encoding="utf-8")


def _task_lines(recipe: Recipe, workspace: Path, skipped: Collection[str], progress: Progress) -> Iterator[Cleaned]:
    """The texts of the recipe's tasks, whole, and cut as the corpus is; none is dropped for its letters or script."""
    corpus, language = _section(recipe), find_language(recipe.language)
    texts = [Document(text, text) for text in task_texts(recipe, workspace / "downloads", skipped, progress)]
    unfiltered = {"min_letters": 0.0, "min_script": 0.0, "drop_boilerplate": False, "min_probability": 0.0}
    uncut = {"min_characters": 1, "max_characters": 10**9, "cut": "lines"}
    yield clean(texts, corpus.model_copy(update=unfiltered | uncut), language)
    yield clean(texts, corpus.model_copy(update=unfiltered), language)


def _stage(
    opened: list[OpenOrigin],
    reader: DocumentReader,
    lines: StagedLines,
    progress: Progress,
    clean_batches: Callable[[Iterator[list[Document]]], Iterator[Cleaned]],
) -> Tally:
    """Read and clean all documents that the sample may need, and add their lines to `lines`; what was counted."""
    # Lazily: by the time a batch is cleaned, those before it may have narrowed the sample.
    batches = (lines.sample.select(batch) for batch in _batches(opened, reader, progress))
    tally = Tally()
    for cleaned in progress.track(
        clean_batches(batches), f"clean text, blocks of {BATCH_CHARACTERS // 1_000_000} million characters"
    ):
        tally.add(cleaned.tally)
        lines.add(cleaned)
    tally.pages.update({EMPTY: reader.empty, NOT_SAMPLED: lines.sample.pages_left_out})
    return tally


def _batches(opened: list[OpenOrigin], reader: DocumentReader, progress: Progress) -> Iterator[list[Document]]:
    """Documents of one origin, some of about BATCH_CHARACTERS together; no more downloads than the caps need.

    Raises one UserError for all local files that cannot be read.
    """
    for open_origin in opened:
        batch: list[Document] = []
        size = characters = documents = 0
        mistakes = Mistakes()
        for path in open_origin.paths(progress):
            with mistakes.collect():
                for document in reader.read(path, open_origin.origin.source, open_origin.origin.preference):
                    if mistakes:
                        continue  # read on only to find all files that cannot be read
                    batch.append(document)
                    size += len(document.text)
                    documents += 1
                    if size >= BATCH_CHARACTERS:
                        yield batch
                        characters += size
                        batch, size = [], 0
            if open_origin.files.hub is not None:
                mistakes.raise_all()  # the other files would have to be downloaded first
            if open_origin.is_enough(characters, documents):
                break
        mistakes.raise_all(f"{len(mistakes)} of {len(open_origin.read)} files in corpus.files cannot be read:")
        if batch:
            yield batch


def _count_outcomes(tally: Tally, lines: StagedLines, outcome: Array) -> None:
    """Add the staged lines to the tally, by what became of them."""
    counts, sizes = (totals.tolist() for totals in lines.totals_by_outcome(outcome))
    for which, reason in REASONS.items():
        tally.lines[reason] += counts[which]
        tally.bytes[reason] += int(sizes[which])


def _require_lines(tally: Tally, language: str) -> None:
    """Raise UserError, which says what to do, if no line is kept."""
    if tally.lines[KEPT]:
        return
    reasons = left_out(tally.pages, tally.lines)
    raise UserError(
        f"no line of text is left for {language}: give more text, or drop less of it: {reasons}"
        if reasons
        else f"no line of text is left for {language}: the files are empty; give others in corpus.files"
    )


def _falls_short(tally: Tally) -> bool:
    """Whether pages were skipped because of a cap that is not reached after all, since many lines were duplicates."""
    duplicates = tally.lines[REASONS[Outcome.DUPLICATE]] + tally.lines[REASONS[Outcome.NEAR_DUPLICATE]]
    return bool(tally.lines[NOT_SAMPLED] and not tally.lines[REASONS[Outcome.OVER_CAP]] and duplicates)


def _source_facts(opened: list[OpenOrigin], reader: DocumentReader, lines: Array, sizes: Array) -> list[dict[str, Any]]:
    """Where the text came from, and how much came from each: documents that were read, lines and bytes that were kept.

    Also for each local file.
    """
    facts, first = [], 0
    for open_origin in opened:
        files = slice(first, first := first + len(open_origin.read))
        counts: dict[str, Any] = {"pages": sum(reader.documents[files])}
        counts |= {"lines": int(lines[files].sum()), "bytes": int(sizes[files].sum())}
        if open_origin.files.local:
            by_file = zip(open_origin.read, reader.documents[files], lines[files].tolist(), strict=True)
            counts["by_file"] = [{"file": name, "documents": read, "lines": kept} for name, read, kept in by_file]
        facts.append(open_origin.facts() | counts)
    return facts


def _say_unused(sources: list[dict[str, Any]], progress: Progress) -> None:
    """Name the local files of which no line is kept."""
    if unused := [each["file"] for source in sources for each in source.get("by_file", []) if not each["lines"]]:
        more = f" and {len(unused) - MAX_NAMED:,} more" if len(unused) > MAX_NAMED else ""
        progress.say(f"no lines were kept from {', '.join(unused[:MAX_NAMED])}{more}")


def _section(recipe: Recipe) -> Corpus:
    if recipe.corpus is None:
        raise UserError("the recipe has no corpus section")
    return recipe.corpus


def _format(path: Path) -> str:
    """What decides how a file is read: the end of its name."""
    suffixes = path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:]
    return "".join(suffixes) + (f" {LINES_VERSION}" if is_pdf(path) else "")


def _present(counts: Counter[str]) -> dict[str, int]:
    """The counts that are not zero, and what was kept."""
    return {reason: count for reason, count in counts.items() if count or reason == KEPT}
