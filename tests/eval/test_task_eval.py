"""Which pieces carry a word's tag, and what becomes of words that none carries."""

from pathlib import Path

import pytest
from lrl_adapt.eval.task_data import TaskData
from lrl_adapt.eval.task_eval import TaskSetup, encode, train_and_predict
from lrl_adapt.recipes.schema import Adapter
from lrl_adapt.recipes.task_files import Item
from lrl_adapt.recipes.training import TaskTraining
from lrl_adapt.training.adapters import language_adapter
from lrl_adapt.training.adapters.files import save_adapter
from lrl_adapt.training.masking import IGNORE_INDEX
from lrl_adapt.training.wordpiece import train_tokenizer
from transformers import BertConfig, BertForMaskedLM

TEXT = ["Asha anaishi Moshi", "Juma anakwenda Arusha", "བོད་ཡིག་ནི་", "ภาษาไทย"]
LABELS = ["O", "B-LOC", "B-PER"]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXT, 90)


def base(tokenizer):
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    return BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), **sizes))


def test_the_first_piece_of_each_word_carries_its_tag(tokenizer) -> None:
    item = Item(["Asha", "anaishi", "Moshi"], ["B-PER", "O", "B-LOC"])
    example = encode(item, LABELS, tokenizer, 64)
    pieces = tokenizer.convert_ids_to_tokens(example.input_ids)
    starts = [place for place, piece in enumerate(pieces) if piece[0] != "#" and piece[0] != "["]
    assert [place for place, tag in enumerate(example.label) if tag != IGNORE_INDEX] == starts
    assert [tag for tag in example.label if tag != IGNORE_INDEX] == [2, 0, 1]
    assert example.words == (0, 1, 2)


def test_all_pieces_carry_it_as_in_the_paper(tokenizer) -> None:
    item = Item(["Asha", "anaishi", "Moshi"], ["B-PER", "O", "B-LOC"])
    example = encode(item, LABELS, tokenizer, 64, "all")
    assert example.label[0] == example.label[-1] == IGNORE_INDEX
    words = tokenizer(item.text, is_split_into_words=True).word_ids()[1:-1]
    assert example.label[1:-1] == [(2, 0, 1)[word] for word in words]


@pytest.mark.parametrize("words", [["བོད་", "ཡིག་", "ནི་"], ["ภาษา", "ไทย"]])
def test_words_written_without_spaces_keep_their_bounds(tokenizer, words: list[str]) -> None:
    example = encode(Item(words, ["B-LOC"] + ["O"] * (len(words) - 1)), LABELS, tokenizer, 64)
    assert example.words == tuple(range(len(words)))
    assert [tag for tag in example.label if tag != IGNORE_INDEX] == [1] + [0] * (len(words) - 1)


def setup(tokenizer, folder: Path | None, tested: Path | None, **changes) -> TaskSetup:
    settings = TaskTraining(num_train_epochs=1, reduction_factor=4, max_length=8, **changes)
    return TaskSetup(lambda: (base(tokenizer), tokenizer), folder, tested, settings, "fp32", 1)


def test_words_cut_off_are_outside_and_pieces_are_told_on_demand(tokenizer, tmp_path: Path) -> None:
    long = Item(["Asha", "anaishi", "Juma", "Moshi", "Arusha", "Asha", "Juma"], ["B-PER", "O", *["B-LOC"] * 5])
    data = TaskData({split: [long, long] for split in ("train", "validation", "test")}, LABELS, "entities")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    rows = train_and_predict(setup(tokenizer, None, None), data, tmp_path / "a")
    assert rows[0]["words"] == long.text
    assert rows[0]["gold"] == long.label
    assert rows[0]["guess"][-1] == "O"
    (row, _) = train_and_predict(setup(tokenizer, None, None, label_pieces="all"), data, tmp_path / "b")
    assert len(row["words"]) == len(row["gold"]) == len(row["guess"]) == 6  # 8 less [CLS] and [SEP]
    assert "".join(row["words"]).replace("##", "").startswith("Asha")


@pytest.mark.parametrize("trained", [None, "seq_bn", "lora"])
@pytest.mark.parametrize("tested", ["seq_bn_inv", "lora", "seq_bn", "full", None])
@pytest.mark.slow
def test_a_task_adapter_answers_on_any_language_adapter(tokenizer, trained, tested, tmp_path: Path) -> None:
    folders = {None: None}
    for kind in ("seq_bn", "seq_bn_inv", "lora", "full"):
        folders[kind] = tmp_path / kind
        folders[kind].mkdir()
        save_adapter(language_adapter(base(tokenizer), Adapter(type=kind)), folders[kind])
    items = [Item("Asha anaishi", "a"), Item("Juma Moshi", "b")]
    data = TaskData(dict.fromkeys(("train", "validation", "test"), items), ["a", "b"], "classification")
    rows = train_and_predict(setup(tokenizer, folders[trained], folders[tested]), data, tmp_path)
    assert [(row["text"], row["gold"]) for row in rows] == [("Asha anaishi", "a"), ("Juma Moshi", "b")]
    assert {row["guess"] for row in rows} <= {"a", "b"}
