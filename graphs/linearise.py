"""From edges to sentences, divided into splits so that all edges between two terms are in the same one.

A linearisation (recipe: graph.linearisation) is a set of templates (templates.py) and a form:

    paper    the 33 English predicates of arXiv 2502.10140, for edges that start in the language, as in the paper
    english  a correct English sentence for each of ConceptNet's relations
    native   sentences in the language itself, in English where it has no template
    walk     the same templates; sentences of edges that share a term are joined into a passage (walks.py)
"""

import hashlib
from collections import Counter
from collections.abc import Iterable

from ..recipes.schema import Graph
from ..recipes.splits import GRAPH_BOUNDS, SPLITS, Split, split_of
from ..workspace.text import to_nfc
from .conceptnet import Edge
from .walks import walk_edges

Rows = dict[Split, list[tuple[str, str]]]
"""(document, text) by split; the document is the id of the pair of terms, in a walk that of its first edge."""
PIVOT = "en"  # ConceptNet's code of the language that graph.languages: own+pivot allows


def select(edges: Iterable[Edge], graph: Graph, code: str) -> tuple[list[Edge], Counter[str]]:
    """The edges that the recipe's graph.languages and linearisation allow, and how many others there were, by reason.

    `code` is ConceptNet's for the recipe's language.
    """
    allowed = {"own": {code}, "own+pivot": {code, PIVOT}, "all": None}[graph.languages]
    selected: list[Edge] = []
    dropped: Counter[str] = Counter()
    for edge in edges:
        if allowed is not None and not allowed.issuperset((edge.start.language, edge.end.language)):
            dropped["language not in graph.languages"] += 1
        elif graph.linearisation == "paper" and edge.start.language != code:
            dropped["starts in another language"] += 1
        else:
            selected.append(edge)
    return selected, dropped


def linearise(edges: Iterable[Edge], templates: dict[str, str], graph: Graph) -> tuple[Rows, Counter[str]]:
    """Rows by split, each text once, and how many edges gave none, by reason.

    The same for the same `graph.seed`, which only walks depend on.
    """
    sentences: dict[Split, list[tuple[Edge, str]]] = {split: [] for split in SPLITS}
    unused: Counter[str] = Counter()
    seen: set[str] = set()
    for edge in edges:
        text = sentence(edge, templates)
        if text is None:
            unused["no template"] += 1
        elif text in seen:  # two languages spell both words alike; the second might be in another split
            unused["same sentence"] += 1
        else:
            seen.add(text)
            sentences[split_of_edge(edge)].append((edge, text))
    return {split: _rows(pairs, graph) for split, pairs in sentences.items()}, unused


def _rows(sentences: list[tuple[Edge, str]], graph: Graph) -> list[tuple[str, str]]:
    """The rows of one split: a row for each edge, or for each walk."""
    walks = [[index] for index in range(len(sentences))]
    if graph.linearisation == "walk":
        walks = walk_edges([edge for edge, _ in sentences], graph.walk_length, graph.seed)
    return [(pair_id(sentences[walk[0]][0]), " ".join(sentences[index][1] for index in walk)) for walk in walks]


def sentence(edge: Edge, templates: dict[str, str]) -> str | None:
    """The edge as a sentence; None when its relation has no template."""
    template = templates.get(edge.relation)
    return None if template is None else to_nfc(template.format(start=edge.start.term, end=edge.end.term))


def pair_id(edge: Edge) -> str:
    """16 hexadecimal digits that stand for the unordered pair of terms.

    Languages and parts of speech do not count: the same two spellings, once as English and once as French, make the
    same sentence and must not be in two splits.
    """
    pair = "\t".join(sorted((edge.start.term, edge.end.term)))  # no term holds a tab
    return hashlib.sha256(pair.encode()).hexdigest()[:16]


def split_of_edge(edge: Edge) -> Split:
    """The split of a pair of terms, by the last decimal digit of its id: the same for every edge between the two."""
    return split_of(int(pair_id(edge), 16) % 10 / 10, GRAPH_BOUNDS)
