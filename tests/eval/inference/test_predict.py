"""New texts labelled by a saved task adapter, found with its base and language adapter."""

import json
import shutil
import unicodedata
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lrl_adapt.eval.inference.choose_adapters import newest_adapter, newest_scores
from lrl_adapt.eval.inference.find_adapters import BaseReference, _Artifact, find_task_adapter, other_base
from lrl_adapt.eval.inference.predictor import Predictor, load_predictor
from lrl_adapt.eval.task_eval import encode
from lrl_adapt.recipes.task_files import Item
from lrl_adapt.training.task_adapter import load_task, predict
from lrl_adapt.training.task_model import Example
from lrl_adapt.workspace.errors import UserError

from ...tiny_tokenizers import FAMILIES
from ..made import POSITIONS, TAGS, TEXTS, TOPICS, change_manifest, make_adapter, make_base, make_scores

LONG = " ".join(TEXTS * 12)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = tmp_path_factory.mktemp("workspace")
    base = make_base(workspace)
    adapter = make_adapter(workspace, base, "seq_bn_inv")
    make_adapter(workspace, base, "lora", language="zul_Latn")
    make_adapter(workspace, base, "full", language="xho_Latn")
    make_scores(workspace, base, adapter, "topic", TOPICS, per_token=False)
    make_scores(workspace, base, adapter, "ner", TAGS, per_token=True)
    make_scores(workspace, base, adapter, "pos", ["ADJ", "NOUN", "VERB"], per_token=True)
    make_scores(workspace, base, None, "sentiment", ["hasi", "chanya"], per_token=False)
    return workspace


@pytest.fixture
def workspace(made: Path, tmp_path: Path) -> Path:
    """A copy, so the folders are not where the manifests say."""
    return shutil.copytree(made, tmp_path / "moved")


def predictor(folder: Path, **options: str) -> Predictor:
    return load_predictor(find_task_adapter(folder, **options))


def test_classes_are_those_of_the_trained_model_and_probabilities_sum_to_1(made: Path) -> None:
    result = find_task_adapter(newest_scores(made, "topic"))
    ours = load_predictor(result)
    rows = list(ours.predict([*TEXTS, "  ", TEXTS[0]]))
    assert [row["text"] for row in rows] == [*TEXTS, "  ", TEXTS[0]]
    base, tokenizer = result.base.load()
    model, labels = load_task(base, result.language_adapter, result.folder)
    ids = tokenizer(TEXTS)["input_ids"]
    guesses = predict(model, [Example(part, 0) for part in ids])
    assert [row["label"] for row in rows[:2]] == [labels[guess] for guess in guesses]
    want = model.logits(torch.tensor([ids[0]]), torch.ones(1, len(ids[0]), dtype=torch.long)).softmax(-1)[0]
    torch.testing.assert_close(torch.tensor(list(rows[0]["probabilities"].values())), want, atol=2e-6, rtol=0)
    assert rows[0]["probability"] == max(rows[0]["probabilities"].values())
    assert rows[2] == {"text": "  ", "label": None, "probability": None, "probabilities": {}}
    assert rows[3] == rows[0]


def test_entities_are_where_their_text_is(made: Path) -> None:
    text = "  Amina anaishi (Nairobi) na Juma, Mombasa"
    (row,) = predictor(newest_scores(made, "ner")).predict([text])
    assert row["text"] == text
    assert row["entities"]
    for entity in row["entities"]:
        assert text[entity["start"] : entity["end"]] == entity["text"] == entity["text"].strip()
        assert entity["type"] in ("LOC", "PER")
        assert 0 < entity["probability"] <= 1
    assert [entity["start"] for entity in row["entities"]] == sorted(entity["start"] for entity in row["entities"])


@pytest.mark.parametrize("task", ["topic", "ner", "pos"])
def test_one_text_written_in_two_normal_forms_gets_the_same_answer(made: Path, task: str) -> None:
    text = "Ámina  anaishi\xa0Nạ\u0302irobi na Ju\xadma\u200f"
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]
    counts: Counter[str] = Counter()
    composed, decomposed = predictor(newest_scores(made, task)).predict(forms, counts)
    assert [composed["text"], decomposed["text"]] == forms
    assert counts == {"NFC": 1, "unusual spaces": 2, "soft hyphens": 2, "direction marks": 2}
    if task == "topic":
        assert composed["probabilities"] == decomposed["probabilities"]
        return
    key = "entities" if task == "ner" else "words"
    assert [_without_place(part) for part in composed[key]] == [_without_place(part) for part in decomposed[key]]
    for row in (composed, decomposed):
        assert row[key]
        assert all(row["text"][part["start"] : part["end"]] == part["text"] for part in row[key])
    if task == "pos":
        assert [part["text"] for part in composed[key]] == [*forms[0].split()[:-1], "Ju\xadma"]


