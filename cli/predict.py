"""`lrl-adapt predict`: labels for new texts from a trained task adapter."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Annotated, TextIO

import typer

from ..workspace.errors import UserError
from ..workspace.home import DEFAULT_WORKSPACE
from . import options
from .console import Terminal, json_line
from .options import examples
from .texts import TextFile, Texts, read_texts

EPILOG = examples(
    'lrl-adapt predict --task topic "Mvua kubwa inatarajiwa kesho"',
    'lrl-adapt predict --task ner --language swh "Amina anafanya kazi Nairobi" "Juma alizaliwa Mombasa"',
    "lrl-adapt predict --task topic --file lines.txt --out topics.jsonl",
)


def predict_cmd(  # noqa: PLR0913, PLR0917
    texts: Texts = None,
    task: Annotated[
        str | None, typer.Option("--task", "-t", help="topic, sentiment, ner or a task of your own.")
    ] = None,
    adapter: Annotated[
        Path | None,
        typer.Option(
            "--adapter",
            "-a",
            help="Folder that `eval` wrote under scores/, its folder task-adapter, or an address on the hub "
            "(OWNER/NAME, OWNER/NAME/FOLDER); default: the newest for --task.",
        ),
    ] = None,
    language_adapter: Annotated[
        str | None,
        typer.Option(
            help="Stack the task adapter on the language adapter in this folder (zero-shot transfer); none: on the "
            "base alone."
        ),
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="Hub id or folder of the base; default: the one that it was trained on.")
    ] = None,
    file: TextFile = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="New file to write; default: print.")] = None,
    workspace: options.Workspace = DEFAULT_WORKSPACE,
    language: options.Language = None,
    cpu: options.Cpu = False,
    debug: options.Debug = False,
) -> None:
    """Label texts with a trained task adapter. Prints one JSON object per line.

    Classes come with their probabilities, entities with their types and character offsets. Texts longer than the
    maximum length of the model are split into windows. For a task with pairs of texts, put a tab between the two.
    """
    from ..eval.inference.choose_adapters import NONE, adapter_folder, choose_scores

    terminal = Terminal()
    if out and (out.exists() or not out.absolute().parent.is_dir()):
        why = "it already exists" if out.exists() else f"there is no folder {out.parent}"
        raise UserError(f"--out {out}: {why}; choose a new file")
    scores = choose_scores(task, adapter, workspace, options.language_code(language))
    if language_adapter not in (None, NONE):
        adapter_folder(language_adapter)
    lines = read_texts(texts, file, terminal)
    first = next(lines)  # raises UserError if there is no text

    from ..eval.inference.predict import choose_task_adapter, label_texts  # imports torch, which takes long

    task_adapter = choose_task_adapter(task, scores, language_adapter, base)
    with _opened(out) as output:
        for record in label_texts(chain([first], lines), task_adapter, terminal):
            print(json_line(record, output), file=output)
    terminal.result({}, out)


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    """`out`, which is written completely or not at all; standard output if there is none."""
    from ..workspace.artifacts import replace_with

    if out is None:
        yield sys.stdout
        return
    with replace_with(out) as partial, partial.open("w", encoding="utf-8") as file:
        yield file
