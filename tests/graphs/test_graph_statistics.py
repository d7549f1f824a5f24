from lrl_adapt.graphs.graph_statistics import build_graph, statistics

from .edges import edge


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
        "degrees": {1: 3, 2: 1, 3: 1},
        "languages_linked": {"en": 2, "fr": 1},
        "cross_lingual_share": 0.75,
    }


def test_statistics_of_nothing() -> None:
    assert statistics(build_graph([]), "mt")["mean_degree"] == 0.0