def _without_place(part: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in part.items() if name not in ("start", "end")}
    return rest | {"text": unicodedata.normalize("NFC", part["text"])}


def test_a_text_that_the_tokenizer_keeps_nothing_of_has_no_class(made: Path) -> None:
    (row,) = predictor(newest_scores(made, "topic")).predict(["\u200d\u200b\ufffd"])
    assert row == {"text": "\u200d\u200b\ufffd", "label": None, "probability": None, "probabilities": {}}


def test_tags_that_are_no_iob_tags_are_told_word_by_word(made: Path) -> None:
    (row,) = predictor(newest_scores(made, "pos")).predict([TEXTS[0]])
    assert [word["text"] for word in row["words"]] == TEXTS[0].split()
    assert {word["label"] for word in row["words"]} <= {"ADJ", "NOUN", "VERB"}


@pytest.mark.parametrize("family", FAMILIES)
def test_words_of_a_new_text_get_the_labels_that_eval_gives_them(family: str, tmp_path: Path) -> None:
    base = make_base(tmp_path, kind=family)
    make_scores(tmp_path, base, None, "pos", ["ADJ", "NOUN", "VERB"], per_token=True)
    result = find_task_adapter(newest_scores(tmp_path, "pos"))
    text = "Amina anaishi (Nairobi), na Juma!"
    words = ["Amina", "anaishi", "(", "Nairobi", ")", ",", "na", "Juma", "!"]
    model, labels = load_task(result.base.load()[0], None, result.folder)
    example = encode(Item(words, ["NOUN"] * len(words)), labels, result.base.load()[1], 40)
    (row,) = load_predictor(replace(result, max_length=40)).predict([text])
    assert [word["text"] for word in row["words"]] == words
    assert [word["label"] for word in row["words"]] == [labels[label] for label in predict(model, [example])[0]]


@pytest.mark.parametrize("task", ["topic", "ner", "pos"])
def test_long_texts_are_read_to_their_end(made: Path, task: str) -> None:
    ours = predictor(newest_scores(made, task))
    assert len(ours.tokenizer(LONG)["input_ids"]) > 3 * POSITIONS
    (row,) = ours.predict([LONG])
    if task == "topic":
        parts = [ours.tokenizer.decode(subset) for subset in _cut(ours, LONG)]
        means = torch.tensor([list(part["probabilities"].values()) for part in ours.predict(parts)]).mean(0)
        result = torch.tensor(list(row["probabilities"].values()))
        assert (result - means).abs().max() < 0.1  # windows weigh as much as they are long; the last is shorter
    elif task == "ner":
        assert row["entities"][-1]["end"] > len(LONG) * 0.8
    else:
        assert [word["text"] for word in row["words"]] == LONG.split()


def _cut(ours: Predictor, text: str) -> list[list[int]]:
    ids = ours.tokenizer(text, add_special_tokens=False)["input_ids"]
    return [ids[start : start + ours.window] for start in range(0, len(ids), ours.window)]


def test_the_same_labels_whether_texts_come_alone_or_together(made: Path) -> None:
    ours = predictor(newest_scores(made, "ner"))
    texts = [TEXTS[0], LONG, "", "Juma", TEXTS[1]]
    together = list(ours.predict(texts))
    for text, row in zip(texts, together, strict=True):
        (alone,) = ours.predict([text])
        keys = [(entity["start"], entity["end"], entity["type"]) for entity in row["entities"]]
        assert keys == [(entity["start"], entity["end"], entity["type"]) for entity in alone["entities"]]


def test_a_moved_workspace_is_at_home_in_its_new_place(workspace: Path) -> None:
    result = find_task_adapter(newest_scores(workspace, "topic", "swh_Latn"))
    assert result.folder.is_relative_to(workspace)
    assert result.language_adapter is not None
    assert result.language_adapter.is_relative_to(workspace)
    assert Path(result.base.name).is_relative_to(workspace)
    assert result.max_length == 24


@pytest.mark.parametrize("language", ["none", "zul_Latn", "xho_Latn"])
def test_another_language_adapter_or_none_takes_the_place_of_the_trained_one(made: Path, language: str) -> None:
    scores = newest_scores(made, "topic")
    other = language if language == "none" else str(newest_adapter(made, language))
    swapped = find_task_adapter(scores, language_adapter=other)
    own, theirs = (list(load_predictor(part).predict(TEXTS)) for part in (find_task_adapter(scores), swapped))
    assert own != theirs
    if language == "xho_Latn":  # a whole model stands in the base's place
        assert swapped.language_adapter is None
        assert swapped.base.name == other


