"""The edges artifact: from ConceptNet's dump to a language's edges (edges.parquet), several languages in one pass."""

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from ..recipes.languages import find_language
from ..recipes.schema import Graph, Recipe
from ..workspace.artifacts import Artifact, Draft, local_names, resolve_inputs
from ..workspace.errors import UserError
from ..workspace.locations import identity, local_file
from ..workspace.parquet import RowWriter, artifact_file
from ..workspace.progress import QUIET, Progress
from ..workspace.text import describe_changes
from .conceptnet import Edge, Node
from .dump import KEPT, DumpReader

CACHE_VERSION = 2  # raise it when the same dump gives other edges, so that edges extracted before are not reused
FILE = "edges.parquet"
SCHEMA = pyarrow.schema(
    [
        *((f"start{part}", pyarrow.string()) for part in ("", "_language", "_pos")),
        ("relation", pyarrow.string()),
        *((f"end{part}", pyarrow.string()) for part in ("", "_language", "_pos")),
        ("weight", pyarrow.float64()),
        ("license", pyarrow.string()),
    ]
)


def graph_section(recipe: Recipe) -> Graph:
    """The recipe's graph section. Raises UserError when it has none."""
    if recipe.graph is None:
        raise UserError("the recipe has no graph section")
    return recipe.graph


def conceptnet_code(recipe: Recipe) -> str:
    """ConceptNet's code of the recipe's language. Raises UserError when it has none."""
    language = find_language(recipe.language)
    if not language.conceptnet:
        raise UserError(
            f"ConceptNet has no code for {language.name} ({language.code}); remove the graph with graph: none"
        )
    return language.conceptnet


def edges_artifact(recipe: Recipe, workspace: Path) -> Artifact:
    """The artifact of the language's edges; nothing is fetched.

    A local dump is identified by its content, another one by its address. If the local dump is missing, finished edges
    are used instead: see `resolve_inputs`. Raises UserError when the recipe has no graph section, the language no
    ConceptNet code, or neither the dump nor finished edges exist.
    """
    location = graph_section(recipe).conceptnet
    section = {"language": conceptnet_code(recipe), "code": CACHE_VERSION}
    root = workspace / "data" / recipe.language
    edges = Artifact(root, "edges", "edges", section, sources=local_names([location]))
    return resolve_inputs(edges, {"conceptnet": lambda: _dump_identity(location)})


def _dump_identity(location: str) -> str:
    try:
        return identity(location)
    except UserError as error:
        raise UserError(f"graph.conceptnet: {error}") from error


def extract_edges(recipes: Collection[Recipe], workspace: Path, progress: Progress = QUIET) -> None:
    """Extract the edges of every recipe's language from its dump, unless that is finished: one pass over each dump.

    Raises UserError as `edges_artifact` does, and when a dump cannot be fetched or read, or lacks a language; the edges
    of the other languages are extracted all the same.
    """
    for error in try_extract_edges(recipes, workspace, progress).values():
        raise error


def try_extract_edges(
    recipes: Collection[Recipe], workspace: Path, progress: Progress = QUIET
) -> dict[Path, Exception]:
    """The same, but errors are returned, by the folder of the edges that could not be extracted.

    Raises UserError as `edges_artifact` does.
    """
    dumps: dict[str, dict[Path, Recipe]] = {}
    for recipe in recipes:
        artifact = edges_artifact(recipe, workspace)
        if not artifact.exists:
            dumps.setdefault(graph_section(recipe).conceptnet, {})[artifact.folder] = recipe
    errors: dict[Path, Exception] = {}
    for location, missing in dumps.items():
        try:
            errors |= _extract(location, missing, workspace, progress)
        except Exception as error:  # a dump that cannot be read fails for all of its languages
            errors |= dict.fromkeys(missing, error)
    return errors


def load_edges(artifact: Artifact) -> list[Edge]:
    """The edges of a finished artifact, in the dump's order; senses are not kept."""
    with artifact_file(artifact.folder / FILE) as file:
        table = pyarrow.parquet.read_table(file)
    return [
        Edge(
            Node(row["start_language"], row["start"], row["start_pos"], ""),
            row["relation"],
            Node(row["end_language"], row["end"], row["end_pos"], ""),
            row["weight"],
            row["license"],
        )
        for batch in table.to_batches()
        for row in batch.to_pylist()
    ]


@dataclass(frozen=True)
class _Target:
    """The edges of a language that are being written; closing `finish` puts them in place."""

    code: str
    draft: Draft
    folder: Path
    finish: ExitStack


def _extract(location: str, missing: dict[Path, Recipe], workspace: Path, progress: Progress) -> dict[Path, Exception]:
    """Read a dump once for all `missing` edges, by their folders; the errors of those that it lacks."""
    path = local_file(location, workspace / "downloads", progress)
    with ExitStack() as stack:
        targets: list[_Target] = []
        # Each draft takes a lock. Always in the same order, so that two commands never wait for each other.
        for folder, recipe in sorted(missing.items()):
            finish = stack.enter_context(ExitStack())
            draft = finish.enter_context(edges_artifact(recipe, workspace).draft(progress))
            if draft is not None:  # else another command has made them in the meantime
                targets.append(_Target(conceptnet_code(recipe), draft, folder, finish))
        if not targets:
            return {}
        reader = _write_edges(path, targets, progress)
        errors: dict[Path, Exception] = {}
        for target in targets:
            try:
                with target.finish:  # one that raises leaves the others in place
                    target.draft.facts |= _facts(path, target.code, reader)
            except Exception as error:
                errors[target.folder] = error
    return errors


def _write_edges(path: Path, targets: list[_Target], progress: Progress) -> DumpReader:
    """Write the edges of every target; the reader, with its counts."""
    reader = DumpReader(path, {target.code for target in targets}, progress)
    with ExitStack() as stack:
        writers: dict[str, list[RowWriter]] = {}
        for target in targets:  # Malay and Indonesian share a code
            writer = stack.enter_context(RowWriter(target.draft.folder / FILE, SCHEMA))
            writers.setdefault(target.code, []).append(writer)
        for code, edge in reader:
            for writer in writers[code]:
                writer.add(_row(edge))
    for code, changes in reader.changes.items():
        if changes:
            progress.say(f"ConceptNet terms in {code} normalised: {describe_changes(changes)}")
    return reader


def _facts(path: Path, code: str, reader: DumpReader) -> dict[str, Any]:
    """What the manifest says of a language's edges. Raises UserError where the dump has none."""
    if not reader.counts[code][KEPT]:
        raise UserError(f"{path}: no edges in ConceptNet's language {code}; is this the right file?")
    return {"dump": path.name, "counts": dict(reader.counts[code]), "text": dict(reader.changes[code])}


def _row(edge: Edge) -> dict[str, str | float]:
    start, end = ((node.term, node.language, node.pos) for node in (edge.start, edge.end))
    return dict(zip(SCHEMA.names, (*start, edge.relation, *end, edge.weight, edge.license), strict=True))
