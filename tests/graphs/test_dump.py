import gzip
import json
from collections import Counter
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lrl_adapt.graphs.conceptnet import Edge, Node
from lrl_adapt.graphs.dump import COUNTS, DumpReader
from lrl_adapt.workspace.errors import UserError

DETAILS = json.dumps({"license": "cc:by-sa/4.0", "weight": 2.0})


def row(relation: str, start: str, end: str, details: str = DETAILS) -> bytes:
    return "\t".join((f"/a/[/r/{relation}/,{start}/,{end}/]", f"/r/{relation}", start, end, details)).encode() + b"\n"


def dump(path: Path, *rows: bytes) -> Path:
    path.write_bytes(gzip.compress(b"".join(rows)) if path.name.endswith(".gz") else b"".join(rows))
    return path


def read(path: Path, language: str = "mt") -> tuple[list[Edge], dict[str, int]]:
    """The edges, and the counts that are not zero, but for rows."""
    edges, counts = read_all(path, [language])
    return [edge for _, edge in edges], {
        why: count for why, count in counts[language].items() if count and why != "rows"
    }


def read_all(path: Path, languages: list[str]) -> tuple[list[tuple[str, Edge]], dict[str, Counter[str]]]:
    reader = DumpReader(path, languages)
    edges = list(reader)
    for count in reader.counts.values():
        assert count["rows"] == sum(count[reason] for reason in COUNTS[1:])
        assert list(count) == list(COUNTS)
    return edges, reader.counts


def test_edge(tmp_path: Path) -> None:
    path = dump(tmp_path / "dump.csv.gz", row("dbpedia/genre", "/c/mt/għana/n", "/c/en/folk_music"))
    assert read(path) == (
        [Edge(Node("mt", "għana", "n", ""), "dbpedia/genre", Node("en", "folk music", "", ""), 2.0, "cc:by-sa/4.0")],
        {"kept": 1},
    )


def test_language_at_either_end(tmp_path: Path) -> None:
    path = dump(
        tmp_path / "dump.csv",
        row("Synonym", "/c/mt/kelb", "/c/en/dog"),
        row("Synonym", "/c/en/cat", "/c/mt/qattus/n"),
        row("Synonym", "/c/en/dog", "/c/de/hund"),
        row("Synonym", "/c/mth/a", "/c/en/b"),  # a longer code that begins alike
        b"/a/x\t/c/mt/\t/c/en/a\t/c/en/b\t{}\n",  # the code where a relation should be
    )
    edges, counts = read(path)
    assert [edge.end.term for edge in edges] == ["dog", "qattus"]
    assert counts == {"kept": 2, "other language": 2, "malformed": 1}


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"\xff\xfe\x00\n",
        b"/a/x\t/r/IsA\t/c/mt/a\t/c/en/b\n",
        row("IsA", "/c/mt/a", "/c/en/b").rstrip(b"\n") + b"\tmore\n",
        row("IsA", "/c/mt/a", "/c/en/b").replace(b"/c/en/b\t", b"/c/en/\xff\t"),
        row("IsA", "/c/mt/a", "/c/en/"),
        row("IsA", "/c/mt/a", "somewhere"),
        row("", "/c/mt/a", "/c/en/b"),
        row("IsA", "/c/mt/a", "/c/en/b").replace(b"\t/r/IsA\t", b"\tIsA\t"),
        *(
            row("IsA", "/c/mt/a", "/c/en/b", details)
            for details in (
                "",
                "{",
                "[]",
                "{}",
                '{"weight": "heavy"}',
                '{"weight": NaN}',
                '{"weight": 1' + "0" * 400 + "}",
                '{"weight": 1, "license": 3}',
                '{"weight": 1, "license": "\\ud800"}',
                "[" * 200_000,
            )
        ),
    ],
)
def test_malformed(tmp_path: Path, line: bytes) -> None:
    path = dump(tmp_path / "dump.csv.gz", line, row("IsA", "/c/mt/kelb", "/c/mt/annimal"))
    edges, counts = read(path)
    assert [edge.start.term for edge in edges] == ["kelb"]
    assert counts == {"kept": 1, "malformed": 1}


def test_external_url(tmp_path: Path) -> None:
    path = dump(tmp_path / "dump.csv.gz", row("ExternalURL", "/c/mt/a", "http://mt.dbpedia.org/resource/A"))
    assert read(path) == ([], {"external url": 1})


