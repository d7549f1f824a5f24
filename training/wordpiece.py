"""A WordPiece vocabulary learnt from text, the same for the same text.

The merges are those of byte-pair encoding (Sennrich et al. 2016, https://aclanthology.org/P16-1162) with ties broken by
spelling; the trainer of the tokenizers library breaks them by chance, so its vocabularies differ from run to run.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CONTINUED = "##"

Pair = tuple[str, str]


def train_tokenizer(texts: Iterable[str], size: int, alphabet: str = "") -> Any:
    """A cased BERT tokenizer with at most `size` pieces, the five special ones and every character included.

    So are the characters of `alphabet`, at the start of a word and in it (more pieces than `size` only for these).
    """
    from tokenizers import normalizers, pre_tokenizers
    from transformers import BertTokenizer

    normal = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    split = pre_tokenizers.BertPreTokenizer()
    words: Counter[str] = Counter()
    for text in texts:
        words.update(word for word, _ in split.pre_tokenize_str(normal.normalize_str(text)))
    letters = dict.fromkeys(normal.normalize_str(alphabet).replace(" ", ""))
    spelled = [piece for letter in letters for piece in (letter, CONTINUED + letter)]
    pieces = [*SPECIALS, *learn_pieces(words, size - len(SPECIALS), spelled)]
    vocab = {piece: number for number, piece in enumerate(pieces)}
    return BertTokenizer(vocab=vocab, do_lower_case=False, strip_accents=False, model_max_length=512)


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
