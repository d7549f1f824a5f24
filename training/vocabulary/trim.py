"""A model with the pieces that a language's text uses, and those that any other text falls back to.

In a small multilingual model most weights are embeddings of other languages (Abdaoui et al. 2020, "Load What You Need",
https://arxiv.org/abs/2010.05609).
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import torch
from transformers import PreTrainedModel

from ..tokens import BATCH_ROWS, chunks
from ..wordpiece import CONTINUATION
from .extend import count_words, rebuild

BYTE = re.compile(r"<0x[0-9A-F]{2}>")  # a piece of SentencePiece's byte fallback
SPECIAL_IDS = tuple(f"{name}_token_id" for name in ("pad", "bos", "eos", "cls", "sep", "mask"))


def kept_pieces(tokenizer: Any, state: dict[str, Any], texts: Iterable[str], first: int = 0) -> list[int]:
    """The ids, in order, of the pieces that `texts` use, of special tokens, and of all single characters and bytes.

    With these pieces alone the texts are split as before, and any other text that can be read now can still be read.
    `state` is the tokenizer's `read_state`. The ids below `first` are kept, too, and do not change.
    """
    vocab, model = tokenizer.get_vocab(), state["model"]
    is_wordpiece = model["type"] == "WordPiece"
    kept = {token["id"] for token in state["added_tokens"]} | set(tokenizer.all_special_ids)
    kept |= {number for piece, number in vocab.items() if number < first or _is_fallback(piece, is_wordpiece)}
    if not is_wordpiece:  # the cost of an unknown character depends on the lowest score
        kept.add(min(range(len(model["vocab"])), key=lambda number: model["vocab"][number][1]))
    longest = max(map(len, vocab))
    for batch in chunks(texts, BATCH_ROWS):
        encoded = tokenizer(batch, add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]
        kept.update(*encoded)
        if is_wordpiece:
            partly_read = [text for text, ids in zip(batch, encoded, strict=True) if tokenizer.unk_token_id in ids]
            for word in count_words(tokenizer, partly_read):
                kept.update(vocab[piece] for piece in _matches(word, vocab, longest))
    return sorted(kept)


def _is_fallback(piece: str, is_wordpiece: bool) -> bool:
    return len(piece.removeprefix(CONTINUATION) if is_wordpiece else piece) == 1 or bool(BYTE.fullmatch(piece))


def _matches(word: str, vocab: Collection[str], longest: int) -> Iterator[str]:
    """The pieces that WordPiece matches in a word, up to the character at which it gives up and the word is unknown.

    Without these pieces shorter ones could match instead, and the word would be split in another way.
    """
    start = 0
    while start < len(word):
        mark = CONTINUATION if start else ""
        ends = range(min(len(word), start + longest), start, -1)
        end = next((end for end in ends if mark + word[start:end] in vocab), None)
        if end is None:
            return
        yield mark + word[start:end]
        start = end


def trim_tokenizer(tokenizer: Any, state: dict[str, Any], kept: Sequence[int]) -> Any:
    """A copy of a tokenizer with the pieces `kept`, numbered from 0 in their order."""
    new_ids = {number: new for new, number in enumerate(kept)}
    piece_of = {number: piece for piece, number in tokenizer.get_vocab().items()}
    model = dict(state["model"])
    if model["type"] == "WordPiece":
        model["vocab"] = {piece_of[number]: new for number, new in new_ids.items()}
    else:
        scores = dict(model["vocab"])
        model["vocab"] = [[piece_of[number], scores.get(piece_of[number], 0.0)] for number in kept]
        model["unk_id"] = new_ids[model["unk_id"]]
    return rebuild(
        tokenizer,
        state
        | {
            "model": model,
            "added_tokens": [token | {"id": new_ids[token["id"]]} for token in state["added_tokens"]],
            "post_processor": _renumbered(state["post_processor"], new_ids),
        },
    )


def _renumbered(part: Any, new_ids: dict[int, int]) -> Any:
    """A post-processor's state with other ids: they are in lists, alone under "ids" or each after its token."""
    if isinstance(part, dict):
        return {key: _renumbered(value, new_ids) for key, value in part.items()}
    if isinstance(part, list):
        return [new_ids[item] if isinstance(item, int) else _renumbered(item, new_ids) for item in part]
    return part


def trim_rows(model: PreTrainedModel, kept: Sequence[int]) -> None:
    """Keep the rows `kept`, which ascend, of a model's embeddings and decoder, and renumber its special tokens."""
    embedding: Any = model.get_input_embeddings()
    decoder: Any = model.get_output_embeddings()
    tensors = {id(tensor): tensor for tensor in (embedding.weight, decoder.weight, decoder.bias) if tensor is not None}
    with torch.no_grad():
        for tensor in tensors.values():  # a tied matrix once
            tensor[: len(kept)] = tensor[list(kept)]
    model.resize_token_embeddings(len(kept))
    for name in SPECIAL_IDS:
        if getattr(model.config, name, None) in kept:
            setattr(model.config, name, kept.index(getattr(model.config, name)))
