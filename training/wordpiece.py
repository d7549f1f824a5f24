"""A WordPiece vocabulary learnt from text, the same for the same text.

The merges are those of byte-pair encoding (Sennrich et al. 2016, https://aclanthology.org/P16-1162) with ties broken by
spelling; the trainer of the tokenizers library breaks them by chance, so its vocabularies differ from run to run.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from ..workspace import text

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CONTINUED = "##"
# What all text loses (`workspace.text`), the rest of what BERT drops as controls, and the tags of flags. Other format
# characters are letters' companions: signs of the Qur'an (U+06DD), of Syriac, Kaithi and Mongolian.
DROPPED = f"[{text.DROPPED}\x1c-\x1f\ufffd\U000e0020-\U000e007f]"

Pair = tuple[str, str]


def train_tokenizer(texts: Iterable[str], size: int, alphabet: str = "") -> Any:
    """A cased WordPiece tokenizer with at most `size` pieces, the five special ones and every character included.

    So are the characters of `alphabet`, at the start of a word and in it (more pieces than `size` only for these). It
    cuts text as BERT's does, but text comes in normal form C, ZWJ and ZWNJ stay, which Sinhala, Persian and others are
    spelled with, and a zero-width space parts words.
    """
    from tokenizers import pre_tokenizers

    normal, split = _normalizer(), pre_tokenizers.BertPreTokenizer()
    words: Counter[str] = Counter()
    for line in texts:
        words.update(word for word, _ in split.pre_tokenize_str(normal.normalize_str(line)))
    letters = dict.fromkeys(normal.normalize_str(alphabet).replace(" ", ""))
    spelled = [piece for letter in letters for piece in (letter, CONTINUED + letter)]
    pieces = [*SPECIALS, *learn_pieces(words, size - len(SPECIALS), spelled)]
    return _tokenizer({piece: number for number, piece in enumerate(pieces)})


def _normalizer() -> Any:
    from tokenizers import Regex, normalizers

    return normalizers.Sequence(
        [
            normalizers.NFC(),
            normalizers.Replace("\u200b", " "),
            normalizers.Replace(Regex(DROPPED), ""),
            normalizers.BertNormalizer(clean_text=False, lowercase=False, strip_accents=False),
        ]
    )


def _tokenizer(vocab: dict[str, int]) -> Any:
    """Not transformers' BertTokenizer: that one sets BERT's own normalizer again whenever it is loaded."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pad, unknown, start, end, mask = SPECIALS
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token=unknown))
    tokenizer.normalizer = _normalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix=CONTINUED)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start}:0 $A:0 {end}:0",
        pair=f"{start}:0 $A:0 {end}:0 $B:1 {end}:1",
        special_tokens=[(start, vocab[start]), (end, vocab[end])],
    )
    names = {"pad_token": pad, "unk_token": unknown, "cls_token": start, "sep_token": end, "mask_token": mask}
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=512, model_input_names=inputs, **names)


def learn_pieces(words: Counter[str], size: int, known: Iterable[str] = ()) -> list[str]:
    """Pieces for counted words: all characters, then merges of the most frequent neighbours, up to `size`.

    `known` pieces are there from the start.
    """
    spelled = {word: [word[0], *(CONTINUED + letter for letter in word[1:])] for word in sorted(words)}
    pieces = dict.fromkeys(sorted({*known, *(piece for letters in spelled.values() for piece in letters)}))
    counts: Counter[Pair] = Counter()
    places: defaultdict[Pair, set[str]] = defaultdict(set)
    for word, letters in spelled.items():
        _count(letters, words[word], word, counts, places)
    queue = [(-count, pair) for pair, count in counts.items()]
    heapq.heapify(queue)
    while queue and len(pieces) < size:
        count, pair = heapq.heappop(queue)
        if counts[pair] != -count:
            continue  # an entry from before the count changed
        pieces[pair[0] + pair[1].removeprefix(CONTINUED)] = None
        changed: dict[Pair, None] = {}
        for word in sorted(places[pair]):
            changed.update(dict.fromkeys(_count(spelled[word], -words[word], word, counts, places)))
            spelled[word] = _merge(spelled[word], pair)
            changed.update(dict.fromkeys(_count(spelled[word], words[word], word, counts, places)))
        for neighbour in changed:
            if counts[neighbour] > 0:
                heapq.heappush(queue, (-counts[neighbour], neighbour))
    return list(pieces)


def _count(
    letters: list[str], times: int, word: str, counts: Counter[Pair], places: defaultdict[Pair, set[str]]
) -> list[Pair]:
    """Add `times` for each pair of neighbours in a word (negative: take away); the pairs."""
    pairs = list(pairwise(letters))
    for pair in pairs:
        counts[pair] += times
        if times > 0:
            places[pair].add(word)
        else:
            places[pair].discard(word)
    return pairs


def _merge(letters: list[str], pair: Pair) -> list[str]:
    merged: list[str] = []
    for letter in letters:
        if merged and (merged[-1], letter) == pair:
            merged[-1] = pair[0] + pair[1].removeprefix(CONTINUED)
        else:
            merged.append(letter)
    return merged
