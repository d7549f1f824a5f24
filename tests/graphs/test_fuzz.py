"""Dumps of random rows: none stops the reader, each is counted once, and what is kept is what a plain reader keeps."""

import gzip
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from lrl_adapt.graphs.conceptnet import parse_row
from lrl_adapt.graphs.dump import COUNTS, DumpReader
from lrl_adapt.workspace.errors import UserError

from ..fuzz import damaged, each_seed, shown_on_failure, text, value

ROWS = 10_000  # for each seed
ROWS_PER_FILE = 200
LANGUAGES = ("mt", "en", "zh_tw")
URIS = (
    *("/c/mt/kelb", "/c/mt/kelb/n", "/c/en/dog/n/wn/animal", "/c/zh_tw/狗", "/c/mt/a_b", "/c/de/hund", "/c/mth/a"),
    *("/c/mt/", "/c/mt", "/c//a", "/c/mt//n", "/c/mt/a/", "c/mt/a", "/d/mt/a", "/c/mt/a/x/y/z/w", "/c/MT/a", "", "/"),
    *(
        "http://mt.dbpedia.org/resource/A",
        "https://x",
        "/c/mt/a%26b",
        "/c/mt/%FF",
        "/c/mt/%",
        "/c/mt/a%0Ab",
        "/c/mt/%00",
    ),
    *(
        "/c/mt/&amp;a",
        "/c/mt/&#x0;",
        "/c/mt/&#55296;",
        "/c/mt/&#99999999999;",
        "/c/mt/&gt",
        "/c/mt/<b>a</b>",
        "/c/mt/(a",
    ),
    *("/c/mt/\u200b", "/c/mt/bu\u0301", "/c/mt/\u00ad", "/c/mt/a\u2028b", "/c/mt/a\x85b", "/c/mt/\ufeff", "/c/mt/ "),
)
RELATIONS = ("/r/IsA", "/r/Synonym", "/r/RelatedTo", "/r/dbpedia/genre", "/r/", "IsA", "", "/r/\u202e", "/c/mt/x")
DETAILS = (
    *(
        '{"weight": 1.0}',
        '{"weight": 2, "license": "cc:by/4.0"}',
        '{"weight": -1}',
        '{"weight": 0}',
        "{}",
        "",
        "[",
        "null",
    ),
    *(
        '{"weight": NaN}',
        '{"weight": 1e999}',
        '{"weight": true}',
        '{"weight": "1"}',
        '{"weight": 1, "license": "\\ud800"}',
    ),
    *(
        '{"weight": 1' + "0" * 400 + "}",
        '{"weight": ' + "9" * 5000 + "}",
        "[" * 2000,
        '{"a":' * 2000,
        '{"weight": 1, "license": []}',
    ),
)


def row(rng: random.Random) -> bytes:
    """A row that is right, has odd columns, or is damaged; without its end."""
    columns: list[Any] = [
        "/a/x",
        rng.choice(RELATIONS[:4] if rng.random() < 0.9 else RELATIONS),
        *(rng.choice(URIS[:5] if rng.random() < 0.4 else URIS) for _ in range(2)),
        rng.choice(DETAILS[:2] if rng.random() < 0.7 else DETAILS),
    ]
    if rng.random() < 0.1:
        columns[rng.randrange(5)] = text(rng)
    if rng.random() < 0.05:
        columns[4] = json.dumps({"weight": value(rng), "license": value(rng)})
    content = "\t".join(columns).encode("utf-8", "replace")
    if rng.random() < 0.1:
        content = damaged(rng, content, (b"\t", b"\r", b"/c/mt/", b"\t/c/mt/", b"\xff"))
    return rng.randbytes(rng.randrange(60)) if rng.random() < 0.03 else content


def plainly_read(content: bytes, language: str) -> tuple[list[Any], Counter[str]]:
    """The edges and the counts of a dump, a row at a time."""
    counts, edges, triples = Counter[str](), [], set()
    for line in content.removesuffix(b"\n").split(b"\n") if content else []:
        counts["rows"] += 1
        if f"\t/c/{language}/".encode() not in line:
            counts["malformed" if line.count(b"\t") != 4 else "other language"] += 1
            continue
        try:
            parsed = parse_row(line)
        except ValueError:
            counts["malformed"] += 1
            continue
        if language not in parsed.languages:
            counts["other language"] += 1
        elif parsed.edge is None:
            counts[parsed.reason] += 1
        elif parsed.edge.triple in triples:
            counts["duplicate"] += 1
        else:
            counts["kept"] += 1
            triples.add(parsed.edge.triple)
            edges.append(parsed.edge)
    return edges, counts


@each_seed
@pytest.mark.slow
def test_every_row_is_kept_or_counted(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    kept = 0
    for number in range(ROWS // ROWS_PER_FILE):
        content = b"\n".join(row(rng) for _ in range(ROWS_PER_FILE)) + rng.choice((b"\n", b""))
        monkeypatch.setattr("lrl_adapt.graphs.dump.BLOCK_BYTES", rng.choice((100, 3000, 1 << 20)))
        path = tmp_path / f"{number}.csv"
        path.write_bytes(gzip.compress(content) if number % 2 else content)
        with shown_on_failure(content):
            reader = DumpReader(path, LANGUAGES)
            edges = list(reader)
            for language in LANGUAGES:
                expected, counts = plainly_read(content, language)
                assert [edge for code, edge in edges if code == language] == expected
                # Rows with too many and too few columns may cancel out, but only among those of other languages.
                counted = +reader.counts[language]
                for each in (counted, counts):
                    each["no edge"] = each.pop("malformed", 0) + each.pop("other language", 0)
                assert counted == counts
                assert counts["rows"] == sum(reader.counts[language][reason] for reason in COUNTS[1:])
                kept += counts["kept"]
        path.unlink()
    assert kept > ROWS / 20


@each_seed
@pytest.mark.slow
def test_a_damaged_archive_is_read_or_refused(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    path = tmp_path / "dump.csv.gz"
    refused = 0
    for _ in range(200):
        whole = gzip.compress(
            b"\n".join(row(rng) for _ in range(rng.choice((1, 20, 200)))), compresslevel=rng.randrange(10)
        )
        content = damaged(rng, whole, (gzip.compress(b"x"), b"\x1f\x8b", b"\0" * 100))
        path.write_bytes(content)
        with shown_on_failure(content):
            try:
                list(DumpReader(path, LANGUAGES))
            except UserError as error:
                refused += 1
                assert "dump.csv.gz: not a readable gzip file" in str(error)
                assert "\n" not in str(error)
    assert refused > 100
