"""Edges for tests."""

from lrl_adapt.graphs.conceptnet import Edge, Node


def edge(start: str, relation: str, end: str, languages: tuple[str, str] = ("en", "en"), pos: str = "") -> Edge:
    return Edge(Node(languages[0], start, pos, ""), relation, Node(languages[1], end, "", ""), 1.0, "cc:by/4.0")
