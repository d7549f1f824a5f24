"""New merges for byte-level BPE, which come after the base's own."""

from collections import Counter
from typing import Any

import pytest
import torch
from lrl_adapt.training.vocabulary.byte_level import BpeSplitter, decode_piece
from lrl_adapt.training.vocabulary.extend import count_words, read_state
from lrl_adapt.training.vocabulary.pieces import reads_badly, splitter_of
from lrl_adapt.training.vocabulary.reference import changed_share, without_changes
from lrl_adapt.training.vocabulary.rows import initial_rows

from ...bases import TEXTS
from ...tiny_tokenizers import byte_level, byte_level_with_prefix, byte_level_with_template
from .test_new_pieces import AMHARIC, TIBETAN, learn

MODEL = {"vocab": {letter: number for number, letter in enumerate(["Ġ", "a", "b", "c", "d", "ab"])}, "merges": ["a b"]}


@pytest.fixture(params=[byte_level, byte_level_with_prefix, byte_level_with_template])
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return request.param(TEXTS)


@pytest.mark.parametrize("texts", [TIBETAN, AMHARIC], ids=["Tibetan", "Amharic"])
def test_text_is_split_shorter_and_other_text_as_before(tokenizer: Any, texts: list[str]) -> None:
    extended, pieces = learn(tokenizer, texts)
    before, after = (sum(len(each.tokenize(text)) for text in texts) for each in (tokenizer, extended))
    assert after < before / 3
    assert [extended.decode(extended(text)["input_ids"], skip_special_tokens=True).strip() for text in texts] == texts
    size = len(tokenizer)
    assert extended.convert_tokens_to_ids(list(pieces)) == list(range(size, size + len(pieces)))
    assert len(extended) == size + len(pieces)
    for text in (*TEXTS, "Habari 24 za (asubuhi)! Üç naïve 😀"):
        assert extended(text, return_offsets_mapping=True) == tokenizer(text, return_offsets_mapping=True)


def test_a_splitter_splits_as_the_longer_tokenizer(tokenizer: Any) -> None:
    extended, pieces = learn(tokenizer, TIBETAN)
    words = count_words(tokenizer, TIBETAN)
    splitter = splitter_of(read_state(tokenizer), words)
    for each, longer in ((tokenizer, splitter), (extended, splitter.with_pieces(pieces))):
        assert longer.count_pieces(words) == Counter(piece for text in TIBETAN for piece in each.tokenize(text))


def test_the_most_frequent_neighbours_are_merged_into_pieces_that_the_base_lacks() -> None:
    from lrl_adapt.training.vocabulary.byte_level import learn_merged_pieces

    splitter = BpeSplitter(MODEL, {})
    assert splitter.split("Ġabcab") == ["Ġ", "ab", "c", "ab"]
    # (ab, c) occurs 5 times, (abc, d) 3 times
    pieces = learn_merged_pieces(splitter, MODEL["vocab"], Counter({"abcd": 3, "abc": 2, "dd": 1}), 2)
    assert pieces == {"abc": ("ab", "c"), "abcd": ("abc", "d")}
    assert splitter.with_pieces(pieces).split("abcdabcab") == ["abcd", "abc", "ab"]
    # the base has "bc", which its merges never make of "b" and "c": no second way to it
    longer = BpeSplitter(MODEL | {"vocab": {**MODEL["vocab"], "bc": 6}}, {})
    assert learn_merged_pieces(longer, {**MODEL["vocab"], "bc": 6}, Counter({"bc": 9, "cd": 1}), 5) == {
        "cd": ("c", "d")
    }


def test_merges_that_would_change_the_reference_text_are_left_out_with_those_built_on_them() -> None:
    splitter = BpeSplitter(MODEL, {})
    pieces = {"cd": ("c", "d"), "abcd": ("ab", "cd"), "dc": ("d", "c"), "dcdc": ("dc", "dc"), "da": ("d", "a")}
    reference = Counter({"abcd": 1, "bb": 3})
    assert changed_share(splitter, pieces, reference) == 1 / 4
    assert without_changes(splitter, pieces, reference) == {"dc": ("d", "c"), "dcdc": ("dc", "dc"), "da": ("d", "a")}
    assert without_changes(splitter, pieces, Counter({"adc": 1})) == {
        "cd": ("c", "d"),
        "abcd": ("ab", "cd"),
        "da": ("d", "a"),
    }


def test_words_in_bytes_are_read_badly(tokenizer: Any) -> None:
    splitter = splitter_of(read_state(tokenizer), [])
    (word,) = count_words(tokenizer, ["ལ"])
    assert splitter.length(word) == 1
    assert reads_badly(splitter, word)
    assert decode_piece(word) == "ལ"
    assert not reads_badly(splitter, "Ġ" + next(iter(count_words(tokenizer, [TEXTS[0]]))).removeprefix("Ġ"))


def test_first_rows() -> None:
    tokenizer = byte_level(TEXTS)
    embeddings = torch.randn(len(tokenizer), 8, generator=torch.Generator().manual_seed(0))
    _, pieces = learn(tokenizer, TIBETAN)
    piece, parts = list(pieces.items())[-1]
    rows = initial_rows(embeddings, tokenizer, [piece], "decompose", 5)
    ids = [token.id for token in tokenizer.backend_tokenizer.model.tokenize(piece)]
    assert "".join(tokenizer.convert_ids_to_tokens(ids)) == piece == "".join(parts)
    torch.testing.assert_close(rows[0], embeddings[ids].mean(0))
