"""Real edges, where there are any under $LRL_DATA."""

import gzip
import os
import re
from pathlib import Path

import pyarrow.parquet
import pytest
from lrl_adapt.graphs.prepare import prepare_graph
from lrl_adapt.recipes.schema import Recipe

DUMP = Path(os.environ.get("LRL_DATA") or "absent", "conceptnet", "assertions_ug.converted.csv.gz")


@pytest.mark.skipif(not DUMP.is_file(), reason="needs Uyghur's edges under $LRL_DATA")
@pytest.mark.parametrize("linearisation", ["english", "paper", "walk"])
def test_uyghur_sentences_hold_terms_and_no_parts_of_speech(tmp_path: Path, linearisation: str) -> None:
    graph = {"conceptnet": str(DUMP), "linearisation": linearisation}
    recipe = {"language": "uig_Arab", "base": {"from_scratch": {}}, "graph": graph, "source": "graph"}
    folder = prepare_graph(Recipe.model_validate(recipe), tmp_path).folder
    texts = [
        text
        for split in ("train", "validation", "test")
        for text in pyarrow.parquet.read_table(folder / f"{split}.parquet")["text"].to_pylist()
    ]
    assert len(texts) > 500
    with gzip.open(DUMP, "rt", encoding="utf-8") as file:
        uris = {uri for line in file for uri in line.split("\t")[2:4] if uri.startswith("/c/")}
    terms = {uri.split("/")[3].replace("_", " ") for uri in uris}
    tags = {uri.split("/", 4)[4] for uri in uris if uri.count("/") > 3}
    assert {"n", "v"} <= tags  # so there was something to go wrong
    ends = re.compile(
        r"(.+?) is (?:a |the |etymologically )*(?:synonym|opposite|word used|form|related|derived|symbol)"
    )
    starts = [ends.match(text) for text in texts]
    assert all(start is None or start[1] in terms for start in starts)
    assert sum(start is not None for start in starts) > 0.9 * len(texts)
    assert not [text for text in texts if re.search(r"(^|[ /])(n|a|v|r|s|wn|wikt|ug_1|en_1)\.", text)]
