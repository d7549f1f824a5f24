"""A corpus does not depend on the number of processes that clean it."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lrl_adapt.corpora.prepare import prepare_corpus
from lrl_adapt.recipes.splits import SPLITS

from .pages import write_pages
from .test_prepare import NOUNS, recipe, rows


def test_more_processes_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = write_pages(tmp_path / "pages.parquet", range(3000))
    one = prepare_corpus(recipe(pages, drop_near_duplicates=True), tmp_path / "one")
    monkeypatch.setattr("lrl_adapt.corpora.prepare.BATCH_CHARACTERS", 20_000)
    two = prepare_corpus(recipe(pages, drop_near_duplicates=True), tmp_path / "two", workers=2)
    assert all(rows(one, split) == rows(two, split) for split in SPLITS)
    assert one.manifest()["facts"] == two.manifest()["facts"]


@pytest.mark.parametrize("cap", [{"max_bytes": "30KB"}, {"max_documents": 200}])
@pytest.mark.slow
def test_a_sample_of_pages_that_share_lines_is_the_same_by_any_number_of_processes(
    tmp_path: Path, cap: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(1)
    shared = [f"Mstari wa pamoja {noun} na {other} kila siku." for noun in NOUNS for other in NOUNS]
    texts = []
    for number in range(2000):
        unique_line = " ".join(rng.choices(NOUNS, k=12)) + f" {number}."
        texts.append({"text": "\n".join([unique_line, *rng.choices(shared, k=2)]), "warc-record-id": str(number)})
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, texts)))
    whole = prepare_corpus(recipe(tmp_path / "a.jsonl", **cap), tmp_path / "whole")
    monkeypatch.setattr("lrl_adapt.corpora.prepare.BATCH_CHARACTERS", 5000)
    for workers in (1, 2, 3):
        again = prepare_corpus(recipe(tmp_path / "a.jsonl", **cap), tmp_path / f"by{workers}", workers=workers)
        assert again.manifest()["facts"]["pages"]["not sampled"] > 500
        assert all(rows(whole, split) == rows(again, split) for split in SPLITS)


@pytest.mark.slow
def test_processes_end_with_the_one_that_was_killed(tmp_path: Path) -> None:
    script = """
import os, signal, sys
from lrl_adapt.corpora.parallel import clean_all
from lrl_adapt.corpora.readers import Document
from lrl_adapt.recipes.languages import find_language
from lrl_adapt.recipes.schema import Corpus
batches = ([Document(str(n), f"Sentensi ya namba {n}.")] for n in range(10**6))
for number, _ in enumerate(clean_all(batches, Corpus(), find_language("swh_Latn"), workers=2)):
    if number == 20:
        import multiprocessing
        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""
    # files, not pipes: an orphan would keep a pipe open and this test waiting
    with (tmp_path / "out").open("w") as out:
        subprocess.run([sys.executable, "-c", script], stdout=out, stderr=subprocess.DEVNULL, timeout=60, check=False)
    children = [int(word) for word in (tmp_path / "out").read_text().split()]
    assert len(children) == 2
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{child}/cmdline").exists() for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.1)
