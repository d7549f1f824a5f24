"""`lrl-adapt prepare`: corpus and graph into artifacts."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import typer

from ..recipes.splits import SPLITS
from ..workspace.artifacts import Artifact
from ..workspace.cores import usable_cores
from ..workspace.errors import UserError
from . import options
from .console import Terminal
from .guard import guarded
from .options import DEFAULT_WORKSPACE, examples
from .preflight import say_skipped
from .runs import Failures, run_label

MOST_WORKERS = 16  # one process reads for all of them
EPILOG = examples(
    "lrl-adapt prepare",
    "lrl-adapt prepare quickstart --set corpus.max_bytes=50KB",
    "lrl-adapt prepare conceptnet --language mlt,swh --dry-run",
)


def prepare_cmd(
    recipe: options.RecipeArgument = None,
    changes: options.Set = None,
    workspace: options.Workspace = DEFAULT_WORKSPACE,
    languages: options.Languages = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Clean and split the recipe's text, and turn its knowledge graph into sentences. Finished steps are skipped.

    For a grid recipe, prepares the data of every run; one that fails does not stop the others.
    """
    from ..recipes.loading import load_runs
    from .plan import Plan, plan_runs
    from .steps import describe, planned_work, require_single_process

    require_single_process("prepare")
    terminal = Terminal(as_json=as_json)
    named = [options.overrides(changes, language=name) for name in languages or [None]]
    loaded = [run for overrides in named for run in load_runs(recipe, overrides)]
    runs = _with_different_data([(run_label(words), run) for words, run in loaded], workspace)
    failures = Failures(len(runs), terminal, debug=debug)
    say_skipped(terminal, [run for _, run in runs], workspace)
    if dry_run:
        plan = plan_runs(runs, workspace, failures, Plan.add_prepare)
        terminal.result(planned_work(terminal, runs, plan.steps) | failures.as_json)
        failures.raise_if_any()
        return
    edge_errors = extract_shared_edges([run for _, run in runs], workspace, terminal)
    artifacts: list[Artifact] = []
    for label, run in runs:
        with failures.collect(label):
            finished = prepare(run, workspace, terminal, edge_errors)
            rows = [row for artifact in finished for row in _rows(artifact)]
            terminal.table(f"Prepared {run.language}", ("artifact", "train", "validation", "test", "counts"), rows)
            artifacts += finished
    result = {"artifacts": [describe(artifact) for artifact in artifacts]} | failures.as_json
    terminal.result(result, artifacts[-1].folder if artifacts else None)
    failures.raise_if_any()


def _with_different_data(runs: list[tuple[str, Any]], workspace: Path) -> list[tuple[str, Any]]:
    """The first of the runs of a grid that share their data because they differ only in what is trained."""
    from .steps import prepared_data

    found: dict[Any, tuple[str, Any]] = {}
    for label, run in runs:
        try:
            data: Any = tuple(artifact.folder for artifact in prepared_data(run, workspace).all)
        except UserError:  # is reported when it is this run's turn
            data = label
        found.setdefault(data, (label, run))
    return list(found.values())


def extract_shared_edges(recipes: list[Any], workspace: Path, terminal: Terminal) -> dict[Path, Exception]:
    """Read each ConceptNet dump once for all the recipes that need it, where several do.

    Returns the errors by the folder of the edges that could not be made; `prepare` raises them for their recipes.
    """
    from ..graphs.edges import try_extract_edges
    from ..graphs.prepare import graph_artifact

    needed = []
    for recipe in recipes:
        with suppress(UserError):  # is reported when it is this recipe's turn
            if recipe.graph and not graph_artifact(recipe, workspace).exists:
                needed.append(recipe)
    return try_extract_edges(needed, workspace, terminal) if len(needed) > 1 else {}


def prepare(
    recipe: Any, workspace: Path, terminal: Terminal, edge_errors: Mapping[Path, Exception] = MappingProxyType({})
) -> list[Artifact]:
    """Make the corpus and graph artifacts that the recipe asks for, saying which were there.

    `edge_errors` are those of `extract_shared_edges`. Raises UserError, once all are made, where one has an empty
    train, validation or test split.
    """
    from ..corpora.prepare import prepare_corpus
    from ..graphs.edges import edges_artifact
    from ..graphs.prepare import prepare_graph
    from ..recipes.languages import find_language
    from .steps import prepared_data

    if note := find_language(recipe.language).note:
        terminal.say(f"{recipe.language}: {note}")
    expected = prepared_data(recipe, workspace)
    there = {artifact.kind for artifact in expected.all if artifact.exists}
    if recipe.graph and (error := edge_errors.get(edges_artifact(recipe, workspace).folder)):
        raise error
    if recipe.corpus:
        prepare_corpus(recipe, workspace, terminal, workers=_workers())
    if recipe.graph:
        prepare_graph(recipe, workspace, terminal)
    for artifact in expected.all:
        sizes = ", ".join(f"{count:,} {split}" for split, count in _sizes(artifact).items())
        state = "there already" if artifact.kind in there else f"{sizes} sentences"
        terminal.say(f"{artifact.kind}: {state}, {artifact.folder}")
    if problems := [problem for artifact in expected.all if (problem := _empty_splits(artifact, recipe))]:
        raise UserError("\n  ".join(problems))
    return list(expected.all)


def _empty_splits(artifact: Artifact, recipe: Any) -> str | None:
    """One line on the splits that are empty and what to do about them; None where none is."""
    from ..corpora.reasons import left_out

    sizes = _sizes(artifact)
    empty = [split for split, count in sizes.items() if not count]
    if not empty:
        return None
    facts = artifact.manifest()["facts"]
    counts = ", ".join(f"{count} {split}" for split, count in sizes.items())
    problem = f"{artifact.kind} for {recipe.language} has no {' and no '.join(empty)} text ({counts} sentences)"
    if artifact.kind == "graph":
        more = "" if recipe.graph.languages == "all" else "use more of its edges with graph.languages=all, or "
        return f"{problem}: {more}train on text alone (source: text, graph: null)"
    documents = sum(facts["documents"].values())
    held = "only 1 document" if documents == 1 else f"{documents} documents"
    left = left_out(facts.get("pages", {}), facts.get("counts", {}))
    return (
        f"{problem}: whole documents go to one split (80, 10 and 10 %), and this text has {held}; give 50 or more "
        "(each line of a txt file is one, each row of a csv, tsv, jsonl or parquet file)"
        + (f", or drop less: {left}" if left else "")
    )


def _workers() -> int:
    """Processes to clean text with: the cores that are ours, which a scheduler may have limited."""
    return min(usable_cores(), MOST_WORKERS)


def _sizes(artifact: Artifact) -> dict[str, int]:
    facts = artifact.manifest()["facts"]
    counts = facts.get("lines") or facts.get("sentences") or {}
    return {split: counts.get(split, 0) for split in SPLITS}


def _rows(artifact: Artifact) -> list[tuple[str, ...]]:
    counts = artifact.manifest()["facts"].get("counts", {})
    dropped = ", ".join(f"{reason} {count:,}" for reason, count in counts.items())
    return [(artifact.kind, *(f"{count:,}" for count in _sizes(artifact).values()), dropped)]


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("prepare", epilog=EPILOG)(guarded(prepare_cmd))
