"""The edges artifact: a language's part of ConceptNet, taken from the dump once, several languages in one pass."""

from collections import Counter
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pyarrow
import pyarrow.parquet

from ..recipes.languages import find_language
from ..recipes.schema import Graph, Recipe
from ..workspace.artifacts import Artifact, Draft, local_names, resolve_inputs
from ..workspace.errors import UserError
from ..workspace.locations import identity, local_file
from ..workspace.parquet import RowWriter
from ..workspace.progress import QUIET, Progress
from ..workspace.text import told
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
    """The language's edges. A local dump counts by content, one elsewhere by its address; nothing is fetched.

    Where the local dump is missing, finished edges take their place: see `resolve_inputs`. Raises UserError when the
    recipe has no graph section, the language no ConceptNet code, or neither the dump nor finished edges exist.
    """
    location = graph_section(recipe).conceptnet
    section = {"language": conceptnet_code(recipe), "code": CODE}
    root = workspace / "data" / recipe.language
    edges = Artifact(root, "edges", "edges", section, sources=local_names([location]))
    return resolve_inputs(edges, {"conceptnet": lambda: _dump_identity(location)})


def _dump_identity(location: str) -> str:
    try:
        return identity(location)
    except UserError as error:
        raise UserError(f"graph.conceptnet: {error}") from error


def extract_edges(recipes: Collection[Recipe], workspace: Path, progress: Progress = QUIET) -> None:
    """Take the edges of every recipe's language from its dump unless they are there: one pass over each dump.

    Raises UserError as `edges_artifact` does, and when a dump cannot be had or read, or lacks a language; the other
    languages have their edges then.
    """
    for error in try_extract_edges(recipes, workspace, progress).values():
        raise error


def try_extract_edges(
    recipes: Collection[Recipe], workspace: Path, progress: Progress = QUIET
) -> dict[Path, Exception]:
    """The same, with the errors returned by the folder of the edges that could not be made.

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
        except Exception as error:  # a dump that cannot be read has edges for nobody
            errors |= dict.fromkeys(missing, error)
    return errors


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


@dataclass(frozen=True)
class _Target:
    """A language's edges, being written; leaving `finish` puts them in place."""

    code: str
    draft: Draft
    folder: Path
    finish: ExitStack


def _extract(location: str, missing: dict[Path, Recipe], workspace: Path, progress: Progress) -> dict[Path, Exception]:
    """Read a dump once for all `missing` edges; the errors of those that it lacks."""
    path = local_file(location, workspace / "downloads", progress)
    with ExitStack() as stack:
        targets: list[_Target] = []
        for folder, recipe in sorted(missing.items()):  # in one order, so that two commands never wait for each other
            finish = stack.enter_context(ExitStack())
            draft = finish.enter_context(edges_artifact(recipe, workspace).draft(progress))
            if draft is not None:
                targets.append(_Target(conceptnet_code(recipe), draft, folder, finish))
        changes = {target.code: Counter[str]() for target in targets}
        counts = _write_edges(path, targets, progress, changes) if targets else {}
        errors: dict[Path, Exception] = {}
        for target in targets:
            try:
                with target.finish:  # each on its own: one that raises leaves the others
                    if not counts[target.code]["kept"]:
                        raise UserError(
                            f"{path}: no edge of ConceptNet's language {target.code}; is it the right file?"
                        )
                    facts = {"counts": dict(counts[target.code]), "text": dict(changes[target.code])}
                    target.draft.facts |= {"dump": path.name} | facts
            except Exception as error:
                errors[target.folder] = error
    return errors


def _write_edges(
    path: Path, targets: list[_Target], progress: Progress, changes: dict[str, Counter[str]]
) -> dict[str, Counter[str]]:
    """Write every target's edges; what was counted of each language, and in `changes` what was in its terms."""
    counts = {target.code: Counter[str](dict.fromkeys(COUNTS, 0)) for target in targets}
    with ExitStack() as stack:
        writers: dict[str, list[RowWriter]] = {}
        for target in targets:  # Malay and Indonesian share a code
            writer = stack.enter_context(RowWriter(target.draft.folder / FILE, SCHEMA))
            writers.setdefault(target.code, []).append(writer)
        for code, edge in read_edges(path, writers, counts, progress, changes):
            for writer in writers[code]:
                writer.add(_row(edge))
    for code, changed in changes.items():
        if changed:
            progress.say(f"ConceptNet's terms of {code} put into one form: {told(changed)}")
    return counts


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
