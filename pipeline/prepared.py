"""Making the prepared data: corpus, edges and graph, and the check that no split is empty."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..recipes.schema import Recipe
from ..recipes.splits import SPLITS
from ..workspace.artifacts import Artifact, Prepared
from ..workspace.errors import UserError
from ..workspace.machine import usable_cores
from ..workspace.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

UNITS = {"corpus": "lines", "graph": "sentences"}  # what the splits of an artifact are counted in
MAX_WORKERS = 16  # one process reads for all of them


def prepared_data(recipe: Recipe, workspace: Path) -> Prepared:
    """The recipe's prepared data, made or not. Raises UserError where raw files are missing, unless it is finished."""
    from ..corpora.prepare import corpus_artifact
    from ..graphs.prepare import graph_artifact

    return Prepared(
        corpus_artifact(recipe, workspace) if recipe.corpus else None,
        graph_artifact(recipe, workspace) if recipe.graph else None,
    )


def trained_adapter(recipe: Recipe, workspace: Path, prepared: Prepared) -> Artifact | None:
    """The adapter that the run evaluates, or the control in its place; None for the base alone.

    `prepared` is the recipe's own data; the adapter of another language is described by that language's.
    """
    from ..training.artifacts import adapter_artifact

    if recipe.adapter.type == "none":
        return None
    trained = recipe.trained
    return adapter_artifact(trained, workspace, training_prepared(recipe, workspace, prepared))


def training_prepared(recipe: Recipe, workspace: Path, prepared: Prepared) -> Prepared:
    """The prepared data of `recipe.trained`, where `prepared` is that of the recipe itself."""
    return prepared if recipe.trained is recipe else prepared_data(recipe.trained, workspace)


def make_corpus(recipe: Recipe, workspace: Path, artifact: Artifact, progress: Progress) -> Artifact:
    """Make the corpus unless it is finished. Raises UserError where it has an empty split."""
    from ..corpora.prepare import prepare_corpus

    workers = min(usable_cores(), MAX_WORKERS)
    return _make(artifact, recipe, progress, lambda: prepare_corpus(recipe, workspace, progress, workers=workers))


def make_graph(recipe: Recipe, workspace: Path, artifact: Artifact, progress: Progress) -> Artifact:
    """Make the graph's sentences unless they are finished. Raises UserError where a split is empty."""
    from ..graphs.prepare import prepare_graph

    return _make(artifact, recipe, progress, lambda: prepare_graph(recipe, workspace, progress))


def split_sizes(artifact: Artifact) -> dict[str, int]:
    """Lines in each split of a corpus, or sentences in each of a graph."""
    facts = artifact.manifest()["facts"]
    counts = facts.get("lines") or facts.get("sentences") or {}
    return {split: counts.get(split, 0) for split in SPLITS}


def files_of(artifact: Artifact) -> list[dict[str, Any]]:
    """The local files of a corpus: `file`, `documents` read, and `lines` kept; none for a graph."""
    sources = artifact.manifest()["facts"].get("sources", [])
    return [file for source in sources for file in source.get("by_file", [])]


def _make(artifact: Artifact, recipe: Recipe, progress: Progress, make: "Callable[[], object]") -> Artifact:
    finished = artifact.exists
    if not finished:
        make()
    sizes = split_sizes(artifact)
    counts = ", ".join(f"{count:,} {split}" for split, count in sizes.items())
    progress.say(
        f"{artifact.kind}: {'already finished' if finished else f'{counts} {UNITS[artifact.kind]}'}, {artifact.folder}"
    )
    if empty := [split for split, count in sizes.items() if not count]:
        raise UserError(_empty_splits(artifact, recipe, sizes, empty))
    return artifact


def _empty_splits(artifact: Artifact, recipe: Recipe, sizes: dict[str, int], empty: list[str]) -> str:
    """One line on the splits that are empty and what to do about them."""
    from ..corpora.reasons import left_out

    facts = artifact.manifest()["facts"]
    counts = ", ".join(f"{count} {split}" for split, count in sizes.items())
    problem = (
        f"{artifact.kind} for {recipe.language} has no {' and no '.join(empty)} text ({counts} {UNITS[artifact.kind]})"
    )
    if artifact.kind == "graph":
        all_edges = recipe.graph is not None and recipe.graph.languages == "all"
        more = "" if all_edges else "use more of its edges with graph.languages=all, or "
        return f"{problem}: {more}train on text alone (source: text, graph: null)"
    documents = sum(facts["documents"].values())
    held = "only 1 document" if documents == 1 else f"{documents} documents"
    reasons = left_out(facts.get("pages", {}), facts.get("counts", {}))
    return (
        f"{problem}: whole documents go to one split (80, 10 and 10%), and this text has {held}; give 50 or more "
        "(each line of a txt file is one, each row of a csv, tsv, jsonl or parquet file)"
        + ("" if recipe.corpus is None or recipe.corpus.sample_by == "line" else ", or set corpus.sample_by to line")
        + (f", or drop less: {reasons}" if reasons else "")
    )
