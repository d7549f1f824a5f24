from collections import Counter
from pathlib import Path

import pyarrow.parquet
import pytest
from lrl_adapt.corpora.clean import Cleaner
from lrl_adapt.corpora.prepare import SPLITS, corpus_artifact, prepare_corpus, split_of
from lrl_adapt.corpora.readers import Document
from lrl_adapt.recipes.artifacts import Artifact
from lrl_adapt.recipes.errors import UserError
from lrl_adapt.recipes.schema import Recipe

from .pages import write_pages


def recipe(file: Path, **corpus) -> Recipe:
    section = {"files": [str(file)], **corpus}
    return Recipe.model_validate({"language": "swh_Latn", "base": {"from_scratch": {}}, "corpus": section})


def rows(artifact: Artifact, split: str) -> list[dict[str, str]]:
    return pyarrow.parquet.read_table(artifact.folder / f"{split}.parquet").to_pylist()


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    return write_pages(tmp_path / "pages.parquet", range(300))


def test_lines_are_folded_and_short_or_repeated_ones_counted() -> None:
    cleaner = Cleaner(min_characters=6)
    kept = list(cleaner.lines(Document("1", "  Habari \t ya leo. \n\nMenyu\nHabari ya leo.\r\nNzuri sana.")))
    assert kept == ["Habari ya leo.", "Nzuri sana."]
    assert list(cleaner.lines(Document("2", "Nzuri sana."))) == []
    assert cleaner.counts == {"kept": 2, "too short": 1, "repeated": 2}


def test_pages_stay_whole_and_no_line_stands_in_two_splits(tmp_path: Path, pages: Path) -> None:
    artifact = prepare_corpus(recipe(pages), tmp_path / "runs")
    documents = {split: {row["document"] for row in rows(artifact, split)} for split in SPLITS}
    texts = {split: {row["text"] for row in rows(artifact, split)} for split in SPLITS}
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not documents[one] & documents[other]
        assert not texts[one] & texts[other]
    assert len(set.union(*documents.values())) == 300
    facts = artifact.manifest()["facts"]
    assert facts["counts"] == {"kept": 900, "too short": 300, "repeated": 0}
    assert facts["lines"] == {split: len(rows(artifact, split)) for split in SPLITS}
    assert facts["bytes"] == {split: sum(len(row["text"]) for row in rows(artifact, split)) for split in SPLITS}
    card = (artifact.folder / "card.md").read_text()
    assert "Swahili" in card
    assert f"| train | {facts['documents']['train']} | {facts['lines']['train']} |" in card


def test_the_split_is_80_10_10_and_stable_when_pages_are_added(tmp_path: Path, pages: Path) -> None:
    counts = Counter(split_of(Document(str(number), "")) for number in range(5000))
    assert counts["train"] / 5000 == pytest.approx(0.8, abs=0.02)
    assert counts["test"] / 5000 == pytest.approx(0.1, abs=0.02)
    before = prepare_corpus(recipe(pages), tmp_path / "runs")
    after = prepare_corpus(recipe(write_pages(tmp_path / "more.parquet", range(400))), tmp_path / "runs")
    for split in SPLITS:
        assert {row["text"] for row in rows(before, split)} <= {row["text"] for row in rows(after, split)}


def test_a_second_prepare_is_nothing_and_another_setting_a_folder_beside(tmp_path: Path, pages: Path) -> None:
    first = prepare_corpus(recipe(pages), tmp_path / "runs")
    created = first.manifest()["created"]
    moved = pages.rename(tmp_path / "moved.parquet")  # the path does not count, the content does
    again = prepare_corpus(recipe(moved), tmp_path / "runs")
    assert (again.folder, again.manifest()["created"]) == (first.folder, created)
    other = prepare_corpus(recipe(moved, min_characters=30), tmp_path / "runs")
    assert other.folder != first.folder
    assert other.folder.parent == first.folder.parent


def test_max_bytes_bounds_the_text(tmp_path: Path, pages: Path) -> None:
    artifact = prepare_corpus(recipe(pages, max_bytes="5KB"), tmp_path / "runs")
    size = sum(artifact.manifest()["facts"]["bytes"].values())
    assert 5000 <= size < 5200  # the last page is kept whole


def test_an_empty_language_and_an_interruption_leave_nothing(tmp_path: Path, pages: Path) -> None:
    with pytest.raises(UserError, match="no line of text is left for swh_Latn"):
        prepare_corpus(recipe(pages, min_characters=500), tmp_path / "runs")

    class Stop:
        def say(self, text: str) -> None:
            pass

        def track(self, items, label, total=None):
            for number, item in enumerate(items):
                if number == 50:
                    raise KeyboardInterrupt
                yield item

    with pytest.raises(KeyboardInterrupt):
        prepare_corpus(recipe(pages), tmp_path / "runs", Stop())
    assert not list((tmp_path / "runs").rglob("*.parquet"))
    assert not corpus_artifact(recipe(pages), tmp_path / "runs").exists
    assert prepare_corpus(recipe(pages), tmp_path / "runs").exists
