"""Random walks over edges that share terms: from a list of edges to the passages that they are joined into."""

import random
from collections.abc import Sequence

from .conceptnet import Edge


def walk_edges(edges: Sequence[Edge], length: int, seed: int) -> list[list[int]]:
    """Walks of at most `length` edges, as indices: each edge is in just one walk and shares a term with one before it.

    Walks start from the edges in random order. A walk continues from its newest term, along an edge in either direction
    (the sentence keeps the edge's own); where all edges of that term are taken, from the term before it. Without such
    steps back most walks would end at once, since most words of a dictionary are in a single edge.
    """
    edges_of: dict[str, list[int]] = {}
    for index, edge in enumerate(edges):
        for node in (edge.start, edge.end):
            edges_of.setdefault(node.key, []).append(index)
    rng = random.Random(seed)
    starts = list(range(len(edges)))
    rng.shuffle(starts)
    for indices in edges_of.values():
        rng.shuffle(indices)

    walks: list[list[int]] = []
    taken = [False] * len(edges)
    for start in starts:
        if taken[start]:
            continue
        walk: list[int] = []
        terms: list[str] = []
        following: int | None = start
        while following is not None:
            taken[following] = True
            walk.append(following)
            if len(walk) == length:
                break
            edge = edges[following]
            terms += [node.key for node in (edge.start, edge.end) if node.key not in terms]
            following = _next_edge(terms, edges_of, taken)
        walks.append(walk)
    return walks


def _next_edge(terms: list[str], edges_of: dict[str, list[int]], taken: list[bool]) -> int | None:
    """An edge that is not taken, of the newest term that has one.

    Edges that are taken are removed from the lists on the way, so that all walks together take linear time.
    """
    for term in reversed(terms):
        indices = edges_of[term]
        while indices:
            index = indices.pop()
            if not taken[index]:
                return index
    return None
