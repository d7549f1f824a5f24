"""Texts of tasks, and what is like them, are kept out of the corpus."""

import random
import unicodedata
from pathlib import Path

import pytest
from lrl_adapt.corpora.prepare import corpus_artifact, prepare_corpus
from lrl_adapt.recipes.schema import Eval
from lrl_adapt.recipes.splits import SPLITS
from lrl_adapt.workspace.errors import UserError

from .test_prepare import NOUNS, recipe, rows


def test_no_test_line_has_a_near_duplicate_in_train(tmp_path: Path) -> None:
    """Each sentence comes twice, with a word more or a letter less, in pages of other splits."""
    words = [f"{a}{b}{c}" for a in "kmtwnz" for b in "aeiou" for c in ("ndo", "ri", "shi", "mba", "tu")]
    rng = random.Random(0)
    sentences = [" ".join(rng.choices(words, k=14)) for _ in range(400)]
    near_duplicates = [f"{sentence} tena" if number % 2 else sentence[1:] for number, sentence in enumerate(sentences)]
    (tmp_path / "a.txt").write_text("\n".join(sentences + near_duplicates))
    artifact = prepare_corpus(recipe(tmp_path / "a.txt", drop_near_duplicates=True), tmp_path / "runs")
    kept = {row["text"]: split for split in SPLITS for row in rows(artifact, split)}
    assert artifact.manifest()["facts"]["counts"]["near-duplicate"] == len(near_duplicates)
    assert set(kept) == set(sentences)


def test_lines_of_the_task_sets_are_not_trained_on(tmp_path: Path) -> None:
    sentences = [f"Sentensi ya {word} inayohusu {other}." for word in NOUNS for other in NOUNS if word != other]
    (tmp_path / "a.txt").write_text("\n".join(sentences))
    (tmp_path / "topic.tsv").write_text(f"text\tlabel\n{sentences[0].upper()}\ta\n{sentences[1]}\tb\n")
    (tmp_path / "ner.txt").write_text("\n".join(f"{word} O" for word in f"{sentences[2][:-1]} .".split()) + "\n")
    (tmp_path / "mlm.txt").write_text(sentences[3] + "\n")
    files = {"train": str(tmp_path / "topic.tsv")} | dict.fromkeys(("validation", "test"), str(tmp_path / "topic.tsv"))
    ner = dict.fromkeys(("train", "validation", "test"), str(tmp_path / "ner.txt"))
    evaluation = {"topic": files, "ner": ner, "mlm": {"files": [str(tmp_path / "mlm.txt")]}}
    made = recipe(tmp_path / "a.txt").model_copy(update={"eval": Eval.model_validate(evaluation)})
    artifact = prepare_corpus(made, tmp_path / "runs")
    texts = {row["text"] for split in SPLITS for row in rows(artifact, split)}
    assert texts == set(sentences[4:])
    assert artifact.manifest()["facts"]["counts"]["in a task"] == 4
    (tmp_path / "topic.tsv").write_text(f"text\tlabel\n{sentences[5]}\ta\n")
    assert corpus_artifact(made, tmp_path / "runs").key != artifact.key


@pytest.mark.parametrize("rules", [{"cut": "sentences"}, {"max_characters": 100}, {"repair": False}])
def test_parts_of_long_task_texts_are_found_as_the_corpus_is_cut(tmp_path: Path, rules: dict) -> None:
    sentences = [f"Sentensi ya {word} na {other} pamoja, café." for word in NOUNS for other in NOUNS if word != other]
    scored = " ".join(sentences[:6])
    text = unicodedata.normalize("NFD", "\n".join([scored, *sentences[6:]]))
    (tmp_path / "a.txt").write_text(text)
    (tmp_path / "topic.tsv").write_text(f"text\tlabel\n{scored}\ta\n")
    files = dict.fromkeys(("train", "validation", "test"), str(tmp_path / "topic.tsv"))
    made = recipe(tmp_path / "a.txt", **rules).model_copy(update={"eval": Eval.model_validate({"topic": files})})
    artifact = prepare_corpus(made, tmp_path / "runs")
    assert {row["text"] for split in SPLITS for row in rows(artifact, split)} == set(sentences[6:])
    other = made.model_copy(update={"eval": Eval.model_validate({"topic": files | {"text": "label"}})})
    assert corpus_artifact(other, tmp_path / "runs").key != artifact.key


def test_a_task_set_that_is_not_there(tmp_path: Path, pages: Path) -> None:
    files = dict.fromkeys(("train", "validation", "test"), str(tmp_path / "absent.tsv"))
    made = recipe(pages).model_copy(update={"eval": Eval.model_validate({"topic": files})})
    with pytest.raises(UserError, match=r"absent\.tsv"):
        prepare_corpus(made, tmp_path / "runs")


def test_a_column_that_is_not_there_is_to_be_named_not_gone_without(tmp_path: Path, pages: Path) -> None:
    (tmp_path / "topic.tsv").write_text("text\tcategory\na\tb\n")
    files = dict.fromkeys(("train", "validation", "test"), str(tmp_path / "topic.tsv"))
    made = recipe(pages).model_copy(update={"eval": Eval.model_validate({"others": {"mood": files}})})
    with pytest.raises(
        UserError, match=r"no column 'label'; .*eval\.others\.mood\.text, label and where name"
    ) as error:
        prepare_corpus(made, tmp_path / "runs")
    assert "drop_task_lines" not in str(error.value)


def test_a_broken_task_file_is_reported_and_only_those_on_a_server_can_be_gone_without(
    tmp_path: Path, pages: Path
) -> None:
    (tmp_path / "mood.csv").write_text("text,label\na,b,c\n")
    for place, advice in ((str(tmp_path / "mood.csv"), ""), ("hf://datasets/a/b/mood.csv", "set corpus.drop_task_")):
        made = recipe(pages).model_copy(update={"eval": Eval.model_validate({"others": {"mood": {"file": place}}})})
        with pytest.raises(UserError, match=r"^eval\.others\.mood\.file: ") as error:
            prepare_corpus(made, tmp_path / "runs")
        assert ("drop_task_lines" in str(error.value)) == bool(advice)
    assert "line 2: expected 2 columns" not in str(error.value)
