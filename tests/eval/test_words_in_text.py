"""Words of labelled sentences have the pieces of running text, whatever kind of tokenizer the base has."""

from bisect import bisect_right
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lrl_adapt.eval.segmentation import label_units, words_as_in_text
from lrl_adapt.eval.task_eval import encode
from lrl_adapt.recipes.task_files import Item
from lrl_adapt.training.masking import IGNORE_INDEX

from ..tiny_tokenizers import FAMILIES

SENTENCES = [
    "Amina anaishi Nairobi , ng'ombe ' wawili ' ( 3 ) .",
    "Juma Ħabib anakwenda Għawdex na Żejtun mwaka wa 2024",
    "« 'neno' » 1,000 na 50 % kesho asubuhi sana",
]
TEXTS = [*SENTENCES, "Amina anaishi Nairobi, ng'ombe 'wawili' (3).", "安倍は東京。", "ภาษาไทย", "བོད་ཀྱི་ལྷ་ས།"]
TOKENIZERS = {name: train(TEXTS) for name, train in FAMILIES.items()}
WORDS_ALONE = ["WordPiece", "Unigram", "byte-level BPE with a prefix space"]


def labelled(words: list[str], tokenizer: Any, label_pieces: Any = "first"):
    """The example of a sentence whose every word has a label of its own."""
    labels = [str(number) for number in range(len(words))]
    return encode(Item(words, labels), labels, tokenizer, 512, label_pieces)


def words_by_offsets(text: str, tokenizer: Any) -> list[int]:
    """For each piece of a running text the word that it begins in, or the next where it begins with the space."""
    encoded = tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True)
    ends = [end - 1 for end in accumulate(len(word) + 1 for word in text.split(" "))]
    pieces = zip(encoded["offset_mapping"], encoded["special_tokens_mask"], strict=True)
    return [IGNORE_INDEX if special else bisect_right(ends, start) for (start, _), special in pieces]


@pytest.mark.parametrize("sentence", SENTENCES)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_labelled_sentence_has_the_pieces_of_its_text_and_each_word_its_label(family: str, sentence: str) -> None:
    tokenizer = TOKENIZERS[family]
    words = sentence.split(" ")
    example = labelled(words, tokenizer, "all")
    assert example.input_ids == tokenizer(sentence)["input_ids"]
    assert example.label == words_by_offsets(sentence, tokenizer)
    firsts = labelled(words, tokenizer)
    assert firsts.input_ids == example.input_ids
    assert firsts.words == tuple(range(len(words)))
    assert [firsts.label.index(word) for word in range(len(words))] == [  # type: ignore[union-attr]
        example.label.index(word)  # type: ignore[union-attr]
        for word in range(len(words))
    ]


@given(st.lists(st.text("amnisNħé'’.,-(3½", min_size=1, max_size=5), min_size=1, max_size=8))
def test_any_words_have_the_pieces_of_their_text(words: list[str]) -> None:
    for family, tokenizer in TOKENIZERS.items():
        assert labelled(words, tokenizer).input_ids == tokenizer(" ".join(words))["input_ids"], family


@pytest.mark.parametrize("family", FAMILIES)
def test_new_text_has_the_pieces_of_labelled_text_and_its_words_the_same_places(family: str) -> None:
    tokenizer, text = TOKENIZERS[family], TEXTS[3]
    pieces, units = label_units(text, tokenizer)
    words = [text[unit.start : unit.end] for unit in units]
    assert words == SENTENCES[0].split(" ")
    example = labelled(words, tokenizer)
    assert pieces == example.input_ids[1:-1]
    assert [unit.token + 1 for unit in units] == [
        place
        for place, label in enumerate(example.label)  # type: ignore[arg-type]
        if label != IGNORE_INDEX
    ]


@pytest.mark.parametrize("words", [["安倍", "は", "東京", "。"], ["ภาษา", "ไทย"], ["བོད་", "ཀྱི་", "ལྷ་", "ས", "།"]])
@pytest.mark.parametrize("family", FAMILIES)
def test_words_of_scripts_without_spaces_are_tokenised_by_themselves(family: str, words: list[str]) -> None:
    tokenizer = TOKENIZERS[family]
    example = labelled(words, tokenizer)
    bodies = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in words]
    assert example.input_ids[1:-1] == [piece for body in bodies for piece in body]
    assert example.words == tuple(range(len(words)))


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in WORDS_ALONE])
@pytest.mark.parametrize(
    ("words", "as_in_text"),
    [
        (["'", "Amina", "'", "."], ["'", " Amina", " '", " ."]),
        (["", "Amina", "", "anaishi"], ["", "Amina", "", " anaishi"]),
        (["2024", "年", "、", "「", "東京", "」", "。"], ["2024", "年", "、", "「", "東京", "」", "。"]),
        (["New", "York", "の", "人"], ["New", " York", "の", "人"]),
        (["ལྷ་", "ས", "།", "Lhasa", "City"], ["ལྷ་", "ས", "།", "Lhasa", " City"]),
    ],
)
def test_a_space_stands_before_a_word_but_not_beside_scripts_without(
    family: str, words: list[str], as_in_text: list[str]
) -> None:
    assert words_as_in_text(words, TOKENIZERS[family]) == as_in_text


@pytest.mark.parametrize("family", WORDS_ALONE)
def test_tokenizers_that_mark_words_get_them_as_they_are(family: str) -> None:
    words = ["Amina", "anaishi", "東京", ""]
    assert words_as_in_text(words, TOKENIZERS[family]) == words