def test_self_loop(tmp_path: Path) -> None:
    path = dump(
        tmp_path / "dump.csv.gz",
        row("RelatedTo", "/c/mt/malta/n", "/c/mt/malta/a/wikt/mt_1"),
        row("RelatedTo", "/c/mt/malta", "/c/en/malta"),  # another language
        row("RelatedTo", "/c/mt/Malta", "/c/mt/malta"),  # another word
    )
    edges, counts = read(path)
    assert len(edges) == 2
    assert counts == {"kept": 2, "self-loop": 1}


def test_duplicates_and_mirrors(tmp_path: Path) -> None:
    path = dump(
        tmp_path / "dump.csv.gz",
        row("Synonym", "/c/mt/kelb/n", "/c/en/dog"),
        row("Synonym", "/c/mt/kelb/v", "/c/en/dog/n/wn/animal"),  # again in other senses
        row("Synonym", "/c/en/dog", "/c/mt/kelb"),  # its mirror
        row("RelatedTo", "/c/mt/kelb", "/c/en/dog"),  # another relation
        row("Synonym", "/c/mt/kelb", "/c/fr/dog"),  # another language
        row("IsA", "/c/mt/kelb", "/c/mt/annimal"),
        row("IsA", "/c/mt/annimal", "/c/mt/kelb"),  # has a direction, so not the same
    )
    edges, counts = read(path)
    assert counts == {"kept": 5, "duplicate": 2}
    assert edges[0].start.pos == "n"  # the first one stays


def test_windows_line_ends_and_no_last_newline(tmp_path: Path) -> None:
    first, second = row("IsA", "/c/mt/a", "/c/en/b"), row("IsA", "/c/mt/c", "/c/en/d")
    edges, _ = read(dump(tmp_path / "dump.csv", first.replace(b"\n", b"\r\n"), second.rstrip(b"\n")))
    assert len(edges) == 2


def test_gzip_is_known_by_content(tmp_path: Path) -> None:
    path = tmp_path / "dump.csv"
    path.write_bytes(gzip.compress(row("IsA", "/c/mt/a", "/c/en/b")))
    assert len(read(path)[0]) == 1


@pytest.mark.parametrize("kind", ["html", "empty", "truncated", "damaged", "overwritten"])
def test_bad_gzip(tmp_path: Path, kind: str) -> None:
    whole = gzip.compress(b"".join(row("IsA", f"/c/mt/{number}", "/c/en/b") for number in range(3000)))
    middle = len(whole) // 2
    content = {
        "html": b"<html>403 Forbidden</html>",
        "empty": b"",
        "truncated": whole[:middle],
        "overwritten": whole[:100] + b"\xff" * 100 + whole[200:],
        "damaged": whole[:middle] + bytes(50) + whole[middle + 50 :],
    }[kind]
    path = tmp_path / "dump.csv.gz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"dump\.csv\.gz: not a readable gzip file \(.+\); download it again"):
        read(path)


def test_several_languages_in_one_pass(tmp_path: Path) -> None:
    path = dump(
        tmp_path / "dump.csv.gz",
        row("Synonym", "/c/mt/kelb", "/c/sw/mbwa"),
        row("IsA", "/c/sw/mbwa", "/c/en/animal"),
        row("IsA", "/c/en/dog", "/c/en/animal"),
        row("ExternalURL", "/c/mt/a", "http://mt.dbpedia.org/resource/A"),
        b"/a/x\t/r/IsA\t/c/sw/a\n",
        b"rubbish\n",
        row("IsA", "/c/mt/a", "/c/mt/"),
    )
    edges, counts = read_all(path, ["mt", "sw"])
    assert [(language, edge.end.term) for language, edge in edges] == [
        *sorted([("mt", "mbwa"), ("sw", "mbwa")], key=lambda pair: pair[0] != edges[0][0]),
        ("sw", "animal"),
    ]
    alone = {language: read_all(path, [language])[1][language] for language in ("mt", "sw")}
    assert counts == alone
    assert +counts["sw"] == {"rows": 7, "kept": 2, "malformed": 2, "other language": 3}


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_rows_are_whole_wherever_a_block_ends(tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row("IsA", f"/c/mt/{number}", "/c/en/b") if number % 3 else b"\n" for number in range(60)]
    path = dump(tmp_path / "dump.csv.gz", *rows)
    expected = read(path)
    monkeypatch.setattr("lrl_adapt.graphs.dump.BLOCK_BYTES", size)
    assert read(path) == expected


