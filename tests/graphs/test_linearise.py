import hashlib
import re
from collections import Counter
from typing import Any

from lrl_adapt.graphs.linearise import linearise, pair_id, select, split_of_edge
from lrl_adapt.graphs.templates import load_templates
from lrl_adapt.recipes.schema import Graph
from lrl_adapt.recipes.splits import SPLITS

from .edges import edge


def english() -> dict[str, str]:
    return load_templates(Graph(), "mlt_Latn")


def test_what_languages_lets_pass() -> None:
    edges = [
        edge("a", "Synonym", "b", ("mt", "mt")),
        edge("a", "Synonym", "c", ("mt", "en")),
        edge("a", "Synonym", "d", ("mt", "fr")),
        edge("e", "Synonym", "a", ("en", "mt")),
    ]

    def ends(**graph: Any) -> list[str]:
        return [one.end.term for one in select(edges, Graph(**graph), "mt")[0]]

    assert ends() == ["b", "c", "d", "a"]
    assert ends(languages="own") == ["b"]
    assert ends(languages="own+pivot") == ["b", "c", "a"]
    assert ends(linearisation="paper") == ["b", "c", "d"]  # there, an edge belongs to the language it starts in
    assert select(edges, Graph(languages="own"), "mt")[1] == {"language not in graph.languages": 3}


def test_an_edge_and_its_mirror_are_never_on_both_sides() -> None:
    edges = [edge(f"a{n}", "IsA", f"b{n}") for n in range(500)] + [edge(f"b{n}", "HasA", f"a{n}") for n in range(500)]
    for form in ("english", "walk"):
        rows, _ = linearise(edges, english(), Graph(linearisation=form))
        pairs = [{number for _, text in rows[split] for number in re.findall(r"\d+", text)} for split in SPLITS]
        assert sum(map(len, pairs)) == len(set.union(*pairs)) == 500


def test_split_is_symmetric_and_blind_to_relation_and_pos() -> None:
    for number in range(100):
        one = edge(f"kelb {number}", "Synonym", "dog", ("mt", "en"), "n")
        other = edge("dog", "IsA", f"kelb {number}", ("en", "mt"))
        assert split_of_edge(one) == split_of_edge(other)
        assert pair_id(one) == pair_id(other)


def test_split_is_stable_and_about_80_10_10() -> None:
    assert pair_id(edge("kelb", "Synonym", "dog", ("mt", "en"))) == hashlib.sha256(b"dog\tkelb").hexdigest()[:16]
    counts = Counter(split_of_edge(edge(f"kelb {number}", "Synonym", "dog", ("mt", "en"))) for number in range(5000))
    assert [round(counts[split] / 5000, 1) for split in SPLITS] == [0.8, 0.1, 0.1]


def test_the_same_spellings_in_other_languages_are_the_same_pair() -> None:
    assert pair_id(edge("a", "Synonym", "b", ("mt", "en"))) == pair_id(edge("a", "Synonym", "b", ("mt", "fr")))
    assert pair_id(edge("a", "Synonym", "b", ("mt", "en"))) != pair_id(edge("a", "Synonym", "c", ("mt", "en")))
