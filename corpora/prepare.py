"""The corpus artifact: train, validation and test parquet with the columns document and text."""

import importlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy
import pyarrow
import pyarrow.parquet

from ..recipes.availability import SKIPPED_TASKS, missing_data
from ..recipes.glotcc import FETCHED
from ..recipes.languages import find_language
from ..recipes.schema import Corpus, Recipe
from ..workspace.artifacts import Artifact, Draft, file_hash, local_names, resolve_inputs
from ..workspace.errors import UserError
from ..workspace.locations import expand_files
from ..workspace.progress import QUIET, Progress
from ..workspace.text import told
from .card import card
from .clean import Cleaned, Tally, clean, clean_all
from .readers import Document, Shards, find_shards, read_documents
from .reasons import left_out
from .stage import KEPT, NEAR, NOT_SAMPLED, OUTCOMES, OVER_CAP, REPEATED, Stage
from .tasks import task_inputs, task_lines

CODE = 3  # goes up when the same text is to give other files
SPLITS = ("train", "validation", "test")
SCHEMA = pyarrow.schema({"document": pyarrow.string(), "text": pyarrow.string()})
BATCH = 2_000_000  # characters cleaned together
MOST_PASSES = 100  # of a small file beside a large one


def corpus_artifact(recipe: Recipe, workspace: Path) -> Artifact:
    """The recipe's corpus. Local files count by content; GlotCC by hub id, revision and language.

    Where local files are missing, a finished corpus takes its place: see `resolve_inputs`.
    """
    corpus = _section(recipe)
    unread = {"sampling"} if corpus.sampling == 1 else set[str]()
    section = corpus.model_dump(mode="json", exclude={"files", "glotcc", "revision"} | unread)
    section |= {"language": recipe.language, "code": CODE}
    given = {} if corpus.files else {"glotcc": corpus.glotcc, "revision": corpus.revision}
    inputs: dict[str, Callable[[], Any]] = {}
    if corpus.files:
        inputs["files"] = lambda: [f"{_format(path)} {file_hash(path)}" for path in expand_files(corpus.files)]
    if corpus.drop_task_lines:
        inputs["tasks"] = lambda: task_inputs(recipe.eval)
    root, sources = workspace / "data" / recipe.language, local_names(corpus.files)
    return resolve_inputs(Artifact(root, "corpus", "corpus", section, given, sources=sources), inputs)


def prepare_corpus(recipe: Recipe, workspace: Path, progress: Progress = QUIET, workers: int = 1) -> Artifact:
    """Read, clean (in `workers` processes), split the recipe's text unless that is done.

    Raises UserError where a file cannot be read or no line is left.
    """
    artifact = corpus_artifact(recipe, workspace)
    artifact.build(lambda draft: _prepare(recipe, workspace, draft, progress, workers), progress)
    return artifact


def _prepare(recipe: Recipe, workspace: Path, draft: Draft, progress: Progress, workers: int) -> None:
    corpus, language = _section(recipe), find_language(recipe.language)
    source = find_shards(corpus, recipe.language, progress)
    tally = Tally()
    with TemporaryDirectory(dir=draft.folder) as folder:
        stage = Stage(Path(folder), corpus)
        if corpus.drop_task_lines:
            skipped = draft.facts[SKIPPED_TASKS] = missing_data(recipe)
            for cleaned in _task_lines(recipe, workspace, skipped, progress):
                stage.add_task_lines(cleaned)
        files: list[int] = []
        batches = _sampled(_batches(source, corpus, files, tally, progress), stage, tally)
        label = f"clean text, blocks of {BATCH // 1_000_000} M characters"
        lines_of: list[int] = []
        for cleaned in progress.track(clean_all(batches, corpus, language, workers), label):
            tally.add(cleaned.tally)
            stage.add(cleaned)
            lines_of.append(len(cleaned.lines))
        outcome = stage.settle()
        for index, name in enumerate(OUTCOMES):
            tally.lines[name] += int((outcome == index).sum())
            tally.bytes[name] += stage.bytes_of(outcome, index)
        if not tally.lines[OUTCOMES[KEPT]]:
            reasons = left_out(tally.pages, tally.lines)
            raise UserError(
                f"no line of text is left for {recipe.language}: give more text, or drop less of it: {reasons}"
                if reasons
                else f"no line of text is left for {recipe.language}: the files are empty; give others in corpus.files"
            )
        repeats = tally.lines[OUTCOMES[REPEATED]] + tally.lines[OUTCOMES[NEAR]]
        if tally.lines[OUTCOMES[NOT_SAMPLED]] and not tally.lines[OUTCOMES[OVER_CAP]] and repeats:
            progress.say("fewer than max_bytes or max_documents are kept: repeats took more than expected")
        times = (outcome == KEPT).astype(numpy.uint16)
        if corpus.sampling < 1:
            owners = numpy.repeat(files, lines_of)
            passes = passes_of(numpy.bincount(owners, stage.sizes() * times, len(source.read)), corpus.sampling)
            times *= passes[owners]
            draft.facts["passes"] = list(zip(source.read, passes.tolist(), strict=True))
        draft.facts |= _write(stage, times, draft.folder)
    draft.facts |= {
        "source": source.facts(),
        "pages": _present(tally.pages),
        "counts": _present(tally.lines),
        "bytes_by_outcome": _present(tally.bytes),
        "text": dict(tally.text),
    }
    if tally.text:
        progress.say(f"text put into one form: {told(tally.text)}")
    (draft.folder / "card.md").write_text(card(language, corpus, draft.facts), encoding="utf-8")


