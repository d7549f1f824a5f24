"""The graph artifact: ConceptNet's edges of a language as triples and as train, validation and test sentences."""

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from ..recipes.artifacts import Artifact, Draft, file_hash
from ..recipes.errors import UserError
from ..recipes.languages import find_language
from ..recipes.progress import QUIET, Progress
from ..recipes.schema import Graph, Recipe
from ..recipes.sources import local_file
from .conceptnet import COUNTS, Edge, read_edges
from .graph import build_graph, statistics
from .linearise import SPLITS, Split, linearise, load_templates, pair_id, split_of

CODE = 2  # goes up when the same dump is to give other files: reading, templates, split
TEMPLATES = "english"
CREDIT = "ConceptNet 5, CC BY-SA 4.0, Speer et al. 2017"
SENTENCES = pyarrow.schema({"document": pyarrow.string(), "text": pyarrow.string()})
TRIPLES = pyarrow.schema(
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

Rows = dict[Split, list[tuple[str, str]]]


def graph_artifact(recipe: Recipe, workspace: Path) -> Artifact:
    """Where the recipe's graph lies. A local dump counts by content, one elsewhere by its address; nothing is fetched.

    Raises UserError when the recipe has no graph section, the language no ConceptNet code, or the dump does not exist.
    """
    graph = _section(recipe)
    section = graph.model_dump(mode="json", exclude={"conceptnet"})
    section |= {"language": _code(recipe), "templates": TEMPLATES, "code": CODE}
    location = graph.conceptnet
    if "://" not in location:
        if not Path(location).is_file():
            raise UserError(f"graph.conceptnet: no such file: {location}")
        location = file_hash(Path(location))
    root = workspace / "data" / recipe.language
    return Artifact(root, "graph", "graph", section, {"conceptnet": location})


def prepare_graph(recipe: Recipe, workspace: Path, progress: Progress = QUIET) -> Artifact:
    """Read, describe and linearise the recipe's graph unless that is done.

    The folder then holds triples.parquet, {train,validation,test}.parquet (document: id of the node pair, text: a
    sentence) and card.md. Raises UserError as `graph_artifact` does, and when the dump is broken or lacks the language.
    """
    artifact = graph_artifact(recipe, workspace)
    artifact.build(lambda draft: _prepare(recipe, workspace, draft, progress), progress)
    return artifact


def _prepare(recipe: Recipe, workspace: Path, draft: Draft, progress: Progress) -> None:
    code = _code(recipe)
    path = local_file(_section(recipe).conceptnet, workspace / "downloads")
    counts: Counter[str] = Counter()
    edges = list(read_edges(path, code, counts, progress))
    if not edges:
        raise UserError(f"ConceptNet dump {path} holds no edge for {recipe.language} ({code}); is it the right file?")
    sentences, unused = _sentences(edges)
    if not any(sentences.values()):
        raise UserError(
            f"ConceptNet dump {path}: no edge for {recipe.language} ({code}) has a relation with a template"
        )
    _write_triples(draft.folder / "triples.parquet", edges)
    for split, rows in sentences.items():
        _write_sentences(draft.folder / f"{split}.parquet", rows)
    draft.facts |= {
        "counts": {reason: counts[reason] for reason in COUNTS},
        "statistics": statistics(build_graph(edges), code),
        "sentences": {split: len(rows) for split, rows in sentences.items()},
        "bytes": {split: sum(len(text.encode()) for _, text in rows) for split, rows in sentences.items()},
        "unused": dict(unused),
        "licenses": dict(Counter(edge.license for edge in edges).most_common()),
    }
    (draft.folder / "card.md").write_text(_card(recipe, path, draft.facts), encoding="utf-8")


def _sentences(edges: list[Edge]) -> tuple[Rows, Counter[str]]:
    """(document, text) rows by split, and how many edges gave none, by reason."""
    templates = load_templates(TEMPLATES)
    rows: Rows = {split: [] for split in SPLITS}
    unused: Counter[str] = Counter()
    seen: set[str] = set()
    for edge in edges:
        text = linearise(edge, templates)
        if text is None:
            unused["no template"] += 1
        elif text in seen:  # two languages spell both words alike; the second might land in another split
            unused["same sentence"] += 1
        else:
            seen.add(text)
            rows[split_of(edge)].append((pair_id(edge), text))
    return rows, unused


def _section(recipe: Recipe) -> Graph:
    if recipe.graph is None:
        raise UserError("the recipe has no graph section")
    return recipe.graph


def _code(recipe: Recipe) -> str:
    """ConceptNet's code of the recipe's language."""
    language = find_language(recipe.language)
    if not language.conceptnet:
        raise UserError(
            f"ConceptNet has no code for {language.name} ({language.code}); leave the graph out: graph: none"
        )
    return language.conceptnet


def _write_triples(path: Path, edges: list[Edge]) -> None:
    columns = {
        "start": [edge.start.term for edge in edges],
        "start_language": [edge.start.language for edge in edges],
        "start_pos": [edge.start.pos for edge in edges],
        "relation": [edge.relation for edge in edges],
        "end": [edge.end.term for edge in edges],
        "end_language": [edge.end.language for edge in edges],
        "end_pos": [edge.end.pos for edge in edges],
        "weight": [edge.weight for edge in edges],
        "license": [edge.license for edge in edges],
    }
    pyarrow.parquet.write_table(pyarrow.table(columns, schema=TRIPLES), path)


def _write_sentences(path: Path, rows: list[tuple[str, str]]) -> None:
    columns = {"document": [document for document, _ in rows], "text": [text for _, text in rows]}
    pyarrow.parquet.write_table(pyarrow.table(columns, schema=SENTENCES), path)


def _card(recipe: Recipe, path: Path, facts: dict[str, Any]) -> str:
    """The data card, in Markdown."""
    language, described = find_language(recipe.language), facts["statistics"]
    splits = [f"| {split} | {facts['sentences'][split]} | {facts['bytes'][split]} |" for split in SPLITS]
    lines = [
        f"# ConceptNet in {language.name} ({language.code}, ConceptNet code {language.conceptnet})",
        "",
        f"From {path.name}. Credit: {CREDIT}. Sentences made of it carry the same terms.",
        "",
        f"{described['nodes']} nodes, {described['edges']} edges, {described['components']} connected components,",
        f"the largest with {described['largest_component']} nodes; {described['cross_lingual_share']:.1%} of the edges",
        "lead to another language. The words between the two terms are English; senses of a word are one node.",
        "",
        "| split | sentences | bytes |",
        "|---|---|---|",
        *splits,
        "",
        "The splits are made by pair of nodes: all edges between two nodes are in one split.",
        *_listing("Rows of the dump", facts["counts"]),
        *_listing("Kept edges without a sentence", facts["unused"]),
        *_listing("Relations", described["relations"]),
        *_listing("Languages at the other end", described["languages_linked"]),
        *_listing("Licences of the kept edges", facts["licenses"]),
    ]
    return "\n".join(lines) + "\n"


def _listing(title: str, counts: dict[str, int]) -> list[str]:
    """A section with a line per count; nothing when there is no count."""
    if not counts:
        return []
    return ["", f"## {title}", "", *(f"- {name or '(not stated)'}: {count}" for name, count in counts.items())]
