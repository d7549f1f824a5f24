"""Learning pieces for a script that a tokenizer cannot read, without changing how it reads other text."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from lrl_adapt.training.vocabulary.extend import count_words, read_state, vocabulary_size, with_pieces
from lrl_adapt.training.vocabulary.pieces import learn_new_pieces, number_of_pieces, reads_badly, splitter_of
from lrl_adapt.training.vocabulary.reference import changed_share, reference_text, without_changes
from lrl_adapt.training.vocabulary.rows import initial_rows, script_of
from lrl_adapt.training.vocabulary.splitter import Splitter, bare
from lrl_adapt.workspace.errors import UserError
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from ...bases import TEXTS
from ...tiny_tokenizers import byte_fallback, unigram, wordpiece

TIBETAN = ["བོད་ཀྱི་སྐད་ཡིག་སྦྱོང་བ་ནི་གལ་ཆེན་པོ་ཡིན།", "དེ་རིང་ཆར་པ་བབས་པས་ལམ་ལ་ཆུ་མང་པོ་འདུག"]
AMHARIC = ["ዛሬ ከባድ ዝናብ ዘንቧል", "ልጆቹ በሜዳው ላይ ኳስ ይጫወታሉ"]


@pytest.fixture(params=["wordpiece", "unigram"])
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return {"wordpiece": wordpiece, "unigram": unigram}[request.param](TEXTS)


def learn(tokenizer: Any, texts: list[str], most: int = 200) -> tuple[Any, dict[str, Any]]:
    words, state = count_words(tokenizer, texts), read_state(tokenizer)
    splitter = splitter_of(state, words)
    pieces = learn_new_pieces(splitter, tokenizer.get_vocab().keys(), words, most)
    return with_pieces(tokenizer, state, pieces), pieces


def unknown_share(tokenizer: Any, texts: list[str]) -> float:
    ids = [number for text in texts for number in tokenizer(text, add_special_tokens=False)["input_ids"]]
    return ids.count(tokenizer.unk_token_id) / len(ids)


@pytest.mark.parametrize("texts", [TIBETAN, AMHARIC], ids=["Tibetan", "Amharic"])
def test_a_script_is_read_that_was_unknown(tokenizer: Any, texts: list[str]) -> None:
    extended, pieces = learn(tokenizer, texts)
    assert unknown_share(tokenizer, texts) > 0.4
    assert unknown_share(extended, texts) == 0
    size = vocabulary_size(tokenizer)
    assert [extended.convert_tokens_to_ids(piece) for piece in pieces] == list(range(size, size + len(pieces)))
    assert vocabulary_size(extended) == size + len(pieces)
    assert not pieces.keys() & tokenizer.get_vocab().keys()


def test_what_the_base_reads_stays_as_it_is(tokenizer: Any) -> None:
    extended, _ = learn(tokenizer, TIBETAN)
    for text in (*TEXTS[:3], "Habari 24 za (asubuhi)!"):
        assert extended(text)["input_ids"] == tokenizer(text)["input_ids"]
    for name in ("mask_token_id", "pad_token_id", "unk_token_id", "cls_token_id", "sep_token_id", "model_max_length"):
        assert getattr(extended, name) == getattr(tokenizer, name)


def test_the_longer_tokenizer_is_the_same_once_saved(tokenizer: Any, tmp_path: Path) -> None:
    from lrl_adapt.training.base import load_tokenizer

    extended, _ = learn(tokenizer, TIBETAN)
    extended.save_pretrained(tmp_path)
    again = load_tokenizer(str(tmp_path), None, "base")
    for text in (*TIBETAN, *TEXTS[:3]):
        assert again(text)["input_ids"] == extended(text)["input_ids"]


def test_pieces_are_the_same_every_time_and_no_more_than_asked_for(tokenizer: Any) -> None:
    most = 30
    (_, first), (_, second) = (learn(tokenizer, TIBETAN, most) for _ in range(2))
    assert list(first.items()) == list(second.items())
    assert 20 <= len(first) <= most


def test_a_splitter_splits_as_its_tokenizer(tokenizer: Any) -> None:
    extended, pieces = learn(tokenizer, TIBETAN)
    for text in (TIBETAN[0], TEXTS[0]):
        words = count_words(tokenizer, [text])
        splitter = splitter_of(read_state(tokenizer), words)
        for each, longer in ((tokenizer, splitter), (extended, splitter.with_pieces(pieces))):
            ids = each(text, add_special_tokens=False)["input_ids"]
            counts = Counter(None if n == each.unk_token_id else each.convert_ids_to_tokens(n) for n in ids)
            assert longer.count_pieces(words) == counts


def test_pieces_that_would_change_the_reference_text_are_left_out(tokenizer: Any) -> None:
    words = count_words(tokenizer, TEXTS)
    splitter = splitter_of(read_state(tokenizer), words)
    longest = max(words, key=len)
    assert len(splitter.split(longest)) > 1
    pieces = {longest: -1.0, "བོད": -2.0}
    assert changed_share(splitter, pieces, words) == words[longest] / words.total()
    assert without_changes(splitter, pieces, words) == {"བོད": -2.0}


def test_the_reference_text_is_english_unless_a_file_is_named(tmp_path: Path) -> None:
    words = " ".join(reference_text(None)).split()
    assert len(words) > 10_000
    assert {"the", "statement", "expression"} <= set(words)
    (tmp_path / "text.txt").write_text("habari\nza asubuhi\n", encoding="utf-8")
    assert list(reference_text(str(tmp_path / "text.txt"))) == ["habari", "za asubuhi"]
    (tmp_path / "bad.gz").write_bytes(b"no gzip")
    with pytest.raises(UserError, match=r"vocabulary\.reference: cannot read .*bad\.gz"):
        reference_text(str(tmp_path / "bad.gz"))


def test_words_in_single_characters_are_read_badly() -> None:
    splitter = Splitter("WordPiece", dict.fromkeys(["[UNK]", "a", "##b", "##c", "##de", "##fgh"], 0.0), "[UNK]")
    assert reads_badly(splitter, "abc")
    assert not reads_badly(splitter, "adefgh")
    assert reads_badly(splitter, "az")
    assert not reads_badly(splitter, "a")


@pytest.mark.parametrize(
    ("badly_read", "well_read", "pieces"),
    [(99, 10_000, 0), (1_000, 10_000, 5), (200_000, 0, 1_000), (9_000_000, 0, 8_000)],
)
def test_with_auto_the_number_of_pieces_follows_from_the_text(badly_read: int, well_read: int, pieces: int) -> None:
    splitter = Splitter("WordPiece", {"[UNK]": 0.0, "good": 0.0}, "[UNK]")
    words = Counter({"z": badly_read, "good": well_read // 4})
    assert number_of_pieces(splitter, words) == pieces


def test_bpe_that_falls_back_to_bytes_is_refused() -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE({"<unk>": 0}, [])), unk_token="<unk>")
    for each in (tokenizer, byte_fallback(TEXTS)):
        with pytest.raises(UserError, match=r"vocabulary\.pieces: .* of the kind BPE; .* and byte-level BPE \(RoBERTa"):
            read_state(each)


def test_first_rows() -> None:
    tokenizer = wordpiece(TEXTS)
    embeddings = torch.randn(len(tokenizer), 8, generator=torch.Generator().manual_seed(0)) + 3
    parts = tokenizer("habarimpira", add_special_tokens=False)["input_ids"]
    assert len(parts) > 1
    pieces = ["habarimpira", "བོད", "##mpirahabari"]
    mean, deviation = embeddings.mean(0), embeddings.std(0)
    noise = torch.randn(3, 8, generator=torch.Generator().manual_seed(5))
    rows = initial_rows(embeddings, tokenizer, pieces, "decompose", 5)
    torch.testing.assert_close(rows[0], embeddings[parts].mean(0))
    torch.testing.assert_close(rows[1], mean + deviation * noise[1])  # the base has no Tibetan piece
    latin = [n for n in range(len(tokenizer)) if script_of(bare(tokenizer.convert_ids_to_tokens(n))) == "LATIN"]
    rows = initial_rows(embeddings, tokenizer, pieces, "script_mean", 5)
    want = embeddings[latin].mean(0) + embeddings[latin].std(0) * noise[2]
    torch.testing.assert_close(rows[2], want)
    rows = initial_rows(embeddings, tokenizer, pieces, "random", 5)
    torch.testing.assert_close(rows[2], mean + deviation * noise[2])


@pytest.mark.parametrize(
    ("text", "script"), [("བོད", "TIBETAN"), ("ልጆቹ", "ETHIOPIC"), ("1a", "LATIN"), ("12", ""), ("", "")]
)
def test_scripts(text: str, script: str) -> None:
    assert script_of(text) == script


def test_ids_that_the_base_leaves_free_do_not_shift_the_new_ones(tokenizer: Any) -> None:
    """As duplicate lines of a vocab.txt do: the new rows are those from the first free id to the last."""
    state = read_state(tokenizer)
    if state["model"]["type"] == "Unigram":
        pytest.skip("Unigram's ids are positions")
    vocab = state["model"]["vocab"]
    last = max(vocab, key=vocab.__getitem__)
    vocab[last] += 2
    holed = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(state)), **tokenizer.special_tokens_map
    )
    extended, pieces = learn(holed, TIBETAN)
    size = vocabulary_size(holed)
    assert len(holed) < size
    assert len(extended) == size + len(pieces)
    assert [extended.convert_tokens_to_ids(piece) for piece in pieces] == list(range(size, size + len(pieces)))
