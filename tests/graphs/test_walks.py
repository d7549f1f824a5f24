import re
from typing import Any

from lrl_adapt.graphs.conceptnet import Edge
from lrl_adapt.graphs.linearise import linearise
from lrl_adapt.graphs.templates import load_templates
from lrl_adapt.graphs.walks import walk_edges
from lrl_adapt.recipes.schema import Graph
from lrl_adapt.recipes.splits import SPLITS

from .edges import edge


def english() -> dict[str, str]:
    return load_templates(Graph(), "mlt_Latn")


def chain_with_branches(count: int = 300) -> list[Edge]:
    """A chain with branches: each term is in three or four edges."""
    chain = [edge(f"t{n}", "RelatedTo", f"t{n + 1}", ("mt", "mt")) for n in range(count)]
    return [*chain, *(edge(f"t{n}", "IsA", f"t{(n * 7) % count}", ("mt", "en")) for n in range(1, count))]


def test_walks_say_every_edge_once_and_join_what_shares_a_term() -> None:
    edges, graph = chain_with_branches(), Graph(linearisation="walk", walk_length=3)
    rows, unused = linearise(edges, english(), graph)
    plain, _ = linearise(edges, english(), Graph())
    assert not unused
    for split in SPLITS:
        parts = [part for _, text in rows[split] for part in re.findall(r"[^.]+\.", text)]
        assert sorted(part.strip() for part in parts) == sorted(text for _, text in plain[split])
        for _, text in rows[split]:
            terms = [set(re.findall(r"t\d+", part)) for part in re.findall(r"[^.]+\.", text)]
            assert len(terms) <= 3
            assert all(set.union(*terms[:number]) & terms[number] for number in range(1, len(terms)))
    assert len(rows["train"]) < 0.6 * len(plain["train"])


def test_a_word_with_many_translations_is_walked_too() -> None:
    for ends in (("hub", "leaf"), ("leaf", "hub")):
        names = [[f"{end}{number}" if end == "leaf" else end for end in ends] for number in range(300)]
        edges = [edge(start, "Synonym", end, ("mt", "en")) for start, end in names]
        rows, _ = linearise(edges, english(), Graph(linearisation="walk"))
        assert len(rows["train"]) == -(-len(linearise(edges, english(), Graph())[0]["train"]) // 4)


def test_walks_depend_on_the_seed_alone() -> None:
    def rows(seed: int) -> Any:
        return linearise(chain_with_branches(), english(), Graph(linearisation="walk", seed=seed))[0]

    assert rows(0) == rows(0)
    assert rows(0) != rows(1)


def test_a_walk_steps_back_where_its_newest_term_has_no_other_edge() -> None:
    star = [edge("hub", "Synonym", f"leaf{number}") for number in range(6)]
    walks = walk_edges(star, length=4, seed=0)
    assert sorted(map(len, walks)) == [2, 4]
    assert sorted(index for walk in walks for index in walk) == list(range(6))
    assert walk_edges([], length=4, seed=0) == []
