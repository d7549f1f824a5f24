"""`lrl-adapt fill-mask`: what a base predicts for a mask, with and without language adapters."""

import sys
from collections.abc import Iterable
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..workspace.formatting import format_percent, format_significant
from ..workspace.home import DEFAULT_WORKSPACE
from . import options
from .console import Terminal, json_line
from .options import examples
from .texts import TextFile, Texts, read_texts

if TYPE_CHECKING:
    from ..eval.inference.fill_mask import MaskPrediction

EPILOG = examples(
    'lrl-adapt fill-mask "Habari ya [MASK]"',
    'lrl-adapt fill-mask --adapter none --adapter my-swahili --top 3 "Watoto wanasoma {mask} shuleni"',
    'lrl-adapt fill-mask --adapter my-swahili --json "Habari ya <mask> na <mask>"',
)

SMALL = 0.001  # smaller probabilities would be shown as 0.0%


def fill_mask_cmd(  # noqa: PLR0913, PLR0917
    texts: Texts = None,
    adapters: Annotated[
        list[str] | None,
        typer.Option(
            "--adapter",
            "-a",
            help="Folder of a language adapter, its address on the hub (OWNER/NAME, OWNER/NAME/FOLDER), or none for "
            "the base alone; may be repeated to compare several. Default: none and the newest adapter.",
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(help="Hub id or folder of the base; default: the one that the adapters were trained on."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Number of candidates for each mask.")] = 5,
    file: TextFile = None,
    workspace: options.Workspace = DEFAULT_WORKSPACE,
    language: options.Language = None,
    cpu: options.Cpu = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per line for each text, mask and adapter.")
    ] = False,
    debug: options.Debug = False,
) -> None:
    """Predict masked words: [MASK], <mask> and {mask} work with every tokenizer."""
    from ..eval.inference.choose_adapters import choose_adapters
    from ..eval.inference.texts import require_masks

    terminal = Terminal(as_json=as_json)
    masked_texts = [text for text in read_texts(texts, file, terminal) if text.strip()]
    require_masks(masked_texts)
    chosen = choose_adapters(adapters, base, workspace, options.language_code(language), terminal)

    from ..eval.inference.fill_mask import fill_mask  # imports torch, which takes long

    predictions = fill_mask(masked_texts, adapters=chosen, base=base, top=top, progress=terminal)
    if as_json:
        for prediction in predictions:
            print(json_line(asdict(prediction), sys.stdout))
    else:
        _show(terminal, predictions)


def _show(terminal: Terminal, predictions: "Iterable[MaskPrediction]") -> None:
    """A table for each mask, with a column for each adapter."""
    for (text, mask), of_mask in groupby(predictions, key=lambda one: (one.text, one.mask)):
        by_adapter = {prediction.adapter: prediction.candidates for prediction in of_mask}
        columns = [
            [f"{candidate.token}  {_percent(candidate.probability)}" for candidate in candidates]
            for candidates in by_adapter.values()
        ]
        terminal.table(f"{text}: mask {mask}", _short_names(list(by_adapter)), zip(*columns, strict=True))


def _percent(probability: float) -> str:
    """A probability in percent: one decimal, below 0.1% two significant digits."""
    return f"{format_percent(probability) if probability >= SMALL else format_significant(100 * probability)}%"


def _short_names(adapters: list[str]) -> list[str]:
    """The last parts of the folders if they differ, else the full paths."""
    names = [Path(adapter).name for adapter in adapters]
    return names if len(set(names)) == len(names) else adapters
