"""The texts of the recipe's tasks, which are kept out of the corpus: a model must not be tested on what it has read."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..recipes import task_files
from ..recipes.availability import sentence_settings
from ..recipes.evaluation import Eval, Task
from ..recipes.schema import Recipe
from ..recipes.splits import SPLITS
from ..workspace.errors import UserError
from ..workspace.hub_files import NotOnHubError
from ..workspace.locations import alternatives
from ..workspace.progress import QUIET, Progress
from ..workspace.tables import ColumnError


def task_inputs(evaluation: Eval) -> dict[str, str]:
    """What decides the tasks' texts: hashes of local files, addresses of others. Raises UserError for missing files."""
    inputs = {}
    for name, task in evaluation.with_data.items():
        columns = f"{task.text} {sorted(task.where.items())}" if task.where else task.text
        columns = columns if task.text_pair is None else f"{columns} {task.text_pair}"
        files = task_files.task_inputs(name, task, _splits(evaluation, task))
        inputs |= {f"{name}.{field}": f"{columns} {content}" for field, content in files.items()}
    sentences = task_files.sentence_inputs(evaluation.mlm)
    column = "" if evaluation.mlm.text == "text" else f"{evaluation.mlm.text} "
    return inputs | {f"mlm.{field}": column + content for field, content in sentences.items()}


def task_texts(recipe: Recipe, cache: Path, skipped: Collection[str], progress: Progress = QUIET) -> list[str]:
    """Every text of every split of the tasks, and the sentences of the pseudo-perplexity, on one line each.

    Tasks that are `skipped`, since they have no data in the language, do not count. Raises UserError for a file that
    cannot be fetched or read.
    """
    texts: dict[str, None] = {}  # in order, each once
    evaluation = recipe.eval
    for name, task in evaluation.with_data.items():
        if name in skipped:
            continue
        for split in _splits(evaluation, task):
            with _advice(task.file or getattr(task, split)):
                for text in _texts_of(evaluation, name, split, cache, progress):
                    texts[" ".join(text.split())] = None
    sentences = sentence_settings(recipe, skipped)
    with _advice(sentences.files):
        for text in task_files.read_sentences(sentences, cache, progress):
            texts[" ".join(text.split())] = None
    return [text for text in texts if text]


@contextmanager
def _advice(locations: str | list[str] | None) -> Iterator[None]:
    """Add to errors how to do without files on a server; a local file is to be mended."""
    try:
        yield
    except ColumnError:
        raise
    except UserError as error:
        if not any("://" in location for location in alternatives(locations or [])):
            raise
        raise UserError(f"{error}; to continue without this file, set corpus.drop_task_lines to false") from error


def _texts_of(evaluation: Eval, name: str, split: str, cache: Path, progress: Progress) -> list[str]:
    """The texts of one split; with transfer, none where the hub has no training data in this language."""
    task = evaluation.with_data[name]
    try:
        items = task_files.read_split(name, task, split, cache, progress)
    except UserError as error:
        if split != "test" and evaluation.transfer_from and isinstance(error.__cause__, NotOnHubError):
            return []
        raise
    return [text for item in items for text in item.texts]


def _splits(evaluation: Eval, task: Task) -> Sequence[str]:
    """The splits to read: with transfer from another language those that exist, as training data is optional then."""
    if evaluation.transfer_from or (task.lacking and not task.file):
        return task_files.available_splits(task)
    return SPLITS
