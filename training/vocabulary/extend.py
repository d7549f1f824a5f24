"""A tokenizer with another vocabulary: everything else about it stays as it is."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ...workspace.errors import UserError
from ..transliterate import romanise, romanised_language, tokenizer_json
from .byte_level import is_byte_level

KINDS = ("WordPiece", "Unigram")
UNUSED = (
    "[unused id {}]"  # a filler: fills ids that the base leaves free, so that the number of pieces is the first free id
)


def read_state(tokenizer: Any, option: str = "vocabulary.pieces", *, adds: bool = True) -> dict[str, Any]:
    """The content of a tokenizer's tokenizer.json.

    Raises UserError, which names the `option`, if its model is neither WordPiece nor Unigram. To byte-level BPE pieces
    can be added (`adds`), but none can be left out, as its pieces are made of each other. BPE that falls back to bytes
    (Gemma, mmBERT) merges across spaces, so a line is a single word.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    kind = type(getattr(backend, "model", None)).__name__
    if (kind in KINDS and tokenizer.unk_token_id is not None) or (adds and is_byte_level(tokenizer)):
        return json.loads(tokenizer_json(tokenizer))
    kinds = "WordPiece (BERT), Unigram (XLM-R)" + (" and byte-level BPE (RoBERTa, ModernBERT)" if adds else "")
    raise UserError(
        f"{option}: this base's tokenizer is of the kind {kind}; only the vocabularies of {kinds} can be changed: "
        f"leave {option} out, or choose another base"
    )


def vocabulary_size(tokenizer: Any) -> int:
    """The first id that is free: one more than the largest."""
    return max(tokenizer.get_vocab().values()) + 1


def with_pieces(tokenizer: Any, state: dict[str, Any], pieces: Mapping[str, Any]) -> Any:
    """A copy of a tokenizer with these pieces, whose ids follow its own in this order; `state` is its `read_state`.

    The values are the pieces' log-probabilities, which only Unigram uses, or for BPE their two parts.
    """
    model, size = dict(state["model"]), vocabulary_size(tokenizer)
    # Tokens that were added to a tokenizer, and are not in its model's vocabulary, are numbered after that.
    added = {token["content"]: token["id"] for token in state["added_tokens"]}
    if model["type"] != "Unigram":
        known = {**model["vocab"], **added}
        holes = {UNUSED.format(number): number for number in sorted({*range(size)} - {*known.values()})}
        model["vocab"] = known | holes | {piece: size + number for number, piece in enumerate(pieces)}
        if model["type"] == "BPE":
            merges = [pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"]]
            model["merges"] = [*merges, *map(list, pieces.values())]
    else:
        content = {number: piece for piece, number in added.items()}
        fillers = [[content.get(n, UNUSED.format(n)), 0.0] for n in range(len(model["vocab"]), size)]
        model["vocab"] = [*model["vocab"], *fillers, *pieces.items()]
    return rebuild(tokenizer, state | {"model": model})


def rebuild(tokenizer: Any, state: dict[str, Any]) -> Any:
    """A copy of a tokenizer with another `state`, the content of tokenizer.json.

    It is of transformers' general class, whose files say everything: that of BERT sets its own normalizer whenever it
    is loaded.
    """
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    rebuilt = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(state | {"truncation": None, "padding": None})),
        model_max_length=tokenizer.model_max_length,
        model_input_names=tokenizer.model_input_names,
        **tokenizer.special_tokens_map,
    )
    rebuilt.name_or_path = tokenizer.name_or_path  # of the base, for messages and model cards
    language = romanised_language(tokenizer)
    return romanise(rebuilt, language) if language else rebuilt


def filler_ids(tokenizer: Any) -> list[int]:
    """The ids of fillers, which stand for no piece and are never trained."""
    start = UNUSED.partition("{")[0]
    return sorted(number for piece, number in tokenizer.get_vocab().items() if piece.startswith(start))


def count_words(tokenizer: Any, texts: Iterable[str]) -> Counter[str]:
    """How often each word occurs in texts, in the form in which it reaches the tokenizer's model."""
    backend = tokenizer.backend_tokenizer
    normalizer, pre_tokenizer = backend.normalizer, backend.pre_tokenizer
    words: Counter[str] = Counter()
    for text in texts:
        normal = normalizer.normalize_str(text) if normalizer else text
        split = pre_tokenizer.pre_tokenize_str(normal) if pre_tokenizer else [(normal, None)]
        words.update(word for word, _ in split)
    return words
