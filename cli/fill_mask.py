"""`lrl-adapt fill-mask`: what a base puts into a gap, with and without language adapters."""

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer

from ..workspace.errors import UserError
from . import options
from .console import Terminal, json_line
from .guard import guarded
from .options import DEFAULT_WORKSPACE, examples
from .texts import TextFile, Texts, read_texts

EPILOG = examples(
    'lrl-adapt fill-mask "Habari ya [MASK]"',
    'lrl-adapt fill-mask --adapter none --adapter my-swahili --top 3 "Watoto wanasoma {mask} shuleni"',
    'lrl-adapt fill-mask --adapter my-swahili --json "Habari ya <mask> na <mask>"',
)

SMALL = 0.001  # a probability that would be shown as 0.0 %


def fill_mask_cmd(  # noqa: PLR0913, PLR0917
    texts: Texts = None,
    adapters: Annotated[
        list[str] | None,
        typer.Option(
            "--adapter",
            "-a",
            help="Folder of a language adapter, or none for the base alone; may be repeated, to see them side by side. "
            "Default: none and the last one trained.",
            show_default=False,
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(help="Hub id or folder of the base; default: the adapters' own.", show_default=False),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Fillers to show for each mask.")] = 5,
    file: TextFile = None,
    workspace: options.Workspace = DEFAULT_WORKSPACE,
    language: options.Language = None,
    cpu: options.Cpu = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object a line, for each text, mask and adapter.")
    ] = False,
    debug: options.Debug = False,
) -> None:
    """Show what fits best where a text has [MASK], <mask> or {mask}, whatever the model's own word for it is."""
    from .steps import require_single_process, use_cpu

    require_single_process("fill-mask")
    use_cpu(cpu)
    terminal = Terminal(as_json=as_json)
    given = [text for text in read_texts(texts, file) if text.strip()]
    from ..eval.inference.fill_mask import fill_masks
    from ..eval.inference.find_adapters import NONE, newest_adapter
    from ..workspace.text import clean_line, told

    if not adapters and base:
        raise UserError("--base alone: say --adapter none for the base as it is, or name adapters for it")
    if not adapters:
        newest = newest_adapter(workspace, options.language_code(language))
        terminal.say(f"adapter: {newest}")
        adapters = [NONE, str(newest)]
    found = fill_masks(given, adapters, base=base, top=top)
    counts: Counter[str] = Counter()
    for text in given:
        clean_line(text, counts)
    if counts:
        terminal.say(f"texts as the model reads them: {told(counts)}")
    if as_json:
        for filled in found:
            print(json_line(asdict(filled), sys.stdout))
    else:
        _show(terminal, found)


def _show(terminal: Terminal, found: Iterable[Any]) -> None:
    """For each gap a table with a column for each adapter."""
    for (text, mask), group in groupby(found, key=lambda filled: (filled.text, filled.mask)):
        systems = list(group)
        columns = [
            [f"{filler.piece}  {_percent(filler.probability)}" for filler in filled.fillers] for filled in systems
        ]
        names = _short([filled.adapter for filled in systems])
        terminal.table(f"{text}: mask {mask}", names, zip(*columns, strict=True))


def _percent(share: float) -> str:
    """A probability in percent: one decimal, below 0.1 % two significant digits."""
    return f"{share:.1%}" if share >= SMALL else f"{Decimal(f'{100 * share:.2g}'):f}%"


def _short(adapters: list[str]) -> list[str]:
    """The names of the folders, where they differ."""
    names = [Path(adapter).name for adapter in adapters]
    return names if len(set(names)) == len(names) else adapters


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("fill-mask", epilog=EPILOG)(guarded(fill_mask_cmd))
