import hashlib
import string
from collections import Counter

import pytest
from lrl_adapt.graphs.conceptnet import Edge, Node
from lrl_adapt.graphs.graph import build_graph, statistics
from lrl_adapt.graphs.linearise import SPLITS, linearise, load_templates, pair_id, split_of
from lrl_adapt.recipes.errors import UserError

RELATIONS = [
    "Antonym",
    "AtLocation",
    "CapableOf",
    "Causes",
    "CausesDesire",
    "CreatedBy",
    "DefinedAs",
    "DerivedFrom",
    "Desires",
    "DistinctFrom",
    "Entails",
    "EtymologicallyDerivedFrom",
    "EtymologicallyRelatedTo",
    "FormOf",
    "HasA",
    "HasContext",
    "HasFirstSubevent",
    "HasLastSubevent",
    "HasPrerequisite",
    "HasProperty",
    "HasSubevent",
    "InstanceOf",
    "IsA",
    "LocatedNear",
    "MadeOf",
    "MannerOf",
    "MotivatedByGoal",
    "NotCapableOf",
    "NotDesires",
    "NotHasProperty",
    "NotUsedFor",
    "ObstructedBy",
    "PartOf",
    "ReceivesAction",
    "RelatedTo",
    "SimilarTo",
    "SymbolOf",
    "Synonym",
    "UsedFor",
    "dbpedia/capital",
    "dbpedia/field",
    "dbpedia/genre",
    "dbpedia/genus",
    "dbpedia/influencedBy",
    "dbpedia/knownFor",
    "dbpedia/language",
    "dbpedia/leader",
    "dbpedia/occupation",
    "dbpedia/product",
]


def edge(start: str, relation: str, end: str, languages: tuple[str, str] = ("en", "en"), pos: str = "") -> Edge:
    return Edge(Node(languages[0], start, pos, ""), relation, Node(languages[1], end, "", ""), 1.0, "cc:by/4.0")


def test_every_relation_has_a_template() -> None:
    templates = load_templates()
    assert sorted(templates) == sorted(RELATIONS)
    for relation, template in templates.items():
        names = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
        assert sorted(names) == ["end", "start"], relation
        assert template.endswith("."), relation


@pytest.mark.parametrize(
    ("start", "relation", "end", "sentence"),  # the examples are those of ConceptNet's wiki
    [
        ("bird", "HasA", "wing", "bird has wing."),
        ("cake", "CreatedBy", "bake", "cake is created by bake."),
        ("butter", "AtLocation", "refrigerator", "butter is typically found at refrigerator."),
        ("eating", "HasSubevent", "chewing", "eating has the subevent chewing."),
        ("sleep", "ObstructedBy", "noise", "sleep is obstructed by noise."),
        ("peace", "DefinedAs", "absence of war", "peace is defined as absence of war."),
        ("pocketbook", "DerivedFrom", "book", "pocketbook is derived from book."),
        ("slept", "FormOf", "sleep", "slept is a form of sleep."),
        ("dream", "HasPrerequisite", "sleep", "dream has the prerequisite sleep."),
        ("compete", "MotivatedByGoal", "win", "compete is done for the goal win."),
        ("button", "ReceivesAction", "push", "button can receive the action push."),
        ("malta", "dbpedia/capital", "valletta", "malta has the capital valletta."),
        ("a {end}", "IsA", "{0}", "a {end} is a type of {0}."),
    ],
)
def test_direction(start: str, relation: str, end: str, sentence: str) -> None:
    assert linearise(edge(start, relation, end), load_templates()) == sentence


def test_no_template() -> None:
    assert linearise(edge("a", "ExternalURL", "b"), load_templates()) is None


def test_unknown_templates() -> None:
    with pytest.raises(UserError, match="no templates are called 'klingon'; there are: english"):
        load_templates("klingon")


def test_split_is_symmetric_and_blind_to_relation_and_pos() -> None:
    for number in range(100):
        one = edge(f"kelb {number}", "Synonym", "dog", ("mt", "en"), "n")
        other = edge("dog", "IsA", f"kelb {number}", ("en", "mt"))
        assert split_of(one) == split_of(other)
        assert pair_id(one) == pair_id(other)


def test_split_is_stable_and_about_80_10_10() -> None:
    assert pair_id(edge("kelb", "Synonym", "dog", ("mt", "en"))) == hashlib.sha256(b"dog\tkelb").hexdigest()[:16]
    found = Counter(split_of(edge(f"kelb {number}", "Synonym", "dog", ("mt", "en"))) for number in range(5000))
    assert [round(found[split] / 5000, 1) for split in SPLITS] == [0.8, 0.1, 0.1]


def test_the_same_spellings_in_other_languages_are_the_same_pair() -> None:
    assert pair_id(edge("a", "Synonym", "b", ("mt", "en"))) == pair_id(edge("a", "Synonym", "b", ("mt", "fr")))
    assert pair_id(edge("a", "Synonym", "b", ("mt", "en"))) != pair_id(edge("a", "Synonym", "c", ("mt", "en")))


def test_graph_and_statistics() -> None:
    graph = build_graph(
        [
            edge("kelb", "Synonym", "dog", ("mt", "en")),
            edge("kelb", "RelatedTo", "dog", ("mt", "en"), "n"),
            edge("chien", "Synonym", "kelb", ("fr", "mt")),
            edge("dar", "RelatedTo", "bejt", ("mt", "mt")),
        ]
    )
    assert graph.nodes["mt:kelb"] == {"language": "mt", "term": "kelb", "pos": "n"}
    assert graph.get_edge_data("fr:chien", "mt:kelb")[0] == {
        "relation": "Synonym",
        "weight": 1.0,
        "license": "cc:by/4.0",
    }
    assert statistics(graph, "mt") == {
        "nodes": 5,
        "edges": 4,
        "relations": {"Synonym": 2, "RelatedTo": 2},
        "components": 2,
        "largest_component": 3,
        "mean_degree": 1.6,
        "languages_linked": {"en": 2, "fr": 1},
        "cross_lingual_share": 0.75,
    }


def test_statistics_of_nothing() -> None:
    assert statistics(build_graph([]), "mt")["mean_degree"] == 0.0
