"""`lrl-adapt predict`: what a trained task adapter says about new texts."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from ..workspace.errors import UserError
from . import options
from .console import Terminal, json_line
from .guard import guarded
from .options import DEFAULT_WORKSPACE, examples
from .texts import TextFile, Texts, read_texts

EPILOG = examples(
    'lrl-adapt predict --task topic "Mvua kubwa inatarajiwa kesho"',
    'lrl-adapt predict --task ner --language swh "Amina anafanya kazi Nairobi" "Juma alizaliwa Mombasa"',
    "lrl-adapt predict --task topic --file lines.txt --out topics.jsonl",
)


def predict_cmd(  # noqa: PLR0913, PLR0917
    texts: Texts = None,
    task: Annotated[
        str | None,
        typer.Option("--task", "-t", help="topic, sentiment, ner or a task of your own.", show_default=False),
    ] = None,
    adapter: Annotated[
        Path | None,
        typer.Option(
            "--adapter",
            "-a",
            help="Folder that `eval` made under scores/, or the task-adapter in it; default: the last one for --task.",
            show_default=False,
        ),
    ] = None,
    language_adapter: Annotated[
        str | None,
        typer.Option(
            help="Put the task adapter on this language adapter's folder instead (zero-shot transfer), or on none.",
            show_default=False,
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(help="Hub id or folder of the base; default: the one trained on.", show_default=False),
    ] = None,
    file: TextFile = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="File to write; it must not be there yet. Default: print.", show_default=False
        ),
    ] = None,
    workspace: options.Workspace = DEFAULT_WORKSPACE,
    language: options.Language = None,
    cpu: options.Cpu = False,
    debug: options.Debug = False,
) -> None:
    """Label texts with a trained task adapter: a JSON object a line.

    Classes come with their probabilities, entities with their types and where they start and end, in characters. Long
    texts are read in windows.
    """
    from .steps import require_single_process, use_cpu

    require_single_process("predict")
    use_cpu(cpu)
    if task is None and adapter is None:
        raise UserError("which task? Say --task topic, sentiment, ner or your own, or name a folder with --adapter")
    if out and (out.exists() or not out.absolute().parent.is_dir()):
        why = "it is there already" if out.exists() else f"there is no folder {out.parent}"
        raise UserError(f"--out {out}: {why}; choose a new file")
    given = read_texts(texts, file)
    first = next(given)  # says that there is none before a model is loaded
    found = _load(adapter, workspace, task, language, language_adapter, base)
    counts: Counter[str] = Counter()
    with _opened(out) as lines:
        for row in found.predict(chain([first], given), counts):
            print(json_line(row, lines), file=lines)
    if counts:
        from ..workspace.text import told

        Terminal().say(f"texts as the model reads them: {told(counts)}")
    Terminal().result({}, out)


def _load(
    adapter: Path | None,
    workspace: Path,
    task: str | None,
    language: str | None,
    language_adapter: str | None,
    base: str | None,
) -> Any:
    """The task model, named on stderr."""
    from ..eval.inference.find_adapters import find_task_adapter, newest_scores
    from ..eval.inference.predict import load_predictor

    if adapter is None:
        assert task is not None
        adapter = newest_scores(workspace, task, options.language_code(language))
    found = find_task_adapter(adapter, task=task, language_adapter=language_adapter, base=base)
    below = found.language_adapter or "none"
    Terminal().say(f"task adapter {found.folder}, language adapter {below}, base {found.base}")
    return load_predictor(found)


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    """`out`, whole or not there; standard output where there is none."""
    from ..workspace.artifacts import replace_with

    if out is None:
        yield sys.stdout
        return
    with replace_with(out) as partial, partial.open("w", encoding="utf-8") as file:
        yield file


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("predict", epilog=EPILOG)(guarded(predict_cmd))
