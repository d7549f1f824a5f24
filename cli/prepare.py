"""`lrl-adapt prepare`: corpus and graph into artifacts."""

import os
from pathlib import Path
from typing import Any

import typer

from ..recipes.artifacts import Artifact
from ..recipes.errors import UserError
from . import options
from .console import Terminal
from .guard import guarded
from .options import DEFAULT_WORKSPACE, examples

MOST_WORKERS = 16  # one process reads for all of them
EPILOG = examples(
    "lrl-adapt prepare",
    "lrl-adapt prepare quickstart --set corpus.max_bytes=50KB",
    "lrl-adapt prepare conceptnet --language mlt --language swh --dry-run",
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
    """Read, clean and split the recipe's text, and turn its graph into sentences."""
    from ..graphs.edges import extract_edges
    from ..recipes.loading import load_runs
    from .steps import describe, plan, prepared_data

    terminal = Terminal(as_json=as_json)
    named = [options.overrides(changes, language=name) for name in languages or [None]]
    runs = [run for overrides in named for _, run in load_runs(recipe, overrides)]
    # runs of a grid that differ in what is trained share their data
    recipes = list({tuple(part.folder for part in prepared_data(run, workspace).all): run for run in runs}.values())
    if dry_run:
        plan(terminal, recipes[0], [artifact for each in recipes for artifact in prepared_data(each, workspace).all])
        return
    with_graph = [each for each in recipes if each.graph]
    if len(with_graph) > 1:
        extract_edges(with_graph, workspace, terminal)  # one pass over the dump for all of them
    artifacts, refused = [], []
    for each in recipes:
        try:
            made = prepare(each, workspace, terminal)
        except EmptySplitError as error:
            refused.append(f"{error}")  # the other languages are prepared all the same
            continue
        rows = [row for artifact in made for row in _rows(artifact)]
        terminal.table(f"Prepared {each.language}", ("artifact", "train", "validation", "test", "counts"), rows)
        artifacts += made
    if refused:
        raise UserError("\n  ".join(refused))
    terminal.result({"artifacts": [describe(artifact) for artifact in artifacts]}, artifacts[-1].folder)


class EmptySplitError(UserError):
    """Prepared data lack a split, so that nothing can be trained or scored on them."""


def prepare(recipe: Any, workspace: Path, terminal: Terminal) -> list[Artifact]:
    """Make the corpus and graph artifacts that the recipe asks for, saying which were there.

    Raises EmptySplitError, once all are made, where one of them has an empty train, validation or test split.
    """
    from ..corpora.prepare import prepare_corpus
    from ..graphs.prepare import prepare_graph
    from ..recipes.languages import find_language
    from .steps import prepared_data

    if note := find_language(recipe.language).note:
        terminal.say(f"{recipe.language}: {note}")
    expected = prepared_data(recipe, workspace)
    there = {artifact.kind for artifact in expected.all if artifact.exists}
    if recipe.corpus:
        prepare_corpus(recipe, workspace, terminal, workers=_workers())
    if recipe.graph:
        prepare_graph(recipe, workspace, terminal)
    for artifact in expected.all:
        sizes = ", ".join(f"{count:,} {split}" for split, count in _sizes(artifact).items())
        state = "there already" if artifact.kind in there else f"{sizes} sentences"
        terminal.say(f"{artifact.kind}: {state}, {artifact.folder}")
    if problems := [problem for artifact in expected.all if (problem := _empty_splits(artifact, recipe))]:
        raise EmptySplitError("\n  ".join(problems))
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
    left = left_out(facts.get("pages", {}), facts.get("counts", {}))
    return (
        f"{problem}: whole documents go to one split (80, 10 and 10 %), and there {'is' if documents == 1 else 'are'} "
        f"{documents}; give 50 or more (each line of a txt file is one, each row of a csv, tsv, jsonl or parquet file)"
        + (f", or drop less: {left}" if left else "")
    )


def _workers() -> int:
    """Processes to clean text with: the cores that are ours, which a scheduler may have limited."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_WORKERS)


def _sizes(artifact: Artifact) -> dict[str, int]:
    facts = artifact.manifest()["facts"]
    counts = facts.get("lines") or facts.get("sentences") or {}
    return {split: counts.get(split, 0) for split in ("train", "validation", "test")}


def _rows(artifact: Artifact) -> list[tuple[str, ...]]:
    counts = artifact.manifest()["facts"].get("counts", {})
    dropped = ", ".join(f"{reason} {count:,}" for reason, count in counts.items())
    return [(artifact.kind, *(f"{count:,}" for count in _sizes(artifact).values()), dropped)]


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("prepare", epilog=EPILOG)(guarded(prepare_cmd))