PIECE = st.sampled_from(
    ["/", "c", "mt", "_", "n", "wn", "qattus", "ħ", "\t", "http://", "/c/mt/", "/c/en/", "\r", "\0"]
)


LINE = st.one_of(
    st.binary(max_size=80),
    st.lists(st.lists(PIECE, max_size=6).map("".join), min_size=3, max_size=6).map("\t".join).map(str.encode),
    st.builds(
        lambda relation, start, end, details: row(relation, start, end, details).rstrip(b"\n"),
        st.sampled_from(["IsA", "Synonym", "", "dbpedia/genre"]),
        st.lists(PIECE, max_size=5).map(lambda parts: "/c/mt/" + "".join(parts).replace("\t", "")),
        st.sampled_from(["/c/en/dog", "/c/mt/a", "http://x", "", "/c/"]),
        st.one_of(st.just(DETAILS), st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps)),
    ),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LINE, max_size=8), st.booleans(), st.integers(1, 200))
@pytest.mark.slow
def test_any_bytes(tmp_path: Path, lines: list[bytes], packed: bool, block: int) -> None:
    """No row crashes the reader, and every row is counted under one reason (looked at in read_all)."""
    content = b"\n".join(lines)
    path = tmp_path / "dump.csv"
    path.write_bytes(gzip.compress(content) if packed else content)
    if not packed and content.startswith(b"\x1f\x8b"):
        return
    with patch("lrl_adapt.graphs.dump.BLOCK_BYTES", block):
        edges, counts = read_all(path, ["mt", "en"])
    rows = content.count(b"\n") + bool(content) - content.endswith(b"\n")
    assert {count["rows"] for count in counts.values()} == {rows}
    assert Counter(language for language, _ in edges) == +Counter({code: c["kept"] for code, c in counts.items()})


WEIGHTLESS = json.dumps({"weight": -1.0}), json.dumps({"weight": 0.0})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (row("AtLocation", "/c/mt/siġra]", "/c/mt/foresta"), "unpaired bracket in a term"),
        (row("AtLocation", "/c/mt/siġra", "/c/mt/(foresta"), "unpaired bracket in a term"),
        (row("IsA", "/c/mt/<i>kelma</i>", "/c/mt/ħaġa"), "markup in a term"),
        (row("IsA", "/c/mt/&lt;b&gt;kelma", "/c/mt/ħaġa"), "markup in a term"),
        (row("IsA", "/c/mt/kelma", "/c/mt/ħaġa", WEIGHTLESS[0]), "weight of 0 or less"),
        (row("IsA", "/c/mt/kelma", "/c/mt/ħaġa", WEIGHTLESS[1]), "weight of 0 or less"),
        (row("IsA", "/c/mt/bu\u0301", "/c/mt/bú"), "self-loop"),
        (row("Synonym", "/c/mt/kelb/n", "/c/mt/annima%6C"), "duplicate"),
    ],
)
def test_errors_of_extraction_become_no_sentences(tmp_path: Path, line: bytes, reason: str) -> None:
    edges, counts = read(dump(tmp_path / "dump.csv", row("Synonym", "/c/mt/kelb", "/c/mt/annimal"), line))
    assert [edge.start.term for edge in edges] == ["kelb"]
    assert counts == {"kept": 1, reason: 1}


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_an_edge(tmp_path: Path) -> None:
    lines = [row("Synonym", f"/c/mt/kelma_{number}", "/c/en/word").replace(b"\n", b"\r\n") for number in range(3)]
    edges, counts = read(dump(tmp_path / "dump.csv", b"\xef\xbb\xbf", *lines))
    assert [edge.start.term for edge in edges] == ["kelma 0", "kelma 1", "kelma 2"]
    assert counts == {"kept": 3}


def test_what_changed_in_terms_is_counted_by_language(tmp_path: Path) -> None:
    path = dump(
        tmp_path / "dump.csv",
        row("Synonym", "/c/mt/bu\u0301", "/c/en/a%26b_%C3%A9"),
        row("Synonym", "/c/mt/ki\xadtabu", "/c/mt/a&amp;b&gt;"),
        row("Synonym", "/c/en/x%41", "/c/de/x"),
    )
    reader = DumpReader(path, ["mt", "en"])
    list(reader)
    percent, entity = "percent-encoded terms decoded", "HTML entities in terms decoded"
    assert reader.changes["mt"] == {"NFC": 1, percent: 1, "soft hyphens": 1, entity: 2}
    assert reader.changes["en"] == {"NFC": 1, percent: 2}
