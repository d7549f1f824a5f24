"""`lrl-adapt push`: an adapter published on the Hugging Face hub, with a model card."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..workspace.formatting import format_size
from . import options
from .console import Terminal
from .options import examples

if TYPE_CHECKING:
    from ..pipeline.publish.push import PushedAdapter

EPILOG = examples(
    "lrl-adapt push my-adapter OWNER/NAME --dry-run",
    "lrl-adapt push my-adapter OWNER/NAME --public --licence cc-by-sa-4.0 --dry-run",
    "lrl-adapt push my-adapter my-topic-adapter OWNER/NAME --dry-run",
)


def push_cmd(  # noqa: PLR0913, PLR0917
    adapters: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER...",
            help="Folder of a language adapter, or one that `eval` wrote under scores/ with a task adapter. If there "
            "are several, each gets a folder in the repository.",
        ),
    ],
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Repository on the hub; created if missing.")],
    scores: Annotated[
        list[Path] | None,
        typer.Option(
            help="scores.json, its folder, or a workspace, with scores of the adapter; may be repeated. Default: the "
            "workspace that the adapter is in."
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            help="Hub id of the base, if the adapter was trained on a local copy of it.", metavar="OWNER/NAME"
        ),
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(
            help="Licence by the hub's name, such as cc-by-sa-4.0; default: the most demanding of the training data."
        ),
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="Create a public repository; by default it is private.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the files and the model card without sending anything.")
    ] = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Publish adapters on the Hugging Face hub, with a model card.

    Takes the token from HF_TOKEN or from `hf auth login`. Interrupted uploads continue when the command is run again.
    """
    from ..training.conversion_checks import check_push

    check_push(adapters, repo)

    from ..pipeline.publish.push import push  # imports torch, which takes long

    terminal = Terminal(as_json=as_json)
    pushed = push(
        adapters,
        repo,
        scores=scores or (),
        base=base,
        licence=licence,
        public=public,
        dry_run=dry_run,
        progress=terminal,
    )
    _show(terminal, pushed)


def _show(terminal: Terminal, pushed: "PushedAdapter") -> None:
    """The files and notes, after a dry run the card, and at last the address."""
    for note in pushed.notes:
        terminal.say(f"note: {note}")
    visibility = "private" if pushed.private else "public"
    done = "Dry run: nothing was sent" if pushed.address is None else "Uploaded"
    title = f"{done}; {pushed.repo} ({visibility} if it is new)"
    terminal.table(title, ("file", "size"), [(name, format_size(size)) for name, size in pushed.files.items()])
    if pushed.address is None:
        terminal.text(pushed.card)
    terminal.result(asdict(pushed), pushed.address)
