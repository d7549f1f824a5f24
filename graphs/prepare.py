"""The graph artifact: from a language's edges to train, validation and test sentences (parquet), and a data card."""

import hashlib
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow

from ..recipes.languages import find_language
from ..recipes.schema import Recipe
from ..workspace.artifacts import Artifact, Draft, local_names, resolve_inputs
from ..workspace.errors import UserError
from ..workspace.formatting import format_count
from ..workspace.parquet import RowWriter
from ..workspace.progress import QUIET, Progress
from .card import write_card
from .edges import conceptnet_code, edges_artifact, extract_edges, graph_section, load_edges
from .graph_statistics import build_graph, statistics
from .linearise import linearise, select
from .templates import load_templates

CACHE_VERSION = (
    3  # raise it when the same edges give other files (linearisation, split), so that old ones are not reused
)
SENTENCES = pyarrow.schema({"document": pyarrow.string(), "text": pyarrow.string()})


def graph_artifact(recipe: Recipe, workspace: Path) -> Artifact:
    """The artifact of the recipe's sentences; nothing is fetched. Raises what `edges_artifact`, `load_templates` do.

    If neither the dump nor finished edges exist, a finished graph is used instead: see `resolve_inputs`.
    """
    graph = graph_section(recipe)
    used = {"languages", "linearisation"} | ({"walk_length", "seed"} if graph.linearisation == "walk" else set())
    section = graph.model_dump(mode="json", include=used) | {"language": conceptnet_code(recipe), "code": CACHE_VERSION}
    templates = load_templates(graph, recipe.language)
    digest = hashlib.sha256(repr(sorted(templates.items())).encode()).hexdigest()
    root = workspace / "data" / recipe.language
    artifact = Artifact(root, "graph", "graph", section, {"templates": digest}, sources=local_names([graph.conceptnet]))
    try:
        return replace(artifact, parents=(edges_artifact(recipe, workspace),))
    except UserError as error:
        return resolve_inputs(artifact, {"edges": partial(_refuse, error)})


def _refuse(error: UserError) -> None:
    raise error


def prepare_graph(recipe: Recipe, workspace: Path, progress: Progress = QUIET) -> Artifact:
    """Read, describe and linearise the recipe's graph, unless that is finished.

    The folder then holds {train,validation,test}.parquet (document: id of the pair of terms, text), card.md and its
    pictures; the edges are in the artifact that it is made from. Raises UserError as `graph_artifact` does, and when
    the dump is broken, lacks the language or gives no sentence.
    """
    artifact = graph_artifact(recipe, workspace)
    if not artifact.exists:
        extract_edges([recipe], workspace, progress)
        artifact.build(lambda draft: _prepare(recipe, edges_artifact(recipe, workspace), draft), progress)
    return artifact


def _prepare(recipe: Recipe, source: Artifact, draft: Draft) -> None:
    graph, code = graph_section(recipe), conceptnet_code(recipe)
    edges = load_edges(source)
    selected, dropped = select(edges, graph, code)
    rows, unused = linearise(selected, load_templates(graph, recipe.language), graph)
    if not any(rows.values()):
        reasons = ", ".join(f"{reason} {count}" for reason, count in (dropped + unused).items())
        count = format_count(len(edges), "edge")
        raise UserError(f"no sentences are left from {count} for {recipe.language} ({code}): {reasons}")
    for split, pairs in rows.items():
        with RowWriter(draft.folder / f"{split}.parquet", SENTENCES) as writer:
            for document, text in pairs:
                writer.add({"document": document, "text": text})
    extraction = source.manifest()["facts"]
    draft.facts |= {
        "dump": extraction["dump"],
        "counts": extraction["counts"],
        "text": extraction["text"],
        "unused": dict(dropped + unused),
        "sentences": {split: len(pairs) for split, pairs in rows.items()},
        "bytes": {split: sum(len(text.encode()) for _, text in pairs) for split, pairs in rows.items()},
        "licenses": dict(Counter(edge.license for edge in edges).most_common()),
        "statistics": statistics(build_graph(edges), code),
    }
    write_card(draft, find_language(recipe.language), graph, [rows["train"][0][1]] if rows["train"] else [])
