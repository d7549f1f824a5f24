"""From edges to a networkx graph, and the statistics of it that the data card shows."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import networkx

from .conceptnet import Edge, Node


def build_graph(edges: Iterable[Edge]) -> networkx.MultiDiGraph:
    """A directed multigraph: nodes keyed `language:term` (language, term, pos), edges with relation, weight, license.

    A term met in several parts of speech is one node with the first of them.
    """
    graph = networkx.MultiDiGraph()
    for edge in edges:
        for node in (edge.start, edge.end):
            _add_node(graph, node)
        graph.add_edge(edge.start.key, edge.end.key, relation=edge.relation, weight=edge.weight, license=edge.license)
    return graph


def statistics(graph: networkx.MultiDiGraph, language: str) -> dict[str, Any]:
    """Counts that describe the graph of `language` (ConceptNet's code), ready for JSON.

    Counts of relations and of linked languages (those at the other end of edges that leave `language`) are descending;
    components ignore direction; the mean degree is edge ends per node; `degrees` counts nodes by degree, ascending.
    """
    relations = Counter(relation for _, _, relation in graph.edges(data="relation"))
    linked: Counter[str] = Counter()
    languages = dict(graph.nodes(data="language"))
    for start, end in graph.edges():
        if languages[start] != languages[end]:
            linked[languages[end] if languages[start] == language else languages[start]] += 1
    sizes = [len(component) for component in networkx.weakly_connected_components(graph)]
    nodes, edges = graph.number_of_nodes(), graph.number_of_edges()
    return {
        "nodes": nodes,
        "edges": edges,
        "relations": dict(relations.most_common()),
        "components": len(sizes),
        "largest_component": max(sizes, default=0),
        "mean_degree": round(2 * edges / nodes, 3) if nodes else 0.0,
        "degrees": {degree: count for degree, count in enumerate(networkx.degree_histogram(graph)) if count},
        "languages_linked": dict(linked.most_common()),
        "cross_lingual_share": round(linked.total() / edges, 4) if edges else 0.0,
    }


def _add_node(graph: networkx.MultiDiGraph, node: Node) -> None:
    known = graph.nodes.get(node.key)
    if known is None:
        graph.add_node(node.key, language=node.language, term=node.term, pos=node.pos)
    elif not known["pos"]:
        known["pos"] = node.pos
