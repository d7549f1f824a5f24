"""The data card of a graph: from the facts that `prepare` gathers to card.md and its two pictures."""

from pathlib import Path
from typing import Any

from ..recipes.languages import Language
from ..recipes.licences import CONCEPTNET
from ..recipes.schema import Graph
from ..workspace.artifacts import Draft

CREDIT = f"ConceptNet 5, {CONCEPTNET}, Speer et al. 2017"
FORMS = {
    "paper": "English predicates as in arXiv 2502.10140, some of which reverse the relation",
    "english": "English sentences",
    "native": "sentences in the language itself, in English where it has no template",
    "walk": "passages of up to {walk_length} edges that share a term",
}
PICTURES = {"relations.png": "Edges by relation", "degrees.png": "Nodes by number of edges"}
LISTED = 20  # lines of a list; the manifest has them all


def write_card(draft: Draft, language: Language, graph: Graph, examples: list[str]) -> None:
    """Write card.md, relations.png and degrees.png from the draft's facts, as `graphs.prepare` gathers them."""
    statistics = draft.facts["statistics"]
    _draw_relations(draft.folder / "relations.png", statistics["relations"])
    _draw_degrees(draft.folder / "degrees.png", statistics["degrees"])
    text = "\n".join(_lines(draft.facts, language, graph, examples)) + "\n"
    (draft.folder / "card.md").write_text(text, encoding="utf-8")


def _lines(facts: dict[str, Any], language: Language, graph: Graph, examples: list[str]) -> list[str]:
    statistics = facts["statistics"]
    form = FORMS[graph.linearisation].format(walk_length=graph.walk_length)
    splits = [f"| {split} | {count:,} | {facts['bytes'][split]:,} |" for split, count in facts["sentences"].items()]
    return [
        f"# ConceptNet in {language.name} ({language.code}, ConceptNet code {language.conceptnet})",
        "",
        f"From {facts['dump']}. Credit: {CREDIT}. Sentences made from it are under the same licence.",
        *(["", f"Note: {language.note}"] if language.note else []),
        "",
        f"{statistics['nodes']:,} nodes, {statistics['edges']:,} edges, {statistics['components']:,} components, the "
        f"largest with {statistics['largest_component']:,} nodes; a node has {statistics['mean_degree']} edges on "
        f"average, and {statistics['cross_lingual_share']:.1%} of the edges lead to another language. The senses "
        "of a word share one node.",
        "",
        f"Linearised (`{graph.linearisation}`, languages: {graph.languages}) as {form}:",
        "",
        *(f"> {example}" for example in examples),
        "",
        "| split | lines | bytes |",
        "|---|---|---|",
        *splits,
        "",
        "The splits are made by pair of terms: all edges between two terms, in either direction, are in one split.",
        *_listing("Rows of the dump", facts["counts"]),
        *_listing("Changes in terms", facts.get("text", {})),
        *_listing("Kept edges without a sentence", facts["unused"]),
        *_listing("Relations", statistics["relations"]),
        *(line for name, title in PICTURES.items() for line in ("", f"![{title}]({name})")),
        *_listing("Languages at the other end", statistics["languages_linked"]),
        *_listing("Licences of the kept edges", facts["licenses"]),
    ]


def _listing(title: str, counts: dict[str, int]) -> list[str]:
    """A section with a line per count; nothing when there is no count."""
    if not counts:
        return []
    lines = [f"- {name or '(not stated)'}: {count:,}" for name, count in counts.items()]
    more = [f"- and {len(lines) - LISTED} more"] if len(lines) > LISTED else []
    return ["", f"## {title}", "", *lines[:LISTED], *more]


def _draw_relations(path: Path, relations: dict[str, int]) -> None:
    from matplotlib.figure import Figure

    names = list(relations)[::-1]
    figure = Figure(figsize=(6, 1 + 0.25 * len(names)), layout="constrained")
    axes = figure.subplots()
    axes.barh(names, [relations[name] for name in names], color="#4477aa")
    axes.set_xscale("log")
    axes.set_xlabel("edges")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def _draw_degrees(path: Path, degrees: dict[int, int]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.loglog(list(degrees), list(degrees.values()), "o", markersize=4, color="#4477aa")
    axes.set_xlabel("edges of a node")
    axes.set_ylabel("nodes")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