def _task_lines(recipe: Recipe, workspace: Path, skipped: Collection[str], progress: Progress) -> Iterator[Cleaned]:
    """The texts of the task sets, whole, and cut as the corpus is: whatever their letters and script."""
    corpus, language = _section(recipe), find_language(recipe.language)
    texts = [Document(text, text) for text in task_lines(recipe, workspace / "downloads", skipped, progress)]
    whole = corpus.model_copy(
        update={"min_characters": 1, "max_characters": 10**9, "cut": "lines", "min_letters": 0.0, "min_script": 0.0}
        | {"drop_boilerplate": False, "min_probability": 0.0}
    )
    yield clean(texts, whole, language)
    yield clean(
        texts, whole.model_copy(update=corpus.model_dump(include={"min_characters", "max_characters", "cut"})), language
    )


def passes_of(sizes: Any, power: float) -> Any:
    """How often each file's text is gone through, from the files' sizes: 1 to MOST_PASSES, uint16 (files,).

    Sizes to the power of 1 / T are sampling with temperature T (Conneau and Lample 2019, section 3.1).
    """
    shares = numpy.where(sizes > 0, sizes.max() / numpy.maximum(sizes, 1), 1) ** (1 - power)
    return numpy.minimum(numpy.rint(shares), MOST_PASSES).astype(numpy.uint16)


def _write(stage: Stage, times: Any, folder: Path) -> dict[str, dict[str, int]]:
    """Write lines to their splits as many `times` as each is to stand in train (in the others once at most).

    The whole text goes round again for each repeat, so that no line stands beside its double. Documents, lines and
    bytes of each split.
    """
    compute: Any = importlib.import_module("pyarrow.compute")  # its functions are made at run time
    documents, lines, size = Counter[str](), Counter[str](), Counter[str]()
    last: dict[str, str] = {}
    with ExitStack() as stack:
        files = {
            split: stack.enter_context(pyarrow.parquet.ParquetWriter(folder / f"{split}.parquet", SCHEMA))
            for split in SPLITS
        }
        for turn in range(int(times.max())):
            start = 0
            for batch in stage.batches():
                chosen = batch.filter(pyarrow.array(times[start : start + batch.num_rows] > turn))
                start += batch.num_rows
                for index, split in enumerate(SPLITS if turn == 0 else SPLITS[:1]):
                    rows = chosen.filter(compute.equal(chosen["split"], index)).select(["document", "text"])
                    if not rows.num_rows:
                        continue
                    files[split].write_batch(rows)
                    names = rows["document"]
                    documents[split] += len(names.unique()) - (last.get(split) == names[0].as_py())
                    last[split] = names[-1].as_py()
                    lines[split] += rows.num_rows
                    size[split] += compute.sum(compute.binary_length(rows["text"])).as_py()
    return {"documents": dict(documents), "lines": dict(lines), "bytes": dict(size)}


def _batches(
    source: Shards, corpus: Corpus, files: list[int], tally: Tally, progress: Progress
) -> Iterator[list[Document]]:
    """Pages, some of about BATCH characters together; of GlotCC no more shards than the cap needs.

    `files` gets the number of each batch's file; only with sampling is that all that the batch has pages of.
    """
    batch: list[Document] = []
    size = total = pages = 0
    for number, path in enumerate(source.paths(progress)):
        for document in read_documents(path, corpus.text_column, tally.pages, progress):
            batch.append(document)
            size += len(document.text)
            pages += 1
            if size >= BATCH:
                files.append(number)
                yield batch
                total += size
                batch, size = [], 0
        if batch and corpus.sampling < 1:
            files.append(number)
            yield batch
            total += size
            batch, size = [], 0
        caps = ((total, corpus.max_bytes), (pages, corpus.max_documents))
        if source.folder and any(cap is not None and amount >= FETCHED * cap for amount, cap in caps):
            break
    if batch:
        files.append(-1)
        yield batch


def _sampled(batches: Iterable[list[Document]], stage: Stage, tally: Tally) -> Iterator[list[Document]]:
    """The pages of each batch that the sample may need, asked as late as possible."""
    for batch in batches:
        sampled = stage.sample(batch)
        tally.pages[OUTCOMES[NOT_SAMPLED]] += len(batch) - len(sampled)
        yield sampled


def _section(recipe: Recipe) -> Corpus:
    if recipe.corpus is None:
        raise UserError("the recipe has no corpus section")
    return recipe.corpus


def _format(path: Path) -> str:
    """The part of a file's name that decides how it is read."""
    suffixes = path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:]
    return "".join(suffixes)


def _present(counts: Counter[str]) -> dict[str, int]:
    """What occurs, and what was kept."""
    return {name: count for name, count in counts.items() if count or name == OUTCOMES[KEPT]}