def test_a_task_adapter_alone_wants_its_language_adapter_named(workspace: Path, tmp_path: Path) -> None:
    scores = newest_scores(workspace, "topic")
    given = find_task_adapter(scores)
    assert find_task_adapter(scores / "task-adapter") == given
    alone = shutil.copytree(scores / "task-adapter", tmp_path / "alone")
    with pytest.raises(UserError, match="--language-adapter, or none"):
        find_task_adapter(alone)
    shared = find_task_adapter(alone, language_adapter=str(given.language_adapter), base=given.base.name)
    assert list(load_predictor(shared).predict(TEXTS)) == list(load_predictor(given).predict(TEXTS))


def test_the_newest_finished_scores_of_the_task_are_taken(workspace: Path) -> None:
    first = newest_scores(workspace, "topic")
    later = shutil.copytree(first, first.with_name("topic-later"))
    change_manifest(later, created="2999-01-01T00:00:00+00:00")
    unfinished = shutil.copytree(first, first.with_name("topic-unfinished"))
    (unfinished / "manifest.json").unlink()
    assert newest_scores(workspace, "topic") == later
    with pytest.raises(UserError, match=r"no task adapter for ner in mlt_Latn: run `lrl-adapt eval --task ner`"):
        newest_scores(workspace, "ner", "mlt_Latn")
    with pytest.raises(UserError, match=r"^mlm has no task adapter; use lrl-adapt fill-mask$"):
        newest_scores(workspace, "mlm")
    with pytest.raises(UserError, match="available: ner, pos, sentiment, topic"):
        newest_scores(workspace, "nerr")


def test_what_is_no_task_adapter_is_refused_with_a_way_out(workspace: Path, tmp_path: Path) -> None:
    scores = newest_scores(workspace, "topic")
    adapter = newest_adapter(workspace, "swh_Latn")
    for folder, message in (
        (tmp_path / "nowhere", "no such folder"),
        (adapter, "is a language adapter, not a task adapter"),
        (workspace, "contains no task adapter"),
    ):
        with pytest.raises(UserError, match=message):
            find_task_adapter(folder)
    with pytest.raises(UserError, match="is for topic, not for ner"):
        find_task_adapter(scores, task="ner")
    with pytest.raises(UserError, match="expected a language adapter"):
        find_task_adapter(scores, language_adapter=str(scores))
    change_manifest(scores, parents=["lrl-runs/adapters/swh_Latn/lost"])
    with pytest.raises(UserError, match="lost, which is missing: give it with --language-adapter"):
        find_task_adapter(scores)


def test_bases_that_are_lost_or_do_not_fit_are_told(workspace: Path, tmp_path: Path) -> None:
    scores = newest_scores(workspace, "topic")
    other = make_base(tmp_path / "other", seed=5)
    foreign = make_adapter(tmp_path / "other", other, "seq_bn")
    with pytest.raises(UserError, match="adapters fit their own base only"):
        find_task_adapter(scores, language_adapter=str(foreign.folder))
    with pytest.raises(UserError, match="give its folder or hub id with --base"):
        predictor(scores, base="./nowhere")
    unlike = make_base(tmp_path / "unlike", kind="Unigram")
    _narrow(unlike.folder)
    with pytest.raises(UserError, match="does not fit the base"):
        predictor(newest_scores(workspace, "sentiment"), base=str(unlike.folder))


@pytest.mark.parametrize("file", ["head.safetensors", "adapter_model.safetensors", "task.json"])
def test_files_that_were_cut_off_are_told(workspace: Path, file: str) -> None:
    scores = newest_scores(workspace, "topic")
    whole = (scores / "task-adapter" / file).read_bytes()
    (scores / "task-adapter" / file).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="incomplete"):
        predictor(scores)


def _narrow(folder: Path) -> None:
    """The base in `folder` with a narrower one in its place."""
    from transformers import BertConfig, BertForMaskedLM

    config = BertConfig.from_pretrained(folder, hidden_size=16, num_attention_heads=2)
    BertForMaskedLM(config).save_pretrained(folder)


@pytest.mark.parametrize(
    ("base", "told"),
    [
        ("google-bert/bert-base-multilingual-cased", None),
        ("/models/bert-base-multilingual-cased", None),
        ("/hub/models--google-bert--bert-base-multilingual-cased/snapshots/3f07", None),
        ("google-bert/bert-base-multilingual-uncased", "bert-base-multilingual-cased"),
    ],
)
def test_another_base_than_an_adapters_own_is_told(tmp_path: Path, base: str, told: str | None) -> None:
    config = {"peft_type": "LORA", "base_model_name_or_path": "bert-base-multilingual-cased"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    assert other_base(tmp_path, base) == told
    assert other_base(tmp_path / "gone", base) is None


def test_an_adapter_copied_to_the_root_of_a_disk_has_its_recorded_base() -> None:
    recorded = Path("/runs/bases/swh_Latn/scratch-12345678")
    copied = _Artifact(Path("/adapter"), {"parents": [str(recorded)]})
    assert copied.base == BaseReference(str(recorded))
