"""The lines of the task sets, which must not be trained on: whoever is tested on a sentence should not have read it."""

from collections.abc import Iterator
from pathlib import Path

from ..recipes.errors import UserError
from ..recipes.progress import QUIET, Progress
from ..recipes.schema import Eval, Task
from ..recipes.sources import expand_files, identity, local_file
from ..recipes.tables import column, open_text, read_conll, read_rows

TASKS = ("topic", "sentiment", "ner")
SPLITS = ("train", "validation", "test")


def task_inputs(evaluation: Eval) -> dict[str, str]:
    """What decides the task sets: hashes of local files, addresses of others. Raises UserError for lost files."""
    found = {
        field: f"{task.text} {Path(location).suffix} {identity(location)}"
        for field, location, task in _locations(evaluation)
    }
    files = expand_files(evaluation.mlm.files) if evaluation.mlm.files else []
    return found | {f"mlm.files.{number}": identity(str(path)) for number, path in enumerate(files)}


def task_lines(evaluation: Eval, cache: Path, progress: Progress = QUIET) -> list[str]:
    """Every text of every split of the tasks, and the sentences of the pseudo-perplexity, on one line each.

    Raises UserError for a file that cannot be had or read.
    """
    texts: dict[str, None] = {}
    for field, location, task in _locations(evaluation):
        try:
            path = local_file(location, cache, progress)
            texts.update((" ".join(text.split()), None) for text in _texts(path, task, conll=field.startswith("ner.")))
        except UserError as error:
            raise UserError(f"eval.{field}: {error}; corpus.drop_task_lines: false goes without it") from error
    for path in expand_files(evaluation.mlm.files) if evaluation.mlm.files else []:
        with open_text(path) as file:
            texts.update((" ".join(line.split()), None) for line in file)
    return [text for text in texts if text]


def _locations(evaluation: Eval) -> Iterator[tuple[str, str, Task]]:
    for name in TASKS:
        task: Task | None = getattr(evaluation, name)
        if task is not None:
            yield from ((f"{name}.{split}", getattr(task, split), task) for split in SPLITS)


def _texts(path: Path, task: Task, *, conll: bool) -> Iterator[str]:
    if conll and path.name.removesuffix(".gz").endswith((".txt", ".conll", ".bio")):
        yield from (" ".join(words) for words, _ in read_conll(path))
        return
    for row in read_rows(path):
        text = column(row, task.text, path)
        yield " ".join(map(str, text)) if isinstance(text, list) else str(text)
