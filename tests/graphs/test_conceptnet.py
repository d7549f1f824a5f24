import pytest
from hypothesis import given
from hypothesis import strategies as st
from lrl_adapt.graphs.conceptnet import Node, parse_node


@pytest.mark.parametrize(
    ("uri", "node"),
    [
        ("/c/mt/qattus", Node("mt", "qattus", "", "")),
        ("/c/mt/qattus/n", Node("mt", "qattus", "n", "")),
        ("/c/mt/qattus/n/", Node("mt", "qattus", "n", "")),
        ("/c/mt/qattus/n/wn/animal", Node("mt", "qattus", "n", "wn/animal")),
        ("/c/en/township/n/wp/united_states", Node("en", "township", "n", "wp/united_states")),
        ("/c/en/cross_the_street/v", Node("en", "cross the street", "v", "")),
        ("/c/en/n", Node("en", "n", "", "")),
        ("/c/en/test/wikt/en_1", Node("en", "test", "", "wikt/en_1")),
        ("/c/zh/檢查", Node("zh", "檢查", "", "")),
        ("/c/fa/می\u200cخواهم/v", Node("fa", "می\u200cخواهم", "v", "")),
        ("/c/roa-opt/_a_", Node("roa-opt", "a", "", "")),
        ("/c/sw/mj%C3%B3mba", Node("sw", "mjómba", "", "")),
        ("/c/sw/ng%27ombe/n", Node("sw", "ng'ombe", "n", "")),
        ("/c/sw/a&amp;b", Node("sw", "a&b", "", "")),
        ("/c/sw/asilimia_100%_%_5", Node("sw", "asilimia 100% % 5", "", "")),
        ("/c/en/at&t_&_co", Node("en", "at&t & co", "", "")),
        ("/c/yo/bu\u0301buru\u0301", Node("yo", "búburú", "", "")),
        ("/c/sw/\ufeffki\xadtabu", Node("sw", "kitabu", "", "")),
    ],
)
def test_parse_node(uri: str, node: Node) -> None:
    assert parse_node(uri) == node


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/",
        "/c",
        "/c/mt",
        "/c/mt/",
        "/c/mt/_",
        "/c//qattus",
        "/r/IsA",
        "c/mt/qattus",
        "http://x.org/c/mt/a",
        "/c/mt/a\x00b",
        "/c/mt/a\rb",
        "/c/mt/a%FFb",
        "/c/mt/a%0Ab",
        "/c/mt/%20",
        "/c/mt/\u200b",
    ],
)
def test_parse_node_refuses(uri: str) -> None:
    assert parse_node(uri) is None


PIECE = st.sampled_from(
    ["/", "c", "mt", "_", "n", "wn", "qattus", "ħ", "\t", "http://", "/c/mt/", "/c/en/", "\r", "\0"]
)


@given(st.one_of(st.text(), st.lists(PIECE, max_size=12).map("".join)))
def test_any_uri(uri: str) -> None:
    node = parse_node(uri)
    if node is not None:
        assert uri.startswith(f"/c/{node.language}/")
        assert node.term == uri.split("/")[3].replace("_", " ").strip() != ""
        assert parse_node(f"/c/{node.language}/{node.term.replace(' ', '_')}") is not None
