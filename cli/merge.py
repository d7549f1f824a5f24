"""`lrl-adapt merge`: the weighted average of adapters."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..workspace.errors import UserError
from ..workspace.home import DEFAULT_WORKSPACE
from . import options
from .console import Terminal
from .options import examples

if TYPE_CHECKING:
    from ..pipeline.merge import MergedAdapter
    from ..pipeline.sweep_merge import MergeSweep
    from ..recipes.schema import Recipe

EPILOG = examples(
    "lrl-adapt merge javanese sundanese --weights 0.7,0.3 --out merged",
    "lrl-adapt merge javanese formal informal --weights 1,0.5,-0.5 --out formal-javanese",
    "lrl-adapt merge javanese sundanese --sweep 0,0.25,0.5,0.75,1",
)


Adapters = Annotated[list[Path], typer.Argument(metavar="FOLDER", help="Folders of two or more language adapters.")]
Weights = Annotated[
    list[str] | None,
    typer.Option(
        help="A weight for each adapter, which may be negative, as a comma-separated list; default: equal weights.",
        callback=options.split_commas,
    ),
]
MergedFolder = Annotated[Path | None, typer.Option("--out", "-o", help="Folder to write; it must not exist yet.")]
Normalize = Annotated[
    bool,
    typer.Option(
        "--normalize/--no-normalize",
        help="Divide the weights by their sum. --no-normalize: multiply the change that each adapter makes by its "
        "weight as given.",
    ),
]
Sweep = Annotated[
    list[str] | None,
    typer.Option(
        help="Two adapters: show the validation loss for each of these weights of the first one, as a comma-separated "
        "list. With --out, writes the merged adapter with the lowest loss.",
        callback=options.split_commas,
    ),
]
SweepRecipe = Annotated[
    str | None,
    typer.Option(
        help="--sweep: recipe file or bundled name, for the validation text and the base (default: ./recipe.yaml if it "
        "exists, else quickstart)."
    ),
]
MergeBase = Annotated[
    str | None, typer.Option(help="Hub id or folder of the base; default: the one that the adapters name.")
]


def merge_cmd(  # noqa: PLR0913, PLR0917
    adapters: Adapters,
    weights: Weights = None,
    out: MergedFolder = None,
    normalize: Normalize = True,
    sweep: Sweep = None,
    recipe: SweepRecipe = None,
    changes: options.Set = None,
    workspace: options.Workspace = DEFAULT_WORKSPACE,
    language: options.Language = None,
    base: MergeBase = None,
    cpu: options.Cpu = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Write the weighted average of language adapters of one type, shape and base.

    LM heads are averaged too. Negative weights subtract what an adapter learnt.
    """
    from ..training.conversion_checks import check_merge, check_sweep

    terminal = Terminal(as_json=as_json)
    if sweep is None:
        factors = _numbers("--weights", weights)
        check_merge(adapters, factors, out)
        if out is None:
            raise UserError("name the folder to write with --out, or compare weights with --sweep")

        from ..pipeline.merge import merge  # imports torch, which takes long

        merged = merge(adapters, out, weights=factors, normalize=normalize, base=base)
        _show_merged(terminal, adapters, merged)
        terminal.result(asdict(merged), out)
        return
    if weights is not None:
        raise UserError("give either --weights or --sweep, not both")
    tried = _numbers("--sweep", sweep) or []
    check_sweep(adapters, tried, out)
    run = _single_run(recipe, changes, language)

    from ..pipeline.sweep_merge import sweep_merge  # imports torch, which takes long

    result = sweep_merge(adapters, run, weights=tried, out=out, base=base, workspace=workspace, progress=terminal)
    _show_sweep(terminal, adapters, result)
    if result.merged is not None:
        _show_merged(terminal, adapters, result.merged)
    terminal.result({**asdict(result), "best": asdict(result.best)}, out)


def _numbers(option: str, words: list[str] | None) -> list[float] | None:
    """The numbers of a comma-separated option. Raises UserError for anything else."""
    try:
        return None if words is None else [float(word) for word in words]
    except ValueError as error:
        raise UserError(f"{option} {','.join(words or [])}: expected numbers, such as 0.7,0.3") from error


def _single_run(recipe: str | None, changes: list[str] | None, language: str | None) -> "Recipe":
    """The recipe of a sweep. Raises UserError for a grid of several runs."""
    from ..pipeline.steps import SETTING
    from ..recipes.grid import fields_that_differ
    from ..recipes.loading import DEFAULT_FILE
    from .steps import labelled_runs

    runs = labelled_runs(recipe, options.overrides(changes, language=language))
    if len(runs) > 1:
        fields = " ".join(f"--set {field}=..." for field in fields_that_differ([*map(SETTING.split, runs)]))
        raise UserError(f"{recipe or DEFAULT_FILE} is a grid of {len(runs)} runs: choose one with {fields}")
    return next(iter(runs.values()))


def _show_merged(terminal: Terminal, adapters: list[Path], merged: "MergedAdapter") -> None:
    """What was merged, and notes on it."""
    for note in merged.notes:
        terminal.say(f"note: {note}")
    rows = [(str(folder), f"{weight:.4g}") for folder, weight in zip(adapters, merged.weights, strict=True)]
    terminal.table(f"Written to {merged.folder}", ("adapter", "weight"), rows)


def _show_sweep(terminal: Terminal, adapters: list[Path], sweep: "MergeSweep") -> None:
    """The validation loss for each weight."""
    rows = [
        (f"{point.weight:g}", f"{1 - point.weight:g}", f"{point.validation_loss:.4f}", "lowest" * (point is sweep.best))
        for point in sweep.points
    ]
    columns = (*(f"weight of {folder.resolve().name}" for folder in adapters), "validation loss", "")
    terminal.table("Validation loss by weight, in nats per masked token", columns, rows)
