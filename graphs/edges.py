"""The edges artifact: a language's part of ConceptNet, taken from the dump once, several languages in one pass."""

from collections import Counter
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path

import pyarrow
import pyarrow.parquet

from ..recipes.artifacts import Artifact, Draft
from ..recipes.errors import UserError
from ..recipes.languages import find_language
from ..recipes.parquet import RowWriter
from ..recipes.progress import QUIET, Progress
from ..recipes.schema import Graph, Recipe
from ..recipes.sources import identity, local_file
from ..recipes.text import told
from .conceptnet import COUNTS, Edge, Node, read_edges

CODE = 2  # goes up when the same dump is to give other edges
FILE = "edges.parquet"
SCHEMA = pyarrow.schema(
    {
        "start": pyarrow.string(),
        "start_language": pyarrow.string(),
        "start_pos": pyarrow.string(),
        "relation": pyarrow.string(),
        "end": pyarrow.string(),
        "end_language": pyarrow.string(),
        "end_pos": pyarrow.string(),
        "weight": pyarrow.float64(),
        "license": pyarrow.string(),
    }
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
            f"ConceptNet has no code for {language.name} ({language.code}); leave the graph out: graph: none"
        )
    return language.conceptnet


def edges_artifact(recipe: Recipe, workspace: Path) -> Artifact:
    """Where the language's edges lie. A local dump counts by content, one elsewhere by its address; nothing is fetched.

    Raises UserError when the recipe has no graph section, the language no ConceptNet code, or the dump does not exist.
    """
    try:
        source = identity(graph_section(recipe).conceptnet)
    except UserError as error:
        raise UserError(f"graph.conceptnet: {error}") from error
    section = {"language": conceptnet_code(recipe), "code": CODE}
    return Artifact(workspace / "data" / recipe.language, "edges", "edges", section, {"conceptnet": source})


def extract_edges(recipes: Collection[Recipe], workspace: Path, progress: Progress = QUIET) -> None:
    """Take the edges of every recipe's language from its dump unless they are there: one pass over each dump.

    Raises UserError as `edges_artifact` does, and when a dump cannot be had or read, or lacks a language.
    """
    dumps: dict[str, dict[Path, Recipe]] = {}
    for recipe in recipes:
        artifact = edges_artifact(recipe, workspace)
        if not artifact.exists:
            dumps.setdefault(graph_section(recipe).conceptnet, {})[artifact.folder] = recipe
    for location, wanted in dumps.items():
        path = local_file(location, workspace / "downloads", progress)
        with ExitStack() as stack:
            drafts: list[tuple[str, Draft]] = []
            for _, recipe in sorted(wanted.items()):  # in one order, so that two commands never wait for each other
                draft = stack.enter_context(edges_artifact(recipe, workspace).draft(progress))
                if draft is not None:
                    drafts.append((conceptnet_code(recipe), draft))
            if drafts:
                _extract(path, drafts, progress)


def load_edges(artifact: Artifact) -> list[Edge]:
    """The edges of a finished artifact, in the dump's order; senses are not kept."""
    table = pyarrow.parquet.read_table(artifact.folder / FILE)
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


def _extract(path: Path, drafts: list[tuple[str, Draft]], progress: Progress) -> None:
    counts = {code: Counter[str](dict.fromkeys(COUNTS, 0)) for code, _ in drafts}
    changes = {code: Counter[str]() for code, _ in drafts}
    with ExitStack() as stack:
        writers: dict[str, list[RowWriter]] = {}
        for code, draft in drafts:  # Malay and Indonesian share a code
            writers.setdefault(code, []).append(stack.enter_context(RowWriter(draft.folder / FILE, SCHEMA)))
        for code, edge in read_edges(path, writers, counts, progress, changes):
            for writer in writers[code]:
                writer.add(_row(edge))
    for code, draft in drafts:
        if not counts[code]["kept"]:
            raise UserError(f"{path}: no edge of ConceptNet's language {code}; is it the right file?")
        draft.facts |= {"dump": path.name, "counts": dict(counts[code]), "text": dict(changes[code])}
        if changes[code]:
            progress.say(f"ConceptNet's terms put into one form: {told(changes[code])}")


def _row(edge: Edge) -> dict[str, str | float]:
    return {
        "start": edge.start.term,
        "start_language": edge.start.language,
        "start_pos": edge.start.pos,
        "relation": edge.relation,
        "end": edge.end.term,
        "end_language": edge.end.language,
        "end_pos": edge.end.pos,
        "weight": edge.weight,
        "license": edge.license,
    }
