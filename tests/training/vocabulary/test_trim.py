"""Trimmed vocabularies: the language's text is split and scored as before, and other text can still be read."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lrl_adapt.training.base import load_tokenizer
from lrl_adapt.training.families import family_of
from lrl_adapt.training.vocabulary.extend import read_state
from lrl_adapt.training.vocabulary.trim import kept_pieces, trim_rows, trim_tokenizer
from lrl_adapt.workspace.errors import UserError

from ...bases import TEXTS
from ...tiny_tokenizers import FAMILIES as TOKENIZERS
from ...tiny_tokenizers import byte_level, wordpiece
from ..models import FAMILIES, tiny
from .test_new_pieces import TIBETAN, learn

OTHERS = ["zabibu nyingine, 24!", "Mvua ya masika (kubwa) & ndogo", TIBETAN[0], "qqq xx"]


@pytest.fixture(params=["WordPiece", "Unigram"])
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return TOKENIZERS[request.param](TEXTS)


def trim(tokenizer: Any, texts: list[str]) -> tuple[Any, list[int]]:
    state = read_state(tokenizer)
    kept = kept_pieces(tokenizer, state, texts)
    return trim_tokenizer(tokenizer, state, kept), kept


def tokens(tokenizer: Any, text: str) -> list[str]:
    return tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])


@pytest.mark.parametrize("new_pieces", [False, True])
def test_the_texts_are_split_as_before(tokenizer: Any, new_pieces: bool, tmp_path: Path) -> None:
    texts = [TEXTS[0], "asubuhi བོད་ཀྱི [MASK] <mask>", *(TIBETAN if new_pieces else [])]
    if new_pieces:
        tokenizer, _ = learn(tokenizer, TIBETAN)
    trimmed, kept = trim(tokenizer, texts)
    assert len(trimmed) == len(kept) < len(tokenizer)
    trimmed.save_pretrained(tmp_path)
    for shorter in (trimmed, load_tokenizer(str(tmp_path), None, "base")):
        for text in texts:
            assert [kept[number] for number in shorter(text)["input_ids"]] == tokenizer(text)["input_ids"]
            assert tokens(shorter, text) == tokens(tokenizer, text)
    for name in ("mask_token", "pad_token", "unk_token", "cls_token", "sep_token", "model_max_length"):
        assert getattr(trimmed, name) == getattr(tokenizer, name)


def test_what_could_be_read_still_can_be(tokenizer: Any) -> None:
    trimmed, _ = trim(tokenizer, [TEXTS[0]])
    shorter = 0
    for text in (*TEXTS, *OTHERS):
        before, after = tokens(tokenizer, text), tokens(trimmed, text)
        assert before.count(tokenizer.unk_token) == after.count(tokenizer.unk_token)
        shorter += len(before) < len(after)
    assert shorter


def test_an_unknown_word_stays_unknown() -> None:
    """WordPiece takes the longest piece first: without `ab`, it would read `abcd` as a and ##bcd."""
    tokenizer = wordpiece(TEXTS)
    state = read_state(tokenizer)
    first = len(tokenizer)
    state["model"]["vocab"] |= {piece: first + n for n, piece in enumerate(["ξ", "ξψ", "##ψωδ"])}
    from lrl_adapt.training.vocabulary.extend import rebuild

    tokenizer = rebuild(tokenizer, state)
    assert tokens(tokenizer, "ξψωδ")[1:-1] == ["[UNK]"]
    for text in ("ξψωδ", "ξψωδ ξ ωωω ##ψωδ"):
        trimmed, kept = trim(tokenizer, [text, "ξ"])
        assert tokens(trimmed, text) == tokens(tokenizer, text)
        assert first + 1 in kept


def test_bpe_is_refused() -> None:
    with pytest.raises(UserError, match=r"^--trim: .* of the kind BPE; .*: leave --trim out, or choose another base$"):
        read_state(byte_level(TEXTS), "--trim", adds=False)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "modernbert"])
def test_kept_rows_give_the_same_logits(family: str, tmp_path: Path) -> None:
    model: Any = tiny(family)
    model.config.pad_token_id = 2
    model.save_pretrained(tmp_path)
    model = type(model).from_pretrained(tmp_path).eval()
    first = family_of(family).first_position(model.config)
    kept = sorted({*range(first), 2, 5, 6, 9, 40, 41, 96})
    ids = torch.tensor([[5, 40, 96, 2, 2], [41, 6, 5, 40, 9]])
    mask = (ids != 2).long()
    want = model(input_ids=ids, attention_mask=mask).logits[..., kept]
    trim_rows(model, kept)
    model.save_pretrained(tmp_path / "trimmed")
    shorter = torch.tensor([[kept.index(number) for number in row] for row in ids.tolist()])
    for trimmed in (model, type(model).from_pretrained(tmp_path / "trimmed").eval()):
        assert trimmed.config.vocab_size == len(kept)
        assert trimmed.config.pad_token_id == kept.index(2)
        torch.testing.assert_close(trimmed(input_ids=shorter, attention_mask=mask).logits, want, atol=1e-6, rtol=1e-5)
